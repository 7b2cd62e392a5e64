"""Checking drawn instants afterwards: what was fair is found fair, and each way to cheat is named."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from orchestrator.schedule import notes as n
from orchestrator.schedule.draw_check import Draw, DrawBook, Fairness
from orchestrator.schedule.draw_key import DrawKey
from orchestrator.schedule.drawing import NS_PER_MS, DrawStatement, commitment_of, instant_ns
from orchestrator.schedule.names import occurrence
from protocols.ids import digest_of, format_utc
from tests.kit import NOW_NS

HOUR_NS = 3_600 * 10**9
BEGIN_NS = NOW_NS // HOUR_NS * HOUR_NS + 24 * HOUR_NS
WITHIN_MS = 4 * 3_600 * 1_000
END_NS = BEGIN_NS + WITHIN_MS * NS_PER_MS
WARRANT, OF = digest_of(b"warrant"), occurrence("monthly", BEGIN_NS)
MOMENT = ("monthly", BEGIN_NS)

Notes = list[tuple[n.ScheduleNote, int]]


@cache
def key(number: int = 0) -> DrawKey:
    """Return a drawing key, the same for the same number."""
    return DrawKey.create()


def drawn() -> Notes:
    """Return the notes of a drill that was drawn fairly and begun."""
    seed = key().seed(DrawStatement(of=OF, within_ms=WITHIN_MS, warrant=WARRANT).encode())
    instant = instant_ns(seed, BEGIN_NS, WITHIN_MS)
    committed = n.DrawCommitted(
        of=OF,
        within_ms=WITHIN_MS,
        warrant=WARRANT,
        key_id=digest_of(key().public),
        commitment=commitment_of(seed),
    )
    starting = n.Starting(of=OF, warrant=WARRANT, use=1, waves=0, instant=format_utc(instant))
    return [
        (n.DrawKeyed(key=key().public.hex()), NOW_NS),
        (committed, NOW_NS + HOUR_NS),
        (starting, instant + 10**9),
        (n.Started(of=OF, drill="20261128t070000z-monthly-012345"), instant + 2 * 10**9),
        (n.DrawRevealed(of=OF, seed=seed.hex(), instant=format_utc(instant)), END_NS + 10**9),
    ]


def checked(notes: Notes, *, now_ns: int = END_NS + HOUR_NS, seen: str | None = None) -> Draw:
    """Check notes of one instant."""
    book = DrawBook()
    for note, at_ns in notes:
        book.take(note, at_ns)
    (found,) = book.check(now_ns, seen=[] if seen is None else [(MOMENT, seen)], issued={WARRANT: NOW_NS + 1})
    return found


def commitment(notes: Notes) -> str:
    """Return what was committed to."""
    return next(note.commitment for note, _ in notes if isinstance(note, n.DrawCommitted))


def test_what_was_drawn_fairly_is_fair() -> None:
    """Everything is computed again from the notes, and what becomes of it is told."""
    found = checked(drawn(), seen=commitment(drawn()))
    assert found.fairness is Fairness.FAIR
    assert found.problems == ()
    assert found.instant_ns is not None
    assert BEGIN_NS <= found.instant_ns < END_NS
    assert found.outcome == "drill 20261128t070000z-monthly-012345"
    assert "the key is older than the warrant: it could not be chosen to suit" in found.remarks
    assert "begun 1.0 s after the instant" in found.remarks


def test_before_its_window_is_over_nothing_can_be_said_and_after_it_silence_is_told() -> None:
    """A seed that is kept back is no fair one."""
    notes = [pair for pair in drawn() if not isinstance(pair[0], n.DrawRevealed)]
    assert checked(notes, now_ns=BEGIN_NS).fairness is Fairness.PENDING
    assert checked(notes).fairness is Fairness.WITHHELD


def _other_seed(notes: Notes) -> Notes:
    seed = key().seed(b"another statement")
    instant = instant_ns(seed, BEGIN_NS, WITHIN_MS)
    return [*notes[:2], (n.DrawRevealed(of=OF, seed=seed.hex(), instant=format_utc(instant)), END_NS + 10**9)]


def _chosen_seed(notes: Notes) -> Notes:
    """Commit to a seed that is no signature at all, and reveal just that."""
    seed = bytes(384)
    committed = notes[1][0].model_copy(update={"commitment": commitment_of(seed)})
    instant = instant_ns(seed, BEGIN_NS, WITHIN_MS)
    revealed = n.DrawRevealed(of=OF, seed=seed.hex(), instant=format_utc(instant))
    return [notes[0], (committed, notes[1][1]), (revealed, END_NS + 10**9)]


def _late(notes: Notes) -> Notes:
    return [notes[0], (notes[1][0], BEGIN_NS), *notes[2:]]


def _twice(notes: Notes) -> Notes:
    other = notes[1][0].model_copy(update={"commitment": digest_of(b"x")})
    return [*notes[:2], (other, notes[1][1]), *notes[2:]]


def _unkeyed(notes: Notes) -> Notes:
    return notes[1:]


def _early(notes: Notes) -> Notes:
    return [*notes[:2], (notes[2][0], notes[2][1] - 2 * 10**9), *notes[3:]]


def _elsewhen(notes: Notes) -> Notes:
    starting = notes[2][0].model_copy(update={"instant": format_utc(BEGIN_NS)})
    return [*notes[:2], (starting, notes[2][1]), *notes[3:]]


def _wrong_instant(notes: Notes) -> Notes:
    revealed = notes[4][0].model_copy(update={"instant": format_utc(BEGIN_NS)})
    return [*notes[:4], (revealed, notes[4][1])]


def _late_key(notes: Notes) -> Notes:
    return [notes[1], *notes[2:], (notes[0][0], END_NS + 2 * 10**9)]


def _second(notes: Notes) -> Notes:
    again = notes[2][0].model_copy(update={"use": 2})
    return [*notes[:4], (again, notes[3][1] + 10**9), *notes[4:]]


def _other_warrant(notes: Notes) -> Notes:
    starting = notes[2][0].model_copy(update={"warrant": digest_of(b"another")})
    return [*notes[:2], (starting, notes[2][1]), *notes[3:]]


def _afterwards(notes: Notes) -> Notes:
    return [*notes[:2], (notes[2][0], END_NS), *notes[4:]]


def _told(notes: Notes) -> Notes:
    return [*notes[:4], (notes[4][0], END_NS - 1)]


@pytest.mark.parametrize(
    ("cheat", "words"),
    [
        (_other_seed, "not the one that was committed to"),
        (_chosen_seed, "not the one that the noted key gives"),
        (_late, "after its window had begun"),
        (_twice, "two commitments"),
        (_unkeyed, "was not noted before"),
        (_early, "before the instant that was drawn"),
        (_elsewhen, "by another instant"),
        (_wrong_instant, "another instant follows"),
        (_told, "before its window was over"),
        (_late_key, "was not noted before"),
        (_second, "a second drill was begun"),
        (_other_warrant, "under another warrant"),
        (_afterwards, "when its window was over"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_way_to_cheat_is_named(cheat: Callable[[Notes], Notes], words: str) -> None:
    """Whoever runs the service cannot choose, foresee or change an instant without it being found."""
    found = checked(cheat(drawn()))
    assert found.fairness is Fairness.UNFAIR
    assert any(words in problem for problem in found.problems), found.problems


def test_notes_that_were_written_anew_are_found_by_whoever_saw_the_commitment() -> None:
    """A log that somebody else kept binds the service to what it said in time."""
    found = checked(drawn(), seen=digest_of(b"what was said then"))
    assert found.fairness is Fairness.UNFAIR
    assert "written anew" in found.problems[0]
    book = DrawBook()
    assert "is in no note" in book.missing([(MOMENT, digest_of(b"x"))])[0]


def test_what_is_begun_without_a_commitment_is_found() -> None:
    """A drill at an instant that nobody drew does not pass by having no draw at all."""
    book = DrawBook()
    for note, at_ns in [drawn()[0], *drawn()[2:4]]:
        book.take(note, at_ns)
    assert "no seed had been committed to" in book.missing([])[0]


def test_a_key_that_is_younger_than_the_warrant_is_remarked_on() -> None:
    """It is no proof of a cheat; who reads it should know."""
    notes = drawn()
    notes[0] = (notes[0][0], NOW_NS + 2)
    assert any("younger than the warrant" in remark for remark in checked(notes).remarks)
