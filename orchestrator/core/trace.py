"""What one witness's track proves, reading by reading, under one criterion.

Notation: reading i was taken in the bracket [I_i, A_i] = [`after[i]`, `before[i]`] and shows the
cumulative work c_i. Between two readings the witness proves one of three words:

- *active*: c_k+1 - c_k > eps * (A_k+1 - I_k), or a peak over its level, or a fact that is wrong. The
  time is bounded from above, so background work under eps never looks active however tight the bracket.
- *quiet*: c_k+1 - c_k <= eps * max(0, I_k+1 - A_k), the time bounded from below.
- *unknown*: anything else.

A *run* from reading i reaches reading j when every interval between them is bridged (same counter
epoch, no decrease, no bracket gap over the maximum, no peak over its level or unknown, every fact
right at both of its ends, none proven active) and every reading j' in (i, j] with I_j' > A_i
satisfies c_j' - c_i <= eps * (I_j' - A_i).
That every prefix must satisfy it, and not just the end, is what keeps a burst after i, paid for by
the long quiet that follows, from making A_i look like the moment of the halt: since a first I_j'
over A_i comes within the maximum gap, the work after reading i is at most eps * max_gap.

A counter bridges a lost reading, a peak or a fact does not. A reading that lacks a needed signal
bridges nothing. All arithmetic is exact, in integers.

A reading that quotes a challenge of another drill, which goes on at the same time elsewhere in the fleet,
brackets nothing here: it would only cut an interval into two that prove less. Unless it shows something
wrong it is passed over, as a link of the chain.

Of a *cap* no single interval is judged, since capped work may come in bursts, and of the prefixes
only those over a proven span of at least the maximum gap (`lead_ns`), which the width of a bracket
matters little to. It is active, and so is a rate that leaves its band, only over a whole window of a
dwell (`orchestrator.core.windows`); every window inside a run must conform, or where all work is to
go on, and a run lasts as long as the hold, at least not be a breach.

Readings are taken in one after the other at an amortised cost of O(log n), which serves the live
view and the final judgement alike; only a track that was rewritten is read again from its start.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from orchestrator.core.causes import Cause
from orchestrator.core.clocks import ClockFit
from orchestrator.core.criterion import Criterion
from orchestrator.core.samples import NEVER, Bracket, Instant, Sample, Track, later_issue
from orchestrator.core.windows import NS_PER_S, Windows


class Word(Enum):
    """What the interval between two readings proves."""

    QUIET = "quiet"
    ACTIVE = "active"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Activity:
    """An interval or a window proven not to be as ordered: there was work after `after` and before `before`.

    Attributes:
        after: I of the reading that starts it.
        before: A of the reading that ends it.
        ends_at: Index of the reading that ends it.
        starts_at: Index of the reading that starts it.
        cause: What is wrong; None when it is simply work.
        signal: The counter whose rate left its band; empty for an interval.
    """

    after: Instant
    before: Instant
    ends_at: int
    starts_at: int
    cause: Cause | None = None
    signal: str = ""


@dataclass(slots=True)
class Trace:
    """One track under one criterion. Call `update` after the track grew.

    Attributes:
        max_gap_ns: The widest bracket gap that evidence bridges.
        dwell_ns: How long a quiet span must last to be listed in `lasting`.
        dishonest: Whether it contradicted itself (a counter that decreased within its epoch, a
            reading that arrived before a challenge it builds on, or a clock of its own that does
            not fit the brackets): it can never agree.
        readings: The readings, without the mere links.
        after: I of each reading; never falls.
        before: A of each reading; never falls.
        words: What the interval that ends at each reading proves (`UNKNOWN` for the first).
        bridged: Whether evidence bridges that interval.
        activities: The intervals proven active.
        breaches: The windows proven out of their bands or over a cap.
        lasting: Readings from which a quiet span of at least the dwell starts.
    """

    track: Track
    criterion: Criterion
    issues: Mapping[int, Instant]
    max_gap_ns: int
    dwell_ns: int
    dishonest: bool = False
    readings: list[Sample] = field(default_factory=list)
    after: list[Instant] = field(default_factory=list)
    before: list[Instant] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    bridged: list[bool] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    breaches: list[Activity] = field(default_factory=list)
    lasting: list[int] = field(default_factory=list)
    _ends: list[int | None] = field(default_factory=list)
    _waiting: deque[int] = field(default_factory=deque)
    _allowances: list[list[tuple[int, int]]] = field(default_factory=list)
    _segment: int = 0
    _next_lasting: int = 0
    _taken: int = 0
    _rewrites: int = 0
    _last_after: Instant = NEVER
    _last_seq: int | None = None
    _lossy: bool = False
    _passed: Sample | None = None
    _clock: ClockFit = field(default_factory=ClockFit)
    _windows: Windows = field(init=False)
    _failed: int = 0

    def __post_init__(self) -> None:
        self._windows = Windows(self.criterion, self.dwell_ns)

    @property
    def lead_ns(self) -> int:
        """The shortest proven span from its start on which a run is judged by its ceilings, nanoseconds."""
        return self.max_gap_ns if self.criterion.caps else 1

    def update(self) -> None:
        """Take in what the track has learnt since the last call."""
        if self._rewrites != self.track.rewrites:
            self._restart()
        fresh = self.track.samples[self._taken :]
        if self._taken:  # appended, so each arrival is also the earliest of itself and its successors
            for sample in fresh:
                self._take(sample, Bracket(later_issue(self._last_after, sample, self.issues), sample.arrival))
        else:
            for sample, bracket in zip(fresh, self.track.brackets(self.issues), strict=True):
                self._take(sample, bracket)

    def _restart(self) -> None:
        self.dishonest = False
        for part in (self.readings, self.after, self.before, self.words, self.bridged):
            part.clear()
        for more in (self.activities, self.breaches, self.lasting, self._ends, self._waiting, self._allowances):
            more.clear()
        self._segment = self._next_lasting = self._taken = self._failed = 0
        self._windows = Windows(self.criterion, self.dwell_ns)
        self._last_after, self._last_seq, self._lossy, self._passed = NEVER, None, False, None
        self._clock = ClockFit()
        self._rewrites = self.track.rewrites

    def _take(self, sample: Sample, bracket: Bracket) -> None:
        self._lossy = self._lossy or (self._last_seq is not None and sample.seq != self._last_seq + 1)
        self._taken += 1
        self._last_seq, self._last_after = sample.seq, bracket.after
        self.dishonest = self.dishonest or bracket.after > bracket.before
        if sample.clock is not None:
            self.dishonest = bool(self._clock.take(*sample.clock, bracket)) or self.dishonest
        if sample.link_only:
            return
        if sample.quoted is None and self.readings and self._shows_nothing_wrong(sample):
            self._passed = sample
            return
        if self._passed is not None:
            self.dishonest = self._fell(self._passed, sample) or self.dishonest
            self._passed = None
        self.readings.append(sample)
        self.after.append(bracket.after)
        self.before.append(bracket.before)
        self._join(len(self.readings) - 1, lossy=self._lossy)
        self._lossy = False

    def _shows_nothing_wrong(self, sample: Sample) -> bool:
        """Tell whether nothing would be known less of the interval around a reading if it had not been taken."""
        criterion, before = self.criterion, self._passed or self.readings[-1]
        levels = all(
            (peak := sample.peaks.get(name)) is not None and peak <= level for name, level in criterion.at_most
        )
        facts = all(
            wanted.says(sample.facts.get(wanted.name), sample.digests.get(wanted.name)) for wanted in criterion.facts
        )
        comparable = all(_growth(before, sample, name) is not None for name in self._counters())
        return levels and facts and comparable and not self._fell(before, sample)

    def _counters(self) -> Iterator[str]:
        for named in (self.criterion.watched, self.criterion.quiet, self.criterion.ceilings):
            yield from (name for name, _ in named)
        yield from (band.name for band in self.criterion.bands)

    def _fell(self, old: Sample, new: Sample) -> bool:
        """Tell whether a counter decreased within its epoch."""
        return any((grown := _growth(old, new, name)) is not None and grown < 0 for name in self._counters())

    def _join(self, j: int, *, lossy: bool) -> None:
        """Let reading j extend, or end, the runs that reach its predecessor; and start its own."""
        word, bridged, cause = self._read_interval(j, lossy=lossy) if j else (Word.UNKNOWN, False, None)
        self.words.append(word)
        self.bridged.append(bridged)
        if word is Word.ACTIVE:
            self.activities.append(Activity(self.after[j - 1], self.before[j], j, j - 1, cause))
        if bridged and word is not Word.ACTIVE:
            self._spend(j)
        else:
            self._break(j)
        if j and self._windows.needed:
            self._slide(j)
        self._waiting.append(j)
        self._ends.append(None)
        self._list_lasting(j)

    def _read_interval(self, j: int, *, lossy: bool) -> tuple[Word, bool, Cause | None]:
        """Return what the interval that ends at reading j proves, whether evidence bridges it, and what is wrong."""
        old, new = self.readings[j - 1], self.readings[j]
        longest_ns = self.before[j].minus(self.after[j - 1])
        shortest_ns = self.after[j].minus(self.before[j - 1])
        bridged = longest_ns is not None and longest_ns <= self.max_gap_ns
        active, quiet = False, True
        for name, level in self.criterion.at_most:
            peak = new.peaks.get(name)
            active = active or (peak is not None and peak > level)
            bridged = bridged and peak is not None and not lossy
        for name, eps_per_s in self.criterion.watched:
            active = active or _surely_over(_growth(old, new, name), eps_per_s, longest_ns)
        for name, eps_per_s in self.criterion.quiet:
            active = active or _surely_over(_growth(old, new, name), eps_per_s, longest_ns)
        for name, per_s in self.criterion.ceilings:
            grown = self._compared(old, new, name)
            bridged = bridged and grown is not None
            quiet = quiet and grown is not None and grown * NS_PER_S <= per_s * max(0, shortest_ns or 0)
        for band in self.criterion.bands:
            bridged = self._compared(old, new, band.name) is not None and bridged
        right, cause = self._read_facts(old, new)
        if active or cause is not None:
            return Word.ACTIVE, bridged, None if active else cause
        bridged = bridged and right and not (lossy and self.criterion.facts)
        return (Word.QUIET if quiet and bridged else Word.UNKNOWN), bridged, None

    def _compared(self, old: Sample, new: Sample, name: str) -> int | None:
        """Return how far a counter rose, or None when that is unknown; a decrease is remembered for ever."""
        grown = _growth(old, new, name)
        if grown is not None and grown < 0:
            self.dishonest = True
            return None
        return grown

    def _read_facts(self, old: Sample, new: Sample) -> tuple[bool, Cause | None]:
        """Return whether all facts are right at both ends, and what the first that is wrong at the later one means."""
        right, cause = True, None
        for wanted in self.criterion.facts:
            now = wanted.says(new.facts.get(wanted.name), new.digests.get(wanted.name))
            if now is False and cause is None:
                cause = wanted.cause
            was = wanted.says(old.facts.get(wanted.name), old.digests.get(wanted.name))
            right = right and now is True and was is True
        return right, cause

    def _slide(self, j: int) -> None:
        """End the runs that the window ending at reading j does not conform to, and list it if it is a breach."""
        old, new = self.readings[j - 1], self.readings[j]
        longest_ns = self.before[j].minus(self.after[j - 1])
        chained = longest_ns is not None and longest_ns <= self.max_gap_ns
        chained = chained and self._windows.chains(lambda name: _growth(old, new, name))
        window = self._windows.ending_at(j, self.readings, self.after, self.before, chained=chained)
        if window is None or window.conforms or (self.criterion.goes_on and not window.breach):
            return
        while self._failed <= window.start:
            if self._ends[self._failed] is None:
                self._ends[self._failed] = j - 1
            self._failed += 1
        if window.breach:
            w = window.start
            self.breaches.append(Activity(self.after[w], self.before[j], j, w, window.cause, window.signal))

    def _spend(self, j: int) -> None:
        """End the runs that have seen more work by reading j than eps allows them.

        The condition c_j - c_i <= eps * (I_j - A_i) is (c_j - eps * I_j) <= (c_i - eps * A_i): what
        is left of the start's allowance. A heap of allowances finds those that are overspent.
        """
        while self._waiting and self.before[self._waiting[0]].plus(self.lead_ns) <= self.after[j]:
            i = self._waiting.popleft()
            for (name, eps_per_s), heap in zip(self.criterion.ceilings, self._heaps(), strict=True):
                heapq.heappush(heap, (_excess(self.readings[i], name, eps_per_s, self.before[i]), i))
        for (name, eps_per_s), heap in zip(self.criterion.ceilings, self._heaps(), strict=True):
            spent = _excess(self.readings[j], name, eps_per_s, self.after[j])
            while heap and heap[0][0] < spent:
                _, i = heapq.heappop(heap)
                if self._ends[i] is None:
                    self._ends[i] = j - 1

    def _heaps(self) -> list[list[tuple[int, int]]]:
        if not self._allowances:
            self._allowances.extend([] for _ in self.criterion.ceilings)
        return self._allowances

    def _break(self, j: int) -> None:
        """End every run before reading j."""
        for i in range(self._segment, j):
            if self._ends[i] is None:
                self._ends[i] = j - 1
        self._segment = j
        self._waiting.clear()
        self._allowances.clear()

    def _list_lasting(self, j: int) -> None:
        """List the starts whose span has just reached the dwell."""
        while self._next_lasting < j and self.before[self._next_lasting].plus(self.dwell_ns) <= self.after[j]:
            if self._ends[self._next_lasting] is None:
                self.lasting.append(self._next_lasting)
            self._next_lasting += 1

    def run_end(self, i: int) -> int:
        """Return the last reading that the run from reading i reaches (i itself if none)."""
        end = self._ends[i]
        return len(self.readings) - 1 if end is None else end

    def quiet_until(self, i: int) -> Instant:
        """Return I of the last reading of the run from i: quiet is proven from A_i until then."""
        return self.after[self.run_end(i)]

    def latest_by(self, instant: Instant) -> int | None:
        """Return the latest reading that was surely taken by `instant`, if there is one."""
        count = bisect_right(self.before, instant)
        return count - 1 if count else None


def _growth(old: Sample, new: Sample, name: str) -> int | None:
    """Return how far a counter rose, or None when its two values do not compare."""
    first, second = old.counters.get(name), new.counters.get(name)
    if first is None or second is None or first[0] != second[0]:
        return None
    return second[1] - first[1]


def _surely_over(grown: int | None, per_s: int, longest_ns: int | None) -> bool:
    """Return whether a counter rose by more than a rate allows over the longest time that may have passed."""
    return grown is not None and longest_ns is not None and grown * NS_PER_S > per_s * longest_ns


def _excess(sample: Sample, name: str, eps_per_s: int, at: Instant) -> int:
    """Return c - eps * t in billionths of a unit."""
    return sample.counters[name][1] * NS_PER_S - eps_per_s * at.ns
