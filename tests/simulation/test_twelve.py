"""Every control there is on twenty simulated sites, and the matrix that shows it."""

from __future__ import annotations

from orchestrator.core.coverage import Coverage, Standing
from orchestrator.core.matrix import build_coverage, roster_of
from orchestrator.coverage.drills import read_drill
from protocols.controls import (
    ArmedSite,
    CensusParams,
    Control,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from tests import kit
from tests.simulation.harness import Played, Simulation, names, step_of
from tests.virtual import run_virtual

ALL = (
    StandbyParams(),
    RefusalParams(),
    CensusParams(),
    SlowdownParams(),
    RunCapParams(limit=50.0),
    SelectivePauseParams(protected=("evals", "interpretability", "safety")),
    PauseParams(),
    LeaseParams(licence_s=2.0, renewed_s=2.0),
    IsolateParams(),
    ShutdownParams(grace_s=5.0),
    PowerCutParams(),
    DecommissionParams(phase="arm", armed_for_s=600.0),
)
ARMED, FIRED = len(ALL) - 1, 0


def fire_for(armed: Played) -> DecommissionParams:
    """Quote the nonce that each site's agent signed when it was armed."""
    signed = {site: result.receipts.armed for site, result in armed.results(ARMED).items()}
    return DecommissionParams(
        phase="fire", armed=tuple(ArmedSite(site=site, nonce=nonce) for site, nonce in signed.items() if nonce)
    )


def coverage(*played: Played) -> Coverage:
    """Compute the matrix from the drills' journals, an hour after the tests' beginning."""
    drills = [drill for one in played if (drill := read_drill(one.lines)) is not None]
    now_ns = kit.NOW_NS + 3_600_000_000_000
    return build_coverage(roster_of(drills), drills, now_ns=now_ns, max_age_ns=2 * 3_600_000_000_000)


def test_twelve_controls_on_twenty_sites() -> None:
    """One plan exercises every control on twenty sites and all pass, a second one fires, and coverage is full."""

    async def scene() -> None:
        async with Simulation(names(20)) as sites:
            tried = await sites.drill(sites.warrant(*(step_of(sites, params) for params in ALL)))
            assert tried.failed() == {}
            assert {result.control for result in tried.drill.results.values()} == set(Control)
            assert all(truth[-1].as_always for truth in sites.truth.values())
            assert not any(site.world.devices.destroyed for site in sites.sites.values())

            fire = step_of(sites, fire_for(tried))
            fired = await sites.drill(sites.warrant(fire))
            assert fired.failed() == {}
            assert len(fired.results(FIRED)) == len(sites.sites)
            assert all(site.world.devices.count == 0 for site in sites.sites.values())

            for played in (tried, fired):
                assert played.drill.passed
                assert played.report.findings == ()
                assert played.report.verified

            matrix = coverage(tried, fired)
            assert matrix.complete
            assert matrix.controls == tuple(Control)
            assert len(matrix.rows) == len(sites.sites)
            assert matrix.total(Standing.FRESH) == len(sites.sites) * len(Control)
            destroyed = [row.cell(Control.DECOMMISSION) for row in matrix.rows]
            assert {(cell.last.phase, cell.exercises) for cell in destroyed if cell and cell.last} == {("fire", 2)}

    run_virtual(scene())


def test_an_arming_expires_harmlessly_and_arming_again_is_not_enough() -> None:
    """What was armed too long ago, or again since, is not fired, and says why; all of it goes on working."""

    async def scene() -> None:
        async with Simulation(names(2)) as sites:
            arm = step_of(sites, DecommissionParams(phase="arm", armed_for_s=30.0))
            armed = await sites.drill(sites.warrant(arm))
            assert armed.failed() == {}
            signed = {site: result.receipts.armed for site, result in armed.results().items()}
            fire = DecommissionParams(
                phase="fire", armed=tuple(ArmedSite(site=site, nonce=nonce or "") for site, nonce in signed.items())
            )
            await sites.clock.sleep(30)
            fired = await sites.drill(sites.warrant(step_of(sites, fire)))
            assert {str(result.receipts.refused) for result in fired.results().values()} == {"not_armed"}
            again = await sites.drill(sites.warrant(arm))
            assert again.failed() == {}
            stale = await sites.drill(sites.warrant(step_of(sites, fire)))
            assert {str(result.receipts.refused) for result in stale.results().values()} == {"not_armed"}
            assert fired.report.verified
            assert stale.report.verified
            assert all(truth[-1].as_always for truth in sites.truth.values())
            assert not any(site.world.devices.destroyed for site in sites.sites.values())

    run_virtual(scene())
