"""The demo's plan: short enough to watch, with the same parts as a real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.fleet.plan_steps import Pace, hold_s, ladder_hold_s, ladder_yaml, step_of, step_yaml
from protocols.controls import Control
from protocols.ids import format_utc, seconds_to_ns
from protocols.messages.orders import CLIMB_CHALLENGES

LADDER = (Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT)
PROTECTED = ("evals", "interpretability", "safety")

UPS_S = 2.0
"""How long the power of the demo's simulated sites rides through a cut, seconds."""

PACE = Pace(
    dwell_s=2,
    limit_s=4,
    rate_limit_s=8,
    stop_limit_s=6,
    cut_limit_s=8,
    restore_limit_s=20,
    spare_s=1,
    max_gap_s=1.5,
    grace_s=3,
    licence_s=2,
    renewed_s=4,
    armed_for_s=600,
)
"""Each step of the demo is over within a quarter of a minute."""

MOCK_PACE = replace(PACE, stop_limit_s=9, grace_s=6)
"""At simulated sites a checkpoint takes as long as it is large."""

_WINDOW_S = 3600
_CHALLENGE_S, _CROWD_CHALLENGE_S = 0.25, 0.5
_CROWD = 8


def challenge_s(sites: int) -> float:
    """Return how often a demo challenges its witnesses, seconds: less often where all are many for one machine."""
    return _CHALLENGE_S if sites <= _CROWD else _CROWD_CHALLENGE_S


def paced(pace: Pace, sites: int) -> Pace:
    """Return a pace with more time for evidence where all sites are many for one machine.

    The wider the brackets, the longer the span over which a rate must be averaged to be sure of it.
    """
    return pace if sites <= _CROWD else replace(pace, limit_s=6, dwell_s=3, max_gap_s=2)


def demo_plan(sites: Sequence[str], controls: Sequence[Control], now_ns: int, pace: Pace) -> str:
    """Return the demo's plan as YAML.

    Args:
        sites: The sites to exercise.
        controls: The controls to exercise, a step each, in this order.
        now_ns: Wall time, nanoseconds: where its window begins.
        pace: How long things take.
    """
    pace = paced(pace, len(sites))
    steps = [step_of(control, pace, PROTECTED) for control in controls]
    text = "".join(step_yaml(step, pace) for step in steps)
    held_s = sum(hold_s(step, pace) + pace.restore_limit_s for step in steps)
    return _head("The demo: one step for each control", sites, held_s, now_ns) + text


def ladder_plan(sites: Sequence[str], now_ns: int) -> str:
    """Return the plan of the demo that escalates, as YAML.

    Args:
        sites: The sites to exercise.
        now_ns: Wall time, nanoseconds: where its window begins.
    """
    pace = paced(MOCK_PACE, len(sites))
    rungs = [step_of(control, pace) for control in LADDER]
    climb_s = CLIMB_CHALLENGES * challenge_s(len(sites))
    title = "The demo of a ladder: pause, and harsher where that does not halt"
    text = ladder_yaml("ladder", rungs, pace, climb_s=climb_s)
    return _head(title, sites, ladder_hold_s(rungs, pace, climb_s), now_ns) + text


def _head(title: str, sites: Sequence[str], held_s: float, now_ns: int) -> str:
    listed = "".join(f"    - {site}\n" for site in sites)
    return (
        f"name: demo\ntitle: '{title}'\n"
        f"audience:\n  sites:\n{listed}"
        f"window:\n  not_before: {format_utc(now_ns)}\n"
        f"  not_after: {format_utc(now_ns + seconds_to_ns(_WINDOW_S))}\n"
        f"challenge_s: {challenge_s(len(sites)):g}\nuses: 1\nmin_between_uses_s: 0\nmax_total_held_s: {held_s:g}\n"
        f"steps:\n"
    )
