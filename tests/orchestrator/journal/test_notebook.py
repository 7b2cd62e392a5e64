"""The notes of a journal: nothing counts that was not written, and all that was counts again after a restart."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.journal.chain import Line
from orchestrator.journal.note_chain import NoteRecord
from orchestrator.journal.notebook import Notebook
from orchestrator.journal.shared import LINES_AT_ONCE, SharedStore
from orchestrator.journal.sqlite import SqliteJournal
from protocols.errors import JournalError
from protocols.ids import Int63
from protocols.messages.base import Part
from tests.kit import NOW_NS


class HandClock:
    """A clock that is set by hand."""

    boot_id = "00000000-0000-4000-8000-00000000000a"

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def wall_ns(self) -> int:
        return self.now_ns

    def boot_ns(self) -> int:
        return self.now_ns

    async def sleep(self, duration_s: float) -> None:
        raise NotImplementedError

    def move(self, by_s: float) -> None:
        self.now_ns += round(by_s * 1e9)


class Mark(Part):
    """A note of these tests."""

    number: Int63


class Failing(SqliteJournal):
    """A journal whose disk is full whenever it is told so."""

    full = False

    def append_notes(self, lines: Sequence[Line]) -> None:
        if self.full:
            raise JournalError("the disk is full")
        super().append_notes(lines)


def marks_of(store: SqliteJournal | SharedStore, clock: HandClock) -> tuple[Notebook[Mark], list[tuple[int, int]]]:
    """Open a notebook and what it tells."""
    told: list[tuple[int, int]] = []
    return Notebook(store, NoteRecord[Mark], clock, lambda note, at: told.append((note.number, at))), told


def test_notes_come_back_in_order_with_their_times() -> None:
    """A service that starts again knows what it had noted, and goes on in the same chain."""
    store, clock = SqliteJournal(None), HandClock()
    book, told = marks_of(store, clock)
    for number in range(3):
        clock.move(1.0)
        book.write(Mark(number=number))
    again, told_again = marks_of(store, clock)
    assert told_again == told
    again.write(Mark(number=3))
    assert [number for number, _ in told_again] == [0, 1, 2, 3]
    assert [number for number, _ in marks_of(store, clock)[1]] == [0, 1, 2, 3]


def test_a_note_that_was_not_written_counts_for_nothing() -> None:
    """On a full disk nothing is acted upon, and once there is room the chain goes on without a gap."""
    store, clock = Failing(None), HandClock()
    book, told = marks_of(store, clock)
    store.full = True
    with pytest.raises(JournalError):
        book.write(Mark(number=0))
    assert told == []
    store.full = False
    book.write(Mark(number=1))
    assert [number for number, _ in marks_of(store, clock)[1]] == [1]


def test_time_of_notes_never_runs_back() -> None:
    """A clock that is set back puts no note before the one before it."""
    store, clock = SqliteJournal(None), HandClock()
    book, told = marks_of(store, clock)
    book.write(Mark(number=0))
    clock.move(-3_600.0)
    book.write(Mark(number=1))
    assert told[0][1] <= told[1][1]


def test_a_shared_store_reads_all_of_a_long_chain() -> None:
    """What is read some lines at a time is read whole, and once."""
    store, clock = SharedStore(SqliteJournal(None)), HandClock()
    book, _ = marks_of(store, clock)
    for number in range(LINES_AT_ONCE * 2 + 1):
        book.write(Mark(number=number))
    assert [number for number, _ in marks_of(store, clock)[1]] == list(range(LINES_AT_ONCE * 2 + 1))
