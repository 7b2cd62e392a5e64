"""Abort, lever and revocation in real drills: each site witnessed back, with the orchestrator alive or dead."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import free_port
from tests.e2e.fleets import DEFAULT_OWNERS, OwnFleet, external_broker, running_fleet
from tests.e2e.processes import Ended, Processes, Running, until

STOPPED_HOLD_S = 45.0
"""Longer than any test waits: what ends these holds is the stop."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnFleet]:
    """A fleet of two sites over a mosquitto that outlives the orchestrator."""
    with running_fleet(tmp_path_factory.mktemp("lever"), "mosquitto") as made:
        until(made.all_work, "every site at work")
        yield made


def key(fleet: OwnFleet, number: int = 0) -> tuple[str, str]:
    """Return the option with an approver's key."""
    return ("--key", str(fleet.layout.approver_key(DEFAULT_OWNERS[number])))


def held(fleet: OwnFleet, name: str) -> tuple[Path, Running]:
    """Run a drill until it holds every site."""
    plan = fleet.approved_plan(name, hold_s=STOPPED_HOLD_S)
    running = fleet.processes.start("run", plan)
    fleet.until_held(running)
    return plan, running


def stop(fleet: OwnFleet, *command: str) -> dict[str, Any]:
    """Send a stop, and return what it proved: every site of the one drill was witnessed back."""
    began_s = time.monotonic()
    ended = fleet.processes.run(*command, "--fleet", str(fleet.layout.folder), "--json").expect(0)
    (drill,) = ended.json()["drills"]
    assert drill["proved"]
    assert {site["site"] for site in drill["sites"]} == set(fleet.sites)
    assert all(site["seen_back_after_ns"] for site in drill["sites"])
    assert fleet.all_work()
    last_s = max(site["seen_back_after_ns"][1] for site in drill["sites"]) / 1e9
    took_s = time.monotonic() - began_s
    print(f"{command[0]}: all witnessed back {last_s:.2f} s after the stop; the command took {took_s:.1f} s")
    return ended.json()


def refused(fleet: OwnFleet, plan: Path, words: str) -> None:
    """Hold a run to being refused in one line, before anybody was ordered anything."""
    before = fleet.drills()
    assert words in fleet.processes.run("run", plan).expect(2).one_error()
    assert fleet.drills() == before


def test_an_abort_is_proved_at_the_sites(fleet: OwnFleet) -> None:
    """With the orchestrator alive the command says when witnesses saw each site back, and the drill ends aborted."""
    _, running = held(fleet, "aborted")
    stop(fleet, "abort", "--reason", "a test")
    assert "Aborted: a test" in running.end().expect(1).said


def test_the_lever_works_with_the_orchestrator_dead_and_blocks_every_start(fleet: OwnFleet) -> None:
    """Killed in the hold: sites check the lever themselves, the command sees them back, and nothing starts any more."""
    plan, running = held(fleet, "levered")
    running.kill()
    engaged = stop(fleet, "lever", "engage", "--reason", "smoke in hall 2", *key(fleet))
    refused(fleet, plan, "the safety lever is engaged: smoke in hall 2")
    status = fleet.processes.run("lever", "status", "--fleet", fleet.layout.folder).expect(1)
    assert engaged["digest"][:12] in status.out
    lift = ("lever", "disengage", engaged["digest"][:12], "--fleet", str(fleet.layout.folder))
    assert "owners" in fleet.processes.run(*lift, *key(fleet)).expect(2).one_error()
    refused(fleet, plan, "the safety lever is engaged")
    fleet.processes.run(*lift, *key(fleet), *key(fleet, 1), *key(fleet, 2)).expect(0)
    fleet.processes.run("lever", "status", "--fleet", fleet.layout.folder).expect(0)
    again: Ended = fleet.processes.run("run", fleet.approved_plan("after"))
    assert "verified" in again.expect(0).said


def test_an_old_disengage_never_lifts_a_new_engagement(fleet: OwnFleet) -> None:
    """Each engagement is lifted by what quotes it, however often an older disengage is sent again."""
    folder = str(fleet.layout.folder)
    engage = ("lever", "engage", "--reason", "first", *key(fleet), "--fleet", folder, "--json")
    first = fleet.processes.run(*engage).expect(0).json()["digest"]
    keys = (*key(fleet), *key(fleet, 1), *key(fleet, 2))
    fleet.processes.run("lever", "disengage", first, *keys, "--fleet", folder).expect(0)
    second = fleet.processes.run(*engage).expect(0).json()["digest"]
    lifted = fleet.processes.run("lever", "disengage", first, *keys, "--fleet", folder).expect(2)
    assert "no such engagement" in lifted.one_error()
    status = fleet.processes.run("lever", "status", "--fleet", folder, "--json").json()
    assert [entry["engagement"] for entry in status["engaged"]] == [second]
    fleet.processes.run("lever", "disengage", second, *keys, "--fleet", folder).expect(0)


def test_a_revocation_ends_the_drill_and_its_warrant_for_good(fleet: OwnFleet) -> None:
    """Any single approver ends what was approved: sites are seen back, and that warrant is never run again."""
    plan, running = held(fleet, "revoked")
    stop(fleet, "revoke", str(plan), "--reason", "wrong hold", *key(fleet, 2))
    assert "Aborted: its warrant was revoked: wrong hold" in running.end().expect(1).said
    refused(fleet, plan, "it was revoked: wrong hold")
    shown = fleet.processes.run("warrants", "--fleet", fleet.layout.folder, "--json").expect(0).json()["warrants"]
    assert next(entry for entry in shown if entry["plan"] == "revoked")["revoked"] == "wrong hold"


def test_orders_need_the_timekeepers_word(tmp_path: Path) -> None:
    """Where the policy asks for it nothing runs without a timekeeper, and what it heard as revoked is refused."""
    port = free_port()
    with Processes(tmp_path) as processes, external_broker() as broker:
        fleet = OwnFleet(tmp_path, processes, port=port, sites=1, more=("--timekeeper",))
        fleet.use_broker(port, broker.port)
        config = fleet.layout.timekeeper / "timekeeper.toml"
        fleet.edit(config, f"port = {port}", f"port = {broker.port}")
        fleet.edit(config, "every_s = 5.0", "every_s = 0.5")
        fleet.start_parties()
        until(fleet.all_work, "every site at work")
        plan = fleet.approved_plan("kept")
        line = processes.run("run", plan, "--wait-s", "1").expect(2).one_error()
        assert "haltdrill timekeeper" in line
        keeper = processes.start("timekeeper", "--config", config)
        assert "verified" in processes.run("run", plan).expect(0).said
        folder = str(fleet.layout.folder)
        processes.run("revoke", str(plan), "--reason", "no more", *key(fleet), "--fleet", folder).expect(0)
        for file in fleet.layout.stops.glob("*.json"):
            file.unlink()  # an orchestrator that holds back what it knows
        assert "revoked" in processes.run("run", plan).expect(2).one_error()
        keeper.signal(signal.SIGTERM)
        keeper.end().expect(0)
