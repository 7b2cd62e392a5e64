"""What one witness said in a drill: instants, samples, and its chain of samples with their brackets.

A sample was taken *after* the latest challenge that it, or anything before it in its chain, quotes
was issued (the nonce cannot be guessed), and *before* the earliest arrival of it or of anything
after it in its chain (a later message carries its digest). That bracket needs no site clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, order=True)
class Instant:
    """A time of the orchestrator's own clock.

    Instants are ordered across clock epochs (a later epoch is later) but never subtracted across
    them: how long a restart took is not known.

    Attributes:
        epoch: The clock epoch, counted up at each start of the orchestrator.
        ns: Nanoseconds of the boot-time clock within that epoch.
    """

    epoch: int
    ns: int

    def minus(self, other: Instant) -> int | None:
        """Return the nanoseconds from `other` to this, or None across epochs."""
        return self.ns - other.ns if self.epoch == other.epoch else None

    def plus(self, duration_ns: int) -> Instant:
        """Return the instant `duration_ns` later in the same epoch."""
        return Instant(self.epoch, self.ns + duration_ns)


NEVER = Instant(-1, 0)
"""Before every epoch: the lower bracket of a sample before which no challenge was quoted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One message of a witness's chain.

    Attributes:
        seq: Its number in the sender's chain.
        quoted: Number of the challenge it quotes, or None when it is none of this drill's.
        arrival: When it first arrived.
        counters: By signal name, the counter epoch and the value.
        peaks: By signal name, the largest level since the witness's previous reading.
        facts: By signal name, the outcome.
        digests: By signal name, the digest that came with a fact, where one did.
        link_only: Whether it is no reading but only a link of the chain (a closing). A reading
            without signals is not that: it says that its witness could not see.
        clock: The boot that it states and its boot-time clock, nanoseconds; None when not known.
    """

    seq: int
    quoted: int | None
    arrival: Instant
    counters: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    peaks: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    link_only: bool = False
    clock: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Bracket:
    """The times between which a sample was surely taken: I and A of the design."""

    after: Instant
    before: Instant


@dataclass(slots=True)
class Track:
    """One witness's samples of a drill, in chain order, however they arrived.

    A *forked* track (a link that does not match, or two messages with one number) can never again
    agree that a site is quiet. What it showed of activity still stands: whoever rolls a witness
    back must not silence its dissent by that.

    Attributes:
        samples: The samples so far, by rising `seq`.
        forked: Whether the chain was ever seen to fork; it stays so.
        rewrites: Counts the additions that changed more than the end of the track.
    """

    samples: list[Sample] = field(default_factory=list)
    forked: bool = False
    rewrites: int = 0
    _seqs: list[int] = field(default_factory=list)
    _digests: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, sample: Sample, prev_digest: str, digest: str) -> bool:
        """Add one message of the chain; messages may come in any order and more than once.

        Args:
            sample: What it said.
            prev_digest: The digest of its predecessor, as it states it.
            digest: Its own digest.

        Returns:
            Whether the track learnt anything that brackets or counts.
        """
        known = self._digests.get(sample.seq)
        if known is not None:
            if known != (prev_digest, digest):
                self.forked = True
                return False
            return self._earlier(sample)
        before, after = self._digests.get(sample.seq - 1), self._digests.get(sample.seq + 1)
        if (before is not None and before[1] != prev_digest) or (after is not None and after[0] != digest):
            self.forked = True
            return False
        self._digests[sample.seq] = (prev_digest, digest)
        self._insert(sample)
        return True

    def _insert(self, sample: Sample) -> None:
        place = bisect_left(self._seqs, sample.seq)
        if place < len(self._seqs) or (self.samples and sample.arrival < self.samples[-1].arrival):
            self.rewrites += 1
        self._seqs.insert(place, sample.seq)
        self.samples.insert(place, sample)

    def _earlier(self, sample: Sample) -> bool:
        """Keep the earliest arrival of a message that came again."""
        place = bisect_left(self._seqs, sample.seq)
        if sample.arrival >= self.samples[place].arrival:
            return False
        self.samples[place] = replace(self.samples[place], arrival=sample.arrival)
        self.rewrites += 1
        return True

    @property
    def contiguous(self) -> bool:
        """Whether nothing is missing between the first sample and the last."""
        return not self._seqs or self._seqs[-1] - self._seqs[0] + 1 == len(self._seqs)

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """The missing numbers between the first sample and the last, as (first, last) of each gap."""
        pairs = zip(self._seqs, self._seqs[1:], strict=False)
        return [(low + 1, high - 1) for low, high in pairs if high - low > 1]

    def holds(self, first: int, last: int) -> bool:
        """Return whether every message numbered `first` to `last` is here (a closing's claim)."""
        low, high = bisect_left(self._seqs, first), bisect_left(self._seqs, last + 1)
        return first <= last and high - low == last - first + 1

    def brackets(self, issues: Mapping[int, Instant]) -> list[Bracket]:
        """Return the bracket of each sample.

        Args:
            issues: When each challenge of the drill was issued, by its number.
        """
        befores: list[Instant] = []
        for sample in reversed(self.samples):
            befores.append(min(sample.arrival, befores[-1]) if befores else sample.arrival)
        brackets: list[Bracket] = []
        after = NEVER
        for sample, before in zip(self.samples, reversed(befores), strict=True):
            after = later_issue(after, sample, issues)
            brackets.append(Bracket(after, before))
        return brackets


def later_issue(after: Instant, sample: Sample, issues: Mapping[int, Instant]) -> Instant:
    """Return the later of `after` and the issue of the challenge that `sample` quotes, if known."""
    issued = NEVER if sample.quoted is None else issues.get(sample.quoted, NEVER)
    return max(after, issued)
