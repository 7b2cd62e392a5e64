"""The service's notes in a journal: read back at the start, and each written down before it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from orchestrator.journal.base import JournalStore
from orchestrator.journal.note_chain import NoteReader, NoteRecord, NoteWriter
from protocols.clock import Clock
from protocols.errors import JournalError
from protocols.ids import parse_utc
from protocols.messages.base import Part

NoteT = TypeVar("NoteT", bound=Part)

Took = Callable[[NoteT, int], None]
"""Takes a note, and when it was written, wall time."""


class Notebook(Generic[NoteT]):
    """The notes of one journal, as the one process that writes them has them.

    Args:
        store: The journal.
        record: Which notes there are: `NoteRecord` of their model, or of a union of models.
        clock: When a note is written.
        took: Each is told of every note, of those that are there already too, in order.

    Raises:
        JournalError: The journal cannot be read, or its chain of notes is broken.
    """

    def __init__(self, store: JournalStore, record: type[NoteRecord[NoteT]], clock: Clock, *took: Took[NoteT]) -> None:
        self._store, self._record, self._clock, self._took = store, record, clock, took
        self._last_ns = 0
        self._writer = NoteWriter()
        self._sure = True
        self._catch_up()

    def write(self, note: NoteT) -> None:
        """Write a note down, and only then have it count.

        Raises:
            JournalError: It could not be written, so nothing of it counts; or one that failed before was
                written after all, and counts now: what is to be noted has to be decided anew.
        """
        if not self._sure and self._catch_up() > 0:
            raise JournalError("a note that seemed to have failed was written after all", where="service notes")
        # Not before the last one: what a fold takes as time never runs back, whatever was done to the clock.
        at_ns = max(self._clock.wall_ns(), self._last_ns)
        seq, head = self._writer.next_seq, self._writer.head
        try:
            self._store.append_notes([self._writer.encode(note, wall_ns=at_ns)])
        except BaseException:
            self._writer.next_seq, self._writer.head = seq, head
            self._sure = False  # of a commit whose answer never came nobody knows whether it took place
            raise
        self._tell(note, at_ns)

    def _catch_up(self) -> int:
        """Read the notes, and have those count that do not yet; return how many.

        Raises:
            JournalError: The journal cannot be read, or its chain of notes is broken.
        """
        reader, known = NoteReader(self._record), self._writer.next_seq
        for raw in self._store.notes():
            record = reader.read(raw)
            if record.seq >= known:
                self._writer = reader.writer()
                self._tell(record.note, parse_utc(record.at))
        self._sure = True
        return reader.next_seq - known

    def _tell(self, note: NoteT, at_ns: int) -> None:
        self._last_ns = max(self._last_ns, at_ns)
        for took in self._took:
            took(note, at_ns)
