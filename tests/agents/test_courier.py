"""The courier: nobody starves, nothing is lost that fits, and answers are rationed."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from agents.courier import Courier, Parcel, Ration
from protocols.errors import TransportError
from protocols.host.clock import ManualClock, SystemClock
from protocols.transport.base import Inbound
from tests.agents.doubles import quiet_log, until

FLOOD = 2_000


class FloodedTransport:
    """A connection on which messages wait without end, for a long while; publishing fails at first."""

    def __init__(self) -> None:
        self.connected = True
        self.dropped = self.oversized = 0
        self.received = 0
        self.published: list[tuple[str, int]] = []
        self.failures = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

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


def courier_on(transport: FloodedTransport, **changes: int) -> Courier:
    """Make a courier that connects to `transport`."""
    return Courier(
        lambda: transport,
        clock=SystemClock(),
        log=quiet_log(),
        program="agent",
        take=lambda _message: None,
        presence=lambda: Parcel("presence", b"here"),
        waiting_max=changes.get("waiting_max", 10),
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


def test_a_ration_refills_with_time() -> None:
    """A burst is answered, then so many a second, never more than a burst at once."""
    clock = ManualClock()
    ration = Ration(clock, burst=3, per_s=2.0)
    assert [ration.take() for _ in range(4)] == [True, True, True, False]
    clock.advance(1.0)
    assert [ration.take() for _ in range(3)] == [True, True, False]
    clock.advance(3600.0)
    assert [ration.take() for _ in range(4)] == [True, True, True, False]
