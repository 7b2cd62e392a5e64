"""Why an order, a release or a document is refused: one stable word each.

The words travel in receipts and logs, so they are never renamed; people read `TEXT`.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Machine-readable reasons of refusal."""

    OVERSIZED = "oversized"
    BAD_ENVELOPE = "bad_envelope"
    WRONG_TYPE = "wrong_type"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    MALFORMED = "malformed"
    WRONG_FLEET = "wrong_fleet"
    WRONG_SITE = "wrong_site"
    WRONG_ROLE = "wrong_role"
    NOT_NEWER = "not_newer"
    DOCUMENT_EXPIRED = "document_expired"
    UNDER_THRESHOLD = "under_threshold"
    WARRANT_MISMATCH = "warrant_mismatch"
    DISPATCHER_NOT_NAMED = "dispatcher_not_named"
    NOT_AN_EXERCISE = "not_an_exercise"
    NOT_IN_AUDIENCE = "not_in_audience"
    RETAGGED_SINCE = "retagged_since"
    NO_SUCH_STEP = "no_such_step"
    NO_SUCH_USE = "no_such_use"
    CONTROL_NOT_SUPPORTED = "control_not_supported"
    SITE_LIMIT = "site_limit"
    NOT_A_MOCK = "not_a_mock"
    OUTSIDE_WINDOW = "outside_window"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    LIFETIME_TOO_LONG = "lifetime_too_long"
    REPLAYED = "replayed"
    EQUIVOCATION = "equivocation"
    TOO_SOON = "too_soon"
    TOTAL_HELD = "total_held"
    BUSY = "busy"
    RELEASED = "released"
    ABORTED = "aborted"
    LEVER = "lever"
    VETO = "veto"
    MEMORY_FULL = "memory_full"
    NO_SUCH_RUNG = "no_such_rung"
    RUNG_TOO_SOON = "rung_too_soon"
    NOT_ARMED = "not_armed"
    ARMED_BEFORE = "armed_before"
    STALE_DISENGAGE = "stale_disengage"
    DRIVER_FAILED = "driver_failed"
    REVOKED = "revoked"
    NO_STANDING = "no_standing"
    STALE_STANDING = "stale_standing"
    OLD_STANDING = "old_standing"
    OLD_POLICY = "old_policy"


PROVOCABLE = frozenset(
    {Reason.WARRANT_MISMATCH, Reason.UNDER_THRESHOLD, Reason.BAD_SIGNATURE, Reason.UNKNOWN_KEY, Reason.WRONG_TYPE}
)
"""Reasons that lie in what an order came with, which its signature does not cover: whoever carries it may
have caused them."""

TEXT: dict[Reason, str] = {
    Reason.OVERSIZED: "larger than the limit for its kind",
    Reason.BAD_ENVELOPE: "not a DSSE envelope",
    Reason.WRONG_TYPE: "a message of another type than expected here",
    Reason.BAD_SIGNATURE: "a signature that does not verify",
    Reason.UNKNOWN_KEY: "signed by no key that may speak here",
    Reason.MALFORMED: "the payload is not the message that its type claims",
    Reason.WRONG_FLEET: "made for another fleet",
    Reason.WRONG_SITE: "made for another site",
    Reason.WRONG_ROLE: "one key in two roles or at two sites",
    Reason.NOT_NEWER: "not newer than the version already held",
    Reason.DOCUMENT_EXPIRED: "the document has expired",
    Reason.UNDER_THRESHOLD: "approved by fewer owners than the policy demands",
    Reason.WARRANT_MISMATCH: "the order names another warrant than the one it came with",
    Reason.DISPATCHER_NOT_NAMED: "signed by a dispatcher that the warrant does not name",
    Reason.NOT_AN_EXERCISE: "haltdrill obeys exercises only",
    Reason.NOT_IN_AUDIENCE: "this site is not in the warrant's audience",
    Reason.RETAGGED_SINCE: "the site's record is newer than the fleet index that was approved",
    Reason.NO_SUCH_STEP: "the warrant has no such step",
    Reason.NO_SUCH_USE: "the warrant does not allow that many uses",
    Reason.CONTROL_NOT_SUPPORTED: "the site's record does not list this control",
    Reason.SITE_LIMIT: "more than the site's record allows",
    Reason.NOT_A_MOCK: "this control is for mock sites only",
    Reason.OUTSIDE_WINDOW: "now is outside the warrant's window",
    Reason.NOT_YET_VALID: "issued in the future",
    Reason.EXPIRED: "expired",
    Reason.LIFETIME_TOO_LONG: "valid for longer than an order may be",
    Reason.REPLAYED: "an old order sent again",
    Reason.EQUIVOCATION: "another order was already seen for this warrant, use and step",
    Reason.TOO_SOON: "too soon after the last use",
    Reason.TOTAL_HELD: "the warrant's total held time would be exceeded",
    Reason.BUSY: "the site is being held by another order",
    Reason.RELEASED: "already released",
    Reason.ABORTED: "already aborted",
    Reason.LEVER: "the safety lever is engaged",
    Reason.VETO: "the site's operator has set the local veto",
    Reason.MEMORY_FULL: "the replay record is full",
    Reason.NO_SUCH_RUNG: "the warrant's ladder has no such rung",
    Reason.RUNG_TOO_SOON: "the rung before was not seen here, or its response limit has not passed yet",
    Reason.NOT_ARMED: "the site is not armed with the nonce that the warrant quotes",
    Reason.ARMED_BEFORE: "the warrant that fires was issued before the site was armed",
    Reason.STALE_DISENGAGE: "disengages another engagement than the one in force",
    Reason.DRIVER_FAILED: "the driver could not act",
    Reason.REVOKED: "the warrant was revoked",
    Reason.NO_STANDING: "the policy asks for a timekeeper's statement, and the order carries none",
    Reason.STALE_STANDING: "the timekeeper's statement is older than the policy allows, or from the future",
    Reason.OLD_STANDING: "the timekeeper's statement is older than one that was seen here",
    Reason.OLD_POLICY: "the timekeeper states a newer policy than this site holds",
}
"""What each reason means, for people; a test holds it complete."""
