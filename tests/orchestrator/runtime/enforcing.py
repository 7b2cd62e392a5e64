"""A scripted enforcer: it notes each rung that is not its own, waits out its limit, cuts, and restores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.controls import Actor
from protocols.envelope import open_envelope, split_frame
from protocols.messages import Abort, Order, Outcome, Release
from protocols.reasons import Reason
from protocols.transport.base import Transport
from protocols.transport.memory import MemoryBroker, MemoryTransport
from protocols.trust import Accepted, Noted, Refused, Repeat
from tests.kit import enforcer_label
from tests.orchestrator.runtime.gate import Gate
from tests.orchestrator.runtime.parts import Chain, receipt

if TYPE_CHECKING:
    from tests.orchestrator.runtime.scripted import ScriptedSite


class ScriptedEnforcer:
    """One enforcer of a scripted site.

    Args:
        site: The site whose power it cuts.
        name: The enforcer's name.
        broker: Where it connects.
    """

    def __init__(self, site: ScriptedSite, name: str, broker: MemoryBroker) -> None:
        self._site, self._name, self._broker = site, name, broker
        self._chain = Chain(enforcer_label(site.site, name), site.clock)
        self._gate = Gate(site.fleet.site_trust(site.site), site.clock, Actor.ENFORCER)
        self._answers: dict[str, list[bytes]] = {}

    async def run(self) -> None:
        """Serve until cancelled."""
        filters = self._site.fleet.topics.enforcer_filters(self._site.site)
        who = f"{self._site.site}-{self._name}"
        async with MemoryTransport(self._broker, filters, clock=self._site.clock, client_id=who) as transport:
            while True:
                for inbound in await transport.receive(64):
                    frame = split_frame(inbound.payload)
                    if frame[0].payload_type == Order.payload_type():
                        found = self._gate.admit(frame[0], frame[1])
                        await self._answer(found, transport)
                    elif frame[0].payload_type in {Release.payload_type(), Abort.payload_type()}:
                        kind = Release if frame[0].payload_type == Release.payload_type() else Abort
                        stop, _ = open_envelope(frame[0], kind, self._site.keys)
                        self._gate.stop(stop)
                        self._site.load.feed(powered=True)

    async def _answer(self, found: Accepted | Noted | Repeat | Refused, transport: Transport) -> None:
        match found:
            case Noted(matters=True, order=order):
                await self._say(order, found.digest, Outcome.NOTED, transport)
            case Accepted(order=order):
                await self._say(order, found.digest, Outcome.ACCEPTED, transport)
                self._site.load.feed(powered=False)
                await self._say(order, found.digest, Outcome.HALTED, transport)
            case Repeat(digest=digest):
                for raw in self._answers.get(digest, ()):
                    await transport.publish(self._site.fleet.topics.enforcer(self._site.site, self._name), raw)
            case Refused(order=order, reason=reason):
                await self._say(order, found.digest, Outcome.REFUSED, transport, reason)
            case Noted():
                pass

    async def _say(
        self, order: Order | None, digest: str, outcome: Outcome, transport: Transport, reason: Reason | None = None
    ) -> None:
        raw = receipt(self._site.fleet, self._site.site, self._chain, order, digest, outcome, reason, self._name)
        if outcome is not Outcome.REFUSED:
            self._answers.setdefault(digest, []).append(raw)
        await transport.publish(self._site.fleet.topics.enforcer(self._site.site, self._name), raw)
