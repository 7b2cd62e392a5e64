"""What a new fleet is to be: sites, owners, broker; with defaults that make a good example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from protocols.controls import Control
from protocols.mock_config import (
    DEFAULT_JOBS,
    AcceleratorConfig,
    FaultConfig,
    FaultTiming,
    JobConfig,
    PowerConfig,
    TimingConfig,
)

DEFAULT_OWNERS = ("safety-board", "operations", "regulator")
DEFAULT_PORT = 18883
_REGIONS = ("eu-north", "us-east", "ap-south")


@dataclass(frozen=True, slots=True)
class WitnessSpec:
    """A witness of a site, and who owns it."""

    name: str
    owner: str


DEFAULT_WITNESSES = (WitnessSpec("regulator-lab", "regulator-lab"), WitnessSpec("peer-audit", "peer-audit"))


@dataclass(frozen=True, slots=True)
class EnforcerSpec:
    """An enforcer of a site, which switches its power feed, and who owns it."""

    name: str
    owner: str


DEFAULT_ENFORCERS = (EnforcerSpec("feed-control", "grid-operator"),)

PROCESS_CONTROLS = (
    Control.STANDBY,
    Control.REFUSAL,
    Control.SLOWDOWN,
    Control.PAUSE,
    Control.LEASE,
    Control.SHUTDOWN,
)
"""What a site of real processes can do."""


@dataclass(frozen=True, slots=True)
class MockSpec:
    """What a simulated site is made of; see `protocols.mock_config.MockConfig`, whose defaults these are.

    Attributes:
        seed: All chance at the site follows from it.
    """

    seed: int = 0
    accelerators: AcceleratorConfig = field(default_factory=AcceleratorConfig)
    jobs: tuple[JobConfig, ...] = DEFAULT_JOBS
    power: PowerConfig = field(default_factory=PowerConfig)
    timing: TimingConfig = field(default_factory=TimingConfig)
    faults: tuple[FaultConfig, ...] = ()
    fault_timing: FaultTiming = field(default_factory=FaultTiming)


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """A site that is to be made.

    Attributes:
        name: Its name.
        region: The value of its attribute `region`.
        owner: Who owns it; by default `<name>-operator`.
        argv: Its workload; by default the example worker.
        environment: Variables added to the workload's; `HALTDRILL_SITE=<fleet>/<name>`, by which
            the witnesses know it, is added always.
        checkpoint: The workload's checkpoint file, when `argv` is given.
        witnesses: Who observes it.
        duty: The share of one core that the example worker uses.
        misbehave: What the example worker does wrong (its option `--misbehave`).
        lie: Let the agent report halts that it does not make.
        simulated: Make it a simulated site, in place of real processes. Its record says `mock`, lists
            all controls, and has the bands, off level and register that follow from this.
        enforcers: Who can cut a simulated site's power.
        cgroup: Whether the driver may make a cgroup of its own.
        quiet_per_s: At or under how much CPU time, microseconds per second, it counts as quiet.
        band_min_per_s: The least CPU time of steady state, microseconds per second. Half of it is a
            slowdown that is still no pause.
        band_max_per_s: The greatest CPU time of steady state, microseconds per second.
        max_hold_s: Longest single hold.
        max_total_held_s: Longest time held under one warrant.
    """

    name: str
    region: str = _REGIONS[0]
    owner: str = ""
    argv: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    checkpoint: str | None = None
    witnesses: tuple[WitnessSpec, ...] = DEFAULT_WITNESSES
    duty: float = 0.15
    misbehave: str | None = None
    lie: bool = False
    simulated: MockSpec | None = None
    enforcers: tuple[EnforcerSpec, ...] = DEFAULT_ENFORCERS
    cgroup: Literal["auto", "never"] = "auto"
    quiet_per_s: int = 20_000
    band_min_per_s: int = 90_000
    band_max_per_s: int = 1_500_000
    max_hold_s: float = 3_600.0
    max_total_held_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """A fleet that is to be made.

    Attributes:
        sites: Its sites.
        approvers: The owners of approver keys.
        root_owners: The owners of root keys.
        root_threshold: How many root owners sign a document.
        dispatcher_owner: The owner of the dispatcher key.
        host: The broker's address.
        port: The broker's port.
        embedded: Whether the orchestrator starts the broker itself.
        max_clock_skew_s: How far an order's issue time may lie ahead of a site's clock.
        validity_days: How long the documents are valid.
        demo: Whether all keys are made in one place, which every report then says.
        timekeeper_owner: The owner of the timekeeper's key; none makes a fleet without one.
        standing_max_age_s: How old the timekeeper's statement may be that an order carries.
    """

    sites: tuple[SiteSpec, ...]
    approvers: tuple[str, ...] = DEFAULT_OWNERS
    root_owners: tuple[str, ...] = DEFAULT_OWNERS
    root_threshold: int = 2
    dispatcher_owner: str = "control-room"
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    embedded: bool = True
    max_clock_skew_s: float = 5.0
    validity_days: int = 365
    demo: bool = True
    timekeeper_owner: str | None = None
    standing_max_age_s: float = 30.0


def example_sites(count: int) -> tuple[SiteSpec, ...]:
    """Return `count` example sites of real processes, spread over three regions."""
    return tuple(SiteSpec(name, region) for name, region in _places(count))


def mock_sites(count: int) -> tuple[SiteSpec, ...]:
    """Return `count` simulated sites, spread over three regions, no two with the same chance."""
    return tuple(
        SiteSpec(f"mock-{name}", region, simulated=MockSpec(seed=number))
        for number, (name, region) in enumerate(_places(count))
    )


def _places(count: int) -> list[tuple[str, str]]:
    return [
        (f"{_REGIONS[number % len(_REGIONS)]}-{number // len(_REGIONS) + 1}", _REGIONS[number % len(_REGIONS)])
        for number in range(count)
    ]
