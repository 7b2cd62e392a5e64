"""What a driver or an actuator sees of its site: the words that they and the pure reconciler share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

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


class SiteState(StrEnum):
    """The real state of the actuator, as observed now and never as remembered.

    `MIXED` is anything between two of the others.
    """

    RUNNING = "running"
    SLOWED = "slowed"
    CAPPED = "capped"
    SELECTIVE = "selective"
    PAUSED = "paused"
    ISOLATED = "isolated"
    STOPPED = "stopped"
    DARK = "dark"
    GONE = "gone"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a driver sees of its site.

    Attributes:
        state: The actuator's state.
        ours: Whether the actuator carries this driver's mark: an `apply` whose `restore` has not
            completed. It may be set while the state is still `RUNNING`, when a crash fell between
            the mark and the action; restoring is then still right, and harmless.
        detail: The same for people, in a clause.
    """

    state: SiteState
    ours: bool
    detail: str


def states_under(params: Params) -> tuple[SiteState, ...]:  # noqa: PLR0911 - one for each control
    """Return the states in which a site is as a control asks, the one that obeying it brings about first."""
    match params:
        case StandbyParams() | RefusalParams() | CensusParams():
            return (SiteState.RUNNING,)
        case SlowdownParams():
            return (SiteState.SLOWED,)
        case RunCapParams():
            return (SiteState.CAPPED,)
        case SelectivePauseParams():
            return (SiteState.SELECTIVE,)
        case PauseParams() | LeaseParams():
            # A workload that ended before or while it was paused does no work either.
            return (SiteState.PAUSED, SiteState.STOPPED)
        case IsolateParams():
            return (SiteState.ISOLATED,)
        case ShutdownParams():
            return (SiteState.STOPPED,)
        case PowerCutParams():
            return (SiteState.DARK,)
        case DecommissionParams(phase=phase):
            return (SiteState.GONE if phase == "fire" else SiteState.RUNNING,)
        case _:
            assert_never(params)
