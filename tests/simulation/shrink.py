"""Makes a seed that breaks an invariant smaller: leaves out what is not needed for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.campaign import violations_of
from tests.simulation.playing import Playing
from tests.simulation.plot import Plot
from tests.simulation.truth import Violation

TRIES_MAX = 120


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The least that was found to break the invariant.

    Attributes:
        playing: What it left; None when the run itself could not bear it.
        violation: What it breaks.
        tries: How many plots were played for it.
    """

    plot: Plot
    playing: Playing | None
    violation: Violation
    tries: int


def shrink(
    plot: Plot,
    playing: Playing | None,
    violation: Violation,
    *,
    tries_max: int = TRIES_MAX,
    tell: Callable[[int], None] = lambda _: None,
) -> Shrunk:
    """Leave out whatever can be left out of a plot so that the same invariant is still broken.

    Args:
        plot: A plot that breaks it.
        playing: What it left.
        violation: What it breaks.
        tries_max: Most plots to play.
        tell: Told how many were played.
    """
    best = Shrunk(plot, playing, violation, 0)
    tries, progress = 0, True
    while progress and tries < tries_max:
        progress = False
        struck = frozenset() if best.playing is None else best.playing.struck
        for smaller in best.plot.smaller(struck):
            if tries >= tries_max:
                break
            tries += 1
            tell(tries)
            left, found = violations_of(smaller)
            same = [one for one in found if one.invariant == violation.invariant]
            if same and (left is None or left.struck < struck or smaller.skipped == best.plot.skipped):
                best, progress = Shrunk(smaller, left, same[0], tries), True
                break
    return Shrunk(best.plot, best.playing, best.violation, tries)
