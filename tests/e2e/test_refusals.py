"""Hostile orders, over both real brokers, at a real agent with a real workload: each refused, nothing touched."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from protocols.envelope import join_frame, seal
from protocols.ids import format_utc, seconds_to_ns
from protocols.limits import ENVELOPE_MAX_BYTES, FRAME_MAX_BYTES
from protocols.messages import Outcome, Receipt
from protocols.reasons import Reason
from tests import kit
from tests.brokers import Mosquitto, Nats
from tests.components import require
from tests.e2e.hostile import HOSTILE, POLICY, RECORD, Hostile
from tests.e2e.processes import Processes, eventually, stands_still, untouched
from tests.e2e.site import CLOCK, ControlRoom, Site, frame_digest, junk

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["nats", "mosquitto"])
async def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlRoom]:
    """One agent process with its workload over one broker, which no test leaves halted."""
    folder = tmp_path_factory.mktemp("refusals")
    broker = Nats() if request.param == "nats" else Mosquitto(require("mosquitto", package="mosquitto"))
    async with broker:
        with Processes(folder) as processes:
            site = Site(folder / "site", processes, broker.config, policy=POLICY, record=RECORD)
            async with ControlRoom(site) as control_room:
                await control_room.start_agent()
                await control_room.until_working()
                yield control_room


async def refused(room: ControlRoom, frame: bytes, reason: Reason) -> Receipt:
    """Send an order; fail unless the agent signs a refusal for `reason`, and its workload runs on."""
    order = frame_digest(frame)
    before = len(room.answers(order, Outcome.REFUSED))
    await room.send_order(frame)
    await eventually(lambda: len(room.answers(order, Outcome.REFUSED)) > before, f"a refusal for {reason}", 10.0)
    receipt = room.answers(order, Outcome.REFUSED)[-1]
    assert receipt.reason is reason, receipt.detail
    await untouched(room.site.workload)
    return receipt


async def held_once(room: ControlRoom, frame: bytes) -> None:
    """Send an order that is right; wait until its short hold is over and the site is back at work."""
    order = await room.send_order(frame)
    await room.answer(order, Outcome.HALTED)
    await room.answer(order, Outcome.RESTORED)
    await room.until_working()


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name.replace(" ", "-"))
async def test_a_hostile_order_is_refused_with_its_own_reason(room: ControlRoom, hostile: Hostile) -> None:
    """An order that is wrong in one thing is answered with that thing's reason, signed, and touches no work."""
    frame = hostile.make(room.now())
    receipt = await refused(room, frame, hostile.reason)
    assert receipt.elapsed_ns == 0
    assert not room.answers(receipt.order, Outcome.ACCEPTED)


async def test_an_order_sent_again_after_its_hold_holds_nothing(room: ControlRoom) -> None:
    """The same bytes after their hold are answered with the old receipts, and once expired refused as replayed."""
    fleet = room.now()
    warrant = fleet.warrant(hold_s=0.4)
    frame = fleet.order_frame(fleet.order(warrant, expires_at=fleet.at(2.5)), fleet.approve(warrant))
    await held_once(room, frame)
    order = await room.send_order(frame)
    await eventually(lambda: bool(room.site.logged("agent.order.repeat", order=order)), "the repeat in the log")
    await untouched(room.site.workload)
    await eventually(lambda: CLOCK.wall_ns() > fleet.now_ns + seconds_to_ns(2.5), "the order's expiry")
    await refused(room, frame, Reason.REPLAYED)
    assert len(room.answers(order, Outcome.ACCEPTED)) == 1


async def test_a_restarted_agent_remembers_what_it_obeyed_and_takes_nothing_retained(room: ControlRoom) -> None:
    """SIGKILL and a new start forget no order, and a right order that the broker kept is not obeyed."""
    fleet = room.now()
    warrant = fleet.warrant(hold_s=0.4)
    frame = fleet.order_frame(fleet.order(warrant, expires_at=fleet.at(1.5)), fleet.approve(warrant))
    await held_once(room, frame)
    workload = room.site.workload
    room.site.kill()
    _, kept = room.honest()
    await room.say(fleet.topics.orders, kept, retain=True)
    try:
        await room.start_agent()
        assert room.site.workload == workload, "the agent found its workload again"
        await eventually(
            lambda: bool(room.site.logged("agent.order.rejected", detail="a retained message")), "the retained order"
        )
    finally:
        await room.say(fleet.topics.orders, b"", retain=True)
    assert not room.answers(frame_digest(kept), Outcome.ACCEPTED)
    await eventually(lambda: CLOCK.wall_ns() > fleet.now_ns + seconds_to_ns(1.5), "the order's expiry")
    await refused(room, frame, Reason.REPLAYED)
    again = fleet.order(warrant, issued_at=format_utc(CLOCK.wall_ns()))
    await refused(room, fleet.order_frame(again, fleet.approve(warrant)), Reason.EQUIVOCATION)
    chain = [receipt for _, receipt in sorted(room.receipts.items())]
    for before, after in itertools.pairwise(chain):
        assert after.link.seq != before.link.seq + 1 or after.link.prev == before.digest()


async def test_a_second_order_for_one_use_is_equivocation(room: ControlRoom) -> None:
    """Another order for the same warrant, use and step is refused while the first holds and after it."""
    fleet = room.now()
    warrant = fleet.warrant(hold_s=6.0)
    first, second = fleet.order(warrant), fleet.order(warrant)
    approved = fleet.approve(warrant)
    order = await room.send_order(fleet.order_frame(first, approved))
    await room.answer(order, Outcome.HALTED)
    other = await room.send_order(fleet.order_frame(second, approved))
    receipt = await room.answer(other, Outcome.REFUSED)
    assert receipt.reason is Reason.EQUIVOCATION
    assert room.site.logged("agent.order.refused", reason="equivocation", order=other)
    await room.send_stop(fleet.dispatch(fleet.release(first)), logged="agent.stop.release")
    await room.answer(order, Outcome.RESTORED)
    await room.until_working()
    third = fleet.order_frame(fleet.order(warrant), approved)
    await refused(room, third, Reason.EQUIVOCATION)


async def test_a_held_site_takes_no_other_order(room: ControlRoom) -> None:
    """A site is held by one order at a time: another is refused, and does not prolong the hold."""
    _, frame = room.honest(hold_s=1.5)
    held = await room.send_order(frame)
    await room.answer(held, Outcome.HALTED)
    _, other = room.honest(hold_s=30.0)
    receipt = await room.answer(await room.send_order(other), Outcome.REFUSED)
    assert receipt.reason is Reason.BUSY
    await room.answer(held, Outcome.RESTORED, 4.0)
    await room.until_working()


async def test_the_next_use_may_come_too_soon(room: ControlRoom) -> None:
    """A use that comes before the warrant's least time between uses is refused."""
    fleet = room.now()
    warrant = fleet.warrant(hold_s=0.4, min_between_uses_s=60.0)
    approved = fleet.approve(warrant)
    await held_once(room, fleet.order_frame(fleet.order(warrant), approved))
    await refused(room, fleet.order_frame(fleet.order(warrant, use=2), approved), Reason.TOO_SOON)


async def test_all_uses_together_may_hold_too_long(room: ControlRoom) -> None:
    """A use that would take the warrant over its total held time is refused."""
    fleet = room.now()
    warrant = fleet.warrant(hold_s=0.4, max_total_held_s=0.7)
    approved = fleet.approve(warrant)
    await held_once(room, fleet.order_frame(fleet.order(warrant), approved))
    await refused(room, fleet.order_frame(fleet.order(warrant, use=2), approved), Reason.TOTAL_HELD)


async def test_a_release_that_overtook_its_order_forbids_it(room: ControlRoom) -> None:
    """A release that arrives before its order is a tombstone: the order holds nothing."""
    fleet = room.now()
    order, frame = room.honest()
    await room.send_stop(fleet.dispatch(fleet.release(order)), logged="agent.stop.release", drill=order.drill)
    await refused(room, frame, Reason.RELEASED)


async def test_an_abort_that_overtook_its_order_forbids_it(room: ControlRoom) -> None:
    """An abort by a single approver that arrives before the order forbids that whole use."""
    fleet = room.now()
    order, frame = room.honest()
    abort = seal(fleet.abort(order), kit.key_of(kit.approver_label("safety")))
    await room.send_stop(abort, logged="agent.stop.abort", warrant=order.warrant)
    await refused(room, frame, Reason.ABORTED)


async def test_the_engaged_lever_forbids_every_order(room: ControlRoom) -> None:
    """While the operator's lever is engaged a right order is refused, and lifting it takes the threshold."""
    fleet = room.now()
    _, frame = room.honest(hold_s=0.4)
    lever = fleet.lever(site=room.site.name)
    engage = seal(lever, kit.key_of(kit.operator_label(room.site.name)))
    lift = fleet.lever(site=room.site.name, disengages=lever.digest())
    one = seal(lift, kit.key_of(kit.approver_label("board")))
    enough = seal(lift, *(kit.key_of(kit.approver_label(owner)) for owner in kit.APPROVERS))
    await room.send_stop(engage, logged="agent.stop.lever", engaged=True)
    try:
        await refused(room, frame, Reason.LEVER)
        await room.send_stop(one, logged="agent.stop.rejected", reason="under_threshold")
        await refused(room, room.honest(hold_s=0.4)[1], Reason.LEVER)
    finally:
        await room.send_stop(enough, logged="agent.stop.lever", engaged=False)
    await held_once(room, room.honest(hold_s=0.4)[1])


async def test_the_local_veto_forbids_every_order(room: ControlRoom) -> None:
    """While the operator's veto file is there a right order is refused; without it another is obeyed."""
    room.site.veto.touch()
    try:
        await refused(room, room.honest(hold_s=0.4)[1], Reason.VETO)
    finally:
        room.site.veto.unlink()
    await held_once(room, room.honest(hold_s=0.4)[1])


@pytest.mark.parametrize(
    ("what", "frame"),
    [
        ("not-an-envelope", b"halt, please"),
        ("not-an-order-and-a-warrant", b"{}\n{}"),
        ("nothing", b"\n"),
        ("an-oversized-envelope", junk(ENVELOPE_MAX_BYTES + 1) + b"\n{}"),
    ],
)
async def test_what_is_no_order_at_all_is_logged_and_has_no_effect(room: ControlRoom, what: str, frame: bytes) -> None:
    """Bytes that cannot be answered leave one line in the log, no receipt, and the workload as it was."""
    before, receipts = len(room.site.logged("agent.order.rejected")), len(room.receipts)
    await room.say(room.site.fleet.topics.orders, frame)
    await eventually(lambda: len(room.site.logged("agent.order.rejected")) > before, "the line in the log")
    await untouched(room.site.workload)
    assert len(room.receipts) == receipts


async def test_an_oversized_frame_is_logged_and_has_no_effect(room: ControlRoom) -> None:
    """A message over the limit is dropped before anything looks into it, and the log says so."""
    _, frame = room.honest()
    before = len(room.site.logged("agent.inbox.oversized"))
    await room.send_large(frame + b"\n" + junk(FRAME_MAX_BYTES))
    await eventually(lambda: len(room.site.logged("agent.inbox.oversized")) > before, "the line in the log")
    await untouched(room.site.workload)
    assert not room.answers(frame_digest(frame), Outcome.ACCEPTED)


async def test_one_signature_listed_twice_is_no_envelope(room: ControlRoom) -> None:
    """A warrant that lists the same key's signature twice is thrown away whole."""
    fleet = room.now()
    warrant = fleet.warrant()
    label = kit.approver_label("board")
    doubled = seal(warrant, kit.key_of(label)).replace(b'"signatures":[', b'"signatures":[%s,')
    signature = doubled.partition(b'"signatures":[%s,')[2].removesuffix(b"]}")
    frame = join_frame([fleet.dispatch(fleet.order(warrant)), doubled.replace(b"%s", signature)])
    before = len(room.site.logged("agent.order.rejected", detail="one keyid signs twice"))
    order = await room.send_order(frame)
    await eventually(
        lambda: len(room.site.logged("agent.order.rejected", detail="one keyid signs twice")) > before, "the line"
    )
    await untouched(room.site.workload)
    assert not room.answers(order, Outcome.ACCEPTED)


async def test_an_order_sent_as_a_stop_stops_and_starts_nothing(room: ControlRoom) -> None:
    """An order on the topic of stops is rejected by its type, while the site is held and while it is not."""
    fleet = room.now()
    _, sent_wrong = room.honest()
    wrong = sent_wrong.split(b"\n")[0]
    await room.send_stop(wrong, logged="agent.stop.rejected", reason="wrong_type")
    await untouched(room.site.workload)
    order, frame = room.honest(hold_s=6.0)
    held = await room.send_order(frame)
    await room.answer(held, Outcome.HALTED)
    forged = seal(fleet.release(order), kit.key_of("stranger"))
    await room.send_stop(forged, logged="agent.stop.rejected", reason="unknown_key")
    await room.send_stop(wrong, logged="agent.stop.rejected", reason="wrong_type")
    assert stands_still(room.site.workload), "a forged release and a mistyped order ended the hold"
    await room.send_stop(fleet.dispatch(fleet.release(order)), logged="agent.stop.release", drill=order.drill)
    await room.answer(held, Outcome.RESTORED)
    await room.until_working()


async def test_the_same_setup_obeys_a_right_order(room: ControlRoom) -> None:
    """The refusals are no artefact: a right order is accepted, halts the workload, and is undone by its release."""
    workload = room.site.workload
    order, frame = room.honest(hold_s=10.0)
    began_s = time.monotonic()
    held = await room.send_order(frame)
    accepted = await room.answer(held, Outcome.ACCEPTED)
    assert accepted.reason is None
    assert (accepted.drill, accepted.use, accepted.step) == (order.drill, 1, 0)
    await room.answer(held, Outcome.HALTED)
    assert stands_still(workload)
    await room.send_stop(room.now().dispatch(room.site.fleet.release(order)), logged="agent.stop.release")
    await room.answer(held, Outcome.RESTORED)
    assert time.monotonic() < began_s + 9.0
    assert room.site.workload == workload
    await room.until_working()
