"""One agent's or enforcer's memory, and a time to decide at: for tests of what is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agents.decide import decide
from agents.decision import Decision, Input, OrderFrame
from agents.events import Cause
from agents.ledger import Identity, Ledger
from agents.state import AgentState, Moment
from protocols.controls import (
    Actor,
)
from protocols.messages import Order, Outcome
from protocols.reasons import Reason
from tests import kit
from tests.agents.doubles import MemoryDisk

SITE = "alpha"
S = 1_000_000_000
BOOT = "00000000-0000-4000-8000-000000000001"
OTHER_BOOT = "00000000-0000-4000-8000-000000000002"


class Desk:
    """One agent's memory, and a time to decide at."""

    def __init__(self, record: Mapping[str, Any] | None = None, policy: Mapping[str, Any] | None = None) -> None:
        self.fleet = kit.make_fleet(record=record, policy=policy)
        self.trust = self.fleet.site_trust(SITE)
        self.disk = MemoryDisk()
        self.now = Moment(kit.NOW_NS, 500 * S, BOOT, veto=False)
        self.actor = Actor.AGENT
        self.reopen()

    def reopen(self) -> None:
        identity = Identity(self.fleet.fleet, SITE, kit.key_of(kit.agent_label(SITE)))
        self.ledger = Ledger.open(self.disk, identity, new_id="ab" * 16, now_ns=self.now.wall_ns)

    @property
    def state(self) -> AgentState:
        return self.ledger.state

    def later(self, seconds: float) -> None:
        self.now = replace(
            self.now, wall_ns=self.now.wall_ns + round(seconds * S), boot_ns=self.now.boot_ns + round(seconds * S)
        )

    def happens(self, happened: Input) -> Decision:
        decision = decide(self.state, happened, self.trust, self.now, actor=self.actor)
        self.ledger.commit(decision, self.now)
        return decision

    def order(self, hold_s: float = 30.0, **changes: object) -> tuple[Order, bytes]:
        warrant = self.fleet.warrant(hold_s=hold_s)
        order = self.fleet.order(warrant, **changes)
        return order, self.fleet.order_frame(order, self.fleet.approve(warrant))

    def accept(self, hold_s: float = 30.0) -> Order:
        order, frame = self.order(hold_s)
        decision = self.happens(OrderFrame(frame))
        assert [draft.outcome for draft in decision.drafts] == [Outcome.ACCEPTED]
        return order

    @property
    def cause(self) -> Cause | None:
        live = self.state.live
        return None if live is None else live.cause


def reason_of(decision: Decision) -> Reason | None:
    """Return the reason in a decision's only receipt."""
    (draft,) = decision.drafts
    return draft.reason
