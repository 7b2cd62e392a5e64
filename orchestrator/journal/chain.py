"""The form of a journal record: one JSON line, chained to the line before by its SHA-256. Pure.

A record *is* the exact bytes that were hashed. Readers keep those bytes; they never write a record
again from its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from orchestrator.core.events import Event, Stamped
from protocols.errors import JournalError
from protocols.ids import Digest, DrillId, Int63, UtcTime, digest_of, format_utc, parse_utc
from protocols.limits import DOCUMENT_MAX_BYTES
from protocols.messages.base import Part

GENESIS = "0" * 64
"""The digest that the first record of a drill is chained to."""

RECORD_MAX_BYTES = 2 * DOCUMENT_MAX_BYTES


class Record(Part):
    """One record.

    Attributes:
        v: The record's schema version.
        seq: Counts the drill's records from 0.
        prev: SHA-256 of the record before, as bytes on disk.
        epoch: The orchestrator's clock epoch, from 1; a restart begins the next.
        t_ns: The orchestrator's boot-time clock when it was decided.
        at: The same moment on the wall clock, for people.
    """

    v: Literal[1] = 1
    drill: DrillId
    seq: Int63
    prev: Digest
    epoch: Annotated[int, Field(ge=1, le=2**31)]
    t_ns: Int63
    at: UtcTime
    event: Event


@dataclass(frozen=True, slots=True)
class Line:
    """A record's bytes, without the line's end, and their digest."""

    seq: int
    raw: bytes
    digest: str


class ChainWriter:
    """Turns events into chained lines. It keeps the head; writing them down is the store's job.

    Args:
        drill: The drill whose chain it is.
        seq: Sequence number of the next record.
        head: Digest of the last record.
    """

    def __init__(self, drill: str, *, seq: int = 0, head: str = GENESIS) -> None:
        self.drill = drill
        self.next_seq = seq
        self.head = head

    def encode(self, stamped: Stamped) -> Line:
        """Chain one more event and return its line.

        It is written field by field, in the one encoding of a `Record`, since making one only to
        write it is most of what a line costs; every reader checks that it is that encoding.
        """
        raw = (
            f'{{"v":1,"drill":"{self.drill}","seq":{self.next_seq},"prev":"{self.head}",'
            f'"epoch":{stamped.epoch},"t_ns":{stamped.t_ns},"at":"{format_utc(stamped.wall_ns)}",'
            f'"event":{stamped.event.model_dump_json()}}}'
        ).encode()
        line = Line(self.next_seq, raw, digest_of(raw))
        self.next_seq += 1
        self.head = line.digest
        return line


def decode_record(raw: bytes, *, where: str) -> Record:
    """Read one line.

    Args:
        raw: The line without its end.
        where: What to call it in an error.

    Raises:
        JournalError: It is no record of a version that we know.
    """
    if len(raw) > RECORD_MAX_BYTES:
        raise JournalError(f"a record of {len(raw)} bytes is over the limit", where=where)
    try:
        record = Record.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise JournalError(f"not a journal record: {field}: {first['msg']}"[:300], where=where) from None
    if record.model_dump_json().encode() != raw:
        raise JournalError("not in the one encoding of a record", where=where)
    return record


class ChainReader:
    """Checks lines one after another against the chain.

    Args:
        drill: The drill they must belong to, or None to take the first record's.
    """

    def __init__(self, drill: str | None = None) -> None:
        self.drill = drill
        self.next_seq = 0
        self.head = GENESIS
        self._epoch = 1
        self._t_ns = 0

    def read(self, raw: bytes) -> Record:
        """Check and take the next line.

        Raises:
            JournalError: It is no record, of another drill, out of sequence, not chained to the
                one before, or its time runs backwards.
        """
        where = f"journal record {self.next_seq}"
        record = decode_record(raw, where=where)
        if self.drill is None:
            self.drill = record.drill
        if record.drill != self.drill:
            raise JournalError(f"it belongs to drill {record.drill}", where=where)
        if record.seq != self.next_seq:
            raise JournalError(f"expected number {self.next_seq}, found {record.seq}", where=where)
        if record.prev != self.head:
            raise JournalError("it is not chained to the record before it", where=where)
        same_epoch = record.epoch == self._epoch
        if record.epoch < self._epoch or (same_epoch and record.t_ns < self._t_ns):
            raise JournalError("its time runs backwards", where=where)
        self.next_seq += 1
        self.head = digest_of(raw)
        self._epoch, self._t_ns = record.epoch, record.t_ns
        return record


def stamped_of(record: Record) -> Stamped:
    """Return a record's event with its time, as the fold takes it."""
    return Stamped(record.event, record.epoch, record.t_ns, parse_utc(record.at))
