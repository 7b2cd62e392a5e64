"""One writer of a journal, also on a real PostgreSQL server: who leads, who waits, and what a loser can still do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from orchestrator.journal.base import Candidate
from orchestrator.journal.places import candidate, open_store, there_is, writing
from orchestrator.journal.postgres import schema, server
from orchestrator.journal.urls import shown
from protocols.errors import ConfigError, JournalError
from tests.orchestrator.journal.stores import DRILL, FLEET, WARRANT, lines
from tests.postgres import Postgres

_LEAD = """
import sys, time
from contextlib import closing
from orchestrator.journal.places import candidate
with closing(candidate(sys.argv[1], sys.argv[2])) as hopeful:
    leader = hopeful.lead()
    leader.store.open_drill(sys.argv[3], "a" * 64)
    print("leads", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["file", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a journal of each kind."""
    if request.param == "file":
        return str(tmp_path / "journal.sqlite")
    url: str = request.getfixturevalue("postgres").database()
    return url


@pytest.fixture
def leading(where: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that leads, in the middle of a drill."""
    process = subprocess.Popen(
        [sys.executable, "-c", _LEAD, where, FLEET, DRILL], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "leads\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def lead_soon(hopeful: Candidate) -> None:
    """Try until we lead: the kernel or the server frees the lock a moment after its holder died."""
    for _ in range(200):
        leader = hopeful.lead()
        if leader is not None:
            with closing(leader.store):
                assert [one.drill for one in leader.store.drills()] == [DRILL]
                leader.store.append(DRILL, lines(1))
            leader.release()
            return
        threading.Event().wait(0.05)
    raise AssertionError("nobody may lead")


def test_there_is_one_leader_and_the_next_after_it_is_killed(where: str, leading: subprocess.Popen[str]) -> None:
    """A second process may not write; once the first is killed it may, and finds what that one wrote."""
    with closing(candidate(where, FLEET)) as hopeful:
        assert hopeful.lead() is None
        leading.send_signal(signal.SIGKILL)
        leading.wait()
        lead_soon(hopeful)


def test_whoever_finds_it_taken_is_told_so_in_one_line(where: str, leading: subprocess.Popen[str]) -> None:
    """A person who runs a drill beside a service is told what stands in the way, without any password."""
    with pytest.raises(JournalError, match="another haltdrill process is running a drill"), writing(where, FLEET):
        pass
    assert leading.poll() is None


def test_a_reader_reads_beside_the_writer(where: str, leading: subprocess.Popen[str]) -> None:
    """Views and lists read while a drill is written."""
    assert there_is(where)
    with closing(open_store(where)) as store:
        assert [(one.drill, one.use, one.closed, one.opened) for one in store.drills()] == [(DRILL, 1, False, False)]
        with pytest.raises(JournalError):
            store.append(DRILL, lines(1))


def test_a_leader_that_lost_its_lock_can_write_nothing(postgres: Postgres) -> None:
    """A process that was cut off and does not know it yet writes nothing after its successor began."""
    url = postgres.database()
    lost = threading.Event()
    with closing(candidate(url, FLEET)) as first, closing(candidate(url, FLEET)) as second:
        leader = first.lead()
        assert leader is not None
        leader.when_lost(lost.set)
        leader.store.open_drill(DRILL, WARRANT)
        with postgres.admin(url) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid != pg_backend_pid()"
            )
        for _ in range(100):
            successor = second.lead()
            if successor is not None:
                break
            threading.Event().wait(0.05)
        assert successor is not None
        with pytest.raises(JournalError, match="taken this journal over"):
            leader.store.append(DRILL, lines(1))
        assert lost.wait(10.0)
        successor.store.append(DRILL, lines(1))
        successor.release()
        leader.release()


def test_a_leader_that_is_paused_is_found_and_ousted(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is stopped, but not dead, keeps its lock only as long as it is heard."""
    monkeypatch.setattr("orchestrator.journal.postgres.leading.SILENT_S", 0.2)
    url = postgres.database()
    process = subprocess.Popen(
        [sys.executable, "-c", _LEAD, url, FLEET, DRILL], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "leads\n"
        with closing(candidate(url, FLEET)) as hopeful:
            assert str(process.pid) in hopeful.holder()
            os.kill(process.pid, signal.SIGSTOP)
            for _ in range(200):
                if hopeful.oust():
                    break
                threading.Event().wait(0.05)
            lead_soon(hopeful)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_database_is_one_fleets(postgres: Postgres) -> None:
    """Two fleets never mix their drills in one journal."""
    url = postgres.database()
    with writing(url, FLEET):
        pass
    with pytest.raises(JournalError, match="another fleet"), writing(url, "e" * 64):
        pass


def test_tables_of_another_program_or_a_newer_version_are_left_alone(postgres: Postgres) -> None:
    """Nothing is made or changed in a database that is not ours, or that a newer program wrote."""
    foreign, newer = postgres.database(), postgres.database()
    with postgres.admin(foreign) as admin:
        admin.execute("CREATE TABLE invoices (id integer)")
    with pytest.raises(JournalError, match="another program's tables"), writing(foreign, FLEET):
        pass
    with writing(newer, FLEET):
        pass
    with postgres.admin(newer) as admin:
        admin.execute("UPDATE haltdrill_version SET version_num = '99'")
    with pytest.raises(JournalError, match="schema version 99, this program knows"), writing(newer, FLEET):
        pass
    with pytest.raises(JournalError, match="schema version 99"):
        open_store(newer)


def test_the_migrations_make_the_tables_that_are_used(postgres: Postgres) -> None:
    """What Alembic makes is what the store reads and writes: no column more, less or other."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415
    from alembic.migration import MigrationContext  # noqa: PLC0415

    from orchestrator.journal.postgres.tables import VERSION_TABLE, metadata  # noqa: PLC0415

    url = postgres.database()
    with writing(url, FLEET):
        pass
    with closing(server.connect(url)) as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        assert schema.version_of(connection, url) == schema.known_version()


def test_a_server_that_ends_and_comes_back_loses_nothing() -> None:
    """What was appended is there after the server crashed and was started again, and writing goes on."""
    with Postgres() as own:
        url = own.database()
        with writing(url, FLEET) as store:
            store.open_drill(DRILL, WARRANT)
            store.append(DRILL, lines(2))
        own.stop(signal.SIGQUIT)
        with pytest.raises(JournalError) as raised:
            open_store(url)
        assert "\n" not in str(raised.value)
        own.start()
        with writing(url, FLEET) as store:
            assert list(store.lines(DRILL)) == [line.raw for line in lines(2)]
            assert store.open_drill("20261124t150000z-monthly-abcdef", WARRANT) == 2


def test_a_password_is_never_shown() -> None:
    """Neither errors nor names of journals hold what lets one into the database."""
    with Postgres(password="s3cret%") as own:
        url = own.over_tcp(own.database()).replace("s3cret%", "wrong-pass")
        for attempt in (lambda: open_store(url), lambda: candidate(url, FLEET)):
            with pytest.raises((JournalError, ConfigError)) as raised:
                attempt()
            assert "wrong-pass" not in str(raised.value)
        assert "wrong-pass" not in shown(url)
    for broken in ("postgresql://u:pa@ss@h/d", "postgresql://u:p%zz@h/d", "postgresql://h/d?password=hush"):
        assert not {"pa@", "zz", "hush"} & set(shown(broken).replace("/", " ").split())
        with pytest.raises((JournalError, ConfigError, psycopg.Error)) as error:
            open_store(broken)
        assert "hush" not in str(error.value)
        assert "p%zz" not in str(error.value)
