"""The contract that every journal store keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.journal.base import JournalStore
from orchestrator.journal.chain import ChainReader
from orchestrator.journal.places import writing
from orchestrator.journal.sqlite import SqliteJournal
from protocols.errors import JournalError
from tests.orchestrator.journal.stores import DRILL, FLEET, WARRANT, lines, notes


@pytest.fixture(params=["file", "memory", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JournalStore]:
    """Each kind of store that keeps the contract."""
    if request.param == "memory":
        with closing(SqliteJournal(None)) as journal:
            yield journal
        return
    where = str(tmp_path / "deep" / "journal.sqlite")
    if request.param == "postgres":
        where = request.getfixturevalue("postgres").database()
    with writing(where, FLEET) as written:
        yield written


def test_lines_come_back_as_they_were(store: JournalStore) -> None:
    """A record is its exact bytes: what is read is what was hashed, in order."""
    store.open_drill(DRILL, WARRANT)
    written = lines(5)
    store.append(DRILL, written[:2])
    store.append(DRILL, written[2:])
    assert list(store.lines(DRILL)) == [line.raw for line in written]
    reader = ChainReader(DRILL)
    for raw in store.lines(DRILL):
        reader.read(raw)
    assert reader.head == written[-1].digest


def test_a_second_writer_is_refused_whole(store: JournalStore) -> None:
    """Two orchestrators on one drill never interleave: the later append fails and leaves nothing."""
    store.open_drill(DRILL, WARRANT)
    written = lines(4)
    store.append(DRILL, written[:2])
    for wrong in (written[3:], written[:1]):
        with pytest.raises(JournalError, match="two writers"):
            store.append(DRILL, wrong)
    assert len(list(store.lines(DRILL))) == 2


def test_uses_count_up_for_each_warrant(store: JournalStore) -> None:
    """No use of a warrant is ever given out twice."""
    assert store.open_drill(DRILL, WARRANT) == 1
    assert store.open_drill(DRILL.replace("abcdef", "abcde0"), WARRANT) == 2
    assert store.open_drill(DRILL.replace("abcdef", "abcde1"), "b" * 64) == 1
    store.mark_closed(DRILL)
    assert [(entry.use, entry.closed) for entry in store.drills()] == [(2, False), (1, False), (1, True)]


def test_an_unknown_drill_is_named(store: JournalStore) -> None:
    """Asking for a drill that is not there is an error, not an empty journal."""
    with pytest.raises(JournalError, match="there is no drill"):
        list(store.lines(DRILL))


def test_a_rolled_back_party_is_noticed(store: JournalStore) -> None:
    """The same disk with a lower number was rolled back; a new disk starts anew."""
    assert store.remember_party("alpha", "agent", "1" * 32, 10) is None
    assert store.remember_party("alpha", "agent", "1" * 32, 12) is None
    assert store.remember_party("alpha", "agent", "1" * 32, 11) == 12
    assert store.remember_party("alpha", "agent", "2" * 32, 0) is None


def test_the_services_notes_are_a_chain_of_their_own(store: JournalStore) -> None:
    """Notes come back in order and whole, beside the drills' records, and two writers never interleave."""
    assert list(store.notes()) == []
    written = notes(5)
    store.append_notes(written[:2])
    store.append_notes(())
    for wrong in (written[3:], written[:1]):
        with pytest.raises(JournalError, match="two writers"):
            store.append_notes(wrong)
    store.append_notes(written[2:])
    assert list(store.notes()) == [line.raw for line in written]
    assert store.drills() == []
