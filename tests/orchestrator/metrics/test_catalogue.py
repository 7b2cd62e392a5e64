"""The table of metrics: named as Prometheus wants it, said to people as it is, and nothing missing from it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from orchestrator.metrics.catalogue import BUCKETS_S, METRICS, Kind, page
from tests.logs import Scenario, simulate, write_log
from tests.orchestrator.metrics.exposed import scraped, source_of

ROOT = Path(__file__).parents[3]


def test_the_page_is_made_from_the_table() -> None:
    """What people read of a metric is what the table says, and nothing older."""
    assert (ROOT / "deploy/observability/METRICS.md").read_text() == page()


def test_the_page_is_written_by_one_command(tmp_path: Path) -> None:
    """Whoever changes the table can write the page again."""
    given = [sys.executable, "-m", "orchestrator.metrics.catalogue", str(tmp_path)]
    subprocess.run(given, cwd=ROOT, check=True)
    assert (tmp_path / "METRICS.md").read_text() == page()


def test_names_follow_prometheus_conventions() -> None:
    """Whoever knows Prometheus knows a metric's kind and unit from its name."""
    for name, spec in METRICS.items():
        assert re.fullmatch(r"haltdrill_[a-z]+(_[a-z]+)*", name)
        assert name.endswith("_total") == (spec.kind is Kind.COUNTER), name
        assert not re.search(r"_(ms|ns|minutes|hours|kb|mb|count|sum|bucket)$", name), name
        assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", label) for label in spec.labels), name
        assert len(set(spec.labels)) == len(spec.labels), name


def test_every_metric_says_what_it_is() -> None:
    """Nobody has to guess; a sentence each."""
    assert [name for name, spec in METRICS.items() if not spec.meaning.endswith(".")] == []
    assert [name for name, spec in METRICS.items() if f"`{name}`" not in page()] == []


def test_buckets_rise() -> None:
    """A histogram's buckets are in order, and wide enough for a plant that takes an hour."""
    assert list(BUCKETS_S) == sorted(set(BUCKETS_S))
    assert BUCKETS_S[-1] >= 3600


def test_every_metric_is_exposed_by_some_log(tmp_path: Path) -> None:
    """No metric stands in the table that a dashboard would wait for in vain, and none is exposed beside it."""
    names: set[str] = set()
    for number, until_s in enumerate((30.0, 1e9)):
        path = tmp_path / f"{number}.log"
        lines = simulate(Scenario(sites=60, faults=0.3))
        write_log(path, [line for line in lines if line.offset_ns <= until_s * 1e9])
        names |= scraped(source_of(path, per_site=True)).names
    passing = tmp_path / "passing.log"
    write_log(passing, simulate(Scenario(sites=3, faults=0)))
    names |= scraped(source_of(passing, per_site=True)).names
    assert names == {series for spec in METRICS.values() for series in spec.series}
