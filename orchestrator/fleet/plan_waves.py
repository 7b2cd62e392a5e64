"""A plan in waves: one site first, then some, then the rest. Each wave is approved and run as a plan of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.fleet.approve import warrant_path
from orchestrator.fleet.plan import Audience, PlanFile
from orchestrator.fleet.plan_check import check_plan
from orchestrator.schedule.names import wave_name
from orchestrator.schedule.spec import WaveSpec
from protocols.errors import ConfigError
from protocols.trust import FleetTrust

NAME_MAX_CHARS = 40


@dataclass(frozen=True, slots=True)
class PlanWave:
    """One wave, or the whole of a plan that has none.

    Attributes:
        number: Its number, from 1; 0 for a plan without waves.
        source: What is approved: the plan with the wave's name and sites, and nothing about when.
        sites: Its sites, sorted.
        warrant: Where its warrant lies.
    """

    number: int
    source: PlanFile
    sites: tuple[str, ...]
    warrant: Path


def split(sites: Sequence[str], waves: Sequence[WaveSpec]) -> list[tuple[str, ...]]:
    """Deal sites out to waves in their order.

    Raises:
        ValueError: A wave would have no site.
    """
    left, dealt = list(sites), []
    for number, wave in enumerate(waves, start=1):
        size = wave.size(len(sites), len(left))
        if not size:
            raise ValueError(f"wave {number} would have no site: {len(sites)} are dealt out by then")
        dealt.append(tuple(left[:size]))
        left = left[size:]
    return dealt


def waves_of(source: PlanFile, path: Path, fleet: FleetTrust, *, now_ns: int) -> tuple[PlanWave, ...]:
    """Return a plan's waves, each checked against the fleet; of a plan without waves the plan itself.

    Sites that the plan names one by one are dealt out in that order; those found by attributes by name.

    Args:
        source: The plan.
        path: Its file: warrants lie beside it.
        fleet: The fleet.
        now_ns: Wall time.

    Raises:
        ConfigError: The fleet cannot do what the plan asks, or a wave would have no site.
    """
    plan, sites = source.plan, check_plan(source, fleet, now_ns=now_ns)
    if not plan.waves:
        return (PlanWave(0, source, sites, warrant_path(path)),)
    try:
        dealt = split(plan.audience.sites or sites, plan.waves)
    except ValueError as error:
        raise source.error(("waves",), str(error), "leave waves out, or make them smaller") from None
    if len(wave_name(plan.name, len(dealt))) > NAME_MAX_CHARS:
        raise source.error(("name",), "is too long for the names of its waves", "make it shorter")
    return tuple(_wave(source, path, number, listed) for number, listed in enumerate(dealt, start=1))


def _wave(source: PlanFile, path: Path, number: int, sites: tuple[str, ...]) -> PlanWave:
    name = wave_name(source.plan.name, number)
    changes = {"name": name, "audience": Audience(sites=sites), "schedule": None, "waves": ()}
    wave = PlanFile(source.plan.model_copy(update=changes), source.tree)
    beside = warrant_path(path)
    return PlanWave(number, wave, tuple(sorted(sites)), beside.with_name(f"{path.stem}.w{number}.warrant.json"))


def wave_of(waves: Sequence[PlanWave], wanted: int | None, where: str) -> PlanWave:
    """Return the wave that is meant.

    Args:
        waves: A plan's waves.
        wanted: Its number; None for a plan without waves.
        where: The plan's file, for errors.

    Raises:
        ConfigError: There is no such wave, or none was named where there are several.
    """
    found = [wave for wave in waves if wave.number == (wanted or 0)]
    if found:
        return found[0]
    if wanted is None:
        raise ConfigError(f"has {len(waves)} waves", where=where, remedy="say which: --wave 1")
    raise ConfigError(f"has no wave {wanted}", where=where, remedy=f"it has {len([w for w in waves if w.number])}")
