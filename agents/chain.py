"""What a witness has said, on its disk: one chain across all drills, and where each drill lies in it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from agents.store import Disk, Slot, Store, check_seq
from protocols.errors import StoreError
from protocols.ids import Digest, DrillId, Int63
from protocols.messages.base import Part

KEEP_MESSAGES = 20_000
"""The newest messages that compaction keeps, to be sent again when they are asked for."""

COMPACT_MESSAGES = 40_000
"""Messages past which the log is rewritten between drills."""

DURING_DRILL_MESSAGES = 80_000
"""The same in the middle of a drill: one that is never ended must not fill the disk."""

DRILLS_MAX = 256
"""Drills whose place in the chain is remembered."""


class Said(Part):
    """One message of a witness as it was signed.

    Attributes:
        seq: Its place in the witness's chain.
        digest: Digest of its payload: what the next one quotes.
        challenge: Sequence number of the challenge that it quotes.
    """

    version: Literal[1] = 1
    kind: Literal["reading", "closing"]
    seq: Int63
    digest: Digest
    drill: DrillId
    challenge: Int63
    envelope: Annotated[str, Field(max_length=65_536)]


@dataclass(frozen=True, slots=True)
class DrillPart:
    """One drill's part of the chain.

    Attributes:
        challenge: The newest challenge that a reading quotes.
        first: Sequence number of the first reading; `last` of the last.
        closing: Sequence number of the closing, or None while the drill is open.
    """

    challenge: int
    first: int
    last: int
    closing: int | None = None


class Chain:
    """The chain of one witness. Open it with `Chain.open`.

    Attributes:
        seq: Sequence number of the last message, 0 before the first.
        head: Digest of its payload.
        drills: Where the newest drills lie.
    """

    def __init__(self) -> None:
        self._store: Store | None = None
        self._offsets = array("Q")
        self._lengths = array("L")
        self.seq = 0
        self.head = "0" * 64
        self.drills: dict[str, DrillPart] = {}

    @classmethod
    def open(cls, disk: Disk, *, new_id: str) -> Chain:
        """Open the store on `disk`, or make one there.

        Raises:
            StoreError: It cannot be read or is damaged.
        """
        chain = cls()

        def replay(body: bytes, slot: Slot) -> None:
            where = f"{disk.where}, byte {slot.offset}"
            try:
                chain._fold(Said.model_validate_json(body), slot)
            except ValidationError:
                raise StoreError("holds a record of a version unknown here", where=where) from None
            check_seq(chain.seq, where)

        chain._store = Store.open(disk, replay, new_id=new_id)
        chain.compact_if_grown()
        return chain

    @property
    def _disk(self) -> Store:
        if self._store is None:  # pragma: no cover - `open` sets it
            raise StoreError("is not open")
        return self._store

    @property
    def store_id(self) -> str:
        """The id of the store."""
        return self._disk.store_id

    @property
    def oldest(self) -> int:
        """Sequence number of the oldest message that is still here."""
        return self.seq - len(self._offsets) + 1

    def append(self, said: Said) -> None:
        """Write down the next message; on return it is durable and may be published.

        Raises:
            StoreError: It does not count.
        """
        (slot,) = self._disk.append(said.model_dump_json().encode())
        self._fold(said, slot)

    def _fold(self, said: Said, slot: Slot) -> None:
        self._offsets.append(slot.offset)
        self._lengths.append(slot.length)
        self.seq, self.head = said.seq, said.digest
        part = self.drills.pop(said.drill, None) or DrillPart(said.challenge, said.seq, said.seq)
        if said.kind == "closing":
            part = replace(part, closing=said.seq)
        else:
            part = replace(part, last=said.seq, challenge=max(part.challenge, said.challenge))
        # Put back last: the oldest drill is the one that is forgotten.
        self.drills[said.drill] = part
        while len(self.drills) > DRILLS_MAX:
            del self.drills[next(iter(self.drills))]

    def envelope(self, seq: int) -> bytes | None:
        """Return message `seq` exactly as it was signed, or None if it is not (or no longer) here.

        Raises:
            StoreError: It is here and cannot be read.
        """
        place = seq - self.oldest
        if not 0 <= place < len(self._offsets):
            return None
        body = self._disk.read(Slot(self._offsets[place], self._lengths[place]))
        return Said.model_validate_json(body).envelope.encode()

    def compact_if_grown(self, *, drill_goes_on: bool = False) -> None:
        """Forget all but the newest messages if there are too many.

        Args:
            drill_goes_on: Whether it would cost a reading its time, so that it waits for longer.

        Raises:
            StoreError: It could not be done; everything is as it was.
        """
        if len(self._offsets) <= (DURING_DRILL_MESSAGES if drill_goes_on else COMPACT_MESSAGES):
            return
        kept = len(self._offsets) - KEEP_MESSAGES
        places = range(kept, len(self._offsets))
        bodies = [self._disk.read(Slot(self._offsets[place], self._lengths[place])) for place in places]
        slots = self._disk.rewrite(bodies)
        self._offsets = array("Q", (slot.offset for slot in slots))
        self._lengths = array("L", (slot.length for slot in slots))

    def close(self) -> None:
        """Let go of the disk."""
        self._disk.close()
