"""The simulation's clock and loop: those of tabletop exercises, which have timers and nothing else.

`tests.virtual` does the same around a real loop, which also serves tests with threads; this one goes round a few times
as fast, and a simulation of thousands of seeds goes round tens of millions of times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from orchestrator.tabletop.loop import ExerciseLoop as VirtualLoop
from orchestrator.tabletop.loop import StuckError
from orchestrator.tabletop.loop import run_exercise as run_alone
from tests.virtual import LoopClock

__all__ = ["StuckError", "VirtualClock", "VirtualLoop", "run_alone"]


class VirtualClock(LoopClock):
    """A `protocols.clock.Clock` that tells a virtual loop's time."""

    def boot_ns(self) -> int:
        """Return the loop's time in nanoseconds."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return loop.now_ns

    def sleep(self, duration_s: float) -> Coroutine[Any, Any, None]:
        """Wait in virtual time."""
        return asyncio.sleep(duration_s)
