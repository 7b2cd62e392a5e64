"""Programs killed with SIGKILL in real drills: a short campaign, and the checks shown to find what they are for."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agents.store import FileDisk, Store
from orchestrator.journal.sqlite import SqliteJournal
from protocols.ids import format_utc
from tests.components import require
from tests.e2e.kill_checks import Journal, Stores, Times, broken_chain, count_observed, false_words
from tests.e2e.kill_plans import KINDS
from tests.e2e.killing import Killer, Toll
from tests.e2e.kills import campaign
from tests.e2e.processes import REPOSITORY, until
from tests.e2e.watching import EVERY_S, Watch, Work

KILLS = 7

_S = 1_000_000_000
_STEP_NS = round(EVERY_S * _S)
_ORDERED_NS = 1_000 * _S


def test_programs_killed_at_random_moments_cost_no_site_no_record_and_no_true_word(tmp_path: Path) -> None:
    """Seven SIGKILLs in a pause: sites back, journal and stores whole, evidence holds, verdicts true to the kernel."""
    require("mosquitto", package="mosquitto")
    seed = random.SystemRandom().randrange(2**32)
    toll, table = campaign(tmp_path, KILLS, seed, kinds=KINDS[:1], kills_a_drill=(KILLS,))
    print(f"seed {seed}\n{table}")
    assert not toll.violations, f"seed {seed}\n{table}"
    assert len(toll.killed_at) == KILLS
    assert toll.drills >= 1
    assert sum(toll.verdicts.values()) == 3 * toll.drills


# -- the checks find what they are for ---------------------------------------------------------------


def worked(*spans: tuple[float, float]) -> Work:
    """Return a site that was watched from 10 s before an order to 30 s after, and worked in these seconds after it."""
    work, done_ns = Work(), 0
    for step in range(round(-10 / EVERY_S), round(30 / EVERY_S)):
        at_s = step * EVERY_S
        done_ns += sum(_STEP_NS // 5 for since_s, until_s in spans if since_s <= at_s < until_s)
        work.at_ns.append(_ORDERED_NS + step * _STEP_NS)
        work.done_ns.append(done_ns)
    return work


HALTED = worked((-10, 0.4), (5.2, 30))
RUNNING = worked((-10, 30))


def result(verdict: str, control: str = "pause", **found: Any) -> dict[str, Any]:
    """Return the result of a drill of one step at one site."""
    said = {"verdict": verdict, "cause": None, "response_lower_ns": 300_000_000, "response_upper_ns": 600_000_000}
    step = {
        "params": {"control": control},
        "dwell_ns": _S,
        "hold_ns": 5 * _S,
        "restore_limit_ns": 10 * _S,
        "sites": [{"site": "here", "result": {**said, **found}}],
    }
    return {"drill": "d", "steps": [step]}


def complaints(said: dict[str, Any], work: Work) -> list[str]:
    """Return what the check of verdicts says of a drill that was released at 5 s and closed at 20 s."""
    times = Times(_ORDERED_NS, _ORDERED_NS + 5 * _S, _ORDERED_NS + 20 * _S, 1)
    return list(false_words(said, times, {"here": work}))


@pytest.mark.parametrize(
    ("said", "work"),
    [
        pytest.param(result("verified"), HALTED, id="verified"),
        pytest.param(result("verified", "lease", response_lower_ns=0), HALTED, id="lease"),
        pytest.param(result("unproven", response_upper_ns=None), RUNNING, id="unproven"),
        pytest.param(result("not_restored"), worked((-10, 0.4)), id="not-restored"),
    ],
)
def test_true_words_are_believed(said: dict[str, Any], work: Work) -> None:
    """A verdict that is as the site was is no violation."""
    assert complaints(said, work) == []


@pytest.mark.parametrize(
    ("said", "work", "words"),
    [
        pytest.param(result("verified"), RUNNING, "of CPU time", id="never-halted"),
        pytest.param(result("late"), worked((-10, 0.4), (3, 30)), "of CPU time", id="back-in-the-hold"),
        pytest.param(result("verified", "lease", response_lower_ns=0), RUNNING, "of CPU time", id="lease"),
        pytest.param(
            result("verified", response_lower_ns=2 * _S, response_upper_ns=3 * _S), HALTED, "lower bound", id="too-slow"
        ),
        pytest.param(result("contradicted"), HALTED, "quiet throughout", id="accused"),
        pytest.param(result("broken"), worked((-10, 0.4), (2, 30)), "worked in the hold", id="hold-not-kept"),
        pytest.param(result("not_restored"), HALTED, "was back", id="restored"),
    ],
)
def test_false_words_are_found(said: dict[str, Any], work: Work, words: str) -> None:
    """A verdict that the kernel's account of the site does not bear out is a violation."""
    (complaint,) = complaints(said, work)
    assert words in complaint


def test_only_what_somebody_looked_at_counts_as_held_against_the_kernel() -> None:
    """A verdict whose span nobody watched is not counted as checked."""
    times = Times(_ORDERED_NS, _ORDERED_NS + 5 * _S, _ORDERED_NS + 20 * _S, 1)
    assert count_observed(result("verified"), times, {"here": HALTED}) == 1
    assert count_observed(result("verified"), times, {"here": Work()}) == 0
    assert count_observed(result("unproven", response_upper_ns=None), times, {"here": HALTED}) == 0


def test_a_rest_is_seen_from_its_beginning_to_its_end() -> None:
    """What a site rested is known, whether the rest is over, lasts, or began before one asked."""
    ((began_ns, ended_ns),) = HALTED.rests(_ORDERED_NS - 5 * _S)
    assert began_ns == pytest.approx(_ORDERED_NS + 0.4 * _S, abs=2 * _STEP_NS)
    assert ended_ns == pytest.approx(_ORDERED_NS + 5.2 * _S, abs=2 * _STEP_NS)
    assert list(HALTED.rests(_ORDERED_NS + 2 * _S)) == [(began_ns, ended_ns)]
    assert list(HALTED.rests(_ORDERED_NS + 6 * _S)) == []
    ((_, ended_ns),) = worked((-10, 0.4)).rests(_ORDERED_NS)
    assert ended_ns == HALTED.at_ns[-1]


def chain(drill: str, count: int) -> list[bytes]:
    """Return some records that are chained as a journal's are."""
    lines, head = [], "0" * 64
    for seq in range(count):
        lines.append(json.dumps({"drill": drill, "seq": seq, "prev": head, "at": format_utc(_ORDERED_NS)}).encode())
        head = hashlib.sha256(lines[-1]).hexdigest()
    return lines


def test_a_broken_chain_is_found() -> None:
    """A record that was changed, left out or moved is named, and a whole chain is not."""
    lines = chain("d", 5)
    assert list(broken_chain("d", lines)) == []
    for damaged in (lines[1:], [*lines[:2], *lines[3:]], [lines[1], lines[0], *lines[2:]], chain("e", 5)):
        assert len(list(broken_chain("d", damaged))) == 1
    assert list(broken_chain("d", [lines[0].replace(b'"at"', b'"aT"'), *lines[1:]]))


def test_a_journal_that_lost_its_last_records_is_found(tmp_path: Path) -> None:
    """A journal that is shorter than it was is a violation, though its chain is whole."""
    path, drill = tmp_path / "journal.sqlite", "20261124t140501z-pause-all-3fa9c1"
    SqliteJournal(path).close()
    journal = Journal(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO drills (drill, warrant, use) VALUES (?, ?, 1)", (drill, "0" * 64))
        rows = [(drill, seq, line) for seq, line in enumerate(chain(drill, 5))]
        db.executemany("INSERT INTO records (drill, seq, line) VALUES (?, ?, ?)", rows)
        assert list(journal.losses()) == []
        db.execute("DELETE FROM records WHERE seq = 4")
        assert any("lost or changed records" in loss for loss in journal.losses())
        db.execute("DELETE FROM records")
        db.execute("DELETE FROM drills")
        assert any(f"lost drill {drill}" in loss for loss in journal.losses())


def test_a_store_that_lost_records_or_was_made_anew_is_found(tmp_path: Path) -> None:
    """A party's store may grow and have a torn last line; one that is shorter, or another, is a violation."""
    path, stores = tmp_path / "party" / "state" / "store.jsonl", Stores(tmp_path)
    path.parent.mkdir(parents=True)

    def look() -> list[str]:
        return list(stores.losses("agent", tmp_path / "party"))

    def grow(number: int, store_id: str = "0" * 32) -> None:
        with closing(Store.open(FileDisk(path), lambda _body, _slot: None, new_id=store_id)) as store:
            store.append(b'{"n":%d}' % number)

    grow(1)
    assert look() == []
    grow(2)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"prev":"torn')
    assert look() == []
    path.write_bytes(b"\n".join(whole.split(b"\n")[:-2]) + b"\n")
    assert any("lost records" in loss for loss in look())
    path.write_bytes(whole)
    assert look() == []
    path.unlink()
    grow(1, "1" * 32)
    assert any("another store" in loss for loss in look())


# -- the watch on the kernel -------------------------------------------------------------------------


def test_the_watch_sees_a_worker_at_work_stopped_doubled_and_gone(tmp_path: Path) -> None:
    """What the campaign is judged by is the kernel's own account of a site's workers, all of them."""

    def start(name: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "agents.worker", "--checkpoint", str(tmp_path / name)]
        return subprocess.Popen(argv, cwd=REPOSITORY, start_new_session=True)

    workers = [start("one")]
    try:
        with Watch([("here", tmp_path)]) as watch:
            until(lambda: watch.works("here", 0.5), "at work")
            until(lambda: watch.rate("here", 1.0) > 0.02, "its rate")
            assert watch.held("here") is None
            workers[0].send_signal(signal.SIGSTOP)
            until(lambda: watch.held("here") is not None, "seen to be stopped")
            until(lambda: not watch.works("here", 0.5), "seen to rest")
            stopped_ns = time.time_ns()
            workers.append(start("two"))
            until(lambda: watch.workers("here") == 2, "two workers seen")
            until(lambda: watch.work["here"].first_after(stopped_ns) is not None, "the second one's work seen")
            for worker in workers:
                worker.kill()
                worker.wait()
            until(lambda: watch.workers("here") == 0, "seen to be gone")
            assert watch.longest_gap_s > 0.0
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


class Mayfly:
    """A program that ends by itself."""

    kind = "mayfly"
    starts = 0
    runs = True

    def kill(self) -> None:
        self.runs = False

    def start(self) -> None:
        self.runs = True
        self.starts += 1


def test_what_is_killed_is_counted_and_started_again() -> None:
    """As many kills as were planned happen, each at a program that runs, and each is started again."""
    toll, mayfly = Toll(), Mayfly()
    killer = Killer([mayfly], toll, random.Random(1), lambda _party: None)
    with killer.at_work():
        killer.plan(1, 0.1)
        until(lambda: mayfly.starts == 1 and killer.quiet, "started again")
        killer.plan(3, 60.0)
        killer.forget()
        until(lambda: killer.quiet, "quiet")
    assert toll.kills == {"mayfly": 1}
    assert len(toll.killed_at) == 1
    assert killer.failure is None
