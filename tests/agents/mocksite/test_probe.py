"""What a site might do that a careless witness would miss: the probe tries it, and an honest site passes."""

from __future__ import annotations

import pytest

from protocols.controls import IsolateParams, RunCapParams, SelectivePauseParams, ShutdownParams
from protocols.mock_config import JobConfig, TimingConfig
from protocols.signals import (
    CANARY_CAUGHT,
    CANARY_RUNS,
    EGRESS_BLOCKED,
    EGRESS_INSIDE,
    EGRESS_OUTSIDE,
    EGRESS_SEEN,
    EGRESS_SILENT,
    LABEL_CANARY,
    RUN_ABOVE,
    RUN_BELOW,
    RUN_REFUSED,
    RUN_STARTED,
)
from tests.agents.mocksite.rig import Rig, config_of


@pytest.mark.parametrize(
    ("factor", "above", "below"),
    [(1.0, RUN_REFUSED, RUN_STARTED), (1.5, RUN_STARTED, RUN_STARTED), (0.7, RUN_REFUSED, RUN_REFUSED)],
)
def test_a_cap_that_is_another(factor: float, above: str, below: str) -> None:
    """Runs are tried near the cap on both sides: a scheduler that caps half as high again, or lower, is found out."""
    cap = RunCapParams(limit=50.0)
    rig = Rig()
    rig.apply(RunCapParams(limit=50.0 * factor))
    facts = rig.look(cap).facts
    assert (facts[RUN_ABOVE], facts[RUN_BELOW]) == (above, below)


@pytest.mark.parametrize("trusted", [None, "evals", "safety"])
def test_every_label_is_tried(trusted: str | None) -> None:
    """A scheduler that inspects all labels but one is found out, whichever that one is."""
    params = SelectivePauseParams(protected=("evals", "safety"))
    rig = Rig()
    honest = rig.world.scheduler.mislabelled
    rig.world.scheduler.mislabelled = (  # type: ignore[method-assign]
        lambda label, share: label != trusted and honest(label, share)
    )
    rig.apply(params)
    assert rig.look(params).facts[LABEL_CANARY] == (CANARY_CAUGHT if trusted is None else CANARY_RUNS)


@pytest.mark.parametrize("leaks", [False, True])
def test_a_canary_that_is_held_back(leaks: bool) -> None:
    """What fails for its sender and gets out only a while later is seen by the witness's next look."""
    rig = Rig()
    rig.apply(IsolateParams())
    network, sent = rig.world.network, list[str]()
    honest = network.send
    network.send = (  # type: ignore[method-assign]
        lambda token, *, isolated, powered: sent.append(token) or honest(token, isolated=isolated, powered=powered)
    )
    assert rig.look(IsolateParams()).facts[EGRESS_OUTSIDE] == EGRESS_SILENT
    rig.pass_s(0.5)
    if leaks:
        network._outside += sent
    facts = rig.look(IsolateParams()).facts
    assert facts[EGRESS_INSIDE] == EGRESS_BLOCKED
    assert facts[EGRESS_OUTSIDE] == (EGRESS_SEEN if leaks else EGRESS_SILENT)


@pytest.mark.parametrize("large_gb", [1.0, 1_000.0])
def test_one_job_that_loses_its_state(large_gb: float) -> None:
    """A checkpoint that lacks one job is none, also when that job has an older one; whole again, it is one."""
    jobs = (JobConfig(name="large", workload="training", accelerators=1, state_gb=large_gb),)
    jobs += (JobConfig(name="small", workload="evals", accelerators=1, state_gb=1.0),)
    rig = Rig(config_of(jobs=jobs, timing=TimingConfig(checkpoint_gb_per_s=100.0)))
    rig.apply(ShutdownParams(grace_s=60.0))
    assert rig.driver.checkpoint_digest() is not None
    rig.restore()
    assert rig.driver.checkpoint_digest() is None
    rig.pass_s(5)
    rig.apply(ShutdownParams(grace_s=2.0))
    assert (rig.driver.checkpoint_digest() is None) is (large_gb == 1_000.0)
