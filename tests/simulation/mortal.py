"""Programs that can die between any two steps: what they publish, write and switch goes through here.

Each start of a party is one `Life`. When it is over, nothing that is left of the program can do anything
more: its connection, its disk and its driver raise `Crash`, which no code of the product catches. What
was on its disk stays, and what it had done to the world stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from protocols.controls import Params
from protocols.messages import Proof
from protocols.transport.base import Inbound
from tests.agents.doubles import MemoryDisk

POINTS = (
    "disk.before",
    "disk.torn",
    "disk.after",
    "publish.before",
    "publish.after",
    "apply.before",
    "apply.after",
    "restore.before",
    "restore.after",
)
"""Where a program can be made to die: before and after each thing that is seen from outside, and amid a write."""


class Crash(BaseException):
    """A program is dead. Not an `Exception`, so that nobody recovers from it."""


@dataclass
class Life:
    """One start of a party.

    Attributes:
        alive: Whether it goes on.
        point: Where it is to die; None for nowhere.
        crossings: How many times it still crosses that point.
        tear: The share of the bytes that a torn write leaves.
        on_death: Called once when it dies.
    """

    alive: bool = True
    point: str | None = None
    crossings: int = 0
    tear: float = 0.5
    on_death: Callable[[], None] = field(default=lambda: None)

    def end(self) -> None:
        """Die now, if it is alive."""
        if self.alive:
            self.alive = False
            self.on_death()

    def due(self, point: str) -> bool:
        """Tell whether this crossing of a point is the last.

        Raises:
            Crash: It is dead already.
        """
        if not self.alive:
            raise Crash
        if point != self.point:
            return False
        self.crossings -= 1
        return self.crossings <= 0

    def cross(self, point: str) -> None:
        """Cross a point.

        Raises:
            Crash: It is dead, or dies here.
        """
        if self.due(point):
            self.end()
            raise Crash


class MortalDisk(MemoryDisk):
    """A party's handle on its disk, for one life.

    Args:
        life: The life.
        platter: What outlives it.
    """

    def __init__(self, life: Life, platter: MemoryDisk) -> None:
        super().__init__()
        self._life, self.platter = life, platter

    def read(self) -> bytes:
        self._life.cross("disk.read")
        return self.platter.read()

    def read_at(self, offset: int, length: int) -> bytes:
        self._life.cross("disk.read")
        return self.platter.read_at(offset, length)

    def append(self, data: bytes) -> None:
        self._life.cross("disk.before")
        if self._life.due("disk.torn"):
            # Without its end the line does not count: each append is one line.
            self.platter.data += data[: min(len(data) - 1, int(len(data) * self._life.tear))]
            self._life.end()
            raise Crash
        self.platter.append(data)
        self._life.cross("disk.after")

    def truncate(self, size_bytes: int) -> None:
        self._life.cross("disk.before")
        self.platter.truncate(size_bytes)

    def replace(self, data: bytes) -> None:
        self._life.cross("disk.before")
        self.platter.replace(data)


class MortalTransport:
    """A party's connection, for one life."""

    def __init__(self, life: Life, real: Any) -> None:
        self._life, self._real = life, real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def __aenter__(self) -> MortalTransport:
        self._life.cross("connect")
        await self._real.__aenter__()
        return self

    async def __aexit__(self, *why: Any) -> None:
        await self._real.__aexit__(*why)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._life.cross("publish.before")
        await self._real.publish(topic, payload, retain=retain)
        self._life.cross("publish.after")

    async def receive(self, limit: int) -> list[Inbound]:
        messages: list[Inbound] = await self._real.receive(limit)
        self._life.cross("receive")
        return messages


class MortalDriver:
    """What a party acts through, for one life."""

    def __init__(self, life: Life, real: Any) -> None:
        self._life, self._real = life, real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        self._life.cross("rehearse")
        proofs: tuple[Proof, ...] = self._real.rehearse(params)
        return proofs

    def apply(self, params: Params, cancelled: Callable[[], bool]) -> str:
        self._life.cross("apply.before")
        said: str = self._real.apply(params, cancelled)
        self._life.cross("apply.after")
        return said

    def restore(self) -> str:
        self._life.cross("restore.before")
        said: str = self._real.restore()
        self._life.cross("restore.after")
        return said
