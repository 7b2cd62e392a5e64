"""A person's path: init, approve twice, run, over both brokers; and everything that can be wrong on it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

import pytest

from orchestrator.fleet.approve import warrant_path
from orchestrator.journal.sqlite import SqliteJournal
from tests.brokers import free_port
from tests.e2e.disks import small_disk
from tests.e2e.fleets import HOLD_S, OwnFleet, running_fleet
from tests.e2e.processes import Ended, Processes, until

BOUND_S = 3.0
"""How much later than its hold's end a site may be back, on a machine that does everything at once."""


@pytest.fixture(scope="module", params=["embedded", "mosquitto"])
def everybody(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnFleet]:
    """A fleet of two sites whose agents and witnesses run."""
    with running_fleet(tmp_path_factory.mktemp(f"run-{request.param}"), request.param) as fleet:
        until(fleet.all_work, "every site at work")
        yield fleet


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnFleet]:
    """A fleet of which nothing runs, and whose broker is somebody else's and not there."""
    folder = tmp_path_factory.mktemp("nobody")
    port = free_port()
    with Processes(folder) as processes:
        fleet = OwnFleet(folder, processes, port=port, sites=1)
        fleet.use_broker(port, port)
        yield fleet


def nothing_begun(fleet: OwnFleet) -> None:
    """Fail if a run that could not begin left anything behind."""
    assert fleet.drills() == []
    assert not [path for path in (fleet.layout.folder / "drills").glob("*") if path.is_dir()]


def refused(ended: Ended, code: int, *words: str) -> str:
    """Hold a command to one line of error with these words in it, and to its exit code."""
    line = ended.expect(code).one_error()
    for word in words:
        assert word in line, line
    return line


def a_drill(fleet: OwnFleet) -> str:
    """Return a drill that is in the fleet's journal, whole; run one if there is none yet."""
    if not (closed := [entry for entry in fleet.drills() if entry["closed"]]):
        fleet.processes.run("run", fleet.approved_plan("any")).expect(0)
        closed = fleet.drills()
    return str(closed[0]["drill"])


# -- what goes well ----------------------------------------------------------------------------------


def test_a_fleet_of_ones_own_is_made_approved_and_drilled(everybody: OwnFleet) -> None:
    """Init, two approvals and a run end with exit code 0, every site verified, and evidence that verifies."""
    plan = everybody.approved_plan("whole")
    ended = everybody.processes.run("run", plan, "--json").expect(0)
    result = ended.json()
    assert result["passed"]
    (step,) = result["steps"]
    assert {site["site"]: site["result"]["verdict"] for site in step["sites"]} == dict.fromkeys(
        everybody.sites, "verified"
    )
    drill = everybody.layout.folder / "drills" / result["drill"]
    assert (drill / "report.html").stat().st_size > 0
    assert {"drill": result["drill"], "closed": True}.items() <= everybody.drills()[-1].items()
    everybody.processes.run("verify", drill / "bundle.jsonl", "--root", everybody.layout.documents.root).expect(0)
    assert everybody.all_work()


def test_a_killed_orchestrator_leaves_no_site_held(everybody: OwnFleet) -> None:
    """When `haltdrill run` is killed in the hold, every site is back at its hold's end by itself."""
    running = everybody.processes.start("run", everybody.approved_plan("killed"))
    everybody.until_held(running)
    held_s = time.monotonic()
    running.kill()
    assert everybody.all_still(), "the sites are held on without the orchestrator"
    until(everybody.all_work, "every site at work", HOLD_S + BOUND_S)
    assert time.monotonic() < held_s + HOLD_S + BOUND_S


@pytest.mark.parametrize("everybody", ["mosquitto"], indirect=True)
def test_a_journal_whose_disk_fills_up_in_the_hold_ends_the_run_in_one_line(everybody: OwnFleet) -> None:
    """A full disk under the journal ends the run in one line; sites come back, and `resume` finishes it."""
    layout = everybody.layout
    with (
        small_disk(layout.folder / "journal-disk") as disk,
        everybody.configured('journal = "journal.sqlite"', f'journal = "{disk.folder.name}/journal.sqlite"'),
    ):
        running = everybody.processes.start("run", everybody.approved_plan("full-journal"))
        everybody.until_held(running)
        disk.fill(running)
        refused(running.end(), 3, f"{disk.folder.name}/journal.sqlite", "disk")
        until(everybody.all_work, "every site at work", HOLD_S + BOUND_S)
        disk.free()
        (left,) = everybody.drills()
        assert not left["closed"]
        ended = everybody.processes.run("resume", "--fleet", layout.folder, "--json")
        assert ended.code in {0, 1}, ended.said
        result = ended.json()
        assert {site["site"] for step in result["steps"] for site in step["sites"]} == set(everybody.sites)
        assert everybody.drills()[0]["closed"]
        bundle = layout.folder / "drills" / str(left["drill"]) / "bundle.jsonl"
        everybody.processes.run("verify", bundle, "--root", layout.documents.root).expect(0)


@pytest.mark.parametrize("everybody", ["mosquitto"], indirect=True)
def test_a_disk_that_is_full_of_logs_costs_no_drill(everybody: OwnFleet) -> None:
    """Where neither log, report nor bundle can be written the drill still ends well, and is exported later."""
    layout = everybody.layout
    with (
        small_disk(layout.folder / "drills-disk") as disk,
        everybody.configured('drills = "drills"', f'drills = "{disk.folder.name}"'),
    ):
        before = len(everybody.drills())
        running = everybody.processes.start("run", everybody.approved_plan("full-drills"))
        everybody.until_held(running)
        disk.fill(running)
        refused(running.end(), 3, disk.folder.name, "haltdrill export")
        assert everybody.all_work()
        disk.free()
        *_, left = everybody.drills()
        assert len(everybody.drills()) == before + 1
        assert left["closed"]
        drill = str(left["drill"])
        assert everybody.processes.run("export", drill, "--fleet", layout.folder, "--json").expect(0).json()["passed"]
        bundle = disk.folder / drill / "bundle.jsonl"
        everybody.processes.run("verify", bundle, "--root", layout.documents.root).expect(0)


@pytest.mark.parametrize("everybody", ["mosquitto"], indirect=True)
def test_a_changed_record_of_the_journal_is_named(everybody: OwnFleet) -> None:
    """A record that was changed in the journal is found by its chain, and no report is made of it."""
    drill = a_drill(everybody)
    damaged = everybody.layout.folder / "damaged.sqlite"
    with sqlite3.connect(everybody.layout.folder / "journal.sqlite") as source, sqlite3.connect(damaged) as copy:
        source.backup(copy)
        changed = copy.execute(
            "UPDATE records SET line = CAST(replace(CAST(line AS TEXT), 'order.issued', 'order.Issued') AS BLOB)"
        )
        assert changed.rowcount > 0
    source.close()
    copy.close()
    with everybody.configured('journal = "journal.sqlite"', f'journal = "{damaged.name}"'):
        ended = everybody.processes.run("report", drill, "--fleet", everybody.layout.folder, "--format", "json")
        refused(ended, 3, "record")
        assert not ended.out


# -- what is not there or not right --------------------------------------------------------------------


def test_a_run_without_a_warrant_says_how_to_get_one(nobody: OwnFleet) -> None:
    """A plan that nobody approved is not run, and the message names the next command."""
    plan = nobody.plan("unapproved")
    refused(nobody.processes.run("run", plan), 2, str(warrant_path(plan)), "haltdrill approve")
    nothing_begun(nobody)


def test_a_run_with_one_approval_is_refused_until_the_window_is_over_too(nobody: OwnFleet) -> None:
    """A warrant that is one owner short starts nothing, and neither does a whole one whose window is over."""
    ends_s = time.monotonic() + 15.0
    plan = nobody.plan("short", window_s=15.0)
    nobody.approve(plan, "operations").expect(0)
    refused(nobody.processes.run("run", plan), 2, "approved by 1 of the 2", "another owner")
    nobody.approve(plan, "regulator").expect(0)
    until(lambda: time.monotonic() > ends_s, "the end of the window")
    refused(nobody.processes.run("run", plan), 2, "window.not_after", "is over already")
    nothing_begun(nobody)


def test_an_approved_plan_may_not_be_changed_nor_run_without_broker_or_key(nobody: OwnFleet) -> None:
    """A changed plan, a key that others can read and a broker that is not there each end a run in one line."""
    plan = nobody.approved_plan("good")
    nobody.edit(plan, "response_limit_s: 3", "response_limit_s: 2")
    refused(nobody.processes.run("run", plan), 2, "another plan", "steps")
    nobody.edit(plan, "response_limit_s: 2", "response_limit_s: 3")
    key = nobody.layout.dispatcher_key
    key.chmod(0o644)
    refused(nobody.processes.run("run", plan), 2, str(key), "chmod")
    key.chmod(0o600)
    refused(nobody.processes.run("run", plan), 3, "127.0.0.1:", "broker")
    nothing_begun(nobody)


def test_a_full_disk_is_noticed_before_anything_is_ordered(nobody: OwnFleet) -> None:
    """A journal that cannot be made on its disk ends the run with exit code 3 and its path."""
    plan = nobody.approved_plan("no-space")
    with (
        small_disk(nobody.layout.folder / "disk") as disk,
        nobody.configured('journal = "journal.sqlite"', f'journal = "{disk.folder.name}/journal.sqlite"'),
    ):
        if not disk.mounted:
            pytest.skip("only root can mount a small disk")
        disk.fill(None)
        refused(nobody.processes.run("run", plan), 3, f"{disk.folder.name}/journal.sqlite", "disk")
        disk.free()
        assert nobody.drills() == []


def test_a_damaged_journal_is_named_and_left_as_it_is(nobody: OwnFleet) -> None:
    """A journal with flipped bytes gives one clear line with its path, and is neither touched nor replaced."""
    with nobody.configured('journal = "journal.sqlite"', 'journal = "damaged.sqlite"'):
        path = nobody.layout.folder / "damaged.sqlite"
        SqliteJournal(path).close()
        assert nobody.drills() == []
        whole = path.read_bytes()
        for place in (0, 60, 100):  # the file's magic, its schema version, the first page of its tables
            content = bytearray(whole)
            content[place] ^= 0xFF
            path.write_bytes(content)
            refused(nobody.processes.run("drills", "--fleet", nobody.layout.folder), 3, str(path))
            assert path.read_bytes() == content
