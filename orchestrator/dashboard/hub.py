"""Lets any number of pages follow one log: each says how much it has, and those that have the same share a message.

A page is owed nothing: there are no queues. Whatever it missed, the next message holds, so a slow page gets
fewer messages, and neither the server nor the others wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.dashboard.feed import Feed
from orchestrator.dashboard.messages import framed
from protocols.clock import Clock

TICK_S = 0.25
"""How often the log is looked at, and how often at most a page is sent something."""

BEAT_S = 2.0
"""A page that hears nothing for a few of these knows that the connection is lost."""

CLIENTS_MAX = 32
_NS_PER_MS = 1_000_000
_RETRY_MS = 1_000


_NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class Client:
    """One page.

    Attributes:
        wanted: The drill that it shows; empty for the newest, whichever that is.
        generation: That of the serial.
        drill: The drill that it has.
        serial: All up to here it has; None if it has nothing.
        told: What it was told of the log.
    """

    wanted: str
    generation: str = ""
    drill: str = ""
    serial: int | None = None
    told: dict[str, Any] = field(default_factory=dict)


def parse_position(text: str) -> tuple[str, str, int] | None:
    """Read what a page says that it has, `generation:drill:serial`; None if it is nothing of that kind."""
    generation, _, rest = text.partition(":")
    drill, _, serial = rest.rpartition(":")
    if not (generation and drill and serial.isascii() and serial.isdigit() and len(serial) < 16):  # noqa: PLR2004
        return None
    return generation, drill, int(serial)


class Hub:
    """Follows the log and feeds the pages.

    Args:
        feed: The log.
        clock: The time.
        clients_max: Most pages at once.
    """

    def __init__(self, feed: Feed, clock: Clock, *, clients_max: int = CLIENTS_MAX) -> None:
        self.feed = feed
        self.lock = asyncio.Lock()
        self._clock = clock
        self._clients_max = clients_max
        self._clients = 0
        self._shared: dict[tuple[str, int | None], bytes] = {}
        self._moved = asyncio.Event()
        self._closing = asyncio.Event()

    @property
    def clients(self) -> int:
        """How many pages follow it."""
        return self._clients

    def now_ms(self) -> int:
        """Return the server's time, milliseconds since 1970."""
        return self._clock.wall_ns() // _NS_PER_MS

    def close(self) -> None:
        """Let the pages go, and stop following."""
        self._closing.set()
        self._move()

    async def run(self, caught_up: Callable[[], None] = lambda: None) -> None:
        """Follow the log until closed.

        Args:
            caught_up: Called once, when the log was read to its end.
        """
        told = False
        while not self._closing.is_set():
            async with self.lock:
                more = await asyncio.to_thread(self.feed.advance)
                self._shared.clear()
            self._move()
            if self.feed.caught_up and not told:
                told = True
                caught_up()
            if not more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), TICK_S)

    def _move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    @property
    def full(self) -> bool:
        """Whether as many pages follow it as are allowed to."""
        return self._clients >= self._clients_max

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Count one page while it follows."""
        self._clients += 1
        try:
            yield
        finally:
            self._clients -= 1

    async def follow(self, wanted: str, position: str) -> AsyncIterator[bytes]:
        """Yield server-sent events for one page, until it goes or the server does.

        Args:
            wanted: The drill that it shows; empty for the newest.
            position: What it says that it has.
        """
        client = Client(wanted)
        known = parse_position(position)
        if known is not None:
            client.generation, client.drill, client.serial = known
        yield f"retry: {_RETRY_MS}\n\n".encode()
        beaten_ns = self._clock.boot_ns()
        while not self._closing.is_set():
            moved = self._moved
            async with self.lock:
                chunk = self._next(client)
            if chunk is None and self._clock.boot_ns() - beaten_ns >= BEAT_S * _NS_PER_S:
                chunk = framed("beat", {"at_ms": self.now_ms(), "log": self.feed.log_state()})
            if chunk is not None:
                beaten_ns = self._clock.boot_ns()
                yield chunk
            await moved.wait()

    def _next(self, client: Client) -> bytes | None:
        """Return what a page is to be sent now, if anything."""
        feed = self.feed
        if not feed.caught_up:
            return framed("log", {"at_ms": self.now_ms(), "log": feed.log_state()})
        drill = feed.drill(client.wanted)
        log = feed.log_state()
        settled = {name: log[name] for name in ("trouble", "wrong", "drills")}
        news = settled != client.told
        client.told = settled
        if drill is None:
            missing = {"missing": client.wanted} if client.wanted else {}
            return framed("log", {"at_ms": self.now_ms(), "log": log, **missing}) if news else None
        if (client.generation, client.drill) != (feed.generation, drill.drill):
            client.serial = None
        if client.serial is not None and not client.serial < drill.serial:
            client.generation, client.drill = feed.generation, drill.drill
            return framed("log", {"at_ms": self.now_ms(), "log": log}) if news else None
        chunk = self._message(drill.drill, client.serial)
        client.generation, client.drill, client.serial = feed.generation, drill.drill, feed.view.serial
        return chunk

    def _message(self, name: str, since: int | None) -> bytes:
        """Return the message for all pages that have the same, made once."""
        key = (name, since)
        if key not in self._shared:
            feed = self.feed
            drill = feed.view.drills[name]
            data = {**feed.message(drill, since), "at_ms": self.now_ms(), "log": feed.log_state()}
            identity = f"{feed.generation}:{name}:{feed.view.serial}"
            self._shared[key] = framed(data["kind"], data, identity)
        return self._shared[key]
