"""Freshness: what a timekeeper states about policy, revocations and lever, and which orders that lets through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.envelope import parse_envelope, seal
from protocols.errors import MessageError, TrustError
from protocols.ids import seconds_to_ns
from protocols.messages import LeverInForce, Policy, Standing, StapledStanding
from protocols.reasons import Reason
from protocols.trust import (
    Accepted,
    Admission,
    Refused,
    SiteMemory,
    admit_order,
    check_revocation,
    check_roles,
    check_standing,
)
from tests.kit import APPROVERS, NOW_NS, approver_label, dispatcher_label, kept, key_of, make_fleet, public_of

FLEET = make_fleet(("alpha", "beta"), policy=kept())
TRUST = FLEET.site_trust("alpha")
WARRANT = FLEET.warrant(hold_s=30.0)
APPROVED = FLEET.approve(WARRANT)


def gate(
    standing: StapledStanding | None, *, memory: SiteMemory | None = None, now_ns: int = NOW_NS, fleet: Any = FLEET
) -> Admission:
    """Put an order that carries a statement through the gate of site alpha."""
    warrant = WARRANT if fleet is FLEET else fleet.warrant(hold_s=30.0)
    order = fleet.order(warrant, standing=standing)
    return admit_order(
        parse_envelope(fleet.dispatch(order)),
        parse_envelope(APPROVED if fleet is FLEET else fleet.approve(warrant)),
        fleet.site_trust("alpha"),
        memory or SiteMemory(),
        now_ns=now_ns,
    )


def test_a_fresh_statement_lets_an_order_through_and_is_remembered() -> None:
    """What the timekeeper just said stands with the order that is accepted, so that its number is written down."""
    outcome = gate(FLEET.staple(FLEET.standing()))
    assert isinstance(outcome, Accepted)
    assert outcome.standing == FLEET.standing()


LEVER = LeverInForce(engagement="a" * 64, site=None)
REFUSED: dict[str, tuple[dict[str, Any] | None, SiteMemory, Reason]] = {
    "without any": (None, SiteMemory(), Reason.NO_STANDING),
    "too old": ({"issued_at": FLEET.at(-31)}, SiteMemory(), Reason.STALE_STANDING),
    "from the future": ({"issued_at": FLEET.at(6)}, SiteMemory(), Reason.STALE_STANDING),
    "older than one seen": ({"seq": 99}, SiteMemory(standing_seq=100), Reason.OLD_STANDING),
    "with a newer policy": ({"policy_version": 2}, SiteMemory(), Reason.OLD_POLICY),
    "with the warrant revoked": ({"revoked": ("b" * 64, WARRANT.digest())}, SiteMemory(), Reason.REVOKED),
    "with the lever engaged": ({"levers": (LEVER,)}, SiteMemory(), Reason.LEVER),
    "with the lever engaged here": (
        {"levers": (LeverInForce(engagement="a" * 64, site="alpha"),)},
        SiteMemory(),
        Reason.LEVER,
    ),
    "by a clock that was set back": (
        {"issued_at": FLEET.at(-40)},
        SiteMemory(high_water_ns=NOW_NS),
        Reason.STALE_STANDING,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_each_statement_that_does_not_do_is_refused_with_its_reason(what: str) -> None:
    """Held back, replayed, too old, or against the order: each has a word of its own."""
    changes, memory, reason = REFUSED[what]
    stapled = None if changes is None else FLEET.staple(FLEET.standing(**changes))
    now_ns = NOW_NS - seconds_to_ns(30) if "set back" in what else NOW_NS
    outcome = gate(stapled, memory=memory, now_ns=now_ns)
    assert isinstance(outcome, Refused)
    assert outcome.reason is reason
    assert (outcome.standing is None) == (reason not in {Reason.REVOKED, Reason.LEVER})


def test_the_lever_of_another_site_is_in_nobodys_way() -> None:
    """A lever for one site stops that site only."""
    elsewhere = LeverInForce(engagement="a" * 64, site="beta")
    assert isinstance(gate(FLEET.staple(FLEET.standing(levers=(elsewhere,)))), Accepted)


def test_a_statement_of_anybody_else_is_refused() -> None:
    """Neither a dispatcher, nor an approver, nor another fleet can say what still counts."""
    for signer in (dispatcher_label("control-room"), approver_label("board"), "nobody"):
        outcome = gate(FLEET.staple(FLEET.standing(), signer))
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.UNKNOWN_KEY
    outcome = gate(FLEET.staple(FLEET.standing(fleet="c" * 64)))
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.WRONG_FLEET
    for junk in ("", "{}", FLEET.approve(WARRANT).decode()):
        assert isinstance(gate(StapledStanding(envelope=junk)), Refused)


def test_where_none_is_asked_for_one_that_is_there_still_counts() -> None:
    """A policy with a timekeeper but without a limit takes orders with no statement, and heeds one that is there."""
    fleet = make_fleet(("alpha", "beta"), policy=kept(None))
    assert isinstance(gate(None, fleet=fleet), Accepted)
    assert isinstance(gate(fleet.staple(fleet.standing(issued_at=fleet.at(-3_000))), fleet=fleet), Accepted)
    outcome = gate(fleet.staple(fleet.standing(levers=(LEVER,))), fleet=fleet)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.LEVER
    plain = make_fleet(("alpha", "beta"))
    outcome = gate(plain.staple(plain.standing()), fleet=plain)
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.UNKNOWN_KEY


def test_a_revoked_warrant_is_refused_for_ever() -> None:
    """What a site has once heard of as revoked no later statement brings back."""
    outcome = gate(FLEET.staple(FLEET.standing(seq=500)), memory=SiteMemory(revoked=frozenset({WARRANT.digest()})))
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.REVOKED


def test_any_single_approver_revokes_and_nobody_else() -> None:
    """Stopping takes less authority than starting; a dispatcher cannot revoke what owners approved."""
    said = FLEET.revocation(WARRANT.digest())
    for owner in APPROVERS:
        found = check_revocation(
            parse_envelope(seal(said, key_of(approver_label(owner)))), TRUST.approvers, FLEET.fleet
        )
        assert found == said
    for signer in (dispatcher_label("control-room"), "timekeeper", "nobody"):
        with pytest.raises(TrustError):
            check_revocation(parse_envelope(seal(said, key_of(signer))), TRUST.approvers, FLEET.fleet)
    foreign = FLEET.revocation(WARRANT.digest(), fleet="d" * 64)
    with pytest.raises(TrustError, match="another fleet"):
        check_revocation(parse_envelope(seal(foreign, key_of(approver_label("board")))), TRUST.approvers, FLEET.fleet)
    with pytest.raises((TrustError, MessageError)):
        check_revocation(parse_envelope(FLEET.approve(WARRANT)), TRUST.approvers, FLEET.fleet)


def test_a_timekeepers_key_has_no_other_role() -> None:
    """A key that states what counts cannot dispatch, approve or witness."""
    keeper = public_of("timekeeper")
    with pytest.raises(TrustError, match="timekeeper"):
        check_roles(
            FLEET.root,
            FLEET.policy.model_copy(
                update={"dispatchers": (FLEET.policy.dispatchers[0].model_copy(update={"key": keeper}),)}
            ),
            [],
        )


def test_a_policy_from_before_there_were_timekeepers_keeps_its_bytes() -> None:
    """Documents that were signed by an earlier version are read as they were, and have the digest that they had."""
    older = make_fleet().policy
    fields = json.loads(older.encode())
    assert "timekeepers" not in fields
    assert "standing_max_age_s" not in fields
    assert Policy.decode(older.encode()) == older
    with pytest.raises(MessageError):
        Policy.decode(json.dumps(fields | {"timekeepers": []}, separators=(",", ":")).encode())
    with pytest.raises(ValueError, match="needs a timekeeper"):
        older.model_validate(older.model_dump() | {"standing_max_age_s": 5.0})


@given(seq=st.integers(0, 2**40), seen=st.integers(0, 2**40), age_s=st.floats(-60, 60))
def test_the_gate_takes_exactly_what_is_fresh_and_not_older_than_seen(seq: int, seen: int, age_s: float) -> None:
    """Whatever numbers and times come, an order passes if and only if both rules hold."""
    said: Standing = FLEET.standing(seq=seq, issued_at=FLEET.at(-age_s))
    outcome = gate(FLEET.staple(said), memory=SiteMemory(standing_seq=seen))
    assert isinstance(outcome, Accepted) == (seq >= seen and -5.0 <= age_s <= 30.0)
    assert check_standing(parse_envelope(FLEET.staple(said).envelope.encode()), TRUST.timekeepers, FLEET.fleet) == said
