"""What the site should be now, and what is to be done about it. Pure.

One rule covers order, hold, release, abort, lever, veto, crash and reboot: the wanted state is a
function of what was written down, of now, and of what the actuator really is.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import assert_never

from agents.events import Cause, OrderAccepted
from agents.observation import Observation, SiteState
from agents.state import AgentState, HeldEntry, Moment
from protocols.controls import PauseParams, ShutdownParams

CLOCK_STEP_NS = 1_000_000_000
"""How far the wall clock may step back after a reboot without being called implausible. It never
prolongs a hold, because the high-water mark counts where it is larger."""


class Action(Enum):
    """What a reconciler does next."""

    REST = auto()
    APPLY = auto()
    RESTORE = auto()
    HALTED = auto()


def elapsed_ns(accepted: OrderAccepted, state: AgentState, moment: Moment) -> int:
    """Return the time since an order was accepted, in nanoseconds, as well as it can be known."""
    if moment.boot_id == accepted.boot_id:
        return max(0, moment.boot_ns - accepted.boot_ns)
    # Another boot: at least the time since that boot, and what the wall clock says.
    return max(moment.boot_ns, moment.wall_ns - accepted.wall_ns, state.high_water_ns - accepted.wall_ns)


def now_ns(state: AgentState, moment: Moment) -> int:
    """Return the wall time to write down: during a hold it goes on with the boot clock at least.

    Else a wall clock that was set back in the hold would, after a reboot, give that time to the hold.
    """
    live = state.live
    held_ns = 0 if live is None else live.accepted.wall_ns + elapsed_ns(live.accepted, state, moment)
    return max(moment.wall_ns, held_ns)


def _clock_implausible(accepted: OrderAccepted, state: AgentState, moment: Moment) -> bool:
    if moment.boot_id == accepted.boot_id:
        return moment.boot_ns < accepted.boot_ns
    return moment.wall_ns + CLOCK_STEP_NS < max(accepted.wall_ns, state.high_water_ns)


def end_cause(entry: HeldEntry, state: AgentState, moment: Moment) -> Cause | None:
    """Return why an order must not hold the site (any longer), or None while it may."""
    accepted = entry.accepted
    key = accepted.key.parts
    if entry.cause is not None:
        return entry.cause
    causes = (
        (key in state.released, Cause.RELEASE),
        (key[:2] in state.aborted, Cause.ABORT),
        (bool(state.engaged), Cause.LEVER),
        (moment.veto, Cause.VETO),
        (_clock_implausible(accepted, state, moment), Cause.CLOCK),
        (elapsed_ns(accepted, state, moment) >= accepted.hold_ns, Cause.HOLD_END),
    )
    return next((cause for holds, cause in causes if holds), None)


def wanted(state: AgentState, moment: Moment) -> OrderAccepted | None:
    """Return the order that the site must be halted for now, or None when it must run."""
    entry = state.live
    if entry is None or end_cause(entry, state, moment) is not None:
        return None
    return entry.accepted


def hold_left_ns(state: AgentState, moment: Moment) -> int | None:
    """Return how long the site must still be held, or None when it must run."""
    accepted = wanted(state, moment)
    return None if accepted is None else accepted.hold_ns - elapsed_ns(accepted, state, moment)


def is_halted(params: PauseParams | ShutdownParams, seen: SiteState) -> bool:
    """Tell whether a state is what a control asks for."""
    match params:
        case PauseParams():
            # A workload that ended before or while it was paused does no work either.
            return seen in {SiteState.PAUSED, SiteState.STOPPED}
        case ShutdownParams():
            return seen is SiteState.STOPPED
        case _:
            assert_never(params)


def next_action(order: OrderAccepted | None, seen: Observation) -> Action:
    """Return what brings the actuator to the wanted state.

    Args:
        order: What `wanted` says.
        seen: What the actuator is, as just observed.
    """
    if order is None:
        # The mark alone is enough: a crash may have fallen between the mark and the action.
        return Action.REST if seen.state is SiteState.RUNNING and not seen.ours else Action.RESTORE
    # Halted by someone else is not halted by us: without our mark nobody would restore it.
    return Action.HALTED if seen.ours and is_halted(order.params, seen.state) else Action.APPLY
