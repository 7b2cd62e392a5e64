"""The network between orchestrator and sites: cut, healed, slow. Namespaces and cable are the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import free_port
from tests.e2e.fleets import HOLD_S, OwnFleet
from tests.e2e.namespaces import BROKER_PORT, CENTRE, Cable, broker_at_the_centre, cable
from tests.e2e.processes import Processes, Running, until

BOUND_S = 3.0
"""How much later than its hold's end a site may be back, on a machine that does everything at once."""


@dataclass(frozen=True, slots=True)
class Apart:
    """An orchestrator and a fleet with only a cable between them.

    Attributes:
        cable: The cable.
        fleet: The fleet; its sites run at the far end.
        centre: What runs beside the broker.
    """

    cable: Cable
    fleet: OwnFleet
    centre: Processes

    def run(self, plan: Path) -> Running:
        """Start a drill."""
        return self.centre.start("run", plan, "--json")

    def result(self, running: Running) -> dict[str, Any]:
        """Return what a drill found; its evidence verifies, and its sites are at work."""
        ended = running.end()
        assert ended.code in {0, 1}, ended.said[-4000:]
        result = ended.json()
        bundle = self.fleet.layout.folder / "drills" / str(result["drill"]) / "bundle.jsonl"
        self.centre.run("verify", bundle, "--root", self.fleet.layout.documents.root).expect(0)
        until(self.fleet.all_work, "every site at work")
        return result

    def verdicts(self, running: Running) -> dict[str, str]:
        """Return each site's verdict."""
        (step,) = self.result(running)["steps"]
        return {site["site"]: site["result"]["verdict"] for site in step["sites"]}


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    """Two sites at the far end of a cable."""
    folder, far = tmp_path_factory.mktemp("centre"), tmp_path_factory.mktemp("far")
    with (
        cable() as laid,
        broker_at_the_centre(laid, folder),
        Processes(folder, laid.inside(laid.centre)) as centre,
        Processes(far, laid.inside(laid.sites)) as there,
    ):
        port = free_port()
        fleet = OwnFleet(far, there, port=port)
        fleet.use_broker(port, BROKER_PORT)
        for config in fleet.configs:
            fleet.edit(config, 'host = "127.0.0.1"', f'host = "{CENTRE}"')
        fleet.start_parties()
        until(fleet.all_work, "every site at work")
        yield Apart(laid, fleet, centre)


def test_a_cut_that_heals_makes_no_verdict_false(apart: Apart) -> None:
    """Cut and healed within the hold: what was not seen is unproven at worst, and the drill ends as any other."""
    running = apart.run(apart.fleet.approved_plan("heals"))
    until(apart.fleet.all_still, "every site held")
    apart.cable.cut()
    until(apart.fleet.all_still, "every site held without us")
    apart.cable.heal()
    verdicts = apart.verdicts(running)
    assert set(verdicts) == set(apart.fleet.sites)
    assert set(verdicts.values()) <= {"verified", "late", "unproven"}


def test_sites_that_are_cut_off_come_back_by_themselves(apart: Apart) -> None:
    """Cut for the rest of the drill: each site ends its hold on time, and nothing is claimed that nobody saw."""
    running = apart.run(apart.fleet.approved_plan("cut-off"))
    until(apart.fleet.all_still, "every site held")
    apart.cable.cut()
    try:
        until(apart.fleet.all_work, "every site at work", HOLD_S + BOUND_S)
        ended = running.end()
        assert ended.code == 1, ended.said[-4000:]
        (step,) = ended.json()["steps"]
        assert "verified" not in {site["result"]["verdict"] for site in step["sites"]}
    finally:
        apart.cable.heal()
    apart.result(running)


def test_delay_and_loss_do_not_fail_an_honest_site(apart: Apart) -> None:
    """With 40 ms of delay and two packets of a hundred lost, honest sites are verified as ever."""
    if not apart.cable.slow_down(40, 10, 2.0):
        pytest.skip("this kernel has no netem (sch_netem), so delay and loss are not tried")
    assert set(apart.verdicts(apart.run(apart.fleet.approved_plan("slow"))).values()) == {"verified"}
