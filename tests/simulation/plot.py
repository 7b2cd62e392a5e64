"""What a seed is about: a drill, and what troubles it. Everything else of a run follows from this.

Each seed has a few kinds of trouble, and many have none: what nobody troubles must be verified, or no
claim would be tested. Each strike of a trouble draws from a chance of its own, so that leaving one out
changes nothing of the others: that is what shrinking lives on.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from protocols.controls import (
    CensusParams,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.mock_config import Fault
from tests.simulation.weather import Weather

Strike = tuple[str, int]
"""A trouble that struck, and its number among those of its kind."""

Ladder = tuple[Params, ...]

LADDERS: tuple[Ladder, ...] = (
    (PauseParams(),),
    (PauseParams(),),
    (ShutdownParams(grace_s=5.0),),
    (SlowdownParams(),),
    (LeaseParams(licence_s=1.5, renewed_s=2.5),),
    (LeaseParams(licence_s=2.5, renewed_s=2.0),),
    (LeaseParams(licence_s=2.0, renewed_s=2.0, partition=True),),
    (PowerCutParams(),),
    (PauseParams(), PowerCutParams()),
    (PauseParams(), ShutdownParams(grace_s=5.0)),
    (SlowdownParams(), PauseParams(), PowerCutParams()),
)
RARE_LADDERS: tuple[Ladder, ...] = (
    (StandbyParams(),),
    (RefusalParams(),),
    (CensusParams(),),
    (RunCapParams(limit=50.0),),
    (SelectivePauseParams(protected=("evals", "interpretability", "safety")),),
    (IsolateParams(),),
    (DecommissionParams(phase="arm", armed_for_s=600.0),),
)
_RARELY = 0.15

TROUBLES = (
    "network",
    "cuts",
    "crashes",
    "lies",
    "thief",
    "people",
    "fault",
    "flood",
    "broker",
    "clocks",
    "junk",
    "orchestrator",
    "idle",
)
FAULTS_OF_LADDERS = (
    Fault.PARTIAL,
    Fault.DEAF_AGENT,
    Fault.SLOW,
    Fault.NO_RESTORE_PATH,
    Fault.FLAPPING,
    Fault.RESPAWNING_JOB,
)
"""What makes ladders climb and sites hard to bring back: drawn as often as all others together."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What is wrong with the first site, and when.

    Attributes:
        since_s: From when on; 0 for from the start.
        until_s: Until when; None for ever.
    """

    fault: Fault
    since_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """What a seed is about.

    Attributes:
        sites: How many sites there are.
        troubles: The kinds of trouble.
        weather: What the network does to each message.
        ladders: What each step orders, rung by rung.
        tight: Whether the first step, a pause, has the least limits that can be met.
        uses: How many drills there are under the one warrant.
        held_share: How much of two uses' time the warrant allows.
        gap_s: The least time between two uses.
        pause_s: How long before each drill nothing is drilled.
        fault: What is wrong with the first site.
        skipped: Strikes that are left out.
    """

    seed: int
    sites: int
    troubles: frozenset[str]
    weather: Weather
    ladders: tuple[Ladder, ...]
    tight: bool
    uses: int
    held_share: float
    gap_s: float
    pause_s: float
    fault: FaultPlan | None
    skipped: frozenset[Strike] = frozenset()

    def chance(self, kind: str, number: int = 0) -> random.Random:
        """Return the chance of one strike of one kind of trouble."""
        return random.Random(f"{self.seed} {kind} {number}")

    def smaller(self, struck: frozenset[Strike]) -> Iterator[Plot]:
        """Yield plots in which less happens, those with the most left out first.

        Args:
            struck: What struck in this one.
        """
        for trouble in sorted(self.troubles):
            calm = Weather() if trouble == "network" else self.weather
            fault = None if trouble == "fault" else self.fault
            yield replace(self, troubles=self.troubles - {trouble}, weather=calm, fault=fault)
        if self.uses > 1:
            yield replace(self, uses=1)
        if self.sites > 1:
            yield replace(self, sites=1)
        for number in range(len(self.ladders) if len(self.ladders) > 1 else 0):
            yield replace(self, ladders=self.ladders[:number] + self.ladders[number + 1 :])
        for number, ladder in enumerate(self.ladders):
            if len(ladder) > 1:
                yield replace(self, ladders=(*self.ladders[:number], ladder[:-1], *self.ladders[number + 1 :]))
        left = sorted(struck)
        size = (len(left) + 1) // 2
        while size:
            for start in range(0, len(left), size):
                yield replace(self, skipped=self.skipped | frozenset(left[start : start + size]))
            size = size // 2


def draw(seed: int) -> Plot:
    """Draw what a seed is about."""
    chance = random.Random(f"plot {seed}")
    troubles = frozenset(chance.sample(TROUBLES, chance.choice((0, 1, 1, 1, 2, 2, 3))))
    fault = _draw_fault(chance) if "fault" in troubles else None
    weather = Weather(chance.choice((0.0, 0.1, 0.3)), chance.choice((0.0, 0.3)), chance.choice((0.01, 0.3, 0.8)))
    ladders = [
        chance.choice(RARE_LADDERS if chance.random() < _RARELY else LADDERS) for _ in range(chance.choice((1, 1, 2)))
    ]
    if fault is not None and fault.fault is Fault.NO_RESTORE_PATH:
        ladders = [(ShutdownParams(grace_s=5.0),), (PauseParams(),)]
    return Plot(
        seed=seed,
        sites=chance.choice((1, 1, 1, 2)),
        troubles=troubles,
        weather=weather if "network" in troubles else Weather(),
        ladders=tuple(ladders),
        tight=chance.random() < 0.3 and len(ladders[0]) == 1 and isinstance(ladders[0][0], PauseParams),
        uses=chance.choice((1, 1, 2)),
        held_share=chance.choice((1.0, 2.0)),
        gap_s=chance.choice((0.0, 0.0, 25.0)),
        pause_s=chance.uniform(0.5, 3.0),
        fault=fault,
    )


def _draw_fault(chance: random.Random) -> FaultPlan:
    fault = chance.choice(FAULTS_OF_LADDERS if chance.random() < 0.5 else tuple(Fault))
    if chance.random() < 0.6:
        return FaultPlan(fault)
    since_s = chance.uniform(2, 15)
    return FaultPlan(fault, since_s, since_s + chance.uniform(1, 20))
