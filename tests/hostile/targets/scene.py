"""The fleet that all targets share, and everything in it that was ever rightly signed.

A target that takes signatures knows by `SIGNED` what may be believed: any other payload that is
believed was forged.
"""

from __future__ import annotations

import base64
import json
from functools import cache

from agents.state import Moment
from protocols.controls import ArmedSite, Control, DecommissionParams, LeaseParams, PauseParams, ShutdownParams
from protocols.envelope import join_frame, seal
from protocols.keys import Signer
from protocols.messages import (
    Closing,
    Counter,
    Fact,
    LicenceRequest,
    Link,
    Message,
    Outcome,
    Peak,
    Presence,
    Quoted,
    Reading,
    Receipt,
    Role,
    Rung,
)
from protocols.signals import FEED, FEED_ON
from tests import kit

SITE = "alpha"
BOOT = "00000000-0000-4000-8000-000000000001"
NOW = Moment(kit.NOW_NS, 500 * 10**9, BOOT, veto=False)
NONCE = "ab" * 16
DISPATCHER = kit.dispatcher_label(kit.DISPATCHERS[0])

FLEET = kit.make_fleet(enforcers=1, record={"controls": tuple(Control), "mock": True})
TRUST = FLEET.trust()
SITE_TRUST = FLEET.site_trust(SITE)

_LADDER = (Rung(params=ShutdownParams(), response_limit_s=5.0),)
WARRANT = FLEET.warrant(
    FLEET.step(ladder=_LADDER),
    FLEET.step(name="lease", params=LeaseParams()),
    nonce=NONCE,
    uses=3,
    max_total_held_s=7000.0,
)
FIRING = FLEET.warrant(
    FLEET.step(params=DecommissionParams(phase="fire", armed=(ArmedSite(site=SITE, nonce=NONCE),))), nonce=NONCE, uses=1
)
APPROVED = FLEET.approve(WARRANT, kit.APPROVERS)
ORDER = FLEET.order(WARRANT, nonce=NONCE)
LEASE_ORDER = FLEET.order(WARRANT, step=1, nonce=NONCE)
RUNG_ORDER = FLEET.rung_order(WARRANT, SITE, 1, nonce=NONCE)
ORDERS = (ORDER, LEASE_ORDER, RUNG_ORDER)

STOPS: tuple[Message, ...] = (
    FLEET.release(ORDER, nonce=NONCE),
    FLEET.abort(ORDER, nonce=NONCE),
    FLEET.lever(site=SITE, nonce=NONCE),
    FLEET.lever(nonce=NONCE),
)
CHALLENGES = (FLEET.challenge(1, nonce=NONCE), FLEET.challenge(2, final=True, nonce=NONCE, exercise=PauseParams()))
RECALL = FLEET.recall(SITE, "w1", 1, 3).model_copy(update={"nonce": NONCE})
LICENCE = FLEET.licence(LEASE_ORDER, SITE, NONCE)

_LINK = Link(seq=1, prev="0" * 64, boot_id=BOOT, boot_ns=5)
_COMMON = {"fleet": FLEET.fleet, "site": SITE, "at": FLEET.at()}
_QUOTED = Quoted(drill=ORDER.drill, seq=1, nonce=NONCE, digest=CHALLENGES[0].digest())
RECEIPT = Receipt(
    link=_LINK,
    order=ORDER.digest(),
    drill=ORDER.drill,
    use=1,
    step=0,
    outcome=Outcome.ACCEPTED,
    reason=None,
    detail="pause for 30 s",
    elapsed_ns=0,
    rung=0,
    **_COMMON,
)
NOTED = RECEIPT.model_copy(update={"by": "e1", "outcome": Outcome.NOTED})
REQUEST = LicenceRequest(order=LEASE_ORDER.digest(), drill=ORDER.drill, nonce=NONCE, **_COMMON)
READING = Reading(
    witness="w1",
    link=_LINK,
    quotes=_QUOTED,
    signals=(
        Counter(name=kit.CPU_SIGNAL, epoch="e1", value=7),
        Peak(name=kit.PROCESSES_SIGNAL, value=3),
        Fact(name=FEED, value=FEED_ON),
    ),
    **_COMMON,
)
CLOSING = Closing(witness="w1", link=_LINK, quotes=_QUOTED, first=1, last=1, **_COMMON)
PRESENCE = Presence(
    role=Role.WITNESS,
    name="w1",
    store=NONCE,
    last_seq=1,
    last_digest="0" * 64,
    boot_id=BOOT,
    software="haltdrill 0.1.0",
    **_COMMON,
)

APPROVERS = tuple(kit.approver_label(owner) for owner in kit.APPROVERS)
ROOTS = tuple(kit.root_label(owner) for owner in kit.ROOT_OWNERS[:2])


def signed(message: Message, *labels: str) -> bytes:
    """Seal a message with the keys of these labels."""
    return seal(message, *(kit.key_of(label) for label in labels))


ENVELOPES: dict[str, bytes] = {
    "order": signed(ORDER, DISPATCHER),
    "lease-order": signed(LEASE_ORDER, DISPATCHER),
    "rung-order": signed(RUNG_ORDER, DISPATCHER),
    "warrant": APPROVED,
    "release": signed(STOPS[0], DISPATCHER),
    "abort": signed(STOPS[1], APPROVERS[0]),
    "site-lever": signed(STOPS[2], kit.operator_label(SITE)),
    "lever": signed(STOPS[3], APPROVERS[1]),
    "challenge": signed(CHALLENGES[0], DISPATCHER),
    "final-challenge": signed(CHALLENGES[1], DISPATCHER),
    "recall": signed(RECALL, DISPATCHER),
    "licence": signed(LICENCE, DISPATCHER),
    "receipt": signed(RECEIPT, kit.agent_label(SITE)),
    "noted": signed(NOTED, kit.enforcer_label(SITE, "e1")),
    "request": signed(REQUEST, kit.agent_label(SITE)),
    "reading": signed(READING, kit.witness_label(SITE, "w1")),
    "closing": signed(CLOSING, kit.witness_label(SITE, "w1")),
    "presence": signed(PRESENCE, kit.witness_label(SITE, "w1")),
}
"""One rightly signed envelope of each kind."""

DOCUMENTS: dict[str, bytes] = {
    "root": FLEET.raw_root,
    "policy": FLEET.raw_policy,
    "index": FLEET.raw_index,
    "record": FLEET.raw_records[SITE],
}

SIGNED = frozenset(base64.b64decode(json.loads(raw)["payload"]) for raw in (*ENVELOPES.values(), *DOCUMENTS.values()))
"""Every payload that somebody rightly signed."""

FRAMES = {name: join_frame([ENVELOPES[name], ENVELOPES["warrant"]]) for name in ("order", "lease-order", "rung-order")}


@cache
def signer(label: str) -> Signer:
    """Return the key of a label, made once."""
    return kit.key_of(label)
