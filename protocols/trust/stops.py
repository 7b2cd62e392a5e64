"""Trust in what ends a drill, and in what the orchestrator asks of witnesses.

Stopping needs less authority than starting: a dispatcher may release, a dispatcher or any single
approver may abort, any single approver (or, for its own site, the operator) may engage the lever.
Only lifting the lever takes a threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from protocols.controls import CATALOGUE, Control
from protocols.envelope import Envelope, open_envelope
from protocols.errors import TrustError
from protocols.keys import PublicKey
from protocols.messages import Abort, Challenge, Lever, Licence, Policy, Recall, Release
from protocols.reasons import TEXT, Reason
from protocols.trust.fleet import KeySet

Said = TypeVar("Said", Release, Abort, Challenge, Recall, Licence)


def _open(envelope: Envelope, kind: type[Said], keys: Mapping[str, PublicKey], fleet: str) -> Said:
    message, _ = open_envelope(envelope, kind, keys)
    if message.fleet != fleet:
        raise TrustError(Reason.WRONG_FLEET, TEXT[Reason.WRONG_FLEET], where=kind.KIND)
    return message


def check_release(envelope: Envelope, dispatchers: KeySet, fleet: str) -> Release:
    """Check a release, the regular end of a hold: a dispatcher of the policy signs it.

    An approver who wants a drill to end signs an abort, which the drill's record then shows.

    Raises:
        TrustError: No dispatcher signed it, or it is for another fleet.
        MessageError: The payload is no release.
    """
    return _open(envelope, Release, dispatchers.keys, fleet)


def check_abort(envelope: Envelope, dispatchers: KeySet, approvers: KeySet, fleet: str) -> Abort:
    """Check an abort: any dispatcher of the policy or any single approver may sign it.

    Raises:
        TrustError: Nobody entitled signed it, or it is for another fleet.
        MessageError: The payload is no abort.
    """
    return _open(envelope, Abort, {**dispatchers.keys, **approvers.keys}, fleet)


def check_challenge(envelope: Envelope, dispatchers: KeySet, fleet: str) -> Challenge:
    """Check a challenge: a dispatcher of the policy signs it.

    Raises:
        TrustError: No dispatcher signed it, or it is for another fleet.
        MessageError: The payload is no challenge.
    """
    return _open(envelope, Challenge, dispatchers.keys, fleet)


def check_recall(envelope: Envelope, dispatchers: KeySet, fleet: str) -> Recall:
    """Check a recall: a dispatcher of the policy signs it.

    Raises:
        TrustError: No dispatcher signed it, or it is for another fleet.
        MessageError: The payload is no recall.
    """
    return _open(envelope, Recall, dispatchers.keys, fleet)


def check_licence(envelope: Envelope, dispatchers: KeySet, fleet: str) -> Licence:
    """Check a licence: a dispatcher of the policy signs it.

    Raises:
        TrustError: No dispatcher signed it, or it is for another fleet.
        MessageError: The payload is no licence.
    """
    return _open(envelope, Licence, dispatchers.keys, fleet)


def lever_threshold(policy: Policy) -> int:
    """Return how many owners must agree to lift the lever: as many as the harshest control takes."""
    stated = {entry.control: entry.owners for entry in policy.thresholds}
    return max(stated.get(control, CATALOGUE[control].default_threshold) for control in Control)


def check_lever(
    envelope: Envelope, policy: Policy, approvers: KeySet, operators: KeySet, *, site: str, fleet: str
) -> Lever:
    """Check a move of the safety lever, for one site.

    Raises:
        TrustError: Not entitled to it, under the threshold of a disengage, for another fleet, or
            `wrong_site` when it does not concern `site`.
        MessageError: The payload is no lever message.
    """
    lever, signed_by = open_envelope(envelope, Lever, {**approvers.keys, **operators.keys})
    if lever.fleet != fleet:
        raise TrustError(Reason.WRONG_FLEET, TEXT[Reason.WRONG_FLEET], where="lever")
    if lever.site is not None and lever.site != site:
        raise TrustError(Reason.WRONG_SITE, TEXT[Reason.WRONG_SITE], where="lever")
    owners = approvers.owners_of(signed_by)
    if lever.engaged:
        by_operator = bool(operators.owners_of(signed_by)) and lever.site == site
        if not owners and not by_operator:
            raise TrustError(Reason.UNKNOWN_KEY, "an operator engages the lever for its own site only", where="lever")
        return lever
    required = lever_threshold(policy)
    if len(owners) < required:
        raise TrustError(
            Reason.UNDER_THRESHOLD, f"lifting the lever takes {required} owners, {len(owners)} signed", where="lever"
        )
    return lever
