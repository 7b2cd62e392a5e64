"""Hears levers and revocations, writes them down, and states what is in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.fleet.held_stops import HeldStops
from protocols.clock import Clock
from protocols.envelope import seal
from protocols.errors import ConfigError, TransportError
from protocols.host.files import read_bytes, write_atomic
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import format_utc
from protocols.keys import Signer
from protocols.messages import Lever, LeverInForce, Standing
from protocols.messages.standing import LEVERS_MAX, REVOKED_MAX
from protocols.topics import Topics
from protocols.transport.base import Transport
from protocols.trust import FleetTrust

_BATCH_MAX = 256
_NS_PER_S = 1_000_000_000
_SEQ_MAX_BYTES = 32


class Counter:
    """Numbers for statements: each larger than any before, also after a restart, also on a new disk.

    They follow the wall clock, so that a disk that was lost or rolled back brings back no number; and the file
    keeps them from running back where the clock does.

    Args:
        path: The file with the last one.

    Raises:
        ConfigError: The file is unreadable, or holds no number.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0
        if path.exists():
            text = read_bytes(path, max_bytes=_SEQ_MAX_BYTES).decode(errors="replace").strip()
            if not text.isdecimal():
                raise ConfigError(
                    "holds no number", where=str(path), remedy="restore it; or remove it if the clock is right"
                )
            self._last = int(text)

    def next(self, wall_ns: int) -> int:
        """Return the next number, which is on the disk by then.

        Raises:
            ConfigError: It cannot be written.
        """
        number = max(self._last + 1, wall_ns // _NS_PER_S)
        write_atomic(self._path, f"{number}\n".encode())
        self._last = number
        return number


@dataclass(slots=True)
class Timekeeper:
    """States what still counts.

    Attributes:
        trust: The fleet, as the timekeeper itself holds it.
        signer: Its signer.
        held: What it heard.
        counter: Its numbers.
        transport: The connection, already entered.
        clock: The one clock.
        log: Where log lines go.
        every_s: Time between two statements.
        stated: Called after each: the watchdog.
    """

    trust: FleetTrust
    signer: Signer
    held: HeldStops
    counter: Counter
    transport: Transport
    clock: Clock
    log: FilteringBoundLogger
    every_s: float
    stated: Callable[[], None] = lambda: None
    _topics: Topics = field(init=False)

    def __post_init__(self) -> None:
        self._topics = Topics(self.trust.fleet)

    async def run(self) -> None:
        """State it until cancelled; at once when something was heard.

        Raises:
            ConfigError: What was heard or counted cannot be written down, or is too much for one statement.
        """
        due_ns = self.clock.boot_ns()
        while True:
            if self.clock.boot_ns() >= due_ns:
                await self._state()
                due_ns = self.clock.boot_ns() + round(self.every_s * _NS_PER_S)
            if await self._hear((due_ns - self.clock.boot_ns()) / _NS_PER_S):
                due_ns = self.clock.boot_ns()

    def standing(self) -> Standing:
        """Make the next statement.

        Raises:
            ConfigError: There is too much to state, or its number cannot be written down.
        """
        levers = sorted(self.held.engaged.items())
        if len(self.held.revocations) > REVOKED_MAX or len(levers) > LEVERS_MAX:
            # To leave one out would let it through: rather nothing is stated, and sites refuse.
            raise ConfigError(
                f"{len(self.held.revocations)} revocations and {len(levers)} levers are too many for one statement",
                where=str(self.held.folder),
                remedy="have a new policy signed, under which those warrants are void, and remove the files",
            )
        wall_ns = self.clock.wall_ns()
        return Standing(
            fleet=self.trust.fleet,
            seq=self.counter.next(wall_ns),
            issued_at=format_utc(wall_ns),
            policy_version=self.trust.policy.policy_version,
            revoked=tuple(sorted(self.held.revocations)),
            levers=tuple(LeverInForce(engagement=digest, site=lever.site) for digest, lever in levers),
        )

    async def _state(self) -> None:
        said = self.standing()
        try:
            await self.transport.publish(self._topics.standing, seal(said, self.signer))
        except TransportError as error:
            self.log.warning("timekeeper.unheard", detail=str(error))
        self.stated()

    async def _hear(self, wait_s: float) -> bool:
        """Listen for a while; tell whether something new was heard, which is written down by then."""
        try:
            async with asyncio.timeout(max(0.0, wait_s)):
                inbound = await self.transport.receive(_BATCH_MAX)
        except TimeoutError:
            return False
        new = False
        for message in inbound:
            heard = self.held.hear(message.payload, self.trust)
            if heard is not None:
                new = True
                what = "lever" if isinstance(heard.said, Lever) else "revocation"
                self.log.warning("timekeeper.heard", what=what, digest=heard.digest, detail=heard.said.reason)
        return new
