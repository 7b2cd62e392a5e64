"""The courier: nobody starves, nothing is lost that fits, and answers are rationed."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from agents.courier import Courier, Parcel, Ration, wait_for_event
from protocols.clock import Clock
from protocols.errors import TransportError
from protocols.host.clock import ManualClock, SystemClock
from protocols.transport.base import Inbound
from tests.agents.doubles import until
from tests.log_checks import checked_log
from tests.virtual import LoopClock, run_virtual

FLOOD = 2_000


class FloodedTransport:
    """A connection on which messages wait without end, for a long while; publishing fails at first."""

    def __init__(self) -> None:
        self.connected = True
        self.dropped = self.oversized = 0
        self.received = 0
        self.published: list[tuple[str, int]] = []
        self.failures = 0
        self.entered = self.left = 0

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.left += 1

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if self.failures:
            self.failures -= 1
            raise TransportError("away")
        self.published.append((topic, self.received))

    async def receive(self, limit: int) -> list[Inbound]:
        if self.received >= FLOOD:
            await asyncio.Event().wait()
        self.received += 1
        return [Inbound("t", b"x", 0)]


def courier_on(transport: FloodedTransport, *, waiting_max: int = 10, clock: Clock | None = None) -> Courier:
    """Make a courier that connects to `transport`."""
    return Courier(
        lambda: transport,
        clock=clock or SystemClock(),
        log=checked_log("agent", site="alpha"),
        program="agent",
        take=lambda _message: None,
        presence=lambda: Parcel("presence", b"here"),
        waiting_max=waiting_max,
    )


async def test_a_flood_of_messages_does_not_keep_answers_from_going_out() -> None:
    """Whoever fills the topic cannot silence an agent."""
    transport = FloodedTransport()
    courier = courier_on(transport)
    courier.send("receipts", b"accepted")
    task = asyncio.create_task(courier.run())
    await until(lambda: len(transport.published) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert {topic for topic, _ in transport.published} == {"presence", "receipts"}
    assert all(received < FLOOD for _, received in transport.published)


async def test_a_publish_that_fails_is_tried_again_in_order() -> None:
    """What was not handed over waits, and nothing overtakes it."""
    transport = FloodedTransport()
    transport.failures = 3
    courier = courier_on(transport)
    for name in ("first", "second", "third"):
        courier.send(name, b"")
    task = asyncio.create_task(courier.run())
    await asyncio.wait_for(courier.flushed(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [topic for topic, _ in transport.published if topic != "presence"] == ["first", "second", "third"]


async def test_the_queue_has_a_bound() -> None:
    """A broker that is away for long costs bounded memory, and the newest messages stay."""
    transport = FloodedTransport()
    courier = courier_on(transport, waiting_max=2)
    for name in ("first", "second", "third"):
        courier.send(name, b"")
    task = asyncio.create_task(courier.run())
    await asyncio.wait_for(courier.flushed(), 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [topic for topic, _ in transport.published if topic != "presence"] == ["second", "third"]


def test_told_to_leave_it_stays_away_until_it_is_told_to_come_back() -> None:
    """While it is away nothing goes in or out, whatever is sent; then everything that waited goes out in order."""

    async def scenario() -> None:
        transport = FloodedTransport()
        transport.received = FLOOD
        courier = courier_on(transport, clock=LoopClock())
        task = asyncio.create_task(courier.run())
        await until(lambda: transport.published)
        courier.leave()
        courier.leave()
        assert courier.away
        await until(lambda: transport.left)
        transport.published.clear()
        for name in ("first", "second"):
            courier.send(name, b"")
        await asyncio.sleep(3600)
        assert (transport.entered, transport.published) == (1, [])
        courier.come_back()
        await courier.flushed()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (transport.entered, transport.left) == (2, 2)
        assert [topic for topic, _ in transport.published if topic != "presence"] == ["first", "second"]

    run_virtual(scenario())


def test_an_event_or_the_clock_ends_a_wait_and_whoever_gives_up_sets_nothing() -> None:
    """A wait ends at what comes first, leaves the event unset, and one that is cancelled wakes nobody later."""

    async def scenario() -> None:
        clock, event = LoopClock(), asyncio.Event()
        await wait_for_event(clock, event, 5.0)
        assert (clock.boot_ns(), event.is_set()) == (5_000_000_000, False)
        asyncio.get_running_loop().call_later(1.0, event.set)
        await wait_for_event(clock, event, 5.0)
        assert (clock.boot_ns(), event.is_set()) == (6_000_000_000, False)
        given_up = asyncio.create_task(wait_for_event(clock, event, 5.0))
        await asyncio.sleep(1)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        await asyncio.sleep(60)
        assert not event.is_set()

    run_virtual(scenario())


def test_an_event_that_is_always_set_starves_nobody() -> None:
    """Whoever waits for what is set already still lets all others have their turn."""

    async def scenario() -> None:
        turns = 0

        async def another() -> None:
            nonlocal turns
            for _ in range(10):
                turns += 1
                await asyncio.sleep(0)

        task, clock, event = asyncio.create_task(another()), LoopClock(), asyncio.Event()
        for _ in range(10):
            event.set()
            await wait_for_event(clock, event, 5.0)
        assert turns >= 9
        assert clock.boot_ns() == 0
        await task

    run_virtual(scenario())


def test_a_ration_refills_with_time() -> None:
    """A burst is answered, then so many a second, never more than a burst at once."""
    clock = ManualClock()
    ration = Ration(clock, burst=3, per_s=2.0)
    assert [ration.take() for _ in range(4)] == [True, True, True, False]
    clock.advance(1.0)
    assert [ration.take() for _ in range(3)] == [True, True, False]
    clock.advance(3600.0)
    assert [ration.take() for _ in range(4)] == [True, True, True, False]
