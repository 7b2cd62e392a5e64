"""What a simulated site is: its accelerators, jobs, power, timing and faults (`mock.toml`), as strict models.

The defaults are those of two eight-way nodes, from public sources named beside each; jobs and times
are scaled down so that a drill takes minutes, not days. From the same configuration follow the load
bands, the off level and the register of accelerators that the site's record needs, so that a record
and its simulated site cannot disagree.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, model_validator

from protocols.ids import Digest, Name, SignalName, SiteId, digest_of
from protocols.keys import record_of, signer_from_private
from protocols.messages import KeyRecord, OffLevel, WorkRate
from protocols.messages.base import Part
from protocols.signals import (
    CENSUS_COUNT,
    CENSUS_DOUBLED,
    CENSUS_MISSING,
    CENSUS_REGISTRY,
    CENSUS_UNREGISTERED,
    DEVICES,
    EGRESS_INSIDE,
    EGRESS_OUTSIDE,
    FEED,
    LABEL_CANARY,
    LIVE_PROCESSES,
    POWER,
    RUN_ABOVE,
    RUN_BELOW,
    RUNS_OVER,
)

WORK_UNITS = "work_units"
"""Counter of all work together; the counter of a class is named after it, see `work_signal`."""

UNITS_PER_S = 1_000
"""Work units that one accelerator does in a second at full clock."""


_BAND = 0.15
_QUIET = 0.01
_OFF = 0.02

_PathText = Annotated[str, Field(min_length=1, max_length=4096)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Delay = Annotated[float, Field(ge=0, le=86_400)]
_Positive = Annotated[float, Field(gt=0, le=1e12)]


class Look(StrEnum):
    """An instrument that a witness of a simulated site has."""

    WORK = "work"
    PROCESSES = "processes"
    POWER = "power"
    FEED = "feed"
    RUNS = "runs"
    LABELS = "labels"
    EGRESS = "egress"
    DEVICES = "devices"


class Fault(StrEnum):
    """What can be wrong with a simulated site. Each one is one thing."""

    SLOW = "slow"
    """Every control takes effect late, by `slow_s`."""
    PARTIAL = "partial"
    """One job obeys no control, and the scheduler reports it as the others."""
    LYING_AGENT = "lying_agent"
    """The agent reports that what was ordered is done, and does nothing."""
    DEAF_AGENT = "deaf_agent"
    """No order, stop or licence reaches the agent."""
    RESPAWNING_JOB = "respawning_job"
    """A job that was halted starts again by itself, `respawn_s` after it went quiet."""
    MISLABELLED_JOB = "mislabelled_job"
    """A training job runs under a protected label and evades the scheduler's inspection."""
    LABELS_BELIEVED = "labels_believed"
    """The scheduler inspects nothing: whatever a job is labelled, it is taken for."""
    SMUGGLED_DEVICE = "smuggled_device"
    """There is one accelerator more than the register has, with a key of its own."""
    MISSING_DEVICE = "missing_device"
    """A registered accelerator is not there."""
    DOUBLED_ANSWER = "doubled_answer"
    """A registered accelerator is not there, and another one answers for it with its key."""
    DRIFTING_CLOCK = "drifting_clock"
    """The clock of the agent (or of the one witness named) runs fast, by `drift`."""
    FLAPPING = "flapping"
    """Suspended jobs wake again and again, for a part of each `flap_s`."""
    METER_STUCK = "meter_stuck"
    """The instruments of every witness (or of the one named) repeat what they last showed."""
    METER_REPLAYING = "meter_replaying"
    """The instruments of every witness (or of the one named) show an earlier stretch again."""
    THROTTLED_TO_ZERO = "throttled_to_zero"
    """A slowdown stops the clocks altogether."""
    STARVED_CLASS = "starved_class"
    """A selective pause leaves the protected classes no storage: they run, and do no work."""
    CACHES_LICENCE = "caches_licence"
    """The agent works on after its licence has lapsed, and reports nothing."""
    UPS_KEEPS_FEEDING = "ups_keeps_feeding"
    """The feed goes off, and the UPS never runs out."""
    LEAKY_EGRESS = "leaky_egress"
    """Isolated, what is sent from inside fails for its sender, and still gets out."""
    CAP_IGNORED = "cap_ignored"
    """A run cap is set, and the scheduler starts any run all the same."""
    NO_PERMISSION = "no_permission"
    """The scheduler takes no commands from the agent (any more)."""
    NO_RESTORE_PATH = "no_restore_path"
    """The checkpoint store cannot be read: what has exited cannot start again."""
    UNDEAD_DEVICE = "undead_device"
    """One accelerator survives a decommissioning."""


class FaultConfig(Part):
    """A fault that is switched on from the start.

    Attributes:
        kind: The fault.
        witness: The one witness whose clock or instruments have it; null for all (clock: the agent's).
    """

    kind: Fault
    witness: Name | None = None


class JobConfig(Part):
    """A job that runs when nothing is ordered.

    Attributes:
        workload: Its class of work, as it truly is; its label says the same.
        accelerators: How many it runs on; it has one process on each.
        hours: How long it was asked to run: its size is this times its accelerators.
        state_gb: What it writes when it checkpoints, gigabytes.
    """

    name: Name
    workload: Name
    accelerators: Annotated[int, Field(ge=1, le=100_000)]
    hours: _Positive = 24.0
    state_gb: Annotated[float, Field(ge=0, le=1e9)] = 10.0


class AcceleratorConfig(Part):
    """The accelerators.

    Attributes:
        count: How many are registered and installed.
        tdp_w: Power of one at full clock: 700 W, the "max thermal design power" of NVIDIA's H100 SXM
            datasheet.
        idle_fraction: The share of it that an idle one draws: about 64 W of 700 W, the example
            reading of the power limits in NVIDIA's DGX user guide (chapter on power capping).
        tflops: What one does in a second: 989 TFLOPS, dense BF16 of the same datasheet.
        power_exponent: How power above idle follows the clock. Dynamic power goes with frequency
            times voltage squared, and voltage falls with frequency: between 2 and 3.
        clock_steps: Clocks that throttling can choose, evenly spaced up to the full one.
    """

    count: Annotated[int, Field(ge=1, le=10_000)] = 16
    tdp_w: _Positive = 700.0
    idle_fraction: _Share = 0.1
    tflops: _Positive = 989.0
    power_exponent: Annotated[float, Field(ge=1, le=3)] = 2.4
    clock_steps: Annotated[int, Field(ge=2, le=1_000)] = 100


class PowerConfig(Part):
    """The site's power, seen behind its UPS.

    Attributes:
        host_w: What a node draws beside its accelerators, shared out to each of these: NVIDIA states
            10.2 kW at most for a DGX H100, of which eight times 700 W are the accelerators'.
        ups_ride_through_s: How long the UPS feeds the site after the feed went off. About 15 s at
            full load is what flywheels are commonly built for (TechTarget, "Using flywheel power for
            data center UPS backup"); batteries last minutes.
        meter_interval_s: Between two samples of the meter: 1 s, as DCGM samples by default.
        meter_noise: Relative error of a sample, at most: 0.5 %, the accuracy class of IEC 62053-22.
        boot_s: How long the site takes from power to work.
    """

    host_w: Annotated[float, Field(ge=0, le=1e6)] = 575.0
    ups_ride_through_s: _Delay = 15.0
    meter_interval_s: Annotated[float, Field(gt=0, le=3600)] = 1.0
    meter_noise: Annotated[float, Field(ge=0, le=0.1)] = 0.005
    boot_s: _Delay = 3.0


class TimingConfig(Part):
    """How fast jobs follow.

    Attributes:
        drain_s: From the last command to no work: the steps in flight are finished.
        resume_s: From no work to full work, of a job that is in memory.
        start_s: The same from a checkpoint, loading it included.
        throttle_s: From one clock to another.
        checkpoint_gb_per_s: What the checkpoint store takes from one accelerator: 2.5 GB/s each, an
            eighth of the 20 GB/s a node that makers of storage for training quote.
        poll_s: How often the driver looks whether what it began is done.
    """

    drain_s: _Delay = 0.5
    resume_s: _Delay = 0.5
    start_s: _Delay = 1.5
    throttle_s: _Delay = 0.2
    checkpoint_gb_per_s: _Positive = 2.5
    poll_s: Annotated[float, Field(gt=0, le=60)] = 0.1


class FaultTiming(Part):
    """How bad the faults are.

    Attributes:
        slow_s: The delay of `slow`.
        respawn_s: How long a respawning job stays quiet.
        flap_s: The period of `flapping`; the jobs work for a quarter of it.
        drift: How much faster a drifting clock runs, as a fraction.
    """

    slow_s: _Delay = 20.0
    respawn_s: _Delay = 3.0
    flap_s: Annotated[float, Field(gt=0, le=3600)] = 1.6
    drift: Annotated[float, Field(ge=0, le=10)] = 0.2


DEFAULT_JOBS = (
    JobConfig(name="pretrain", workload="training", accelerators=8, hours=720.0, state_gb=40.0),
    JobConfig(name="probing", workload="interpretability", accelerators=2, hours=8.0),
    JobConfig(name="eval-suite", workload="evals", accelerators=2, hours=4.0),
    JobConfig(name="red-team", workload="safety", accelerators=1, hours=12.0),
    JobConfig(name="serving", workload="production-inference", accelerators=2, hours=100.0),
)
"""One job of each class, on 15 of the 16 accelerators of the default: one is free for runs that witnesses submit."""


class MockConfig(Part):
    """`mock.toml`: a simulated site.

    Attributes:
        site: Its name.
        seed: All chance follows from it.
        ripple: How far the rate of work wanders about its mean, as a fraction.
        device_secret: The keys of the simulated accelerators follow from it.
        feed: The file of the power feed, from the folder of `mock.toml`; null for a site whose feed
            nobody switches.
    """

    site: SiteId
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    ripple: Annotated[float, Field(ge=0, le=0.1)] = 0.02
    device_secret: Annotated[str, Field(pattern=r"^[0-9a-f]{32,64}$")]
    feed: _PathText | None = None
    accelerators: AcceleratorConfig = AcceleratorConfig()
    jobs: Annotated[tuple[JobConfig, ...], Field(min_length=1, max_length=256)] = DEFAULT_JOBS
    power: PowerConfig = PowerConfig()
    timing: TimingConfig = TimingConfig()
    faults: Annotated[tuple[FaultConfig, ...], Field(max_length=64)] = ()
    fault_timing: FaultTiming = FaultTiming()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [job.name for job in self.jobs]
        if len(set(names)) != len(names):
            raise ValueError("two jobs have one name")
        wanted = sum(job.accelerators for job in self.jobs)
        if wanted >= self.accelerators.count:
            raise ValueError(
                f"the jobs take {wanted} of {self.accelerators.count} accelerators; "
                "one at least must be free for the runs that witnesses submit"
            )
        return self

    @property
    def workloads(self) -> tuple[str, ...]:
        """The classes of work, sorted."""
        return tuple(sorted({job.workload for job in self.jobs}))

    def nominal_per_s(self, workload: str | None = None) -> int:
        """Return the work units that a class (None: all work) does in a second of steady state."""
        return UNITS_PER_S * sum(job.accelerators for job in self.jobs if workload in {None, job.workload})

    @property
    def full_w(self) -> float:
        """The power of the whole site when every accelerator runs at full clock, watts."""
        return self.accelerators.count * (self.accelerators.tdp_w + self.power.host_w)


def work_signal(workload: str | None) -> str:
    """Return the name of the counter of a class of work, or of all work together."""
    return WORK_UNITS if workload is None else f"work_{workload.replace('-', '_')}"


def work_rates(config: MockConfig) -> tuple[WorkRate, ...]:
    """Return what the site's record says of its work: one counter for all of it, and one for each class."""
    return tuple(_rate(config, workload) for workload in (None, *config.workloads))


def _rate(config: MockConfig, workload: str | None) -> WorkRate:
    nominal = config.nominal_per_s(workload)
    return WorkRate(
        signal=work_signal(workload),
        quiet_per_s=round(nominal * _QUIET),
        band_min_per_s=round(nominal * (1 - _BAND)),
        band_max_per_s=round(nominal * (1 + _BAND)),
        workload=workload,
    )


def off_levels(config: MockConfig) -> tuple[OffLevel, ...]:
    """Return at or under which levels the site's record calls it switched off."""
    return (OffLevel(signal=POWER, at_most=round(config.full_w * _OFF)),)


def signals_of(look: Look, config: MockConfig) -> tuple[SignalName, ...]:
    """Return the signals that an instrument gives: what a witness that has it covers."""
    if look is Look.WORK:
        return tuple(rate.signal for rate in work_rates(config))
    return _SIGNALS[look]


_SIGNALS: dict[Look, tuple[str, ...]] = {
    Look.PROCESSES: (LIVE_PROCESSES,),
    Look.POWER: (POWER,),
    Look.FEED: (FEED,),
    Look.RUNS: (RUN_ABOVE, RUN_BELOW, RUNS_OVER),
    Look.LABELS: (LABEL_CANARY,),
    Look.EGRESS: (EGRESS_INSIDE, EGRESS_OUTSIDE),
    Look.DEVICES: (CENSUS_MISSING, CENSUS_UNREGISTERED, CENSUS_DOUBLED, CENSUS_COUNT, CENSUS_REGISTRY, DEVICES),
}


def looks_of(covers: tuple[str, ...], config: MockConfig) -> tuple[Look, ...]:
    """Return the instruments that a witness needs for the signals it covers."""
    return tuple(look for look in Look if set(covers) & set(signals_of(look, config)))


class RegisteredDevice(Part):
    """An accelerator and the key that it answers with."""

    device: Name
    key: KeyRecord


class Register(Part):
    """The register of a site's accelerators: the file whose digest stands in the site's record."""

    site: SiteId
    devices: Annotated[tuple[RegisteredDevice, ...], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [entry.device for entry in self.devices]
        if names != sorted(set(names)):
            raise ValueError("devices must be sorted by name, each once")
        if len({entry.key.key_id for entry in self.devices}) != len(names):
            raise ValueError("two devices have one key")
        return self

    def encode(self) -> bytes:
        """Return the file's bytes."""
        return self.model_dump_json().encode()

    @property
    def digest(self) -> Digest:
        """SHA-256 of the file, as it stands in the site's record (`registry`)."""
        return digest_of(self.encode())


def device_name(number: int) -> str:
    """Return the name of accelerator `number`, counted from 0."""
    return f"acc-{number:04d}"


def device_private(config: MockConfig, device: str) -> Ed25519PrivateKey:
    """Return the key inside a simulated accelerator."""
    seed = hashlib.sha256(f"{config.device_secret}/{config.site}/{device}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def register_of(config: MockConfig) -> Register:
    """Return the register of the accelerators that a simulated site is delivered with."""
    names = [device_name(number) for number in range(config.accelerators.count)]
    return Register(
        site=config.site,
        devices=tuple(
            RegisteredDevice(device=name, key=record_of(signer_from_private(device_private(config, name))))
            for name in names
        ),
    )
