"""The way back: what one witness proves of a site's return to steady state after the release.

A recovery is a span of at least the dwell over which the rates lie in the load band and the facts
are again what they were before the order. Where it begins depends on what had been ordered:

- work that stood still: with an interval proven active. Work had begun by A of its end;
- work that was capped: with a reading from which every prefix, of at least the trace's lead, is
  surely over the cap, so that slow work at its beginning is not hidden by the average for longer
  than that. Work was back by A of the reading that ends the first such prefix;
- work that went on: with any reading surely after the release. All was well by A of the first reading
  from there on whose interval shows work: a dwell in band may hide a short standstill at its beginning.

The dwell is not part of the restore time, as it is none of the response time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.core.criterion import Criterion
from orchestrator.core.quorum import Voice, connected, grown_between, in_band
from orchestrator.core.samples import Instant
from orchestrator.core.trace import Trace, Word
from orchestrator.core.windows import NS_PER_S


@dataclass(frozen=True, slots=True)
class Recovery:
    """One witness's proof that the site is back in steady state.

    Attributes:
        upper: A of the reading by which it was back.
        lower: I of the latest reading before which it surely was not, if there is one.
    """

    upper: Instant
    lower: Instant | None


def as_before(trace: Trace, reading: int) -> bool:
    """Return whether a reading shows what the criterion demands before the order, and again after the release."""
    said, wanted = trace.readings[reading], trace.criterion
    return all(
        fact.says(said.facts.get(fact.name), said.digests.get(fact.name)) is True for fact in wanted.before
    ) and all(said.peaks.get(name, level) > level for name, level in wanted.draws)


def recovery(voice: Voice, released: Instant, dwell_ns: int) -> Recovery | None:
    """Return the first proof of recovery that is not surely before the release."""
    trace = voice.trace
    starts, lower = _manner(trace.criterion)
    for i, ends_at in starts(trace, released):
        j = bisect_left(trace.after, trace.before[i].plus(dwell_ns))
        if (
            j < len(trace.readings)
            and connected(trace, i, j)
            and in_band(trace, i, j, voice.work)
            and _over_caps(trace, i, ends_at, j)
            and all(as_before(trace, k) for k in range(ends_at, j + 1))
        ):
            begun = _at_work(trace, ends_at, j, voice) if starts is _after_release else ends_at
            return Recovery(trace.before[begun], lower(trace, i))
    return None


def _at_work(trace: Trace, first: int, last: int, voice: Voice) -> int:
    """Return the first of some readings whose interval shows work; the very first one when none has to."""
    for k in range(max(first, 1), last + 1):
        grown = (grown_between(trace, k - 1, k, rate.signal) for rate in voice.work)
        if connected(trace, k - 1, k) and any(units is not None and units > 0 for units in grown):
            return k
    return first


Starts = Callable[[Trace, Instant], Iterator[tuple[int, int]]]
"""Yields each reading that a recovery may start at, with the reading by which it then had begun."""

Lower = Callable[[Trace, int], Instant | None]


def _manner(wanted: Criterion) -> tuple[Starts, Lower]:
    if wanted.quiet or wanted.at_most:
        return _at_activities, _last_quiet
    if wanted.caps:
        return _at_readings, _last_capped
    return _after_release, _last_otherwise


def _at_activities(trace: Trace, released: Instant) -> Iterator[tuple[int, int]]:
    place = bisect_left(trace.activities, released.plus(1), key=lambda activity: activity.before)
    for activity in trace.activities[place:]:
        if activity.cause is None:
            yield activity.starts_at, activity.ends_at


def _at_readings(trace: Trace, released: Instant) -> Iterator[tuple[int, int]]:
    past = bisect_left(trace.before, released.plus(1))
    start = bisect_right(trace.before, trace.after[past - 1].plus(-trace.lead_ns)) if past else 0
    for i in range(start, len(trace.readings)):
        ends_at = bisect_left(trace.after, trace.before[i].plus(trace.lead_ns))
        if ends_at < len(trace.readings) and trace.before[ends_at] > released:
            yield i, ends_at


def _after_release(trace: Trace, released: Instant) -> Iterator[tuple[int, int]]:
    for i in range(bisect_left(trace.after, released), len(trace.readings)):
        yield i, i


def _over_caps(trace: Trace, i: int, first: int, last: int) -> bool:
    """Return whether every prefix from reading i, to `first` up to `last`, is surely over every cap."""
    for name, cap_per_s in trace.criterion.caps:
        for k in range(first, last + 1):
            grown, longest_ns = grown_between(trace, i, k, name), trace.before[k].minus(trace.after[i])
            if grown is None or longest_ns is None or grown * NS_PER_S <= cap_per_s * longest_ns:
                return False
    return True


def _last_quiet(trace: Trace, reading: int) -> Instant | None:
    for k in range(reading, 0, -1):
        if trace.words[k] is Word.QUIET:
            return trace.after[k]
    return None


def _last_capped(trace: Trace, reading: int) -> Instant | None:
    """Return I of the start of the last interval surely at or under the caps: its end may be after the return."""
    for k in range(reading, 0, -1):
        if trace.words[k] is Word.QUIET:
            return trace.after[k - 1]
    return None


def _last_otherwise(trace: Trace, reading: int) -> Instant | None:
    for k in range(reading - 1, -1, -1):
        if not as_before(trace, k):
            return trace.after[k]
    return None
