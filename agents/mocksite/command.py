"""What a simulated site's control plane is told, and what its books then call the site. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from agents.observation import SiteState
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


@dataclass(frozen=True, slots=True)
class Command:
    """What the site's control plane was told.

    Attributes:
        params: The control.
        clock: The clock that all accelerators are throttled to, as a part of the full one.
    """

    params: Params
    clock: float = 1.0


def state_under(params: Params) -> SiteState:  # noqa: PLR0911 - one for each control
    """Return the state of a site that has done what a control asks for."""
    match params:
        case SlowdownParams():
            return SiteState.SLOWED
        case RunCapParams():
            return SiteState.CAPPED
        case SelectivePauseParams():
            return SiteState.SELECTIVE
        case PauseParams() | LeaseParams():
            return SiteState.PAUSED
        case IsolateParams():
            return SiteState.ISOLATED
        case ShutdownParams():
            return SiteState.STOPPED
        case PowerCutParams():
            return SiteState.DARK
        case DecommissionParams(phase=phase):
            return SiteState.GONE if phase == "fire" else SiteState.RUNNING
        case StandbyParams() | RefusalParams() | CensusParams():
            return SiteState.RUNNING
        case _:
            assert_never(params)
