"""What is written of a drill is enough to put its result together, whatever happened in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from orchestrator.core.drill import Drill
from orchestrator.core.grades import Verdict
from orchestrator.core.states import Phase
from orchestrator.evidence.fold import fold_journal
from orchestrator.journal.chain import ChainReader, stamped_of
from orchestrator.logbook import lines as ln
from orchestrator.logbook.reader import LogFile
from orchestrator.logbook.standing import Standing
from orchestrator.logbook.telling import WARNED_MAX, Teller
from orchestrator.logbook.views import DrillView, LogView
from orchestrator.logbook.writer import CHANGES_MAX, logbook
from orchestrator.runtime.loop import Runtime
from protocols.controls import Control, LeaseParams, Params, PauseParams, RefusalParams
from protocols.host.logs import close, configure, get_logger
from protocols.logged import Level
from tests.kit import make_fleet
from tests.logs import Scenario, simulate, write_log
from tests.orchestrator.evidence.scenes import Ladder, Lease, Refusal
from tests.orchestrator.logbook.written import drill_of, result_of, run_written
from tests.orchestrator.recorder import Recorded, Recorder, Script, record_drill
from tests.orchestrator.runtime.lives import FragileJournal, Lives
from tests.orchestrator.runtime.scripted import Script as Acted
from tests.orchestrator.runtime.scripted import Stage
from tests.orchestrator.runtime.test_resuming import short
from tests.virtual import run_virtual

SCRIPTS = {
    "good": Script(),
    "lying": Script(lying="beta"),
    "refusing": Script(refusing="beta"),
    "silent": Script(silent="beta"),
    "idle": Script(idle="beta"),
    "slow": Script(slow="beta"),
    "deaf": Script(deaf=frozenset({("beta", "w1")})),
    "aborted": Script(abort_at_s=0.3, steps=3),
    "restarted": Script(restart=True),
    "rejecting": Script(reject=WARNED_MAX + 5),
    "of three steps": Script(steps=3, sites=("alpha", "beta", "gamma")),
}
SCENES: dict[str, type[Recorder]] = {"ladder": Ladder, "lease": Lease, "refusal": Refusal}


def recorded_of(name: str) -> Recorded:
    """Return a recorded drill by its name in the two tables."""
    return record_drill(SCRIPTS[name]) if name in SCRIPTS else SCENES[name](Script()).record()


def told(recorded: Recorded, *, restating: bool) -> list[ln.AnyDrillLine]:
    """Return the lines of a recorded drill: as they were written while it ran, or again after its end."""
    ended = fold_journal(recorded.records).drill
    drill = ended if restating else Drill(ended.trust, ended.warrant)
    teller = Teller(drill, restating=restating)
    reader, lines = ChainReader(recorded.drill), []
    for record in recorded.records:
        stamped = stamped_of(reader.read(record))
        if not restating:
            drill.apply(stamped)
        lines += teller.tell(stamped)
    return lines


def seen(lines: Iterable[ln.AnyDrillLine]) -> DrillView:
    """Return the one drill that lines are about."""
    view = LogView()
    view.take_all(lines)
    assert view.newest is not None
    assert view.strays == 0
    return view.newest


@pytest.mark.parametrize("restating", [False, True], ids=["told", "restated"])
@pytest.mark.parametrize("name", [*SCRIPTS, *SCENES])
def test_lines_rebuild_the_result_of_a_recorded_drill(name: str, restating: bool) -> None:
    """Every way in which drills of the tests end can be read from the log, byte for byte as in `result.json`."""
    recorded = recorded_of(name)
    drill = seen(told(recorded, restating=restating))
    assert drill.result().encode() == recorded.result.encode()
    assert (drill.phase, drill.rejected) == (Phase.CLOSED, recorded.result.totals.rejected)


def test_a_flood_of_rejections_is_told_in_part() -> None:
    """The first of them are warnings, all others only debug, and the last warning says so."""
    lines = [line for line in told(recorded_of("rejecting"), restating=False) if isinstance(line, ln.Rejected)]
    assert Counter(line.level for line in lines) == {Level.WARNING: WARNED_MAX, Level.DEBUG: 5}
    assert "only at debug level" in lines[WARNED_MAX - 1].message


MANY = tuple(f"site-{number:04d}" for number in range(200))
"""`test_views` does the same with a thousand sites, from lines that no runtime wrote: this one signs every reading."""
FAULTY = {
    "site-0001": Acted(lies=True),
    "site-0020": Acted(refuses=True),
    "site-0040": Acted(silent=True),
    "site-0060": Acted(stays_down=True),
    "site-0080": Acted(resumes_after_s=6.0),
    "site-0100": Acted(delay_s=6.0),
    "site-0120": Acted(idle=True),
    "site-0140": Acted(no_closing=frozenset({"w1"})),
}
LOUD = {
    "site-0001": Verdict.CONTRADICTED,
    "site-0020": Verdict.REFUSED,
    "site-0060": Verdict.NOT_RESTORED,
    "site-0080": Verdict.BROKEN,
}


def test_a_log_rebuilds_the_result_of_a_large_fleet(tmp_path: Path) -> None:
    """The log of a whole drill, as the real runtime wrote it, gives the very bytes of its `result.json`.

    Of its sites eight go wrong, each in its way. Who reads from warning up sees every one of them
    and no other, and at info a fleet's drill is read in a minute, however large it is.
    """
    stage = Stage(make_fleet(MANY, witnesses=1), FAULTY)
    limits = {"response_limit_s": 5.0, "dwell_s": 4.0, "max_gap_s": 4.0, "restore_limit_s": 5.0}
    warrant = stage.fleet.warrant(stage.fleet.step(hold_s=12.0, quorum=1, **limits), challenge_s=2.0)
    large = run_written(stage, warrant, tmp_path / "haltdrill.log")
    drill = drill_of(large.path)
    assert drill.result().encode() == large.result.encode()
    found = {name: drill.sites[name].standing for name in FAULTY}
    assert {name: Verdict(found[name].value) for name in LOUD} == LOUD
    assert drill.counts[Standing.VERIFIED] == len(MANY) - len(FAULTY)
    assert next(site.site for site in drill.problems()) == "site-0001"
    loud = [line for line in large.lines if line["log.level"] in {"warning", "error"}]
    assert {line["site"] for line in loud if line["event.action"] == "site.judged"} == FAULTY.keys()
    assert {line["site"] for line in loud if "site" in line} == FAULTY.keys()
    assert sum(line["log.level"] != "debug" for line in large.lines) < 60


def test_ten_thousand_sites_do_not_bury_their_reader(tmp_path: Path) -> None:
    """With one site in a thousand in trouble, all that is told above debug is some dozens of lines."""
    lines = simulate(Scenario(sites=10_000, faults=0.001))
    assert write_log(tmp_path / "log", lines, level=Level.INFO) < 100


CRASHES: dict[str, tuple[Params, Sequence[int], int]] = {
    "in preflight": (PauseParams(), (4,), 5),
    "in the hold": (PauseParams(), (14,), 12),
    "in the hold, with its lines whole": (PauseParams(), (14,), 0),
    "in the second step": (LeaseParams(licence_s=1.0, renewed_s=1.0), (45,), 30),
    "with nothing left of the log": (RefusalParams(), (30,), 1_000_000),
    "three times": (PauseParams(), (10, 25, 50), 9),
}


@pytest.mark.made_up_events
@pytest.mark.parametrize(("first", "at", "lost"), CRASHES.values(), ids=CRASHES)
def test_a_log_whose_end_a_crash_took_is_made_whole_again(
    tmp_path: Path, first: Params, at: Sequence[int], lost: int
) -> None:
    """After a resume the log rebuilds the result again, also if the crash took its last lines, or all."""
    path = tmp_path / "haltdrill.log"
    fleet = make_fleet(("alpha", "beta"), record={"controls": tuple(Control)})
    store = FragileJournal(at)
    lives, lived = Lives(fleet, store), 0

    def watched(runtime: Runtime) -> None:
        nonlocal lived
        if lived and path.exists():
            kept = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join(kept[: max(0, len(kept) - lost)]) + b'{"@timestamp": "20')
        close()
        configure("orchestrator", path=path, level="debug", json=True)
        if lived:
            path.write_bytes(path.read_bytes() + b"\n")  # as a log does that finds its last line torn
        lived += 1
        logbook(get_logger(), store)(runtime)

    lives.watched = watched
    try:
        played = run_virtual(lives.play(short(fleet, first)), idle_cycles=0)
    finally:
        close()
    assert played.resumes == len(at)
    file, view = LogFile(path), LogView()
    view.take_all(line for lines in file.read_all() for line in lines)
    drill = view.newest
    assert drill is not None
    assert file.foreign.wrong == len(at)
    assert drill.result().encode() == result_of(store.kept).encode()
    assert (drill.resumed, drill.epoch, drill.phase) == (len(at), len(at) + 1, Phase.CLOSED)


def test_a_drill_that_is_aborted_before_its_order_shows_nobody_coming_back(tmp_path: Path) -> None:
    """Sites that were never ordered have nothing to come back from, and no view may say so."""

    async def abort(stage: Stage) -> None:
        await stage.clock.sleep(2.0)
        stage.running.abort("before anything was ordered")

    stage = Stage(make_fleet(("alpha", "beta")))
    written = run_written(
        stage, stage.fleet.warrant(stage.fleet.step(dwell_s=4.0), challenge_s=1.0), tmp_path / "log", meanwhile=abort
    )
    drill = drill_of(written.path)
    assert drill.result().encode() == written.result.encode()
    assert (drill.result().aborted, drill.steps[0].ordered) == (True, None)
    stood = {change.standing for site in drill.sites.values() for change in site.history}
    assert stood <= {Standing.AT_WORK, Standing.UNPROVEN}


def test_a_site_that_flaps_is_told_of_at_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A witness that comes and goes for a day does not fill the log, and what is loud is told at once all the same."""
    stage = Stage(make_fleet(("alpha",)))
    path = tmp_path / "log"
    words = [Standing.ACCEPTED, Standing.ORDERED] * (2 * CHANGES_MAX)
    asked = 0

    def flapping(*_given: object) -> Standing:
        nonlocal asked
        asked += 1
        return Standing.CONTRADICTED if asked == len(words) else words[asked % len(words)]

    monkeypatch.setattr("orchestrator.logbook.writer.standing", flapping)
    written = run_written(stage, stage.fleet.warrant(hold_s=40.0), path)
    changes = [line for line in written.lines if line["event.action"] == "site.changed"]
    assert asked > len(words)
    assert CHANGES_MAX <= len(changes) < CHANGES_MAX + 10
    assert "changes so often" in changes[CHANGES_MAX - 1]["message"]
    assert "contradicted" in {line["standing"] for line in changes}
