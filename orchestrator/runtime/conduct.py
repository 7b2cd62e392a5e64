"""Conducts a drill over a connection: waits for the sites to be there, opens it, runs it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.drill import Drill
from orchestrator.core.inputs import actor_of
from orchestrator.core.intake import Heard, examine
from orchestrator.fleet.load import FleetDocuments
from orchestrator.journal.base import JournalStore
from orchestrator.runtime.loop import Runtime
from orchestrator.runtime.opening import Opened, open_drill
from orchestrator.runtime.resuming import resume_drill
from orchestrator.runtime.standings import Standings
from protocols.clock import Clock
from protocols.controls import Actor
from protocols.envelope import parse_envelope
from protocols.errors import TransportError
from protocols.host.logs import FilteringBoundLogger
from protocols.keys import Signer
from protocols.messages import AGENT, Presence, Standing, Warrant
from protocols.transport.base import Transport
from protocols.trust import FleetTrust, audience_of, check_warrant

Party = tuple[str, str]
"""A site, and `agent` or the name of one of its witnesses or enforcers."""

POLL_S = 0.1


def parties_of(trust: FleetTrust, warrant: Warrant, audience: Collection[str]) -> frozenset[Party]:
    """Return everyone who has to be there for a drill of `audience`.

    That is every agent and witness; and every enforcer, if on some rung of the warrant one is to act.
    """
    actors = {actor_of(rung.params) for step in warrant.steps for rung in step.rungs}
    parties = {(site, AGENT) for site in audience}
    for site in audience:
        record = trust.records[site]
        parties |= {(site, witness.name) for witness in record.witnesses}
        if Actor.ENFORCER in actors:
            parties |= {(site, enforcer.name) for enforcer in record.enforcers}
    return frozenset(parties)


async def gather_presence(
    transport: Transport,
    trust: FleetTrust,
    wanted: Collection[Party],
    clock: Clock,
    *,
    timeout_s: float,
    standings: Standings,
    told: Callable[[int, int], None] = lambda _here, _wanted: None,
) -> dict[Party, Presence]:
    """Wait until everyone said that they are there, and the timekeeper what the policy asks for; at most `timeout_s`.

    Args:
        transport: The connection, already entered.
        trust: The fleet.
        wanted: Who is waited for.
        clock: The one clock.
        timeout_s: How long to wait; whoever is absent by then is simply not in the result.
        standings: Takes what the timekeeper says meanwhile.
        told: Called with how many are there and how many are wanted.
    """
    here: dict[Party, Presence] = {}
    until_ns = clock.boot_ns() + round(timeout_s * 1e9)
    while clock.boot_ns() < until_ns and not (
        here.keys() >= set(wanted) and standings.fresh(trust.policy, clock.wall_ns())
    ):
        try:
            async with asyncio.timeout(POLL_S):
                inbound = await transport.receive(1024)
        except TimeoutError:
            continue
        for message in inbound:
            for item in examine(message.topic, message.payload, message.arrival_ns, trust):
                match item:
                    case Heard(said=Presence() as said):
                        here[said.site, said.name] = said
                    case Heard(said=Standing() as stated, envelope=envelope):
                        standings.hear(stated, envelope)
                    case _:
                        pass
        told(len(here.keys() & set(wanted)), len(wanted))
    return here


@dataclass(frozen=True, slots=True)
class Conductor:
    """Everything that a drill is conducted with.

    Attributes:
        documents: The fleet.
        signer: The dispatcher's signer.
        store: Where the journal goes.
        transport: The connection to the sites, already entered.
        clock: The one clock.
        log: Where log lines go.
        presence_s: How long to wait for everybody before the drill is opened.
        watched: Called with each runtime before it runs, so that logs and views can watch it.
        threads: Threads that verify signatures; 0 verifies inline, for a simulation.
    """

    documents: FleetDocuments
    signer: Signer
    store: JournalStore
    transport: Transport
    clock: Clock
    log: FilteringBoundLogger
    presence_s: float = 10.0
    watched: Sequence[Callable[[Runtime], None]] = ()
    threads: int = 2

    async def conduct(
        self,
        warrant: bytes,
        *,
        told: Callable[[int, int], None] = lambda _here, _wanted: None,
        started: Callable[[Runtime], Awaitable[None] | None] = lambda _runtime: None,
    ) -> Drill:
        """Run one use of a warrant to its end.

        Args:
            warrant: The warrant's envelope.
            told: Told of who is there while waiting.
            started: Called with the runtime before it runs, to watch it or to be able to abort.

        Raises:
            HaltdrillError: The drill could not be opened, or the journal failed.
        """
        trust = self.documents.trust
        approved, _ = check_warrant(parse_envelope(warrant.strip()), trust.policy, trust.approvers, trust.fleet)
        audience, standings = audience_of(approved, trust.index, trust.records), Standings()
        wanted = parties_of(trust, approved, audience)
        here = await gather_presence(
            self.transport, trust, wanted, self.clock, timeout_s=self.presence_s, standings=standings, told=told
        )
        for site, who in sorted(wanted - here.keys()):
            self.log.warning("party.absent", site=site, party=who)
        if not here:
            raise TransportError(
                f"none of the {len(wanted)} parties was there within {self.presence_s:g} s",
                where="presence",
                remedy="see in their logs whether they reach this broker; no use of the warrant was spent",
            )
        standings.check(trust.policy, parse_envelope(warrant.strip()).digest, audience, self.clock.wall_ns())
        self._notice_rollbacks(here)
        opened = open_drill(
            self.documents,
            warrant,
            self.signer,
            self.store,
            nonce=lambda: secrets.token_hex(16),
            wall_ns=self.clock.wall_ns(),
        )
        return await self._run(opened, here, started, standings)

    async def resume(
        self, drill: str, *, started: Callable[[Runtime], Awaitable[None] | None] = lambda _runtime: None
    ) -> Drill | None:
        """Run a drill that was left unfinished to its end, without waiting for anybody: sites may be held.

        Args:
            drill: The drill.
            started: Called with the runtime before it runs, to watch it or to be able to abort.

        Returns:
            The drill, or None if it was never opened: it is closed, and its use of the warrant spent.

        Raises:
            HaltdrillError: The drill cannot be taken up from here, or the journal failed.
        """
        opened = resume_drill(
            self.documents,
            drill,
            self.signer,
            self.store,
            nonce=lambda: secrets.token_hex(16),
            wall_ns=self.clock.wall_ns(),
        )
        if opened is None:
            self.log.warning("drill.never_opened", drill=drill)
            return None
        return await self._run(opened, {}, started)

    async def _run(
        self,
        opened: Opened,
        here: Mapping[Party, Presence],
        started: Callable[[Runtime], Awaitable[None] | None],
        standings: Standings | None = None,
    ) -> Drill:
        runtime = Runtime(
            opened,
            self.store,
            self.transport,
            self.clock,
            tick_s=min(0.05, opened.drill.warrant.challenge_s / 4),
            threads=self.threads,
            standings=standings,
        )
        runtime.presence.update(here)
        for watched in self.watched:
            watched(runtime)
        outcome = started(runtime)
        if outcome is not None:
            await outcome
        return await runtime.run()

    def _notice_rollbacks(self, here: Mapping[Party, Presence]) -> None:
        """Say aloud whose disk went back in time: it has forgotten what it signed, or obeyed."""
        for (site, who), presence in sorted(here.items()):
            before = self.store.remember_party(site, who, presence.store, presence.last_seq)
            if before is not None:
                self.log.error(
                    "party.rolled_back", site=site, party=who, store=presence.store, had=before, has=presence.last_seq
                )
