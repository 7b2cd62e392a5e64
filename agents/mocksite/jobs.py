"""Jobs: how their work rises, falls and is kept. Time is an argument throughout."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from agents.mocksite.chance import Ripple
from protocols.mock_config import UNITS_PER_S, JobConfig

TRAINING = "training"
GRADIENT_SHARE = 0.3
"""Share of a training job's network traffic that is exchange of gradients; other work has next to none."""

NS_PER_S = 1_000_000_000


@dataclass(slots=True)
class Job:
    """A job that runs when nothing is ordered.

    Attributes:
        config: What it is.
        ripple: How its rate wanders.
        clock: The part of its full rate that it works at, 0 to 1.
        goal: Where that is going.
        slope_per_s: How fast.
        alive: Whether its processes exist.
        done_units: Work it has done since its beginning.
        saved_units: The same at its last checkpoint, or None before the first.
        exited_saved: Whether its checkpoint holds all that it had done when it exited.
        worked_units: Everything it ever did, also what a crash threw away: what a meter counts.
    """

    config: JobConfig
    ripple: Ripple
    clock: float = 1.0
    goal: float = 1.0
    slope_per_s: float = math.inf
    alive: bool = True
    done_units: float = 0.0
    saved_units: float | None = None
    exited_saved: bool = False
    worked_units: float = 0.0
    gradient_share: float = field(init=False)

    def __post_init__(self) -> None:
        self.gradient_share = GRADIENT_SHARE if self.config.workload == TRAINING else 0.0

    def steer(self, goal: float, over_s: float) -> float:
        """Set where its rate goes, a full change taking `over_s`; return how long this one takes, seconds."""
        self.goal = goal
        if over_s <= 0:
            self.clock, self.slope_per_s = goal, math.inf
            return 0.0
        self.slope_per_s = 1.0 / over_s
        return abs(goal - self.clock) * over_s

    def jump(self, clock: float) -> None:
        """Set its rate at once."""
        self.clock = self.goal = clock

    def kill(self) -> None:
        """End its processes at once; what was not saved is lost."""
        self.jump(0.0)
        self.exited_saved = self.exited_saved and not self.alive
        self.alive = False
        self.done_units = self.saved_units or 0.0

    def save_and_exit(self) -> None:
        """Finish a checkpoint, and exit."""
        self.jump(0.0)
        self.alive = False
        self.saved_units = self.done_units
        self.exited_saved = True

    def start(self) -> None:
        """Start its processes again, from the last checkpoint; it does no work yet."""
        if not self.alive:
            self.jump(0.0)
            self.alive = True

    def clock_after(self, span_s: float) -> float:
        """Return its rate `span_s` from now."""
        change = self.goal - self.clock
        if not math.isfinite(self.slope_per_s) or abs(change) <= self.slope_per_s * span_s:
            return self.goal
        return self.clock + math.copysign(self.slope_per_s * span_s, change)

    def advance(self, from_ns: int, to_ns: int, *, starved: bool) -> None:
        """Let time pass: do the work of a span and move the rate on.

        Args:
            from_ns: Begin of the span.
            to_ns: End of it.
            starved: Whether what it needs is withheld, so that it runs and does nothing.
        """
        span_s = (to_ns - from_ns) / NS_PER_S
        if span_s <= 0:
            return
        after = self.clock_after(span_s)
        if self.alive and not starved and (self.clock or after):
            mean = self._area(span_s) / span_s
            rippled_s = self.ripple.area_s(from_ns / NS_PER_S, to_ns / NS_PER_S)
            units = mean * rippled_s * self.config.accelerators * UNITS_PER_S
            self.done_units += units
            self.worked_units += units
        self.clock = after

    def _area(self, span_s: float) -> float:
        """Return the integral of its rate over the coming span, in seconds of full rate."""
        if not math.isfinite(self.slope_per_s) or self.clock == self.goal:
            return self.goal * span_s
        ramp_s = min(span_s, abs(self.goal - self.clock) / self.slope_per_s)
        return (self.clock + self.clock_after(ramp_s)) / 2 * ramp_s + self.clock_after(span_s) * (span_s - ramp_s)
