"""The gate: what an agent may act upon, one reason for each refusal, and nothing in between."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.controls import Control, ShutdownParams
from protocols.envelope import parse_envelope, seal
from protocols.errors import TrustError
from protocols.ids import seconds_to_ns
from protocols.limits import TOMBSTONES_MAX
from protocols.messages import NamedSites, Order, OwnedKey, Threshold, Warrant
from protocols.reasons import Reason
from protocols.trust import (
    Accepted,
    Admission,
    HeldOrder,
    Refused,
    Repeat,
    SiteMemory,
    SiteTrust,
    admit_order,
    audience_of,
    check_warrant,
)
from tests.kit import (
    APPROVERS,
    DISPATCHERS,
    NOW_NS,
    Fleet,
    approver_label,
    dispatcher_label,
    key_of,
    make_fleet,
    public_of,
)

FLEET = make_fleet(("alpha", "beta"))
TRUST = FLEET.site_trust("alpha")
CLEAN = SiteMemory()


def gate(
    order: Order,
    approved: bytes,
    *,
    memory: SiteMemory = CLEAN,
    now_ns: int = NOW_NS,
    trust: SiteTrust = TRUST,
    sealed: bytes | None = None,
) -> Admission:
    """Put an order through the gate of site alpha."""
    return admit_order(
        parse_envelope(sealed if sealed is not None else FLEET.dispatch(order)),
        parse_envelope(approved),
        trust,
        memory,
        now_ns=now_ns,
    )


def refusal(outcome: Admission) -> Reason:
    """Return the reason of a refusal."""
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


def held(order: Order, *, live: bool = False, held_s: float = 30.0, ended_s_ago: float = 0.0, **key: Any) -> SiteMemory:
    """Return the memory of a site that accepted an order."""
    end_ns = NOW_NS - seconds_to_ns(ended_s_ago)
    fields: Mapping[str, Any] = {"warrant": order.warrant, "use": order.use, "step": order.step, **key}
    entry = HeldOrder(order.digest(), end_ns - seconds_to_ns(held_s), end_ns, live)
    return SiteMemory(orders={(fields["warrant"], fields["use"], fields["step"], order.rung): entry})


WARRANT = FLEET.warrant(hold_s=30.0)
APPROVED = FLEET.approve(WARRANT)
ORDER = FLEET.order(WARRANT)


def test_a_right_order_is_accepted_with_the_warrants_own_parameters() -> None:
    """What is to be done is the approved step, byte for byte; the order adds nothing."""
    outcome = gate(ORDER, APPROVED)
    assert isinstance(outcome, Accepted)
    assert (outcome.step, outcome.warrant, outcome.digest) == (WARRANT.steps[0], WARRANT, ORDER.digest())
    assert outcome.rung == WARRANT.steps[0].rungs[0]
    assert (outcome.hold_ns, outcome.owners) == (seconds_to_ns(30.0), frozenset(APPROVERS[:2]))


def changed(**changes: Any) -> Callable[[], Admission]:
    """Return an attempt with the right order but for the given fields."""
    return lambda: gate(FLEET.order(WARRANT, **changes), APPROVED)


def under(**changes: Any) -> Callable[[], Admission]:
    """Return an attempt with a right order under the right warrant but for the given fields."""

    def attempt() -> Admission:
        warrant = FLEET.warrant(**changes)
        return gate(FLEET.order(warrant), FLEET.approve(warrant))

    return attempt


def remembering(memory: SiteMemory) -> Callable[[], Admission]:
    """Return an attempt with the right order at a site with this memory."""
    return lambda: gate(ORDER, APPROVED, memory=memory)


OTHER_USE = {"use": 2}
REFUSED: dict[str, tuple[Callable[[], Admission], Reason]] = {
    "signed by a stranger": (lambda: gate(ORDER, APPROVED, sealed=seal(ORDER, key_of("x"))), Reason.UNKNOWN_KEY),
    "signed by an approver": (
        lambda: gate(ORDER, APPROVED, sealed=seal(ORDER, key_of(approver_label("board")))),
        Reason.UNKNOWN_KEY,
    ),
    "a release in its place": (
        lambda: gate(ORDER, APPROVED, sealed=FLEET.dispatch(FLEET.release(ORDER))),
        Reason.WRONG_TYPE,
    ),
    "of another fleet": (changed(fleet="0" * 64), Reason.WRONG_FLEET),
    "not an exercise": (changed(status="actual"), Reason.NOT_AN_EXERCISE),
    "living too long": (changed(expires_at=FLEET.at(121)), Reason.LIFETIME_TOO_LONG),
    "expiring before it is issued": (changed(expires_at=FLEET.at(-1)), Reason.LIFETIME_TOO_LONG),
    "of another warrant": (lambda: gate(FLEET.order(FLEET.warrant()), APPROVED), Reason.WARRANT_MISMATCH),
    "for a step that is not there": (changed(step=1), Reason.NO_SUCH_STEP),
    "for a use that is not there": (changed(use=11), Reason.NO_SUCH_USE),
    "issued in the future": (
        changed(issued_at=FLEET.at(6), expires_at=FLEET.at(60)),
        Reason.NOT_YET_VALID,
    ),
    "expired": (changed(issued_at=FLEET.at(-60), expires_at=FLEET.at(0)), Reason.EXPIRED),
    "before the window": (under(not_before=FLEET.at(1)), Reason.OUTSIDE_WINDOW),
    "after the window": (under(not_after=FLEET.at(0)), Reason.OUTSIDE_WINDOW),
    "for another site": (under(audience=NamedSites(sites=("beta",))), Reason.NOT_IN_AUDIENCE),
    "for another region": (under(audience=FLEET.select(region="south")), Reason.NOT_IN_AUDIENCE),
    "by a dispatcher it does not name": (under(dispatchers=("0" * 64,)), Reason.DISPATCHER_NOT_NAMED),
    "held longer than the site bears": (under(hold_s=3601.0, max_total_held_s=7200.0), Reason.SITE_LIMIT),
    "under threshold": (
        lambda: gate(ORDER, FLEET.approve(WARRANT, APPROVERS[:1])),
        Reason.UNDER_THRESHOLD,
    ),
    "approved by strangers": (
        lambda: gate(ORDER, seal(WARRANT, key_of("one"), key_of("two"))),
        Reason.UNKNOWN_KEY,
    ),
    "second for one use": (remembering(held(FLEET.order(WARRANT))), Reason.EQUIVOCATION),
    "second for one use, while the first holds": (
        remembering(held(FLEET.order(WARRANT), live=True)),
        Reason.EQUIVOCATION,
    ),
    "released before": (
        remembering(SiteMemory(released=frozenset({(ORDER.warrant, 1, 0)}))),
        Reason.RELEASED,
    ),
    "aborted before": (remembering(SiteMemory(aborted=frozenset({(ORDER.warrant, 1)}))), Reason.ABORTED),
    "with the lever engaged": (remembering(SiteMemory(engaged=frozenset({"0" * 64}))), Reason.LEVER),
    "with the veto set": (remembering(SiteMemory(veto=True)), Reason.VETO),
    "while another holds": (remembering(held(ORDER, live=True, warrant="1" * 64)), Reason.BUSY),
    "with the clock set back": (remembering(SiteMemory(high_water_ns=NOW_NS + 10**12)), Reason.EXPIRED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_each_wrong_order_is_refused_with_its_own_reason(name: str) -> None:
    """Every rule of trust has an order that breaks it alone, and says so."""
    attempt, reason = REFUSED[name]
    assert refusal(attempt()) == reason


def test_the_same_order_again_is_a_repeat_while_it_lives_and_a_replay_afterwards() -> None:
    """A repeat gets the same receipts; once expired, the same bytes are an old order sent again."""
    assert isinstance(gate(ORDER, APPROVED, memory=held(ORDER, live=True)), Repeat)
    assert isinstance(gate(ORDER, APPROVED, memory=held(ORDER)), Repeat)
    assert refusal(gate(ORDER, APPROVED, memory=held(ORDER), now_ns=NOW_NS + seconds_to_ns(60))) == Reason.REPLAYED


def test_uses_keep_their_distance() -> None:
    """The next use comes only so long after the end of the one before; the next step of one use at once."""
    warrant = FLEET.warrant(hold_s=30.0, min_between_uses_s=100.0)
    approved = FLEET.approve(warrant)
    first, second = FLEET.order(warrant), FLEET.order(warrant, use=2)
    assert refusal(gate(second, approved, memory=held(first, ended_s_ago=99.9))) == Reason.TOO_SOON
    assert isinstance(gate(second, approved, memory=held(first, ended_s_ago=100.0)), Accepted)


def test_the_latest_end_of_all_uses_counts() -> None:
    """A use that is long over does not excuse one that ended a moment ago."""
    warrant = FLEET.warrant(hold_s=30.0, min_between_uses_s=100.0)
    old, recent = (held(FLEET.order(warrant, use=use), ended_s_ago=ago).orders for use, ago in ((1, 500.0), (2, 99.9)))
    outcome = gate(FLEET.order(warrant, use=3), FLEET.approve(warrant), memory=SiteMemory(orders={**old, **recent}))
    assert refusal(outcome) == Reason.TOO_SOON


def test_a_full_memory_accepts_nothing_more() -> None:
    """A site that could not remember one more order refuses it, rather than forget a tombstone."""
    stones = [("0" * 64, use, 0) for use in range(TOMBSTONES_MAX)]
    assert refusal(gate(ORDER, APPROVED, memory=SiteMemory(released=frozenset(stones)))) == Reason.MEMORY_FULL
    assert isinstance(gate(ORDER, APPROVED, memory=SiteMemory(released=frozenset(stones[1:]))), Accepted)


def test_the_total_held_time_is_kept() -> None:
    """What was held before under the warrant counts, with the hold that is asked for now."""
    warrant = FLEET.warrant(hold_s=30.0, max_total_held_s=90.0)
    approved = FLEET.approve(warrant)
    before, now = FLEET.order(warrant), FLEET.order(warrant, use=2)
    assert isinstance(gate(now, approved, memory=held(before, held_s=60.0)), Accepted)
    assert refusal(gate(now, approved, memory=held(before, held_s=60.1))) == Reason.TOTAL_HELD


def test_the_sites_own_total_is_kept_too() -> None:
    """The site record's limit holds even when the warrant allows more."""
    small = replace(TRUST, record=TRUST.record.model_copy(update={"max_total_held_s": 29.0}))
    assert refusal(gate(ORDER, APPROVED, trust=small)) == Reason.TOTAL_HELD


def test_owners_are_counted_not_keys() -> None:
    """Two keys of one owner, and one key listed under a second owner's name, are one owner."""
    twice = (
        OwnedKey(owner="board", key=public_of(approver_label("board"))),
        OwnedKey(owner="board", key=public_of("a second key of the board")),
        OwnedKey(owner="safety", key=public_of(approver_label("safety"))),
    )
    fleet = make_fleet(("alpha",), policy={"approvers": twice})
    trust = fleet.site_trust("alpha")
    warrant = fleet.warrant()
    one_owner = seal(warrant, key_of(approver_label("board")), key_of("a second key of the board"))
    order = fleet.order(warrant)

    def through(approved: bytes) -> Admission:
        return admit_order(parse_envelope(fleet.dispatch(order)), parse_envelope(approved), trust, CLEAN, now_ns=NOW_NS)

    assert refusal(through(one_owner)) == Reason.UNDER_THRESHOLD
    two_owners = seal(warrant, key_of(approver_label("board")), key_of(approver_label("safety")))
    assert isinstance(through(two_owners), Accepted)


def test_the_harshest_step_sets_the_threshold() -> None:
    """A plan takes as many owners as its harshest control, also for its mild steps."""
    strict = make_fleet(
        ("alpha",),
        policy={
            "thresholds": (Threshold(control=Control.PAUSE, owners=1), Threshold(control=Control.SHUTDOWN, owners=3))
        },
    )
    mild = strict.warrant()
    harsh = strict.warrant(strict.step(), strict.step(name="stop", params=ShutdownParams()))
    policy, keys = strict.policy, strict.trust().approvers
    _, owners = check_warrant(parse_envelope(strict.approve(mild, APPROVERS[:1])), policy, keys, strict.fleet)
    assert owners == {APPROVERS[0]}
    with pytest.raises(TrustError, match="2 of the 3"):
        check_warrant(parse_envelope(strict.approve(harsh, APPROVERS[:2])), policy, keys, strict.fleet)


def test_a_bad_signature_beside_enough_good_ones_spoils_the_warrant() -> None:
    """A signature that does not verify is never skipped, however many others do."""
    third = parse_envelope(FLEET.approve(WARRANT, APPROVERS[2:]))
    wrong = parse_envelope(FLEET.approve(FLEET.warrant(), APPROVERS[2:]))
    spoiled = APPROVED[:-2] + b',{"keyid":"%s","sig":"%s"}]}' % (
        third.signatures[0][0].encode(),
        base64.b64encode(wrong.signatures[0][1]),
    )
    assert refusal(gate(ORDER, spoiled)) == Reason.BAD_SIGNATURE


def test_retagging_never_widens_an_audience() -> None:
    """A record that appeared after the approved index is not selected, though its tags match."""
    warrant = FLEET.warrant(audience=FLEET.select(region="north"))
    order, approved = FLEET.order(warrant), FLEET.approve(warrant)
    assert isinstance(gate(order, approved), Accepted)
    later = replace(TRUST, record=TRUST.record.model_copy(update={"index_version": 2}))
    assert refusal(gate(order, approved, trust=later)) == Reason.RETAGGED_SINCE


def test_the_audience_is_resolved_against_the_index() -> None:
    """Names that the fleet lacks, an index newer than the one held, and an empty audience are errors."""
    trust = FLEET.trust()

    def resolved(warrant: Warrant, fleet: Fleet = FLEET) -> tuple[str, ...]:
        return audience_of(warrant, fleet.index, trust.records)

    assert resolved(FLEET.warrant()) == ("alpha", "beta")
    assert resolved(FLEET.warrant(audience=FLEET.select(region=("south", "west")))) == ("beta",)
    newer = FLEET.select(region="north").model_copy(update={"index_version": 2})
    for audience in (NamedSites(sites=("alpha", "gamma")), newer, FLEET.select(region="nowhere")):
        with pytest.raises(TrustError):
            resolved(FLEET.warrant(audience=audience))


@given(
    st.sampled_from([name for name in Order.model_fields if name not in {"version", "standing"}]),
    st.data(),
)
@settings(deadline=None)
def test_no_field_of_an_order_can_be_changed(field: str, data: st.DataObject) -> None:
    """Whatever is changed in an order after it was signed, the signature no longer holds."""
    other = FLEET.order(
        FLEET.warrant(),
        use=2,
        step=3,
        drill=ORDER.drill[:-1] + data.draw(st.sampled_from("0123456789")),
        fleet="1" * 64,
        status="actual",
        issued_at=FLEET.at(1),
        expires_at=FLEET.at(2),
        rung=1,
        site="alpha",
    )
    forged = ORDER.model_copy(update={field: getattr(other, field)})
    if forged == ORDER:
        return
    signed = parse_envelope(FLEET.dispatch(ORDER))
    swapped = parse_envelope(seal(forged, key_of(dispatcher_label(DISPATCHERS[0]))))
    outcome = admit_order(
        replace(signed, payload=swapped.payload), parse_envelope(APPROVED), TRUST, CLEAN, now_ns=NOW_NS
    )
    assert refusal(outcome) == Reason.BAD_SIGNATURE
