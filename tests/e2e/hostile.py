"""Hostile orders: each one right but for the one thing that its name says."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from securesystemslib.dsse import Envelope as LibraryEnvelope
from securesystemslib.signer import Signer

from protocols.controls import Control, PauseParams, ShutdownParams, SlowdownParams
from protocols.envelope import join_frame, seal
from protocols.messages import NamedSites, Order, OwnedKey, Rung, Warrant
from protocols.messages.orders import StapledStanding
from protocols.reasons import Reason
from tests import kit
from tests.kit import Fleet

OTHER_DISPATCHER = "night-shift"
SECOND_KEY = "approver/board/second"
MAX_HOLD_S = 60.0

POLICY: dict[str, Any] = {
    "approvers": (
        *(OwnedKey(owner=owner, key=kit.public_of(kit.approver_label(owner))) for owner in kit.APPROVERS),
        OwnedKey(owner="board", key=kit.public_of(SECOND_KEY)),
    ),
    "dispatchers": tuple(
        OwnedKey(owner=owner, key=kit.public_of(kit.dispatcher_label(owner)))
        for owner in (*kit.DISPATCHERS, OTHER_DISPATCHER)
    ),
}
"""A policy in which one owner has two keys, and there is a dispatcher that warrants do not name."""

RECORD: dict[str, Any] = {"controls": (Control.PAUSE,), "max_hold_s": MAX_HOLD_S, "index_version": 2}
"""A site that cannot be shut down, nor held for long, and that was tagged anew since fleet index 1."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One hostile order.

    Attributes:
        name: What is wrong with it.
        reason: The only reason with which it may be refused.
        make: Makes its frame, with a warrant and an order that are right in everything else.
    """

    name: str
    reason: Reason
    make: Callable[[Fleet], bytes]


def dispatcher() -> Signer:
    """Return the signer of the dispatcher that warrants name."""
    return kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))


def sealed_as(payload: bytes, payload_type: str, *signers: Signer) -> bytes:
    """Sign any payload as any type, as whoever has a key can."""
    library = LibraryEnvelope(payload, payload_type, {})
    for signer in signers:
        library.sign(signer)
    return json.dumps(library.to_dict(), separators=(",", ":")).encode()


def with_field(name: str, value: object) -> Callable[[Fleet], bytes]:
    """Make an order that says something else in one field, signed right."""

    def make(fleet: Fleet) -> bytes:
        warrant = fleet.warrant()
        return fleet.order_frame(fleet.order(warrant, **{name: value}), fleet.approve(warrant))

    return make


def with_ladder(for_site: Callable[[Fleet], str | None], rung: int) -> Callable[[Fleet], bytes]:
    """Make the order of a rung of a ladder that is there, over a step whose first rung is a slowdown."""

    def make(fleet: Fleet) -> bytes:
        ladder = (Rung(params=PauseParams(), response_limit_s=5.0),)
        warrant = fleet.warrant(fleet.step(params=SlowdownParams(), ladder=ladder))
        order = fleet.order(warrant, rung=rung, site=for_site(fleet))
        return fleet.order_frame(order, fleet.approve(warrant))

    return make


def real_site(fleet: Fleet) -> str:
    """Return the site that the agent under test speaks for."""
    return next(site for site in fleet.sites if site != "elsewhere")


def with_times(issued_s: float, expires_s: float) -> Callable[[Fleet], bytes]:
    """Make an order of other times, in seconds from now."""

    def make(fleet: Fleet) -> bytes:
        warrant = fleet.warrant()
        order = fleet.order(warrant, issued_at=fleet.at(issued_s), expires_at=fleet.at(expires_s))
        return fleet.order_frame(order, fleet.approve(warrant))

    return make


def with_warrant(change: Callable[[Fleet], dict[str, Any]]) -> Callable[[Fleet], bytes]:
    """Make an order under a warrant that says something else, approved by enough owners."""

    def make(fleet: Fleet) -> bytes:
        warrant = fleet.warrant(**change(fleet))
        return fleet.order_frame(fleet.order(warrant), fleet.approve(warrant))

    return make


def with_approval(approve: Callable[[Warrant], bytes]) -> Callable[[Fleet], bytes]:
    """Make an order whose warrant was approved in another way."""

    def make(fleet: Fleet) -> bytes:
        warrant = fleet.warrant()
        return fleet.order_frame(fleet.order(warrant), approve(warrant))

    return make


def with_envelope(change: Callable[[Fleet, Order], bytes]) -> Callable[[Fleet], bytes]:
    """Make an order whose envelope was made in another way."""

    def make(fleet: Fleet) -> bytes:
        warrant = fleet.warrant()
        return join_frame([change(fleet, fleet.order(warrant)), fleet.approve(warrant)])

    return make


def _bad_signature(fleet: Fleet, order: Order) -> bytes:
    document = json.loads(fleet.dispatch(order))
    signature = bytearray(base64.b64decode(document["signatures"][0]["sig"]))
    signature[7] ^= 1
    document["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    return json.dumps(document).encode()


def _tampered(fleet: Fleet, order: Order) -> bytes:
    document = json.loads(fleet.dispatch(order))
    changed = order.model_copy(update={"use": order.use + 1})
    document["payload"] = base64.b64encode(changed.encode()).decode()
    return json.dumps(document).encode()


def _borrowed_key_id(fleet: Fleet, order: Order) -> bytes:
    document = json.loads(seal(order, kit.key_of("stranger")))
    document["signatures"][0]["keyid"] = dispatcher().public_key.keyid
    return json.dumps(document).encode()


def _one_key_under_two_ids(warrant: Warrant) -> bytes:
    document = json.loads(seal(warrant, kit.key_of(kit.approver_label("board"))))
    (signature,) = document["signatures"]
    document["signatures"].append({**signature, "keyid": "0" * 64})
    return json.dumps(document).encode()


def _one_signature_for_two_keys(warrant: Warrant) -> bytes:
    document = json.loads(seal(warrant, kit.key_of(kit.approver_label("board"))))
    (signature,) = document["signatures"]
    other = kit.key_of(kit.approver_label("regulator")).public_key.keyid
    document["signatures"].append({**signature, "keyid": other})
    return json.dumps(document).encode()


def _for_one_site(fleet: Fleet) -> bytes:
    warrant = fleet.warrant()
    return fleet.order_frame(fleet.order(warrant, site=real_site(fleet)), fleet.approve(warrant))


def _other_fleets_warrant(fleet: Fleet) -> dict[str, Any]:
    return {"fleet": "f" * 64}


def _other_warrant(fleet: Fleet) -> bytes:
    warrant, other = fleet.warrant(), fleet.warrant()
    return fleet.order_frame(fleet.order(warrant), fleet.approve(other))


def _spaced(fleet: Fleet, order: Order) -> bytes:
    payload = json.dumps(json.loads(order.encode())).encode()
    return sealed_as(payload, Order.payload_type(), dispatcher())


def _release_retyped(fleet: Fleet, order: Order) -> bytes:
    return sealed_as(fleet.release(order).encode(), Order.payload_type(), dispatcher())


def _approved_by(*labels: str) -> Callable[[Warrant], bytes]:
    return lambda warrant: seal(warrant, *(kit.key_of(label) for label in labels))


BOARD = kit.approver_label("board")

HOSTILE = (
    # Forged.
    Hostile("signed by a stranger", Reason.UNKNOWN_KEY, with_envelope(lambda _, o: seal(o, kit.key_of("stranger")))),
    Hostile("signed by an approver", Reason.UNKNOWN_KEY, with_envelope(lambda _, o: seal(o, kit.key_of(BOARD)))),
    Hostile("a bit of the signature flipped", Reason.BAD_SIGNATURE, with_envelope(_bad_signature)),
    Hostile("payload changed under a right signature", Reason.BAD_SIGNATURE, with_envelope(_tampered)),
    Hostile("a stranger under the dispatcher's key id", Reason.BAD_SIGNATURE, with_envelope(_borrowed_key_id)),
    # Signed right, typed wrong.
    Hostile("a release's envelope", Reason.WRONG_TYPE, with_envelope(lambda f, o: f.dispatch(f.release(o)))),
    Hostile("a challenge's envelope", Reason.WRONG_TYPE, with_envelope(lambda f, _: f.dispatch(f.challenge(1)))),
    Hostile("a release signed as an order", Reason.MALFORMED, with_envelope(_release_retyped)),
    Hostile("an order in another encoding", Reason.MALFORMED, with_envelope(_spaced)),
    Hostile("with a standing statement", Reason.MALFORMED, with_field("standing", StapledStanding(envelope="{}"))),
    # At another time.
    Hostile("expired", Reason.EXPIRED, with_times(-61, -1)),
    Hostile("not yet valid", Reason.NOT_YET_VALID, with_times(30, 90)),
    Hostile("valid for 121 s", Reason.LIFETIME_TOO_LONG, with_times(0, 121)),
    Hostile("expired before it was issued", Reason.LIFETIME_TOO_LONG, with_times(0, -1)),
    Hostile("the window is over", Reason.OUTSIDE_WINDOW, with_warrant(lambda f: {"not_after": f.at(-1)})),
    Hostile("the window has not begun", Reason.OUTSIDE_WINDOW, with_warrant(lambda f: {"not_before": f.at(60)})),
    # For another place.
    Hostile("the order is another fleet's", Reason.WRONG_FLEET, with_field("fleet", "f" * 64)),
    Hostile("the warrant is another fleet's", Reason.WRONG_FLEET, with_warrant(_other_fleets_warrant)),
    Hostile(
        "names other sites",
        Reason.NOT_IN_AUDIENCE,
        with_warrant(lambda _: {"audience": NamedSites(sites=("elsewhere",))}),
    ),
    Hostile(
        "selects other sites", Reason.NOT_IN_AUDIENCE, with_warrant(lambda f: {"audience": f.select(region="south")})
    ),
    Hostile(
        "tagged anew since it was approved",
        Reason.RETAGGED_SINCE,
        with_warrant(lambda f: {"audience": f.select(region="north")}),
    ),
    # For more than was approved.
    Hostile("for a step that the warrant has not", Reason.NO_SUCH_STEP, with_field("step", 1)),
    Hostile("for a use that the warrant has not", Reason.NO_SUCH_USE, with_field("use", 11)),
    Hostile("under another warrant", Reason.WARRANT_MISMATCH, _other_warrant),
    Hostile("not an exercise", Reason.NOT_AN_EXERCISE, with_field("status", "actual")),
    Hostile(
        "for a control that the site does not do",
        Reason.CONTROL_NOT_SUPPORTED,
        with_warrant(lambda _: {"params": ShutdownParams(grace_s=1.0)}),
    ),
    Hostile("a hold over the site's limit", Reason.SITE_LIMIT, with_warrant(lambda _: {"hold_s": MAX_HOLD_S + 1})),
    Hostile(
        "a first use over the total held time",
        Reason.TOTAL_HELD,
        with_warrant(lambda _: {"hold_s": 30.0, "max_total_held_s": 29.0}),
    ),
    Hostile("for a rung that the ladder has not", Reason.NO_SUCH_RUNG, with_ladder(real_site, 2)),
    Hostile("at the top of a ladder", Reason.RUNG_TOO_SOON, with_ladder(real_site, 1)),
    Hostile("a higher rung for everybody", Reason.MALFORMED, with_ladder(lambda _: None, 1)),
    Hostile("the first rung for one site", Reason.MALFORMED, _for_one_site),
    Hostile("another site's rung", Reason.NOT_IN_AUDIENCE, with_ladder(lambda _: "elsewhere", 1)),
    # By too few.
    Hostile("approved by one owner", Reason.UNDER_THRESHOLD, with_approval(_approved_by(BOARD))),
    Hostile("one owner twice, with two keys", Reason.UNDER_THRESHOLD, with_approval(_approved_by(BOARD, SECOND_KEY))),
    Hostile("one key under two ids", Reason.UNDER_THRESHOLD, with_approval(_one_key_under_two_ids)),
    Hostile("one signature for two owners' keys", Reason.BAD_SIGNATURE, with_approval(_one_signature_for_two_keys)),
    Hostile(
        "approved by root owners",
        Reason.UNKNOWN_KEY,
        with_approval(_approved_by(kit.root_label("board"), kit.root_label("regulator"))),
    ),
    Hostile(
        "by a dispatcher that the warrant does not name",
        Reason.DISPATCHER_NOT_NAMED,
        with_envelope(lambda f, o: f.dispatch(o, OTHER_DISPATCHER)),
    ),
)
