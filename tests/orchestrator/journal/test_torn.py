"""A real write-ahead log whose tail is torn: what was committed before is all there, and reads as one chain."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core import events as ev
from orchestrator.journal.chain import ChainReader, ChainWriter
from orchestrator.journal.sqlite import SqliteJournal
from protocols.reasons import Reason
from tests.kit import NOW_NS

DRILL = "20261124t144358z-monthly-abcdef"
COMMITS = 12
TEARS = 60


def _cut(data: bytes, _: random.Random) -> bytes:
    return b""


def _zeros(data: bytes, _: random.Random) -> bytes:
    return bytes(len(data))


def _noise(data: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(len(data))


@pytest.mark.parametrize("left", [_cut, _zeros, _noise])
def test_nothing_committed_is_lost_wherever_the_log_is_torn(
    tmp_path: Path, left: Callable[[bytes, random.Random], bytes]
) -> None:
    """After a crash amid a write the journal holds every earlier commit, whole, and takes the next record."""
    path, chance = tmp_path / "journal.sqlite", random.Random(4)
    wal = path.with_name(path.name + "-wal")
    store, writer = SqliteJournal(path), ChainWriter(DRILL)
    store.open_drill(DRILL, "a" * 64)
    written: list[bytes] = []
    durable = [(wal.stat().st_size, 0)]  # how long the log was when so many records were committed
    for number in range(COMMITS):
        event = ev.InputRejected(reason=Reason.RELEASED, detail="x" * 300, topic="t", digest="0" * 64)
        lines = [writer.encode(ev.Stamped(event, 1, number, NOW_NS)) for _ in range(chance.randint(1, 24))]
        store.append(DRILL, lines)
        written += [line.raw for line in lines]
        durable.append((wal.stat().st_size, len(written)))
    whole = wal.read_bytes()
    offsets = {size + more for size, _ in durable for more in (-1, 0, 1)} & set(range(durable[0][0], len(whole) + 1))
    offsets |= {chance.randrange(durable[0][0], len(whole)) for _ in range(TEARS)}
    for offset in sorted(offsets):
        crashed = tmp_path / "crashed" / path.name
        shutil.rmtree(crashed.parent, ignore_errors=True)
        crashed.parent.mkdir()
        shutil.copy(path, crashed)
        crashed.with_name(wal.name).write_bytes(whole[:offset] + left(whole[offset:], chance))
        found = SqliteJournal(crashed)
        lines_found = list(found.lines(DRILL))
        committed = max(count for size, count in durable if size <= offset)
        assert lines_found == written[:committed], f"torn at byte {offset} of {len(whole)}"
        reader = ChainReader(DRILL)
        for raw in lines_found:
            reader.read(raw)
        after = ChainWriter(DRILL, seq=reader.next_seq, head=reader.head)
        found.append(DRILL, [after.encode(ev.Stamped(ev.DrillResumed(), 2, 0, NOW_NS))])
        assert len(list(found.lines(DRILL))) == committed + 1
        found.close()
    store.close()
