"""The store: what was promised is kept, a torn end is cut off, damage is never guessed over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agents.chain import Chain, Said
from agents.events import ReceiptIssued, Record
from agents.ledger import Identity, Ledger
from agents.store import SEQ_MAX, FileDisk, Slot, Store
from protocols.errors import StoreError
from protocols.messages import Outcome
from tests import kit
from tests.agents.doubles import MemoryDisk

STORE_ID = "ab" * 16
IDENTITY = Identity("fleet", "alpha", kit.key_of("x"))


def opened(disk: MemoryDisk | FileDisk) -> tuple[Store, list[bytes]]:
    """Open the store on a disk, with what it replays."""
    bodies: list[bytes] = []

    def replay(body: bytes, slot: Slot) -> None:
        bodies.append(body)

    return Store.open(disk, replay, new_id=STORE_ID), bodies


def body(number: int) -> bytes:
    """Return a record's body."""
    return b'{"n":%d}' % number


def test_what_was_appended_is_there_again(tmp_path: Path) -> None:
    """A restart finds every record, in order, and the same store id."""
    store, _ = opened(FileDisk(tmp_path / "s" / "log"))
    store.append(body(1))
    slots = store.append(body(2), body(3))
    assert [store.read(slot) for slot in slots] == [body(2), body(3)]
    store.close()
    again, bodies = opened(FileDisk(tmp_path / "s" / "log"))
    assert bodies == [body(1), body(2), body(3)]
    assert again.store_id == STORE_ID
    assert (tmp_path / "s" / "log").stat().st_mode & 0o077 == 0
    again.close()


@given(count=st.integers(0, 4), cut=st.integers(0, 400))
def test_a_file_cut_short_anywhere_opens_with_the_records_that_are_whole(count: int, cut: int) -> None:
    """A crash in the middle of any write loses only what was not acknowledged."""
    disk = MemoryDisk()
    store, _ = opened(disk)
    ends = [len(disk.data)]
    for number in range(count):
        store.append(body(number))
        ends.append(len(disk.data))
    kept = max(0, len(disk.data) - cut)
    whole = sum(end <= kept for end in ends[1:])
    torn = MemoryDisk(disk.data[:kept])
    store, bodies = opened(torn)
    assert bodies == [body(number) for number in range(whole)]
    store.append(body(99))
    assert opened(torn)[1] == [*bodies, body(99)]


@given(data=st.data())
def test_any_changed_byte_is_damage(data: st.DataObject) -> None:
    """No bit rot and no edit of an acknowledged record passes unnoticed."""
    disk = MemoryDisk()
    store, _ = opened(disk)
    for number in range(3):
        store.append(body(number))
    place = data.draw(st.integers(0, len(disk.data) - 2))
    changed = bytearray(disk.data)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StoreError) as caught:
        opened(MemoryDisk(bytes(changed)))
    assert "line" in caught.value.where


@pytest.mark.parametrize("edit", ["removed", "doubled", "swapped"])
def test_lines_out_of_place_are_damage(edit: str) -> None:
    """A record removed, doubled or swapped is named by its line."""
    disk = MemoryDisk()
    store, _ = opened(disk)
    for number in range(3):
        store.append(body(number))
    lines = disk.data.splitlines(keepends=True)
    match edit:
        case "removed":
            del lines[2]
        case "doubled":
            lines.insert(2, lines[2])
        case _:
            lines[1], lines[2] = lines[2], lines[1]
    with pytest.raises(StoreError, match="line"):
        opened(MemoryDisk(b"".join(lines)))


def test_a_failed_append_leaves_nothing_behind() -> None:
    """After a write that failed half way the next one starts at the same place."""
    disk = MemoryDisk()
    store, _ = opened(disk)
    store.append(body(1))
    disk.tear_at = 20
    with pytest.raises(StoreError):
        store.append(body(2))
    disk.tear_at = None
    store.append(body(3))
    assert opened(disk)[1] == [body(1), body(3)]


def test_rewriting_keeps_the_id_and_goes_on(tmp_path: Path) -> None:
    """Compaction replaces the records and nothing else."""
    store, _ = opened(FileDisk(tmp_path / "log"))
    store.append(*(body(number) for number in range(50)))
    (slot,) = store.rewrite([body(7)])
    assert store.read(slot) == body(7)
    store.append(body(8))
    store.close()
    again, bodies = opened(FileDisk(tmp_path / "log"))
    assert bodies == [body(7), body(8)]
    assert again.store_id == STORE_ID
    again.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Two agents on one state folder would fork the chain: the second is turned away."""
    store, _ = opened(FileDisk(tmp_path / "log"))
    code = (
        "import sys; from pathlib import Path\n"
        "from agents.store import FileDisk; from protocols.errors import StoreError\n"
        "try: FileDisk(Path(sys.argv[1]))\n"
        "except StoreError as error: print(error)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "log")], capture_output=True, text=True, check=True, timeout=30
    )
    assert "another process uses this store" in told.stdout
    store.close()
    opened(FileDisk(tmp_path / "log"))[0].close()


def test_a_foreign_file_is_not_overwritten(tmp_path: Path) -> None:
    """A wrong path in a configuration must not destroy what lies there."""
    (tmp_path / "log").write_bytes(b"somebody's notes " * 10)
    with pytest.raises(StoreError, match="no store"):
        opened(FileDisk(tmp_path / "log"))
    assert (tmp_path / "log").read_bytes().startswith(b"somebody's notes")


def test_a_disk_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """A full disk is a StoreError that names the file."""
    disk = FileDisk(tmp_path / "log")
    store, _ = opened(disk)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, disk._descriptor)
    with pytest.raises(StoreError, match="No space left"):
        store.append(body(1))
    os.close(full)


@pytest.mark.parametrize("seq", [SEQ_MAX, SEQ_MAX + 1])
def test_a_sequence_number_that_nothing_can_follow_is_damage(seq: int) -> None:
    """A disk on which somebody counted to the end is refused when it is opened, not when the next word is said."""
    said = Said(kind="closing", seq=seq, digest="0" * 64, drill="20261124t144358z-x-abcdef", challenge=1, envelope="{}")
    issued = ReceiptIssued(seq=seq, digest="0" * 64, order="0" * 64, outcome=Outcome.NOTED, reason=None, envelope="{}")
    opens: list[tuple[BaseModel, Callable[[MemoryDisk], Any]]] = [
        (said, lambda disk: Chain.open(disk, new_id=STORE_ID)),
        (Record(wall_ns=1, events=(issued,)), lambda disk: Ledger.open(disk, IDENTITY, new_id=STORE_ID, now_ns=1)),
    ]
    for record, open_again in opens:
        disk = MemoryDisk()
        opened(disk)[0].append(record.model_dump_json().encode())
        with nullcontext() if seq == SEQ_MAX else pytest.raises(StoreError, match="sequence number"):
            open_again(disk)
