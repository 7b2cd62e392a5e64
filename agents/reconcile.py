"""What the site should be now, and what is to be done about it. Pure.

One rule covers order, hold, release, abort, lever, veto, lapse, crash and reboot: the wanted state
is a function of what was written down, of now, and of what the actuator really is.
"""

from __future__ import annotations

from enum import Enum, auto

from agents.events import Cause, OrderAccepted, RungSeen, SiteArmed
from agents.observation import Observation, SiteState, states_under
from agents.state import AgentState, HeldEntry, Moment
from protocols.controls import LeaseParams, acts
from protocols.ids import seconds_to_ns
from protocols.trust import Armed, SeenRung, SiteMemory

CLOCK_STEP_NS = 1_000_000_000
"""How far the wall clock may step back after a reboot without being called implausible. It never
prolongs a hold, because the high-water mark counts where it is larger."""

Dated = OrderAccepted | RungSeen | SiteArmed
"""What carries the clocks of when it was written down."""


class Action(Enum):
    """What a reconciler does next."""

    REST = auto()
    APPLY = auto()
    RESTORE = auto()
    HALTED = auto()


def elapsed_ns(since: Dated, state: AgentState, moment: Moment) -> int:
    """Return the time since something was written down, in nanoseconds, as well as it can be known."""
    if moment.boot_id == since.boot_id:
        return max(0, moment.boot_ns - since.boot_ns)
    # Another boot: at least the time since that boot, and what the wall clock says.
    return max(moment.boot_ns, moment.wall_ns - since.wall_ns, state.high_water_ns - since.wall_ns)


def at_least_ns(since: Dated, moment: Moment) -> int:
    """Return how long ago something was written down at least, by the boot clock alone, nanoseconds."""
    if moment.boot_id == since.boot_id:
        return max(0, moment.boot_ns - since.boot_ns)
    return moment.boot_ns


def now_ns(state: AgentState, moment: Moment) -> int:
    """Return the wall time to write down: during a hold it goes on with the boot clock at least.

    Else a wall clock that was set back in the hold would, after a reboot, give that time to the hold.
    """
    live = state.live
    held_ns = 0 if live is None else live.accepted.wall_ns + elapsed_ns(live.accepted, state, moment)
    return max(moment.wall_ns, held_ns)


def memory_of(state: AgentState, moment: Moment) -> SiteMemory:
    """Return what authority depends on, for the trust rules."""
    seen: list[OrderAccepted | RungSeen] = [entry.accepted for entry in state.orders.values()]
    seen += [entry.seen for entry in state.rungs.values()]
    armed = state.armed
    return SiteMemory(
        high_water_ns=state.high_water_ns,
        orders={key: entry.held() for key, entry in state.orders.items()},
        rungs={rung.order_key: SeenRung(rung.order, at_least_ns(rung, moment)) for rung in seen},
        armed=None if armed is None or disarms(state, moment) else Armed(armed.nonce, armed.wall_ns),
        released=frozenset(state.released),
        aborted=frozenset(state.aborted),
        engaged=frozenset(state.engaged),
        revoked=frozenset(state.revoked),
        standing_seq=state.standing_seq,
        veto=moment.veto,
    )


def _clock_implausible(since: Dated, state: AgentState, moment: Moment) -> bool:
    if moment.boot_id == since.boot_id:
        return moment.boot_ns < since.boot_ns
    return moment.wall_ns + CLOCK_STEP_NS < max(since.wall_ns, state.high_water_ns)


def disarms(state: AgentState, moment: Moment) -> str | None:
    """Return why an arming that was written down is good no longer, or None while it is (or there is none)."""
    armed = state.armed
    if armed is None:
        return None
    causes = (
        (moment.veto, "veto"),
        (_clock_implausible(armed, state, moment), "implausible_clock"),
        (elapsed_ns(armed, state, moment) >= armed.armed_for_ns, "expired"),
    )
    return next((cause for holds, cause in causes if holds), None)


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
        (key[0] in state.revoked, Cause.REVOKED),
        (moment.veto, Cause.VETO),
        (_clock_implausible(accepted, state, moment), Cause.CLOCK),
        (elapsed_ns(accepted, state, moment) >= accepted.hold_ns, Cause.HOLD_END),
    )
    return next((cause for holds, cause in causes if holds), None)


def in_force(state: AgentState, moment: Moment) -> HeldEntry | None:
    """Return the order whose hold goes on, or None when there is none."""
    entry = state.live
    return None if entry is None or end_cause(entry, state, moment) is not None else entry


def wanted(state: AgentState, moment: Moment) -> OrderAccepted | None:
    """Return the order that is to be acted on now, or None when the site must simply run.

    Under a lease the site runs on until the lapse is written down.
    """
    entry = in_force(state, moment)
    if entry is None or (isinstance(entry.accepted.params, LeaseParams) and not entry.lapsed):
        return None
    return entry.accepted


def lapses(state: AgentState, moment: Moment) -> bool:
    """Tell whether the lease order in force has just lost its licence.

    The first licence counts from the acceptance, and nobody need ask for it; a reboot ends it as any other.
    """
    entry = in_force(state, moment)
    if entry is None or entry.lapsed or not isinstance(entry.accepted.params, LeaseParams):
        return False
    free_ns = seconds_to_ns(entry.accepted.params.licence_s)
    free = moment.boot_id == entry.accepted.boot_id and elapsed_ns(entry.accepted, state, moment) < free_ns
    return not (free or moment.licensed)


def hold_left_ns(state: AgentState, moment: Moment) -> int | None:
    """Return how long the order in force still holds, or None when there is none."""
    entry = in_force(state, moment)
    return None if entry is None else entry.accepted.hold_ns - elapsed_ns(entry.accepted, state, moment)


def next_action(order: OrderAccepted | None, seen: Observation) -> Action:
    """Return what brings the actuator to the wanted state.

    Args:
        order: What `wanted` says.
        seen: What the actuator is, as just observed.
    """
    if seen.state is SiteState.GONE:
        # Nothing brings back what was destroyed, and nobody tries.
        return _action_when_gone(order)
    if order is None and seen.state is SiteState.DARK and not seen.ours:
        # Somebody else cut it, and who cuts restores.
        return Action.REST
    if order is None or not acts(order.params):
        # The mark alone is enough: a crash may have fallen between the mark and the action.
        runs = seen.state is SiteState.RUNNING and not seen.ours
        at_rest = Action.REST if order is None else Action.HALTED
        return at_rest if runs else Action.RESTORE
    # Halted by someone else is not halted by us: without our mark nobody would restore it.
    return Action.HALTED if seen.ours and seen.state in states_under(order.params) else Action.APPLY


def _action_when_gone(order: OrderAccepted | None) -> Action:
    if order is None:
        return Action.REST
    if not acts(order.params) or SiteState.GONE in states_under(order.params):
        return Action.HALTED
    return Action.APPLY
