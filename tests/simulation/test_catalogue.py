"""Twenty simulated sites and every control there is: one plan passes, and the ladder climbs where it must."""

from __future__ import annotations

from orchestrator.core.grades import Verdict
from protocols.controls import (
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
from protocols.mock_config import Fault
from tests.agents.mocksite.stage import Stage
from tests.simulation.drills import drill, step_of, warrant_of
from tests.virtual import run_virtual

SITES = [f"site-{number:02}" for number in range(20)]
ALL = (
    StandbyParams(),
    RefusalParams(),
    CensusParams(),
    SlowdownParams(),
    RunCapParams(),
    SelectivePauseParams(protected=("evals", "safety")),
    PauseParams(),
    LeaseParams(licence_s=2.0, renewed_s=3.0),
    IsolateParams(),
    ShutdownParams(),
    PowerCutParams(),
    DecommissionParams(phase="arm", armed_for_s=600.0),
)


def test_all_controls() -> None:
    """One plan exercises all twelve controls on twenty sites, and every site passes every step."""

    async def play() -> None:
        async with Stage(SITES) as stage:
            limits = {"dwell_s": 3.0, "max_gap_s": 3.0}  # few readings: this is about breadth
            steps = [step_of(stage.fleet, params, **limits) for params in ALL]
            done = await drill(stage, warrant_of(stage, *steps, challenge_s=1.0))
            assert {result.control for result in done.results.values()} == set(Control)
            failed = {key: (one.verdict, one.cause) for key, one in done.results.items() if not one.passed}
            assert not failed
            assert len(done.results) == len(ALL) * len(SITES)

    run_virtual(play())


MISBEHAVING = {
    "site-01": Fault.LYING_AGENT,
    "site-05": Fault.DEAF_AGENT,
    "site-09": Fault.PARTIAL,
    "site-13": Fault.NO_PERMISSION,
    "site-17": Fault.FLAPPING,
}


def test_ladder() -> None:
    """Five of twenty sites misbehave, each its own way: they climb until they are halted, and nobody else does."""

    async def play() -> None:
        async with Stage(SITES, faults={site: [fault] for site, fault in MISBEHAVING.items()}) as stage:
            step = step_of(stage.fleet, PauseParams(), ShutdownParams(grace_s=5.0), PowerCutParams())
            done = await drill(stage, warrant_of(stage, step, challenge_s=0.5))
            for site in SITES:
                result = done.results[0, site]
                if site not in MISBEHAVING:
                    assert result.verdict is Verdict.VERIFIED, (site, result)
                    assert result.rungs == ()
                    continue
                assert result.rungs, site
                assert result.halted, (site, result)
                assert not result.passed
                stage.sites[site].world.faults.switch(MISBEHAVING[site], on=False)

    run_virtual(play())
