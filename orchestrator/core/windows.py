"""Rates averaged over windows of a dwell: what proves that work was capped, or that it went on.

The *window* that ends at reading j starts at the latest reading w with A_w + dwell <= I_j, so it
surely lasts a dwell, and no longer than a dwell and two bracket gaps. Its rate is at least
(c_j - c_w) / (A_j - I_w) and at most (c_j - c_w) / (I_j - A_w):

- it *conforms* when both bounds lie in every band;
- it is a *breach* when one of them lies outside, on the wrong side: the rate surely left its band,
  or surely was over a cap.

Between the two it is unknown, and a breach at most by the width of two brackets. A site that works in
bursts shorter than the dwell is judged by its average, which is what a rate is; so a dip or a burst
that the average hides is the stated allowance.

Work over a window of readings at most two gaps longer than the dwell lies in its bands, so for an
honest witness that agrees on [S, S + dwell]: the work from S - gap to S + dwell + gap is at least
`least * dwell`, and the work in the dwell itself is at most `most * (dwell + 2 * gap)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.core.causes import Cause
from orchestrator.core.criterion import Criterion
from orchestrator.core.samples import Instant, Sample

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """The window that ends at a reading.

    Attributes:
        start: The reading that it starts at.
        conforms: Whether its rates surely lie in their bands.
        breach: Whether one surely does not, or surely is over its cap.
        cause: What that means; None when it is simply work over a cap.
        signal: The counter that it is about.
    """

    start: int
    conforms: bool
    breach: bool
    cause: Cause | None = None
    signal: str = ""


@dataclass(slots=True)
class Windows:
    """Finds the window of each reading in turn, at an amortised cost of O(1)."""

    wanted: Criterion
    dwell_ns: int
    _start: int = 0

    @property
    def needed(self) -> bool:
        """Whether the criterion is about rates at all."""
        return bool(self.wanted.caps or self.wanted.bands)

    def chains(self, growth: Callable[[str], int | None]) -> bool:
        """Return whether the counters of an interval compare, so that a window may reach over it."""
        names = [name for name, _ in self.wanted.caps] + [band.name for band in self.wanted.bands]
        grown = [growth(name) for name in names]
        return all(units is not None and units >= 0 for units in grown)

    def ending_at(
        self, j: int, readings: Sequence[Sample], after: Sequence[Instant], before: Sequence[Instant], *, chained: bool
    ) -> Window | None:
        """Return the window that ends at reading j, or None while there is none.

        Args:
            j: The newest reading.
            readings: All readings.
            after: I of each.
            before: A of each.
            chained: Whether the interval that ends at j is bridged for the counters.
        """
        if not chained:
            self._start = j
            return None
        while self._start + 1 < j and before[self._start + 1].plus(self.dwell_ns) <= after[j]:
            self._start += 1
        w = self._start
        if w >= j or before[w].plus(self.dwell_ns) > after[j]:
            return None
        longest_ns, shortest_ns = before[j].minus(after[w]), after[j].minus(before[w])
        if longest_ns is None or shortest_ns is None:
            return None
        return self._judged(w, readings[w], readings[j], longest_ns, shortest_ns)

    def _judged(self, w: int, old: Sample, new: Sample, longest_ns: int, shortest_ns: int) -> Window:
        conforms = True
        for name, cap_per_s in self.wanted.caps:
            if _units(old, new, name) > cap_per_s * longest_ns:
                return Window(w, conforms=False, breach=True, signal=name)
        for band in self.wanted.bands:
            units = _units(old, new, band.name)
            if units < band.least * shortest_ns:
                return Window(w, conforms=False, breach=True, cause=band.low, signal=band.name)
            if band.most is not None and units > band.most * longest_ns:
                return Window(w, conforms=False, breach=True, cause=band.high, signal=band.name)
            low_enough = band.most is None or units <= band.most * shortest_ns
            conforms = conforms and low_enough and units >= band.least * longest_ns
        return Window(w, conforms=conforms, breach=False)


def _units(old: Sample, new: Sample, name: str) -> int:
    """Return how far a counter rose, in billionths of its unit."""
    return (new.counters[name][1] - old.counters[name][1]) * NS_PER_S
