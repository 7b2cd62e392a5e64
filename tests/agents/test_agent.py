"""The agent over the memory transport, on virtual time: what it does and says, from order to restore."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from agents.observation import SiteState
from protocols.controls import ShutdownParams
from protocols.envelope import open_envelope, seal, split_frame
from protocols.errors import DriverError
from protocols.keys import PublicKey
from protocols.messages import Outcome, Presence
from protocols.reasons import Reason
from protocols.transport.memory import MemoryTransport
from tests import kit
from tests.agents.bench import SITE, Bench, S, on_bench
from tests.agents.doubles import until
from tests.virtual import LoopClock


def test_from_the_order_to_the_end_of_its_hold() -> None:
    """Accepted, halted, and restored by itself on time; the receipts form one chain."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        assert bench.driver.state is SiteState.RUNNING
        bench.issue(hold_s=20.0)
        await asyncio.sleep(1)
        assert bench.driver.state is SiteState.PAUSED
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.HALTED]
        await asyncio.sleep(18.9)
        assert bench.driver.state is SiteState.PAUSED
        await asyncio.sleep(0.2)
        assert bench.driver.state is SiteState.RUNNING
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.HALTED, Outcome.RESTORED]
        restored = bench.receipts[-1]
        assert 20 * S <= restored.elapsed_ns < 20.1 * S
        chain = bench.receipts
        assert [receipt.link.seq for receipt in chain] == [1, 2, 3]
        assert [receipt.link.prev for receipt in chain[1:]] == [receipt.digest() for receipt in chain[:-1]]

    on_bench(scenario)


def test_a_shutdown_reports_the_checkpoint() -> None:
    """The receipt of a shutdown carries the digest of what it left on disk."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(params=ShutdownParams(grace_s=1.0))
        await asyncio.sleep(1)
        assert bench.driver.state is SiteState.STOPPED
        assert bench.receipts[-1].checkpoint == "c" * 64

    on_bench(scenario)


@pytest.mark.parametrize("how", ["release", "abort", "lever", "operator's lever", "veto"])
def test_everything_that_stops_restores_at_once(how: str) -> None:
    """Each of the ways out brings the workload back long before the hold's end."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order, _ = bench.issue()
        await asyncio.sleep(1)
        fleet, safety = bench.fleet, kit.key_of(kit.approver_label("safety"))
        match how:
            case "release":
                bench.publish(fleet.topics.stops, fleet.dispatch(fleet.release(order)))
            case "abort":
                bench.publish(fleet.topics.stops, seal(fleet.abort(order), safety))
            case "lever":
                bench.publish(fleet.topics.stops, seal(fleet.lever(), safety))
            case "operator's lever":
                lever = fleet.lever(site=SITE)
                bench.publish(fleet.topics.stops, seal(lever, kit.key_of(kit.operator_label(SITE))))
            case _:
                bench.veto = True
        await asyncio.sleep(0.6)
        assert bench.driver.state is SiteState.RUNNING
        assert bench.outcomes[-1] is Outcome.RESTORED

    on_bench(scenario)


def test_one_bad_envelope_does_not_keep_an_abort_from_working() -> None:
    """Junk beside a stop in one frame must not shield the site from it."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order, _ = bench.issue()
        await asyncio.sleep(1)
        abort = seal(bench.fleet.abort(order), kit.key_of(kit.approver_label("safety")))
        bench.publish(bench.fleet.topics.stops, b"junk\n" + abort)
        await asyncio.sleep(0.5)
        assert bench.driver.state is SiteState.RUNNING

    on_bench(scenario)


def test_a_repeat_brings_the_same_bytes() -> None:
    """The orchestrator may ask as often as it likes: one act, one set of receipts."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        _, frame = bench.issue()
        await asyncio.sleep(1)
        first = bench.raw
        bench.publish(bench.fleet.topics.orders, frame)
        await asyncio.sleep(1)
        assert bench.raw == first + first
        assert bench.driver.applied == 1

    on_bench(scenario)


def test_a_refusal_leaves_the_workload_alone() -> None:
    """An order under the threshold is answered with its reason and nothing else happens."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        warrant = bench.fleet.warrant()
        frame = bench.fleet.order_frame(bench.fleet.order(warrant), bench.fleet.approve(warrant, ["safety"]))
        bench.publish(bench.fleet.topics.orders, frame)
        await asyncio.sleep(1)
        assert [receipt.reason for receipt in bench.receipts] == [Reason.UNDER_THRESHOLD]
        assert bench.driver.applied == 0

    on_bench(scenario)


def test_a_broker_that_is_away_neither_shortens_nor_prolongs_the_hold() -> None:
    """Losing contact changes nothing at the site, and the receipts follow when contact is back."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(hold_s=20.0)
        await asyncio.sleep(1)
        bench.broker.cut("agent")
        await asyncio.sleep(18)
        assert bench.driver.state is SiteState.PAUSED
        await asyncio.sleep(1.1)
        assert bench.driver.state is SiteState.RUNNING
        assert Outcome.RESTORED not in bench.outcomes
        bench.broker.heal("agent")
        await asyncio.sleep(1)
        assert bench.outcomes[-1] is Outcome.RESTORED

    on_bench(scenario)


def test_a_crash_in_the_hold_holds_on_and_restores_on_time() -> None:
    """Killed and started again inside the hold, the site stays halted until the hold's end, not longer."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(hold_s=20.0)
        await asyncio.sleep(5)
        await bench.crash()
        first = bench.raw
        await asyncio.sleep(5)
        bench.start()
        await asyncio.sleep(9)
        assert bench.driver.state is SiteState.PAUSED
        assert bench.raw == first + first, "nobody knows which receipts were heard, and no new one is made"
        await asyncio.sleep(1.1)
        assert bench.driver.state is SiteState.RUNNING
        assert bench.outcomes[-1] is Outcome.RESTORED
        assert bench.receipts[-1].link.seq == 3

    on_bench(scenario)


def test_an_agent_that_was_down_at_the_end_restores_before_it_connects() -> None:
    """Restoring needs no broker."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(hold_s=20.0)
        await asyncio.sleep(5)
        await bench.crash()
        bench.broker.stop()
        await asyncio.sleep(20)
        assert bench.driver.state is SiteState.PAUSED
        bench.start()
        await asyncio.sleep(0.1)
        assert bench.driver.state is SiteState.RUNNING

    on_bench(scenario)


def test_our_mark_without_a_live_order_is_restored() -> None:
    """A halt that nobody remembers ordering is undone."""

    async def scenario(bench: Bench) -> None:
        bench.driver.ours, bench.driver.state = True, SiteState.PAUSED
        bench.start()
        await asyncio.sleep(0.1)
        assert bench.driver.state is SiteState.RUNNING

    on_bench(scenario)


def test_a_workload_that_died_is_started_again() -> None:
    """Outside of orders the agent keeps its workload running."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.driver.state = SiteState.STOPPED
        await asyncio.sleep(1.5)
        assert bench.driver.state is SiteState.RUNNING

    on_bench(scenario)


def test_a_driver_that_fails_is_tried_again_and_told_once() -> None:
    """A failure is reported at once; success after that is reported too."""

    async def scenario(bench: Bench) -> None:
        bench.driver.fail_apply = 3
        bench.start()
        await asyncio.sleep(1)
        bench.issue()
        await asyncio.sleep(5)
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.FAILED, Outcome.HALTED]

    on_bench(scenario)


def test_a_driver_that_never_works_is_given_up_and_the_site_restored() -> None:
    """Attempts have a bound; after it the order is over."""

    async def scenario(bench: Bench) -> None:
        bench.driver.fail_apply = 10_000
        bench.start()
        await asyncio.sleep(1)
        bench.issue(hold_s=600.0)
        await asyncio.sleep(60)
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.FAILED, Outcome.RESTORED]
        assert bench.driver.state is SiteState.RUNNING
        assert not bench.driver.ours

    on_bench(scenario)


def test_restoring_is_never_given_up() -> None:
    """However often the driver fails, the site comes back in the end."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue(hold_s=20.0)
        bench.driver.fail_restore = 50
        await asyncio.sleep(20)
        assert bench.driver.state is SiteState.PAUSED
        await asyncio.sleep(50 * 5 + 10)
        assert bench.driver.state is SiteState.RUNNING
        assert bench.outcomes[-1] is Outcome.RESTORED

    on_bench(scenario)


def test_a_full_disk_accepts_nothing_but_still_restores() -> None:
    """No order without a record of it; no hold that a full disk could prolong."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        order, _ = bench.issue()
        await asyncio.sleep(1)
        bench.disk.full = True
        bench.publish(bench.fleet.topics.stops, bench.fleet.dispatch(bench.fleet.release(order)))
        await asyncio.sleep(1)
        assert bench.driver.state is SiteState.RUNNING
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.HALTED]
        bench.issue()
        await asyncio.sleep(1)
        assert bench.driver.state is SiteState.RUNNING
        bench.disk.full = False
        await asyncio.sleep(1)
        assert bench.outcomes[-1] is Outcome.RESTORED

    on_bench(scenario)


def test_asked_to_stop_it_restores_first() -> None:
    """An agent never leaves a halted site behind on purpose."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue()
        await asyncio.sleep(1)
        await bench.stop()
        assert bench.driver.state is SiteState.RUNNING
        assert bench.outcomes[-1] is Outcome.RESTORED

    on_bench(scenario)


def test_asked_to_stop_with_a_driver_that_fails_it_says_so() -> None:
    """It gives up in bounded time, with an error and not in silence."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        bench.issue()
        await asyncio.sleep(1)
        bench.driver.fail_restore = 10_000
        with pytest.raises(DriverError, match="not restored"):
            await bench.stop()

    on_bench(scenario)


def test_a_liar_reports_what_it_does_not_do() -> None:
    """The demo's liar says accepted, halted and restored, and the workload runs throughout."""

    async def scenario(bench: Bench) -> None:
        bench.lying = True
        bench.start()
        await asyncio.sleep(1)
        bench.issue(hold_s=20.0)
        await asyncio.sleep(21)
        assert bench.outcomes == [Outcome.ACCEPTED, Outcome.HALTED, Outcome.RESTORED]
        assert bench.driver.applied == 0
        assert bench.driver.state is SiteState.RUNNING

    on_bench(scenario)


def test_strangers_are_answered_only_so_often() -> None:
    """A flood of junk makes neither the chain nor the traffic grow without bound."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        warrant = bench.fleet.warrant()
        approved = bench.fleet.approve(warrant)
        for number in range(200):
            order = bench.fleet.order(warrant, nonce=f"{number:032x}")
            frame = seal(order, kit.key_of("stranger")) + b"\n" + approved
            bench.publish(bench.fleet.topics.orders, frame)
        await asyncio.sleep(1)
        assert 20 <= len(bench.receipts) <= 30
        bench.issue()
        await asyncio.sleep(1)
        assert bench.outcomes[-1] is Outcome.HALTED, "an honest order is heard all the same"

    on_bench(scenario)


def test_a_retained_order_is_not_obeyed() -> None:
    """What the broker kept from before is a replay, whoever kept it."""

    async def scenario(bench: Bench) -> None:
        warrant = bench.fleet.warrant()
        frame = bench.fleet.order_frame(bench.fleet.order(warrant), bench.fleet.approve(warrant))
        bench.broker.route(bench.fleet.topics.orders, frame, retain=True)
        bench.start()
        await asyncio.sleep(1)
        assert bench.driver.applied == 0
        assert not bench.receipts

    on_bench(scenario)


def test_presence_is_retained_and_names_the_store() -> None:
    """Whoever connects later sees who is there, and whether the disk was rolled back."""

    async def scenario(bench: Bench) -> None:
        bench.start()
        await asyncio.sleep(1)
        topic = bench.fleet.topics.presence(SITE, "agent")
        late = MemoryTransport(bench.broker, [topic], clock=bench.clock, client_id="late")
        async with late:
            (message,) = await late.receive(10)
        (envelope,) = split_frame(message.payload)
        record = kit.public_of(kit.agent_label(SITE))
        presence, _ = open_envelope(envelope, Presence, {record.key_id: PublicKey.load(record)})
        assert presence.store == "ab" * 16
        assert message.retained

    on_bench(scenario)


async def test_a_release_cuts_a_running_shutdown_short(clock: LoopClock) -> None:
    """A driver that waits out its grace is told at once that nothing is wanted any more."""
    bench = Bench()
    bench.clock = clock
    bench.fleet = kit.make_fleet(now_ns=clock.wall_ns() - clock.boot_ns())
    bench.offload = asyncio.to_thread
    gave_up = []

    def wait_for_grace(cancelled: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if cancelled():
                gave_up.append(True)
                raise DriverError("cancelled")
            time.sleep(0.005)

    bench.driver.apply_gate = wait_for_grace
    try:
        bench.start()
        await until(lambda: bench.heard)
        order, _ = bench.issue(params=ShutdownParams(grace_s=600.0), hold_s=1200.0)
        await until(lambda: bench.outcomes == [Outcome.ACCEPTED])
        bench.publish(bench.fleet.topics.stops, bench.fleet.dispatch(bench.fleet.release(order)))
        await until(lambda: bench.outcomes[-1] is Outcome.RESTORED)
        assert gave_up
        assert bench.driver.state is SiteState.RUNNING
    finally:
        await bench.close()
