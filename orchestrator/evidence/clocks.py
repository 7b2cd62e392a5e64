"""Finds the witnesses of a bundle whose own clocks do not fit the times that the journal claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.core.clocks import ClockFit
from orchestrator.core.samples import Instant, Track


def check_clock(track: Track, issues: Mapping[int, Instant]) -> Iterator[tuple[int, str]]:
    """Yield (sequence number, what is wrong) for each message of a track whose clock doesn't fit.

    Args:
        track: A witness's chain; one that forked has no single clock and is passed over.
        issues: When each challenge was issued.
    """
    if track.forked:
        return
    fit = ClockFit()
    for sample, bracket in zip(track.samples, track.brackets(issues), strict=True):
        wrong = fit.take(*sample.clock, bracket) if sample.clock is not None else ""
        if wrong:
            yield sample.seq, wrong
