"""A folder of plans, as a service reads it: one that is wrong is named, and stops no other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.fleet.plan import Plan, load_plan
from orchestrator.fleet.plan_waves import PlanWave, waves_of
from orchestrator.schedule.names import wave_name
from orchestrator.stopping.spec import StopCondition
from protocols.errors import ConfigError, HaltdrillError
from protocols.ids import digest_of, plan_in_id, plan_of_drill
from protocols.trust import FleetTrust

PLANS_MAX = 1_000
NOT_PLANS = frozenset({"service.yaml", "notify.yaml", "hooks.yaml"})


@dataclass(frozen=True, slots=True)
class BookedPlan:
    """A plan of the folder.

    Attributes:
        path: Its file.
        plan: The plan.
        waves: Its waves; of a plan without waves the plan itself.
        digest: Digest of everything about its schedule and its waves: with another one it counts anew.
    """

    path: Path
    plan: Plan
    waves: tuple[PlanWave, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class PlanBook:
    """What a folder holds.

    Attributes:
        plans: The plans that are right, by name.
        wrong: What is wrong with the other files.
    """

    plans: Mapping[str, BookedPlan]
    wrong: Mapping[Path, HaltdrillError]

    @property
    def scheduled(self) -> list[BookedPlan]:
        """The plans that have a schedule."""
        return [booked for booked in self.plans.values() if booked.plan.schedule is not None]


def read_plan_book(folder: Path, fleet: FleetTrust, *, now_ns: int, others: Sequence[str | None] = ()) -> PlanBook:
    """Read a folder's plans and check each against the fleet.

    Args:
        folder: The folder.
        fleet: The fleet.
        now_ns: Wall time.
        others: Files of the folder that are no plans, by their names.

    Raises:
        ConfigError: There is no such folder, or it holds too many files.
    """
    plans: dict[str, BookedPlan] = {}
    wrong: dict[Path, HaltdrillError] = {}
    for path in (one for one in _files(folder) if one.name not in others):
        try:
            booked = _book(path, fleet, now_ns)
            if booked.plan.name in plans:
                other = plans[booked.plan.name].path.name
                raise ConfigError(
                    f"plan {booked.plan.name} is in {other} too", where=str(path), remedy="give it a name of its own"
                )
        except HaltdrillError as error:
            wrong[path] = error
        else:
            plans[booked.plan.name] = booked
    return PlanBook(plans, wrong)


def conditions_of(folder: Path, drill: str) -> tuple[StopCondition, ...]:
    """Return the stop conditions of the plan that a drill is of, or of whose waves it is one; none if it is gone.

    For a drill that is taken up: what it was opened with is its warrant, which says nothing of them.

    Args:
        folder: The folder of plans.
        drill: The drill's id.

    Raises:
        ConfigError: There are too many plans.
    """
    for path in _files(folder) if folder.is_dir() else ():
        try:
            plan = load_plan(path).plan
        except HaltdrillError:
            continue  # a plan that cannot be read says nothing of anything
        names = [plan.name, *(wave_name(plan.name, number) for number in range(1, len(plan.waves) + 1))]
        if plan_of_drill(drill) in map(plan_in_id, names):
            return plan.stop_when
    return ()


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError("there is no such folder of plans", where=str(folder))
    found = sorted(path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and path.name not in NOT_PLANS)
    if len(found) > PLANS_MAX:
        raise ConfigError(f"has {len(found)} plans, over the limit of {PLANS_MAX}", where=str(folder))
    return found


def _book(path: Path, fleet: FleetTrust, now_ns: int) -> BookedPlan:
    source = load_plan(path)
    plan = source.plan
    waves = waves_of(source, path, fleet, now_ns=now_ns)
    # What else is in a plan is in its warrant, which is looked at anew whenever a run is due.
    said = {
        "schedule": None if plan.schedule is None else plan.schedule.model_dump(mode="json"),
        "waves": [wave.sites for wave in waves if wave.number],
    }
    return BookedPlan(path, plan, waves, digest_of(json.dumps(said, sort_keys=True).encode()))
