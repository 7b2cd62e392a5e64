"""The one Clock: nothing else may ask the operating system for the time.

Pure modules take times as arguments. A time that is compared across machines is wall time; a time
that is subtracted is the boot-time clock, together with the boot (or clock epoch) it belongs to.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits. `protocols.host.clock.SystemClock` is the real one."""

    @property
    def boot_id(self) -> str:
        """Identify the boot (clock epoch): boot times of different boots are never subtracted."""
        ...

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC. May jump."""
        ...

    def boot_ns(self) -> int:
        """Return nanoseconds of the boot-time clock: monotonic, and it counts suspended time."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Wait for `duration_s` seconds of this clock."""
        ...
