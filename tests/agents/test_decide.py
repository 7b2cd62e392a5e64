"""The pure decisions: hold times, reboots, clock jumps, tombstones, the lever, the veto."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.decide import decide
from agents.decision import ApplyFailed, Decision, Halted, OrderFrame, Restored, StopEnvelope, Tick
from agents.events import Cause, OrderEnding, Record
from agents.observation import Observation, SiteState
from agents.reconcile import Action, hold_left_ns, memory_of, next_action, wanted
from agents.state import KEEP_NS, AgentState, Moment, fold, prune, snapshot
from protocols.controls import (
    ArmedSite,
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
from protocols.envelope import seal
from protocols.messages import Outcome
from protocols.reasons import Reason
from tests import kit
from tests.agents.desk import OTHER_BOOT, SITE, Desk, S, reason_of


def test_the_hold_runs_on_the_boot_clock(desk: Desk) -> None:
    """A wall clock that jumps ahead or back within one boot neither shortens nor prolongs a hold."""
    desk.accept(30.0)
    for jump_s in (-86_400, 86_400):
        desk.now = replace(desk.now, wall_ns=kit.NOW_NS + jump_s * S)
        desk.happens(Tick())
        assert desk.cause is None
    desk.later(29.9)
    assert hold_left_ns(desk.state, desk.now) == S // 10
    desk.happens(Tick())
    assert desk.cause is None
    desk.later(0.1)
    assert wanted(desk.state, desk.now) is None
    desk.happens(Tick())
    assert desk.cause is Cause.HOLD_END


@pytest.mark.parametrize(
    ("wall_s", "boot_s", "cause"),
    [
        (10.0, 5.0, None),
        (29.0, 20.0, None),
        (30.0, 20.0, Cause.HOLD_END),
        (-5.0, 5.0, Cause.CLOCK),
        (10.0, 31.0, Cause.HOLD_END),
    ],
)
def test_after_a_reboot_the_hold_runs_on_wall_time(desk: Desk, wall_s: float, boot_s: float, cause: Cause) -> None:
    """Another boot counts by the wall clock, distrusts one that went back, and uses its own uptime too."""
    desk.accept(30.0)
    desk.reopen()
    desk.now = Moment(kit.NOW_NS + round(wall_s * S), round(boot_s * S), OTHER_BOOT, veto=False)
    desk.happens(Tick())
    assert desk.cause is cause


def test_after_a_reboot_a_wall_clock_before_the_high_water_mark_restores(desk: Desk) -> None:
    """A clock set back, though still after the acceptance, would prolong the hold."""
    desk.accept(30.0)
    desk.later(20)
    desk.ledger.commit(Decision(), desk.now, mark=True)
    desk.now = Moment(kit.NOW_NS + 5 * S, 1 * S, OTHER_BOOT, veto=False)
    desk.happens(Tick())
    assert desk.cause is Cause.CLOCK


def test_a_wall_clock_set_back_in_the_hold_gives_no_time_to_it_after_a_reboot(desk: Desk) -> None:
    """What is written down in a hold goes on with the boot clock, so the reboot sees the clock went back."""
    desk.accept(100.0)
    desk.later(10)
    desk.now = replace(desk.now, wall_ns=desk.now.wall_ns - 60 * S)
    desk.later(70)
    desk.ledger.commit(Decision(), desk.now, mark=True)
    assert desk.state.high_water_ns == kit.NOW_NS + 80 * S
    desk.now = Moment(desk.now.wall_ns + 10 * S, 5 * S, OTHER_BOOT, veto=False)
    desk.happens(Tick())
    assert desk.cause is Cause.CLOCK


def test_a_clock_far_behind_brings_two_uses_no_closer(desk: Desk) -> None:
    """The distance between uses is kept by what counts as now, not by a clock that stands in the past."""
    warrant = desk.fleet.warrant(uses=2, min_between_uses_s=3600.0, hold_s=30.0)
    approved = desk.fleet.approve(warrant)
    desk.ledger.commit(Decision(), desk.now, mark=True)
    desk.now = replace(desk.now, wall_ns=desk.now.wall_ns - 7200 * S)
    desk.happens(OrderFrame(desk.fleet.order_frame(desk.fleet.order(warrant), approved)))
    desk.later(30)
    desk.happens(Tick())
    desk.happens(Restored("runs"))
    assert desk.state.live is None
    second = desk.fleet.order(warrant, use=2)
    assert reason_of(desk.happens(OrderFrame(desk.fleet.order_frame(second, approved)))) is Reason.TOO_SOON


def test_a_repeat_is_answered_with_the_same_bytes_and_acts_once(desk: Desk) -> None:
    """An order that comes again, also after a restart, gets the very same receipts."""
    order, frame = desk.order()
    desk.happens(OrderFrame(frame))
    desk.happens(Halted(order.digest(), "paused", None))
    first = [receipt.envelope for receipt in desk.state.receipts_of(order.digest())]
    desk.reopen()
    again = desk.happens(OrderFrame(frame))
    assert not again.events
    assert not again.drafts
    assert [receipt.envelope for receipt in again.again] == first
    assert [receipt.outcome for receipt in again.again] == [Outcome.ACCEPTED, Outcome.HALTED]


def test_a_refusal_is_signed_once_for_each_reason(desk: Desk) -> None:
    """The same junk gets the same receipt, so that it cannot make the agent's chain grow."""
    _, frame = desk.order(status="actual")
    assert reason_of(desk.happens(OrderFrame(frame))) is Reason.NOT_AN_EXERCISE
    again = desk.happens(OrderFrame(frame))
    assert not again.drafts
    assert len(again.again) == 1
    assert desk.state.seq == 1


@pytest.mark.parametrize("overtakes", [True, False])
def test_a_release_is_a_tombstone(desk: Desk, overtakes: bool) -> None:
    """A release ends the hold, and forbids its order also when it came first and after a restart."""
    order, frame = desk.order()
    release = StopEnvelope(desk.fleet.dispatch(desk.fleet.release(order)))
    if overtakes:
        desk.happens(release)
    else:
        desk.happens(OrderFrame(frame))
        desk.happens(release)
        assert desk.cause is Cause.RELEASE
        desk.happens(Restored("runs"))
    desk.reopen()
    decision = desk.happens(OrderFrame(frame))
    assert reason_of(decision) is Reason.RELEASED
    assert wanted(desk.state, desk.now) is None


def test_an_abort_ends_a_whole_use(desk: Desk) -> None:
    """One approver alone ends every step of a use, now and for good."""
    order, frame = desk.order()
    abort = seal(desk.fleet.abort(order), kit.key_of(kit.approver_label("safety")))
    desk.happens(OrderFrame(frame))
    desk.happens(StopEnvelope(abort))
    assert desk.cause is Cause.ABORT
    desk.happens(Restored("runs"))
    assert reason_of(desk.happens(OrderFrame(frame))) is Reason.ABORTED


def test_a_stop_signed_by_nobody_entitled_changes_nothing(desk: Desk) -> None:
    """An agent's key must not be able to release."""
    order = desk.accept()
    forged = seal(desk.fleet.release(order), kit.key_of(kit.agent_label(SITE)))
    decision = desk.happens(StopEnvelope(forged))
    assert not decision.events
    assert decision.unsigned
    assert desk.cause is None


def test_the_lever_restores_and_lifting_it_takes_the_engagement_in_force(desk: Desk) -> None:
    """Engaged, nothing holds and nothing starts; a stale lift does nothing; an old engagement is over."""
    desk.accept()
    lever = desk.fleet.lever()
    engage = StopEnvelope(seal(lever, kit.key_of(kit.approver_label("board"))))
    desk.happens(engage)
    assert desk.cause is Cause.LEVER
    desk.happens(Restored("runs"))
    assert reason_of(desk.happens(OrderFrame(desk.order()[1]))) is Reason.LEVER

    all_owners = [kit.key_of(kit.approver_label(owner)) for owner in kit.APPROVERS]
    stale = desk.happens(StopEnvelope(seal(desk.fleet.lever(disengages="f" * 64), *all_owners)))
    assert stale.notes[0].fields["reason"] is Reason.STALE_DISENGAGE
    one = desk.happens(StopEnvelope(seal(desk.fleet.lever(disengages=lever.digest()), all_owners[0])))
    assert one.notes[0].fields["reason"] is Reason.UNDER_THRESHOLD
    assert desk.state.engaged
    desk.happens(StopEnvelope(seal(desk.fleet.lever(disengages=lever.digest()), *all_owners)))
    assert not desk.state.engaged
    desk.happens(engage)
    assert not desk.state.engaged
    desk.accept()


def test_the_operators_veto_ends_a_hold_for_good(desk: Desk) -> None:
    """Taking the veto away does not halt the site again."""
    desk.accept()
    desk.now = replace(desk.now, veto=True)
    desk.happens(Tick())
    assert desk.cause is Cause.VETO
    desk.now = replace(desk.now, veto=False)
    assert wanted(desk.state, desk.now) is None
    desk.happens(Restored("runs"))
    desk.now = replace(desk.now, veto=True)
    assert reason_of(desk.happens(OrderFrame(desk.order()[1]))) is Reason.VETO


def test_the_held_time_is_the_real_one(desk: Desk) -> None:
    """An early release counts only what was really held against the warrant's total."""
    order = desk.accept(30.0)
    desk.later(4)
    desk.happens(StopEnvelope(desk.fleet.dispatch(desk.fleet.release(order))))
    desk.later(1)
    desk.happens(Restored("runs"))
    (held,) = memory_of(desk.state, desk.now).orders.values()
    assert not held.live
    assert held.ends_ns - held.accepted_ns == 5 * S


def test_a_failure_is_told_once_and_giving_up_ends_the_order(desk: Desk) -> None:
    """A driver that keeps failing yields one receipt, and in the end the site is restored."""
    order = desk.accept()
    assert desk.happens(ApplyFailed(order.digest(), "jams", give_up=False)).drafts
    last = desk.happens(ApplyFailed(order.digest(), "jams", give_up=True))
    assert not last.drafts
    assert last.events == (OrderEnding(order=order.digest(), cause=Cause.DRIVER),)


def test_a_halt_seen_after_the_end_is_not_reported(desk: Desk) -> None:
    """A driver that finishes after the release must not claim a halt."""
    order = desk.accept()
    desk.happens(StopEnvelope(desk.fleet.dispatch(desk.fleet.release(order))))
    assert desk.happens(Halted(order.digest(), "paused", None)) == Decision()


@pytest.mark.parametrize("frame", [b"", b"{}", b"x\ny\nz", b"\n", b"\xff" * 1000])
def test_a_frame_that_is_not_two_envelopes_is_not_answered(desk: Desk, frame: bytes) -> None:
    """Noise on the topic gets no signature out of the agent."""
    decision = desk.happens(OrderFrame(frame))
    assert not decision.drafts
    assert [note.event for note in decision.notes] == ["order.rejected"]


def test_an_unknown_signer_is_marked_as_such(desk: Desk) -> None:
    """Answers to strangers are rationed, so they must be recognised."""
    warrant = desk.fleet.warrant()
    stranger = seal(desk.fleet.order(warrant), kit.key_of("stranger"))
    decision = desk.happens(OrderFrame(stranger + b"\n" + desk.fleet.approve(warrant)))
    assert decision.unsigned
    assert reason_of(decision) is Reason.UNKNOWN_KEY


def test_a_document_that_expired_meanwhile_authorises_nothing(desk: Desk) -> None:
    """An agent that has been running for a year does not obey under last year's policy."""
    warrant = desk.fleet.warrant(not_after=desk.fleet.at(1000 * kit.DAY_S))
    desk.later(366 * kit.DAY_S)
    now_s = 366 * kit.DAY_S
    order = desk.fleet.order(warrant, issued_at=desk.fleet.at(now_s), expires_at=desk.fleet.at(now_s + 60))
    decision = desk.happens(OrderFrame(desk.fleet.order_frame(order, desk.fleet.approve(warrant))))
    assert reason_of(decision) is Reason.DOCUMENT_EXPIRED


def test_a_halt_is_reported_once(desk: Desk) -> None:
    """An agent that restarts inside a hold finds the site halted and has nothing new to say."""
    order = desk.accept()
    assert desk.happens(Halted(order.digest(), "paused", None)).drafts
    desk.reopen()
    assert desk.happens(Halted(order.digest(), "paused", None)) == Decision()


def test_a_snapshot_is_the_whole_memory(desk: Desk) -> None:
    """Compaction loses nothing that authority depends on."""
    order = desk.accept()
    desk.happens(Halted(order.digest(), "paused", None))
    desk.happens(StopEnvelope(desk.fleet.dispatch(desk.fleet.release(desk.order()[0]))))
    desk.happens(StopEnvelope(desk.fleet.dispatch(desk.fleet.abort(desk.order()[0]))))
    desk.happens(StopEnvelope(seal(desk.fleet.lever(), kit.key_of(kit.approver_label("board")))))
    before = desk.state
    assert fold(AgentState(), Record(wall_ns=before.high_water_ns, events=(snapshot(before),))) == before
    desk.ledger.compact(desk.now.wall_ns)
    desk.reopen()
    assert desk.state == before


def test_a_log_that_has_grown_is_rewritten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that runs for years fills no disk: beyond its bound the log holds only what still matters."""
    monkeypatch.setattr("agents.ledger.COMPACT_BYTES", 20_000)
    desk.reopen()
    for _ in range(60):
        desk.happens(StopEnvelope(desk.fleet.dispatch(desk.fleet.release(desk.order()[0]))))
    grown = len(desk.disk.data)
    assert grown > 20_000
    desk.now = replace(desk.now, wall_ns=desk.now.wall_ns + KEEP_NS + S)
    desk.ledger.compact_if_grown(desk.now.wall_ns)
    assert len(desk.disk.data) < grown / 10


def test_pruning_keeps_what_can_still_matter(desk: Desk) -> None:
    """Tombstones live 400 days, orders as long as their warrant, the live order for ever."""
    desk.accept()
    desk.happens(StopEnvelope(desk.fleet.dispatch(desk.fleet.release(desk.order()[0]))))
    soon = prune(desk.state, desk.now.wall_ns + KEEP_NS - S)
    late = prune(desk.state, desk.now.wall_ns + KEEP_NS + S)
    assert len(soon.released) == 1
    assert not late.released
    assert late.live is not None


def test_a_clock_far_ahead_when_compacting_forgets_nothing_that_it_could_not_account_for(desk: Desk) -> None:
    """What is forgotten by the time is forgotten together with that time being written down."""
    warrant = desk.fleet.warrant(hold_s=30.0)
    approved = desk.fleet.approve(warrant)
    desk.happens(OrderFrame(desk.fleet.order_frame(desk.fleet.order(warrant), approved)))
    desk.later(30)
    desk.happens(Tick())
    desk.happens(Restored("runs"))
    desk.ledger.compact(kit.NOW_NS + 30 * 86_400 * S)
    desk.reopen()
    assert not desk.state.orders
    second = desk.happens(OrderFrame(desk.fleet.order_frame(desk.fleet.order(warrant), approved)))
    assert [draft.outcome for draft in second.drafts] == [Outcome.REFUSED]


def test_what_stops_counts_even_when_the_disk_is_full(desk: Desk) -> None:
    """A full disk must never keep a site halted, and nothing is lost once it has room again."""
    order = desk.accept()
    desk.disk.full = True
    release = decide(desk.state, StopEnvelope(desk.fleet.dispatch(desk.fleet.release(order))), desk.trust, desk.now)
    with pytest.raises(Exception, match="no space"):
        desk.ledger.commit(release, desk.now)
    assert desk.cause is Cause.RELEASE
    with pytest.raises(Exception, match="no space"):
        desk.ledger.commit(decide(desk.state, Restored("runs"), desk.trust, desk.now), desk.now)
    assert desk.state.live is None
    assert desk.state.seq == 1
    refused = decide(desk.state, OrderFrame(desk.order()[1]), desk.trust, desk.now)
    with pytest.raises(Exception, match="no space"):
        desk.ledger.commit(refused, desk.now)
    assert desk.state.live is None, "an order that is not on the disk is not accepted"
    desk.disk.full = False
    receipts = desk.ledger.commit(Decision(), desk.now)
    assert [receipt.outcome for receipt in receipts] == [Outcome.RESTORED]
    before = desk.state
    desk.reopen()
    assert desk.state == before


R, P, X, G = SiteState.RUNNING, SiteState.PAUSED, SiteState.STOPPED, SiteState.GONE
FIRE = DecommissionParams(phase="fire", armed=(ArmedSite(site=SITE, nonce="ab" * 16),))
ARM = DecommissionParams(phase="arm", armed_for_s=60.0)
PROTECTED = SelectivePauseParams(protected=("evals",))


@pytest.mark.parametrize(
    ("state", "ours", "ordered", "action"),
    [
        (R, False, None, Action.REST),
        (R, True, None, Action.RESTORE),
        (P, True, None, Action.RESTORE),
        (X, False, None, Action.RESTORE),
        (SiteState.MIXED, False, None, Action.RESTORE),
        (SiteState.DARK, True, None, Action.RESTORE),
        (G, True, None, Action.REST),
        (G, False, None, Action.REST),
        (R, False, PauseParams(), Action.APPLY),
        (P, False, PauseParams(), Action.APPLY),
        (P, True, PauseParams(), Action.HALTED),
        (X, True, LeaseParams(), Action.HALTED),
        (SiteState.SLOWED, True, PauseParams(), Action.APPLY),
        (SiteState.MIXED, True, PauseParams(), Action.APPLY),
        (P, True, ShutdownParams(), Action.APPLY),
        (X, True, ShutdownParams(), Action.HALTED),
        (X, False, ShutdownParams(), Action.APPLY),
        (X, True, SlowdownParams(), Action.APPLY),
        (SiteState.SLOWED, True, SlowdownParams(), Action.HALTED),
        (SiteState.CAPPED, True, RunCapParams(), Action.HALTED),
        (P, True, PROTECTED, Action.APPLY),
        (SiteState.SELECTIVE, True, PROTECTED, Action.HALTED),
        (SiteState.ISOLATED, True, IsolateParams(), Action.HALTED),
        (X, True, PowerCutParams(), Action.APPLY),
        (SiteState.DARK, True, PowerCutParams(), Action.HALTED),
        (R, False, StandbyParams(), Action.HALTED),
        (R, True, CensusParams(), Action.RESTORE),
        (X, False, RefusalParams(), Action.RESTORE),
        (R, False, ARM, Action.HALTED),
        (G, False, ARM, Action.HALTED),
        (R, False, FIRE, Action.APPLY),
        (SiteState.MIXED, True, FIRE, Action.APPLY),
        (G, False, FIRE, Action.HALTED),
        (G, True, PauseParams(), Action.APPLY),
    ],
)
def test_what_is_to_be_done(desk: Desk, state: SiteState, ours: bool, ordered: Params | None, action: Action) -> None:
    """The reconciler's whole table."""
    order = None
    if ordered is not None:
        desk.accept()
        live = desk.state.live
        assert live is not None
        order = live.accepted.model_copy(update={"params": ordered})
    assert next_action(order, Observation(state, ours, "")) is action
