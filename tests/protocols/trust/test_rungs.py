"""The gate and the ladder: whoever has a dispatcher's key can neither begin at the top nor hurry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.controls import (
    Actor,
    ArmedSite,
    Control,
    DecommissionParams,
    IsolateParams,
    PauseParams,
    PowerCutParams,
    ShutdownParams,
    SlowdownParams,
)
from protocols.envelope import parse_envelope
from protocols.ids import seconds_to_ns
from protocols.messages import Order, Rung, Warrant
from protocols.reasons import Reason
from protocols.trust import (
    Accepted,
    Admission,
    Armed,
    HeldOrder,
    Noted,
    Refused,
    Repeat,
    SeenRung,
    SiteMemory,
    SiteTrust,
    admit_order,
)
from tests.kit import APPROVERS, NOW_NS, make_fleet

S = 1_000_000_000
FLEET = make_fleet(("alpha", "beta"), record={"controls": tuple(Control), "mock": True})
TRUST = FLEET.site_trust("alpha")
LIMITS_S = (5.0, 8.0, 3.0, 2.0)
HOLD_S = 120.0
RUNGS = (SlowdownParams(), PauseParams(), ShutdownParams(), PowerCutParams())
LADDER = FLEET.warrant(
    FLEET.step(
        params=RUNGS[0],
        response_limit_s=LIMITS_S[0],
        hold_s=HOLD_S,
        ladder=tuple(
            Rung(params=params, response_limit_s=limit_s)
            for params, limit_s in zip(RUNGS[1:], LIMITS_S[1:], strict=True)
        ),
    )
)
APPROVED = FLEET.approve(LADDER, APPROVERS)
CLEAN = SiteMemory()


def rung_order(rung: int, warrant: Warrant = LADDER, **changes: Any) -> Order:
    """Make the order of a rung, for the site alpha if it is a higher one."""
    return FLEET.order(warrant, **({"rung": rung, "site": "alpha" if rung else None} | changes))


def gate(
    order: Order,
    memory: SiteMemory = CLEAN,
    *,
    actor: Actor = Actor.AGENT,
    approved: bytes = APPROVED,
    trust: SiteTrust = TRUST,
    now_ns: int = NOW_NS,
) -> Admission:
    """Put an order through the gate of site alpha."""
    raw = parse_envelope(FLEET.dispatch(order))
    return admit_order(raw, parse_envelope(approved), trust, memory, now_ns=now_ns, actor=actor)


def reason_of(outcome: Admission) -> Reason:
    """Return the reason of a refusal."""
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def key_of_order(order: Order) -> tuple[str, int, int, int]:
    """Return what an order is remembered by."""
    return (order.warrant, order.use, order.step, order.rung)


def seen(*ago_s: float) -> SiteMemory:
    """Return the memory of a party that saw the first rungs of the ladder so long ago, and holds nothing."""
    orders = [rung_order(rung) for rung in range(len(ago_s))]
    rungs = {
        key_of_order(order): SeenRung(order.digest(), round(ago * S)) for order, ago in zip(orders, ago_s, strict=True)
    }
    return SiteMemory(rungs=rungs)


def test_a_higher_rung_is_accepted_once_the_limit_below_has_passed_here() -> None:
    """Not a moment earlier, and with what is left of the step's hold since its first rung."""
    assert reason_of(gate(rung_order(1), seen(4.999))) is Reason.RUNG_TOO_SOON
    outcome = gate(rung_order(1), seen(5.0))
    assert isinstance(outcome, Accepted)
    assert (outcome.rung.params, outcome.hold_ns) == (RUNGS[1], round((HOLD_S - 5.0) * S))
    later = gate(rung_order(2), seen(20.0, 8.0))
    assert isinstance(later, Accepted)
    assert later.hold_ns == round((HOLD_S - 20.0) * S)


def test_a_ladder_ends_with_the_steps_hold() -> None:
    """When its time is over no rung begins, and none holds for longer than is left."""
    almost = gate(rung_order(1), seen(HOLD_S - 0.5))
    assert isinstance(almost, Accepted)
    assert almost.hold_ns == S // 2
    assert reason_of(gate(rung_order(1), seen(HOLD_S))) is Reason.EXPIRED


@pytest.mark.parametrize(("rung", "actor"), [(1, Actor.AGENT), (2, Actor.AGENT), (3, Actor.ENFORCER)])
def test_nobody_begins_at_the_top(rung: int, actor: Actor) -> None:
    """A site that saw nothing of the rungs below obeys no higher one, whoever signs it."""
    assert reason_of(gate(rung_order(rung), actor=actor)) is Reason.RUNG_TOO_SOON
    skipped = seen(*(1000.0 for _ in range(rung - 1)))
    assert reason_of(gate(rung_order(rung), skipped, actor=actor)) is Reason.RUNG_TOO_SOON


def test_a_rung_past_the_ladder_does_not_exist() -> None:
    """The warrant's ladder is all there is, however long the last rung was waited out."""
    assert reason_of(gate(rung_order(4), seen(99.0, 99.0, 99.0, 99.0))) is Reason.NO_SUCH_RUNG
    flat = FLEET.warrant()
    assert reason_of(gate(rung_order(1, flat), approved=FLEET.approve(flat))) is Reason.NO_SUCH_RUNG


def test_rung_0_is_for_everybody_and_a_higher_one_for_one_site() -> None:
    """A dispatcher can neither single a site out for an exercise, nor have all of them climb at once."""
    assert reason_of(gate(rung_order(0, site="alpha"))) is Reason.MALFORMED
    assert reason_of(gate(rung_order(1, site=None), seen(5.0))) is Reason.MALFORMED
    assert reason_of(gate(rung_order(1, site="beta"), seen(5.0))) is Reason.NOT_IN_AUDIENCE
    assert isinstance(gate(rung_order(1), seen(5.0)), Accepted)


def test_another_steps_and_another_uses_rungs_do_not_count() -> None:
    """What was waited out in one use is not waited out in the next."""
    assert reason_of(gate(rung_order(1, use=2), seen(99.0))) is Reason.RUNG_TOO_SOON


# -- whose order it is ---------------------------------------------------------------------------


def test_each_acts_on_its_own_rungs_alone() -> None:
    """The enforcer only notes the agent's rungs, the agent the enforcer's; what matters is whether a turn comes."""
    for rung in range(3):
        outcome = gate(rung_order(rung), seen(*[99.0] * rung), actor=Actor.ENFORCER)
        assert isinstance(outcome, Noted)
        assert outcome.matters
        assert isinstance(gate(rung_order(rung), seen(*[99.0] * rung)), Accepted)
    top = gate(rung_order(3), seen(99.0, 99.0, 99.0))
    assert isinstance(top, Noted)
    assert not top.matters
    assert isinstance(gate(rung_order(3), seen(99.0, 99.0, 99.0), actor=Actor.ENFORCER), Accepted)


def test_a_rung_is_noted_only_if_it_could_be_obeyed() -> None:
    """Noting starts a clock, so a released step, a veto, an early rung or an expired order starts none."""
    order = rung_order(0)
    step = (order.warrant, order.use, order.step)
    enforcer = Actor.ENFORCER
    assert reason_of(gate(order, SiteMemory(released=frozenset({step})), actor=enforcer)) is Reason.RELEASED
    assert reason_of(gate(order, SiteMemory(aborted=frozenset({step[:2]})), actor=enforcer)) is Reason.ABORTED
    assert reason_of(gate(order, SiteMemory(veto=True), actor=enforcer)) is Reason.VETO
    assert reason_of(gate(order, SiteMemory(engaged=frozenset({"0" * 64})), actor=enforcer)) is Reason.LEVER
    assert reason_of(gate(order, actor=enforcer, now_ns=NOW_NS + 60 * S)) is Reason.EXPIRED
    assert reason_of(gate(rung_order(1), seen(4.0), actor=enforcer)) is Reason.RUNG_TOO_SOON
    assert isinstance(gate(order, actor=enforcer), Noted)


def test_a_noted_rung_again_is_a_repeat_and_another_order_for_it_is_not() -> None:
    """One order for each rung: a second one would start the limit's clock anew, or hide the first."""
    order = rung_order(0)
    memory = SiteMemory(rungs={key_of_order(order): SeenRung(order.digest(), 3 * S)})
    assert isinstance(gate(order, memory, actor=Actor.ENFORCER), Repeat)
    twin = rung_order(0)
    assert reason_of(gate(twin, memory, actor=Actor.ENFORCER)) is Reason.EQUIVOCATION


# -- one holds at a time -------------------------------------------------------------------------


def holding(order: Order, ago_s: float) -> SiteMemory:
    """Return the memory of a site that an order holds."""
    at_ns = NOW_NS - round(ago_s * S)
    held = HeldOrder(order.digest(), at_ns, at_ns + round(HOLD_S * S), live=True)
    key = key_of_order(order)
    return SiteMemory(orders={key: held}, rungs={key: SeenRung(order.digest(), round(ago_s * S))})


def test_a_higher_rung_takes_the_place_of_the_lower_and_of_nothing_else() -> None:
    """The same step's lower rung is superseded; any other order that holds the site makes it busy."""
    assert isinstance(gate(rung_order(1), holding(rung_order(0), 6.0)), Accepted)
    other = holding(FLEET.order(FLEET.warrant()), 6.0)
    both = replace(other, rungs={**other.rungs, **seen(6.0).rungs})
    assert reason_of(gate(rung_order(1), both)) is Reason.BUSY


@pytest.mark.parametrize("reason", [Reason.VETO, Reason.LEVER])
def test_what_people_stopped_climbs_no_further(reason: Reason) -> None:
    """A veto or a lever that ended a rung is lifted for the next exercise, not for the next rung of this one."""
    order = rung_order(0)
    held = HeldOrder(order.digest(), NOW_NS - 9 * S, NOW_NS - 5 * S, live=False, stopped_by=reason)
    memory = replace(seen(9.0), orders={key_of_order(order): held})
    assert reason_of(gate(rung_order(1), memory)) is reason
    failed = replace(held, stopped_by=None)
    assert isinstance(gate(rung_order(1), replace(memory, orders={key_of_order(order): failed})), Accepted)
    other = FLEET.order(FLEET.warrant())
    unrelated = replace(seen(9.0), orders={key_of_order(other): held})
    assert isinstance(gate(rung_order(1), unrelated), Accepted)


def test_a_lower_rung_never_comes_back() -> None:
    """While a higher rung holds, an order for a lower one that was not seen here is busy, not obeyed."""
    assert reason_of(gate(rung_order(0), holding(rung_order(1), 1.0))) is Reason.BUSY


def test_an_old_rung_is_a_replay() -> None:
    """Once superseded and expired, the same bytes of a lower rung do nothing."""
    order = rung_order(0)
    held = HeldOrder(order.digest(), NOW_NS - 90 * S, NOW_NS - 80 * S, live=False)
    memory = SiteMemory(orders={key_of_order(order): held})
    assert reason_of(gate(order, memory, now_ns=NOW_NS + 61 * S)) is Reason.REPLAYED


@dataclass
class Party:
    """An agent or an enforcer that remembers what it saw, and when, as a real one does."""

    actor: Actor
    now_ns: int = 0
    memory: SiteMemory = CLEAN
    came_ns: dict[int, int] = field(default_factory=dict)

    def hear(self, order: Order) -> Admission:
        rungs = {
            key: replace(rung, ago_ns=self.now_ns - self.came_ns[key[3]]) for key, rung in self.memory.rungs.items()
        }
        self.memory = replace(self.memory, rungs=rungs)
        outcome = gate(order, self.memory, actor=self.actor)
        if isinstance(outcome, Accepted) or (isinstance(outcome, Noted) and outcome.matters):
            key = key_of_order(order)
            self.came_ns[order.rung] = self.now_ns
            self.memory = replace(self.memory, rungs={**rungs, key: SeenRung(order.digest(), 0)})
            if isinstance(outcome, Accepted):
                held = HeldOrder(order.digest(), NOW_NS, NOW_NS + outcome.hold_ns, live=True)
                lower = {one: replace(entry, live=False) for one, entry in self.memory.orders.items()}
                self.memory = replace(self.memory, orders={**lower, key: held})
        return outcome


ORDERS = tuple(tuple(rung_order(rung) for rung in range(len(RUNGS))) for _ in range(2))


@given(
    st.sampled_from(Actor),
    st.lists(
        st.tuples(st.integers(0, len(RUNGS) - 1), st.integers(0, 1), st.sampled_from((0, S, 3 * S, 5 * S, 9 * S))),
        max_size=25,
    ),
)
@settings(deadline=None)
def test_no_rung_is_accepted_before_the_limit_of_the_one_below(actor: Actor, moves: list[tuple[int, int, int]]) -> None:
    """Whatever a dispatcher sends, in whatever order and haste: each rung waits out the one below, at this party."""
    party = Party(actor)
    for rung, twin, pause_ns in moves:
        party.now_ns += pause_ns
        before = dict(party.came_ns)
        outcome = party.hear(ORDERS[twin][rung])
        below_ns = before.get(rung - 1)
        waited = rung == 0 or (below_ns is not None and party.now_ns - below_ns >= seconds_to_ns(LIMITS_S[rung - 1]))
        taken = isinstance(outcome, Accepted) or (isinstance(outcome, Noted) and outcome.matters)
        if taken:
            assert waited
            assert rung not in before, "each rung is taken once"
        elif waited and rung not in before and all(other < rung for other in before):
            assert isinstance(outcome, Noted) or party.now_ns - before[0] >= HOLD_S * S, outcome


# -- arming and firing ---------------------------------------------------------------------------

NONCE = "ab" * 16


def firing(nonce: str = NONCE, *, site: str = "alpha", **changes: Any) -> Warrant:
    """Make a warrant that fires, issued now."""
    params = DecommissionParams(phase="fire", armed=(ArmedSite(site=site, nonce=nonce),))
    return FLEET.warrant(params=params, uses=1, **({"issued_at": FLEET.at()} | changes))


def fire(
    warrant: Warrant, armed: Armed | None, *, trust: SiteTrust = TRUST, owners: tuple[str, ...] = APPROVERS
) -> Admission:
    """Order a firing at a site that is armed so."""
    approved = FLEET.approve(warrant, owners)
    return gate(FLEET.order(warrant), SiteMemory(armed=armed), approved=approved, trust=trust)


NOW_ARMED = Armed(NONCE, NOW_NS - 60 * S)
UNMOCKED = replace(TRUST, record=TRUST.record.model_copy(update={"mock": False}))
FIRED: dict[str, tuple[Callable[[], Admission], Reason]] = {
    "not armed": (lambda: fire(firing(), None), Reason.NOT_ARMED),
    "another nonce": (lambda: fire(firing("cd" * 16), NOW_ARMED), Reason.NOT_ARMED),
    "another site's nonce": (lambda: fire(firing(site="beta"), NOW_ARMED), Reason.NOT_ARMED),
    "approved before": (
        lambda: fire(firing(issued_at=FLEET.at(-61)), NOW_ARMED),
        Reason.ARMED_BEFORE,
    ),
    "two owners": (lambda: fire(firing(), NOW_ARMED, owners=APPROVERS[:2]), Reason.UNDER_THRESHOLD),
    "no mock": (lambda: fire(firing(), NOW_ARMED, trust=UNMOCKED), Reason.NOT_A_MOCK),
}


@pytest.mark.parametrize("name", FIRED)
def test_a_site_is_fired_only_by_what_was_approved_after_it_was_armed(name: str) -> None:
    """Each rule of firing has an order that breaks it alone, and one that keeps them all is accepted."""
    attempt, reason = FIRED[name]
    assert reason_of(attempt()) is reason
    assert isinstance(fire(firing(), NOW_ARMED), Accepted)
    assert isinstance(fire(firing(issued_at=FLEET.at(-60)), NOW_ARMED), Accepted)


def test_a_site_that_is_no_mock_is_not_even_armed() -> None:
    """The root-signed record says so, and no warrant can."""
    warrant = FLEET.warrant(params=DecommissionParams(phase="arm", armed_for_s=60.0), uses=1)
    approved = FLEET.approve(warrant, APPROVERS)
    assert reason_of(gate(FLEET.order(warrant), approved=approved, trust=UNMOCKED)) is Reason.NOT_A_MOCK
    assert isinstance(gate(FLEET.order(warrant), approved=approved), Accepted)


# -- thresholds ----------------------------------------------------------------------------------


def test_the_harshest_rung_sets_the_threshold() -> None:
    """A pause takes two owners; a pause that may become a power cut takes as many as that does, from rung 0 on."""
    few = FLEET.approve(LADDER, APPROVERS[:2])
    assert reason_of(gate(rung_order(0), approved=few)) is Reason.UNDER_THRESHOLD
    assert isinstance(gate(rung_order(0)), Accepted)


def test_a_site_obeys_no_rung_that_its_record_does_not_list() -> None:
    """What a site can do is signed by the root; a ladder through more stops there."""
    listed = tuple(control for control in Control if control is not Control.SHUTDOWN)
    poor = replace(TRUST, record=TRUST.record.model_copy(update={"controls": listed}))
    assert isinstance(gate(rung_order(1), seen(9.0), trust=poor), Accepted)
    assert reason_of(gate(rung_order(2), seen(99.0, 9.0), trust=poor)) is Reason.CONTROL_NOT_SUPPORTED
    isolated = FLEET.warrant(params=IsolateParams())
    unlisted = replace(TRUST, record=TRUST.record.model_copy(update={"controls": (Control.PAUSE,)}))
    outcome = gate(FLEET.order(isolated), approved=FLEET.approve(isolated), trust=unlisted)
    assert reason_of(outcome) is Reason.CONTROL_NOT_SUPPORTED
