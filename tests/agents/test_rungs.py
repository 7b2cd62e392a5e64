"""Rungs, leases and arming as they are decided, across reboots and restarts, and what older versions wrote down."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from agents.decision import ApplyFailed, Decision, Halted, OrderFrame, Rehearsed, Restored, Tick
from agents.events import Cause, Record, RungSeen
from agents.proofs import proof
from agents.reconcile import hold_left_ns, memory_of, wanted
from agents.state import AgentState, Moment, fold, snapshot
from protocols.controls import (
    Actor,
    DecommissionParams,
    LeaseParams,
    Params,
    PowerCutParams,
    ShutdownParams,
)
from protocols.messages import Outcome, Rung, Warrant
from protocols.reasons import Reason
from tests import kit
from tests.agents.desk import BOOT, OTHER_BOOT, SITE, Desk, S, reason_of

# -- rungs ---------------------------------------------------------------------------------------


def ladder_of(desk: Desk, *ladder: Params) -> Warrant:
    """Make a warrant that holds for 60 s: a pause and these harsher rungs, each with a limit of 5 s."""
    rungs = tuple(Rung(params=params, response_limit_s=5.0) for params in ladder)
    return desk.fleet.warrant(desk.fleet.step(ladder=rungs, hold_s=60.0))


def rung_frame(desk: Desk, warrant: Warrant, rung: int) -> OrderFrame:
    """Return the order of a rung, issued now."""
    at_s = (desk.now.wall_ns - kit.NOW_NS) / S
    times = {"issued_at": desk.fleet.at(at_s), "expires_at": desk.fleet.at(at_s + 60)}
    site = SITE if rung else None
    order = desk.fleet.order(warrant, rung=rung, site=site, **times)
    return OrderFrame(desk.fleet.order_frame(order, desk.fleet.approve(warrant, kit.APPROVERS)))


@pytest.mark.parametrize("actor", Actor)
@pytest.mark.parametrize(("wall_s", "uptime_s", "climbs"), [(600.0, 4.9, False), (5.0, 5.0, True)])
def test_after_a_reboot_a_rungs_limit_runs_anew(
    mock: Desk, actor: Actor, wall_s: float, uptime_s: float, climbs: bool
) -> None:
    """What the wall clock says of the time before a boot is nothing that a rung could rely on."""
    warrant = ladder_of(mock, ShutdownParams() if actor is Actor.AGENT else PowerCutParams())
    mock.actor = actor
    mock.happens(rung_frame(mock, warrant, 0))
    mock.reopen()
    mock.now = Moment(kit.NOW_NS + round(wall_s * S), round(uptime_s * S), OTHER_BOOT, veto=False)
    decision = mock.happens(rung_frame(mock, warrant, 1))
    assert decision.drafts[0].outcome is (Outcome.ACCEPTED if climbs else Outcome.REFUSED)
    assert climbs or reason_of(decision) is Reason.RUNG_TOO_SOON


def test_a_reboot_gives_no_time_to_a_ladders_hold(mock: Desk) -> None:
    """The hold of a higher rung is what is left of the step's, by the stricter of both clocks."""
    warrant = ladder_of(mock, ShutdownParams())
    mock.happens(rung_frame(mock, warrant, 0))
    mock.now = Moment(kit.NOW_NS + 40 * S, 10 * S, OTHER_BOOT, veto=False)
    mock.happens(rung_frame(mock, warrant, 1))
    assert hold_left_ns(mock.state, mock.now) == 20 * S


def test_a_rung_that_was_superseded_counts_as_held_until_then(mock: Desk) -> None:
    """The lower order is over, with its cause, and nothing that is said of it later changes the higher."""
    warrant = ladder_of(mock, ShutdownParams())
    mock.happens(rung_frame(mock, warrant, 0))
    lower = mock.state.live
    mock.later(6)
    mock.happens(rung_frame(mock, warrant, 1))
    assert lower is not None
    (first, second) = mock.state.orders.values()
    assert (first.cause, first.ended_ns) == (Cause.SUPERSEDED, kit.NOW_NS + 6 * S)
    assert mock.state.live is second
    for late in (Halted(lower.accepted.order, "paused", None), ApplyFailed(lower.accepted.order, "jams", give_up=True)):
        assert mock.happens(late) == Decision()
    assert mock.happens(Restored("runs")) == Decision()


def test_a_step_whose_hold_is_over_climbs_no_further(mock: Desk) -> None:
    """A ladder's last rungs must not halt a site for which there is no time left."""
    warrant = ladder_of(mock, ShutdownParams())
    mock.happens(rung_frame(mock, warrant, 0))
    mock.later(60)
    mock.happens(Tick())
    mock.happens(Restored("runs"))
    assert reason_of(mock.happens(rung_frame(mock, warrant, 1))) is Reason.EXPIRED


def test_a_veto_that_was_taken_away_lets_nothing_climb(mock: Desk) -> None:
    """The operator's no holds for the whole step; what the driver could not do is what a ladder is for."""
    for veto in (True, False):
        warrant = ladder_of(mock, ShutdownParams())
        mock.happens(rung_frame(mock, warrant, 0))
        live = mock.state.live
        assert live is not None
        mock.now = replace(mock.now, veto=veto)
        mock.happens(Tick() if veto else ApplyFailed(live.accepted.order, "jams", give_up=True))
        mock.happens(Restored("runs"))
        mock.now = replace(mock.now, veto=False)
        mock.later(6)
        decision = mock.happens(rung_frame(mock, warrant, 1))
        assert decision.drafts[0].reason is (Reason.VETO if veto else None)


def test_an_enforcer_answers_a_rung_once_with_what_it_rehearsed(mock: Desk) -> None:
    """The receipt is signed when the rehearsal is over, survives a restart, and is never signed twice."""
    mock.actor = Actor.ENFORCER
    warrant = ladder_of(mock, ShutdownParams(), PowerCutParams())
    frame = rung_frame(mock, warrant, 0)
    (seen,) = mock.happens(frame).events
    assert isinstance(seen, RungSeen)
    assert seen.later == PowerCutParams()
    mock.reopen()
    rehearsed = Rehearsed(seen.order, (proof("restore-path", ok=False, detail="stuck"),))
    (draft,) = mock.happens(rehearsed).drafts
    assert (draft.outcome, draft.proofs) == (Outcome.NOTED, rehearsed.proofs)
    mock.ledger.compact(mock.now.wall_ns)
    mock.reopen()
    assert mock.happens(rehearsed) == Decision()
    assert [one.outcome for one in mock.happens(frame).again] == [Outcome.NOTED]


# -- leases --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("boot_id", "boot_s", "licensed", "lapses"),
    [
        (BOOT, 504.9, False, False),
        (BOOT, 505.0, False, True),
        (BOOT, 505.0, True, False),
        (OTHER_BOOT, 1.0, False, True),
    ],
)
def test_the_first_licence_is_free_and_ends_with_the_boot(
    mock: Desk, boot_id: str, boot_s: float, licensed: bool, lapses: bool
) -> None:
    """It counts from the acceptance by the boot clock; after a reboot there is no licence of any kind."""
    warrant = mock.fleet.warrant(params=LeaseParams(licence_s=5.0), hold_s=60.0)
    order = mock.fleet.order(warrant)
    mock.happens(OrderFrame(mock.fleet.order_frame(order, mock.fleet.approve(warrant))))
    mock.reopen()
    mock.now = Moment(kit.NOW_NS + 2 * S, round(boot_s * S), boot_id, veto=False, licensed=licensed)
    mock.happens(Tick())
    assert mock.state.live is not None
    assert mock.state.live.lapsed == lapses
    assert (wanted(mock.state, mock.now) is not None) == lapses
    mock.now = replace(mock.now, licensed=True)
    mock.happens(Tick())
    assert mock.state.live.lapsed == lapses, "a lapse is for good"


# -- arming --------------------------------------------------------------------------------------


def arm(mock: Desk, armed_for_s: float = 60.0) -> str:
    """Arm the site, and return the nonce."""
    params = DecommissionParams(phase="arm", armed_for_s=armed_for_s)
    warrant = mock.fleet.warrant(params=params, hold_s=30.0, uses=1)
    order = mock.fleet.order(warrant)
    mock.happens(OrderFrame(mock.fleet.order_frame(order, mock.fleet.approve(warrant, kit.APPROVERS))))
    mock.happens(Halted(order.digest(), "armed", None, armed="ab" * 16))
    return "ab" * 16


@pytest.mark.parametrize(
    ("wall_s", "boot_id", "boot_s", "stays"),
    [
        (0.0, BOOT, 559.9, True),
        (9e6, BOOT, 559.9, True),
        (0.0, BOOT, 560.0, False),
        (59.9, OTHER_BOOT, 10.0, True),
        (60.0, OTHER_BOOT, 10.0, False),
        (10.0, OTHER_BOOT, 60.0, False),
        (-10.0, OTHER_BOOT, 10.0, False),
    ],
)
def test_arming_expires_as_a_hold_does(mock: Desk, wall_s: float, boot_id: str, boot_s: float, stays: bool) -> None:
    """By the boot clock, after a reboot by wall time too, and at once when the clock cannot be believed."""
    nonce = arm(mock)
    mock.reopen()
    mock.now = Moment(kit.NOW_NS + round(wall_s * S), round(boot_s * S), boot_id, veto=False)
    armed = memory_of(mock.state, mock.now).armed
    assert (armed is not None and armed.nonce == nonce) == stays
    mock.happens(Tick())
    assert (mock.state.armed is not None) == stays


def test_a_nonce_is_signed_once_for_an_arming(mock: Desk) -> None:
    """A second nonce for one order would be one that nobody approved."""
    nonce = arm(mock)
    live = mock.state.live
    assert live is not None
    assert mock.happens(Halted(live.accepted.order, "armed", None, armed="cd" * 16)) == Decision()
    assert mock.state.armed is not None
    assert mock.state.armed.nonce == nonce


# -- what was written down before ----------------------------------------------------------------


def test_a_snapshot_carries_rungs_lapses_and_the_arming(mock: Desk) -> None:
    """Compaction loses nothing of the newer kinds either."""
    arm(mock)
    mock.later(30)
    mock.happens(Tick())
    mock.happens(Restored("runs"))
    warrant = mock.fleet.warrant(params=LeaseParams(), hold_s=60.0)
    order = mock.fleet.order(warrant)
    mock.happens(OrderFrame(mock.fleet.order_frame(order, mock.fleet.approve(warrant))))
    mock.later(5)
    mock.happens(Tick())
    mock.actor = Actor.ENFORCER
    mock.happens(rung_frame(mock, ladder_of(mock, PowerCutParams()), 0))
    before = mock.state
    assert before.live is not None
    assert before.live.lapsed
    assert before.armed is not None
    assert before.rungs
    mock.ledger.compact(mock.now.wall_ns)
    mock.reopen()
    assert mock.state == before


NEW_FIELDS = {"rung", "owners", "lapsed", "rungs", "armed"}


def without_new(value: Any) -> Any:
    """Return what a version before the ladders would have written."""
    if isinstance(value, dict):
        return {name: without_new(part) for name, part in value.items() if name not in NEW_FIELDS}
    return [without_new(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("compacted", [True, False])
def test_records_of_before_the_ladders_stay_readable(desk: Desk, compacted: bool) -> None:
    """An agent that is upgraded in a hold goes on holding, and restores."""
    order = desk.accept(30.0)
    desk.later(10)
    desk.happens(Halted(order.digest(), "paused", None))
    live = desk.state.live
    assert live is not None
    events = (snapshot(desk.state),) if compacted else (live.accepted,)
    written = json.loads(Record(wall_ns=desk.state.high_water_ns, events=events).model_dump_json())
    old = without_new(written)
    assert old != written
    read = fold(AgentState(), Record.model_validate_json(json.dumps(old)))
    assert read.live is not None
    assert read.live.accepted == live.accepted.model_copy(update={"owners": ()})
    assert hold_left_ns(read, desk.now) == 20 * S
