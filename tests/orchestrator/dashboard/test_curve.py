"""Tests of `orchestrator.dashboard.curve`."""

from __future__ import annotations

from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dashboard.curve import staircases

NS_PER_MS = 1_000_000
halts = st.lists(
    st.tuples(st.integers(0, 60 * 10**9), st.integers(0, 10**9)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=60,
)


def _height(points: tuple[tuple[float, int], ...], at_ms: float) -> int:
    return max((number for ms, number in points if ms <= at_ms), default=0)


@given(halts, st.integers(1, 12), st.integers(0, 62_000))
def test_the_band_never_promises_too_much(pairs: list[tuple[int, int]], most: int, at_ms: int) -> None:
    """However few points are drawn, at no time is more shown as proved than is, or less as possible."""
    drawn = staircases(pairs, most)
    at_ns = at_ms * NS_PER_MS
    assert _height(drawn.latest, at_ms) <= bisect_right(sorted(pair[1] for pair in pairs), at_ns)
    assert _height(drawn.earliest, at_ms) >= bisect_right(sorted(pair[0] for pair in pairs), at_ns)


@given(halts, st.integers(1, 12))
def test_points_are_bounded_and_the_last_has_all(pairs: list[tuple[int, int]], most: int) -> None:
    """Ten thousand sites cost no more points than a screen shows, and none of them is lost at the end."""
    drawn = staircases(pairs, most)
    assert len(drawn.latest) == len(drawn.earliest) <= most
    if pairs:
        assert drawn.latest[-1][1] == drawn.earliest[-1][1] == len(pairs)
