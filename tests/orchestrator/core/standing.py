"""A drill put into the middle of a step, for tests of what is due and of what is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.agenda import Agenda
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Cause
from orchestrator.core.intents import Intent
from protocols.controls import Control
from protocols.envelope import seal
from protocols.messages import AGENT, LicenceRequest, Link, Message, Order, Outcome, Receipt, Step, Warrant
from protocols.reasons import Reason
from tests.kit import DISPATCHERS, NOW_NS, Fleet, dispatcher_label, key_of, make_fleet, public_of

S = 1_000_000_000
ALL = {"controls": tuple(Control), "mock": True}
SITES = ("alpha", "beta")


@dataclass
class Standing:
    """A drill of one step, moved along by its real events.

    Attributes:
        steps: The plan's steps, or none for a pause.
        causes: What the live judgement says of the highest rungs.
        back: Whether it sees everybody back.
    """

    steps: tuple[Step, ...] = ()
    fleet: Fleet = field(default_factory=lambda: make_fleet(SITES, enforcers=2, record=ALL))
    causes: dict[str, Cause] = field(default_factory=dict)
    back: bool = False
    at_s: float = 0.0

    def __post_init__(self) -> None:
        self.warrant: Warrant = self.fleet.warrant(*self.steps, uses=1)
        self.drill = Drill(self.fleet.trust(), self.warrant)
        self.agenda = Agenda(self.drill, lambda: SITES, lambda: SITES if self.back else (), self._causes)
        self.order: Order = self.fleet.order(self.warrant, expires_at=self.fleet.at(60))
        dispatcher = public_of(dispatcher_label(DISPATCHERS[0])).key_id
        opened = ev.DrillOpened(
            drill=self.order.drill,
            warrant=self.warrant.digest(),
            use=1,
            audience=SITES,
            dispatcher=dispatcher,
            software="test",
        )
        self.apply(opened)
        self._links = 0

    def _causes(self) -> Mapping[str, Cause]:
        return self.causes

    def apply(self, event: ev.Event, said: Message | None = None) -> None:
        """Fold an event in, now."""
        self.drill.apply(ev.Stamped(event, 1, round(self.at_s * S), NOW_NS + round(self.at_s * S)), said)

    def ordered(self) -> Standing:
        """Order the step."""
        self.apply(ev.OrderIssued(step=0, envelope="{}"), self.order)
        self.apply(ev.OrderPublished(step=0))
        self.agenda.pacing.order_ns = self.drill.now.ns
        return self

    def climb(self, site: str, rung: int, why: Cause = Cause.SILENT) -> Order:
        """Order a site to climb."""
        order = self.fleet.rung_order(self.warrant, site, rung, expires_at=self.fleet.at(self.at_s + 60))
        self.apply(ev.RungOrdered(step=0, site=site, rung=rung, why=why, envelope="{}"), order)
        return order

    def released(self) -> Standing:
        """Release the step."""
        self.apply(ev.ReleaseIssued(step=0, envelope="{}"))
        self.apply(ev.ReleasePublished(step=0))
        return self

    def aborted(self) -> Standing:
        """Abort the drill."""
        self.apply(ev.Aborted(reason="a test", envelope="{}"))
        return self

    def answer(
        self,
        site: str,
        order: Order,
        outcome: Outcome,
        reason: Reason | None = None,
        *,
        by: str = AGENT,
        drill: bool = True,
    ) -> Receipt:
        """Make the next receipt for an order."""
        self._links += 1
        return Receipt(
            fleet=self.fleet.fleet,
            site=site,
            link=Link(seq=self._links, prev="0" * 64, boot_id="0" * 8, boot_ns=0),
            at=self.fleet.at(),
            order=order.digest(),
            drill=order.drill if drill else None,
            use=1,
            step=0,
            outcome=outcome,
            reason=reason,
            detail="",
            elapsed_ns=0,
            by=by,
        )

    def hear(self, said: Receipt | LicenceRequest) -> bool | Reason:
        """Take what somebody said, if the drill is concerned; return whether it is."""
        concerned = self.drill.concern(said, said.digest())
        if concerned is True:
            kind = ev.ReceiptReceived if isinstance(said, Receipt) else ev.LicenceRequested
            self.apply(kind(site=said.site, arrival_ns=round(self.at_s * S), envelope="{}"), said)
        return concerned

    def request(self, site: str, *, order: Order | None = None) -> LicenceRequest:
        """Make an agent's request for a licence."""
        asked = order or self.order
        return LicenceRequest(
            fleet=self.fleet.fleet,
            site=site,
            order=asked.digest(),
            drill=asked.drill,
            nonce=self.fleet.nonce(),
            at=self.fleet.at(),
        )

    def sealed(self, order: Order) -> str:
        """Sign an order as the dispatcher."""
        return seal(order, key_of(dispatcher_label(DISPATCHERS[0]))).decode()

    def due(self, at_s: float | None = None) -> list[Intent]:
        """Return what is due, at a time from now on."""
        self.at_s = self.at_s if at_s is None else at_s
        now = type(self.drill.now)(1, round(self.at_s * S))
        self.drill.last_challenge = now  # nothing here is about challenges
        return self.agenda.due(now, NOW_NS + round(self.at_s * S))


__all__ = ["ALL", "SITES", "S", "Standing"]
