"""A service's world on virtual time: scripted sites that stay, a journal in memory, and connections to both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from orchestrator.journal.base import JournalStore
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.service.drilling import Means
from protocols.envelope import seal
from protocols.ids import digest_of
from protocols.messages import AGENT, Presence, Role
from protocols.transport.base import Transport
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests.kit import DISPATCHERS, Fleet, agent_label, dispatcher_label, key_of, witness_label
from tests.log_checks import checked_log
from tests.orchestrator.runtime.scripted import Script, ScriptedSite, documents_of
from tests.virtual import LoopClock

SIGNER = key_of(dispatcher_label(DISPATCHERS[0]))


class ServiceStage:
    """What a service runs in."""

    def __init__(self, fleet: Fleet, scripts: Mapping[str, Script] | None = None) -> None:
        self.fleet = fleet
        self.scripts = scripts or {}
        self.clock, self.broker = LoopClock(), MemoryBroker()
        self.store = SqliteJournal(None)
        self.sites: dict[str, ScriptedSite] = {}
        self.connections = 0

    @asynccontextmanager
    async def sites_running(self, names: Iterable[str] | None = None) -> AsyncIterator[None]:
        """Have the sites there."""
        self.sites = {
            site: ScriptedSite(self.fleet, site, self.broker, self.clock, self.scripts.get(site, Script()))
            for site in names or self.fleet.sites
        }
        serving = [asyncio.ensure_future(site.run()) for site in self.sites.values()]
        await self._say_that_they_are_there()
        try:
            yield
        finally:
            for task in serving:
                task.cancel()
            for ended in await asyncio.gather(*serving, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended

    async def _say_that_they_are_there(self) -> None:
        """Say of every agent and witness that it is there, as the broker keeps it."""
        async with MemoryTransport(self.broker, (), clock=self.clock, client_id="presence") as transport:
            for site in self.sites:
                entries = {AGENT: agent_label(site)} | {
                    entry.name: witness_label(site, entry.name) for entry in self.fleet.records[site].witnesses
                }
                for name, label in entries.items():
                    presence = Presence(
                        fleet=self.fleet.fleet,
                        site=site,
                        role=Role.AGENT if name == AGENT else Role.WITNESS,
                        name=name,
                        store=self.fleet.nonce(),
                        last_seq=0,
                        last_digest=digest_of(b""),
                        boot_id=self.clock.boot_id,
                        at=self.fleet.at(),
                        software="a script",
                    )
                    topic = self.fleet.topics.presence(site, name)
                    await transport.publish(topic, seal(presence, key_of(label)), retain=True)

    @asynccontextmanager
    async def connect(self, role: str) -> AsyncIterator[Transport]:
        """Connect as the orchestrator does."""
        filters = self.fleet.topics.orchestrator_filters()
        self.connections += 1
        name = f"{role}-{self.connections}"
        async with MemoryTransport(self.broker, filters, clock=self.clock, client_id=name) as transport:
            yield transport

    @contextmanager
    def journal(self) -> Iterator[JournalStore]:
        """Open the one journal."""
        yield self.store

    def means(self, *, presence_s: float = 2.0) -> Means:
        """Return what the service runs drills with."""
        return Means(
            documents=documents_of(self.fleet),
            signer=SIGNER,
            clock=self.clock,
            log=checked_log("orchestrator"),
            connect=self.connect,
            journal=self.journal,
            presence_s=presence_s,
            threads=0,
        )
