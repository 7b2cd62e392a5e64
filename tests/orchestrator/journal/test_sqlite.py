"""The journal on SQLite: its file, its versions, and what it says when the disk fails."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.journal.sqlite import SqliteJournal
from protocols.errors import JournalError
from tests.orchestrator.journal.stores import DRILL, WARRANT, lines, notes


def test_it_survives_reopening(tmp_path: Path) -> None:
    """What was appended is there after the program ended."""
    path = tmp_path / "journal.sqlite"
    first = SqliteJournal(path)
    first.open_drill(DRILL, WARRANT)
    written = lines(3)
    first.append(DRILL, written)
    first.close()
    second = SqliteJournal(path)
    assert list(second.lines(DRILL)) == [line.raw for line in written]
    second.close()


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    """A file that is no journal of ours is left alone, with one clear line."""
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE things (id)")
    before = other.read_bytes()
    with pytest.raises(JournalError, match="schema version"):
        SqliteJournal(other)
    assert other.read_bytes()[:16] == before[:16]
    garbage = tmp_path / "garbage.sqlite"
    garbage.write_bytes(b"no database at all, and long enough to be read as a header of one" * 20)
    with pytest.raises(JournalError, match="journal failed"):
        SqliteJournal(garbage)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A path under a file says what and where."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be opened"):
        SqliteJournal(tmp_path / "file" / "journal.sqlite")


def test_it_can_be_read_without_the_right_to_write(tmp_path: Path) -> None:
    """An auditor with read access reads a journal while it is written, and afterwards, and changes nothing."""
    path = tmp_path / "journal.sqlite"
    with pytest.raises(JournalError, match="no drill was run yet"):
        SqliteJournal(path, read_only=True)
    assert not path.exists()
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    never_made = SqliteJournal(empty, read_only=True)
    assert never_made.drills() == []
    never_made.close()
    writer = SqliteJournal(path)
    writer.open_drill(DRILL, WARRANT)
    writer.append(DRILL, lines(3))
    while_written = SqliteJournal(path, read_only=True)
    assert len(list(while_written.lines(DRILL))) == 3
    with pytest.raises(JournalError):
        while_written.mark_closed(DRILL)
    while_written.close()
    writer.close()
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        afterwards = SqliteJournal(path, read_only=True)
        assert [entry.drill for entry in afterwards.drills()] == [DRILL]
        afterwards.close()
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("value", ["'text'", "NULL", "3"], ids=["text", "null", "number"])
def test_a_record_that_is_no_bytes_is_damage(tmp_path: Path, value: str) -> None:
    """A damaged page can hold another type than its column has: that is one clear error too."""
    path = tmp_path / "journal.sqlite"
    store = SqliteJournal(path)
    store.open_drill(DRILL, WARRANT)
    store.append(DRILL, lines(2))
    store.close()
    _damage(path, "records", "line", value)
    damaged = SqliteJournal(path, read_only=True)
    with pytest.raises(JournalError, match="no bytes"):
        list(damaged.lines(DRILL))
    damaged.close()


@pytest.mark.parametrize("value", ["'text'", "NULL", "x'00'"], ids=["text", "null", "bytes"])
def test_a_use_that_is_no_number_is_damage(tmp_path: Path, value: str) -> None:
    """Nothing is made of a number that is none: neither a drill's use nor the next."""
    path = tmp_path / "journal.sqlite"
    store = SqliteJournal(path)
    store.open_drill(DRILL, WARRANT)
    store.close()
    _damage(path, "drills", "use", value)
    damaged = SqliteJournal(path, read_only=True)
    with pytest.raises(JournalError, match="no number"):
        damaged.drills()
    damaged.close()


def _damage(path: Path, table: str, column: str, value: str) -> None:
    """Put a value of another type into a strict column, as a flipped bit of the file does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute(
            "UPDATE sqlite_master SET sql = replace(replace(sql, ' NOT NULL', ''), 'STRICT', '') WHERE name = ?",
            (table,),
        )
        db.execute("PRAGMA writable_schema = RESET")
        db.execute(f"UPDATE {table} SET {column} = {value}")  # noqa: S608 - words of this file


@pytest.mark.parametrize("read_only", [True, False])
def test_a_schema_that_is_no_text_is_damage(tmp_path: Path, *, read_only: bool) -> None:
    """SQLite quotes a damaged schema in its message, which Python then cannot decode: still one clear error."""
    path = tmp_path / "journal.sqlite"
    SqliteJournal(path).close()
    data = path.read_bytes()
    assert b"PRIMARY KEY" in data
    path.write_bytes(data.replace(b"PRIMARY KEY", b"PRIMARY \xff\xff\xff"))
    with pytest.raises(JournalError, match="damaged"):
        SqliteJournal(path, read_only=read_only)


def test_a_journal_of_version_1_is_upgraded_by_its_next_writer(tmp_path: Path) -> None:
    """A journal of before there were notes is read as it is, and keeps every record when it is written to again."""
    path = tmp_path / "journal.sqlite"
    store = SqliteJournal(path)
    store.open_drill(DRILL, WARRANT)
    store.append(DRILL, lines(2))
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("DROP TABLE notes; PRAGMA user_version = 1;")
    old = SqliteJournal(path, read_only=True)
    assert (len(list(old.lines(DRILL))), list(old.notes())) == (2, [])
    old.close()
    upgraded = SqliteJournal(path)
    upgraded.append_notes(notes(2))
    upgraded.close()
    again = SqliteJournal(path)
    assert [line.raw for line in lines(2)] == list(again.lines(DRILL))
    assert [line.raw for line in notes(2)] == list(again.notes())
    again.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 3")
    with pytest.raises(JournalError, match="schema version 3"):
        SqliteJournal(path)
