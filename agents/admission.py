"""What is decided on an order that came in: accepted, noted, repeated or refused. Pure."""

from __future__ import annotations

from typing import Any, assert_never

from agents.decision import Decision, Draft, Level, Note
from agents.events import (
    Cause,
    Event,
    OrderAccepted,
    OrderEnded,
    OrderEnding,
    RungSeen,
    StandingSeen,
    StepKey,
    WarrantRevoked,
)
from agents.reconcile import elapsed_ns, memory_of
from agents.state import AgentState, Moment, prune
from protocols.controls import CATALOGUE, Actor, Params, control_of
from protocols.envelope import Envelope, parse_envelope
from protocols.errors import EnvelopeError
from protocols.ids import parse_utc, seconds_to_ns
from protocols.limits import FRAME_MAX_BYTES
from protocols.messages import Order, Outcome
from protocols.reasons import Reason
from protocols.trust import Accepted, Noted, Refused, Repeat, SiteTrust, admit_order


def decide_order(state: AgentState, frame: bytes, trust: SiteTrust, moment: Moment, actor: Actor) -> Decision:
    """Decide on what came in on a topic of orders.

    Args:
        state: What is remembered.
        frame: An order and its warrant.
        trust: The documents that the site holds.
        moment: Now.
        actor: Who decides: orders for another actor are noted at most.
    """
    try:
        order, warrant = _two_envelopes(frame)
    except EnvelopeError as error:
        return Decision(notes=(Note("warning", "order.rejected", {"detail": error.what}),), unsigned=True)
    memory = memory_of(prune(state, moment.wall_ns), moment)
    admission = admit_order(order, warrant, trust, memory, now_ns=moment.wall_ns, actor=actor)
    match admission:
        case Accepted():
            return _accept(state, admission, moment)
        case Noted():
            return _note(state, admission, moment, actor)
        case Repeat(order=known, digest=digest):
            fields = _order_fields(known, digest)
            return Decision(again=state.receipts_of(digest), notes=(Note("debug", "order.repeat", fields),))
        case Refused():
            return _refuse(state, admission, moment)
        case _:
            assert_never(admission)


def _two_envelopes(frame: bytes) -> tuple[Envelope, Envelope]:
    if len(frame) > FRAME_MAX_BYTES:
        raise EnvelopeError(f"a frame of {len(frame)} bytes is over the limit of {FRAME_MAX_BYTES}")
    lines = frame.split(b"\n", 2)
    if len(lines) != 2:  # noqa: PLR2004 - an order and its warrant
        raise EnvelopeError("not exactly two envelopes: an order and its warrant")
    return parse_envelope(lines[0]), parse_envelope(lines[1])


def _accept(state: AgentState, admission: Accepted, moment: Moment) -> Decision:
    order, params = admission.order, admission.rung.params
    key = _step_key(order)
    hold_ns = min(admission.hold_ns, _step_left_ns(state, key, moment, admission.hold_ns))
    accepted = OrderAccepted(
        order=admission.digest,
        key=key,
        drill=order.drill,
        params=params,
        hold_ns=hold_ns,
        # Not a clock that was set back: then the next use would seem to come long after this one.
        wall_ns=admission.now_ns,
        boot_ns=moment.boot_ns,
        boot_id=moment.boot_id,
        matters_until_ns=parse_utc(admission.warrant.not_after),
        rung=order.rung,
        owners=tuple(sorted(admission.owners)),
    )
    draft = Draft(admission.digest, Outcome.ACCEPTED, f"{params.control} for {hold_ns / 1e9:g} s", order)
    fields = _order_fields(order, admission.digest) | {"control": params.control, "hold_s": hold_ns / 1e9}
    events = (*_stated(admission), *_supersede(state, moment), accepted)
    return Decision(events, (draft,), notes=(Note("info", "order.accepted", fields),))


def _supersede(state: AgentState, moment: Moment) -> tuple[Event, ...]:
    """Return the end of the lower rung that holds the site: the higher one takes its place at once.

    Nothing is restored in between, and from here on nothing of the lower rung can restore the site.
    """
    entry = state.live
    if entry is None:
        return ()
    lower = entry.accepted
    ended_ns = lower.wall_ns + elapsed_ns(lower, state, moment)
    return (
        OrderEnding(order=lower.order, cause=Cause.SUPERSEDED),
        OrderEnded(order=lower.order, ended_ns=ended_ns),
    )


def _note(state: AgentState, admission: Noted, moment: Moment, actor: Actor) -> Decision:
    """Remember when a rung came that is somebody else's, if a later one is ours."""
    order = admission.order
    fields = _order_fields(order, admission.digest)
    if not admission.matters:
        return Decision(notes=(Note("debug", "order.noted", fields),))
    key = _step_key(order)
    step = admission.warrant.steps[order.step]
    hold_ns = seconds_to_ns(step.hold_s)
    seen = RungSeen(
        order=admission.digest,
        key=key,
        rung=order.rung,
        drill=order.drill,
        later=_next_of(actor, [rung.params for rung in step.rungs[order.rung + 1 :]]),
        hold_ns=min(hold_ns, _step_left_ns(state, key, moment, hold_ns)),
        wall_ns=admission.now_ns,
        boot_ns=moment.boot_ns,
        boot_id=moment.boot_id,
        matters_until_ns=parse_utc(admission.warrant.not_after),
    )
    return Decision(
        (*_stated(admission), seen), notes=(Note("info", "rung.seen", fields | {"control": seen.later.control}),)
    )


def _next_of(actor: Actor, later: list[Params]) -> Params:
    return next(params for params in later if CATALOGUE[control_of(params)].actor is actor)


def _step_left_ns(state: AgentState, key: StepKey, moment: Moment, hold_ns: int) -> int:
    """Return what is left of a step's hold, which counts from the first of its rungs that was seen here.

    The gate counts by the boot clock alone, and so too little after a reboot.
    """
    seen: list[OrderAccepted | RungSeen] = [entry.accepted for entry in state.orders.values()]
    seen += [entry.seen for entry in state.rungs.values()]
    left = (one.hold_ns - elapsed_ns(one, state, moment) for one in seen if one.key == key)
    return max(0, min(left, default=hold_ns))


def _step_key(order: Order) -> StepKey:
    return StepKey(warrant=order.warrant, use=order.use, step=order.step)


def _stated(admission: Accepted | Noted | Refused) -> tuple[Event, ...]:
    """Return what is remembered of the timekeeper's statement that an order carried."""
    return () if admission.standing is None else (StandingSeen(seq=admission.standing.seq),)


def _refuse(state: AgentState, refused: Refused, moment: Moment) -> Decision:
    """Answer a refusal once for each order and reason; after that with the very same receipt."""
    level: Level = "error" if refused.reason is Reason.EQUIVOCATION else "warning"
    fields = _order_fields(refused.order, refused.digest) | {"reason": refused.reason, "detail": refused.detail}
    notes = (Note(level, "order.refused", fields),)
    unsigned = refused.order is None
    for receipt in state.receipts.values():
        if receipt.order == refused.digest and receipt.reason is refused.reason and receipt.outcome is Outcome.REFUSED:
            return Decision(again=(receipt,), notes=notes, unsigned=unsigned)
    draft = Draft(refused.digest, Outcome.REFUSED, refused.detail, refused.order, reason=refused.reason)
    events = _stated(refused)
    if refused.standing is not None and refused.order is not None and refused.reason is Reason.REVOKED:
        # Only refused for now, it could come again with an older statement.
        events = (*events, WarrantRevoked(warrant=refused.order.warrant, wall_ns=moment.wall_ns))
    return Decision(events, (draft,), notes=notes, unsigned=unsigned)


def _order_fields(order: Order | None, digest: str) -> dict[str, Any]:
    known = {} if order is None else {"drill": order.drill, "use": order.use, "step": order.step, "rung": order.rung}
    return {"order": digest, **known}
