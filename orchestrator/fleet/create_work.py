"""What there is to halt at a new site, and to see: of real processes, and of a simulated site."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from orchestrator.fleet.layout import SiteLayout
from orchestrator.fleet.spec import PROCESS_CONTROLS, SiteSpec
from protocols.config import MockDriverConfig, MockProbeConfig, ProcessDriverConfig, ProcessProbeConfig
from protocols.controls import Control
from protocols.messages import OffLevel, WorkRate
from protocols.mock_config import Look, MockConfig, off_levels, register_of, signals_of, work_rates
from protocols.signals import LIVE_PROCESSES

CPU_TIME = "cpu_time_us"
MARKER = "HALTDRILL_SITE"
"""The environment variable by which witnesses know a site's work. Its value names the fleet too: two
fleets on one machine, or two demos at once, have sites of the same names."""

_MARKER_FLEET_CHARS = 16


@dataclass(frozen=True, slots=True)
class Work:
    """What a site's record says of its work, and the sections of the configurations that go with it.

    Attributes:
        controls: What can be done with it.
        rates: Its counters, with their bands.
        covers: The signals that each of its witnesses covers.
        driver: How its agent acts.
        probe: How its witnesses observe.
        off_levels: The levels at which it counts as switched off.
        register: The file of its register of accelerators, if it has one.
        registry: The digest of that.
    """

    controls: tuple[Control, ...]
    rates: tuple[WorkRate, ...]
    covers: tuple[str, ...]
    driver: ProcessDriverConfig | MockDriverConfig
    probe: ProcessProbeConfig | MockProbeConfig
    off_levels: tuple[OffLevel, ...] = ()
    register: bytes | None = None
    registry: str | None = None


def process_work(spec: SiteSpec, final: SiteLayout, fleet: str) -> Work:
    """Return the work of a site of real processes: the one that the spec names, or the example worker.

    Args:
        spec: What the site is to be.
        final: Where it will lie.
        fleet: The fleet's id; it is part of the marker by which witnesses know the processes.
    """
    marked = f"{fleet[:_MARKER_FLEET_CHARS]}/{spec.name}"
    rate = WorkRate(
        signal=CPU_TIME,
        quiet_per_s=spec.quiet_per_s,
        band_min_per_s=spec.band_min_per_s,
        band_max_per_s=spec.band_max_per_s,
    )
    return Work(
        controls=PROCESS_CONTROLS,
        rates=(rate,),
        covers=(CPU_TIME, LIVE_PROCESSES),
        driver=_driver(spec, final, marked),
        probe=ProcessProbeConfig(environ=f"{MARKER}={marked}"),
    )


def _driver(spec: SiteSpec, final: SiteLayout, marked: str) -> ProcessDriverConfig:
    environment = dict(spec.environment)
    argv, checkpoint = spec.argv, spec.checkpoint
    if argv is None:
        checkpoint = str(final.work / "checkpoint.json")
        argv = (sys.executable, "-m", "agents.worker", "--checkpoint", checkpoint, "--duty", f"{spec.duty:g}")
        if spec.misbehave is not None:
            argv += ("--misbehave", spec.misbehave)
        environment = _import_path() | environment
    return ProcessDriverConfig(
        argv=argv, environment=environment | {MARKER: marked}, checkpoint=checkpoint, cgroup=spec.cgroup
    )


def _import_path() -> dict[str, str]:
    """Return what makes `agents` importable from any folder, also in a checkout that is not installed.

    It is only looked up, never imported: the orchestrator does not know the agents' code.
    """
    found = importlib.util.find_spec("agents")
    if found is None or found.origin is None:
        return {}
    return {"PYTHONPATH": str(Path(found.origin).parents[1])}


def simulated_work(config: MockConfig, final: SiteLayout) -> Work:
    """Return the work of a simulated site, with everything that follows from its configuration.

    Args:
        config: What is simulated.
        final: Where the site will lie.
    """
    looks = tuple(Look)
    register = register_of(config)
    return Work(
        controls=tuple(Control),
        rates=work_rates(config),
        covers=tuple(signal for look in looks for signal in signals_of(look, config)),
        driver=MockDriverConfig(),
        probe=MockProbeConfig(looks=looks, registry=final.register.name),
        off_levels=off_levels(config),
        register=register.encode(),
        registry=register.digest,
    )
