"""The halted-over-time curve as the page draws it: two staircases, and never more points than a screen has room for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

POINTS_MAX = 240
_NS_PER_MS = 1_000_000

Point = tuple[float, int]
"""Milliseconds after the order, and how many sites by then."""


@dataclass(frozen=True, slots=True)
class Staircases:
    """How many sites came to be as ordered by when.

    Attributes:
        earliest: At the most: by the lower bound of each.
        latest: At the least: by the upper bound of each, which is what is proved.
    """

    earliest: tuple[Point, ...]
    latest: tuple[Point, ...]


def staircases(halts: Sequence[tuple[int, int]], points_max: int = POINTS_MAX) -> Staircases:
    """Make the two staircases of (earliest, latest) pairs, as `DrillView.halts` gives them.

    Where there are more sites than points, several share a step: of the earliest it comes with the first of
    them, of the latest with the last, so that the band between them is never too narrow.
    """
    lowers, uppers = sorted(pair[0] for pair in halts), sorted(pair[1] for pair in halts)
    groups = _groups(len(halts), points_max)
    return Staircases(
        earliest=tuple((_down(lowers[first]), end) for first, end in groups),
        latest=tuple((_up(uppers[end - 1]), end) for _, end in groups),
    )


def _groups(count: int, most: int) -> list[tuple[int, int]]:
    """Cut `count` sites into at most `most` runs of about the same length, each as (first, end)."""
    runs = min(count, most)
    bounds = [count * number // runs for number in range(runs + 1)] if runs else []
    return list(itertools.pairwise(bounds))


def _down(at_ns: int) -> float:
    return max(0, at_ns) * 10 // _NS_PER_MS / 10


def _up(at_ns: int) -> float:
    return -(-at_ns * 10 // _NS_PER_MS) / 10
