"""A scripted agent under a lease: it asks for licences, works while one lasts, and then stops."""

from __future__ import annotations

from protocols.controls import LeaseParams
from protocols.envelope import seal
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import Signer
from protocols.messages import Licence, LicenceRequest, Order
from protocols.transport.base import Transport
from tests.kit import Fleet
from tests.orchestrator.runtime.parts import Script
from tests.virtual import LoopClock

LOOKS = 20
"""How often in a licence's time it looks at the clock."""


class Lease:
    """One lease order that an agent accepted.

    Args:
        fleet: The fleet.
        site: The agent's site.
        clock: Virtual time.
        script: What it does wrong.
        order: The order.
        params: What was approved.
        signer: The agent's.
    """

    def __init__(
        self,
        fleet: Fleet,
        site: str,
        clock: LoopClock,
        script: Script,
        order: Order,
        params: LeaseParams,
        signer: Signer,
    ) -> None:
        self._fleet, self._site, self._clock, self._script = fleet, site, clock, script
        self._order, self._signer = order, signer
        self._licence_ns = seconds_to_ns(params.licence_s)
        self._until_ns = clock.boot_ns() + self._licence_ns
        self._asked: dict[str, int] = {}

    def hear(self, licence: Licence) -> None:
        """Take a licence: it counts from when the nonce that it quotes was sent."""
        if licence.order != self._order.digest() or licence.request not in self._asked:
            return
        since_ns = self._clock.boot_ns() if self._script.caches_licences else self._asked[licence.request]
        self._until_ns = max(self._until_ns, since_ns + self._licence_ns)

    async def work(self, transport: Transport) -> None:
        """Renew, and return when the last licence has run out."""
        next_ask_ns = self._clock.boot_ns()
        while self._clock.boot_ns() < self._until_ns:
            if self._clock.boot_ns() >= next_ask_ns and not self._script.never_renews:
                next_ask_ns += self._licence_ns // 3
                await self._ask(transport)
            await self._clock.sleep(self._licence_ns / LOOKS / 1e9)

    async def _ask(self, transport: Transport) -> None:
        nonce = self._fleet.nonce()
        self._asked[nonce] = self._clock.boot_ns()
        message = LicenceRequest(
            fleet=self._fleet.fleet,
            site=self._site,
            order=self._order.digest(),
            drill=self._order.drill,
            nonce=nonce,
            at=format_utc(self._clock.wall_ns()),
        )
        await transport.publish(self._fleet.topics.agent(self._site), seal(message, self._signer))
