"""The exercise's event loop: it has timers and nothing else, and its time goes as fast as the facilitator wants.

No thread, socket or signal reaches what runs on it, so one seed is one run, to the byte. When nothing is ready, its
time jumps to the next timer; with a pace it first waits as long as that takes in the room.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
from asyncio import base_events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from protocols.ids import seconds_to_ns

T = TypeVar("T")

BOOT_ID = "00000000-0000-4000-8000-000000000007"
"""The boot of the machine that the exercise pretends to run on."""


class StuckError(RuntimeError):
    """Everybody waits for somebody else, and no timer will end that: a bug."""


class Pace:
    """How fast the exercise's time goes, and orders from the room; the one thing that other threads may touch.

    Attributes:
        factor: Seconds of the exercise in a second of the room; 0 stands still, None does not wait at all.
    """

    def __init__(self, factor: float | None = None) -> None:
        self._changed = threading.Condition()
        self._factor = factor
        self._until_s = 0.0
        self._orders: deque[Callable[[], None]] = deque()

    @property
    def factor(self) -> float | None:
        """Seconds of the exercise in a second of the room."""
        return self._factor

    @property
    def ordered(self) -> bool:
        """Whether something was ordered. Asked at every move of time, so that it takes no lock."""
        return bool(self._orders)

    def set(self, factor: float | None) -> None:
        """Go at another pace from now on."""
        with self._changed:
            self._factor = factor
            self._changed.notify_all()

    def jump(self, until_s: float) -> None:
        """Do not wait until that time of the exercise; then go on at the pace that is set."""
        with self._changed:
            self._until_s = max(self._until_s, until_s)
            self._changed.notify_all()

    def order(self, what: Callable[[], None]) -> None:
        """Have something called on the exercise's loop, at once."""
        with self._changed:
            self._orders.append(what)
            self._changed.notify_all()

    def take(self) -> list[Callable[[], None]]:
        """Return what was ordered since the last time."""
        with self._changed:
            taken = list(self._orders)
            self._orders.clear()
        return taken

    def wait(self, now_s: float, until_s: float) -> float:
        """Wait in the room until the exercise's time has come, or something was ordered; return the time then."""
        began = time.monotonic()
        with self._changed:
            while not self._orders:
                factor = self._factor
                if factor is None or until_s <= self._until_s:
                    return until_s
                now_s = now_s if now_s >= self._until_s else self._until_s
                left_s = None if factor == 0 else (until_s - now_s) / factor
                if left_s is not None and left_s <= 0:
                    return until_s
                self._changed.wait(left_s)
                passed = time.monotonic() - began
                began += passed
                now_s = min(until_s, now_s + passed * factor)
            return now_s


class ExerciseLoop(base_events.BaseEventLoop):
    """The loop. Timers of one moment run in the order in which they were set.

    Args:
        pace: How fast its time goes.

    Attributes:
        now_ns: Its time in nanoseconds, from 0.
    """

    # What a base loop keeps, and does not declare.
    _ready: Any
    _scheduled: list[Any]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self, pace: Pace | None = None) -> None:
        super().__init__()
        self.pace = pace or Pace()
        self._now_s = 0.0
        self.now_ns = 0

    def time(self) -> float:
        """Return the exercise's time, in seconds from 0."""
        return self._now_s

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        if self._timer_cancelled_count > max(100, len(timers) // 2):
            self._drop_cancelled()
        if not ready:
            self._move()
            while timers and timers[0]._when <= self._now_s:
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

    def _move(self) -> None:
        """Let time pass until the next timer, or until the room wants something."""
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1
        if timers:
            due_s = max(self._now_s, timers[0]._when)
            self._now_s = due_s if self.pace.factor is None else self.pace.wait(self._now_s, due_s)
            self.now_ns = round(self._now_s * 1e9)
        elif not self._stopping and self.pace.factor is None:
            raise StuckError(f"nothing will ever happen again; these wait: {asyncio.all_tasks(self)}")
        if self.pace.ordered:
            for order in self.pace.take():
                self.call_soon(order)

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

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Run a callback in the next round."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        """Run a callback at a moment."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:  # type: ignore[override]
        """Run a callback after a while."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    get_debug = bool  # never in debug mode; whoever makes a future or a task asks that

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else could wake it up."""


class ExerciseClock:
    """A `protocols.clock.Clock` that tells the exercise's time.

    Args:
        start_ns: Wall time at which the exercise pretends to begin.
    """

    boot_id = BOOT_ID

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns

    def wall_ns(self) -> int:
        """Return the pretended wall time."""
        return self._start_ns + self.boot_ns()

    def boot_ns(self) -> int:
        """Return the loop's time in nanoseconds."""
        loop = asyncio.get_running_loop()
        return loop.now_ns if isinstance(loop, ExerciseLoop) else seconds_to_ns(loop.time())

    async def sleep(self, duration_s: float) -> None:
        """Wait in the exercise's time."""
        await asyncio.sleep(duration_s)


def run_exercise(main: Coroutine[Any, Any, T], pace: Pace | None = None) -> T:
    """Run a coroutine to its end on an exercise's loop of its own.

    Raises:
        StuckError: It can never end.
    """
    loop = ExerciseLoop(pace)
    try:
        return loop.run_until_complete(main)
    finally:
        _cancel_rest(loop)
        loop.close()


def _cancel_rest(loop: ExerciseLoop) -> None:
    loop.pace.set(None)
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
