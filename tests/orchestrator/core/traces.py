"""Makes a trace straight from brackets and counts, for tests of the rules themselves."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.criterion import Criterion
from orchestrator.core.quorum import Voice
from orchestrator.core.samples import Sample, Track
from orchestrator.core.trace import Trace
from protocols.messages import WorkRate
from protocols.signals import LIVE_PROCESSES
from tests.orchestrator.core.world import CPU, DIGEST, MS, at, digest

Row = tuple[int, int, int]
"""I in ms, A in ms, and the cumulative count."""

WORK = (WorkRate(signal=CPU, quiet_per_s=0, band_min_per_s=500, band_max_per_s=1_000),)


def trace_of(
    rows: Sequence[Row],
    *,
    eps_per_s: int = 1_000,
    max_gap_ms: int = 2_000,
    dwell_ms: int = 1_000,
    peaks: Sequence[int | None] | None = None,
    lost: Sequence[int] = (),
    links: Sequence[int] = (),
    foreign: Sequence[int] = (),
) -> Trace:
    """Return the trace of these readings; eps of 1,000 a second allows one unit a millisecond.

    Args:
        rows: The readings.
        eps_per_s: The quiet rate.
        max_gap_ms: The widest bracket gap.
        dwell_ms: The dwell.
        peaks: Live processes at each reading, to be judged by them too (None: not said).
        lost: Places of readings that never arrived.
        links: Places of messages that are mere links.
        foreign: Places of readings that quote a challenge of another drill.
    """
    track = Track()
    for n, (_, arrival_ms, count) in enumerate(rows):
        said = {} if peaks is None or peaks[n] is None else {LIVE_PROCESSES: peaks[n]}
        counters = {} if n in links else {CPU: ("e0", count)}
        quoted = None if n in foreign else n
        sample = Sample(n, quoted, at(arrival_ms), counters, said, link_only=n in links)  # type: ignore[arg-type]
        if n not in lost:
            track.add(sample, digest(str(n - 1)) if n else DIGEST, digest(str(n)))
    at_most = () if peaks is None else ((LIVE_PROCESSES, 0),)
    issues = {n: at(issued_ms) for n, (issued_ms, _, _) in enumerate(rows)}
    trace = Trace(track, Criterion(((CPU, eps_per_s),), at_most), issues, max_gap_ms * MS, dwell_ms * MS)
    trace.update()
    return trace


def voice(name: str, rows: Sequence[Row], *, owner: str = "", may_agree: bool = True) -> Voice:
    """Return a witness with these readings."""
    return Voice(name, owner or name, trace_of(rows), may_agree)
