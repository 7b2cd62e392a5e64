"""Opens journals, wherever a fleet's configuration says that its journal is: in a file, or in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from orchestrator.journal.base import BUSY, BUSY_REMEDY, Candidate, JournalStore
from orchestrator.journal.lock import FileCandidate
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.journal.urls import is_url, shown
from protocols.errors import ConfigError, JournalError

T = TypeVar("T")


def there_is(where: str) -> bool:
    """Tell whether there is a journal to be read: a file, or a database, which may be empty.

    Raises:
        ConfigError: It is a URL, and not of a PostgreSQL database.
    """
    return is_url(where) or Path(where).exists()


def open_store(where: str) -> JournalStore:
    """Open a journal to be read, also while another process writes it.

    Args:
        where: A file, or the URL of a PostgreSQL database.

    Raises:
        ConfigError: It is no URL that we know, or its libraries are not installed.
        JournalError: It cannot be read, or there is no such file.
    """
    if not is_url(where):
        return SqliteJournal(Path(where), read_only=True)
    return _with_postgres(lambda: _open_database(where))


def candidate(where: str, fleet: str) -> Candidate:
    """Return what tries to become the one writer of a journal.

    Args:
        where: A file, or the URL of a PostgreSQL database.
        fleet: The fleet's id; a database holds the journal of one fleet.

    Raises:
        ConfigError: It is no URL that we know, or its libraries are not installed.
        JournalError: The server cannot be reached.
    """
    if not is_url(where):
        return FileCandidate(Path(where))
    return _with_postgres(lambda: _candidate_at_database(where, fleet))


@contextmanager
def writing(where: str, fleet: str) -> Iterator[JournalStore]:
    """Open a journal to write it, alone; it is made if it is not there.

    Args:
        where: A file, or the URL of a PostgreSQL database.
        fleet: The fleet's id.

    Raises:
        ConfigError: It is no URL that we know, or its libraries are not installed.
        JournalError: Another process writes it, or it cannot be written.
    """
    with closing(candidate(where, fleet)) as hopeful:
        leader = hopeful.lead()
        if leader is None:
            who = hopeful.holder()
            raise JournalError(f"{BUSY}: {who}" if who else BUSY, where=shown(where), remedy=BUSY_REMEDY)
        try:
            yield leader.store
        finally:
            leader.release()


def _open_database(url: str) -> JournalStore:
    from orchestrator.journal.postgres.store import PostgresJournal  # noqa: PLC0415 - only with the extra

    return PostgresJournal(url)


def _candidate_at_database(url: str, fleet: str) -> Candidate:
    from orchestrator.journal.postgres.leading import PostgresCandidate  # noqa: PLC0415 - only with the extra

    return PostgresCandidate(url, fleet)


def _with_postgres(opened: Callable[[], T]) -> T:
    """Call what needs the libraries of the extra.

    Raises:
        ConfigError: They are not installed.
    """
    try:
        return opened()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {"alembic", "psycopg", "sqlalchemy"}:
            raise
        raise ConfigError(
            f"{missing} is not installed", where="journal", remedy="pip install 'haltdrill[postgres]'"
        ) from error
