"""Drills that a service runs side by side: each with a connection of its own, one journal for all."""

from __future__ import annotations

import asyncio

from orchestrator.core.grades import Verdict
from orchestrator.core.states import Phase
from orchestrator.evidence.bundle import encode_bundle, result_of
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.service.drilling import Running, conduct
from protocols.messages.orders import NamedSites
from tests.kit import make_fleet
from tests.orchestrator.service.stage import SIGNER, ServiceStage
from tests.virtual import run_virtual


def test_two_drills_at_once_do_not_disturb_each_other() -> None:
    """Both pass, and the evidence of each verifies, though every message of one reached the other."""
    stage = ServiceStage(make_fleet(("alpha", "beta")))
    fleet = stage.fleet

    async def play() -> None:
        async with stage.sites_running():
            warrants = [
                fleet.approve(fleet.warrant(hold_s=8.0, plan=f"only-{site}", audience=NamedSites(sites=(site,))))
                for site in fleet.sites
            ]
            means = stage.means()
            drills = await asyncio.gather(*(conduct(means, Running(""), raw) for raw in warrants))
        assert [drill.phase for drill in drills] == [Phase.CLOSED] * 2
        for drill, site in zip(drills, fleet.sites, strict=True):
            lines = list(stage.store.lines(drill.drill))
            result = result_of(lines)
            bundle = encode_bundle(lines, result, SIGNER)
            assert verify_bundle(bundle, fleet=fleet.fleet, now_ns=fleet.now_ns).findings == ()
            (found,) = result.steps[0].sites
            assert (found.site, found.result.verdict) == (site, Verdict.VERIFIED)

    run_virtual(play(), idle_cycles=0)
