"""The real agent with a real workload: standby, slowdown and lease, over a real broker."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocols.controls import Control, LeaseParams, SlowdownParams, StandbyParams
from protocols.messages import Outcome
from tests.agents.doubles import until
from tests.agents.drivers.test_slowing import rate_per_s
from tests.agents.sites import CLOCK, Dispatcher, SiteFolder
from tests.agents.workloads import Workload
from tests.brokers import RealBroker

CONTROLS = (Control.STANDBY, Control.REFUSAL, Control.SLOWDOWN, Control.PAUSE, Control.LEASE, Control.SHUTDOWN)
CAP_PER_S = 50_000  # half of the least rate in the kit's records
Stage = tuple[SiteFolder, Dispatcher]


@pytest.fixture
async def stage(tmp_path: Path, workload: Workload, mosquitto: RealBroker) -> AsyncIterator[Stage]:
    """A site whose agent is there and whose workload works well over the cap, and a dispatcher."""
    site = SiteFolder(tmp_path / "site", workload.site, mosquitto.config, record={"controls": CONTROLS})
    try:
        async with Dispatcher(site) as dispatcher:
            await site.agent()
            await dispatcher.present("agent")
            await until(lambda: rate_per_s(workload) > 1.5 * CAP_PER_S, timeout_s=20)
            yield site, dispatcher
    finally:
        await site.end()


async def test_a_standby_proves_the_path_while_work_goes_on(stage: Stage, workload: Workload) -> None:
    """The receipt carries the driver's proofs and the agent's own; the very processes work on."""
    _, dispatcher = stage
    pids = workload.pids()
    await dispatcher.order(params=StandbyParams(), hold_s=8.0)
    await until(lambda: Outcome.HALTED in dispatcher.outcomes)
    proofs = {proof.step: proof.ok for proof in dispatcher.receipts[-1].proofs}
    assert proofs.items() >= dict.fromkeys(("authority", "permissions", "replay-record", "restore-path"), True).items()
    assert workload.pids() == pids
    assert workload.computes()


async def test_killed_in_a_slowdown_the_next_agent_slows_on_and_restores_on_time(
    stage: Stage, workload: Workload
) -> None:
    """The throttler died with its agent, perhaps in mid-turn: the cap is back soon, and ends on time."""
    site, dispatcher = stage
    began_ns = CLOCK.boot_ns()
    await dispatcher.order(params=SlowdownParams(fraction=0.5), hold_s=9.0)
    await until(lambda: Outcome.HALTED in dispatcher.outcomes)
    assert 0 < rate_per_s(workload, 1.0) <= CAP_PER_S
    site.processes[-1].send_signal(signal.SIGKILL)
    await site.processes[-1].wait()
    await site.agent()
    log = site.folder / "agent.log"
    await until(lambda: log.read_text().count('"driver.applied"') == 2)
    assert 0 < rate_per_s(workload, 1.0) <= CAP_PER_S
    await until(lambda: Outcome.RESTORED in dispatcher.outcomes, timeout_s=15)
    assert 9.0 <= (CLOCK.boot_ns() - began_ns) / 1e9 < 11.0
    assert rate_per_s(workload) > CAP_PER_S


async def test_a_lease_that_nobody_renews_pauses_the_work_until_the_holds_end(stage: Stage, workload: Workload) -> None:
    """Dead man: the first licence is free, then silence halts, and the order's hold restores."""
    _, dispatcher = stage
    began_ns = CLOCK.boot_ns()
    await dispatcher.order(params=LeaseParams(licence_s=1.5, renewed_s=0.5), hold_s=9.0)
    await until(lambda: Outcome.ACCEPTED in dispatcher.outcomes)
    assert workload.computes()
    await until(workload.stands_still)
    assert (CLOCK.boot_ns() - began_ns) / 1e9 >= 1.5
    await until(lambda: Outcome.RESTORED in dispatcher.outcomes, timeout_s=15)
    assert (CLOCK.boot_ns() - began_ns) / 1e9 >= 9.0
    assert workload.computes()
