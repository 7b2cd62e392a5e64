"""An event loop that has timers and nothing else: no thread, no socket, no signal reaches it.

When nothing is ready, its time jumps to the next timer. `tests.virtual` does the same around a real
loop, which also serves tests with threads; this one goes round a few times as fast, and a simulation
of thousands of seeds goes round tens of millions of times.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import base_events
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.virtual import LoopClock

T = TypeVar("T")


class StuckError(RuntimeError):
    """Everybody waits for somebody else, and no timer will end that."""


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


class VirtualLoop(base_events.BaseEventLoop):
    """The loop. Timers of one moment run in the order of the heap that they are kept in, always the same one.

    Attributes:
        now_ns: Its time in nanoseconds.
    """

    # What a base loop keeps, and does not declare.
    _ready: Any
    _scheduled: list[Any]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self.now_ns = 0

    def time(self) -> float:
        """Return the virtual time, in seconds from 0."""
        return self._now_s

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        if self._timer_cancelled_count > max(100, len(timers) // 2):
            self._drop_cancelled()
        if not ready:
            self._jump()
            now_s = self._now_s
            while timers and timers[0]._when <= now_s:
                handle = heapq.heappop(timers)
                handle._scheduled = False
                if handle._cancelled:
                    self._timer_cancelled_count -= 1
                else:
                    ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _jump(self) -> None:
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1
        if timers:
            self._now_s = max(self._now_s, timers[0]._when)
            self.now_ns = round(self._now_s * 1e9)
        elif not self._stopping:
            raise StuckError(f"nothing will ever happen again; these wait: {asyncio.all_tasks(self)}")

    def _drop_cancelled(self) -> None:
        left = []
        for handle in self._scheduled:
            if handle._cancelled:
                handle._scheduled = False
            else:
                left.append(handle)
        heapq.heapify(left)
        self._scheduled[:] = left
        self._timer_cancelled_count = 0

    # The base class looks on every call whether it is closed, in debug mode, or called from another thread.

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        """Run a callback in the next round."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """Run a callback at a moment."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """Run a callback after a while."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    get_debug = bool  # type: ignore[assignment]  # never in debug mode; whoever makes a future or a task asks that

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else could wake it up."""


def run_alone(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a virtual loop of its own.

    Raises:
        StuckError: It can never end.
    """
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        _cancel_rest(loop)
        loop.close()


def _cancel_rest(loop: VirtualLoop) -> None:
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
