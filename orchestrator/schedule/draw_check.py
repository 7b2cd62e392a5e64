"""Checks afterwards, from the notes alone, that unannounced instants were drawn fairly. Pure.

The notes are in a hash chain, which whoever reads them has checked. What they cannot show by themselves is that
they were not all written anew: for that, give the commitments that somebody else saw in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.schedule import notes as n
from orchestrator.schedule.draw_key import seed_is_right
from orchestrator.schedule.drawing import NS_PER_MS, DrawStatement, commitment_of, instant_ns
from orchestrator.schedule.names import Occurrence
from protocols.ids import digest_of, format_utc, parse_utc

Moment = tuple[str, int]
"""A plan, and where the window begins, wall time."""


class Fairness(StrEnum):
    """How an unannounced instant turned out.

    `fair`: it follows from a seed that was fixed before its window. `pending`: the window is not over. `withheld`: it
    is over, and the seed was not revealed. `unfair`: something does not hold.
    """

    FAIR = "fair"
    PENDING = "pending"
    WITHHELD = "withheld"
    UNFAIR = "unfair"


@dataclass(frozen=True, slots=True)
class Draw:
    """One unannounced instant, checked.

    Attributes:
        plan: The plan.
        window_ns: When its window begins and ends, wall time.
        committed_ns: When its seed was committed to.
        commitment: SHA-256 of the seed.
        fairness: What was found.
        problems: What does not hold, in sentences.
        remarks: What holds, and is good to know.
        instant_ns: The instant, once it is known.
        outcome: What became of it, in words.
    """

    plan: str
    window_ns: tuple[int, int]
    committed_ns: int
    commitment: str
    fairness: Fairness
    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    instant_ns: int | None
    outcome: str


@dataclass(slots=True)
class _Kept:
    """What the notes say of one moment."""

    committed: n.DrawCommitted
    committed_ns: int
    keyed: bool
    revealed: n.DrawRevealed | None = None
    revealed_ns: int = 0
    starting: n.Starting | None = None
    starting_ns: int = 0
    outcome: str = "nothing is noted of it"
    twice: bool = False
    begun_twice: bool = False


@dataclass(slots=True)
class DrawBook:
    """Collects what notes say of unannounced instants. Feed it every note, in order.

    Attributes:
        keys: The drawing keys that were noted, by id: the key and when.
    """

    keys: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    _kept: dict[Moment, _Kept] = field(default_factory=dict)
    _strays: list[str] = field(default_factory=list)
    _drawn: set[str] = field(default_factory=set)

    def take(self, note: n.ScheduleNote, at_ns: int) -> None:
        """Take one note, and when it was written."""
        match note:
            case n.DrawKeyed(key=key):
                self.keys.setdefault(digest_of(bytes.fromhex(key)), (bytes.fromhex(key), at_ns))
            case n.DrawCommitted():
                self._commit(note, at_ns)
            case n.DrawRevealed():
                self._reveal(note, at_ns)
            case n.Starting():
                self._begin(note, at_ns)
            case n.NotStarted() if (kept := self._at(note.of)) is not None and note.of.wave <= 1:
                kept.outcome, kept.starting = f"not run: {note.reason}", None
            case n.Started() if (kept := self._at(note.of)) is not None and note.of.wave <= 1:
                kept.outcome = f"drill {note.drill}"
            case n.Skipped() if (kept := self._at(note.of)) is not None and note.of.wave <= 1:
                kept.outcome = f"not run: {note.detail}"
            case _:
                pass

    def _at(self, of: Occurrence) -> _Kept | None:
        return self._kept.get((of.plan, of.nominal_ns))

    def _begin(self, note: n.Starting, at_ns: int) -> None:
        """Take that a drill is about to begin: it must be the first of its moment, and that moment be drawn."""
        kept = self._at(note.of)
        if note.of.wave > 1:
            return  # a later wave waits for the one before, and not for an instant
        if kept is None:
            if note.of.plan in self._drawn or parse_utc(note.instant) != note.of.nominal_ns:
                self._strays.append(f"{note.of}: it was begun, and no seed had been committed to")
        elif kept.starting is not None:
            kept.begun_twice = True
        else:
            kept.starting, kept.starting_ns, kept.outcome = note, at_ns, "was about to begin"

    def _commit(self, note: n.DrawCommitted, at_ns: int) -> None:
        moment = (note.of.plan, note.of.nominal_ns)
        self._drawn.add(note.of.plan)
        if moment in self._kept:
            self._kept[moment].twice = True
        else:
            self._kept[moment] = _Kept(note, at_ns, note.key_id in self.keys)

    def _reveal(self, note: n.DrawRevealed, at_ns: int) -> None:
        kept = self._at(note.of)
        if kept is None:
            self._strays.append(f"{note.of}: a seed was revealed that nobody had committed to")
        elif kept.revealed is None:
            kept.revealed, kept.revealed_ns = note, at_ns

    def check(
        self, now_ns: int, *, seen: Iterable[tuple[Moment, str]] = (), issued: Mapping[str, int] | None = None
    ) -> list[Draw]:
        """Check every instant.

        Args:
            now_ns: Wall time.
            seen: Commitments that somebody else saw in time, of each moment.
            issued: When warrants were issued, by digest, as far as that is known.
        """
        witnessed: dict[Moment, set[str]] = {}
        for moment, commitment in seen:
            witnessed.setdefault(moment, set()).add(commitment)
        return [
            self._checked(moment, kept, now_ns, witnessed.get(moment), issued or {})
            for moment, kept in sorted(self._kept.items())
        ]

    def missing(self, seen: Iterable[tuple[Moment, str]]) -> list[str]:
        """Say what somebody else saw, or the notes reveal, that no note commits to."""
        unknown = sorted({moment for moment, _ in seen} - set(self._kept))
        lost = [
            f"{plan}, window from {format_utc(at)}: a commitment was seen, and is in no note" for plan, at in unknown
        ]
        return [*self._strays, *lost]

    def _checked(
        self, moment: Moment, kept: _Kept, now_ns: int, seen: set[str] | None, issued: Mapping[str, int]
    ) -> Draw:
        draw, (plan, begin_ns) = kept.committed, moment
        end_ns = begin_ns + draw.within_ms * NS_PER_MS
        problems = [*self._wrong_commitment(kept, begin_ns, seen)]
        instant = None
        if kept.revealed is not None:
            found, instant = self._wrong_seed(kept, kept.revealed, begin_ns, end_ns)
            problems += found
        if problems:
            fairness = Fairness.UNFAIR
        elif kept.revealed is not None:
            fairness = Fairness.FAIR
        else:
            fairness = Fairness.PENDING if now_ns < end_ns else Fairness.WITHHELD
        remarks = tuple(self._remarks(kept, instant, seen, issued))
        return Draw(
            plan,
            (begin_ns, end_ns),
            kept.committed_ns,
            draw.commitment,
            fairness,
            tuple(problems),
            remarks,
            instant,
            kept.outcome,
        )

    def _wrong_commitment(self, kept: _Kept, begin_ns: int, seen: set[str] | None) -> Iterator[str]:
        if kept.twice:
            yield "two commitments were made for it: one of them could be chosen"
        if kept.committed_ns >= begin_ns:
            yield "its seed was committed to after its window had begun"
        if not kept.keyed:
            yield "the key that its seed comes from was not noted before"
        if kept.begun_twice:
            yield "a second drill was begun for it, at an instant that nobody drew"
        if seen is not None and seen != {kept.committed.commitment}:
            yield "somebody else saw another commitment for it in time: the notes were written anew"

    def _wrong_seed(self, kept: _Kept, revealed: n.DrawRevealed, begin_ns: int, end_ns: int) -> tuple[list[str], int]:
        draw, seed, problems = kept.committed, bytes.fromhex(revealed.seed), []
        statement = DrawStatement(of=draw.of, within_ms=draw.within_ms, warrant=draw.warrant).encode()
        if commitment_of(seed) != draw.commitment:
            problems.append("the seed that was revealed is not the one that was committed to")
        key = self.keys.get(draw.key_id)
        if key is not None and not seed_is_right(key[0], statement, seed):
            problems.append("the seed is not the one that the noted key gives: it could be chosen")
        instant = instant_ns(seed, begin_ns, draw.within_ms)
        if format_utc(instant) != revealed.instant:
            problems.append(f"another instant follows from the seed: {format_utc(instant)}")
        if kept.starting is not None and parse_utc(kept.starting.instant) != instant:
            problems.append("its drill was begun by another instant than the one that was drawn")
        if kept.starting is not None and kept.starting_ns < instant:
            problems.append("its drill was begun before the instant that was drawn")
        if kept.starting is not None and kept.starting_ns >= end_ns:
            problems.append("its drill was begun when its window was over, and anybody could expect it")
        if kept.starting is not None and kept.starting.warrant != draw.warrant:
            problems.append("its drill was begun under another warrant than the one that the seed was drawn from")
        if kept.revealed_ns < end_ns:
            problems.append("its seed was revealed before its window was over")
        return problems, instant

    def _remarks(
        self, kept: _Kept, instant: int | None, seen: set[str] | None, issued: Mapping[str, int]
    ) -> Iterator[str]:
        key, warrant_ns = self.keys.get(kept.committed.key_id), issued.get(kept.committed.warrant)
        if key is not None and warrant_ns is not None:
            if key[1] < warrant_ns:
                yield "the key is older than the warrant: it could not be chosen to suit"
            else:
                yield "the key is younger than the warrant: it could have been chosen to suit, by whoever had both"
        else:
            yield "whether the key is older than the warrant was not looked at: give the warrant"
        if len(self.keys) > 1:
            yield f"{len(self.keys)} drawing keys were noted: whoever makes a new one has a new draw"
        if instant is not None and kept.starting is not None:
            yield f"begun {(kept.starting_ns - instant) / 1e9:.1f} s after the instant"
        if seen is None:
            yield "nobody else's copy of the commitment was given"
