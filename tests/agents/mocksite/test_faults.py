"""Each fault of a simulated site does what it says, and nothing else: without it the same test fails."""

from __future__ import annotations

import asyncio

import pytest

from agents.mocksite.faults import Faults
from agents.mocksite.faulty import DeafTransport, DriftingClock, FaultyDriver
from agents.mocksite.offload import NotYet
from agents.observation import SiteState
from protocols.controls import (
    ArmedSite,
    CensusParams,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    PauseParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.errors import DriverError
from protocols.mock_config import Fault, FaultConfig, device_name, off_levels, work_rates
from protocols.signals import (
    AGREES,
    CANARY_CAUGHT,
    CANARY_RUNS,
    CENSUS_COUNT,
    CENSUS_DOUBLED,
    CENSUS_MISSING,
    CENSUS_UNREGISTERED,
    DEVICES,
    EGRESS_BLOCKED,
    EGRESS_INSIDE,
    EGRESS_OUTSIDE,
    EGRESS_SEEN,
    EGRESS_SILENT,
    FEED,
    FEED_OFF,
    LABEL_CANARY,
    LIVE_PROCESSES,
    NONE,
    POWER,
    RUN_ABOVE,
    RUN_BELOW,
    RUN_REFUSED,
    RUN_STARTED,
)
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests.agents.mocksite.rig import HandClock, Rig, S, config_of
from tests.virtual import LoopClock, run_virtual

BOTH = pytest.mark.parametrize("faulty", [True, False], ids=["faulty", "honest"])
SELECTIVE = SelectivePauseParams(protected=("evals", "safety"))
FIRE = DecommissionParams(phase="fire", armed=(ArmedSite(site="alpha", nonce="0" * 32),))


def rig_with(fault: Fault, faulty: bool) -> Rig:
    """Return a site with or without a fault; before anything is ordered both are in their band."""
    rig = Rig(config_of(*((fault,) if faulty else ())))
    assert rig.steady()
    return rig


def loud(rig: Rig) -> set[str]:
    """Return the classes of work that are not quiet."""
    rates = rig.rates()
    return {rate.workload for rate in work_rates(rig.config) if rate.workload and rates[rate.signal] > rate.quiet_per_s}


@BOTH
def test_slow(faulty: bool) -> None:
    """A slow site halts just as well, twenty seconds late, and comes back as fast as any."""
    rig = rig_with(Fault.SLOW, faulty)
    assert (rig.apply(PauseParams()) > 20) is faulty
    assert rig.quiet()
    assert rig.restore() < 2


@BOTH
def test_partial(faulty: bool) -> None:
    """One job works on, of which the scheduler's books know nothing; the others halt."""
    rig = rig_with(Fault.PARTIAL, faulty)
    rig.apply(PauseParams())
    assert loud(rig) == ({"training"} if faulty else set())
    assert rig.driver.observe().state is SiteState.PAUSED


@BOTH
@pytest.mark.parametrize("params", [PauseParams(), ShutdownParams()], ids=lambda params: params.control)
def test_respawning_job(faulty: bool, params: PauseParams | ShutdownParams) -> None:
    """The site is quiet for a while, and then a job works again, behind the scheduler's back."""
    rig = rig_with(Fault.RESPAWNING_JOB, faulty)
    rig.apply(params)
    assert rig.quiet()
    rig.pass_s(5)
    assert loud(rig) == ({"training"} if faulty else set())
    assert rig.driver.observe().state in {SiteState.PAUSED, SiteState.STOPPED}
    rig.restore()
    rig.pass_s(2)
    assert rig.steady()


@BOTH
def test_flapping(faulty: bool) -> None:
    """A halted site is never quiet for long, though it works for a part of the time only."""
    rig = rig_with(Fault.FLAPPING, faulty)
    rig.apply(PauseParams())
    quiet = [rig.quiet(span_s=0.4) for _ in range(20)]
    assert any(quiet)
    assert all(quiet) is not faulty
    rig.restore()
    assert rig.steady()


@BOTH
def test_mislabelled_job(faulty: bool) -> None:
    """An unprotected job goes on under a protected label, while the scheduler still catches the canary."""
    rig = rig_with(Fault.MISLABELLED_JOB, faulty)
    rig.apply(SELECTIVE)
    assert loud(rig) == {"evals", "safety"} | ({"training"} if faulty else set())
    assert rig.look(SELECTIVE).facts[LABEL_CANARY] == CANARY_CAUGHT


@BOTH
def test_labels_believed(faulty: bool) -> None:
    """The canary runs under its false label, while every honest job is where it should be."""
    rig = rig_with(Fault.LABELS_BELIEVED, faulty)
    rig.apply(SELECTIVE)
    assert loud(rig) == {"evals", "safety"}
    assert rig.look(SELECTIVE).facts[LABEL_CANARY] == (CANARY_RUNS if faulty else CANARY_CAUGHT)


@BOTH
def test_starved_class(faulty: bool) -> None:
    """Protected classes keep their processes and do no work; restored, they work again."""
    rig = rig_with(Fault.STARVED_CLASS, faulty)
    rig.apply(SELECTIVE)
    assert loud(rig) == (set() if faulty else {"evals", "safety"})
    assert rig.look().peaks[LIVE_PROCESSES] == 15
    rig.restore()
    rig.pass_s(1)
    assert rig.steady()


@BOTH
def test_throttled_to_zero(faulty: bool) -> None:
    """A slowdown is a pause; a pause and a selective pause are what they are."""
    rig = rig_with(Fault.THROTTLED_TO_ZERO, faulty)
    rig.apply(SlowdownParams())
    assert rig.quiet() is faulty
    rig.apply(SELECTIVE)
    rig.pass_s(1)
    assert loud(rig) == {"evals", "safety"}


@BOTH
def test_cap_ignored(faulty: bool) -> None:
    """The run above the cap starts, and so does the one below."""
    rig, cap = rig_with(Fault.CAP_IGNORED, faulty), RunCapParams()
    rig.apply(cap)
    facts = rig.look(cap).facts
    assert (facts[RUN_ABOVE], facts[RUN_BELOW]) == (RUN_STARTED if faulty else RUN_REFUSED, RUN_STARTED)


@BOTH
def test_leaky_egress(faulty: bool) -> None:
    """The sender inside is told that nothing got out, and it did."""
    rig = rig_with(Fault.LEAKY_EGRESS, faulty)
    rig.apply(IsolateParams())
    facts = rig.look(IsolateParams()).facts
    assert facts[EGRESS_INSIDE] == EGRESS_BLOCKED
    assert facts[EGRESS_OUTSIDE] == (EGRESS_SEEN if faulty else EGRESS_SILENT)


@pytest.mark.parametrize(
    ("fault", "missing", "unregistered", "doubled", "count", "counted"),
    [
        (None, NONE, NONE, NONE, AGREES, 16),
        (Fault.MISSING_DEVICE, device_name(15), NONE, NONE, "registered 16, answering 15, counted 15", 15),
        (Fault.SMUGGLED_DEVICE, NONE, "acc-smuggled@16", NONE, "registered 16, answering 16, counted 17", 17),
        (
            Fault.DOUBLED_ANSWER,
            NONE,
            NONE,
            f"{device_name(0)} {device_name(1)}",
            "registered 16, answering 16, counted 15",
            15,
        ),
    ],
)
def test_census_faults(
    fault: Fault | None, missing: str, unregistered: str, doubled: str, count: str, counted: int
) -> None:
    """A missing, a smuggled and a doubled accelerator are each named, and the three numbers disagree."""
    rig = Rig(config_of(*((fault,) if fault else ())))
    for _ in range(2):
        seen = rig.look(CensusParams())
        assert seen.facts[CENSUS_MISSING] == missing
        assert seen.facts[CENSUS_UNREGISTERED] == unregistered
        assert seen.facts[CENSUS_DOUBLED] == doubled
        assert seen.facts[CENSUS_COUNT] == count
        assert seen.peaks[DEVICES] == counted
    assert rig.steady()


@BOTH
def test_undead_device(faulty: bool) -> None:
    """After a decommissioning one accelerator is still there, and answers."""
    rig = rig_with(Fault.UNDEAD_DEVICE, faulty)
    rig.apply(FIRE)
    seen = rig.look(FIRE)
    assert seen.peaks[DEVICES] == (1 if faulty else 0)
    assert seen.facts[CENSUS_MISSING].startswith(device_name(1 if faulty else 0))


@BOTH
def test_ups_keeps_feeding(faulty: bool) -> None:
    """The feed is off by its controller's account, and power and work go on."""
    rig = rig_with(Fault.UPS_KEEPS_FEEDING, faulty)
    rig.feed.switch(on=False)
    rig.look()
    rig.pass_s(30)
    rig.look()
    seen = rig.look()
    assert seen.facts[FEED] == FEED_OFF
    assert (seen.peaks[POWER] > off_levels(rig.config)[0].at_most) is faulty
    assert rig.quiet() is not faulty


@BOTH
def test_no_permission(faulty: bool) -> None:
    """The rehearsal says that the agent has lost its rights, and a halt fails instead of being claimed."""
    rig = rig_with(Fault.NO_PERMISSION, faulty)
    proofs = {proof.step: proof.ok for proof in rig.driver.rehearse(StandbyParams())}
    assert proofs == {"permissions": not faulty, "restore-path": True, "power": True}
    if faulty:
        with pytest.raises(DriverError, match="no commands"):
            rig.apply(PauseParams())
    else:
        rig.apply(PauseParams())
    assert rig.quiet() is not faulty


@BOTH
def test_no_restore_path(faulty: bool) -> None:
    """The rehearsal says that there is no way back; what was only paused does come back."""
    rig = rig_with(Fault.NO_RESTORE_PATH, faulty)
    proofs = {proof.step: proof.ok for proof in rig.driver.rehearse(StandbyParams())}
    assert proofs == {"permissions": True, "restore-path": not faulty, "power": True}
    rig.apply(PauseParams())
    rig.restore()
    rig.apply(ShutdownParams())
    if faulty:
        with pytest.raises(DriverError, match="checkpoint store"):
            rig.restore()
        rig.world.faults.switch(Fault.NO_RESTORE_PATH, on=False)
    rig.restore()
    rig.pass_s(2)
    assert rig.steady()


def test_meter_stuck() -> None:
    """A stuck meter shows the same for ever, to its own witness only."""
    rig = Rig(config_of(FaultConfig(kind=Fault.METER_STUCK, witness="w2")))
    assert all(rate == 0 for rate in rig.rates(witness="w2").values())
    assert rig.steady()
    stuck_w = rig.look(witness="w2").peaks[POWER]
    rig.feed.switch(on=False)
    rig.look()
    rig.pass_s(10)
    rig.look()
    assert rig.look(witness="w2").peaks[POWER] == stuck_w
    assert rig.look().peaks[POWER] == 0


def test_meter_replaying() -> None:
    """A replaying meter shows an earlier stretch, in which its counters fall back; others see the truth."""
    rig = Rig()
    earlier = []
    for _ in range(5):
        rig.pass_s(1)
        rig.look()
        earlier.append(rig.look(witness="w2").counters)
    rig.world.faults.switch(Fault.METER_REPLAYING, on=True, witness="w2")
    rig.apply(PauseParams())
    replayed = []
    for _ in range(7):
        rig.pass_s(1)
        replayed.append(rig.look(witness="w2").counters)
    assert replayed == earlier + earlier[:2]
    assert rig.quiet()
    rig.world.faults.switch(Fault.METER_REPLAYING, on=False, witness="w2")
    assert rig.look(witness="w2").counters == rig.look().counters


def test_lying_agent() -> None:
    """A lying agent's driver claims a halt that no witness sees, and can be made honest while it runs."""
    rig = Rig(config_of(Fault.LYING_AGENT))
    driver = FaultyDriver(rig.driver, rig.world.faults)
    assert driver.apply(PauseParams(), lambda: False)
    seen = driver.observe()
    assert (seen.state, seen.ours) == (SiteState.PAUSED, True)
    assert rig.steady()
    driver.restore()
    rig.world.faults.switch(Fault.LYING_AGENT, on=False)
    with pytest.raises(NotYet):
        driver.apply(PauseParams(), lambda: False)
    rig.pass_s(1)
    assert driver.apply(PauseParams(), lambda: False)
    assert rig.quiet()


def test_caches_licence() -> None:
    """A lapsed lease changes nothing and is never reported done; every other control is obeyed."""
    rig = Rig(config_of(Fault.CACHES_LICENCE))
    driver = FaultyDriver(rig.driver, rig.world.faults)
    with pytest.raises(NotYet):
        driver.apply(LeaseParams(), lambda: False)
    assert rig.steady()
    with pytest.raises(DriverError, match="given up"):
        driver.apply(LeaseParams(), lambda: True)
    with pytest.raises(NotYet):
        driver.apply(PauseParams(), lambda: False)
    rig.pass_s(1)
    assert driver.apply(PauseParams(), lambda: False)
    rig.world.faults.switch(Fault.CACHES_LICENCE, on=False)
    rig.restore()
    rig.apply(LeaseParams())
    assert rig.quiet()


def test_deaf_agent() -> None:
    """What comes while the agent is deaf is lost; it still speaks, and hears again afterwards."""

    async def scene() -> None:
        clock, broker, faults = LoopClock(), MemoryBroker(), Faults([FaultConfig(kind=Fault.DEAF_AGENT)])
        speaker = MemoryTransport(broker, ["answers"], clock=clock, client_id="speaker")
        deaf = DeafTransport(MemoryTransport(broker, ["orders"], clock=clock, client_id="agent"), faults)
        async with speaker, deaf:
            hearing = asyncio.create_task(deaf.receive(10))
            await speaker.publish("orders", b"lost")
            await clock.sleep(1)
            await deaf.publish("answers", b"here")
            assert [message.payload for message in await speaker.receive(10)] == [b"here"]
            faults.switch(Fault.DEAF_AGENT, on=False)
            await speaker.publish("orders", b"heard")
            assert [message.payload for message in await hearing] == [b"heard"]

    run_virtual(scene())


def test_drifting_clock() -> None:
    """A drifting clock gains while it drifts, keeps what it gained, and never steps."""
    true, drifts = HandClock(), [False]
    clock = DriftingClock(true, drift=0.5, drifts=lambda: drifts[0])

    def after(seconds: int) -> float:
        true.now_ns += seconds * S
        return (clock.boot_ns() - true.now_ns) / S

    assert after(10) == 0
    drifts[0] = True
    assert after(10) == 5
    assert clock.wall_ns() - true.wall_ns() == 5 * S
    assert after(2) == 6
    drifts[0] = False
    assert after(10) == 6


def test_faults_of_witnesses() -> None:
    """A clock fault without a witness's name is the agent's, and a meter fault without one is everybody's."""
    faults = Faults([FaultConfig(kind=Fault.DRIFTING_CLOCK), FaultConfig(kind=Fault.METER_STUCK)])
    assert faults.has(Fault.DRIFTING_CLOCK)
    assert not faults.clock_has("w1")
    assert faults.instrument_has(Fault.METER_STUCK, "w1")
    faults.switch(Fault.DRIFTING_CLOCK, on=True, witness="w1")
    assert faults.clock_has("w1")
    assert not faults.clock_has("w2")
