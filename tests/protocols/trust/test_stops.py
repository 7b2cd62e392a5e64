"""Stopping takes less authority than starting; lifting the lever takes a threshold."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocols.controls import Control
from protocols.envelope import parse_envelope, seal
from protocols.errors import TrustError
from protocols.messages import Abort, Lever, Message, Release, Threshold
from protocols.reasons import Reason
from protocols.trust import check_abort, check_challenge, check_lever, check_licence, check_recall, check_release
from protocols.trust.stops import lever_threshold
from tests.kit import APPROVERS, DISPATCHERS, approver_label, dispatcher_label, key_of, make_fleet, operator_label

FLEET = make_fleet(("alpha", "beta"))
TRUST = FLEET.site_trust("alpha")
ORDER = FLEET.order(FLEET.warrant())
DISPATCHER = dispatcher_label(DISPATCHERS[0])


def reason_of(attempt: Callable[[], Message]) -> str:
    """Return why an attempt is refused."""
    with pytest.raises(TrustError) as caught:
        attempt()
    return caught.value.reason


def release(raw: bytes) -> Release:
    """Check a release."""
    return check_release(parse_envelope(raw), TRUST.dispatchers, TRUST.fleet)


def abort(raw: bytes) -> Abort:
    """Check an abort."""
    return check_abort(parse_envelope(raw), TRUST.dispatchers, TRUST.approvers, TRUST.fleet)


def lever(raw: bytes, site: str = "alpha") -> Lever:
    """Check a move of the lever at a site."""
    trust = FLEET.site_trust(site)
    return check_lever(
        parse_envelope(raw), trust.policy, trust.approvers, trust.operators, site=site, fleet=trust.fleet
    )


@pytest.mark.parametrize("label", [DISPATCHER, *(approver_label(owner) for owner in APPROVERS)])
def test_a_dispatcher_or_any_single_approver_aborts(label: str) -> None:
    """One signature is enough to abort, whoever of them it is."""
    assert abort(seal(FLEET.abort(ORDER), key_of(label)))


def test_a_release_is_the_dispatchers() -> None:
    """The regular end of a hold is a dispatcher's; an approver stops by an abort, which the record shows."""
    assert release(seal(FLEET.release(ORDER), key_of(DISPATCHER)))
    approver = key_of(approver_label("board"))
    assert reason_of(lambda: release(seal(FLEET.release(ORDER), approver))) == Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    "label", ["stranger", operator_label("alpha"), "agent/alpha", "witness/alpha/w1", "root/board"]
)
def test_nobody_else_stops(label: str) -> None:
    """No other key of the fleet, and no stranger's, releases or aborts."""
    assert reason_of(lambda: release(seal(FLEET.release(ORDER), key_of(label)))) == Reason.UNKNOWN_KEY
    assert reason_of(lambda: abort(seal(FLEET.abort(ORDER), key_of(label)))) == Reason.UNKNOWN_KEY


def test_stops_are_of_this_fleet_and_of_their_type() -> None:
    """An order is no release, a release no abort, and another fleet's stop is none here."""
    signer = key_of(DISPATCHER)
    assert reason_of(lambda: release(seal(ORDER, signer))) == Reason.WRONG_TYPE
    assert reason_of(lambda: abort(seal(FLEET.release(ORDER), signer))) == Reason.WRONG_TYPE
    assert reason_of(lambda: release(seal(FLEET.release(ORDER, fleet="0" * 64), signer))) == Reason.WRONG_FLEET
    assert reason_of(lambda: abort(seal(FLEET.abort(ORDER, fleet="0" * 64), signer))) == Reason.WRONG_FLEET
    licence = FLEET.licence(ORDER, "alpha", "ab" * 16, fleet="0" * 64)
    raw = parse_envelope(seal(licence, signer))
    assert reason_of(lambda: check_licence(raw, TRUST.dispatchers, TRUST.fleet)) == Reason.WRONG_FLEET


def test_only_a_dispatcher_challenges_recalls_and_licenses() -> None:
    """What witnesses answer, and what keeps a lease going, comes from a dispatcher: an approver's is none."""
    for message, check in (
        (FLEET.challenge(1), check_challenge),
        (FLEET.recall("alpha", "w1", 1, 2), check_recall),
        (FLEET.licence(ORDER, "alpha", "ab" * 16), check_licence),
    ):
        assert check(parse_envelope(seal(message, key_of(DISPATCHER))), TRUST.dispatchers, TRUST.fleet)
        wrong = parse_envelope(seal(message, key_of(approver_label("board"))))
        with pytest.raises(TrustError):
            check(wrong, TRUST.dispatchers, TRUST.fleet)


def test_any_single_approver_engages_everywhere() -> None:
    """One approver pulls the lever for the fleet, or for one site, and it reaches only that site."""
    signer = key_of(approver_label("safety"))
    assert lever(seal(FLEET.lever(), signer)).engaged
    assert lever(seal(FLEET.lever(site="alpha"), signer)).engaged
    assert reason_of(lambda: lever(seal(FLEET.lever(site="beta"), signer))) == Reason.WRONG_SITE


def test_an_operator_engages_for_its_own_site_only() -> None:
    """The site's operator stops its own site, not the fleet, and no other site."""
    alpha = key_of(operator_label("alpha"))
    assert lever(seal(FLEET.lever(site="alpha"), alpha)).engaged
    assert reason_of(lambda: lever(seal(FLEET.lever(), alpha))) == Reason.UNKNOWN_KEY
    assert reason_of(lambda: lever(seal(FLEET.lever(site="beta"), alpha), site="beta")) == Reason.UNKNOWN_KEY


def test_a_dispatcher_does_not_move_the_lever() -> None:
    """The orchestrator can neither engage nor lift it."""
    assert reason_of(lambda: lever(seal(FLEET.lever(), key_of(DISPATCHER)))) == Reason.UNKNOWN_KEY


def test_lifting_takes_the_threshold() -> None:
    """Who engages it alone cannot lift it alone: that takes as many owners as the harshest control there is."""
    lift = FLEET.lever(disengages=FLEET.lever().digest())
    one, two, three = (key_of(approver_label(owner)) for owner in APPROVERS)
    assert lever_threshold(FLEET.policy) == 3
    for few in ((one,), (one, two)):
        assert reason_of(lambda few=few: lever(seal(lift, *few))) == Reason.UNDER_THRESHOLD  # type: ignore[misc]
    own = FLEET.lever(site="alpha", disengages=FLEET.lever().digest())
    assert reason_of(lambda: lever(seal(own, key_of(operator_label("alpha"))))) == Reason.UNDER_THRESHOLD
    assert not lever(seal(lift, one, two, three)).engaged


def test_a_policy_states_what_lifting_takes() -> None:
    """A fleet with fewer owners names its own thresholds, for every harsh control, and the greatest counts."""
    stated = tuple(Threshold(control=control, owners=1) for control in Control)
    fleet = make_fleet(policy={"thresholds": stated})
    assert lever_threshold(fleet.policy) == 1
    assert lever_threshold(make_fleet(policy={"thresholds": stated[:-1]}).policy) == 3


def test_a_lift_quotes_what_it_lifts() -> None:
    """A disengage without an engagement's digest, or an engage with one, is no message at all."""
    for wrong in ({"engaged": False, "disengages": None}, {"engaged": True, "disengages": "0" * 64}):
        with pytest.raises(ValueError, match="quotes"):
            Lever(**(FLEET.lever().model_dump() | wrong))
