"""What an agent decides about each thing that happens. Pure: state, input, now -> decision.

A decision is events to write down, receipts to sign with them, receipts to send again, and lines
for the log. Nothing of it takes effect before the events are on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, assert_never

from agents.decision import (
    ApplyFailed,
    Decision,
    Draft,
    Halted,
    Input,
    Level,
    Note,
    OrderFrame,
    Restored,
    StopEnvelope,
    Stopping,
    Tick,
)
from agents.events import (
    Cause,
    LeverEngaged,
    LeverLifted,
    OrderAccepted,
    OrderEnded,
    OrderEnding,
    ReceiptIssued,
    StepKey,
    StepReleased,
    UseAborted,
)
from agents.reconcile import elapsed_ns, end_cause
from agents.state import HARD_TOMBSTONES_MAX, AgentState, HeldEntry, Moment, fold_event, prune
from protocols.envelope import Envelope, parse_envelope
from protocols.errors import EnvelopeError, MessageError, TrustError
from protocols.ids import parse_utc, seconds_to_ns
from protocols.limits import FRAME_MAX_BYTES, TOMBSTONES_MAX
from protocols.messages import Abort, Lever, Order, Outcome, Release
from protocols.reasons import TEXT, Reason
from protocols.trust import (
    Accepted,
    Refused,
    Repeat,
    SiteTrust,
    admit_order,
    check_abort,
    check_lever,
    check_release,
)

HEARTBEAT_NS = 600 * 1_000_000_000
"""How far the clock may run ahead of the high-water mark before it is written down again."""

HELD_HEARTBEAT_NS = 10 * 1_000_000_000
"""The same while the site is held: a reboot with a clock that was set back prolongs no hold by more."""

DETAIL_MAX_CHARS = 500


def decide(  # noqa: PLR0911 - one for each kind of input
    state: AgentState, happened: Input, trust: SiteTrust, moment: Moment
) -> Decision:
    """Decide on one input.

    Args:
        state: What the agent remembers.
        happened: What happened.
        trust: The documents that the site holds.
        moment: Now.
    """
    match happened:
        case OrderFrame(frame=frame):
            return _on_order(state, frame, trust, moment)
        case StopEnvelope(raw=raw):
            return _with_ending(state, _on_stop(state, raw, trust, moment), moment)
        case Tick():
            return _with_ending(state, Decision(), moment)
        case Halted():
            return _on_halted(state, happened, moment)
        case ApplyFailed():
            return _on_failed(state, happened, moment)
        case Restored(detail=detail):
            return _on_restored(state, detail, moment)
        case Stopping():
            return _ending(state.live, Cause.STOPPING)
        case _:
            assert_never(happened)


# -- orders --------------------------------------------------------------------------------------


def _on_order(state: AgentState, frame: bytes, trust: SiteTrust, moment: Moment) -> Decision:
    try:
        order, warrant = _two_envelopes(frame)
    except EnvelopeError as error:
        return Decision(notes=(Note("warning", "agent.order.rejected", {"detail": error.what}),), unsigned=True)
    memory = prune(state, moment.wall_ns).memory(veto=moment.veto)
    admission = admit_order(order, warrant, trust, memory, now_ns=moment.wall_ns)
    match admission:
        case Accepted():
            return _accept(admission, moment)
        case Repeat(order=known, digest=digest):
            fields = _order_fields(known, digest)
            return Decision(again=state.receipts_of(digest), notes=(Note("debug", "agent.order.repeat", fields),))
        case Refused():
            return _refuse(state, admission)
        case _:
            assert_never(admission)


def _two_envelopes(frame: bytes) -> tuple[Envelope, Envelope]:
    if len(frame) > FRAME_MAX_BYTES:
        raise EnvelopeError(f"a frame of {len(frame)} bytes is over the limit of {FRAME_MAX_BYTES}")
    lines = frame.split(b"\n", 2)
    if len(lines) != 2:  # noqa: PLR2004 - an order and its warrant
        raise EnvelopeError("not exactly two envelopes: an order and its warrant")
    return parse_envelope(lines[0]), parse_envelope(lines[1])


def _accept(admission: Accepted, moment: Moment) -> Decision:
    order, step = admission.order, admission.step
    accepted = OrderAccepted(
        order=admission.digest,
        key=StepKey(warrant=order.warrant, use=order.use, step=order.step),
        drill=order.drill,
        params=step.params,
        hold_ns=seconds_to_ns(step.hold_s),
        # Not a clock that was set back: then the next use would seem to come long after this one.
        wall_ns=admission.now_ns,
        boot_ns=moment.boot_ns,
        boot_id=moment.boot_id,
        matters_until_ns=parse_utc(admission.warrant.not_after),
    )
    detail = f"{step.params.control} for {step.hold_s:g} s"
    draft = Draft(admission.digest, Outcome.ACCEPTED, detail, order)
    fields = _order_fields(order, admission.digest) | {"control": step.params.control, "hold_s": step.hold_s}
    return Decision((accepted,), (draft,), notes=(Note("info", "agent.order.accepted", fields),))


def _refuse(state: AgentState, refused: Refused) -> Decision:
    """Answer a refusal once for each order and reason; after that with the very same receipt."""
    level: Level = "error" if refused.reason is Reason.EQUIVOCATION else "warning"
    fields = _order_fields(refused.order, refused.digest) | {"reason": refused.reason, "detail": refused.detail}
    notes = (Note(level, "agent.order.refused", fields),)
    unsigned = refused.order is None
    for receipt in state.receipts.values():
        if receipt.order == refused.digest and receipt.reason is refused.reason and receipt.outcome is Outcome.REFUSED:
            return Decision(again=(receipt,), notes=notes, unsigned=unsigned)
    draft = Draft(refused.digest, Outcome.REFUSED, refused.detail, refused.order, reason=refused.reason)
    return Decision(drafts=(draft,), notes=notes, unsigned=unsigned)


def _order_fields(order: Order | None, digest: str) -> dict[str, Any]:
    known = {} if order is None else {"drill": order.drill, "use": order.use, "step": order.step}
    return {"order": digest, **known}


# -- stops ---------------------------------------------------------------------------------------

_STOPS: dict[str, type[Release | Abort | Lever]] = {kind.payload_type(): kind for kind in (Release, Abort, Lever)}


def _on_stop(state: AgentState, raw: bytes, trust: SiteTrust, moment: Moment) -> Decision:
    try:
        envelope = parse_envelope(raw)
        message = _open_stop(envelope, trust)
    except TrustError as error:
        # A lever for another site is nothing unusual on a topic that all sites share.
        level: Level = "debug" if error.reason == Reason.WRONG_SITE else "warning"
        fields = {"reason": error.reason, "detail": error.what}
        return Decision(notes=(Note(level, "agent.stop.rejected", fields),), unsigned=True)
    except (EnvelopeError, MessageError) as error:
        return Decision(notes=(Note("warning", "agent.stop.rejected", {"detail": str(error)}),), unsigned=True)
    match message:
        case Release():
            return _on_release(state, message, moment)
        case Abort():
            return _on_abort(state, message, moment)
        case Lever():
            return _on_lever(state, message, envelope.digest, moment)
        case _:
            assert_never(message)


def _open_stop(envelope: Envelope, trust: SiteTrust) -> Release | Abort | Lever:
    kind = _STOPS.get(envelope.payload_type)
    if kind is Release:
        return check_release(envelope, trust.dispatchers, trust.fleet)
    if kind is Abort:
        return check_abort(envelope, trust.dispatchers, trust.approvers, trust.fleet)
    if kind is Lever:
        return check_lever(
            envelope, trust.policy, trust.approvers, trust.operators, site=trust.record.site, fleet=trust.fleet
        )
    raise TrustError(Reason.WRONG_TYPE, TEXT[Reason.WRONG_TYPE])


def _on_release(state: AgentState, release: Release, moment: Moment) -> Decision:
    key = StepKey(warrant=release.warrant, use=release.use, step=release.step)
    held = [entry for other, entry in state.orders.items() if other[:3] == key.parts]
    again = tuple(receipt for entry in held for receipt in state.receipts_of(entry.accepted.order))
    if key.parts in state.released:
        return Decision(again=again)
    fields = {"drill": release.drill, "use": release.use, "step": release.step}
    if _full(state, own=bool(held)):
        return Decision(notes=(Note("error", "agent.memory.full", fields),))
    stone = StepReleased(key=key, wall_ns=moment.wall_ns)
    return Decision((stone,), notes=(Note("info", "agent.stop.release", fields),))


def _on_abort(state: AgentState, abort: Abort, moment: Moment) -> Decision:
    use = (abort.warrant, abort.use)
    held = [entry for key, entry in state.orders.items() if key[:2] == use]
    if use in state.aborted:
        return Decision(again=tuple(again for entry in held for again in state.receipts_of(entry.accepted.order)))
    fields = {"warrant": abort.warrant, "use": abort.use, "detail": abort.reason}
    if _full(state, own=bool(held)):
        return Decision(notes=(Note("error", "agent.memory.full", fields),))
    stone = UseAborted(warrant=abort.warrant, use=abort.use, wall_ns=moment.wall_ns)
    return Decision((stone,), notes=(Note("warning", "agent.stop.abort", fields),))


def _on_lever(state: AgentState, lever: Lever, digest: str, moment: Moment) -> Decision:
    engagement = digest if lever.disengages is None else lever.disengages
    fields = {"engaged": lever.engaged, "engagement": engagement, "detail": lever.reason}
    done = Note("warning", "agent.stop.lever", fields)
    if engagement in state.lifted or (lever.engaged and engagement in state.engaged):
        # Sent again. An engagement that was lifted is over for good: it engages nothing a second time.
        return Decision()
    if not lever.engaged and engagement not in state.engaged:
        rejected = Note("warning", "agent.stop.rejected", fields | {"reason": Reason.STALE_DISENGAGE})
        return Decision(notes=(rejected,))
    if not lever.engaged:
        return Decision((LeverLifted(engagement=engagement, wall_ns=moment.wall_ns),), notes=(done,))
    if len(state.engaged) >= TOMBSTONES_MAX:
        return Decision(notes=(Note("error", "agent.memory.full", fields),))
    return Decision((LeverEngaged(engagement=engagement, wall_ns=moment.wall_ns),), notes=(done,))


def _full(state: AgentState, *, own: bool) -> bool:
    """Tell whether a tombstone must be dropped: never one for an order that was accepted here."""
    return not own and state.tombstones >= HARD_TOMBSTONES_MAX


# -- holding and restoring -----------------------------------------------------------------------


def _with_ending(state: AgentState, decision: Decision, moment: Moment) -> Decision:
    """Add the end of the order that holds the site, if `decision` or the time brings it."""
    for event in decision.events:
        state = fold_event(state, event)
    entry = state.live
    if entry is not None and entry.cause is None:
        cause = end_cause(entry, state, moment)
        if cause is not None:
            ending = _ending(entry, cause)
            return replace(decision, events=decision.events + ending.events, notes=decision.notes + ending.notes)
    return decision


def _ending(entry: HeldEntry | None, cause: Cause) -> Decision:
    if entry is None or entry.cause is not None:
        return Decision()
    fields = _held_fields(entry) | {"reason": cause}
    event = "agent.veto" if cause is Cause.VETO else "agent.hold.ended"
    return Decision((OrderEnding(order=entry.accepted.order, cause=cause),), notes=(Note("info", event, fields),))


def _held_fields(entry: HeldEntry) -> dict[str, Any]:
    accepted = entry.accepted
    return {
        "order": accepted.order,
        "drill": accepted.drill,
        "use": accepted.key.use,
        "step": accepted.key.step,
        "control": accepted.params.control,
    }


def _has(receipts: Sequence[ReceiptIssued], outcome: Outcome) -> bool:
    return any(receipt.outcome is outcome for receipt in receipts)


def _on_halted(state: AgentState, halted: Halted, moment: Moment) -> Decision:
    entry = state.live
    if entry is None or entry.accepted.order != halted.order or entry.cause is not None:
        return Decision()
    if _has(state.receipts_of(halted.order), Outcome.HALTED):
        return Decision()
    elapsed = elapsed_ns(entry.accepted, state, moment)
    draft = Draft(
        halted.order,
        Outcome.HALTED,
        _clip(halted.detail),
        entry.accepted,
        elapsed_ns=elapsed,
        checkpoint=halted.checkpoint,
    )
    fields = _held_fields(entry) | {"elapsed_ns": elapsed, "detail": halted.detail}
    return Decision(drafts=(draft,), notes=(Note("info", "agent.halt.applied", fields),))


def _on_failed(state: AgentState, failed: ApplyFailed, moment: Moment) -> Decision:
    entry = state.live
    if entry is None or entry.accepted.order != failed.order or entry.cause is not None:
        return Decision()
    fields = _held_fields(entry) | {"reason": Reason.DRIVER_FAILED, "detail": failed.detail}
    decision = Decision(notes=(Note("error", "agent.halt.failed", fields),))
    if not _has(state.receipts_of(failed.order), Outcome.FAILED):
        draft = Draft(
            failed.order,
            Outcome.FAILED,
            _clip(failed.detail),
            entry.accepted,
            reason=Reason.DRIVER_FAILED,
            elapsed_ns=elapsed_ns(entry.accepted, state, moment),
        )
        decision = replace(decision, drafts=(draft,))
    if failed.give_up:
        ending = _ending(entry, Cause.DRIVER)
        decision = replace(decision, events=ending.events, notes=decision.notes + ending.notes)
    return decision


def _on_restored(state: AgentState, detail: str, moment: Moment) -> Decision:
    entry = state.live
    if entry is None:
        return Decision(notes=(Note("warning", "agent.restored", {"detail": detail, "reason": "no_live_order"}),))
    if entry.cause is None:
        return Decision()
    accepted = entry.accepted
    elapsed = elapsed_ns(accepted, state, moment)
    ended = OrderEnded(order=accepted.order, ended_ns=accepted.wall_ns + elapsed)
    said = _clip(f"{entry.cause.replace('_', ' ')}: {detail}")
    draft = Draft(accepted.order, Outcome.RESTORED, said, accepted, elapsed_ns=elapsed)
    fields = _held_fields(entry) | {"reason": entry.cause, "elapsed_ns": elapsed, "detail": detail}
    return Decision((ended,), (draft,), notes=(Note("info", "agent.restored", fields),))


def _clip(text: str) -> str:
    return text[:DETAIL_MAX_CHARS]
