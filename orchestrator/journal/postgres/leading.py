"""Who leads: one process holds the journal's advisory lock, under a number that no predecessor can write under.

The lock is a session's, on a connection of its own: the server frees it when the connection ends, however
the process died. That alone would not do, since a process that was cut off or paused does not know that it
lost the lock. So each leader takes the next token, and every append is refused that has an older one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

import psycopg
import sqlalchemy as sa

from orchestrator.journal.base import JournalUnreachable
from orchestrator.journal.postgres import schema, server
from orchestrator.journal.postgres.store import PostgresJournal
from orchestrator.journal.postgres.tables import leader
from orchestrator.journal.urls import shown
from protocols.errors import JournalError

BEAT_S = 1.0
"""How often a leader makes itself heard by the server, which knows when it last did."""

ANSWER_S = 5.0
"""How long the server may take to answer that; then the lock counts as lost."""

SILENT_S = 10.0
"""After how long a leader that is not heard, though its connection stands, counts as paused, and is cut off."""

_HOLDER = """
SELECT a.application_name, clock_timestamp() - a.state_change > make_interval(secs => %s), a.pid
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (l.classid::bigint << 32 | l.objid::bigint) = %s
"""


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who has the lock.

    Attributes:
        words: Its program, process and machine; empty where the server does not tell us.
        silent: Whether it was not heard for so long that it must be paused.
        backend: The server's process of its session.
    """

    words: str
    silent: bool
    backend: int


class PostgresLeader:
    """The process that has the lock.

    Args:
        raw: The session whose lock it is.
        store: The journal, opened under this leader's token.
        where: How to name the journal.
    """

    def __init__(self, raw: psycopg.Connection[Any], store: PostgresJournal, where: str) -> None:
        self.store = store
        self._raw = raw
        self._where = where
        self._over = Event()
        self._lost = Event()
        self._told: Callable[[], None] = lambda: None
        self._beating = Thread(target=self._beat, name="journal lock", daemon=True)
        self._beating.start()

    def when_lost(self, told: Callable[[], None]) -> None:
        """Have `told` called, perhaps from another thread, when the lock is lost."""
        self._told = told
        if self._lost.is_set():
            told()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                with server.guard(self._where), server.bounded(self._raw, self._where, ANSWER_S):
                    self._raw.execute("SELECT 1")
            except JournalError:
                self._lost.set()
                self._told()
                return

    def release(self) -> None:
        """Close the journal and let others lead."""
        self.store.close()
        self._told = lambda: None
        self._over.set()
        self._beating.join()
        with suppress(JournalError, psycopg.Error), server.bounded(self._raw, self._where, ANSWER_S):
            self._raw.execute("SELECT pg_advisory_unlock_all()")
        self._raw.close()


class PostgresCandidate:
    """A process that would lead: its session at the server, which gets the lock or looks who has it.

    Args:
        url: The database.
        fleet: Whose drills it would run.

    Raises:
        ConfigError: The URL is wrong.
        JournalError: The server cannot be reached.
    """

    def __init__(self, url: str, fleet: str) -> None:
        self._url = url
        self._fleet = fleet
        self._where = shown(url)
        self._raw: psycopg.Connection[Any] | None = None
        try:
            self._key = self._key_of(*self._ask("SELECT current_schema()")[0])
        except BaseException:
            self.close()
            raise

    def _key_of(self, name: str | None) -> int:
        """Return the lock's number: advisory locks are a database's, and it may hold several journals."""
        if name is None:
            raise JournalError(
                "there is no schema to keep it in", where=self._where, remedy="create the schema that search_path names"
            )
        digest = hashlib.sha256(f"haltdrill journal {name}".encode()).digest()
        return int.from_bytes(digest[:8], signed=True)

    def _session(self) -> psycopg.Connection[Any]:
        """Return our session; a new one where the server ended the last, or a leader has it now."""
        if self._raw is None or self._raw.closed:
            self._raw = server.connect_alone(self._url)
        return self._raw

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        session = self._session()
        with server.guard(self._where), server.bounded(session, self._where, ANSWER_S):
            return session.execute(query, values).fetchall()

    def lead(self) -> PostgresLeader | None:
        """Lead from now on, on this session; None if another process does.

        Raises:
            JournalError: The server failed, or the journal is another fleet's or of a version that we do not know.
        """
        if not self._ask("SELECT pg_try_advisory_lock(%s)", self._key)[0][0]:
            return None
        session = self._session()
        try:
            store = PostgresJournal(self._url, token=self._next_token())
        except BaseException:
            self.close()
            raise
        self._raw = None
        return PostgresLeader(session, store, self._where)

    def _next_token(self) -> int:
        """Shut out every earlier leader, and return our number.

        This waits for what an earlier one may be committing at this moment; after it there is nothing more.
        """
        with (
            server.guard(self._where),
            closing(server.connect(self._url)) as connection,
            server.bounded(server.driver(connection), self._where),
        ):
            self._prepare(connection)
            with connection.begin():
                mine = sa.update(leader).values(token=leader.c.token + 1, fleet=self._fleet)
                ours = sa.or_(leader.c.fleet.is_(None), leader.c.fleet == self._fleet)
                token = connection.execute(mine.where(ours).returning(leader.c.token)).scalar_one_or_none()
        if token is None:
            raise JournalError(
                "it is the journal of another fleet", where=self._where, remedy="give each fleet a database of its own"
            )
        return int(token)

    def _prepare(self, connection: sa.Connection) -> None:
        with connection.begin():
            version = schema.version_of(connection, self._where)
        if version < schema.known_version():  # nobody else writes: we have the lock
            schema.upgrade(connection)
        else:
            schema.check_version(version, self._where)

    def holder(self) -> str:
        """Return who leads, in words; empty if nobody does, or the server does not tell us.

        Raises:
            JournalError: The server failed.
        """
        holder = self._holder()
        return holder.words if holder else ""

    def oust(self) -> bool:
        """End the session of a leader that is silent, and with it its lock; false if none is, or we may not.

        Raises:
            JournalError: The server failed.
        """
        holder = self._holder()
        if holder is None or not holder.silent:
            return False
        try:
            return bool(self._ask("SELECT pg_terminate_backend(%s)", holder.backend)[0][0])
        except JournalUnreachable:
            raise
        except JournalError:
            return False

    def _holder(self) -> _Holder | None:
        rows = self._ask(_HOLDER, SILENT_S, self._key)
        return _Holder(rows[0][0] or "", bool(rows[0][1]), rows[0][2]) if rows else None

    def close(self) -> None:
        """End the session, unless it is a leader's now."""
        if self._raw is not None:
            self._raw.close()
