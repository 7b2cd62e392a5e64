"""Stop conditions beside whole drills: the first breach ends the drill, silence does after its grace, nothing hides."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.core import events as ev
from orchestrator.core.grades import Verdict
from orchestrator.core.states import Phase
from orchestrator.stopping.answers import Answer, breach, fine, unknown
from orchestrator.stopping.guard import CHANGES_TOLD
from orchestrator.stopping.spec import (
    CommandCheck,
    CountedSites,
    HttpCheck,
    PrometheusQuery,
    SitesAre,
    SteadyWork,
    StopCondition,
)
from protocols.controls import Control, StandbyParams
from protocols.messages import Abort, Warrant
from tests.kit import Fleet, make_fleet
from tests.orchestrator.runtime.scripted import Script
from tests.orchestrator.service.stage import ServiceStage
from tests.orchestrator.stopping.stopped import Stopped, run_stopped

HEALTH = StopCondition(name="health", http=HttpCheck(url="http://127.0.0.1/", timeout_s=1.0), every_s=1.0, grace_s=3.0)


def steady_fleet() -> Fleet:
    """Make a fleet of which a standby can be asked."""
    return make_fleet(("alpha", "beta"), record={"controls": (Control.STANDBY,)})


def sites_are(word: SitesAre, *, at_most: int = 0) -> StopCondition:
    """Return a condition that counts sites."""
    return StopCondition(name="too-many", sites=CountedSites(are=word, at_most=at_most), every_s=0.5)


def two_steps(fleet: Fleet) -> Warrant:
    """Make a warrant of two pauses, one after the other."""
    return fleet.warrant(fleet.step(name="one", hold_s=12.0, restore_limit_s=6.0), fleet.step(name="two", hold_s=12.0))


def long_hold(fleet: Fleet) -> Warrant:
    """Make a warrant of one long pause."""
    return fleet.warrant(hold_s=30.0)


def standby(fleet: Fleet) -> Warrant:
    """Make a warrant of a step that halts nothing."""
    return fleet.warrant(params=StandbyParams(), hold_s=20.0)


async def fine_until_10_s(at_s: float) -> Answer:
    """Answer well for ten seconds."""
    return fine("well") if at_s < 10.0 else breach("it answered 503, not 200")


def all_back(stopped: Stopped) -> bool:
    """Tell whether every site works again, by the simulated truth."""
    return all(site.load.active for site in stopped.stage.sites.values())


def test_without_a_breach_a_drill_goes_its_way() -> None:
    """Conditions that are fine throughout change nothing, and each is told to be watched and known."""
    conditions = [HEALTH, sites_are(SitesAre.CONTRADICTED)]

    async def well(_at_s: float) -> Answer:
        return fine("it answered 200")

    stopped = run_stopped(conditions, answering=well)
    assert stopped.drill.passed
    assert stopped.recorder.said("conditions.watched")[0]["conditions"] == ["health", "too-many"]
    assert {line["condition"] for line in stopped.recorder.said("condition.known")} == {"health", "too-many"}
    assert stopped.recorder.said("condition.breached") == []
    last_order = stopped.times(ev.StepEnded)[-1]
    assert max(stopped.asked) > last_order - 2.0, "it is asked to the end"


def test_a_breach_stops_ordering_releases_every_site_and_says_why() -> None:
    """In the hold, a breach aborts the drill within a turn, sites are let go, and the journal has the reason."""
    stopped = run_stopped([HEALTH], answering=fine_until_10_s)
    (aborted,) = stopped.times(ev.Aborted)
    assert 10.0 <= aborted <= 11.5
    assert stopped.drill.abort_reason == "stop condition health: it answered 503, not 200"
    assert stopped.drill.passed is False
    assert all_back(stopped)
    (event,) = [event for _, event in stopped.events if isinstance(event, ev.Aborted)]
    assert '"payloadType"' in event.envelope
    assert Abort.payload_type() in event.envelope
    assert stopped.breached == {
        "drill": stopped.drill.drill,
        "condition": "health",
        "kind": "http",
        "detail": "it answered 503, not 200",
        "stopping": True,
    }


@pytest.mark.parametrize(
    "condition",
    [
        HEALTH,
        HEALTH.model_copy(update={"http": None, "command": CommandCheck(argv=("/bin/check",), timeout_s=1.0)}),
        HEALTH.model_copy(
            update={
                "http": None,
                "prometheus": PrometheusQuery(url="http://127.0.0.1/", query="up", breach_under=1, timeout_s=1.0),
            }
        ),
    ],
    ids=lambda condition: condition.kind,
)
def test_silence_is_a_breach_after_its_grace(condition: StopCondition) -> None:
    """Whoever is asked and hangs for ever is unknown by the timeout, and stops the drill after the grace."""

    async def hangs(at_s: float) -> Answer:
        if at_s > 10.0:
            await asyncio.sleep(1e6)
        return fine()

    stopped = run_stopped([condition], answering=hangs, warrant=long_hold)
    (aborted,) = stopped.times(ev.Aborted)
    # asked by 11 s, unknown once the timeout and a second are over; then 3 s of grace
    assert 13.0 <= aborted <= 18.0
    assert "which counts as a breach" in stopped.drill.abort_reason
    assert all_back(stopped)


def test_nothing_is_ordered_before_everybody_outside_has_said_that_all_is_well() -> None:
    """A drill that cannot be watched yet waits with its first order, and goes on once it can."""

    async def late(at_s: float) -> Answer:
        return fine() if at_s > 2.0 else unknown("it is starting")

    stopped = run_stopped([HEALTH], answering=late)
    assert stopped.drill.passed
    assert min(stopped.times(ev.OrderIssued)) > 2.0
    assert stopped.recorder.said("condition.known")[0]["condition"] == "health"


@pytest.mark.parametrize("answer", [unknown("no answer within 1 s"), breach("it answered 500, not 200")])
def test_a_drill_that_cannot_be_watched_orders_nothing(answer: Answer) -> None:
    """With a breach from the start, or silence to the end of the grace, no order ever goes out."""

    async def never(_at_s: float) -> Answer:
        return answer

    stopped = run_stopped([HEALTH], answering=never)
    assert stopped.times(ev.OrderIssued) == []
    assert answer.detail in stopped.drill.abort_reason
    assert stopped.drill.phase is Phase.CLOSED


def test_a_bug_in_asking_is_an_unknown_answer() -> None:
    """A condition whose question fails in our own code is not quietly forgotten: it stops the drill too."""

    async def broken(at_s: float) -> Answer:
        if at_s > 10.0:
            raise ZeroDivisionError("oops")
        return fine()

    stopped = run_stopped([HEALTH], answering=broken, warrant=long_hold)
    assert "a bug in haltdrill: ZeroDivisionError: oops" in stopped.drill.abort_reason


def test_the_first_breach_wins() -> None:
    """Two breaches at once stop the drill once, with one line and one reason."""
    other = HEALTH.model_copy(update={"name": "other"})
    stopped = run_stopped([HEALTH, other], answering=fine_until_10_s)
    assert stopped.breached["condition"] in stopped.drill.abort_reason
    assert len(stopped.times(ev.Aborted)) == 1


def test_a_condition_that_flaps_does_not_fill_the_log() -> None:
    """Changes between known and unknown are told up to a bound, and never count as a breach by themselves."""
    flapping = HEALTH.model_copy(update={"every_s": 0.1})

    async def flaps(at_s: float) -> Answer:
        return fine() if int(at_s * 5) % 2 == 0 else unknown("gone")

    stopped = run_stopped([flapping], answering=flaps)
    assert stopped.drill.passed
    told = stopped.recorder.said("condition.known") + stopped.recorder.said("condition.unknown")
    assert len(told) == CHANGES_TOLD


# -- what the drill itself shows ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "script"),
    [(SitesAre.CONTRADICTED, Script(lies=True)), (SitesAre.REFUSED, Script(refuses=True))],
)
def test_too_many_sites_that_lie_or_refuse_end_the_hold_of_all(word: SitesAre, script: Script) -> None:
    """As soon as witnesses contradict a site, or its refusal arrives, every other site is released."""
    stopped = run_stopped([sites_are(word)], scripts={"beta": script})
    assert stopped.drill.abort_reason == (
        f"stop condition too-many: 1 of 2 sites is {word.value}, and at most 0 may be: beta"
    )
    (aborted,), (ordered,) = stopped.times(ev.Aborted), stopped.times(ev.OrderIssued)
    assert aborted - ordered < 3.0, "long before the end of the hold"
    assert stopped.drill.results[0, "beta"].verdict.value == word.value
    assert stopped.drill.results[0, "alpha"].verdict is Verdict.UNPROVEN
    assert all_back(stopped)


def test_as_many_as_are_allowed_stop_nothing() -> None:
    """A site that refuses, where one may, ends nothing early."""
    stopped = run_stopped([sites_are(SitesAre.REFUSED, at_most=1)], scripts={"beta": Script(refuses=True)})
    assert not stopped.drill.aborted
    assert stopped.recorder.said("condition.breached") == []


def test_a_site_that_does_not_come_back_keeps_the_next_step_from_being_ordered() -> None:
    """What the end of one step finds stops the drill before the next order, however soon that would come."""
    slow = sites_are(SitesAre.NOT_RESTORED).model_copy(update={"every_s": 600.0})
    stopped = run_stopped([slow], warrant=two_steps, scripts={"beta": Script(stays_down=True)})
    assert len(stopped.times(ev.OrderIssued)) == 1
    assert "1 of 2 sites is not restored" in stopped.drill.abort_reason


def test_at_the_end_of_the_last_step_it_can_only_be_told() -> None:
    """Where nothing is left to order or to release, a breach is said aloud, and takes no other site's verdict."""
    stopped = run_stopped([sites_are(SitesAre.NOT_RESTORED)], scripts={"beta": Script(stays_down=True)})
    assert not stopped.drill.aborted
    assert stopped.breached["stopping"] is False
    assert stopped.drill.results[0, "alpha"].verdict is Verdict.VERIFIED


def test_work_that_must_go_on_stops_the_drill_when_it_leaves_its_band() -> None:
    """One witness that proves the rate out of the site's band is enough, and the sentence names site and witness."""
    steady = StopCondition(name="kept", steady=SteadyWork(window_s=2.0), every_s=0.5, grace_s=20.0)

    async def stops_by_itself(stage: ServiceStage) -> None:
        await asyncio.sleep(15.0)
        stage.sites["beta"].load.switch(active=False)

    stopped = run_stopped([steady], fleet=steady_fleet(), warrant=standby, meanwhile=stops_by_itself)
    (aborted,) = stopped.times(ev.Aborted)
    assert "work left its load band at beta, as witness" in stopped.drill.abort_reason
    assert 13.0 < aborted < 20.0
    assert stopped.breached["kind"] == "steady"
    assert all_back(stopped)


def test_work_that_goes_on_stops_nothing() -> None:
    """Steady work at every site is known to be fine, and the drill passes."""
    steady = StopCondition(name="kept", steady=SteadyWork(window_s=2.0), every_s=0.5, grace_s=20.0)
    stopped = run_stopped([steady], fleet=steady_fleet(), warrant=standby)
    assert stopped.recorder.said("condition.breached") == []
    assert not stopped.drill.aborted
    assert "work is in its load band at 2 sites" in stopped.recorder.said("condition.known")[0]["detail"]


def test_witnesses_that_fall_silent_leave_protected_work_unknown_and_then_stop_the_drill() -> None:
    """Nobody sees the work any more: after the grace that counts as if it had stopped."""
    steady = StopCondition(name="kept", steady=SteadyWork(window_s=2.0), every_s=0.5, grace_s=4.0)

    async def fall_silent(stage: ServiceStage) -> None:
        await asyncio.sleep(12.0)
        script = stage.sites["beta"].script
        names = [entry.name for entry in stage.fleet.records["beta"].witnesses]
        script.mute = frozenset(names)

    stopped = run_stopped(
        [steady], fleet=steady_fleet(), warrant=standby, meanwhile=fall_silent, scripts={"beta": Script()}
    )
    assert "unknown for 4" in stopped.drill.abort_reason
    assert "at beta" in stopped.drill.abort_reason
