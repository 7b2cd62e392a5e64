"""Tests of `orchestrator.dashboard.situation`."""

from __future__ import annotations

import json

from orchestrator.dashboard.roster import Roster
from orchestrator.dashboard.situation import curve, deadline, legend, listed, situation, stamp_ms
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import Standing
from orchestrator.logbook.views import DrillView
from tests.orchestrator.dashboard.viewed import drill_until, lines_of, view_of


def _situation(drill: DrillView) -> dict[str, object]:
    roster = Roster()
    roster.catch_up(drill, 1)
    return situation(drill, roster)


def test_every_standing_has_its_letter_and_meaning() -> None:
    """A page can say of every site where it stands, without colours."""
    told = legend()
    assert len({letter for letter, *_ in told}) == len(told) == len(Standing)
    assert all(word and role and meaning for _, word, role, meaning in told)


def test_what_is_due_follows_the_phases() -> None:
    """Counted down is to the release, then to the time by which all must be back, and at the end to nothing."""
    lines = lines_of(sites=4)
    ordered = next(line for line in lines if isinstance(line, ln.Ordered))
    released = next(line for line in lines if isinstance(line, ln.Released))
    assert deadline(drill_until(lines, "site.changed")) is None
    due = deadline(drill_until(lines, "order.issued"))
    assert due is not None
    assert due["what"] == "release"
    assert due["at_ms"] == stamp_ms(ordered.timestamp) + ordered.release_after_ns // 10**6
    back = deadline(drill_until(lines, "release.issued"))
    assert back is not None
    assert back["what"] == "back"
    assert back["at_ms"] == stamp_ms(released.timestamp) + 15_000
    assert deadline(drill_until(lines, "drill.closed")) is None


def test_an_abort_is_told_with_its_reason() -> None:
    """An aborted drill says why, and by when its sites must be back."""
    drill = drill_until(lines_of(sites=4, abort_at_s=20), "drill.aborted")
    due = deadline(drill)
    assert due is not None
    assert due["what"] == "back"
    head = _situation(drill)["head"]
    assert isinstance(head, dict)
    assert head["aborted"]
    assert head["phase"] == "aborting"


def test_counts_regions_and_sites_agree() -> None:
    """Every way of counting the fleet comes to the same."""
    drill = view_of(lines_of(sites=50, faults=0.3)).newest
    assert drill is not None
    found = _situation(drill)
    counts, regions = found["counts"], found["regions"]
    assert isinstance(counts, dict)
    assert isinstance(regions, list)
    summed: dict[str, int] = {}
    for region in regions:
        for letter, number in region.items():
            summed[letter] = summed.get(letter, 0) + number
    assert summed == counts
    assert sum(counts.values()) == 50


def test_the_curve_is_the_reports() -> None:
    """What the page draws as proved are the upper bounds of the verdicts, no more and no less."""
    drill = view_of(lines_of(sites=60, faults=0.2)).newest
    assert drill is not None
    drawn = curve(drill, 0)
    uppers = [upper for _, upper in drill.halts(0)]
    assert drawn["seen"] == len(uppers)
    assert drawn["in_time"] == sum(upper <= 10 * 10**9 for upper in uppers)
    assert [number for _, number in drawn["latest"]][-1] == len(uppers)
    assert drawn["latest"][-1][0] * 10**6 >= max(uppers)


def test_a_hostile_name_stays_a_text() -> None:
    """What comes from outside is passed on as a JSON string, without characters that nobody sees."""
    lines = lines_of(sites=2, title="<img src=x onerror=alert(1)>\u202e")
    drill = view_of(lines).newest
    assert drill is not None
    said = json.loads(json.dumps(listed(drill)))
    assert said["title"] == "<img src=x onerror=alert(1)>\ufffd"
