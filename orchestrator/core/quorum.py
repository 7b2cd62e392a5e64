"""What the witnesses of one site prove together: runs as ordered, dissent and steady state.

"Quiet" stands for being as ordered, whatever the criterion asks for, and "active" for the opposite.

Witnesses count by owner, and never those that the site owns. With at most quorum - 1 lying owners,
at least one honest owner is in every quorum, which is what each definition here leans on.

- **agrees** on [S, E]: the latest reading surely taken by S starts a run that is quiet until E.
  The latest, because then what counts is the work in the span itself and not the average over a
  longer quiet before it: an honest witness that agrees saw at most
  eps * (E - S + 2 * the maximum gap) of work in the span.
- **dissents** on [S, E]: proven active surely after S, beginning before E, inside the window. Of
  rates, which are proven over whole dwells: a breach that begins within the maximum gap after S,
  as one does if the rate is wrong throughout. One that begins later tells of what came after.
  Also a witness whose last proven word in the window is *active* and that never proved quiet over
  a positive span after it.
- **qualifying run**: the first S, among the order's commit and the A of the readings that start
  lasting runs, such that a quorum of owners agrees on [S, S + dwell] and nobody dissents.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.samples import Instant
from orchestrator.core.trace import Activity, Trace
from orchestrator.core.windows import NS_PER_S
from protocols.messages import WorkRate


@dataclass(frozen=True, slots=True)
class Voice:
    """One covering witness of a site.

    Attributes:
        name: The witness.
        owner: Whose it is.
        trace: What it showed.
        may_agree: Whether it can count towards a quorum. One that cannot may still dissent.
        work: The counters by whose bands it tells steady state.
    """

    name: str
    owner: str
    trace: Trace
    may_agree: bool
    work: tuple[WorkRate, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A common span over which a quorum of owners agrees.

    Attributes:
        start: S, the latest A among the readings it starts from (or the order's commit).
        end: S plus the dwell.
        quiet_until: The earliest end among the agreeing witnesses' quiet spans, within the window.
        starts: By agreeing witness, the reading its run starts from.
    """

    start: Instant
    end: Instant
    quiet_until: Instant
    starts: dict[str, int]


def agreeing(voices: Sequence[Voice], start: Instant, end: Instant) -> dict[str, int]:
    """Return the witnesses that agree on [start, end], with the reading each one's run starts from."""
    starts: dict[str, int] = {}
    for voice in voices:
        reading = voice.trace.latest_by(start) if voice.may_agree else None
        if reading is not None and voice.trace.quiet_until(reading) >= end:
            starts[voice.name] = reading
    return starts


def runs(voices: Sequence[Voice], quorum: int, *, ordered: Instant, until: Instant, dwell_ns: int) -> Iterator[Run]:
    """Yield the common spans of a quorum, by rising start, whether or not anybody dissents.

    Args:
        voices: The covering witnesses.
        quorum: How many owners must agree.
        ordered: The order's commit: no run starts before it.
        until: The end of the window: no dwell ends after it.
        dwell_ns: How long the common span must last.
    """
    owners = {voice.name: voice.owner for voice in voices}
    for start in _candidates(voices, ordered):
        end = start.plus(dwell_ns)
        if end > until:
            return
        starts = agreeing(voices, start, end)
        if len({owners[name] for name in starts}) >= quorum:
            spans = (voice.trace.quiet_until(starts[voice.name]) for voice in voices if voice.name in starts)
            yield Run(start, end, min(until, *spans), starts)


def _candidates(voices: Sequence[Voice], ordered: Instant) -> Iterator[Instant]:
    yield ordered
    lists = [[voice.trace.before[i] for i in _from(voice.trace, ordered)] for voice in voices if voice.may_agree]
    yield from heapq.merge(*lists)


def _from(trace: Trace, ordered: Instant) -> Sequence[int]:
    """Return the starts of lasting runs that were surely taken after `ordered` at the earliest."""
    return trace.lasting[bisect_left(trace.lasting, ordered, key=lambda i: trace.before[i]) :]


def saw_dwell(trace: Trace, since: Instant, until: Instant, dwell_ns: int) -> bool:
    """Return whether the witness by itself saw a dwell of quiet between `since` and `until`."""
    starts = _from(trace, since)
    return bool(starts) and trace.before[starts[0]].plus(dwell_ns) <= until


def halted_by(voices: Sequence[Voice], run: Run) -> Instant:
    """Return by when the site had surely halted, as far as the agreeing witnesses of a run tell.

    For each it is A of the first reading j of its run with I_j > A_i (with a cap: that is at least
    the trace's lead later). A halt just after reading i may hide in what eps allows and in the
    counter's own resolution, so A_i would be too early. Had the site still worked at reading j, the
    whole of [A_i, I_j] would show more than eps, or the cap, allows: steady state lies above both.
    """
    latest = run.start
    for voice in voices:
        start = run.starts.get(voice.name)
        if start is None:
            continue
        trace = voice.trace
        surely = trace.before[start].plus(trace.lead_ns)
        ends = next((j for j in range(start + 1, len(trace.after)) if trace.after[j] >= surely), start)
        latest = max(latest, trace.before[ends])
    return latest


def activity_between(trace: Trace, start: Instant, begin_by: Instant, until: Instant) -> Activity | None:
    """Return the first interval proven active surely after `start`, begun before `begin_by` and over by `until`."""
    return _between(trace.activities, start, begin_by, until)


def breach_between(trace: Trace, start: Instant, begin_by: Instant, until: Instant) -> Activity | None:
    """Return the first window proven out of its band or over a cap, likewise."""
    return _between(trace.breaches, start, begin_by, until)


def _between(listed: Sequence[Activity], start: Instant, begin_by: Instant, until: Instant) -> Activity | None:
    place = bisect_left(listed, start, key=lambda activity: activity.after)
    if place == len(listed):
        return None
    first = listed[place]
    return first if first.after < begin_by and first.before <= until else None


def activity_after(trace: Trace, start: Instant, until: Instant) -> Activity | None:
    """Return the first interval or window proven active that lies surely between `start` and `until`."""
    return activity_between(trace, start, until, until) or breach_between(trace, start, until, until)


def dissent_on(voice: Voice, run: Run, until: Instant) -> Activity | None:
    """Return what the witness proved against the run's dwell, if it did."""
    trace = voice.trace
    breach_by = run.start.plus(trace.max_gap_ns)
    return activity_between(trace, run.start, run.end, until) or breach_between(trace, run.start, breach_by, until)


def relapse(voice: Voice, run: Run, until: Instant) -> Activity | None:
    """Return what the witness proved of the time after the run's dwell, if it did: all that is no dissent on it."""
    trace = voice.trace
    breach_from = run.start.plus(trace.max_gap_ns)
    return activity_between(trace, run.end, until, until) or breach_between(trace, breach_from, until, until)


def last_word_active(trace: Trace, since: Instant, until: Instant) -> Activity | None:
    """Return the activity that is the last proven word in the window [since, until], if it is."""
    last = _last_by(trace.activities, until)
    if last is not None and last.before > since and not _lifted(trace, last, until):
        return last
    breach = _last_by(trace.breaches, until)
    if breach is not None and breach.before > since and not _outlasted(trace, breach, until):
        return breach
    return None


def _last_by(activities: Sequence[Activity], until: Instant) -> Activity | None:
    place = bisect_left(activities, until.plus(1), key=lambda activity: activity.before)
    return activities[place - 1] if place else None


def _lifted(trace: Trace, last: Activity, until: Instant) -> bool:
    """Return whether quiet over a positive span was proven after an activity."""
    for i in range(last.ends_at, len(trace.readings)):
        if trace.before[i] >= until:
            break
        if trace.run_end(i) > i and trace.quiet_until(i) > trace.before[i]:
            return True
    return False


def _outlasted(trace: Trace, breach: Activity, until: Instant) -> bool:
    """Return whether a whole dwell as ordered, begun inside a window out of its band, goes on past its end."""
    for i in trace.lasting[bisect_left(trace.lasting, breach.starts_at + 1) :]:
        if trace.before[i].plus(trace.dwell_ns) > until:
            break
        if trace.run_end(i) >= breach.ends_at:
            return True
    return False


def last_active_by(trace: Trace, reading: int, until: Instant) -> Instant | None:
    """Return I of the last interval or window proven active that ends with `reading` or before, and by `until`."""
    latest: Instant | None = None
    for listed in (trace.activities, trace.breaches):
        for activity in reversed(listed):
            if activity.ends_at <= reading and activity.before <= until:
                latest = activity.after if latest is None else max(latest, activity.after)
                break
    return latest


def quorum_largest(by_owner: dict[str, int], quorum: int) -> int:
    """Return the quorum-th largest of one figure per owner, 0 when fewer have one or when negative.

    At most quorum - 1 liars cannot push it over the largest figure of an honest owner.
    """
    ranked = sorted(by_owner.values(), reverse=True)
    return max(0, ranked[quorum - 1]) if len(ranked) >= quorum else 0


def in_band(trace: Trace, i: int, j: int, work: Sequence[WorkRate]) -> bool:
    """Return whether every work counter's rate between readings i and j surely lies in its band.

    The rate is at least (c_j - c_i) / (A_j - I_i) and at most (c_j - c_i) / (I_j - A_i).
    """
    longest_ns = trace.before[j].minus(trace.after[i])
    shortest_ns = trace.after[j].minus(trace.before[i])
    if longest_ns is None or shortest_ns is None or shortest_ns <= 0:
        return False
    for rate in work:
        grown = grown_between(trace, i, j, rate.signal)
        if grown is None:
            return False
        units = grown * NS_PER_S
        if units < rate.band_min_per_s * longest_ns or units > rate.band_max_per_s * shortest_ns:
            return False
    return True


def steady(
    trace: Trace, since: Instant, ordered: Instant, work: Sequence[WorkRate], busy: Sequence[WorkRate] | None = None
) -> bool:
    """Return whether the witness saw steady state from `since` up to the order.

    All readings surely taken between the two are used, first to last, since counters tick and
    sites compute in bursts; gaps over the maximum and a last reading older than that spoil it. And
    the very last interval must show work over epsilon: a site that was at work, and stopped by
    itself before the order, has not halted because of it.

    Args:
        trace: What the witness showed.
        since: From when on.
        ordered: Up to when.
        work: The counters whose bands must hold.
        busy: Those of them of which one must show work at the very end; None: any.
    """
    first = bisect_left(trace.after, since)
    last = trace.latest_by(ordered)
    if last is None or last <= first:
        return False
    age_ns = ordered.minus(trace.after[last])
    if age_ns is None or age_ns > trace.max_gap_ns or not connected(trace, first, last):
        return False
    busy = work if busy is None else busy
    return in_band(trace, first, last, work) and (not busy or _at_work(trace, last, busy))


def _at_work(trace: Trace, reading: int, work: Sequence[WorkRate]) -> bool:
    """Return whether some work counter surely rose by more than epsilon in the interval that ends at a reading."""
    longest_ns = trace.before[reading].minus(trace.after[reading - 1])
    return longest_ns is not None and any(
        grown * NS_PER_S > rate.quiet_per_s * longest_ns
        for rate in work
        if (grown := grown_between(trace, reading - 1, reading, rate.signal)) is not None
    )


def grown_between(trace: Trace, i: int, j: int, signal: str) -> int | None:
    """Return how far a counter rose from one reading to a later one; None when they do not compare."""
    first, last = trace.readings[i].counters.get(signal), trace.readings[j].counters.get(signal)
    return None if first is None or last is None or first[0] != last[0] else last[1] - first[1]


def connected(trace: Trace, first: int, last: int) -> bool:
    """Return whether no bracket gap between two readings is over the maximum.

    Unlike a quiet run this bears peaks over their level: a site at work has live processes.
    """
    for k in range(first, last):
        gap_ns = trace.before[k + 1].minus(trace.after[k])
        if gap_ns is None or gap_ns > trace.max_gap_ns:
            return False
    return True
