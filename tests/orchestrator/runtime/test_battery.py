"""Refusal batteries through the real runtime, answered by the real gate, on virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.core import events as ev
from orchestrator.core.battery import EXPECTED, BatteryCase
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Verdict
from orchestrator.core.runs import LATE_CASES
from orchestrator.core.states import Phase
from orchestrator.evidence.bundle import export_bundle
from orchestrator.evidence.verifier import verify_bundle
from protocols.controls import Control, RefusalParams
from protocols.envelope import split_frame
from protocols.messages import Message, Order, Threshold
from protocols.reasons import Reason
from tests.kit import DISPATCHERS, Fleet, dispatcher_label, key_of, make_fleet
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.virtual import run_virtual


def fleet_of(*, refusal_owners: int = 2) -> Fleet:
    """Make a fleet that may be sent batteries."""
    owners = (
        Threshold(control=Control.REFUSAL, owners=refusal_owners),
        Threshold(control=Control.PAUSE, owners=refusal_owners),
    )
    return make_fleet(("alpha", "beta"), record={"controls": tuple(Control)}, policy={"thresholds": owners})


def play(script: Script, fleet: Fleet | None = None) -> tuple[Stage, Drill]:
    """Run a pause and then a battery; the second site follows the script."""
    fleet = fleet or fleet_of()
    stage = Stage(fleet, {"beta": script})
    steps = (fleet.step(hold_s=7.5), fleet.step(name="refuse", params=RefusalParams(), hold_s=60.0))
    return stage, run_virtual(stage.play(fleet.warrant(*steps)))


def test_an_honest_site_refuses_each_with_the_right_reason(tmp_path: Path) -> None:
    """All eight are sent, the real gate refuses each for what is wrong with it, and the evidence holds."""
    stage, drill = play(Script())
    assert drill.passed
    for site in ("alpha", "beta"):
        answers = {answer.case: answer.refused for answer in drill.results[1, site].battery}
        assert answers == EXPECTED
    assert drill.steps[1].released is not None
    assert drill.steps[1].ordered is not None
    held_ns = drill.steps[1].released.minus(drill.steps[1].ordered)
    assert held_ns is not None
    assert held_ns < 8_000_000_000  # not the minute that it might have been held
    path = tmp_path / "bundle.jsonl"
    export_bundle(stage.store, drill.drill, key_of(dispatcher_label(DISPATCHERS[0])), path)
    assert verify_bundle(path.read_bytes(), fleet=stage.fleet.fleet, now_ns=stage.fleet.now_ns).findings == ()


@pytest.mark.parametrize("case", list(BatteryCase))
def test_one_wrong_reason_fails_the_site(case: BatteryCase) -> None:
    """A site that refuses one of them for the wrong reason does not pass, and only that one is named."""
    _, drill = play(Script(misjudges={EXPECTED[case]: Reason.MALFORMED}))
    result = drill.results[1, "beta"]
    assert not result.passed
    assert {answer.case for answer in result.battery if not answer.right} == {
        other for other in BatteryCase if EXPECTED[other] is EXPECTED[case]
    }
    assert drill.results[1, "alpha"].passed


@pytest.mark.parametrize("case", [BatteryCase.FORGED, BatteryCase.UNDER_THRESHOLD, BatteryCase.SPENT])
def test_obeying_one_is_loud(case: BatteryCase) -> None:
    """A site that accepts what it must refuse is the worst there is, although it halts nothing."""
    _, drill = play(Script(gullible=frozenset({EXPECTED[case]})))
    result = drill.results[1, "beta"]
    assert result.verdict is Verdict.CONTRADICTED
    assert case in {answer.case for answer in result.battery if answer.obeyed}
    assert drill.results[1, "alpha"].passed


def test_a_site_that_answers_nothing_is_no_pass() -> None:
    """Silence is unknown: work that goes on proves no refusal."""
    _, drill = play(Script(silent=True))
    assert drill.results[1, "beta"].verdict is Verdict.UNPROVEN
    assert drill.results[1, "alpha"].passed


def test_a_battery_without_a_step_before_has_nothing_to_replay() -> None:
    """And where one owner's approval is enough, one that has a single approval is not wrong."""
    fleet = fleet_of(refusal_owners=1)
    drill = run_virtual(Stage(fleet).play(fleet.warrant(fleet.step(params=RefusalParams()))))
    assert drill.passed
    cases = {answer.case for answer in drill.results[0, "alpha"].battery}
    assert cases == set(BatteryCase) - {BatteryCase.REPLAYED, BatteryCase.UNDER_THRESHOLD}


@pytest.mark.parametrize("aborts", [False, True])
def test_late_orders_follow_the_release_and_an_abort_ends_the_battery(aborts: bool) -> None:
    """Spent and replayed orders are published in recovery alone; after an abort nothing more is."""
    fleet = fleet_of()
    stage, sent = Stage(fleet), asyncio.Event()
    phases: dict[str, set[Phase]] = {}
    route = stage.broker.route

    def watching(topic: str, payload: bytes, *, retain: bool = False) -> None:
        frame = split_frame(payload)
        if topic != fleet.topics.stops and frame[0].payload_type == Order.payload_type():
            phases.setdefault(frame[0].digest, set()).add(stage.running.drill.phase)
        route(topic, payload, retain=retain)

    stage.broker.route = watching  # type: ignore[method-assign]

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        if isinstance(stamped.event, ev.BatteryIssued):
            sent.set()

    async def stop(stage: Stage) -> None:
        await sent.wait()
        if aborts:
            stage.running.abort("enough")

    warrant = fleet.warrant(fleet.step(params=RefusalParams()))
    drill = run_virtual(stage.play(warrant, observers=[note], meanwhile=stop))
    late = {case.digest for case in drill.steps[0].battery if case.case in LATE_CASES}
    assert late
    assert late.isdisjoint(phases) is aborts
    for digest, seen in phases.items():
        assert seen == {Phase.RECOVERING if digest in late else Phase.ORDERED}
