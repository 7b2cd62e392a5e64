"""A fleet of simulated sites as a person runs it, up to the decommissioning that takes two warrants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.spec import DEFAULT_OWNERS
from protocols.host.clock import SystemClock
from protocols.ids import format_utc, seconds_to_ns
from tests.brokers import free_port
from tests.e2e.processes import Processes

_ARM = """\
name: arm
title: Arm the mock sites
audience:
  sites: [{sites}]
window:
  not_before: {not_before}
  not_after: {not_after}
challenge_s: 0.2
uses: 1
min_between_uses_s: 0
max_total_held_s: 60
steps:
  - name: arm
    control: decommission
    phase: arm
    armed_for_s: 600
    response_limit_s: 4
    dwell_s: 1
    hold_s: 5.5
    restore_limit_s: 8
    quorum: 2
    max_gap_s: 1
"""


class MockFleet:
    """A fleet of simulated sites, and the commands on it."""

    def __init__(self, folder: Path, processes: Processes, sites: int) -> None:
        self.processes = processes
        self.layout = FleetLayout(folder / "fleet")
        made = processes.run("init", self.layout.folder, "--mock", str(sites), "--port", str(free_port()), "--json")
        self.sites: list[str] = made.expect(0).json()["sites"]

    def arming_plan(self) -> Path:
        """Write a short plan that arms every site."""
        now_ns = SystemClock().wall_ns()
        path = self.layout.plans / "arm.yaml"
        path.write_text(
            _ARM.format(
                sites=", ".join(self.sites),
                not_before=format_utc(now_ns - seconds_to_ns(60)),
                not_after=format_utc(now_ns + seconds_to_ns(3600)),
            )
        )
        return path

    def run(self, plan: Path, code: int = 0) -> dict[str, object]:
        """Have every owner approve a plan, run it, and return its result."""
        for owner in DEFAULT_OWNERS:
            self.processes.run("approve", plan, "--key", self.layout.approver_key(owner), "--yes").expect(0)
        return self.processes.run("run", plan, "--wait-s", "30", "--json", limit_s=120.0).expect(code).json()

    def verify(self, result: dict[str, object]) -> None:
        """Verify the evidence of a drill with the root alone."""
        bundle = self.layout.folder / "drills" / str(result["drill"]) / "bundle.jsonl"
        self.processes.run("verify", bundle, "--root", self.layout.documents.root).expect(0)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[MockFleet]:
    """Two simulated sites, not running yet."""
    with Processes(tmp_path) as processes:
        yield MockFleet(tmp_path, processes, sites=2)


def test_every_part_of_a_simulated_fleet_starts_from_what_init_wrote(fleet: MockFleet) -> None:
    """Each site with its parties, and each enforcer as a program of its own, finds its files in order."""
    layout, processes = fleet.layout, fleet.processes
    checked = processes.run("mocksite", "--sites", layout.sites, "--check").expect(0)
    for site in fleet.sites:
        assert f"simulated site {site}: configuration, documents and keys are in order" in checked.out
        for config in layout.site(site).folder.glob("enforcer-*/enforcer.toml"):
            processes.run("enforcer", "--config", config, "--check").expect(0)
    for plan in layout.plans.glob("*.yaml"):
        processes.run("plan", "check", plan).expect(0)


def test_a_decommissioning_takes_two_warrants_and_nobody_copies_a_nonce(fleet: MockFleet) -> None:
    """Armed under one warrant, and fired under another that `plan fire` wrote and people approved afterwards."""
    processes, layout = fleet.processes, fleet.layout
    processes.start("mocksite", "--sites", layout.sites, "--log", layout.folder / "mocksite.log")
    armed = fleet.run(fleet.arming_plan())
    assert armed["passed"]
    fleet.verify(armed)
    written = processes.run("plan", "fire", str(armed["drill"]), "--fleet", layout.folder, "--json").expect(0).json()
    assert written["sites"] == sorted(fleet.sites)
    again = processes.run("plan", "fire", str(armed["drill"]), "--fleet", layout.folder)
    assert "nothing is ever overwritten" in again.expect(2).one_error()
    plan = Path(written["plan"])
    assert "THIS CANNOT BE UNDONE" in processes.run("plan", "explain", plan).expect(0).out
    fired = fleet.run(plan)
    assert fired["passed"]
    fleet.verify(fired)
    nothing = processes.run("plan", "fire", str(fired["drill"]), "--fleet", layout.folder, "--out", layout.plans / "x")
    assert "has no step that arms" in nothing.expect(2).one_error()
