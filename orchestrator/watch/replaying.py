"""A finished drill, played again: pure; the time comes from its lines, and from whoever plays it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from orchestrator.logbook import lines as ln
from orchestrator.logbook.views import LogView
from orchestrator.watch.panels.figures import stamp_ns
from orchestrator.watch.panels.keys import Playing
from protocols.ids import format_utc

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0, 1000.0)
SPEED_MIN, SPEED_MAX = 0.01, 10_000.0
LINES_PER_TURN = 8_000
"""Most lines that are taken in one turn, so that the screen answers while a large log is wound on."""


class Replay:
    """One drill's lines, shown as of some moment.

    Args:
        lines: The lines of a drill in their order; at least one.
        speed: How many times as fast as it was.

    Attributes:
        view: What the lines up to now say.
        speed: How fast it plays.
        paused: Whether it stands still.
    """

    def __init__(self, lines: Sequence[ln.AnyDrillLine], speed: float = 1.0) -> None:
        self._lines = lines
        self._times: list[int] = []
        newest = 0
        for line in lines:
            # A wall clock may be set back; a replay goes on.
            newest = max(newest, stamp_ns(line.timestamp))
            self._times.append(newest)
        self.view = LogView()
        self.speed = speed
        self.paused = False
        self.now_ns = self._times[0]
        self._taken = 0
        self._take()

    @property
    def behind(self) -> bool:
        """Whether lines up to now are still to be taken."""
        return self._taken < bisect_right(self._times, self.now_ns)

    @property
    def ended(self) -> bool:
        """Whether all was shown."""
        return self.now_ns >= self._times[-1]

    @property
    def playing(self) -> Playing:
        """How it stands, for the line at the bottom."""
        first, last = self._times[0], self._times[-1]
        done = (self.now_ns - first) / (last - first) if last > first else 1.0
        return Playing(self.speed, self.paused or self.ended, format_utc(self.now_ns), done)

    def advance(self, passed_s: float) -> bool:
        """Let time pass.

        Args:
            passed_s: How much of the player's time went by.

        Returns:
            Whether anything may have changed.
        """
        if self.behind:
            self._take()
            return True
        if self.paused or self.ended:
            return False
        self.now_ns = min(self._times[-1], self.now_ns + round(passed_s * self.speed * 1e9))
        self._take()
        return True

    def seek(self, by_s: float) -> None:
        """Go on or back by a time of the drill's own."""
        self._go(self.now_ns + round(by_s * 1e9))

    def to_start(self) -> None:
        """Go to the beginning."""
        self._go(self._times[0])

    def to_end(self) -> None:
        """Go to the end."""
        self._go(self._times[-1])

    def faster(self) -> None:
        """Play at the next higher speed."""
        self.speed = next((speed for speed in SPEEDS if speed > self.speed), self.speed)

    def slower(self) -> None:
        """Play at the next lower speed."""
        self.speed = next((speed for speed in reversed(SPEEDS) if speed < self.speed), self.speed)

    def _go(self, to_ns: int) -> None:
        to_ns = min(self._times[-1], max(self._times[0], to_ns))
        if to_ns < self.now_ns:
            self.view, self._taken = LogView(), 0
        self.now_ns = to_ns
        self._take()

    def _take(self) -> None:
        stop = min(bisect_right(self._times, self.now_ns), self._taken + LINES_PER_TURN)
        self.view.take_all(self._lines[self._taken : stop])
        self._taken = stop
