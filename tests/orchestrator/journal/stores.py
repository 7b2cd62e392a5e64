"""What the tests of every journal store write."""

from __future__ import annotations

from orchestrator.core import events as ev
from orchestrator.journal.chain import ChainWriter, Line
from orchestrator.journal.note_chain import NoteRecord, NoteWriter
from protocols.messages.base import Part
from tests.kit import NOW_NS

DRILL = "20261124t144358z-monthly-abcdef"
WARRANT = "a" * 64
FLEET = "f" * 64


class Said(Part):
    """A note of these tests."""

    words: str


SaidRecord = NoteRecord[Said]


def lines(count: int) -> list[Line]:
    """Chain `count` records of a drill."""
    writer = ChainWriter(DRILL)
    return [writer.encode(ev.Stamped(ev.DrillResumed(), 1, number, NOW_NS)) for number in range(count)]


def notes(count: int) -> list[Line]:
    """Chain `count` notes of the service."""
    writer = NoteWriter()
    return [writer.encode(Said(words=f"number {number}"), wall_ns=NOW_NS) for number in range(count)]
