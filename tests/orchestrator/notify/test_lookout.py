"""What of a log people are told, and that it is told once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.logbook import lines as ln
from orchestrator.logbook import service_lines as sl
from orchestrator.logbook import stopping_lines as st
from orchestrator.notify.lookout import TELLING, Lookout
from orchestrator.notify.notices import SITES_MAX, Notice, NoticeKind, Severity
from protocols.controls import Control
from protocols.ids import format_utc
from protocols.logged import Level
from tests.logs import Scenario, simulate

GATHER_NS = 30_000_000_000


def told(lines: list[ln.AnyDrillLine], lookout: Lookout | None = None) -> list[Notice]:
    """Return what a log leads to, looked at line by line as it was written."""
    lookout, found = lookout or Lookout(), []
    for line in lines:
        found += lookout.take(line)
        found += lookout.gathered(line.offset_ns, GATHER_NS)
    return found


def kinds(notices: list[Notice]) -> list[NoticeKind]:
    """Return what notices are about."""
    return [notice.kind for notice in notices]


def test_a_drill_that_passes_is_told_at_its_start_and_its_end_and_not_between() -> None:
    """Nobody is woken by a drill in which nothing is wrong; who approved it is said at its start."""
    found = told(simulate(Scenario(sites=5, faults=0.0)))
    assert kinds(found) == [NoticeKind.STARTED, NoticeKind.ENDED]
    assert "approved by" in found[0].summary
    assert found[0].sites_total == 5
    assert found[1].passed is True
    assert found[1].severity is Severity.INFO
    assert "5 of 5 verified" in found[1].summary


def test_the_first_loud_sites_are_told_at_once_and_every_loud_site_is_told_once() -> None:
    """However many sites go wrong, and however often the log says so, each is counted in exactly one notice."""
    lines = simulate(Scenario(sites=400, faults=0.2, steps=2))
    loud = {
        (line.step, line.site)
        for line in lines
        if (isinstance(line, ln.Changed) and line.standing.loud)
        or (isinstance(line, ln.Judged) and line.verdict.value in {"contradicted", "refused", "broken", "not_restored"})
    }
    found = told(lines)
    notices = [notice for notice in found if notice.kind is NoticeKind.LOUD]
    assert sum(notice.sites_total for notice in notices) == len(loud) > SITES_MAX
    assert len({notice.id for notice in notices}) == len(notices)
    assert all(len(notice.sites) <= SITES_MAX for notice in notices)
    first = next(line for line in lines if isinstance(line, ln.Changed) and line.standing.loud)
    assert notices[0].sites[0].site == first.site
    assert notices[0].at == first.timestamp
    span_ns = lines[-1].offset_ns
    assert len(notices) <= span_ns // GATHER_NS + 2


def test_a_notice_that_waits_is_told_before_the_end_is() -> None:
    """Whoever reads the last notice of a drill has read all that was wrong with it."""
    found = told(simulate(Scenario(sites=100, faults=0.1)))
    assert found[-1].kind is NoticeKind.ENDED
    assert found[-1].passed is False
    assert found[-1].severity is Severity.ERROR


def test_a_log_that_says_it_again_after_a_restart_leads_to_nothing() -> None:
    """The orchestrator writes its log again from the journal when it is restarted."""
    lookout, lines = Lookout(), simulate(Scenario(sites=60, faults=0.1))
    half = len(lines) // 2
    told(lines[:half], lookout)
    again = [line.model_copy(update={"restated": True}) for line in lines[:half]]
    assert told(again, lookout) == []
    rest = told(lines[half:], lookout)
    assert kinds(rest)[-1] is NoticeKind.ENDED
    assert told(lines, lookout) == []


def test_a_notifier_that_missed_the_start_still_tells_what_goes_wrong() -> None:
    """Where only the end of a drill's log is seen, its sites and its end are told all the same."""
    lines = [line for line in simulate(Scenario(sites=60, faults=0.1)) if not isinstance(line, ln.Opened)]
    found = told(lines)
    assert NoticeKind.LOUD in kinds(found)
    assert found[-1].drill is not None
    assert found[-1].drill in found[-1].summary


def test_a_stop_condition_is_named_as_what_aborted_the_drill() -> None:
    """On-call people read why a drill stopped, not only that it did."""
    lines = simulate(Scenario(sites=5, faults=0.0, abort_at_s=20.0))
    aborted = next(line for line in lines if isinstance(line, ln.Aborted))
    breach = st.ConditionBreached(
        timestamp=aborted.timestamp,
        level=Level.WARNING,
        program="orchestrator",
        message="in breach",
        action="condition.breached",
        drill=aborted.drill,
        condition="evals-go-on",
        kind="steady",
        detail="the rate is 0",
        stopping=True,
    )
    lookout = Lookout()
    found = [*lookout.take(breach), *told(lines, lookout)]
    stopped = next(notice for notice in found if notice.kind is NoticeKind.STOPPED)
    assert "evals-go-on: the rate is 0" in stopped.summary
    assert kinds(found).count(NoticeKind.STOPPED) == 1
    assert "was aborted" in found[-1].summary


def test_overdue_proofs_and_what_keeps_a_schedule_from_running_are_told() -> None:
    """The service's own lines lead to notices: proofs that are too old, and drills that did not happen."""
    common = {"timestamp": "2026-11-28T07:00:00.000000000Z", "level": Level.WARNING, "program": "orchestrator"}
    cell = sl.CellOverdue(site="site-1", control=Control.PAUSE, age_s=100 * 86_400.0)
    overdue = sl.CoverageOverdue(
        **common,
        message="1 proof is overdue",
        action="coverage.overdue",
        overdue=1,
        sites=1,
        max_age_s=1.0,
        oldest=(cell,),
    )
    skipped = sl.ScheduleSkipped(
        **common,
        message="skipped",
        action="schedule.skipped",
        plan="monthly",
        name="monthly@2026",
        reason="blackout",
        detail="it lies in the blackout Freeze",
    )
    first, second = Lookout().take(overdue)[0], Lookout().take(skipped)[0]
    assert first.kind is NoticeKind.OVERDUE
    assert first.sites[0].detail == "last proved 100 days ago"
    assert second.kind is NoticeKind.ATTENTION
    assert second.plan == "monthly"
    assert "Freeze" in second.summary


def test_words_of_a_site_cannot_forge_a_line_or_a_header() -> None:
    """What a site says of itself comes from outside: in a notice it is one line without control characters."""
    lines = simulate(Scenario(sites=20, faults=0.2))
    evil = "a\r\nBcc: all@example.org\x1b[2J\u2028" + "x" * 1_000
    changed = [
        line.model_copy(update={"message": evil}) if isinstance(line, ln.Changed) and line.standing.loud else line
        for line in lines
    ]
    for notice in told(changed):
        assert notice.summary.isprintable()
        assert len(notice.summary) <= 300
        assert all(site.detail.isprintable() for site in notice.sites)


@pytest.mark.parametrize("action", ["drill.opened", "site.changed", "drill.closed"])
def test_lines_are_read_as_they_are_written(action: str) -> None:
    """The lines that matter are read from a log's own bytes."""
    line = next(line for line in simulate(replace(Scenario(), sites=3)) if line.action == action)
    assert TELLING.validate_json(line.model_dump_json(by_alias=True)) == line


def test_what_is_remembered_has_a_bound() -> None:
    """A log that opens drills without end, and closes none, does not fill the memory."""
    lookout, lines = Lookout(), simulate(Scenario(sites=1, faults=0.0))
    for number in range(1_000):
        lookout.take(lines[0].model_copy(update={"drill": f"20261128t070000z-quarterly-{number:06x}"}))
    assert len(lookout.drills) <= 256


def test_what_fails_every_few_seconds_is_told_once_an_hour() -> None:
    """A full disk is one notice, not seven hundred; another trouble is another one, and it is told again later."""
    lookout = Lookout()

    def failed(at_s: int, detail: str = "disk full") -> int:
        line = sl.ServiceJournalFailed(
            timestamp=format_utc(1_795_849_200_000_000_000 + at_s * 10**9),
            level=Level.ERROR,
            program="orchestrator",
            message="failed",
            action="service.journal_failed",
            detail=detail,
        )
        return len(lookout.take(line))

    assert [failed(at_s) for at_s in range(0, 3_600, 5)] == [1] + [0] * 719
    assert failed(100, "the database is gone") == 1
    assert failed(3_600) == 1


def test_what_is_overdue_is_told_again_after_a_restart_only_when_it_changed() -> None:
    """The service says at each start what is overdue; people are told when that is another, and once a day."""
    lookout = Lookout()

    def overdue(at_s: int, *sites: str) -> int:
        cells = tuple(sl.CellOverdue(site=site, control=Control.PAUSE, age_s=9.0) for site in sites)
        line = sl.CoverageOverdue(
            timestamp=format_utc(1_795_849_200_000_000_000 + at_s * 10**9),
            level=Level.WARNING,
            program="orchestrator",
            message="overdue",
            action="coverage.overdue",
            overdue=len(cells),
            sites=len(cells),
            max_age_s=1.0,
            oldest=cells,
        )
        return len(lookout.take(line))

    assert [overdue(0, "a"), overdue(60, "a"), overdue(90, "a", "b"), overdue(90_000, "a")] == [1, 0, 1, 1]
