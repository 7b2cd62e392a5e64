"""The orchestrator is killed while sites are held; started again, it finishes the drill with evidence that holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleets import OwnFleet, running_fleet
from tests.e2e.processes import Ended, until


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnFleet]:
    """A fleet of two sites over a mosquitto that outlives the orchestrator."""
    with running_fleet(tmp_path_factory.mktemp("resume"), "mosquitto") as made:
        until(made.all_work, "every site at work")
        yield made


def killed_in_the_hold(fleet: OwnFleet, plan: Path, before: int) -> str:
    """Run a drill, kill it with SIGKILL while it holds every site, and return its name."""
    running = fleet.processes.start("run", plan)
    fleet.until_held(running)
    line = fleet.processes.run("resume", "--fleet", fleet.layout.folder).expect(3).one_error()
    assert "another haltdrill process is running a drill on this journal" in line
    running.kill()
    *_, last = listed = fleet.drills()
    assert (len(listed), last["state"]) == (before + 1, "unfinished")
    return str(last["drill"])


def finished(fleet: OwnFleet, ended: Ended, drill: str) -> None:
    """Hold a command to having finished a drill: verdicts, evidence that verifies, sites at work."""
    result = ended.json()
    assert result["drill"] == drill
    assert {site["site"] for step in result["steps"] for site in step["sites"]} == set(fleet.sites)
    until(fleet.all_work, "every site at work", 5.0)
    assert {entry["state"] for entry in fleet.drills()} == {"closed"}
    bundle = fleet.layout.folder / "drills" / drill / "bundle.jsonl"
    fleet.processes.run("verify", bundle, "--root", fleet.layout.documents.root).expect(0)


def test_a_killed_drill_is_resumed_and_by_the_next_run_finished(fleet: OwnFleet) -> None:
    """`resume` and the next `run` of its plan each finish what SIGKILL left, and then nothing is left."""
    plan = fleet.approved_plan("killed")
    drill = killed_in_the_hold(fleet, plan, 0)
    ended = fleet.processes.run("resume", "--fleet", fleet.layout.folder, "--json")
    assert ended.code in {0, 1}
    finished(fleet, ended, drill)
    again = killed_in_the_hold(fleet, plan, 1)
    ended = fleet.processes.run("run", plan, "--json")
    assert "unfinished" in ended.err
    finished(fleet, ended, again)
