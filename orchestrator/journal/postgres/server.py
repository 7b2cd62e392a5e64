"""Connections to a PostgreSQL server: how long anything may take, and what to say when it fails.

Everything that libpq's URLs can say works: several hosts, TLS, a service file, a password file.
No password is ever part of an error: URLs are shown without one, and parameters are hidden.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Timer
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.pool import NullPool

from orchestrator.journal.base import JournalUnreachable
from orchestrator.journal.urls import shown
from protocols.errors import ConfigError, JournalError

CONNECT_S = 5
STATEMENT_S = 10
LOCK_S = 5
IDLE_IN_TRANSACTION_S = 5
"""How long the server waits for a program that was paused amid a transaction, which may be in its successor's way."""
ANSWER_S = 15.0
"""How long a whole transaction may take; after that the server counts as gone, and the connection is cut."""

_KEEPALIVE = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3}
_UNSENT_MS = 5000
"""After how long with nothing acknowledged the network counts as cut, at both ends."""

_REACH_REMEDY = "see that the server runs and can be reached; then take up what is unfinished with: haltdrill resume"
_GRANT_REMEDY = "grant the journal's role what it needs on the journal's schema, or use its owner"
_ROOM_REMEDY = "make room on the disk of the server; then take up what is unfinished with: haltdrill resume"
_OTHER_REMEDY = "see the server's log"


def _settings(*, read_only: bool) -> str:
    """Return what every session has set, in the form of libpq's `options`."""
    settings: dict[str, object] = {
        "synchronous_commit": "on",  # a record is on disk when its commit returns
        "default_transaction_isolation": r"read\ committed",
        "default_transaction_read_only": "on" if read_only else "off",
        "statement_timeout": STATEMENT_S * 1000,
        "lock_timeout": LOCK_S * 1000,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_S * 1000,
        "tcp_user_timeout": _UNSENT_MS,
        **{f"tcp_{name}": value for name, value in _KEEPALIVE.items()},
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _parameters(url: str, *, read_only: bool) -> dict[str, Any]:
    """Return libpq's parameters of a connection.

    Raises:
        ConfigError: The URL is wrong.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        # libpq would quote what it could not read, and that may be part of a password.
        raise ConfigError(
            "is no URL of a PostgreSQL database",
            where=shown(url),
            remedy="write it as postgresql://USER@HOST/DATABASE, and % and other marks of a password as %25",
        ) from None
    options = f"{given.get('options') or ''} {_settings(read_only=read_only)}".strip()
    return {
        "connect_timeout": CONNECT_S,
        "application_name": f"haltdrill {os.getpid()} on {socket.gethostname()}"[:63],
        "tcp_user_timeout": _UNSENT_MS,
        **_KEEPALIVE,
        **given,
        "options": options,
    }


def connect(url: str, *, read_only: bool = False) -> sa.Connection:
    """Connect to a database. A connection that breaks fails what is under way, and is made anew for what comes next.

    Raises:
        ConfigError: The URL is wrong.
        JournalError: The server cannot be reached, or refuses us.
    """
    parameters = _parameters(url, read_only=read_only)
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(**parameters),
        poolclass=NullPool,
        hide_parameters=True,
    )
    with guard(shown(url)):
        return engine.connect()


def connect_alone(url: str) -> psycopg.Connection[Any]:
    """Connect to a database, without transactions, and for one connection's life only.

    Raises:
        ConfigError: The URL is wrong.
        JournalError: The server cannot be reached, or refuses us.
    """
    with guard(shown(url)):
        return psycopg.connect(**_parameters(url, read_only=False), autocommit=True)


def driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    """Return the driver's connection, as it is now."""
    made = connection.connection.driver_connection
    if not isinstance(made, psycopg.Connection):
        raise TypeError(f"not psycopg's connection: {type(made).__name__}")
    return made


@contextmanager
def bounded(raw: psycopg.Connection[Any], where: str, limit_s: float | None = None) -> Iterator[None]:
    """Cut a connection if what is done on it takes too long: a server may be stopped and say nothing at all.

    Args:
        raw: The connection.
        where: How to name the journal.
        limit_s: How long it may take; `ANSWER_S` if not given.

    Raises:
        JournalUnreachable: It took too long.
    """
    limit_s = ANSWER_S if limit_s is None else limit_s
    was_cut = Event()

    def cut() -> None:
        was_cut.set()
        with suppress(OSError, psycopg.Error):
            wire = socket.socket(fileno=raw.fileno())
            try:
                wire.shutdown(socket.SHUT_RDWR)
            finally:
                wire.detach()

    timer = Timer(limit_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
        if not was_cut.is_set():
            raise
        raise JournalUnreachable(f"no answer for {limit_s:g} s", where=where, remedy=_REACH_REMEDY) from error
    finally:
        timer.cancel()


@contextmanager
def guard(where: str) -> Iterator[None]:
    """Turn what the driver raises into our one clear error."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise failed(error.orig or error, where) from error
    except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
        raise failed(error, where) from error


def failed(error: BaseException, where: str) -> JournalError:
    """Return the one clear error for what the driver raised."""
    first = f"the journal failed: {next(iter(str(error).splitlines()), type(error).__name__)}"
    if isinstance(error, psycopg.errors.DiskFull):
        return JournalError(first, where=where, remedy=_ROOM_REMEDY)
    if isinstance(error, psycopg.OperationalError):
        return JournalUnreachable(first, where=where, remedy=_REACH_REMEDY)
    denied = isinstance(error, psycopg.errors.InsufficientPrivilege)
    return JournalError(first, where=where, remedy=_GRANT_REMEDY if denied else _OTHER_REMEDY)
