"""Virtual time for tests: an event loop that jumps to the next timer, and a Clock that reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

import looptime

from tests.kit import NOW_NS

T = TypeVar("T")


class LoopClock:
    """A `protocols.clock.Clock` that tells the running event loop's time."""

    boot_id = "00000000-0000-4000-8000-00000000000a"

    def wall_ns(self) -> int:
        """Return the pretended wall time."""
        return NOW_NS + self.boot_ns()

    def boot_ns(self) -> int:
        """Return the loop's time in nanoseconds."""
        return round(asyncio.get_running_loop().time() * 1e9)

    async def sleep(self, duration_s: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(duration_s)


def run_virtual(main: Coroutine[Any, Any, T], *, idle_cycles: int = 42) -> T:
    """Run a coroutine to its end on virtual time, in a blink of real time.

    Args:
        main: The coroutine.
        idle_cycles: How often the loop goes round with nothing to do before time moves on, for what
            comes from threads and sockets. What has neither can do with 0, and is twice as fast.
    """
    factory = partial(looptime.new_event_loop, noop_cycles=idle_cycles)
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
