"""The real clock, and one that a test turns by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from pathlib import Path

from protocols.errors import WorldError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NS_PER_S = 1_000_000_000


class SystemClock:
    """The operating system's clock. Nothing else in haltdrill asks the system for the time.

    Raises:
        WorldError: The kernel does not say which boot this is.
    """

    def __init__(self) -> None:
        try:
            self._boot_id = _BOOT_ID.read_text("ascii").strip()
        except OSError as error:
            raise WorldError(
                f"the kernel's boot id cannot be read: {error.strerror}",
                where=str(_BOOT_ID),
                remedy="haltdrill runs on Linux with /proc mounted",
            ) from error

    @property
    def boot_id(self) -> str:
        """Identify the boot, as the kernel does."""
        return self._boot_id

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC. May jump."""
        return time.time_ns()

    def boot_ns(self) -> int:
        """Return nanoseconds since boot, suspended time included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    async def sleep(self, duration_s: float) -> None:
        """Wait for `duration_s` seconds."""
        await asyncio.sleep(duration_s)


class ManualClock:
    """A clock that stands still until a test moves it.

    Args:
        wall_ns: Where the wall clock starts, nanoseconds since the Unix epoch.
        boot_ns: Where the boot-time clock starts, nanoseconds.
        boot_id: The boot it claims to be.
    """

    def __init__(
        self,
        *,
        wall_ns: int = 1_800_000_000 * _NS_PER_S,
        boot_ns: int = 1_000 * _NS_PER_S,
        boot_id: str = "00000000-0000-4000-8000-000000000001",
    ) -> None:
        self._wall_ns = wall_ns
        self._boot_ns = boot_ns
        self._boot_id = boot_id
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    @property
    def boot_id(self) -> str:
        """Identify the pretended boot."""
        return self._boot_id

    @property
    def sleepers(self) -> int:
        """How many tasks are waiting for this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def wall_ns(self) -> int:
        """Return the wall clock, nanoseconds since the Unix epoch."""
        return self._wall_ns

    def boot_ns(self) -> int:
        """Return the boot-time clock, nanoseconds."""
        return self._boot_ns

    async def sleep(self, duration_s: float) -> None:
        """Wait until the clock was advanced by `duration_s` seconds."""
        if duration_s <= 0:
            await asyncio.sleep(0)
            return
        due_ns = self._boot_ns + round(duration_s * _NS_PER_S)
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due_ns, next(self._order), future))
        await future

    def advance(self, duration_s: float) -> None:
        """Move both clocks on by `duration_s` seconds and wake who is due, in order."""
        step_ns = round(duration_s * _NS_PER_S)
        self._wall_ns += step_ns
        self._boot_ns += step_ns
        while self._sleepers and self._sleepers[0][0] <= self._boot_ns:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    def set_wall(self, wall_ns: int) -> None:
        """Let the wall clock jump, as an operator or NTP does."""
        self._wall_ns = wall_ns

    def reboot(self, boot_id: str, *, boot_ns: int = 0) -> None:
        """Start another boot: its clock begins again, and nobody sleeps on the old one."""
        self._boot_id = boot_id
        self._boot_ns = boot_ns
        for _, _, future in self._sleepers:
            future.cancel()
        self._sleepers.clear()
