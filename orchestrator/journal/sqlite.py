"""The journal on SQLite: one file, written ahead and synced before `append` returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from orchestrator.journal.base import DrillSummary
from orchestrator.journal.chain import Line
from protocols.errors import JournalError

SCHEMA_VERSION = 2
_NOTES = "CREATE TABLE notes (seq INTEGER PRIMARY KEY, line BLOB NOT NULL) STRICT;"
_SCHEMA = f"""
CREATE TABLE drills (
    drill TEXT PRIMARY KEY, warrant TEXT NOT NULL, use INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0, UNIQUE (warrant, use)
) STRICT;
CREATE TABLE records (
    drill TEXT NOT NULL REFERENCES drills (drill), seq INTEGER NOT NULL, line BLOB NOT NULL,
    PRIMARY KEY (drill, seq)
) STRICT;
CREATE TABLE parties (
    site TEXT NOT NULL, who TEXT NOT NULL, store TEXT NOT NULL, last_seq INTEGER NOT NULL,
    PRIMARY KEY (site, who)
) STRICT, WITHOUT ROWID;
{_NOTES}
"""
_UPGRADES = {1: _NOTES}
"""What makes a journal of this version one of the next."""
_REMEDY = "check the disk's free space and the file's permissions"
_DAMAGED_REMEDY = "restore it from a backup; or move it away, and have plans approved anew for the journal that begins"


class SqliteJournal:
    """A journal store in one SQLite file.

    Args:
        path: The file; it is made if it isn't there. None keeps it in memory, for simulations.
        read_only: Only read it, also without the right to write, and make nothing.

    Raises:
        JournalError: It cannot be opened, or another program wrote it.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self._where = str(path) if path else "in-memory journal"
        with self._guard():
            if path is not None and read_only:
                self._db = self._open_to_read(path)
                self._prepare_to_read()
                return
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(str(path) if path else ":memory:", isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA busy_timeout = 5000")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._prepare()

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            self._db.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
            return
        self._check_version(version)
        for older in range(version, SCHEMA_VERSION):
            self._db.executescript(f"BEGIN IMMEDIATE;{_UPGRADES[older]}PRAGMA user_version = {older + 1};COMMIT;")

    def _prepare_to_read(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version or self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            self._check_version(version)
            return
        # A journal that could not be made (on a full disk, say) is one without drills.
        self._db.close()
        self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._prepare()

    def _open_to_read(self, path: Path) -> sqlite3.Connection:
        """Open a journal that somebody else may be writing, or that lies where we may not write."""
        if not path.exists():
            raise JournalError("there is no journal: no drill was run yet", where=self._where)
        try:
            return self._connect_to_read(path, "mode=ro")
        except sqlite3.OperationalError:
            # Without the right to make the files beside it, SQLite reads it only as one that never changes.
            return self._connect_to_read(path, "mode=ro&immutable=1")

    @staticmethod
    def _connect_to_read(path: Path, options: str) -> sqlite3.Connection:
        db = sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True, check_same_thread=False)
        try:
            db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except (sqlite3.Error, UnicodeDecodeError):
            db.close()
            raise
        return db

    def _check_version(self, version: int) -> None:
        if not 1 <= version <= SCHEMA_VERSION:
            raise JournalError(
                f"it has schema version {version}, this program knows 1 to {SCHEMA_VERSION}",
                where=self._where,
                remedy="use the version of haltdrill that wrote it, or another file",
            )

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalError(f"cannot be opened: {error.strerror}", where=self._where, remedy=_REMEDY) from error
        except sqlite3.Error as error:
            # The world's failures are "operational"; the other kind says that the file itself is damaged.
            remedy = _REMEDY if isinstance(error, sqlite3.OperationalError) else _DAMAGED_REMEDY
            raise JournalError(f"the journal failed: {error}", where=self._where, remedy=remedy) from error
        except UnicodeDecodeError:
            # SQLite quotes what is wrong with a damaged schema in its message, and that may be no text.
            raise JournalError("the journal failed: it is damaged", where=self._where, remedy=_DAMAGED_REMEDY) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guard():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled back already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def open_drill(self, drill: str, warrant: str) -> int:
        """Register a drill and return the use of the warrant that it is: one more than the last.

        Raises:
            JournalError: The store cannot be written.
        """
        with self._transaction():
            row = self._db.execute("SELECT COALESCE(MAX(use), 0) + 1 FROM drills WHERE warrant = ?", (warrant,))
            use = self._number(row.fetchone()[0])
            self._db.execute("INSERT INTO drills (drill, warrant, use) VALUES (?, ?, ?)", (drill, warrant, use))
        return use

    def append(self, drill: str, lines: Sequence[Line]) -> None:
        """Write lines durably, all or none, after those that are there.

        Raises:
            JournalError: The store cannot be written, or another writer was first.
        """
        with self._transaction():
            row = self._db.execute("SELECT COALESCE(MAX(seq) + 1, 0) FROM records WHERE drill = ?", (drill,))
            self._check_follows(lines, self._number(row.fetchone()[0]))
            self._db.executemany(
                "INSERT INTO records (drill, seq, line) VALUES (?, ?, ?)",
                [(drill, line.seq, line.raw) for line in lines],
            )

    def append_notes(self, lines: Sequence[Line]) -> None:
        """Write lines of the service's own chain, as `append` writes a drill's.

        Raises:
            JournalError: The store cannot be written, or another writer was first.
        """
        with self._transaction():
            row = self._db.execute("SELECT COALESCE(MAX(seq) + 1, 0) FROM notes")
            self._check_follows(lines, self._number(row.fetchone()[0]))
            self._db.executemany(
                "INSERT INTO notes (seq, line) VALUES (?, ?)", [(line.seq, line.raw) for line in lines]
            )

    def _check_follows(self, lines: Sequence[Line], expected: int) -> None:
        if lines and lines[0].seq != expected:
            raise JournalError(f"record {lines[0].seq} does not follow {expected - 1}: two writers", where=self._where)

    def mark_closed(self, drill: str) -> None:
        """Note that a drill came to its end.

        Raises:
            JournalError: The store cannot be written.
        """
        with self._transaction():
            self._db.execute("UPDATE drills SET closed = 1 WHERE drill = ?", (drill,))

    def remember_party(self, site: str, who: str, store: str, last_seq: int) -> int | None:
        """Note how far an agent or witness says its chain has come.

        Returns:
            The number that it had come to before, if the same disk now says less; else None.

        Raises:
            JournalError: The store cannot be written.
        """
        with self._transaction():
            row = self._db.execute(
                "SELECT last_seq FROM parties WHERE site = ? AND who = ? AND store = ?", (site, who, store)
            ).fetchone()
            if row is not None and last_seq < (known := self._number(row[0])):
                return known
            self._db.execute(
                "INSERT INTO parties (site, who, store, last_seq) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (site, who) DO UPDATE SET store = excluded.store, last_seq = excluded.last_seq",
                (site, who, store, last_seq),
            )
        return None

    def lines(self, drill: str) -> Iterator[bytes]:
        """Yield a drill's lines in order.

        Raises:
            JournalError: There is no such drill, or the store cannot be read.
        """
        with self._guard():
            if not self._db.execute("SELECT 1 FROM drills WHERE drill = ?", (drill,)).fetchone():
                raise JournalError(
                    f"there is no drill {drill}", where=self._where, remedy="list them with: haltdrill drills"
                )
            yield from self._bytes("SELECT line FROM records WHERE drill = ? ORDER BY seq", (drill,))

    def notes(self) -> Iterator[bytes]:
        """Yield the lines of the service's own chain in order; a journal without any yields none.

        Raises:
            JournalError: The store cannot be read.
        """
        with self._guard():
            # One of version 1 that is only read has no such table.
            if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'notes'").fetchone():
                yield from self._bytes("SELECT line FROM notes ORDER BY seq", ())

    def _bytes(self, query: str, values: tuple[str, ...]) -> Iterator[bytes]:
        for (line,) in self._db.execute(query, values):
            if not isinstance(line, bytes):
                raise JournalError("a record is no bytes", where=self._where, remedy=_DAMAGED_REMEDY)
            yield line

    def drills(self) -> list[DrillSummary]:
        """List the drills, oldest first.

        Raises:
            JournalError: The store cannot be read.
        """
        with self._guard():
            rows = self._db.execute(
                "SELECT drill, warrant, use, closed, EXISTS (SELECT 1 FROM records WHERE records.drill = drills.drill) "
                "FROM drills ORDER BY drill"
            ).fetchall()
        return [
            DrillSummary(str(drill), str(warrant), self._number(use), bool(closed), bool(opened))
            for drill, warrant, use, closed, opened in rows
        ]

    def _number(self, value: object) -> int:
        """Return a number of the database, which may be anything where the file is damaged."""
        if not isinstance(value, int):
            raise JournalError("it holds no number where one must stand", where=self._where, remedy=_DAMAGED_REMEDY)
        return value

    def close(self) -> None:
        """Close the store."""
        with self._guard():
            self._db.close()
