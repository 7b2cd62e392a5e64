"""The journal on PostgreSQL: each append is one transaction, on disk when it returns, and only the leader's.

Of a commit whose answer never came nobody knows whether it took place. So everything that is written comes to
the same when it is written again, and is tried again for a while: a server that restarts ends no drill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from orchestrator.journal.base import DrillSummary, JournalUnreachable
from orchestrator.journal.chain import Line
from orchestrator.journal.postgres import schema, server
from orchestrator.journal.postgres.tables import drills, leader, notes, parties, records
from orchestrator.journal.urls import shown
from protocols.errors import JournalError

LINES_PER_READ = 500

AGAIN_S = 5.0
"""How long writing is tried again while the server is away; sites hold and restore by themselves meanwhile."""

_PAUSE_S = 0.1

T = TypeVar("T")


class PostgresJournal:
    """A journal store in a PostgreSQL database.

    Args:
        url: The database, as libpq takes it.
        token: The number under which this process leads (`leading.PostgresCandidate`); None only reads.

    Raises:
        ConfigError: The URL is wrong.
        JournalError: The server cannot be reached, or the tables are not of the version that we know.
    """

    def __init__(self, url: str, *, token: int | None = None) -> None:
        self._where = shown(url)
        self._token = token
        self._connection = server.connect(url, read_only=token is None)
        try:
            with self._transaction() as connection:
                version = schema.version_of(connection, self._where)
            # A database in which nobody has written yet is a journal without drills.
            self._empty = version == schema.EMPTY and token is None
            if not self._empty:
                schema.check_version(version, self._where)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with (
            server.guard(self._where),
            server.bounded(server.driver(self._connection), self._where),
            self._connection.begin(),
        ):
            yield self._connection

    @contextmanager
    def _leading(self, *also: sa.ScalarSelect[int]) -> Iterator[tuple[sa.Connection, tuple[Any, ...]]]:
        """Begin a transaction that commits only while we lead; `also` is read in the same round trip.

        The leader's row stays locked to its end, so that a successor, which raises the token first, begins
        after it; and whoever begins after the successor finds another token.
        """
        if self._token is None:
            raise JournalError("it was opened to be read", where=self._where)
        query = sa.select(leader.c.token, *also).where(leader.c.token == self._token)
        with self._transaction() as connection:
            row = connection.execute(query.with_for_update(read=True, of=leader)).one_or_none()
            if row is None:
                raise JournalError(
                    "another haltdrill process has taken this journal over, so nothing more is written by this one",
                    where=self._where,
                    remedy="see what it does with: haltdrill drills",
                )
            yield connection, tuple(row)

    def _surely(self, act: Callable[[bool], T]) -> T:
        """Write; and again, for a while, when the server is away. `act` is told whether it may be done already."""
        until_s = time.monotonic() + AGAIN_S
        again = False
        while True:
            try:
                return act(again)
            except JournalUnreachable:
                if time.monotonic() >= until_s:
                    raise
                again = True
                time.sleep(_PAUSE_S)

    def open_drill(self, drill: str, warrant: str) -> int:
        """Register a drill and return the use of the warrant that it is: one more than the last.

        Raises:
            JournalError: The store cannot be written.
        """
        return self._surely(lambda again: self._open_drill(drill, warrant, again=again))

    def _open_drill(self, drill: str, warrant: str, *, again: bool) -> int:
        last = sa.select(sa.func.coalesce(sa.func.max(drills.c.use), 0)).where(drills.c.warrant == warrant)
        ours = sa.select(drills.c.use).where(drills.c.drill == drill, drills.c.warrant == warrant)
        with self._leading(last.scalar_subquery(), ours.scalar_subquery()) as (connection, row):
            if again and row[2] is not None:  # the commit whose answer never came
                return int(row[2])
            use = int(row[1]) + 1
            connection.execute(sa.insert(drills).values(drill=drill, warrant=warrant, use=use))
        return use

    def append(self, drill: str, lines: Sequence[Line]) -> None:
        """Write lines durably, all or none, after those that are there.

        Raises:
            JournalError: The store cannot be written, or another writer was first.
        """
        self._surely(lambda again: self._extend(records, {"drill": drill}, lines, again=again))

    def append_notes(self, lines: Sequence[Line]) -> None:
        """Write lines of the service's own chain, as `append` writes a drill's.

        Raises:
            JournalError: The store cannot be written, or another writer was first.
        """
        self._surely(lambda again: self._extend(notes, {}, lines, again=again))

    def _extend(self, table: sa.Table, chain: dict[str, str], lines: Sequence[Line], *, again: bool) -> None:
        which = sa.and_(sa.true(), *(table.c[name] == value for name, value in chain.items()))
        last = sa.select(sa.func.coalesce(sa.func.max(table.c.seq), -1)).where(which)
        with self._leading(last.scalar_subquery()) as (connection, row):
            if not lines or (again and row[1] == lines[-1].seq and _holds(connection, table, which, lines)):
                return
            if lines[0].seq != row[1] + 1:
                raise JournalError(f"record {lines[0].seq} does not follow {row[1]}: two writers", where=self._where)
            connection.execute(sa.insert(table), [{**chain, "seq": line.seq, "line": line.raw} for line in lines])

    def mark_closed(self, drill: str) -> None:
        """Note that a drill came to its end.

        Raises:
            JournalError: The store cannot be written.
        """
        self._surely(lambda _again: self._mark_closed(drill))

    def _mark_closed(self, drill: str) -> None:
        with self._leading() as (connection, _):
            connection.execute(sa.update(drills).where(drills.c.drill == drill).values(closed=True))

    def remember_party(self, site: str, who: str, store: str, last_seq: int) -> int | None:
        """Note how far an agent or witness says its chain has come.

        Returns:
            The number that it had come to before, if the same disk now says less; else None.

        Raises:
            JournalError: The store cannot be written.
        """
        return self._surely(lambda _again: self._remember_party(site, who, store, last_seq))

    def _remember_party(self, site: str, who: str, store: str, last_seq: int) -> int | None:
        known = sa.select(parties.c.last_seq).where(
            parties.c.site == site, parties.c.who == who, parties.c.store == store
        )
        with self._leading(known.scalar_subquery()) as (connection, row):
            before: int | None = row[1]
            if before is not None and last_seq < before:
                return before
            new = insert(parties).values(site=site, who=who, store=store, last_seq=last_seq)
            said = {"store": new.excluded.store, "last_seq": new.excluded.last_seq}
            connection.execute(new.on_conflict_do_update(index_elements=["site", "who"], set_=said))
        return None

    def lines(self, drill: str) -> Iterator[bytes]:
        """Yield a drill's lines in order.

        Raises:
            JournalError: There is no such drill, or the store cannot be read.
        """
        if all(known.drill != drill for known in self.drills()):
            raise JournalError(
                f"there is no drill {drill}", where=self._where, remedy="list them with: haltdrill drills"
            )
        return self._read(records, records.c.drill == drill)

    def notes(self) -> Iterator[bytes]:
        """Yield the lines of the service's own chain in order; a journal without any yields none.

        Raises:
            JournalError: The store cannot be read.
        """
        return self._read(notes, sa.true())

    def _read(self, table: sa.Table, which: sa.ColumnElement[bool]) -> Iterator[bytes]:
        """Yield lines, some at a time, so that whoever reads slowly holds no transaction open."""
        following = 0
        while not self._empty:
            query = sa.select(table.c.seq, table.c.line).where(which, table.c.seq >= following)
            with self._transaction() as connection:
                rows = connection.execute(query.order_by(table.c.seq).limit(LINES_PER_READ)).all()
            for row in rows:
                yield row.line
            if len(rows) < LINES_PER_READ:
                return
            following = rows[-1].seq + 1

    def drills(self) -> list[DrillSummary]:
        """List the drills, oldest first.

        Raises:
            JournalError: The store cannot be read.
        """
        if self._empty:
            return []
        opened = sa.exists().where(records.c.drill == drills.c.drill)
        query = sa.select(drills.c.drill, drills.c.warrant, drills.c.use, drills.c.closed, opened)
        with self._transaction() as connection:
            rows = connection.execute(query.order_by(drills.c.drill)).all()
        return [DrillSummary(drill, warrant, use, closed, is_opened) for drill, warrant, use, closed, is_opened in rows]

    def close(self) -> None:
        """Close the store."""
        with suppress(sa.exc.SQLAlchemyError):  # of a broken connection nothing is left to close
            self._connection.close()


def _holds(connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool], lines: Sequence[Line]) -> bool:
    """Tell whether exactly these lines are there already: an append whose answer never came."""
    query = sa.select(table.c.line).where(which, table.c.seq >= lines[0].seq)
    there = connection.execute(query.order_by(table.c.seq)).scalars().all()
    return there == [line.raw for line in lines]
