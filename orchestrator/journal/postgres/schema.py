"""The schema version of a journal's tables: what it is, whether this program knows it, and how it becomes ours."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from orchestrator.journal.postgres.tables import VERSION_TABLE
from protocols.errors import JournalError

MIGRATIONS = Path(__file__).parent / "migrations"
"""Alembic's steps from each version to the next."""

EMPTY = 0
"""The version of a schema without any table."""


def _config() -> Config:
    config = Config()
    # Where this module lies, since a package's place in a path may hold Alembic's own mark, %.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def known_version() -> int:
    """Return the version that this program reads and writes."""
    return int(ScriptDirectory.from_config(_config()).get_current_head() or EMPTY)


def version_of(connection: sa.Connection, where: str) -> int:
    """Return the schema version that the database has; `EMPTY` if there are no tables at all.

    Raises:
        JournalError: There are tables, and they are another program's.
    """
    if connection.execute(sa.select(sa.func.current_schema())).scalar() is None:
        raise JournalError(
            "there is no schema to keep it in", where=where, remedy="create the schema that the search_path names"
        )
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    revision = context.get_current_revision()
    if revision is not None and revision.isdecimal():
        return int(revision)
    if revision is None and not sa.inspect(connection).get_table_names():
        return EMPTY
    raise JournalError(
        "it holds another program's tables",
        where=where,
        remedy="give the journal a database or a schema of its own",
    )


def check_version(version: int, where: str) -> None:
    """Check that this program can read and write a journal of that version.

    Raises:
        JournalError: It is older, or newer.
    """
    known = known_version()
    if version == known:
        return
    older = version < known
    raise JournalError(
        f"it has schema version {version}, this program knows {known}",
        where=where,
        remedy="have it upgraded: haltdrill journal upgrade"
        if older
        else "use the version of haltdrill that made it so",
    )


def upgrade(connection: sa.Connection) -> None:
    """Make the tables what this program needs them to be, step by step, in one transaction.

    The caller keeps every writer out meanwhile.
    """
    config = _config()
    config.attributes["connection"] = connection
    with connection.begin():
        command.upgrade(config, "head")
