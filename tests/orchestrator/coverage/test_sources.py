"""Where coverage is read from: real journals and bundles, and what is damaged of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from orchestrator.core import events as ev
from orchestrator.core.coverage import Standing, Trend
from orchestrator.core.grades import Cause, RungResult, SiteStepResult, Verdict
from orchestrator.core.matrix import build_coverage
from orchestrator.coverage.drills import read_drill
from orchestrator.coverage.sources import gather
from orchestrator.journal.sqlite import SqliteJournal
from protocols.controls import Control, ShutdownParams
from protocols.errors import ConfigError, JournalError
from protocols.messages import Rung, Warrant
from tests import kit
from tests.orchestrator.coverage.journals import (
    DAY_NS,
    judged,
    keep,
    keep_recorded,
    lines_of,
    record_on,
    write_folder,
)
from tests.orchestrator.coverage.made import S_NS
from tests.orchestrator.recorder import Recorded, Script

NOW_NS = kit.NOW_NS + 20 * DAY_NS


@pytest.fixture(scope="module")
def three() -> list[Recorded]:
    """One drill that passed, a later one in which beta lied, and one that was aborted after that."""
    return [record_on(1), record_on(9, Script(lying="beta")), record_on(12, Script(abort_at_s=0.5))]


def test_a_journal_of_many_drills_gives_the_matrix(three: list[Recorded], tmp_path: Path) -> None:
    """Verdicts, times, limit, age and trend are those of the drills themselves, read from SQLite."""
    folder = write_folder(tmp_path / "fleet", three[0].fleet)
    keep_recorded(folder / "journal.sqlite", three)
    gathered = gather([folder], NOW_NS)
    coverage = build_coverage(gathered.roster(), list(gathered.drills.values()), now_ns=NOW_NS, max_age_ns=30 * DAY_NS)
    alpha, beta = (row.cell(Control.PAUSE) for row in coverage.rows)
    found = three[1].result.steps[0].sites[0].result
    assert alpha is not None
    assert alpha.last is not None
    assert (alpha.standing, alpha.trend, alpha.exercises) == (Standing.FRESH, Trend.SAME, 2)
    assert (alpha.last.drill, alpha.last.response_upper_ns) == (three[1].drill, found.response_upper_ns)
    assert alpha.last.response_limit_ns == 400_000_000
    assert alpha.age_ns is not None
    assert 10 * DAY_NS < alpha.age_ns < 11 * DAY_NS
    assert alpha.undone is not None
    assert alpha.undone.drill == three[2].drill
    assert beta is not None
    assert (beta.standing, beta.trend) == (Standing.FAILING, Trend.WORSE)
    shutdown = coverage.rows[0].cell(Control.SHUTDOWN)
    assert shutdown is not None
    assert shutdown.standing is Standing.NEVER
    assert (coverage.drills, coverage.aborted, coverage.demo) == (3, 1, True)


def test_bundles_say_the_same_as_the_journal(three: list[Recorded], tmp_path: Path) -> None:
    """A drill counts once, wherever it is read from; without a fleet's folder its records are the roster."""
    journal = keep_recorded(tmp_path / "any.sqlite", three)
    bundles = [tmp_path / f"{one.drill}.jsonl" for one in three]
    for path, one in zip(bundles, three, strict=True):
        path.write_bytes(one.bundle)
    from_journal, from_bundles = gather([journal], NOW_NS), gather(bundles, NOW_NS)
    assert from_bundles.drills == from_journal.drills == gather([journal, *bundles], NOW_NS).drills
    assert from_bundles.roster() == from_journal.roster()
    assert {site for _, site in from_journal.roster()} == {"alpha", "beta"}


def test_a_site_that_never_took_part_is_in_the_roster(three: list[Recorded], tmp_path: Path) -> None:
    """The fleet's folder says who there is: a site that nobody ever drilled is the one to see."""
    folder = write_folder(tmp_path / "fleet", three[0].fleet)
    gathered = gather([folder], NOW_NS)
    coverage = build_coverage(gathered.roster(), [], now_ns=NOW_NS, max_age_ns=30 * DAY_NS)
    assert coverage.total(Standing.NEVER) == 4
    keep_recorded(folder / "journal.sqlite", three)
    other = write_folder(tmp_path / "other", kit.make_fleet(("alpha",), witnesses=2))
    keep_recorded(other / "journal.sqlite", three)
    assert gather([other], NOW_NS).gone() == ["beta"]
    assert any("no longer lists" in note for note in gather([other], NOW_NS).notes)


def test_an_expired_list_of_sites_hides_no_proof(three: list[Recorded], tmp_path: Path) -> None:
    """Years later the matrix still shows, from the journal alone, and says so."""
    folder = write_folder(tmp_path / "fleet", three[0].fleet)
    keep_recorded(folder / "journal.sqlite", three)
    late = gather([folder], NOW_NS + 800 * DAY_NS)
    assert {site for _, site in late.roster()} == {"alpha", "beta"}
    assert any("expired" in note for note in late.notes)


def test_an_open_drill_is_counted_but_not_believed(three: list[Recorded], tmp_path: Path) -> None:
    """What has not come to its end proves nothing; one that only says so is damaged."""
    store = SqliteJournal(tmp_path / "journal.sqlite")
    keep(store, three[0].drill, three[0].records[:-1], closed=False)
    store.close()
    gathered = gather([tmp_path / "journal.sqlite"], NOW_NS)
    assert (gathered.drills, gathered.open_drills) == ({}, {three[0].drill})
    store = SqliteJournal(tmp_path / "short.sqlite")
    keep(store, three[0].drill, three[0].records[:-1])
    store.close()
    with pytest.raises(JournalError, match="its end is missing"):
        gather([tmp_path / "short.sqlite"], NOW_NS)


@pytest.mark.parametrize("where", [0, 5, 40, -2, -1])
def test_a_changed_record_is_one_error_that_names_file_and_drill(
    three: list[Recorded], tmp_path: Path, where: int
) -> None:
    """Whichever record was changed, removed or is no record: nothing is shown, and the file is named."""
    records = three[0].records
    flipped = records[where].replace(b'"t_ns":5', b'"t_ns":6').replace(b'"aborted":false', b'"aborted":true')
    for number, changed in enumerate((flipped, b"rubbish")):
        lines = [changed if raw is records[where] else raw for raw in records]
        path = tmp_path / f"{number}.sqlite"
        store = SqliteJournal(path)
        keep(store, three[1].drill, three[1].records)
        keep(store, three[0].drill, lines)
        store.close()
        with pytest.raises(JournalError) as caught:
            gather([path], NOW_NS)
        assert str(caught.value).startswith(f"{path}, drill {three[0].drill}, journal record")
    without = [raw for raw in records if raw is not records[where]]
    if where == -1:
        assert read_drill(without) is None
        return
    with pytest.raises(JournalError):
        read_drill(without)


def test_a_bundle_that_was_cut_or_changed_is_refused(three: list[Recorded], tmp_path: Path) -> None:
    """A bundle that is not as it was sealed is not read, nor what is no bundle at all."""
    path = tmp_path / "bundle.jsonl"
    whole = three[0].bundle
    for raw in (whole[: len(whole) // 2], whole[:-1], whole.replace(b'"passed":true', b'"passed":false', 1)):
        path.write_bytes(raw)
        with pytest.raises(JournalError, match=str(path)):
            gather([path], NOW_NS)
    for raw in (b"", b"rubbish\n", b"{}\n"):
        path.write_bytes(raw)
        with pytest.raises(ConfigError, match="is neither"):
            gather([path], NOW_NS)


def test_a_damaged_database_is_one_error(three: list[Recorded], tmp_path: Path) -> None:
    """Damage below the records is told just so."""
    path = keep_recorded(tmp_path / "journal.sqlite", three[:1])
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    raw = bytearray(path.read_bytes())
    raw[4096:12288] = b"\xff" * 8192
    path.write_bytes(bytes(raw))
    with pytest.raises(JournalError, match=str(path)):
        gather([path], NOW_NS)


def test_two_journals_of_one_drill_must_agree(three: list[Recorded], tmp_path: Path) -> None:
    """Nobody slips in a second, better journal of a drill that is there already."""
    journal = keep_recorded(tmp_path / "journal.sqlite", three[:1])
    worse = record_on(1, Script(lying="beta"))
    assert worse.drill == three[0].drill
    other = keep_recorded(tmp_path / "other.sqlite", [worse])
    with pytest.raises(JournalError, match="forged or damaged"):
        gather([journal, other], NOW_NS)


LADDER = {"ladder": (Rung(params=ShutdownParams(), response_limit_s=8.0),), "hold_s": 60.0}


def _escalated(warrant: Warrant, climbed: SiteStepResult) -> list[ev.Event]:
    rung = ev.RungOrdered(step=0, site="beta", rung=1, why=Cause.REFUSED, envelope="{}")
    return [
        ev.OrderIssued(step=0, envelope="{}"),
        rung,
        ev.SiteJudged(step=0, site="alpha", result=judged()),
        ev.SiteJudged(step=0, site="beta", result=climbed),
        ev.DrillClosed(passed=False, aborted=False),
    ]


def _climbed(control: Control = Control.SHUTDOWN) -> SiteStepResult:
    first = RungResult(
        rung=0,
        control=Control.PAUSE,
        verdict=Verdict.REFUSED,
        cause=Cause.REFUSED,
        response_lower_ns=None,
        response_upper_ns=None,
        response_limit_s=5.0,
        why_next=Cause.REFUSED,
    )
    second = first.model_copy(
        update={
            "rung": 1,
            "control": control,
            "verdict": Verdict.VERIFIED,
            "cause": None,
            "response_lower_ns": 3 * S_NS,
            "response_upper_ns": 4 * S_NS,
            "response_limit_s": 8.0,
            "why_next": None,
        }
    )
    return judged(Verdict.LATE, control=control, rung=1, rungs=(first, second), total_upper_ns=9 * S_NS)


def test_each_rung_feeds_the_cell_of_its_own_control() -> None:
    """A site that climbed has failed at one control and proved the other, each with its own time and limit."""
    fleet = kit.make_fleet()
    warrant = fleet.warrant(fleet.step(**LADDER))
    done = read_drill(lines_of(fleet, warrant, _escalated(warrant, _climbed())))
    assert done is not None
    pause, shutdown = done.exercises["beta"]
    assert (pause.control, pause.verdict, pause.climbed) == (Control.PAUSE, Verdict.REFUSED, True)
    assert (shutdown.control, shutdown.verdict, shutdown.climbed) == (Control.SHUTDOWN, Verdict.VERIFIED, False)
    assert (shutdown.response_upper_ns, shutdown.response_limit_ns) == (4 * S_NS, 8 * S_NS)
    assert shutdown.at_ns == pause.at_ns + S_NS
    assert [found.control for found in done.exercises["alpha"]] == [Control.PAUSE]


def test_a_journal_that_contradicts_its_warrant_is_refused() -> None:
    """A verdict for a rung, a step or a site that nobody approved, one twice or one missing, spoils the journal."""
    fleet = kit.make_fleet()
    warrant = fleet.warrant(fleet.step(**LADDER))
    right = _escalated(warrant, _climbed())
    again, elsewhere = right[3], ev.SiteJudged(step=0, site="gamma", result=judged())
    for events, what in (
        (_escalated(warrant, _climbed(Control.POWER_CUT)), "rungs that the warrant does not have"),
        ([*right[:4], again, right[4]], "a second time"),
        ([*right[:4], elsewhere, right[4]], "does not have"),
        ([*right[:4], ev.SiteJudged(step=1, site="beta", result=judged()), right[4]], "does not have"),
        ([*right[:3], right[4]], "1 verdicts are missing"),
        ([*right, right[0]], "after the drill's end"),
        ([ev.OrderIssued(step=4, envelope="{}"), *right], "no step 4"),
        ([*right[:4], ev.DrillClosed(passed=True, aborted=False)], "passed"),
        ([*right[:4], ev.DrillClosed(passed=False, aborted=True)], "aborted"),
    ):
        with pytest.raises(JournalError, match=what):
            read_drill(lines_of(fleet, warrant, events))


def test_a_warrant_that_too_few_approved_spoils_its_journal() -> None:
    """What was run without authority is no proof of anything."""
    fleet = kit.make_fleet()
    warrant = fleet.warrant(fleet.step(**LADDER))
    alone = fleet.approve(warrant, kit.APPROVERS[:1]).decode()

    def unapproved(event: ev.Event) -> ev.Event:
        of_warrant = isinstance(event, ev.DocumentHeld) and event.kind is ev.DocumentKind.WARRANT
        return event.model_copy(update={"envelope": alone}) if of_warrant else event

    right = _escalated(warrant, _climbed())
    assert read_drill(lines_of(fleet, warrant, right)) is not None
    with pytest.raises(JournalError, match="its own documents do not hold"):
        read_drill(lines_of(fleet, warrant, right, change=unapproved))
