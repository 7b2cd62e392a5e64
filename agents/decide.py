"""What an agent or an enforcer decides about each thing that happens. Pure: state, input, now -> decision.

A decision is events to write down, receipts to sign with them, receipts to send again, and lines
for the log. Nothing of it takes effect before the events are on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, assert_never

from agents.admission import decide_order
from agents.decision import (
    ApplyFailed,
    Decision,
    Draft,
    Halted,
    Input,
    Note,
    OrderFrame,
    Rehearsed,
    Restored,
    StopEnvelope,
    Stopping,
    Tick,
)
from agents.events import (
    Cause,
    Event,
    LeaseLapsed,
    OrderEnded,
    OrderEnding,
    ReceiptIssued,
    SiteArmed,
    SiteDisarmed,
)
from agents.proofs import all_hold, with_own_proofs
from agents.reconcile import disarms, elapsed_ns, end_cause, lapses, now_ns
from agents.state import AgentState, HeldEntry, Moment, SeenEntry, fold_event
from agents.stopping import decide_stop
from protocols.controls import Actor, DecommissionParams, StandbyParams
from protocols.ids import seconds_to_ns
from protocols.messages import Outcome, Proof
from protocols.reasons import Reason
from protocols.trust import SiteTrust

HEARTBEAT_NS = 600 * 1_000_000_000
"""How far the clock may run ahead of the high-water mark before it is written down again."""

HELD_HEARTBEAT_NS = 10 * 1_000_000_000
"""The same while the site is held: a reboot with a clock that was set back prolongs no hold by more."""

DETAIL_MAX_CHARS = 500


def decide(  # noqa: PLR0911 - one for each kind of input
    state: AgentState, happened: Input, trust: SiteTrust, moment: Moment, *, actor: Actor = Actor.AGENT
) -> Decision:
    """Decide on one input.

    Args:
        state: What is remembered.
        happened: What happened.
        trust: The documents that the site holds.
        moment: Now.
        actor: Who decides: the site's agent, or an enforcer of it.
    """
    match happened:
        case OrderFrame(frame=frame):
            return decide_order(state, frame, trust, moment, actor)
        case StopEnvelope(raw=raw):
            return _with_time(state, decide_stop(state, raw, trust, moment), moment)
        case Tick():
            return _with_time(state, Decision(), moment)
        case Halted():
            return _on_halted(state, happened, moment)
        case ApplyFailed():
            return _on_failed(state, happened, moment)
        case Rehearsed():
            return _on_rehearsed(state, happened, moment)
        case Restored():
            return _on_restored(state, happened, moment)
        case Stopping():
            return _ending(state.live, Cause.STOPPING)
        case _:
            assert_never(happened)


# -- what time and stops bring -------------------------------------------------------------------


def _with_time(state: AgentState, decision: Decision, moment: Moment) -> Decision:
    """Add what `decision` or the time brings: the end of the order in force, its lapse, a disarming."""
    for event in decision.events:
        state = fold_event(state, event)
    for more in (_end_now(state, moment), _lapse_now(state, moment), _disarm_now(state, moment)):
        decision = replace(decision, events=decision.events + more.events, notes=decision.notes + more.notes)
    return decision


def _end_now(state: AgentState, moment: Moment) -> Decision:
    entry = state.live
    cause = None if entry is None or entry.cause is not None else end_cause(entry, state, moment)
    return Decision() if cause is None else _ending(entry, cause)


def _lapse_now(state: AgentState, moment: Moment) -> Decision:
    entry = state.live
    if entry is None or not lapses(state, moment):
        return Decision()
    lapsed = LeaseLapsed(order=entry.accepted.order, wall_ns=now_ns(state, moment))
    fields = _held_fields(entry) | {"elapsed_ns": elapsed_ns(entry.accepted, state, moment)}
    return Decision((lapsed,), notes=(Note("info", "lease.lapsed", fields),))


def _disarm_now(state: AgentState, moment: Moment) -> Decision:
    cause = disarms(state, moment)
    if state.armed is None or cause is None:
        return Decision()
    disarmed = SiteDisarmed(nonce=state.armed.nonce, wall_ns=now_ns(state, moment))
    fields = {"order": state.armed.order, "reason": cause}
    return Decision((disarmed,), notes=(Note("info", "disarmed", fields),))


def _ending(entry: HeldEntry | None, cause: Cause) -> Decision:
    if entry is None or entry.cause is not None:
        return Decision()
    fields = _held_fields(entry) | {"reason": cause}
    event = "veto" if cause is Cause.VETO else "hold.ended"
    return Decision((OrderEnding(order=entry.accepted.order, cause=cause),), notes=(Note("info", event, fields),))


def _held_fields(entry: HeldEntry) -> dict[str, Any]:
    accepted = entry.accepted
    return {
        "order": accepted.order,
        "drill": accepted.drill,
        "use": accepted.key.use,
        "step": accepted.key.step,
        "rung": accepted.rung,
        "control": accepted.params.control,
    }


# -- what the actuator reports -------------------------------------------------------------------


def _answerable(state: AgentState, order: str) -> HeldEntry | None:
    """Return the order that a report is about, if it still holds the site."""
    entry = state.live
    return None if entry is None or entry.accepted.order != order or entry.cause is not None else entry


def _on_halted(state: AgentState, halted: Halted, moment: Moment) -> Decision:
    entry = _answerable(state, halted.order)
    if entry is None or _has(state.receipts_of(halted.order), Outcome.HALTED):
        return Decision()
    elapsed = elapsed_ns(entry.accepted, state, moment)
    draft = Draft(
        halted.order,
        Outcome.HALTED,
        _clip(halted.detail),
        entry.accepted,
        elapsed_ns=elapsed,
        checkpoint=halted.checkpoint,
        proofs=halted.proofs,
        armed=halted.armed,
    )
    fields = _held_fields(entry) | {"elapsed_ns": elapsed, "detail": halted.detail}
    armed = _arm(entry, halted.armed, state, moment)
    return Decision(armed, (draft,), notes=(Note("info", "halt.applied", fields),))


def _arm(entry: HeldEntry, nonce: str | None, state: AgentState, moment: Moment) -> tuple[Event, ...]:
    params = entry.accepted.params
    if nonce is None or not isinstance(params, DecommissionParams) or params.armed_for_s is None:
        return ()
    return (
        SiteArmed(
            order=entry.accepted.order,
            key=entry.accepted.key,
            nonce=nonce,
            armed_for_ns=seconds_to_ns(params.armed_for_s),
            wall_ns=max(now_ns(state, moment), state.high_water_ns),
            boot_ns=moment.boot_ns,
            boot_id=moment.boot_id,
        ),
    )


def _on_failed(state: AgentState, failed: ApplyFailed, moment: Moment) -> Decision:
    entry = _answerable(state, failed.order)
    if entry is None:
        return Decision()
    decision = _fail(state, entry, failed.detail, failed.proofs, moment)
    if failed.give_up:
        ending = _ending(entry, Cause.DRIVER)
        decision = replace(decision, events=ending.events, notes=decision.notes + ending.notes)
    return decision


def _fail(state: AgentState, entry: HeldEntry, detail: str, proofs: tuple[Proof, ...], moment: Moment) -> Decision:
    order = entry.accepted.order
    fields = _held_fields(entry) | {"reason": Reason.DRIVER_FAILED, "detail": detail}
    notes = (Note("error", "halt.failed", fields),)
    if _has(state.receipts_of(order), Outcome.FAILED):
        return Decision(notes=notes)
    draft = Draft(
        order,
        Outcome.FAILED,
        _clip(detail),
        entry.accepted,
        reason=Reason.DRIVER_FAILED,
        elapsed_ns=elapsed_ns(entry.accepted, state, moment),
        proofs=proofs,
    )
    return Decision(drafts=(draft,), notes=notes)


def _on_rehearsed(state: AgentState, rehearsed: Rehearsed, moment: Moment) -> Decision:
    """Answer a standby with what was proved, or a rung that was seen with the same."""
    seen = next((entry for entry in state.rungs.values() if entry.seen.order == rehearsed.order), None)
    if seen is not None:
        return _noted(state, seen, rehearsed.proofs, moment)
    entry = _answerable(state, rehearsed.order)
    if entry is None or not isinstance(entry.accepted.params, StandbyParams):
        return Decision()
    if _has(state.receipts_of(rehearsed.order), Outcome.HALTED, Outcome.FAILED):
        return Decision()
    proofs = with_own_proofs(rehearsed.proofs, entry.accepted, state)
    if all_hold(proofs):
        return _on_halted(state, Halted(rehearsed.order, "every step to a halt and back holds", None, proofs), moment)
    failed = ", ".join(proof.step for proof in proofs if not proof.ok)
    return _fail(state, entry, f"does not hold: {failed}", proofs, moment)


def _noted(state: AgentState, entry: SeenEntry, proofs: tuple[Proof, ...], moment: Moment) -> Decision:
    if entry.noted:
        return Decision()
    seen = entry.seen
    holds = all_hold(proofs)
    detail = (
        f"rung {seen.rung} is seen, and {seen.later.control} {'could' if holds else 'could not'} be applied and undone"
    )
    draft = Draft(seen.order, Outcome.NOTED, detail, seen, elapsed_ns=elapsed_ns(seen, state, moment), proofs=proofs)
    fields = {"order": seen.order, "drill": seen.drill, "rung": seen.rung, "detail": detail}
    return Decision(drafts=(draft,), notes=(Note("info" if holds else "error", "rung.noted", fields),))


def _on_restored(state: AgentState, restored: Restored, moment: Moment) -> Decision:
    entry, detail = state.live, restored.detail
    if entry is None:
        return Decision(notes=(Note("warning", "restored", {"detail": detail, "reason": "no_live_order"}),))
    if entry.cause is None:
        return Decision()
    accepted = entry.accepted
    elapsed = elapsed_ns(accepted, state, moment)
    ended = OrderEnded(order=accepted.order, ended_ns=accepted.wall_ns + elapsed)
    fields = _held_fields(entry) | {"reason": entry.cause, "elapsed_ns": elapsed, "detail": detail}
    if restored.gone:
        # Destroyed is destroyed: the order is over, and nobody claims that the site is back.
        return Decision((ended,), notes=(Note("info", "ended.gone", fields),))
    said = _clip(f"{entry.cause.replace('_', ' ')}: {detail}")
    draft = Draft(accepted.order, Outcome.RESTORED, said, accepted, elapsed_ns=elapsed)
    return Decision((ended,), (draft,), notes=(Note("info", "restored", fields),))


def _has(receipts: Sequence[ReceiptIssued], *outcomes: Outcome) -> bool:
    return any(receipt.outcome in outcomes for receipt in receipts)


def _clip(text: str) -> str:
    return text[:DETAIL_MAX_CHARS]
