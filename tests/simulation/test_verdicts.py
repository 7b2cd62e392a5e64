"""What each control's witnesses make of each fault: one honest site beside the faulty ones, in one drill."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from orchestrator.core.grades import Verdict
from protocols.controls import (
    ArmedSite,
    CensusParams,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.mock_config import Fault, FaultConfig
from tests.agents.mocksite.stage import Stage
from tests.simulation.drills import drill, results_of, step_of, warrant_of
from tests.virtual import run_virtual

CONTRADICTED, BROKEN, UNPROVEN = Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.UNPROVEN
HONEST = "honest"


@pytest.mark.parametrize(
    ("params", "faults"),
    [
        (
            StandbyParams(),
            {Fault.NO_PERMISSION: UNPROVEN, Fault.NO_RESTORE_PATH: UNPROVEN, Fault.DEAF_AGENT: UNPROVEN},
        ),
        (RefusalParams(), {Fault.DEAF_AGENT: UNPROVEN}),
        (
            CensusParams(),
            {
                Fault.MISSING_DEVICE: CONTRADICTED,
                Fault.SMUGGLED_DEVICE: CONTRADICTED,
                Fault.DOUBLED_ANSWER: CONTRADICTED,
            },
        ),
        (
            SlowdownParams(),
            {Fault.THROTTLED_TO_ZERO: CONTRADICTED, Fault.PARTIAL: CONTRADICTED, Fault.LYING_AGENT: CONTRADICTED},
        ),
        (RunCapParams(), {Fault.CAP_IGNORED: CONTRADICTED, Fault.LYING_AGENT: CONTRADICTED}),
        (
            SelectivePauseParams(protected=("evals", "safety")),
            {
                Fault.STARVED_CLASS: CONTRADICTED,
                Fault.MISLABELLED_JOB: CONTRADICTED,
                Fault.LABELS_BELIEVED: CONTRADICTED,
            },
        ),
        (
            PauseParams(),
            {
                Fault.LYING_AGENT: CONTRADICTED,
                Fault.PARTIAL: CONTRADICTED,
                Fault.FLAPPING: CONTRADICTED,
                Fault.RESPAWNING_JOB: BROKEN,
                Fault.DRIFTING_CLOCK: BROKEN,
                Fault.DEAF_AGENT: UNPROVEN,
                Fault.SLOW: UNPROVEN,
                Fault.NO_PERMISSION: UNPROVEN,
            },
        ),
        (
            LeaseParams(licence_s=3.0, renewed_s=4.0),
            {Fault.CACHES_LICENCE: UNPROVEN, Fault.LYING_AGENT: CONTRADICTED},
        ),
        (LeaseParams(licence_s=3.0, renewed_s=4.0, partition=True), {Fault.CACHES_LICENCE: UNPROVEN}),
        (IsolateParams(), {Fault.LEAKY_EGRESS: CONTRADICTED, Fault.LYING_AGENT: CONTRADICTED}),
        (ShutdownParams(), {Fault.RESPAWNING_JOB: BROKEN, Fault.NO_RESTORE_PATH: Verdict.NOT_RESTORED}),
        (PowerCutParams(), {Fault.UPS_KEEPS_FEEDING: CONTRADICTED}),
    ],
    ids=lambda value: value.control if isinstance(value, Params) else "",
)
def test_faults(params: Params, faults: Mapping[Fault, Verdict]) -> None:
    """Each faulty site gets the failing verdict that it has earned, and the honest one beside them is verified."""
    names = {fault.value.replace("_", "-"): fault for fault in faults}
    found = results_of(params, {site: [fault] for site, fault in names.items()}, sites=[HONEST, *names])
    assert found[HONEST].verdict is Verdict.VERIFIED
    assert {fault: found[site].verdict for site, fault in names.items()} == faults


@pytest.mark.parametrize("params", [PauseParams(), PowerCutParams()], ids=lambda params: params.control)
@pytest.mark.parametrize("kind", [Fault.METER_STUCK, Fault.METER_REPLAYING, Fault.DRIFTING_CLOCK])
def test_one_bad_witness(params: Params, kind: Fault) -> None:
    """One witness whose meter or clock is bad leaves no quorum of two: the site is never verified."""
    found = results_of(params, {"bad": [FaultConfig(kind=kind, witness="w1")]}, sites=[HONEST, "bad"])
    assert found[HONEST].verdict is Verdict.VERIFIED
    assert found["bad"].verdict in {UNPROVEN, CONTRADICTED}


def test_decommission() -> None:
    """Armed under one warrant and fired under another, all is gone; one accelerator left over contradicts it."""

    async def play() -> None:
        async with Stage([HONEST, "undead"], faults={"undead": [Fault.UNDEAD_DEVICE]}) as stage:
            arming = step_of(stage.fleet, DecommissionParams(phase="arm", armed_for_s=600.0))
            armed = await drill(stage, warrant_of(stage, arming))
            assert all(armed.results[0, site].passed for site in stage.fleet.sites)
            assert not any(site.world.devices.destroyed for site in stage.sites.values())
            nonces = {site: armed.results[0, site].receipts.armed for site in stage.fleet.sites}
            fire = DecommissionParams(
                phase="fire",
                armed=tuple(ArmedSite(site=site, nonce=nonce) for site, nonce in nonces.items() if nonce is not None),
            )
            await stage.clock.sleep(5)
            fired = await drill(stage, warrant_of(stage, step_of(stage.fleet, fire)))
            assert fired.results[0, HONEST].verdict is Verdict.VERIFIED
            assert fired.results[0, "undead"].verdict is CONTRADICTED

    run_virtual(play())
