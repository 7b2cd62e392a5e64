"""Trust in what a timekeeper states, and in revocations. Pure."""

from __future__ import annotations

from collections.abc import Collection

from protocols.envelope import Envelope, open_envelope, parse_envelope
from protocols.errors import TrustError
from protocols.ids import parse_utc, seconds_to_ns
from protocols.messages import Order, Policy, Revocation, Standing
from protocols.reasons import TEXT, Reason
from protocols.trust.fleet import KeySet


def check_revocation(envelope: Envelope, approvers: KeySet, fleet: str) -> Revocation:
    """Check a revocation: any single approver signs it.

    Raises:
        TrustError: No approver signed it, or it is for another fleet.
        MessageError: The payload is no revocation.
    """
    said, _ = open_envelope(envelope, Revocation, approvers.keys)
    if said.fleet != fleet:
        raise _refusal(Reason.WRONG_FLEET)
    return said


def check_standing(envelope: Envelope, timekeepers: KeySet, fleet: str) -> Standing:
    """Check who made a statement and for which fleet; whether it is fresh is for whoever leans on it.

    Raises:
        TrustError: No timekeeper signed it, or it is for another fleet.
        MessageError: The payload is no statement.
    """
    said, _ = open_envelope(envelope, Standing, timekeepers.keys)
    if said.fleet != fleet:
        raise _refusal(Reason.WRONG_FLEET)
    return said


def stapled(order: Order, timekeepers: KeySet, fleet: str) -> Standing | None:
    """Return the statement that an order carries, checked as by `check_standing`; None if it carries none.

    Raises:
        TrustError: It is not a timekeeper's.
        EnvelopeError: It is no envelope.
        MessageError: It is something else.
    """
    if order.standing is None:
        return None
    return check_standing(parse_envelope(order.standing.envelope.encode()), timekeepers, fleet)


def check_fresh(said: Standing | None, policy: Policy, *, now_ns: int, seen_seq: int) -> None:
    """Check that a statement is there if the policy asks for it, and that it is not an old one.

    Args:
        said: The statement.
        policy: The policy that the site holds.
        now_ns: The site's trusted now, wall time.
        seen_seq: The highest number of a statement that the site has seen.

    Raises:
        TrustError: It is missing, stale, older than one seen, or it knows a newer policy.
    """
    if said is None:
        if policy.standing_max_age_s is not None:
            raise _refusal(Reason.NO_STANDING)
        return
    issued_ns = parse_utc(said.issued_at)
    ahead = issued_ns > now_ns + seconds_to_ns(policy.max_clock_skew_s)
    limit_s = policy.standing_max_age_s
    if ahead or (limit_s is not None and now_ns - issued_ns > seconds_to_ns(limit_s)):
        raise _refusal(Reason.STALE_STANDING, f"it was made at {said.issued_at}")
    if said.seq < seen_seq:
        raise _refusal(Reason.OLD_STANDING, f"its number is {said.seq}, and {seen_seq} was seen here")
    if said.policy_version > policy.policy_version:
        raise _refusal(Reason.OLD_POLICY, f"policy {said.policy_version}, and {policy.policy_version} is held here")


def check_stands(said: Standing | None, warrant: str, sites: Collection[str]) -> None:
    """Check that nothing in a statement stands against a warrant at some sites.

    Raises:
        TrustError: The warrant was revoked, or the lever is engaged for the fleet or one of the sites.
    """
    if said is None:
        return
    if warrant in said.revoked:
        raise _refusal(Reason.REVOKED, "the timekeeper states that the warrant was revoked")
    for lever in said.levers:
        if lever.site is None or lever.site in sites:
            raise _refusal(Reason.LEVER, "the timekeeper states that the safety lever is engaged")


def _refusal(reason: Reason, detail: str = "") -> TrustError:
    return TrustError(reason, detail or TEXT[reason], where="standing")
