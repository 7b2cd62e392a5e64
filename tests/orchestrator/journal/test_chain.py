"""The chain of records: any change of a byte, and any change of order, is seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import events as ev
from orchestrator.journal.chain import ChainReader, ChainWriter, decode_record
from protocols.errors import JournalError
from tests.kit import NOW_NS

DRILL = "20261124t144358z-monthly-abcdef"


def chain(times: list[tuple[int, int]]) -> list[bytes]:
    """Write a chain with the given clock epochs and times."""
    writer = ChainWriter(DRILL)
    return [writer.encode(ev.Stamped(ev.DrillResumed(), epoch, t_ns, NOW_NS)).raw for epoch, t_ns in times]


GOOD = chain([(1, 5), (1, 5), (1, 9), (2, 3), (2, 4)])


def read_all(raws: list[bytes]) -> None:
    """Read a whole chain that must have all five records."""
    reader = ChainReader()
    for raw in raws:
        reader.read(raw)
    if reader.next_seq != len(GOOD):
        raise JournalError("short")


def test_a_whole_chain_reads() -> None:
    """An untouched chain is accepted, also across a restart of the orchestrator."""
    read_all(GOOD)


@given(st.integers(0, len(GOOD) - 1), st.data())
def test_no_byte_can_be_changed(number: int, data: st.DataObject) -> None:
    """Whatever byte of whatever record changes, the chain no longer reads, except in its last record."""
    at = data.draw(st.integers(0, len(GOOD[number]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != GOOD[number][at]))
    changed = GOOD[number][:at] + bytes([byte]) + GOOD[number][at + 1 :]
    raws = [*GOOD[:number], changed, *GOOD[number + 1 :]]
    if number == len(GOOD) - 1:
        reader = ChainReader()
        for raw in GOOD:
            reader.read(raw)
        honest = reader.head
        reader = ChainReader()
        try:
            for raw in raws:
                reader.read(raw)
        except JournalError:
            return
        assert reader.head != honest
        return
    with pytest.raises(JournalError):
        read_all(raws)


@pytest.mark.parametrize("number", range(len(GOOD)))
def test_no_record_can_be_removed_doubled_or_swapped(number: int) -> None:
    """Order and completeness are part of the chain."""
    with pytest.raises(JournalError):
        read_all(GOOD[:number] + GOOD[number + 1 :])
    with pytest.raises(JournalError):
        read_all([*GOOD[: number + 1], GOOD[number], *GOOD[number + 1 :]])
    if number + 1 < len(GOOD):
        swapped = [*GOOD[:number], GOOD[number + 1], GOOD[number], *GOOD[number + 2 :]]
        with pytest.raises(JournalError):
            read_all(swapped)


@pytest.mark.parametrize("times", [[(1, 5), (1, 4)], [(2, 5), (1, 9)]], ids=["same epoch", "older epoch"])
def test_time_never_runs_backwards(times: list[tuple[int, int]]) -> None:
    """Within an epoch the clock only rises, and epochs only rise."""
    raws = chain(times)
    reader = ChainReader()
    reader.read(raws[0])
    with pytest.raises(JournalError, match="backwards"):
        reader.read(raws[1])


def test_a_record_has_one_encoding() -> None:
    """The same meaning in other bytes (a space more) is refused."""
    decode_record(GOOD[0], where="test")
    with pytest.raises(JournalError, match="one encoding"):
        decode_record(GOOD[0].replace(b'":', b'": ', 1), where="test")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_an_error_of_ours(raw: bytes) -> None:
    """Nothing that can stand in a journal file makes the reader crash."""
    with pytest.raises(JournalError):
        decode_record(raw, where="test")
