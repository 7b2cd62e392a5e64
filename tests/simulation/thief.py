"""Whoever stole the dispatcher's key: publishes whatever can be signed with it, and whatever was heard.

None of it may ever do more than people approved. A thief has the key of the dispatcher, every message
that went over the broker, and a few approvals: of warrants that are over, not yet begun, for nobody
here, or approved by too few. Which of its tricks it plays, and when, is drawn from its chance alone.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocols.envelope import join_frame, parse_envelope, seal
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import Signer, record_of
from protocols.messages import NamedSites, Order, OwnedKey, Warrant
from protocols.topics import Topics
from tests import kit

Said = tuple[str, bytes]
"""A topic and what is published there."""

SECOND_KEY_OF = kit.APPROVERS[0]
"""The approver who has a second key, where a fleet was made with `policy_with_second_key`."""


def second_key() -> Signer:
    """Return the second key of one approver."""
    return kit.key_of(f"{kit.approver_label(SECOND_KEY_OF)}/second")


def policy_with_second_key() -> dict[str, Any]:
    """Return the field of a policy in which one approver has two keys: both together are one owner."""
    owned = [OwnedKey(owner=owner, key=kit.public_of(kit.approver_label(owner))) for owner in kit.APPROVERS]
    owned.append(OwnedKey(owner=SECOND_KEY_OF, key=record_of(second_key())))
    return {"approvers": tuple(owned)}


@dataclass
class Thief:
    """Makes what somebody with a stolen key would publish.

    Args:
        fleet: The fleet, with the stolen key.
        warrant: What is being drilled, and its envelope as it was approved.
        chance: Where all choices come from.
        wall_ns: Tells the wall time.

    Attributes:
        heard: Every frame on a topic of orders that the thief could listen in on; whoever runs it adds to them.
    """

    fleet: kit.Fleet
    warrant: Warrant
    approved: bytes
    chance: random.Random
    wall_ns: Callable[[], int]
    heard: list[Said] = field(default_factory=list)
    _count: int = 0

    @property
    def tricks(self) -> Sequence[Callable[[], list[Said]]]:
        """Everything that it can do."""
        return (
            self.again,
            self.another_order,
            self.another_use,
            self.rung_too_early,
            self.another_sites_rung,
            self.too_few_owners,
            self.two_keys_of_one_owner,
            self.forged,
            self.strangers,
            self.outside_the_window,
            self.long_expired,
            self.others_audience,
            self.released_before,
            self.aborted_before,
            self.released_now,
        )

    def play(self) -> list[Said]:
        """Play one trick, whichever it is."""
        return self.chance.choice(self.tricks)()

    def _nonce(self) -> str:
        self._count += 1
        return f"{self._count:08x}".rjust(32, "e")

    def _order(self, warrant: Warrant | None = None, **changes: Any) -> Order:
        now_ns = self.wall_ns()
        fields: dict[str, Any] = {
            "nonce": self._nonce(),
            "issued_at": format_utc(now_ns),
            "expires_at": format_utc(now_ns + seconds_to_ns(60)),
            "step": self.chance.randrange(len(self.warrant.steps)),
        }
        return self.fleet.order(warrant or self.warrant, **(fields | changes))

    def _signed(self, order: Order, approved: bytes | None = None) -> bytes:
        return self.fleet.order_frame(order, approved or self.approved)

    @property
    def _topics(self) -> Topics:
        return self.fleet.topics

    def _another(self, **changes: Any) -> Warrant:
        """Return a warrant for the same steps that differs."""
        return self.warrant.model_copy(update={"nonce": self._nonce()} | changes)

    # -- tricks --------------------------------------------------------------------------------------

    def again(self) -> list[Said]:
        """Publish an order again that was heard before."""
        return [self.chance.choice(self.heard)] if self.heard else []

    def another_order(self) -> list[Said]:
        """Give a second order for what was ordered: another nonce, the same use and step."""
        return [(self._topics.orders, self._signed(self._order(use=1)))]

    def another_use(self) -> list[Said]:
        """Begin another use at once, one that the warrant may not even have."""
        use = self.chance.randint(1, self.warrant.uses + 1)
        return [(self._topics.orders, self._signed(self._order(use=use)))]

    def rung_too_early(self) -> list[Said]:
        """Order a higher rung at one site, without waiting and without the rungs before."""
        site, rung = self.chance.choice(self.fleet.sites), self.chance.randint(1, 2)
        return [(self._topics.site_orders(site), self._signed(self._order(site=site, rung=rung)))]

    def another_sites_rung(self) -> list[Said]:
        """Send a rung's order for one site to another one, or for a site that there is not."""
        site = self.chance.choice(self.fleet.sites)
        others = [other for other in (*self.fleet.sites, "no-such-site") if other != site]
        rungs = [frame for topic, frame in self.heard if topic != self._topics.orders]
        frame = self._signed(self._order(site=self.chance.choice(others), rung=1))
        return [(self._topics.site_orders(site), self.chance.choice([*rungs, frame, frame]))]

    def too_few_owners(self) -> list[Said]:
        """Order under a warrant that a single owner approved."""
        warrant = self._another()
        approved = self.fleet.approve(warrant, kit.APPROVERS[:1])
        return [(self._topics.orders, self._signed(self._order(warrant), approved))]

    def two_keys_of_one_owner(self) -> list[Said]:
        """Order under a warrant that one owner approved with two keys."""
        warrant = self._another()
        approved = seal(warrant, kit.key_of(kit.approver_label(SECOND_KEY_OF)), second_key())
        return [(self._topics.orders, self._signed(self._order(warrant), approved))]

    def forged(self) -> list[Said]:
        """Order under a warrant whose approvals are made up."""
        warrant = self._another()
        genuine = parse_envelope(self.fleet.approve(warrant, kit.APPROVERS))
        listed = [
            {"keyid": key_id, "sig": base64.b64encode(self.chance.randbytes(64)).decode()}
            for key_id, _ in genuine.signatures
        ]
        fields = {
            "payload": base64.b64encode(genuine.payload).decode(),
            "payloadType": genuine.payload_type,
            "signatures": listed,
        }
        approved = json.dumps(fields, separators=(",", ":")).encode()
        return [(self._topics.orders, self._signed(self._order(warrant), approved))]

    def strangers(self) -> list[Said]:
        """Order what was approved, with a key that nobody knows."""
        order = seal(self._order(use=1), kit.key_of("stranger"))
        return [(self._topics.orders, join_frame([order, self.approved]))]

    def outside_the_window(self) -> list[Said]:
        """Order under a warrant that was approved, and is over or not yet begun."""
        now_ns = self.wall_ns()
        begins_s = self.chance.choice([-7200.0, 3600.0])
        begin, end = (format_utc(now_ns + seconds_to_ns(begins_s + more)) for more in (0.0, 3600.0))
        issued = format_utc(now_ns - seconds_to_ns(8000.0))
        warrant = self._another(issued_at=issued, not_before=begin, not_after=end)
        approved = self.fleet.approve(warrant, kit.APPROVERS)
        return [(self._topics.orders, self._signed(self._order(warrant), approved))]

    def long_expired(self) -> list[Said]:
        """Order with an order that expired a while ago."""
        then_ns = self.wall_ns() - seconds_to_ns(90)
        dated = {"issued_at": format_utc(then_ns), "expires_at": format_utc(then_ns + seconds_to_ns(30))}
        warrant = self._another()
        order = self._order(warrant, **dated)
        return [(self._topics.orders, self._signed(order, self.fleet.approve(warrant, kit.APPROVERS)))]

    def others_audience(self) -> list[Said]:
        """Order under a warrant that was approved for other sites only."""
        spared = self.chance.choice(self.fleet.sites)
        others = tuple(site for site in self.fleet.sites if site != spared) or ("no-such-site",)
        warrant = self._another(audience=NamedSites(sites=others))
        order = self._order(warrant)
        return [(self._topics.orders, self._signed(order, self.fleet.approve(warrant, kit.APPROVERS)))]

    def released_before(self) -> list[Said]:
        """Release a step of a warrant first, then order it."""
        warrant = self._another()
        order = self._order(warrant)
        release = self.fleet.dispatch(self.fleet.release(order))
        approved = self.fleet.approve(warrant, kit.APPROVERS)
        return [(self._topics.stops, release), (self._topics.orders, self._signed(order, approved))]

    def aborted_before(self) -> list[Said]:
        """Abort a use of a warrant first, then order it."""
        warrant = self._another()
        order = self._order(warrant)
        abort = self.fleet.dispatch(self.fleet.abort(order))
        approved = self.fleet.approve(warrant, kit.APPROVERS)
        return [(self._topics.stops, abort), (self._topics.orders, self._signed(order, approved))]

    def released_now(self) -> list[Said]:
        """Release what is being drilled, as a dispatcher may."""
        order = self._order(use=1)
        return [(self._topics.stops, self.fleet.dispatch(self.fleet.release(order)))]
