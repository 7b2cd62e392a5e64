"""What a report takes from a journal: the drill before it, and nothing that would keep this one from being told."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.report.files import write_reports
from orchestrator.report.reading import previous_of, read_closed, regions_of
from protocols.ids import digest_of
from tests.orchestrator.coverage.journals import DAY_NS, keep, record_on
from tests.orchestrator.recorder import Recorded, Recorder, Script


def other_plan() -> Recorded:
    """Record a drill of day 3 of another plan."""

    class Other(Recorder):
        warrant_changes = MappingProxyType({"plan": "yearly", "nonce": digest_of(b"other")[:32]})

        @property
        def wall_ns(self) -> int:
            return super().wall_ns + 3 * DAY_NS

    return Other(Script()).record()


@pytest.fixture(scope="module")
def drills() -> list[Recorded]:
    """Two drills of one plan, one of another between them, and a third of the first."""
    return [record_on(1), record_on(2, Script(lying="beta")), other_plan(), record_on(4)]


def store_of(drills: list[Recorded], *, unclosed: str = "") -> SqliteJournal:
    """Return a journal that holds these drills."""
    store = SqliteJournal(None)
    for one in drills:
        keep(store, one.drill, one.records, closed=one.drill != unclosed)
    return store


def test_the_drill_before_is_the_last_closed_one_of_the_same_plan(drills: list[Recorded]) -> None:
    """Another plan's drill, a later one and one that never ended are no comparison."""
    first, second, other, last = drills
    store = store_of(drills)
    assert previous_of(store, last.result) == (second.result, "")
    assert previous_of(store, second.result) == (first.result, "")
    for alone in (first, other):
        found, why = previous_of(store, alone.result)
        assert found is None
        assert "No earlier drill of this plan" in why
    assert previous_of(store_of(drills, unclosed=second.drill), last.result) == (first.result, "")


def test_a_damaged_earlier_drill_does_not_withhold_this_report(drills: list[Recorded], tmp_path: Path) -> None:
    """The report of a drill comes out, and says which earlier one could not be read."""
    first, second, _, last = drills
    store = SqliteJournal(None)
    keep(store, first.drill, first.records)
    keep(store, second.drill, [*second.records[:-2], second.records[-1]])
    keep(store, last.drill, last.records)
    found, why = previous_of(store, last.result)
    assert found is None
    assert f"{second.drill}, could not be read" in why
    page = write_reports(store, last.drill, tmp_path).read_text()
    assert second.drill in page


def test_regions_come_from_the_signed_records(drills: list[Recorded]) -> None:
    """A site's region in a report is what its root-signed record says."""
    fleet = drills[0].fleet
    wanted = {
        site: tag.value
        for site, record in fleet.trust().records.items()
        for tag in record.attributes
        if tag.name == "region"
    }
    assert wanted
    assert regions_of(drills[0].records) == wanted
    result, context = read_closed(store_of(drills[:1]), drills[0].drill, alone=True)
    assert (result, dict(context.regions), context.previous) == (drills[0].result, wanted, None)
