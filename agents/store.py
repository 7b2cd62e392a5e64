"""An append-only log on a site's own disk: chained, durable before the caller goes on, bounded.

The file is lines. The first names the store; every other is a record::

    {"store":"<32 hex>","version":1,"prev":"<64 hex>"}
    {"prev":"<64 hex>","sum":"<64 hex>","body":{...}}

`sum` is the SHA-256 over `prev` and the body, and `prev` the `sum` of the record before (for the
first record: the SHA-256 of the first line). A crash in the middle of an append leaves a last line
without its end, which is cut off on opening because nobody acted on it yet. Anything else that does
not add up is damage, and a site must not guess what it has promised.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from protocols.errors import StoreBusy, StoreError
from protocols.ids import digest_of

STORE_MAX_BYTES: Final = 512 * 1024 * 1024
"""Largest file that is opened; both users compact theirs long before."""

SEQ_MAX: Final = 2**62
"""Highest sequence number that is believed of a disk: nobody gets there by counting, and there is room above."""

_ZEROS: Final = "0" * 64
_HEADER = re.compile(rb'\A\{"store":"([0-9a-f]{32})","version":1,"prev":"([0-9a-f]{64})"\}\Z')
_RECORD = re.compile(rb'\A\{"prev":"([0-9a-f]{64})","sum":"([0-9a-f]{64})","body":(\{.*\})\}\Z', re.DOTALL)
_REMEDY = "move it away to start a new one; the orchestrator will see that the store changed"


def check_seq(seq: int, where: str) -> None:
    """Refuse a sequence number that the next message could not follow.

    Raises:
        StoreError: It is over `SEQ_MAX`.
    """
    if seq > SEQ_MAX:
        raise StoreError(f"holds sequence number {seq}: nobody has said that much", where=where, remedy=_REMEDY)


class Disk(Protocol):
    """Where one store's bytes lie. Every call that returns has made its bytes durable."""

    @property
    def where(self) -> str:
        """Name the place, for messages."""
        ...

    def read(self) -> bytes:
        """Return everything; empty for a store that was never written."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`."""
        ...

    def append(self, data: bytes) -> None:
        """Add `data` at the end; after a failure any part of it may be there."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Cut everything off from `size_bytes` on."""
        ...

    def replace(self, data: bytes) -> None:
        """Replace everything as one: after a crash there is the old or the new."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class FileDisk:
    """A file of one's own, locked so that no second process uses it.

    Args:
        path: The file; its folder is made if it is missing.

    Raises:
        StoreBusy: Another process has it.
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # The lock has a file of its own, because compaction replaces the store's.
            self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._error("cannot be opened", error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._descriptor = self._open()
        except BlockingIOError:
            os.close(self._lock)
            raise StoreBusy(
                "another process uses this store", where=str(path), remedy="one agent or witness for each state folder"
            ) from None
        except OSError as error:
            os.close(self._lock)
            raise self._error("cannot be opened", error) from error

    def _open(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._sync_folder()
        return descriptor

    def _sync_folder(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _error(self, what: str, error: OSError) -> StoreError:
        return StoreError(f"{what}: {error.strerror}", where=str(self._path))

    @property
    def where(self) -> str:
        """Name the file."""
        return str(self._path)

    def read(self) -> bytes:
        """Return the file's bytes.

        Raises:
            StoreError: It cannot be read, or is over the limit.
        """
        try:
            size_bytes = os.fstat(self._descriptor).st_size
            if size_bytes > STORE_MAX_BYTES:
                raise StoreError(f"{size_bytes} bytes are over the limit of {STORE_MAX_BYTES}", where=self.where)
            return self.read_at(0, size_bytes)
        except OSError as error:
            raise self._error("cannot be read", error) from error

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`.

        Raises:
            StoreError: They cannot be read.
        """
        chunks = bytearray()
        try:
            while len(chunks) < length:
                chunk = os.pread(self._descriptor, length - len(chunks), offset + len(chunks))
                if not chunk:
                    raise StoreError("is shorter than it was", where=self.where)
                chunks += chunk
        except OSError as error:
            raise self._error("cannot be read", error) from error
        return bytes(chunks)

    def append(self, data: bytes) -> None:
        """Add `data` and wait until it is on the disk.

        Raises:
            StoreError: It may be there in part.
        """
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise self._error("cannot be written", error) from error

    def truncate(self, size_bytes: int) -> None:
        """Cut the file.

        Raises:
            StoreError: It cannot be cut.
        """
        try:
            os.ftruncate(self._descriptor, size_bytes)
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._error("cannot be cut", error) from error

    def replace(self, data: bytes) -> None:
        """Replace the file by way of a second one.

        Raises:
            StoreError: The old content is still there.
        """
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            old, self._descriptor = self._descriptor, self._open()
            os.close(old)
        except OSError as error:
            raise self._error("cannot be rewritten", error) from error

    def close(self) -> None:
        """Close the file and give the lock back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            os.close(self._lock)
            self._descriptor = -1


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a record's line lies: offset and length in bytes, its end of line included."""

    offset: int
    length: int


class Store:
    """The log itself. Belongs to one thread at a time.

    Attributes:
        store_id: 32 hex digits made when the file was made, so that an exchanged disk is noticed.
        size_bytes: What it takes on the disk.
    """

    def __init__(self, disk: Disk, *, store_id: str, head: str, size_bytes: int) -> None:
        self._disk = disk
        self._head = head
        self._torn = False
        self.store_id = store_id
        self.size_bytes = size_bytes

    @classmethod
    def open(cls, disk: Disk, replay: Callable[[bytes, Slot], None], *, new_id: str) -> Store:
        """Open the store on `disk`, or make a new one there.

        Args:
            disk: Where it lies.
            replay: Called with every record's body and slot, oldest first.
            new_id: The id of the store if it is made now: 32 unpredictable hex digits.

        Raises:
            StoreError: It cannot be read or made, or it is damaged; file and line are named.
        """
        data = disk.read()
        end = data.find(b"\n")
        if end < 0:
            # Nothing yet, or a crash while the first line was written.
            if len(data) > len(_header(new_id, _ZEROS)):
                raise StoreError("is no store", where=f"{disk.where}, line 1", remedy=_REMEDY)
            header = _header(new_id, _ZEROS)
            disk.replace(header + b"\n")
            return cls(disk, store_id=new_id, head=digest_of(header), size_bytes=len(header) + 1)
        match = _HEADER.match(data[:end])
        if match is None:
            raise StoreError("is no store, or of a version unknown here", where=f"{disk.where}, line 1", remedy=_REMEDY)
        store = cls(disk, store_id=match[1].decode(), head=digest_of(data[:end]), size_bytes=end + 1)
        store._replay(data, replay)
        return store

    def _replay(self, data: bytes, replay: Callable[[bytes, Slot], None]) -> None:
        number = 1
        while self.size_bytes < len(data):
            number += 1
            start = self.size_bytes
            end = data.find(b"\n", start)
            if end < 0:
                self._disk.truncate(start)
                return
            where = f"{self._disk.where}, line {number}"
            match = _RECORD.match(data[start:end])
            if match is None:
                raise StoreError("is damaged: no record", where=where, remedy=_REMEDY)
            prev, stated, body = match[1].decode(), match[2].decode(), match[3]
            if prev != self._head:
                raise StoreError("is damaged: the record before is missing or changed", where=where, remedy=_REMEDY)
            if stated != _sum(prev, body):
                raise StoreError("is damaged: the record was changed", where=where, remedy=_REMEDY)
            self._head = stated
            self.size_bytes = end + 1
            replay(body, Slot(start, end + 1 - start))

    def append(self, *bodies: bytes) -> tuple[Slot, ...]:
        """Append records; on return they are durable.

        Args:
            bodies: JSON objects without a line break.

        Raises:
            StoreError: None of them counts; a later append starts from the same place.
        """
        if self._torn:
            self._disk.truncate(self.size_bytes)
            self._torn = False
        data, slots, head = _lines(bodies, self._head, self.size_bytes)
        self._torn = True
        self._disk.append(data)
        self._torn = False
        self._head = head
        self.size_bytes += len(data)
        return slots

    def read(self, slot: Slot) -> bytes:
        """Return the body of the record at `slot`.

        Raises:
            StoreError: It cannot be read, or is no longer what was written.
        """
        match = _RECORD.match(self._disk.read_at(slot.offset, slot.length)[:-1])
        if match is None or match[2].decode() != _sum(match[1].decode(), match[3]):
            raise StoreError("is damaged", where=f"{self._disk.where}, byte {slot.offset}", remedy=_REMEDY)
        return match[3]

    def rewrite(self, bodies: Iterable[bytes]) -> tuple[Slot, ...]:
        """Replace all records by `bodies`, as one; the id stays, and the first line quotes the old head.

        Raises:
            StoreError: Everything is as it was.
        """
        header = _header(self.store_id, self._head)
        data, slots, head = _lines(bodies, digest_of(header), len(header) + 1)
        self._disk.replace(header + b"\n" + data)
        self._torn = False
        self._head = head
        self.size_bytes = len(header) + 1 + len(data)
        return slots

    def close(self) -> None:
        """Let go of the disk."""
        self._disk.close()


def _header(store_id: str, prev: str) -> bytes:
    return f'{{"store":"{store_id}","version":1,"prev":"{prev}"}}'.encode()


def _sum(prev: str, body: bytes) -> str:
    return digest_of(prev.encode() + body)


def _lines(bodies: Iterable[bytes], head: str, offset: int) -> tuple[bytes, tuple[Slot, ...], str]:
    data = bytearray()
    slots = []
    for body in bodies:
        total = _sum(head, body)
        line = b'{"prev":"%b","sum":"%b","body":%b}\n' % (head.encode(), total.encode(), body)
        slots.append(Slot(offset + len(data), len(line)))
        data += line
        head = total
    return bytes(data), tuple(slots), head
