"""Every control at one site, on virtual time: what is done, what is said, and what is undone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.observation import SiteState
from protocols.controls import (
    ArmedSite,
    CensusParams,
    DecommissionParams,
    IsolateParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.envelope import open_envelope, seal, split_frame
from protocols.keys import PublicKey
from protocols.messages import Order, Outcome, Presence, Role, Rung, Warrant
from protocols.reasons import Reason
from protocols.transport.memory import MemoryTransport
from tests import kit
from tests.agents.bench import ALL_CONTROLS, SITE, Bench, S, on_bench

DONE = [Outcome.ACCEPTED, Outcome.HALTED]


@pytest.mark.parametrize(
    ("params", "state"),
    [
        (SlowdownParams(fraction=0.4), SiteState.SLOWED),
        (RunCapParams(limit=8.0), SiteState.CAPPED),
        (SelectivePauseParams(protected=("evals",)), SiteState.SELECTIVE),
        (IsolateParams(), SiteState.ISOLATED),
    ],
)
def test_what_acts_is_applied_told_and_undone(params: Params, state: SiteState) -> None:
    """The site is brought to what the control asks for, and by itself back to running at the hold's end."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(params=params, hold_s=20.0)
        await asyncio.sleep(19.9)
        assert bench.outcomes == DONE
        await asyncio.sleep(0.2)
        assert bench.driver.history == [state, SiteState.RUNNING]
        assert bench.outcomes == [*DONE, Outcome.RESTORED]

    on_bench(scenario, record=ALL_CONTROLS)


@pytest.mark.parametrize("params", [CensusParams(), RefusalParams(), DecommissionParams(phase="arm", armed_for_s=60.0)])
def test_what_acts_on_nothing_is_answered_and_nothing_else(params: Params) -> None:
    """No driver is asked for a control that changes nothing; the receipts say it is done, and over."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(params=params, hold_s=20.0, uses=1)
        await asyncio.sleep(1)
        assert bench.outcomes == DONE
        assert (bench.receipts[-1].armed is not None) == isinstance(params, DecommissionParams)
        await asyncio.sleep(20)
        assert bench.outcomes == [*DONE, Outcome.RESTORED]
        assert not bench.driver.history

    on_bench(scenario, record=ALL_CONTROLS)


def test_a_workload_that_dies_in_a_census_is_started_again() -> None:
    """An order that changes nothing keeps nobody from keeping the site running."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(params=CensusParams(), hold_s=20.0)
        await asyncio.sleep(1)
        bench.driver.state = SiteState.STOPPED
        await asyncio.sleep(2)
        assert bench.driver.state is SiteState.RUNNING
        assert bench.outcomes == DONE

    on_bench(scenario, record=ALL_CONTROLS)


# -- standby -------------------------------------------------------------------------------------


def test_a_standby_proves_every_step_and_halts_nothing() -> None:
    """The receipt carries a proof for each step up to the last call, and names who approved the warrant."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(params=StandbyParams())
        await asyncio.sleep(5)
        assert bench.outcomes == DONE
        proofs = {proof.step: proof for proof in bench.receipts[-1].proofs}
        assert set(proofs) == {"authority", "replay-record", "permissions", "restore-path"}
        assert all(proof.ok for proof in proofs.values())
        assert all(owner in proofs["authority"].detail for owner in kit.APPROVERS)
        assert bench.driver.rehearsed == [StandbyParams()]
        assert not bench.driver.history

    on_bench(scenario, record=ALL_CONTROLS)


@pytest.mark.parametrize("untried", [False, True])
def test_a_standby_that_proves_too_little_says_which_step_and_goes_on_to_its_end(untried: bool) -> None:
    """A step that would not have worked is a failure with its proofs, and no reason to touch the site."""

    async def scenario(bench: Bench) -> None:
        bench.driver.failing = {"restore-path"}
        bench.driver.fail_rehearse = int(untried)
        bench.start()
        await asyncio.sleep(1)
        bench.issue(params=StandbyParams(), hold_s=20.0)
        await asyncio.sleep(10)
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.FAILED]
        failed = bench.receipts[-1]
        assert failed.reason is Reason.DRIVER_FAILED
        assert [proof.step for proof in failed.proofs if not proof.ok] == ["restore-path"]
        await asyncio.sleep(11)
        assert bench.outcomes[2:] == [Outcome.RESTORED]
        assert not bench.driver.history

    on_bench(scenario, record=ALL_CONTROLS)


# -- decommission --------------------------------------------------------------------------------


async def armed(bench: Bench, armed_for_s: float = 600.0) -> tuple[str, Order]:
    """Arm the site of a bench that has started, see the order out, and return the nonce that was signed and it."""
    order, _ = bench.issue(params=DecommissionParams(phase="arm", armed_for_s=armed_for_s), hold_s=10.0, uses=1)
    await asyncio.sleep(11)
    nonce = bench.receipts[1].armed
    assert nonce is not None
    return nonce, order


def firing(bench: Bench, nonce: str, *, approved_s: float | None = None) -> Warrant:
    """Make the warrant that fires, approved now unless told otherwise."""
    params = DecommissionParams(phase="fire", armed=(ArmedSite(site=SITE, nonce=nonce),))
    at_s = bench.clock.boot_ns() / S if approved_s is None else approved_s
    return bench.fleet.warrant(params=params, hold_s=10.0, uses=1, issued_at=bench.fleet.at(at_s))


def test_armed_and_fired_the_site_is_gone_and_nobody_claims_that_it_is_back() -> None:
    """The order ends without a restore, and an agent that starts later rests at a site that is gone."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(firing(bench, (await armed(bench))[0]))
        await asyncio.sleep(30)
        assert bench.outcomes[3:] == DONE
        await bench.crash()
        said = len(bench.receipts)
        bench.start()
        await asyncio.sleep(30)
        await bench.stop()
        assert bench.outcomes[said:] == DONE, "the last receipts again, and no new one"
        assert bench.driver.history == [SiteState.GONE]

    on_bench(scenario, record=ALL_CONTROLS)


def test_arming_outlives_the_agent_and_expires_harmlessly() -> None:
    """The nonce is good after a restart, and for as long as was approved."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        nonce, _ = await armed(bench, 60.0)
        await bench.crash()
        bench.start()
        await asyncio.sleep(20)
        early = firing(bench, nonce)
        await asyncio.sleep(30)
        bench.issue(early)
        await asyncio.sleep(1)
        assert bench.receipts[-1].reason is Reason.NOT_ARMED
        assert not bench.driver.history

    on_bench(scenario, record=ALL_CONTROLS)


@pytest.mark.parametrize("how", ["lever", "veto", "abort", "another nonce", "approved before", "fired before"])
def test_what_is_not_armed_any_more_is_not_fired(how: str) -> None:
    """Lever, veto, abort and a firing disarm; a warrant fires only what its owners had seen armed."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        nonce, arm = await armed(bench)
        safety, expected = kit.key_of(kit.approver_label("safety")), Reason.NOT_ARMED
        approved_s: float | None = None
        stops = bench.fleet.topics.stops
        match how:
            case "lever":
                lever = bench.fleet.lever()
                bench.publish(stops, seal(lever, safety))
                await asyncio.sleep(1)
                lift = bench.fleet.lever(disengages=lever.digest())
                bench.publish(stops, seal(lift, *(kit.key_of(kit.approver_label(owner)) for owner in kit.APPROVERS)))
            case "veto":
                bench.veto = True
                await asyncio.sleep(1)
                bench.veto = False
            case "abort":
                bench.publish(stops, seal(bench.fleet.abort(arm), safety))
            case "another nonce":
                nonce = "ab" * 16
            case "approved before":
                approved_s, expected = -3600.0, Reason.ARMED_BEFORE
            case _:
                # The driver fails, so that the site is still there; the arming is spent all the same.
                bench.driver.fail_apply = 8
                bench.issue(firing(bench, nonce))
                await asyncio.sleep(60)
                assert bench.outcomes[-1] is Outcome.RESTORED
        await asyncio.sleep(1)
        bench.issue(firing(bench, nonce, approved_s=approved_s))
        await asyncio.sleep(1)
        assert bench.receipts[-1].reason is expected
        assert SiteState.GONE not in bench.driver.history

    on_bench(scenario, record=ALL_CONTROLS)


# -- ladders -------------------------------------------------------------------------------------


def laddered(bench: Bench, *rungs: Params, first: Params | None = None) -> Warrant:
    """Make a warrant that holds for 60 s, with a pause (or `first`) and these harsher rungs; all limits are 5 s."""
    ladder = tuple(Rung(params=params, response_limit_s=5.0) for params in rungs)
    return bench.fleet.warrant(bench.fleet.step(params=first or PauseParams(), ladder=ladder, hold_s=60.0))


def test_a_higher_rung_takes_the_place_of_the_lower_without_a_restore_between() -> None:
    """Too soon it is refused; then the paused site is shut down as it is, and restored once, at the step's end."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        warrant = laddered(bench, ShutdownParams())
        low, _ = bench.issue(warrant)
        await asyncio.sleep(4)
        high, frame = bench.climb(warrant, 1)
        await asyncio.sleep(0.5)
        assert bench.receipts[-1].reason is Reason.RUNG_TOO_SOON
        await asyncio.sleep(1.5)
        bench.publish(bench.fleet.topics.site_orders(SITE), frame)
        await asyncio.sleep(1)
        assert bench.driver.history == [SiteState.PAUSED, SiteState.STOPPED]
        said = [(one.order, one.outcome, one.rung) for one in bench.receipts if one.outcome is not Outcome.REFUSED]
        assert said == [(order.digest(), outcome, rung) for rung, order in enumerate((low, high)) for outcome in DONE]
        await asyncio.sleep(52)
        assert bench.driver.state is SiteState.STOPPED
        await asyncio.sleep(1.5)
        assert bench.driver.history == [SiteState.PAUSED, SiteState.STOPPED, SiteState.RUNNING]
        assert (bench.receipts[-1].outcome, bench.receipts[-1].order) == (Outcome.RESTORED, high.digest())

    on_bench(scenario, record=ALL_CONTROLS)


@pytest.mark.parametrize("release", [True, False])
def test_what_stops_ends_whichever_rung_is_live(release: bool) -> None:
    """A release or an abort names the step, and so ends the rung that holds and forbids those above it."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        warrant = laddered(bench, PauseParams(), ShutdownParams(), first=SlowdownParams())
        low, _ = bench.issue(warrant)
        await asyncio.sleep(6)
        bench.climb(warrant, 1)
        await asyncio.sleep(6)
        abort = seal(bench.fleet.abort(low), kit.key_of(kit.approver_label("safety")))
        stop = bench.fleet.dispatch(bench.fleet.release(low)) if release else abort
        bench.publish(bench.fleet.topics.stops, stop)
        await asyncio.sleep(1)
        bench.climb(warrant, 2)
        await asyncio.sleep(1)
        assert bench.receipts[-1].reason is (Reason.RELEASED if release else Reason.ABORTED)
        assert bench.driver.history == [SiteState.SLOWED, SiteState.PAUSED, SiteState.RUNNING]

    on_bench(scenario, record=ALL_CONTROLS)


def test_an_agent_says_and_does_nothing_about_an_enforcers_rung() -> None:
    """An order to cut the power is not the agent's, whatever rung it stands on."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(params=PowerCutParams())
        await asyncio.sleep(1)
        assert not bench.receipts
        assert not bench.driver.history

    on_bench(scenario, record=ALL_CONTROLS)


# -- an enforcer ---------------------------------------------------------------------------------


def test_an_enforcer_cuts_after_it_saw_the_rung_before_and_restores_at_the_steps_end() -> None:
    """It notes the agent's rung with the proofs of its rehearsal, cuts when its turn comes, and gives power back."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        warrant = laddered(bench, PowerCutParams())
        _, frame = bench.issue(warrant)
        await asyncio.sleep(3)
        assert bench.outcomes == [Outcome.NOTED]
        noted = bench.receipts[0]
        assert (noted.by, noted.rung, [proof.ok for proof in noted.proofs]) == ("e1", 0, [True, True])
        assert bench.driver.rehearsed == [PowerCutParams()]
        bench.publish(bench.fleet.topics.orders, frame)
        await asyncio.sleep(1)
        assert bench.raw[0] == bench.raw[1], "a repeat is answered with the same receipt"
        _, climb = bench.climb(warrant, 1)
        await asyncio.sleep(0.5)
        assert bench.receipts[-1].reason is Reason.RUNG_TOO_SOON
        await asyncio.sleep(1.5)
        bench.publish(bench.fleet.topics.site_orders(SITE), climb)
        await asyncio.sleep(1)
        assert bench.outcomes[3:] == DONE
        assert [proof.step for proof in bench.receipts[-1].proofs] == ["permissions", "restore-path"]
        await asyncio.sleep(52)
        assert bench.driver.history == [SiteState.DARK]
        await asyncio.sleep(1.5)
        assert bench.driver.history == [SiteState.DARK, SiteState.RUNNING]
        assert bench.outcomes[5:] == [Outcome.RESTORED]

    on_bench(scenario, record=ALL_CONTROLS, enforcer="e1")


def test_an_enforcer_never_cuts_what_it_could_not_restore() -> None:
    """Without a way back there is no way there: failed, with the proofs, and the power stays on."""

    async def scenario(bench: Bench) -> None:
        bench.driver.failing = {"restore-path"}
        bench.start()
        await asyncio.sleep(1)
        warrant = laddered(bench, PowerCutParams())
        bench.issue(warrant)
        await asyncio.sleep(6)
        bench.climb(warrant, 1)
        await asyncio.sleep(40)
        assert bench.outcomes == [Outcome.NOTED, Outcome.ACCEPTED, Outcome.FAILED, Outcome.RESTORED]
        for receipt in (bench.receipts[0], bench.receipts[2]):
            assert [proof.ok for proof in receipt.proofs] == [True, False]
        assert not bench.driver.history

    on_bench(scenario, record=ALL_CONTROLS, enforcer="e1")


def test_an_enforcer_that_restarts_remembers_which_rung_it_saw_and_when() -> None:
    """A crash between seeing and answering loses nothing: the answer follows, and the limit runs on."""

    async def scenario(bench: Bench) -> None:
        stuck = asyncio.Event()

        async def offload(call: Callable[[], Any]) -> Any:
            if stuck.is_set():
                await asyncio.Event().wait()
            return call()

        bench.offload = offload
        bench.start()
        await asyncio.sleep(1)
        stuck.set()
        warrant = laddered(bench, PowerCutParams())
        bench.issue(warrant)
        await asyncio.sleep(1)
        await bench.crash()
        assert not bench.receipts
        stuck.clear()
        await asyncio.sleep(3)
        bench.start()
        await asyncio.sleep(1.1)
        assert {(one.outcome, one.link.seq) for one in bench.receipts} == {(Outcome.NOTED, 1)}
        bench.climb(warrant, 1)
        await asyncio.sleep(1)
        assert bench.driver.history == [SiteState.DARK]

    on_bench(scenario, record=ALL_CONTROLS, enforcer="e1")


def test_an_enforcer_does_not_start_at_the_top() -> None:
    """Whoever has the dispatcher's key alone cannot have the power cut: the rungs below were never seen."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        warrant = laddered(bench, ShutdownParams(), PowerCutParams())
        for rung in (2, 1):
            bench.climb(warrant, rung)
            await asyncio.sleep(30)
        assert {receipt.reason for receipt in bench.receipts} == {Reason.RUNG_TOO_SOON}
        assert not bench.driver.history

    on_bench(scenario, record=ALL_CONTROLS, enforcer="e1")


def test_an_enforcer_says_that_it_is_there_under_its_own_name() -> None:
    """Its presence has its own role and topic, so that nobody takes it for the agent."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        topic = bench.fleet.topics.presence(SITE, "e1")
        async with MemoryTransport(bench.broker, [topic], clock=bench.clock, client_id="late") as late:
            (message,) = await late.receive(10)
        record = kit.public_of(bench.label)
        presence, _ = open_envelope(split_frame(message.payload)[0], Presence, {record.key_id: PublicKey.load(record)})
        assert (presence.role, presence.name) == (Role.ENFORCER, "e1")

    on_bench(scenario, record=ALL_CONTROLS, enforcer="e1")
