"""The service's own chain: notes of what it decided beside any drill, chained as a drill's records are. Pure.

What a note says is its writer's business; here is only how one is tied to the one before.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import ValidationError

from orchestrator.journal.chain import GENESIS, RECORD_MAX_BYTES, Line
from protocols.errors import JournalError
from protocols.ids import Digest, Int63, UtcTime, digest_of, format_utc
from protocols.messages.base import Part

NoteT = TypeVar("NoteT")


class NoteRecord(Part, Generic[NoteT]):
    """One note in its chain. Parametrised with the model, or the union of models, of what notes say.

    Attributes:
        v: The record's schema version.
        seq: Counts the notes from 0.
        prev: SHA-256 of the record before, as bytes on disk.
        at: When it was written, by the wall clock.
    """

    v: Literal[1] = 1
    seq: Int63
    prev: Digest
    at: UtcTime
    note: NoteT


class NoteWriter:
    """Turns notes into chained lines. It keeps the head; writing them down is the store's job.

    Args:
        seq: Sequence number of the next note.
        head: Digest of the last one's record.
    """

    def __init__(self, *, seq: int = 0, head: str = GENESIS) -> None:
        self.next_seq = seq
        self.head = head

    def encode(self, note: Part, *, wall_ns: int) -> Line:
        """Chain one more note and return its line, in the one encoding of a `NoteRecord`."""
        raw = (
            f'{{"v":1,"seq":{self.next_seq},"prev":"{self.head}","at":"{format_utc(wall_ns)}",'
            f'"note":{note.model_dump_json()}}}'
        ).encode()
        line = Line(self.next_seq, raw, digest_of(raw))
        self.next_seq += 1
        self.head = line.digest
        return line


class NoteReader(Generic[NoteT]):
    """Checks lines one after another against the chain.

    Args:
        record: The records that they must be: `NoteRecord` of the notes' model.
    """

    def __init__(self, record: type[NoteRecord[NoteT]]) -> None:
        self._record = record
        self.next_seq = 0
        self.head = GENESIS

    def read(self, raw: bytes) -> NoteRecord[NoteT]:
        """Check and take the next line.

        Raises:
            JournalError: It is no note of a version that we know, out of sequence, or not chained to
                the one before.
        """
        where = f"service note {self.next_seq}"
        if len(raw) > RECORD_MAX_BYTES:
            raise JournalError(f"a note of {len(raw)} bytes is over the limit", where=where)
        try:
            record = self._record.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise JournalError(f"not a service note: {field}: {first['msg']}"[:300], where=where) from None
        if record.model_dump_json().encode() != raw:
            raise JournalError("not in the one encoding of a note", where=where)
        if record.seq != self.next_seq:
            raise JournalError(f"expected number {self.next_seq}, found {record.seq}", where=where)
        if record.prev != self.head:
            raise JournalError("it is not chained to the note before it", where=where)
        self.next_seq += 1
        self.head = digest_of(raw)
        return record

    def writer(self) -> NoteWriter:
        """Return what goes on where the lines that were read end."""
        return NoteWriter(seq=self.next_seq, head=self.head)
