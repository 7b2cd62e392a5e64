"""Collects samples of the metrics in the catalogue, as families of prometheus_client."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrator.metrics.catalogue import BUCKETS_S, METRICS, Kind, Spec

_LABEL_MAX_CHARS = 120

Value = int | float | Sequence[float]


class Families:
    """Samples by metric. The same labels given twice replace what was there: a scrape has each series once."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[tuple[str, ...], Value]] = {}

    def add(self, metric: str, value: Value | None, **labels: object) -> None:
        """Add a sample.

        Args:
            metric: The metric's name in the catalogue, without `haltdrill_`.
            value: Its value; of a histogram every observation, seconds. Nothing is added for None.
            labels: A value for each of its labels, and no other.
        """
        spec = METRICS[f"haltdrill_{metric}"]
        if labels.keys() != set(spec.labels):
            raise ValueError(f"{spec.name} has the labels {spec.labels}, not {tuple(labels)}")
        if value is not None:
            key = tuple(str(labels[name])[:_LABEL_MAX_CHARS] for name in spec.labels)
            self._samples.setdefault(spec.name, {})[key] = value

    def __iter__(self) -> Iterator[Metric]:
        """Yield the families that have samples, in the catalogue's order."""
        for name, spec in METRICS.items():
            samples = self._samples.get(name)
            if samples:
                yield _family(spec, samples)


def _family(spec: Spec, samples: dict[tuple[str, ...], Value]) -> Metric:
    if spec.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(spec.name, spec.meaning, labels=spec.labels)
        for labels, value in samples.items():
            observed = sorted(value) if isinstance(value, Sequence) else [value]
            histogram.add_metric(labels, _buckets(observed), sum(observed))
        return histogram
    make = CounterMetricFamily if spec.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(spec.name, spec.meaning, labels=spec.labels)
    for labels, value in samples.items():
        if isinstance(value, Sequence):
            raise TypeError(f"{spec.name} is no histogram")
        family.add_metric(labels, value)
    return family


def _buckets(ordered: Sequence[float]) -> list[tuple[str, float]]:
    """Count observations up to and with each bound; `ordered` is sorted."""
    counts = [(str(bound), float(bisect_right(ordered, bound))) for bound in BUCKETS_S]
    return [*counts, ("+Inf", float(len(ordered)))]
