"""What is decided on a release, an abort, a revocation or a move of the safety lever. Pure."""

from __future__ import annotations

from typing import assert_never

from agents.decision import Decision, Level, Note
from agents.events import LeverEngaged, LeverLifted, StepKey, StepReleased, UseAborted, WarrantRevoked
from agents.state import HARD_TOMBSTONES_MAX, AgentState, Moment
from protocols.envelope import Envelope, parse_envelope
from protocols.errors import EnvelopeError, MessageError, TrustError
from protocols.limits import TOMBSTONES_MAX
from protocols.messages import Abort, Lever, Release, Revocation
from protocols.reasons import TEXT, Reason
from protocols.trust import SiteTrust, check_abort, check_lever, check_release, check_revocation

Stop = Release | Abort | Lever | Revocation

_STOPS: dict[str, type[Stop]] = {kind.payload_type(): kind for kind in (Release, Abort, Lever, Revocation)}


def decide_stop(state: AgentState, raw: bytes, trust: SiteTrust, moment: Moment) -> Decision:
    """Decide on one envelope that came in on the topic of stops.

    Args:
        state: What is remembered.
        raw: The envelope.
        trust: The documents that the site holds.
        moment: Now.
    """
    try:
        envelope = parse_envelope(raw)
        message = _open_stop(envelope, trust)
    except TrustError as error:
        # A lever for another site is nothing unusual on a topic that all sites share.
        level: Level = "debug" if error.reason == Reason.WRONG_SITE else "warning"
        fields = {"reason": error.reason, "detail": error.what}
        return Decision(notes=(Note(level, "stop.rejected", fields),), unsigned=True)
    except (EnvelopeError, MessageError) as error:
        return Decision(notes=(Note("warning", "stop.rejected", {"detail": str(error)}),), unsigned=True)
    match message:
        case Release():
            return _on_release(state, message, moment)
        case Abort():
            return _on_abort(state, message, moment)
        case Lever():
            return _on_lever(state, message, envelope.digest, moment)
        case Revocation():
            return _on_revocation(state, message, moment)
        case _:
            assert_never(message)


def _open_stop(envelope: Envelope, trust: SiteTrust) -> Stop:
    kind = _STOPS.get(envelope.payload_type)
    if kind is Release:
        return check_release(envelope, trust.dispatchers, trust.fleet)
    if kind is Abort:
        return check_abort(envelope, trust.dispatchers, trust.approvers, trust.fleet)
    if kind is Revocation:
        return check_revocation(envelope, trust.approvers, trust.fleet)
    if kind is Lever:
        return check_lever(
            envelope, trust.policy, trust.approvers, trust.operators, site=trust.record.site, fleet=trust.fleet
        )
    raise TrustError(Reason.WRONG_TYPE, TEXT[Reason.WRONG_TYPE])


def _on_release(state: AgentState, release: Release, moment: Moment) -> Decision:
    key = StepKey(warrant=release.warrant, use=release.use, step=release.step)
    if key.parts in state.released:
        return Decision(again=state.receipts_of_step(key.parts))
    fields = {"drill": release.drill, "use": release.use, "step": release.step}
    if _full(state, own=state.knows_step(key.parts)):
        return Decision(notes=(Note("error", "memory.full", fields),))
    stone = StepReleased(key=key, wall_ns=moment.wall_ns)
    return Decision((stone,), notes=(Note("info", "stop.release", fields),))


def _on_abort(state: AgentState, abort: Abort, moment: Moment) -> Decision:
    use = (abort.warrant, abort.use)
    steps = sorted({key[:3] for key in (*state.orders, *state.rungs) if key[:2] == use})
    if use in state.aborted:
        return Decision(again=tuple(again for step in steps for again in state.receipts_of_step(step)))
    fields = {"warrant": abort.warrant, "use": abort.use, "detail": abort.reason}
    if _full(state, own=bool(steps)):
        return Decision(notes=(Note("error", "memory.full", fields),))
    stone = UseAborted(warrant=abort.warrant, use=abort.use, wall_ns=moment.wall_ns)
    return Decision((stone,), notes=(Note("warning", "stop.abort", fields),))


def _on_revocation(state: AgentState, said: Revocation, moment: Moment) -> Decision:
    steps = sorted({key[:3] for key in (*state.orders, *state.rungs) if key[0] == said.warrant})
    if said.warrant in state.revoked:
        return Decision(again=tuple(again for step in steps for again in state.receipts_of_step(step)))
    fields = {"warrant": said.warrant, "detail": said.reason}
    if _full(state, own=bool(steps)):
        return Decision(notes=(Note("error", "memory.full", fields),))
    stone = WarrantRevoked(warrant=said.warrant, wall_ns=moment.wall_ns)
    return Decision((stone,), notes=(Note("warning", "stop.revocation", fields),))


def _on_lever(state: AgentState, lever: Lever, digest: str, moment: Moment) -> Decision:
    engagement = digest if lever.disengages is None else lever.disengages
    fields = {"engaged": lever.engaged, "engagement": engagement, "detail": lever.reason}
    done = Note("warning", "stop.lever", fields)
    if engagement in state.lifted or (lever.engaged and engagement in state.engaged):
        # Sent again. An engagement that was lifted is over for good: it engages nothing a second time.
        return Decision()
    if not lever.engaged and engagement not in state.engaged:
        rejected = Note("warning", "stop.rejected", fields | {"reason": Reason.STALE_DISENGAGE})
        return Decision(notes=(rejected,))
    if not lever.engaged:
        return Decision((LeverLifted(engagement=engagement, wall_ns=moment.wall_ns),), notes=(done,))
    if len(state.engaged) >= TOMBSTONES_MAX:
        return Decision(notes=(Note("error", "memory.full", fields),))
    return Decision((LeverEngaged(engagement=engagement, wall_ns=moment.wall_ns),), notes=(done,))


def _full(state: AgentState, *, own: bool) -> bool:
    """Tell whether a tombstone must be dropped: never one for an order that was accepted or seen here."""
    return not own and state.tombstones >= HARD_TOMBSTONES_MAX
