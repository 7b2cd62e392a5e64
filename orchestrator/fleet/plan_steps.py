"""A sensible step for each control, as YAML: what example plans and the demo are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.controls import Control


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the parts of a step take.

    Attributes:
        dwell_s: How long what is ordered must be seen.
        limit_s: Response limit of a control that acts at once.
        rate_limit_s: Response limit of a slowdown: a rate is an average over a while, so it takes longer to
            prove that work is slow enough than that it stands still.
        stop_limit_s: Response limit of a shutdown.
        cut_limit_s: Response limit of a power cut: the site's UPS must have run out by then.
        restore_limit_s: By when a site must be back.
        spare_s: How long a hold lasts beyond what the step must have seen.
        max_gap_s: The widest hole in the evidence.
        grace_s: How long the work may take to stop.
        licence_s: How long a licence lasts.
        renewed_s: How long it is renewed: longer than the first licence, which is free, so that renewing shows.
        armed_for_s: How long an armed site stays armed.
    """

    dwell_s: float = 3
    limit_s: float = 10
    rate_limit_s: float = 15
    stop_limit_s: float = 15
    cut_limit_s: float = 30
    restore_limit_s: float = 30
    spare_s: float = 5
    max_gap_s: float = 2
    grace_s: float = 5
    licence_s: float = 5
    renewed_s: float = 12
    armed_for_s: float = 3600


@dataclass(frozen=True, slots=True)
class StepText:
    """A step of a plan, its numbers still at hand.

    Attributes:
        control: What is exercised.
        limit_s: Its response limit.
        reach_s: How long after its order the last thing must have been seen.
        parameters: Its own parameters, a line of YAML and a comment each.
    """

    control: Control
    limit_s: float
    reach_s: float
    parameters: tuple[str, ...] = ()


def step_of(control: Control, pace: Pace, protected: Sequence[str] = ()) -> StepText:
    """Return a step that exercises a control with sensible parameters; decommission is only armed.

    Args:
        control: The control.
        pace: How long things take.
        protected: The classes that a selective pause protects.
    """
    own_limits_s = {
        Control.SLOWDOWN: pace.rate_limit_s,
        Control.SHUTDOWN: pace.stop_limit_s,
        Control.POWER_CUT: pace.cut_limit_s,
    }
    limit_s = own_limits_s.get(control, pace.limit_s)
    licensed_s = pace.licence_s + pace.renewed_s if control is Control.LEASE else 0
    return StepText(control, limit_s, licensed_s + limit_s + pace.dwell_s, _parameters(control, pace, protected))


def _parameters(control: Control, pace: Pace, protected: Sequence[str]) -> tuple[str, ...]:
    licence = (
        f"licence_s: {pace.licence_s:g}  # how long a licence lasts",
        f"renewed_s: {pace.renewed_s:g}  # how long it is renewed; then the site must halt by itself",
    )
    parameters: dict[Control, tuple[str, ...]] = {
        Control.SLOWDOWN: ("fraction: 0.5  # at most half of the least rate of steady state",),
        Control.RUN_CAP: ("unit: accelerator_hours", "limit: 50  # the largest run that still starts"),
        Control.SELECTIVE_PAUSE: (f"protected: [{', '.join(protected)}]  # these classes go on",),
        Control.LEASE: licence,
        Control.SHUTDOWN: (f"grace_s: {pace.grace_s:g}  # then it is killed",),
        Control.DECOMMISSION: ("phase: arm", f"armed_for_s: {pace.armed_for_s:g}  # then it expires harmlessly"),
    }
    return parameters.get(control, ())


def hold_s(step: StepText, pace: Pace) -> float:
    """Return how long a step holds its sites, seconds."""
    return step.reach_s + pace.spare_s


def step_yaml(step: StepText, pace: Pace, *, quorum: int = 2) -> str:
    """Write a step as YAML."""
    return _yaml(step.control.value, step, pace, hold_s(step, pace), quorum)


def ladder_hold_s(rungs: Sequence[StepText], pace: Pace, climb_s: float) -> float:
    """Return how long a ladder holds its sites, seconds.

    Args:
        rungs: Its rungs, the mildest first.
        pace: How long things take.
        climb_s: How long each climb may take.
    """
    return sum(rung.reach_s for rung in rungs) + climb_s * (len(rungs) - 1) + pace.spare_s


def ladder_yaml(name: str, rungs: Sequence[StepText], pace: Pace, *, climb_s: float, quorum: int = 2) -> str:
    """Write a step with a ladder as YAML.

    Args:
        name: How the step is called.
        rungs: Its rungs, the mildest first: that one is the step's own control.
        pace: How long things take.
        climb_s: How long each climb may take.
        quorum: How many witness owners must agree.
    """
    lines = [_yaml(name, rungs[0], pace, ladder_hold_s(rungs, pace, climb_s), quorum).rstrip("\n")]
    lines += ["    ladder:"] if rungs[1:] else []
    for rung in rungs[1:]:
        lines += [
            f"      - control: {rung.control}",
            *(f"        {line}" for line in rung.parameters),
            f"        response_limit_s: {rung.limit_s:g}",
        ]
    return "\n".join(lines) + "\n"


def _yaml(name: str, step: StepText, pace: Pace, held_s: float, quorum: int) -> str:
    lines = [
        f"  - name: {name.replace('_', '-')}",
        f"    control: {step.control}",
        *(f"    {line}" for line in step.parameters),
        f"    response_limit_s: {step.limit_s:g}",
        f"    dwell_s: {pace.dwell_s:g}",
        f"    hold_s: {held_s:g}",
        f"    restore_limit_s: {pace.restore_limit_s:g}",
        f"    quorum: {quorum}",
        f"    max_gap_s: {pace.max_gap_s:g}",
    ]
    return "\n".join(lines) + "\n"
