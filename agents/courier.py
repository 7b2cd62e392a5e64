"""One connection to the broker, kept up unless told otherwise: receive, send what waits, say that we are here."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from protocols.clock import Clock
from protocols.errors import TransportError
from protocols.host.logs import FilteringBoundLogger
from protocols.transport.base import Inbound, Transport

PRESENCE_S = 10.0
"""Time between two presences."""

_LOOK_S = 0.5
_RETRY_MIN_S = 0.25
_RETRY_MAX_S = 5.0
_BATCH = 16


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message on its way out."""

    topic: str
    payload: bytes
    retain: bool = False


class Courier:
    """Carries messages for an agent, an enforcer or a witness, whatever the broker does.

    Args:
        connect: Makes a transport that is not entered yet.
        clock: The clock.
        log: Where connections and disconnections are told.
        program: `agent`, `enforcer` or `witness`: the first part of event names.
        take: Called with every message that arrives, on the event loop.
        presence: Makes the presence to publish.
        waiting_max: Most messages that wait for a connection; past it the oldest is dropped.
    """

    def __init__(
        self,
        connect: Callable[[], Transport],
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        program: str,
        take: Callable[[Inbound], None],
        presence: Callable[[], Parcel],
        waiting_max: int,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._log = log
        self._program = program
        self._take = take
        self._presence = presence
        self._waiting: deque[Parcel] = deque(maxlen=waiting_max)
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._away = asyncio.Event()
        self._welcome = asyncio.Event()
        self._welcome.set()

    @property
    def away(self) -> bool:
        """Whether it was told to stay away."""
        return self._away.is_set()

    def leave(self) -> None:
        """Leave the connection, and make none until `come_back`. What is sent meanwhile waits."""
        self._away.set()
        self._welcome.clear()

    def come_back(self) -> None:
        """Connect again."""
        self._away.clear()
        self._welcome.set()

    def send(self, topic: str, payload: bytes) -> None:
        """Put a message in the queue of those that go out as soon as there is a connection."""
        self._waiting.append(Parcel(topic, payload))
        self._empty.clear()
        self._filled.set()

    async def flushed(self) -> None:
        """Wait until nothing waits to be sent."""
        await self._empty.wait()

    async def run(self) -> None:
        """Connect, serve, and connect again, until cancelled."""
        pause_s = _RETRY_MIN_S
        while True:
            await self._welcome.wait()
            try:
                async with self._connect() as transport:
                    pause_s = _RETRY_MIN_S
                    await self._serve(transport)
            except* TransportError as failures:
                self._log.warning(
                    f"{self._program}.connect.failed", detail=str(next(_leaves(failures))), retry_s=pause_s
                )
            await self._clock.sleep(pause_s)
            pause_s = min(_RETRY_MAX_S, 2 * pause_s)

    async def _serve(self, transport: Transport) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(transport))
                tasks.create_task(self._send(transport))
                tasks.create_task(self._attend(transport))
                tasks.create_task(self._leave_when_told())
        except* _LeavesError:
            self._log.info(f"{self._program}.left", detail="it stays away until it is told to come back")

    async def _leave_when_told(self) -> None:
        await self._away.wait()
        raise _LeavesError

    async def _receive(self, transport: Transport) -> None:
        while True:
            for message in await transport.receive(_BATCH):
                self._take(message)
            # A full inbox must not keep the others from their turn.
            await asyncio.sleep(0)

    async def _send(self, transport: Transport) -> None:
        while True:
            await self._filled.wait()
            while self._waiting:
                parcel = self._waiting[0]
                try:
                    await transport.publish(parcel.topic, parcel.payload, retain=parcel.retain)
                except TransportError:
                    await self._clock.sleep(_RETRY_MIN_S)
                    continue
                if self._waiting and self._waiting[0] is parcel:
                    self._waiting.popleft()
            self._filled.clear()
            self._empty.set()

    async def _attend(self, transport: Transport) -> None:
        """Say that we are here, on every connection and now and again; tell when it comes and goes."""
        connected = False
        due_ns = 0
        dropped = oversized = 0
        while True:
            if transport.connected != connected:
                connected = transport.connected
                self._log.info(f"{self._program}.{'connected' if connected else 'disconnected'}")
                due_ns = 0
            if transport.dropped != dropped:
                dropped = transport.dropped
                self._log.warning(f"{self._program}.inbox.full", dropped=dropped)
            if transport.oversized != oversized:
                oversized = transport.oversized
                self._log.warning(f"{self._program}.inbox.oversized", dropped=oversized)
            if connected and self._clock.boot_ns() >= due_ns:
                parcel = self._presence()
                try:
                    await transport.publish(parcel.topic, parcel.payload, retain=parcel.retain)
                    due_ns = self._clock.boot_ns() + round(PRESENCE_S * 1e9)
                except TransportError:
                    connected = False
            await self._clock.sleep(_LOOK_S)


def _leaves(group: BaseExceptionGroup[TransportError]) -> Iterator[TransportError]:
    for member in group.exceptions:
        if isinstance(member, BaseExceptionGroup):
            yield from _leaves(member)
        else:
            yield member


class _LeavesError(Exception):
    """Ends the tasks of a connection that is to be left."""


class Ration:
    """A token bucket: at most `burst` at once, and `per_s` a second in the long run."""

    def __init__(self, clock: Clock, *, burst: int, per_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._at_ns = clock.boot_ns()

    def take(self) -> bool:
        """Take one, if there is one."""
        now_ns = self._clock.boot_ns()
        self._left = min(self._burst, self._left + (now_ns - self._at_ns) / 1e9 * self._per_s)
        self._at_ns = now_ns
        if self._left < 1:
            return False
        self._left -= 1
        return True


async def wait_for_event(clock: Clock, event: asyncio.Event, timeout_s: float) -> None:
    """Wait until `event` is set, or `timeout_s` of `clock` went by; clear it."""
    if event.is_set():
        await asyncio.sleep(0)  # whoever sets it at every turn must not keep all others from theirs
        event.clear()
        return
    sleeper = asyncio.ensure_future(clock.sleep(timeout_s))

    def wake(_: object) -> None:
        event.set()

    sleeper.add_done_callback(wake)
    try:
        await event.wait()
    finally:
        sleeper.remove_done_callback(wake)
        sleeper.cancel()
    event.clear()
