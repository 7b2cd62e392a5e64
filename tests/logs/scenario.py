"""What is to be in a simulated log, and what every simulated drill has in common."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.evidence.result import RungStated
from orchestrator.evidence.stating import StepStated
from protocols.controls import Params, PauseParams, PowerCutParams, ShutdownParams, SlowdownParams, control_of

S = 1_000_000_000
MS = 1_000_000
START_WALL_NS = 1_795_701_600 * S

REGIONS = ("eu-north", "eu-west", "us-east", "us-west", "ap-south", "ap-east")
WITNESSES = ("regulator-lab", "peer-audit", "grid-operator")
CONTROLS: tuple[Params, ...] = (PauseParams(), SlowdownParams(fraction=0.5), ShutdownParams(grace_s=5.0))

CHALLENGE_NS = S
PREFLIGHT_NS = 6 * S
HOLD_NS = 60 * S
LIMIT_NS = 10 * S
DWELL_NS = 5 * S
RESTORE_LIMIT_NS = 15 * S
CLIMB_NS = LIMIT_NS + DWELL_NS + 2 * S
PROGRESS_NS = 5 * S

FAULTS = ("contradicted", "broken", "not_restored", "refused", "late", "silent", "alone", "escalated", "flapping")
"""How a site may go wrong, in the order in which the faulty ones take turns."""


@dataclass(frozen=True)
class Scenario:
    """What is to be in the log.

    Attributes:
        faults: The share of sites that go wrong, in each of `FAULTS` in turn; at least one if it is not 0.
        seed: Decides the drill's name and every time.
        wall_ns: When it began.
        abort_at_s: When it is aborted, counted from its beginning; never if None.
        rejected: Inputs that were not to be believed.
        mock: Whether the sites are mock sites.
    """

    sites: int = 100
    steps: int = 1
    faults: float = 0.02
    seed: int = 1
    wall_ns: int = START_WALL_NS
    abort_at_s: float | None = None
    rejected: int = 2
    mock: bool = True
    title: str = "Quarterly exercise of every region"
    plan: str = "quarterly"


def params_of(number: int) -> Params:
    """Return what a step exercises."""
    return CONTROLS[number % len(CONTROLS)]


def name_of(number: int) -> str:
    """Return a step's name."""
    return f"{control_of(params_of(number))}-{number + 1}"


def ladder_of(number: int) -> tuple[Params, ...]:
    """Return what a step's higher rungs exercise."""
    return (ShutdownParams(grace_s=5.0), PowerCutParams()) if number == 0 else ()


def stated_step(number: int) -> StepStated:
    """Return what was approved of a step."""
    return StepStated(
        step=number,
        name=name_of(number),
        params=params_of(number),
        hold_ns=HOLD_NS,
        response_limit_ns=LIMIT_NS,
        dwell_ns=DWELL_NS,
        restore_limit_ns=RESTORE_LIMIT_NS,
        max_gap_ns=3 * S,
        quorum=2,
        ladder=tuple(
            RungStated(rung=place, params=params, response_limit_ns=LIMIT_NS)
            for place, params in enumerate(ladder_of(number), start=1)
        ),
    )
