"""Times of lines as seconds since 1970."""

from __future__ import annotations

import pytest

from orchestrator.metrics.times import seconds, wall_ns


def test_a_time_is_seconds_since_1970() -> None:
    """An age is `time() - metric`, so the epoch must be Prometheus' own."""
    assert seconds(wall_ns("1970-01-01T00:01:00.500000000Z")) == 60.5


@pytest.mark.parametrize("stamp", ["2026-02-30T00:00:00.000000000Z", "2026-11-26T25:00:00.000000000Z", ""])
def test_what_is_no_time_is_none(stamp: str) -> None:
    """A line's time was checked for its form alone: the thirtieth of February is no metric, and no crash."""
    assert wall_ns(stamp) is None
    assert seconds(wall_ns(stamp)) is None
