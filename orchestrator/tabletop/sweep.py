"""What if: a scenario many times over, with other seeds and other values, in virtual time on all cores."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import Any

from orchestrator.tabletop.after import results_of
from orchestrator.tabletop.assess import worst_verdicts
from orchestrator.tabletop.director import Script
from orchestrator.tabletop.playing import Played, play
from orchestrator.tabletop.record import Chose
from orchestrator.tabletop.spec import Scenario, SiteGroup
from protocols.errors import ConfigError
from protocols.host.logs import configure

VALUES_MAX = 21
"""Most values of one parameter that a range is divided into."""

RUNS_MAX = 100_000

PARAMETERS: dict[str, str] = {
    "detection_delay": "seconds that each player thinks before deciding",
    "challenge_s": "seconds between two challenges to the witnesses",
    "witnesses": "witnesses of each site",
    "response_limit_s": "the response limit of every step, seconds",
    "faulty_share": "the share of the sites of each group with faults that have them",
}


@dataclass(frozen=True, slots=True)
class Vary:
    """A parameter, and the values that it takes.

    Attributes:
        name: One of `PARAMETERS`.
        values: The values.
    """

    name: str
    values: tuple[float, ...]


def parse_vary(text: str) -> Vary:
    """Read `name=first..last`, `name=first..last/step` or `name=a,b,c`.

    Raises:
        ConfigError: It is none of these, or there is no such parameter.
    """
    name, equals, said = text.partition("=")
    if name not in PARAMETERS or not equals:
        known = "; ".join(f"{key}: {words}" for key, words in PARAMETERS.items())
        raise ConfigError(f"{text!r} is no parameter with values", where="--vary", remedy=known)
    try:
        values = tuple(_range(said)) if ".." in said else tuple(float(one) for one in said.split(","))
    except ValueError:
        raise ConfigError(
            f"{said!r} are no values", where="--vary", remedy=f"as in {name}=5..120, {name}=5..120/5 or {name}=5,30,120"
        ) from None
    if not values or len(values) > VALUES_MAX or any(not 0 <= value < float("inf") for value in values):
        raise ConfigError(f"1 to {VALUES_MAX} values from 0 on are possible", where="--vary")
    return Vary(name, values)


def _range(said: str) -> Iterator[float]:
    ends, _, step = said.partition("/")
    first, last = (float(one) for one in ends.split(".."))
    if last < first:
        raise ValueError(said)
    each = float(step) if step else (last - first) / 5 or 1.0
    if each <= 0:
        raise ValueError(said)
    count = min(VALUES_MAX + 1, int((last - first) / each + 1e-9) + 1)
    yield from (round(first + number * each, 6) for number in range(count))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to, over all its drills.

    Attributes:
        halted_in_limit: The share of sites that were witnessed as ordered within their limit.
        last_halt_s: How long the last of those took, at most; none if there was none.
        false_halts: Sites that were reported as halted and seen at work.
        not_restored: Sites that did not come back.
        as_expected: The share of decisions that were taken as expected.
    """

    seed: int
    halted_in_limit: float
    last_halt_s: float | None
    false_halts: int
    not_restored: int
    as_expected: float


def outcome_of(played: Played, seed: int) -> Outcome:
    """Say what a run came to."""
    sites = halted = false = unrestored = 0
    last_ns: int | None = None
    for result in results_of(played).values():
        worst = worst_verdicts(result)
        false += sum(word == "contradicted" for word in worst.values())
        unrestored += sum(word == "not_restored" for word in worst.values())
        for step in result.steps:
            for site in step.sites:
                sites += 1
                took_ns = site.result.response_upper_ns
                if took_ns is not None and took_ns <= step.response_limit_ns:
                    halted += 1
                    last_ns = max(took_ns, last_ns or 0)
    taken = [one.entry for one in played.record.entries if isinstance(one.entry, Chose)]
    expected = {decision.name: decision.expected.name for decision in played.scenario.decisions}
    right = sum(one.option == expected[one.decision] for one in taken)
    return Outcome(
        seed,
        round(halted / sites, 6) if sites else 0.0,
        None if last_ns is None else round(last_ns / 1e9, 3),
        false,
        unrestored,
        round(right / len(taken), 6) if taken else 0.0,
    )


def with_values(scenario: Scenario, values: Mapping[str, float]) -> Scenario:
    """Return a scenario with other values."""
    data: dict[str, Any] = {}
    drills, fleet = scenario.drills, scenario.fleet
    for name, value in values.items():
        match name:
            case "challenge_s":
                drills = tuple(drill.model_copy(update={"challenge_s": value}) for drill in drills)
            case "response_limit_s":
                drills = tuple(
                    drill.model_copy(
                        update={
                            "steps": tuple(step.model_copy(update={"response_limit_s": value}) for step in drill.steps)
                        }
                    )
                    for drill in drills
                )
            case "witnesses":
                fleet = fleet.model_copy(update={"witnesses": int(value)})
            case "faulty_share":
                groups = tuple(_fewer_faulty(group, value) for group in fleet.groups)
                fleet = fleet.model_copy(update={"groups": groups})
            case _:
                pass
    data |= {"drills": drills, "fleet": fleet}
    return Scenario.model_validate(scenario.model_copy(update=data).model_dump())


def _fewer_faulty(group: SiteGroup, share: float) -> SiteGroup:
    return group.model_copy(update={"first_with_faults": round(share * group.count)}) if group.faults else group


Row = tuple[dict[str, float], Outcome]


def sweep(
    scenario: Scenario,
    varied: Sequence[Vary],
    *,
    runs: int,
    jobs: int | None = None,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Row]:
    """Run a scenario over all combinations of values, each with as many seeds as fit into `runs`.

    Args:
        scenario: The scenario.
        varied: What is varied.
        runs: How many runs in all, at least one for each combination.
        jobs: How many processes; as many as there are cores if not given.
        told: Called with how many runs are done, and of how many.
    """
    names = [one.name for one in varied]
    points = itertools.product(*(one.values for one in varied))
    grid = [dict(zip(names, point, strict=True)) for point in points]
    seeds = max(1, runs // len(grid))
    tasks = [(scenario, point, scenario.fleet.seed + number) for number in range(seeds) for point in grid]
    rows: list[Row] = []
    with ProcessPoolExecutor(jobs or os.cpu_count() or 1, initializer=_quiet) as pool:
        for done, outcome in enumerate(pool.map(_one, tasks, chunksize=1), start=1):
            rows.append((tasks[done - 1][1], outcome))
            told(done, len(tasks))
    return rows


def _quiet() -> None:
    configure("tabletop", level="critical", json=True)


def _one(task: tuple[Scenario, dict[str, float], int]) -> Outcome:
    scenario, point, seed = task
    players = Script(thinks_s=point.get("detection_delay", Script().thinks_s))
    return outcome_of(play(with_values(scenario, point), players=players, seed=seed), seed)


def as_csv(rows: Sequence[Row]) -> str:
    """Return the rows as CSV: a column for each parameter, then the outcome's."""
    names = list(rows[0][0]) if rows else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *(one.name for one in fields(Outcome))])
    for point, outcome in rows:
        values = asdict(outcome).values()
        writer.writerow([*(point[name] for name in names), *("" if value is None else value for value in values)])
    return out.getvalue()
