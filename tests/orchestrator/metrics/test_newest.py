"""The newest drill as metrics, at several moments of it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from orchestrator.core.grades import Verdict
from orchestrator.core.states import Phase
from orchestrator.logbook.views import DrillView, LogView
from orchestrator.metrics.families import Families
from orchestrator.metrics.newest import expose_drill, next_line_due_ns
from tests.logs import START_WALL_NS
from tests.logs.scenario import DWELL_NS, HOLD_NS, LIMIT_NS, PREFLIGHT_NS, RESTORE_LIMIT_NS
from tests.orchestrator.metrics.exposed import Exposed, exposed
from tests.orchestrator.watch.told import drill_of, lines_of, now_of

S = 1_000_000_000
ORDERED_NS = START_WALL_NS + PREFLIGHT_NS
BEFORE_S, HELD_S, AFTER_S = 3.0, 40.0, 67.0


def _of(drill: DrillView, *, per_site: bool = False) -> Exposed:
    out = Families()
    expose_drill(drill, out, per_site=per_site)
    return exposed(out)


def test_a_drill_before_its_order() -> None:
    """It is named and running; what has not happened has no series."""
    drill = drill_of(BEFORE_S, sites=20, faults=0)
    found = _of(drill)
    assert found.value("drill_info", drill=drill.drill, plan="quarterly", demo="true") == 1
    assert found.value("drill_running") == 1
    assert found.by("phase", "drill_phase") == {phase: float(phase is Phase.PREFLIGHT) for phase in Phase}
    assert found.value("drill_opened_timestamp_seconds") == START_WALL_NS / S
    assert found.value("drill_audience_sites") == 20
    assert found.value("step_response_limit_seconds", step=0) == LIMIT_NS / S
    absent = {
        "haltdrill_drill_ended_timestamp_seconds",
        "haltdrill_drill_passed",
        "haltdrill_step_ordered_timestamp_seconds",
        "haltdrill_step_sites_halted",
        "haltdrill_step_verdicts",
    }
    assert found.names & absent == set()


def test_a_drill_in_its_hold() -> None:
    """Who is halted, how long the last one took, and when the hold ends: what a wall screen shows."""
    drill = drill_of(HELD_S, sites=20, faults=0)
    found = _of(drill)
    halts_ns = [upper_ns for _, upper_ns in drill.halts(0)]
    assert found.value("drill_sites_halted") == found.value("step_sites_halted") == len(halts_ns) == 20
    assert found.value("step_last_halt_seconds") == pytest.approx(max(halts_ns) / S)
    assert found.value("step_response_time_seconds_count") == 20
    assert found.value("step_response_time_seconds_sum") == pytest.approx(sum(halts_ns) / S)
    assert found.value("step_ordered_timestamp_seconds") == ORDERED_NS / S
    assert found.value("step_release_due_timestamp_seconds") == (ORDERED_NS + HOLD_NS) / S
    assert found.value("step_released_timestamp_seconds") is None
    assert sum(found.by("standing", "drill_sites").values()) == 20
    assert found.value("drill_sites", standing="witnessed") == 20


def test_a_drill_that_was_released() -> None:
    """The countdown ends with the release, and does not come back."""
    found = _of(drill_of(AFTER_S, sites=20, faults=0))
    assert found.value("step_released_timestamp_seconds") == (ORDERED_NS + HOLD_NS) / S
    assert found.value("step_release_due_timestamp_seconds") is None
    assert found.value("drill_sites", standing="coming_back") > 0


@pytest.mark.parametrize(("faults", "passed"), [(0, 1), (0.3, 0)])
def test_a_drill_that_is_over(faults: float, passed: int) -> None:
    """When it ended, whether it passed, and every verdict counted once."""
    drill = drill_of(sites=30, faults=faults)
    found = _of(drill)
    assert found.value("drill_running") == 0
    assert found.value("drill_passed") == passed
    assert found.value("drill_ended_timestamp_seconds") == pytest.approx(now_of(drill) / S)
    assert found.value("drill_next_line_due_timestamp_seconds") is None
    given = found.by("verdict", "step_verdicts", step=0)
    assert sum(given.values()) == 30
    wanted = Counter(site.results[0].verdict for site in drill.sites.values())
    assert given == {verdict: wanted[Verdict(verdict)] for verdict in given}


def test_an_aborted_drill() -> None:
    """It says that it was stopped, also while it winds up."""
    assert _of(drill_of(BEFORE_S, sites=5)).value("drill_aborted") == 0
    assert _of(drill_of(21.0, sites=5, abort_at_s=20.0)).value("drill_aborted") == 1


def test_every_step_has_series_of_its_own() -> None:
    """Two steps are told apart by number, name and control."""
    drill = drill_of(sites=6, steps=2, faults=0)
    found = _of(drill)
    assert found.by("step_name", "step_sites_halted") == {"pause-1": 6, "slowdown-2": 6}
    assert found.value("drill_steps") == 2
    assert found.value("drill_running_step") == 1


def test_sites_have_series_only_where_asked_for() -> None:
    """A large fleet does not fill a Prometheus by itself: the number of series does not depend on that of sites."""
    few, many = (_of(drill_of(HELD_S, sites=sites, faults=0)) for sites in (6, 60))
    assert len(few.samples) == len(many.samples)
    drill = drill_of(HELD_S, sites=6, faults=0)
    all_of_them = _of(drill, per_site=True)
    assert all_of_them.by("site", "site_standing", standing="witnessed").keys() == drill.sites.keys()
    for name, site in drill.sites.items():
        assert site.response_upper_ns is not None
        wanted_s = pytest.approx(site.response_upper_ns / S)
        assert all_of_them.value("site_response_time_seconds", site=name, region=site.region) == wanted_s


@pytest.mark.parametrize("options", [{"steps": 2}, {"abort_at_s": 20.0}, {"abort_at_s": 2.0}])
def test_every_line_comes_before_it_is_due(options: dict[str, float]) -> None:
    """The alert for a silent drill never fires for one that goes on: each line comes by when there had to be one."""
    view = LogView()
    for line, later in pairwise(lines_of(sites=4, faults=0, **options)):
        view.take(line)
        assert view.newest is not None
        due_ns = next_line_due_ns(view.newest)
        assert due_ns is not None
        assert due_ns >= START_WALL_NS + later.offset_ns, (line.message, later.message)


def test_a_hold_may_be_quiet_to_its_end() -> None:
    """In a hold nothing need be written; past its end something must."""
    drill = drill_of(HELD_S, sites=4, faults=0)
    assert next_line_due_ns(drill) == ORDERED_NS + HOLD_NS


def test_a_recovery_is_waited_for_as_long_as_it_may_take() -> None:
    """After the release there is a line at the latest when the time to come back and to prove it is up."""
    drill = drill_of(AFTER_S, sites=4, faults=0)
    challenge_ns = drill.opened.challenge_ns
    released_ns = ORDERED_NS + HOLD_NS
    assert next_line_due_ns(drill) == released_ns + RESTORE_LIMIT_NS + DWELL_NS + 2 * challenge_ns
