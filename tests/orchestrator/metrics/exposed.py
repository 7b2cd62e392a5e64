"""Metrics as Prometheus would read them: text, parsed by its own client's parser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

from orchestrator.metrics.exporter import exposition
from orchestrator.metrics.families import Families
from orchestrator.metrics.source import LogSource

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Exposed:
    """What a scrape holds.

    Attributes:
        text: As it came.
        samples: Every value by name and labels.
    """

    text: str
    samples: Mapping[tuple[str, Labels], float]

    def value(self, name: str, **labels: object) -> float | None:
        """Return the value of the one series of that name that has these labels, among others; None if none has."""
        found = list(self.series(name, **labels).values())
        assert len(found) <= 1, f"{name}: {len(found)} series"
        return found[0] if found else None

    def series(self, name: str, **labels: object) -> dict[Labels, float]:
        """Return every series of that name that has these labels, among others."""
        wanted = {(key, str(value)) for key, value in labels.items()}
        full = name if name.startswith("haltdrill_") else f"haltdrill_{name}"
        return {has: value for (known, has), value in self.samples.items() if known == full and wanted <= has}

    def by(self, label: str, name: str, **labels: object) -> dict[str, float]:
        """Return the values of a name's series by one of their labels."""
        return {dict(has)[label]: value for has, value in self.series(name, **labels).items()}

    @property
    def names(self) -> set[str]:
        """The names of all series."""
        return {name for name, _ in self.samples}


def parsed(text: str) -> Exposed:
    """Read an exposition; a series that comes twice is a fault of it."""
    samples: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, f"twice: {key}"
            samples[key] = sample.value
    return Exposed(text, samples)


class _Fixed(Collector):
    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return iter(self._families)


def exposed(families: Families) -> Exposed:
    """Return families as a scrape has them."""
    registry = CollectorRegistry()
    registry.register(_Fixed(families))
    return parsed(generate_latest(registry).decode())


def source_of(*logs: Path, per_site: bool = False) -> LogSource:
    """Return a source of these logs."""
    return LogSource(logs, version="1.2.3", per_site=per_site)


def scraped(source: LogSource) -> Exposed:
    """Return what a scrape of it holds."""
    return parsed(exposition(source))
