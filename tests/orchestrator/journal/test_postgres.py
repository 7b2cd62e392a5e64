"""The journal on PostgreSQL when the server, the network or its disk fails, and what its role may do."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from orchestrator.journal.base import JournalUnreachable
from orchestrator.journal.note_chain import NoteRecord
from orchestrator.journal.notebook import Notebook
from orchestrator.journal.places import candidate, open_store, writing
from orchestrator.journal.postgres import schema, server
from protocols.errors import JournalError
from protocols.host.clock import SystemClock
from tests.orchestrator.journal.cutting import Cut, Wire, wire
from tests.orchestrator.journal.stores import DRILL, FLEET, WARRANT, Said, lines
from tests.postgres import Postgres

_STEP = """
import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    op.add_column("drills", sa.Column("remark", sa.Text))
"""

GRANTS = """
GRANT USAGE ON SCHEMA public TO drills;
GRANT SELECT ON haltdrill_version TO drills;
GRANT SELECT, INSERT ON records, notes TO drills;
GRANT SELECT, INSERT, UPDATE ON drills, parties TO drills;
GRANT SELECT, UPDATE ON leader TO drills;
"""
"""What SECURITY.md says that the role of a running service needs."""


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A journal with one drill."""
    made = postgres.database()
    with writing(made, FLEET) as store:
        store.open_drill(DRILL, WARRANT)
    return made


@pytest.fixture
def cable(postgres: Postgres) -> Iterator[Wire]:
    """A wire to the server that can be cut."""
    with wire(postgres.port) as laid:
        yield laid


def through(cable: Wire, postgres: Postgres, url: str) -> str:
    """Return the URL of a database by way of a wire."""
    return postgres.over_tcp(url).replace(f":{postgres.port}/", f":{cable.port}/")


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
def test_a_commit_without_an_answer_is_done_once(postgres: Postgres, url: str, cable: Wire, cut: Cut) -> None:
    """Whether the server heard of a commit or not, each record is there once, and each use is given out once."""
    written = lines(4)
    with writing(through(cable, postgres, url), FLEET) as store:
        store.append(DRILL, written[:2])
        cable.next = cut
        store.append(DRILL, written[2:])
        cable.next = cut
        assert store.open_drill("20261124t150000z-monthly-abcdef", WARRANT) == 2
        cable.next = cut
        assert store.remember_party("alpha", "agent", "1" * 32, 10) is None
        cable.next = cut
        store.mark_closed(DRILL)
        assert cable.cuts == 4
        with pytest.raises(JournalError, match="two writers"):
            store.append(DRILL, written[2:])
    with closing(open_store(url)) as store:
        assert list(store.lines(DRILL)) == [line.raw for line in written]
        assert [(one.use, one.closed) for one in store.drills()] == [(1, True), (2, False)]


def test_a_note_whose_commit_was_lost_sight_of_is_found(
    postgres: Postgres, url: str, cable: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note that seemed to fail and did not counts from then on, and what was decided without it is decided anew."""
    monkeypatch.setattr("orchestrator.journal.postgres.store.AGAIN_S", 0.0)
    told: list[str] = []
    with writing(through(cable, postgres, url), FLEET) as store:
        book = Notebook(store, NoteRecord[Said], SystemClock(), lambda note, _at: told.append(note.words))
        cable.next = Cut.AFTER
        with pytest.raises(JournalUnreachable):
            book.write(Said(words="first"))
        assert told == []
        with pytest.raises(JournalError, match="written after all"):
            book.write(Said(words="first, once more"))
        book.write(Said(words="second"))
        cable.next = Cut.BEFORE
        with pytest.raises(JournalUnreachable):
            book.write(Said(words="never written"))
        book.write(Said(words="third"))
        assert told == ["first", "second", "third"]
        Notebook(store, NoteRecord[Said], SystemClock(), lambda note, _at: told.append(note.words))
    assert told == ["first", "second", "third"] * 2


def test_a_server_that_says_nothing_is_given_up(
    postgres: Postgres, url: str, cable: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is stopped, or behind a network that swallows everything, blocks nobody for long."""
    with writing(through(cable, postgres, url), FLEET) as store:
        with monkeypatch.context() as patch:
            patch.setattr(server, "ANSWER_S", 0.3)
            patch.setattr("orchestrator.journal.postgres.store.AGAIN_S", 0.2)
            cable.next = Cut.HUSH
            with pytest.raises(JournalUnreachable, match=r"no answer for 0\.3 s") as raised:
                store.append(DRILL, lines(1))
            assert "\n" not in str(raised.value)
        cable.next = Cut.NOT
        # The server ends what was left open there after a few seconds; until then it is in the way.
        store.append(DRILL, lines(1))


def test_a_drill_goes_on_over_a_restart_of_the_server() -> None:
    """A server that is started anew within seconds costs a drill nothing."""
    with Postgres() as own:
        url = own.database()
        with writing(url, FLEET) as store:
            store.open_drill(DRILL, WARRANT)
            own.stop(signal.SIGQUIT)
            starting = threading.Thread(target=own.start)
            starting.start()
            store.append(DRILL, lines(2))
            starting.join()
            assert len(list(store.lines(DRILL))) == 2


def test_a_follower_waits_over_a_restart_of_the_server() -> None:
    """Who waits to lead while the server is away leads once it is back."""
    with Postgres() as own:
        url = own.database()
        with closing(candidate(url, FLEET)) as first, closing(candidate(url, FLEET)) as second:
            leader = first.lead()
            assert leader is not None
            assert second.lead() is None
            lost = threading.Event()
            leader.when_lost(lost.set)
            own.stop(signal.SIGQUIT)
            for attempt in (second.lead, second.holder, second.oust):
                with pytest.raises(JournalUnreachable):
                    attempt()
            own.start()
            successor = second.lead()
            assert successor is not None
            assert lost.wait(10.0)
            with pytest.raises(JournalError, match="taken this journal over"):
                leader.store.open_drill(DRILL, WARRANT)
            leader.release()
            successor.release()
            again = first.lead()
            assert again is not None
            again.release()


def test_a_full_disk_of_the_server_is_said_and_nothing_is_half_written(url: str, postgres: Postgres) -> None:
    """A server that cannot write fails the whole append in one line that names the disk; with room it goes on."""
    written = lines(3)
    with postgres.admin(url) as admin:
        admin.execute(
            "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.seq = 2 THEN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END IF; "
            "RETURN NEW; END $$"
        )
        admin.execute(
            "CREATE TRIGGER full BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION fill()".replace(
                " full ", " disk_full "
            )
        )
        with writing(url, FLEET) as store:
            with pytest.raises(JournalError, match="could not extend file") as raised:
                store.append(DRILL, written)
            assert "make room on the disk of the server" in str(raised.value)
            assert list(store.lines(DRILL)) == []
            admin.execute("DROP TRIGGER disk_full ON records")
            store.append(DRILL, written)
            assert len(list(store.lines(DRILL))) == 3


def test_an_older_version_is_upgraded_by_who_leads_and_read_by_nobody_before(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal of version 1 becomes one of the next with all that it held, and then older programs leave it."""
    newer = tmp_path / "50% more" / "migrations"
    shutil.copytree(schema.MIGRATIONS, newer, ignore=shutil.ignore_patterns("__pycache__"))
    (newer / "versions" / "v2.py").write_text(_STEP)
    with monkeypatch.context() as later:
        later.setattr(schema, "MIGRATIONS", newer)
        with pytest.raises(JournalError, match="schema version 1, this program knows 2") as raised:
            open_store(url)
        assert "haltdrill journal upgrade" in str(raised.value)
        with writing(url, FLEET) as store:
            store.append(DRILL, lines(1))
        with closing(open_store(url)) as store:
            assert len(list(store.lines(DRILL))) == 1
    with pytest.raises(JournalError, match="schema version 2, this program knows 1"), writing(url, FLEET):
        pass


def test_an_upgrade_that_fails_leaves_everything_as_it_was(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that cannot be taken is undone whole, and the program of before goes on."""
    newer = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, newer, ignore=shutil.ignore_patterns("__pycache__"))
    (newer / "versions" / "v2.py").write_text(f'{_STEP}    op.drop_table("invoices")\n')
    with monkeypatch.context() as later:
        later.setattr(schema, "MIGRATIONS", newer)
        with pytest.raises(JournalError, match="invoices") as raised, writing(url, FLEET):
            pass
        assert "\n" not in str(raised.value)
    with writing(url, FLEET) as store:
        assert [one.drill for one in store.drills()] == [DRILL]


def test_a_role_with_few_rights_is_enough_and_can_unsay_nothing(postgres: Postgres, url: str) -> None:
    """The rights that are documented suffice to run drills; what was written cannot be changed or deleted with them."""
    with postgres.admin(url) as admin:
        admin.execute("CREATE ROLE drills LOGIN")
        for statement in GRANTS.strip().splitlines():
            admin.execute(statement.encode())
        named = url.replace("://haltdrill@", "://drills@")
        with writing(named, FLEET) as store:
            store.append(DRILL, lines(2))
            store.remember_party("alpha", "agent", "1" * 32, 10)
            store.append_notes(())
            store.mark_closed(DRILL)
        with closing(open_store(named)) as store:
            assert len(list(store.lines(DRILL))) == 2
        with psycopg.connect(named, autocommit=True) as own:
            for denied in (
                "DELETE FROM records",
                "UPDATE records SET seq = 9",
                "DELETE FROM drills",
                "DROP TABLE notes",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    own.execute(denied.encode())
        admin.execute("REVOKE INSERT ON records FROM drills")
        with (
            pytest.raises(JournalError, match="permission denied") as raised,
            writing(named, FLEET) as store,
        ):
            store.append(DRILL, lines(3)[2:])
        assert "grant" in str(raised.value)
