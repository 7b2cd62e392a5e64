"""The real agent, witnesses and enforcer on a simulated site, on virtual time: what each control looks like."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from agents.observation import SiteState
from protocols.controls import (
    ArmedSite,
    CensusParams,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.messages import Outcome
from protocols.mock_config import Fault, FaultConfig, off_levels
from protocols.signals import AGREES, CENSUS_COUNT, DEVICES, FEED, FEED_OFF, POWER
from tests.agents.mocksite.stage import ENFORCER, Stage
from tests.virtual import run_virtual

ACCEPTED, HALTED, RESTORED, FAILED = Outcome.ACCEPTED, Outcome.HALTED, Outcome.RESTORED, Outcome.FAILED


def play(stage: Stage, scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene on a stage."""

    async def run() -> None:
        async with stage:
            await scene

    run_virtual(run())


@pytest.mark.parametrize(
    "params",
    [
        SlowdownParams(),
        RunCapParams(),
        SelectivePauseParams(protected=("evals",)),
        PauseParams(),
        IsolateParams(),
        ShutdownParams(),
    ],
    ids=lambda params: params.control,
)
def test_order_and_release(params: Params) -> None:
    """An order is accepted, done before it is reported done, held, and undone on release; then work is back."""

    async def scene() -> None:
        stage_order = stage.order(params)
        await stage.clock.sleep(8)
        assert stage.outcomes() == [ACCEPTED, HALTED]
        site = stage.sites["alpha"]
        assert site.world.settled
        assert site.world.ours
        assert (stage.receipts()[-1].checkpoint is not None) is isinstance(params, ShutdownParams)
        stage.release(stage_order)
        await stage.clock.sleep(5)
        assert stage.outcomes() == [ACCEPTED, HALTED, RESTORED]
        assert not site.world.ours
        assert await stage.steady()

    stage = Stage()
    play(stage, scene())


def test_hold_ends_by_itself() -> None:
    """Without a release the agent restores the site when the hold is over, and no earlier."""

    async def scene() -> None:
        stage.order(PauseParams(), hold_s=30.0)
        await stage.clock.sleep(26)
        assert await stage.quiet()
        await stage.clock.sleep(5)
        assert await stage.steady()

    stage = Stage()
    play(stage, scene())


def test_standby_and_census() -> None:
    """A standby proves the way there and back while work goes on; a census agrees, and holds nothing."""

    async def scene() -> None:
        stage.order(StandbyParams(), hold_s=30.0)
        await stage.clock.sleep(1)
        proofs = {proof.step: proof.ok for proof in stage.receipts()[-1].proofs}
        assert {"permissions", "restore-path", "authority", "replay-record"} <= set(proofs)
        assert all(proofs.values())
        assert await stage.steady()
        await stage.clock.sleep(30)
        stage.order(CensusParams())
        await stage.clock.sleep(1)
        assert (await stage.look(CensusParams())).facts[CENSUS_COUNT] == AGREES
        assert stage.outcomes()[-2:] == [ACCEPTED, HALTED]
        assert await stage.steady()

    stage = Stage()
    play(stage, scene())


@pytest.mark.parametrize(
    ("fault", "step"), [(Fault.NO_PERMISSION, "permissions"), (Fault.NO_RESTORE_PATH, "restore-path")]
)
def test_standby_fails(fault: Fault, step: str) -> None:
    """A standby that could not halt, or could not come back, says which step would fail."""

    async def scene() -> None:
        stage.order(StandbyParams())
        await stage.clock.sleep(1)
        receipt = stage.receipts()[-1]
        assert receipt.outcome is FAILED
        assert [proof.step for proof in receipt.proofs if not proof.ok] == [step]

    stage = Stage(faults={"alpha": [fault]})
    play(stage, scene())


def test_lease_lapses() -> None:
    """Nobody licenses: the site works on for the length of a licence, halts by itself, and is back after the hold."""

    async def scene() -> None:
        stage.order(LeaseParams(licence_s=3.0, renewed_s=5.0), hold_s=40.0, response_limit_s=5.0)
        await stage.clock.sleep(1)
        assert stage.outcomes() == [ACCEPTED]
        assert stage.sites["alpha"].world.reported() is SiteState.RUNNING
        await stage.clock.sleep(4)
        assert await stage.quiet()
        await stage.clock.sleep(40)
        assert await stage.steady()

    stage = Stage()
    play(stage, scene())


def test_power_cut() -> None:
    """The enforcer cuts the feed and the site goes dark, agent or no agent; on release it is back by itself."""

    async def scene() -> None:
        order = stage.order(PowerCutParams())
        await stage.clock.sleep(5)
        assert [receipt.outcome for receipt in stage.cuts()] == [ACCEPTED, HALTED]
        assert {receipt.by for receipt in stage.cuts()} == {ENFORCER}
        await stage.look()
        await stage.clock.sleep(1)
        seen = await stage.look()
        assert seen.facts[FEED] == FEED_OFF
        assert seen.peaks[POWER] <= off_levels(stage.sites["alpha"].world.config)[0].at_most
        assert await stage.quiet()
        stage.release(order)
        await stage.clock.sleep(8)
        assert stage.cuts()[-1].outcome is RESTORED
        assert await stage.steady()

    stage = Stage(faults={"alpha": [Fault.DEAF_AGENT]})
    play(stage, scene())
    assert stage.receipts() == []


def test_decommission() -> None:
    """Armed, nothing happens; fired with the signed nonce, the accelerators are gone, and stay gone."""

    async def scene() -> None:
        first = stage.order(DecommissionParams(phase="arm", armed_for_s=300.0), hold_s=30.0)
        await stage.clock.sleep(1)
        nonce = stage.receipts()[-1].armed
        assert nonce is not None
        stage.release(first)
        await stage.clock.sleep(1)
        assert await stage.steady()
        fire = DecommissionParams(phase="fire", armed=(ArmedSite(site="alpha", nonce=nonce),))
        second = stage.order(fire)
        await stage.clock.sleep(2)
        assert stage.outcomes()[-2:] == [ACCEPTED, HALTED]
        stage.release(second)
        await stage.clock.sleep(10)
        assert (await stage.look(fire)).peaks[DEVICES] == 0
        assert await stage.quiet()

    stage = Stage()
    play(stage, scene())


def test_agent_crash_keeps_mark() -> None:
    """An agent that died in the middle of a hold finds the site as it left it, and ends the hold on time."""

    async def scene() -> None:
        site = stage.assemble("alpha")
        running = asyncio.create_task(site.agent.run(asyncio.Event()))
        await stage.clock.sleep(1)
        stage.order(PauseParams(), hold_s=30.0)
        await stage.clock.sleep(5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert site.world.ours
        site.restart_agent()
        stop = asyncio.Event()
        running = asyncio.create_task(site.agent.run(stop))
        await stage.clock.sleep(20)
        assert site.world.reported() is SiteState.PAUSED
        await stage.clock.sleep(8)
        assert site.world.reported() is SiteState.RUNNING
        assert not site.world.ours
        stop.set()
        await running

    stage = Stage()
    run_virtual(scene())


def test_lying_agent() -> None:
    """A lying agent reports the halt, and every witness sees work."""

    async def scene() -> None:
        stage.order(PauseParams())
        await stage.clock.sleep(3)
        assert stage.outcomes() == [ACCEPTED, HALTED]
        assert await stage.steady()

    stage = Stage(faults={"alpha": [Fault.LYING_AGENT]})
    play(stage, scene())


def test_deaf_agent() -> None:
    """A deaf agent answers nothing and does nothing; its witnesses see work."""

    async def scene() -> None:
        stage.order(PauseParams())
        await stage.clock.sleep(3)
        assert stage.outcomes() == []
        assert await stage.steady()

    stage = Stage(faults={"alpha": [Fault.DEAF_AGENT]})
    play(stage, scene())


def test_caches_licence() -> None:
    """An agent that keeps its licence works on after the lapse, and never reports a halt."""

    async def scene() -> None:
        stage.order(LeaseParams(licence_s=3.0, renewed_s=5.0), hold_s=40.0, response_limit_s=5.0)
        await stage.clock.sleep(10)
        assert HALTED not in stage.outcomes()
        assert await stage.steady()

    stage = Stage(faults={"alpha": [Fault.CACHES_LICENCE]})
    play(stage, scene())


def test_drifting_clocks() -> None:
    """A fast agent ends its hold early; a fast witness's boot clock runs ahead of the other's."""

    async def scene() -> None:
        stage.order(PauseParams(), hold_s=30.0)
        await stage.clock.sleep(23)
        assert stage.sites["alpha"].world.reported() is SiteState.PAUSED
        await stage.clock.sleep(4)
        assert stage.sites["alpha"].world.reported() is SiteState.RUNNING
        await stage.look()
        fast, true = (stage.reading("alpha", name).link.boot_ns for name in ("w1", "w2"))
        assert fast > true + 5_000_000_000

    drifting = [FaultConfig(kind=Fault.DRIFTING_CLOCK), FaultConfig(kind=Fault.DRIFTING_CLOCK, witness="w1")]
    stage = Stage(faults={"alpha": drifting})
    play(stage, scene())


def test_twenty_sites() -> None:
    """Twenty sites in one process halt on one order, each by itself, and one that is faulty troubles no other."""

    async def scene() -> None:
        order = stage.order(PauseParams())
        await stage.clock.sleep(3)
        assert await stage.quiet() == set(names) - {"site-07"}
        stage.release(order)
        await stage.clock.sleep(3)
        assert await stage.steady() == set(names)

    names = [f"site-{number:02}" for number in range(20)]
    stage = Stage(names, faults={"site-07": [Fault.PARTIAL]})
    play(stage, scene())
