"""The simulated site without faults: every control does what its witnesses must see, and undoes it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.mocksite.world import World
from agents.observation import SiteState
from protocols.controls import (
    ArmedSite,
    CensusParams,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.errors import DriverError
from protocols.mock_config import TimingConfig, off_levels, register_of, work_rates, work_signal
from protocols.signals import (
    AGREES,
    CANARY_CAUGHT,
    CANARY_RUNS,
    CENSUS_COUNT,
    CENSUS_DOUBLED,
    CENSUS_MISSING,
    CENSUS_REGISTRY,
    CENSUS_UNREGISTERED,
    DEVICES,
    EGRESS_BLOCKED,
    EGRESS_INSIDE,
    EGRESS_OUTSIDE,
    EGRESS_REACHED,
    EGRESS_SEEN,
    EGRESS_SILENT,
    FEED,
    FEED_OFF,
    FEED_ON,
    LABEL_CANARY,
    LIVE_PROCESSES,
    NONE,
    POWER,
    RUN_ABOVE,
    RUN_BELOW,
    RUN_REFUSED,
    RUN_STARTED,
    RUNS_OVER,
)
from tests.agents.mocksite.rig import Rig, config_of

PROTECTED = ("evals", "interpretability", "safety", "production-inference")
FIRE = DecommissionParams(phase="fire", armed=(ArmedSite(site="alpha", nonce="0" * 32),))
UNDONE: tuple[Params, ...] = (
    SlowdownParams(),
    RunCapParams(),
    SelectivePauseParams(protected=PROTECTED),
    PauseParams(),
    LeaseParams(),
    IsolateParams(),
    ShutdownParams(),
)


@pytest.mark.parametrize("params", UNDONE, ids=lambda params: params.control)
def test_restored(params: Params) -> None:
    """Whatever is undone leaves the site in its load band, without our mark, and observed as running."""
    rig = Rig()
    assert rig.steady()
    rig.apply(params)
    assert rig.driver.observe().ours
    rig.restore()
    rig.pass_s(2)
    assert rig.driver.observe() == rig.driver.observe().__class__(SiteState.RUNNING, False, "all jobs run")
    assert rig.steady()


def test_pause_keeps_processes() -> None:
    """A pause stops every counter and ends no process; work goes on where it was."""
    rig = Rig()
    before = rig.look().peaks[LIVE_PROCESSES]
    took_s = rig.apply(PauseParams())
    assert took_s >= rig.config.timing.drain_s
    assert rig.quiet()
    assert rig.look().peaks[LIVE_PROCESSES] == before == 15
    assert rig.driver.observe().state is SiteState.PAUSED


def test_shutdown_saves() -> None:
    """A shutdown ends every process after its checkpoint, and says the digest of what was saved."""
    rig = Rig()
    took_s = rig.apply(ShutdownParams(grace_s=10))
    assert took_s >= 40 / (2.5 * 8), "the checkpoint of the largest job takes its time"
    rig.look()
    rig.pass_s(1)
    assert rig.look().peaks[LIVE_PROCESSES] == 0
    assert rig.quiet()
    first = rig.driver.checkpoint_digest()
    assert first is not None
    rig.restore()
    rig.pass_s(1)
    rig.apply(ShutdownParams(grace_s=10))
    assert rig.driver.checkpoint_digest() not in {None, first}


def test_shutdown_without_grace() -> None:
    """A job that cannot save in the grace is killed, and is in no checkpoint."""
    rig = Rig(config_of(timing=TimingConfig(checkpoint_gb_per_s=0.01)))
    assert rig.apply(ShutdownParams(grace_s=1)) <= 1.2
    assert rig.driver.checkpoint_digest() is None
    assert rig.driver.observe().state is SiteState.STOPPED


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
def test_slowdown_cap(fraction: float) -> None:
    """A slowdown keeps each counter at or under the fraction of its band, near it, and above quiet."""
    rig = Rig()
    power_w = rig.look().peaks[POWER]
    rig.apply(SlowdownParams(fraction=fraction))
    rates = rig.rates(5)
    for rate in work_rates(rig.config):
        assert 0.8 * fraction * rate.band_min_per_s <= rates[rate.signal] <= fraction * rate.band_min_per_s
        assert rates[rate.signal] > rate.quiet_per_s
    assert rig.look().peaks[POWER] < power_w


def test_slowdown_impossible() -> None:
    """A fraction that would be a pause is refused rather than rounded to nothing."""
    rig = Rig()
    with pytest.raises(DriverError, match="above quiet"):
        rig.apply(SlowdownParams(fraction=0.005))
    assert not rig.driver.observe().ours


def test_run_cap() -> None:
    """A cap refuses the run above and starts the one below, names the running jobs above, and stops none."""
    cap = RunCapParams(limit=100.0)
    rig = Rig()
    assert rig.look(cap).facts[RUN_ABOVE] == RUN_STARTED
    rig.apply(cap)
    facts = rig.look(cap).facts
    assert (facts[RUN_ABOVE], facts[RUN_BELOW]) == (RUN_REFUSED, RUN_STARTED)
    assert facts[RUNS_OVER] == "pretrain serving"
    assert rig.look(RunCapParams(limit=1e6)).facts[RUNS_OVER] == NONE
    assert rig.steady()
    flop = RunCapParams(unit="flop", limit=1e21)
    rig.apply(flop)
    facts = rig.look(flop).facts
    assert (facts[RUN_ABOVE], facts[RUN_BELOW]) == (RUN_REFUSED, RUN_STARTED)


def test_runs_of_many_witnesses() -> None:
    """Witnesses that look at the same moment do not take each other's place: their runs are withdrawn."""
    rig, cap = Rig(), RunCapParams()
    for witness in ("w1", "w2", "w3"):
        facts = rig.look(cap, witness=witness).facts
        assert (facts[RUN_ABOVE], facts[RUN_BELOW]) == (RUN_STARTED, RUN_STARTED)
    assert not rig.world.scheduler.runs


@pytest.mark.parametrize("protected", [("evals",), PROTECTED])
def test_selective_pause(protected: tuple[str, ...]) -> None:
    """Unprotected classes are quiet, protected ones in their band, and the mislabelled canary is caught."""
    params = SelectivePauseParams(protected=protected)
    rig = Rig()
    assert rig.look(params).facts[LABEL_CANARY] == CANARY_RUNS
    rig.apply(params)
    rates = rig.rates()
    for rate in work_rates(rig.config):
        if rate.workload in protected:
            assert rate.band_min_per_s <= rates[rate.signal] <= rate.band_max_per_s
        elif rate.workload is not None:
            assert rates[rate.signal] <= rate.quiet_per_s
    assert rig.look(params).facts[LABEL_CANARY] == CANARY_CAUGHT


def test_isolate() -> None:
    """Isolated, a canary fails inside and is not seen outside; work goes on; both are so before and after."""
    rig = Rig()
    for act, inside, outside in (
        (None, EGRESS_REACHED, EGRESS_SEEN),
        (lambda: rig.apply(IsolateParams()), EGRESS_BLOCKED, EGRESS_SILENT),
        (rig.restore, EGRESS_REACHED, EGRESS_SEEN),
    ):
        if act is not None:
            act()
        facts = rig.look(IsolateParams()).facts
        assert (facts[EGRESS_INSIDE], facts[EGRESS_OUTSIDE]) == (inside, outside)
        assert rig.steady()


def test_census() -> None:
    """Registered, answering and physically counted agree, against the register whose digest is named."""
    rig = Rig()
    seen = rig.look(CensusParams())
    assert {seen.facts[name] for name in (CENSUS_MISSING, CENSUS_UNREGISTERED, CENSUS_DOUBLED)} == {NONE}
    assert seen.facts[CENSUS_COUNT] == AGREES
    assert seen.digests[CENSUS_REGISTRY] == register_of(rig.config).digest
    assert seen.peaks[DEVICES] == rig.config.accelerators.count


def test_power_cut() -> None:
    """The meter falls late, when the UPS is empty; it is then under the off level; power brings work back."""
    rig = Rig()
    off = off_levels(rig.config)[0]
    rig.feed.switch(on=False)
    seen = rig.look()
    assert seen.facts[FEED] == FEED_OFF
    rig.pass_s(1.5)
    assert rig.look().peaks[POWER] > off.at_most
    rig.pass_s(3)
    rig.look()
    rig.pass_s(1)
    seen = rig.look()
    assert seen.peaks[POWER] <= off.at_most
    assert seen.peaks[LIVE_PROCESSES] == 0
    assert rig.quiet()
    assert rig.driver.observe().state is SiteState.DARK
    with pytest.raises(DriverError, match="no power"):
        rig.apply(PauseParams())
    rig.feed.switch(on=True)
    assert rig.look().facts[FEED] == FEED_ON
    rig.pass_s(5)
    assert rig.steady()
    assert rig.driver.observe().state is SiteState.RUNNING


def test_ups_bridges() -> None:
    """A feed that comes back before the UPS is empty costs nothing."""
    rig = Rig()
    rig.feed.switch(on=False)
    rig.look()
    rig.pass_s(1.5)
    rig.feed.switch(on=True)
    rig.look()
    rig.pass_s(5)
    assert rig.steady()
    assert rig.look().peaks[LIVE_PROCESSES] == 15


def test_halt_survives_power_cut() -> None:
    """A site that was halted and then lost its power is still halted when power is back, and restorable."""
    rig = Rig()
    rig.apply(PauseParams())
    rig.feed.switch(on=False)
    rig.look()
    rig.pass_s(4)
    rig.look()
    rig.feed.switch(on=True)
    rig.look()
    rig.pass_s(4)
    assert rig.quiet()
    assert rig.driver.observe().ours
    rig.restore()
    rig.pass_s(2)
    assert rig.steady()


def test_decommission() -> None:
    """Fired, the accelerators are gone for good: from the count, from the answers, from power and from work."""
    rig = Rig()
    rig.apply(FIRE)
    assert rig.driver.observe().state is SiteState.GONE
    rig.restore()
    rig.pass_s(5)
    seen = rig.look(FIRE)
    assert seen.peaks[DEVICES] == 0
    assert seen.facts[CENSUS_MISSING].startswith("acc-0000 ")
    assert rig.quiet()
    again = World(rig.config, now_ns=0, destroyed=True)
    again.advance(10**10)
    assert again.devices.count == 0
    assert again.work()[work_signal(None)] == 0


def test_rehearsal_changes_nothing() -> None:
    """A rehearsal proves rights and the way back, and leaves neither mark nor work undone."""
    rig = Rig()
    proofs = rig.driver.rehearse(StandbyParams())
    assert {proof.step: proof.ok for proof in proofs} == {"permissions": True, "restore-path": True, "power": True}
    assert not rig.driver.observe().ours
    assert rig.steady()


def test_given_up() -> None:
    """An order that holds no longer is given up in the middle."""
    rig = Rig()
    with pytest.raises(DriverError, match="given up"):
        rig.driver.apply(PauseParams(), lambda: True)
    assert rig.driver.observe().state is SiteState.RUNNING


@settings(max_examples=30, deadline=None)
@given(
    looks=st.lists(st.floats(min_value=0.01, max_value=3.0), min_size=1, max_size=12),
    seed=st.integers(min_value=0, max_value=1000),
)
def test_looking_changes_nothing(looks: list[float], seed: int) -> None:
    """However often somebody looks, and whenever, the same work is done in the same time from the same seed."""
    watched, unwatched = Rig(config_of(seed=seed)), Rig(config_of(seed=seed))
    for rig, pauses in ((watched, looks), (unwatched, [sum(looks)])):
        for pause_s in pauses:
            rig.pass_s(pause_s)
            rig.look()
    for name, value in watched.look().counters.items():
        assert abs(value - unwatched.look().counters[name]) <= 1 + value * 1e-6
