"""Runs a scenario from its file to its record: everything follows from the scenario, the seed and what is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.fleet.plan import parse_moment
from orchestrator.tabletop import record as r
from orchestrator.tabletop.director import Director, Players, Script
from orchestrator.tabletop.driving import Driven
from orchestrator.tabletop.loop import ExerciseClock, Pace, run_exercise
from orchestrator.tabletop.spec import Scenario
from orchestrator.tabletop.world import FleetMaker, Keys, MockFleet, configs_of
from protocols.host.logs import FilteringBoundLogger, get_logger
from protocols.ids import digest_of


@dataclass(frozen=True, slots=True)
class Played:
    """An exercise that came to its end.

    Attributes:
        scenario: The scenario.
        record: Its record.
        drills: Its drills, by name.
    """

    scenario: Scenario
    record: r.Record
    drills: dict[str, Driven]


def play(
    scenario: Scenario,
    *,
    players: Players | None = None,
    seed: int | None = None,
    pace: Pace | None = None,
    log: FilteringBoundLogger | None = None,
    directed: Callable[[Director], None] = lambda _director: None,
) -> Played:
    """Play a scenario to its end.

    Args:
        scenario: The scenario.
        players: Who decides; without any everything is decided as expected.
        seed: The seed of this run; the scenario's own if not given.
        pace: How fast time goes; without one it never waits.
        log: Where the parties' log lines go.
        directed: Called with the director before it begins, to show what goes on or to take part.
    """
    return run_exercise(_play(scenario, players, seed, log or get_logger(), directed), pace)


async def _play(
    scenario: Scenario,
    players: Players | None,
    seed: int | None,
    log: FilteringBoundLogger,
    directed: Callable[[Director], None],
) -> Played:
    seed = scenario.fleet.seed if seed is None else seed
    scenario = scenario.model_copy(update={"fleet": scenario.fleet.model_copy(update={"seed": seed})})
    start_ns = parse_moment(scenario.starts_at)
    keys, configs, clock = Keys(f"{scenario.name}/{seed}"), configs_of(scenario), ExerciseClock(start_ns)
    documents = FleetMaker(scenario, keys, configs, start_ns).make()
    record = r.Record(start_ns)
    fleet = MockFleet(scenario, keys, documents, configs, clock, log)
    director = Director(scenario, fleet, record, players or Script())
    directed(director)
    scripted = players is None or isinstance(players, Script)
    digest = digest_of(scenario.model_dump_json().encode())
    began = r.Began(scenario=scenario.name, digest=digest, seed=seed, mode="unattended" if scripted else "facilitated")
    record.enter(began, clock.wall_ns())
    await director.run()
    return Played(scenario, record, director.drills.all)
