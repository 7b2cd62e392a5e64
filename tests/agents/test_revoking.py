"""Revocations and a timekeeper's statements at an agent: remembered across restarts, whatever comes when."""

from __future__ import annotations

import json

import pytest

from agents.decision import OrderFrame, Restored, StopEnvelope, Tick
from agents.events import Cause, Record, Snapshot
from agents.reconcile import wanted
from agents.state import AgentState, fold, snapshot
from protocols.envelope import seal
from protocols.messages import LeverInForce, Outcome
from protocols.reasons import Reason
from tests import kit
from tests.agents.desk import Desk, reason_of


def revoke(desk: Desk, warrant: str, signer: str = "board") -> bytes:
    """Return a revocation as an approver signs it."""
    return seal(desk.fleet.revocation(warrant), kit.key_of(kit.approver_label(signer)))


@pytest.fixture
def desk() -> Desk:
    """An agent's decisions and disk."""
    return Desk()


@pytest.fixture
def kept_desk() -> Desk:
    """The same under a policy that asks for a timekeeper's statement."""
    return Desk(policy=kit.kept())


def test_a_revocation_restores_at_once_and_for_good(desk: Desk) -> None:
    """The warrant's order ends now; nothing of that warrant starts again, also after a restart, also another use."""
    warrant = desk.fleet.warrant(hold_s=30.0, uses=5)
    approved = desk.fleet.approve(warrant)
    desk.happens(OrderFrame(desk.fleet.order_frame(desk.fleet.order(warrant), approved)))
    desk.happens(StopEnvelope(revoke(desk, warrant.digest())))
    assert desk.cause is Cause.REVOKED
    assert wanted(desk.state, desk.now) is None
    desk.reopen()
    assert desk.cause is Cause.REVOKED
    desk.happens(Restored("runs"))
    second = desk.fleet.order(warrant, use=2)
    for _ in range(2):
        refused = desk.happens(OrderFrame(desk.fleet.order_frame(second, approved)))
        assert (refused.drafts and reason_of(refused)) in (Reason.REVOKED, ())
        desk.reopen()


def test_a_revocation_may_overtake_its_order(desk: Desk) -> None:
    """What was revoked before anything of it came is refused when it comes."""
    order, frame = desk.order()
    desk.happens(StopEnvelope(revoke(desk, order.warrant)))
    desk.reopen()
    assert reason_of(desk.happens(OrderFrame(frame))) is Reason.REVOKED
    assert desk.state.live is None


def test_a_revocation_that_comes_again_changes_nothing(desk: Desk) -> None:
    """Duplicates write nothing down."""
    order, _ = desk.order()
    raw = revoke(desk, order.warrant)
    desk.happens(StopEnvelope(raw))
    before = desk.state
    assert not desk.happens(StopEnvelope(raw)).events
    assert desk.state == before


def test_another_warrant_is_in_no_way_touched(desk: Desk) -> None:
    """Revoking one warrant ends nothing of another, and strangers revoke nothing."""
    desk.accept(30.0)
    desk.happens(StopEnvelope(revoke(desk, "a" * 64)))
    live = desk.state.live
    assert live is not None
    for label in (kit.dispatcher_label("control-room"), "nobody", "timekeeper"):
        said = seal(desk.fleet.revocation(live.accepted.key.warrant), kit.key_of(label))
        assert desk.happens(StopEnvelope(said)).unsigned
    desk.happens(Tick())
    assert desk.cause is None


def test_no_older_statement_counts_after_a_restart(kept_desk: Desk) -> None:
    """Whoever kept an earlier statement back cannot use it once a newer one was seen, crash or not."""
    desk, warrant = kept_desk, kept_desk.fleet.warrant(hold_s=5.0, uses=5)
    approved = desk.fleet.approve(warrant)

    def dispatch(use: int, seq: int) -> Reason | Outcome | None:
        order = desk.fleet.order(warrant, use=use, standing=desk.fleet.staple(desk.fleet.standing(seq=seq)))
        decision = desk.happens(OrderFrame(desk.fleet.order_frame(order, approved)))
        (draft,) = decision.drafts
        return draft.reason or draft.outcome

    assert dispatch(1, 7) is Outcome.ACCEPTED
    desk.later(5.0)
    desk.happens(Tick())
    desk.happens(Restored("runs"))
    desk.reopen()
    assert desk.state.standing_seq == 7
    assert dispatch(2, 6) is Reason.OLD_STANDING
    assert dispatch(3, 7) is Outcome.ACCEPTED


def test_what_a_statement_says_is_revoked_stays_so(kept_desk: Desk) -> None:
    """An order whose own statement lists its warrant is refused, and so is the next one whose statement does not."""
    desk, warrant = kept_desk, kept_desk.fleet.warrant(hold_s=5.0, uses=5)
    approved = desk.fleet.approve(warrant)
    listed = desk.fleet.standing(revoked=(warrant.digest(),))
    first = desk.fleet.order(warrant, standing=desk.fleet.staple(listed))
    assert reason_of(desk.happens(OrderFrame(desk.fleet.order_frame(first, approved)))) is Reason.REVOKED
    desk.reopen()
    clean = desk.fleet.order(warrant, use=2, standing=desk.fleet.staple(desk.fleet.standing(seq=900)))
    assert reason_of(desk.happens(OrderFrame(desk.fleet.order_frame(clean, approved)))) is Reason.REVOKED


def test_a_lever_that_a_statement_lists_is_heeded_but_not_engaged(kept_desk: Desk) -> None:
    """It stops the order that carries it; only an approver's own message makes a site restore, or stay stopped."""
    desk, warrant = kept_desk, kept_desk.fleet.warrant(hold_s=5.0, uses=5)
    approved = desk.fleet.approve(warrant)
    lever = LeverInForce(engagement="e" * 64, site=None)
    first = desk.fleet.order(warrant, standing=desk.fleet.staple(desk.fleet.standing(levers=(lever,))))
    assert reason_of(desk.happens(OrderFrame(desk.fleet.order_frame(first, approved)))) is Reason.LEVER
    assert not desk.state.engaged
    lifted = desk.fleet.order(warrant, use=2, standing=desk.fleet.staple(desk.fleet.standing(seq=101)))
    decision = desk.happens(OrderFrame(desk.fleet.order_frame(lifted, approved)))
    assert [draft.outcome for draft in decision.drafts] == [Outcome.ACCEPTED]


def test_a_snapshot_keeps_revocations_and_one_from_before_is_read(kept_desk: Desk) -> None:
    """Compaction forgets neither; a log that an earlier version compacted is read as having none."""
    desk, warrant = kept_desk, kept_desk.fleet.warrant(hold_s=5.0)
    stapled = desk.fleet.staple(desk.fleet.standing(seq=12))
    frame = desk.fleet.order_frame(desk.fleet.order(warrant, standing=stapled), desk.fleet.approve(warrant))
    desk.happens(OrderFrame(frame))
    desk.happens(StopEnvelope(revoke(desk, warrant.digest())))
    whole = snapshot(desk.state)
    again = fold(AgentState(), Record(wall_ns=desk.now.wall_ns, events=(whole,)))
    assert (dict(again.revoked), again.standing_seq) == (dict(desk.state.revoked), 12)
    fields = whole.model_dump(mode="json")
    older = {key: value for key, value in fields.items() if key not in {"revoked", "standing_seq"}}
    assert Snapshot.model_validate_json(json.dumps(older)).revoked == ()
