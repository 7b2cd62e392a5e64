"""What is kept of drills that are over."""

from __future__ import annotations

from orchestrator.metrics.families import Families
from orchestrator.metrics.past import Past
from tests.logs import START_WALL_NS
from tests.orchestrator.metrics.exposed import Exposed, exposed
from tests.orchestrator.watch.told import drill_of, now_of

S = 1_000_000_000
DAY_NS = 86_400 * S


def _of(past: Past) -> Exposed:
    out = Families()
    past.expose(out)
    return exposed(out)


def test_nothing_is_known_before_the_first_drill() -> None:
    """No plan and no control has a series before it was drilled."""
    assert _of(Past()).text == ""


def test_a_drill_that_runs_is_not_taken() -> None:
    """A drill counts when it is over."""
    past = Past()
    assert not past.take(drill_of(40.0, sites=4))
    assert _of(past).text == ""


def test_drills_are_counted_by_how_they_ended() -> None:
    """Passed, failed and aborted are three things, and each has a series from the first drill on."""
    past = Past()
    assert past.take(drill_of(sites=4, faults=0))
    assert _of(past).by("outcome", "drills_total", plan="quarterly") == {"passed": 1, "failed": 0, "aborted": 0}
    assert past.take(drill_of(sites=4, faults=0, wall_ns=START_WALL_NS + DAY_NS, abort_at_s=20.0))
    assert past.take(drill_of(sites=4, faults=0.5, wall_ns=START_WALL_NS + 2 * DAY_NS))
    assert _of(past).by("outcome", "drills_total", plan="quarterly") == {"passed": 1, "failed": 1, "aborted": 1}


def test_a_drill_that_comes_twice_counts_once() -> None:
    """A log that is read again, after a rotation or from a copy, changes no counter."""
    past, drill = Past(), drill_of(sites=4, faults=0)
    assert past.take(drill)
    assert past.take(drill)
    assert _of(past).value("drills_total", outcome="passed") == 1


def test_the_last_success_is_not_the_last_drill() -> None:
    """The age of the last success grows on while drills fail; in whatever order the logs were read."""
    good = drill_of(sites=4, faults=0)
    bad = drill_of(sites=4, faults=0.5, wall_ns=START_WALL_NS + DAY_NS)
    for order in ((good, bad), (bad, good)):
        past = Past()
        for drill in order:
            past.take(drill)
        found = _of(past)
        assert found.value("plan_last_success_timestamp_seconds", plan="quarterly") == now_of(good) / S
        assert found.value("plan_last_drill_timestamp_seconds", plan="quarterly") == now_of(bad) / S
        assert found.value("control_last_success_timestamp_seconds", control="pause") == now_of(good) / S


def test_each_plan_is_counted_for_itself() -> None:
    """One plan's success says nothing of another's."""
    past = Past()
    past.take(drill_of(sites=4, faults=0, plan="monthly"))
    past.take(drill_of(sites=4, faults=0.5, plan="yearly", wall_ns=START_WALL_NS + DAY_NS))
    found = _of(past)
    assert found.by("plan", "plan_last_drill_timestamp_seconds").keys() == {"monthly", "yearly"}
    assert found.by("plan", "plan_last_success_timestamp_seconds").keys() == {"monthly"}


def test_a_control_is_as_old_as_its_oldest_proof() -> None:
    """A site that failed lately keeps the date of its last proof; one that never had one is counted apart."""
    past = Past()
    good, bad = drill_of(sites=9, faults=0), drill_of(sites=9, faults=0.12, wall_ns=START_WALL_NS + DAY_NS)
    past.take(bad)
    found = _of(past)
    assert found.value("control_unproved_sites", control="pause") == 1
    assert found.value("control_oldest_proof_timestamp_seconds", control="pause") == now_of(bad) / S
    past.take(good)
    found = _of(past)
    assert found.value("control_unproved_sites", control="pause") == 0
    assert found.value("control_oldest_proof_timestamp_seconds", control="pause") == now_of(good) / S
    assert found.by("verdict", "control_sites", control="pause") | {"verified": 8, "contradicted": 1} == found.by(
        "verdict", "control_sites", control="pause"
    )
