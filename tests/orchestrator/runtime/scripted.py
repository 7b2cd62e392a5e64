"""Sites that follow a script: an agent and witnesses over the memory transport, with a true load.

They sign like real ones, so the orchestrator cannot tell the difference; what they do wrong is
switched on one fault at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.fleet.load import FleetDocuments
from orchestrator.journal.base import JournalStore
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.loop import Observer, Runtime
from orchestrator.runtime.opening import open_drill
from protocols.controls import LeaseParams, Params, PauseParams, RefusalParams, StandbyParams
from protocols.envelope import Envelope, open_envelope, split_frame
from protocols.ids import format_utc
from protocols.keys import PublicKey
from protocols.messages import (
    Abort,
    Challenge,
    Closing,
    Counter,
    Fact,
    Licence,
    Message,
    Order,
    Outcome,
    Peak,
    Quoted,
    Reading,
    Recall,
    Release,
    Signal,
    Warrant,
)
from protocols.reasons import Reason
from protocols.signals import FEED, FEED_OFF, FEED_ON, POWER
from protocols.transport.base import Transport
from protocols.transport.memory import MemoryBroker, MemoryTransport
from protocols.trust import Accepted, Noted, Refused, Repeat
from tests.kit import (
    APPROVERS,
    CPU_SIGNAL,
    DISPATCHERS,
    PROCESSES_SIGNAL,
    Fleet,
    agent_label,
    approver_label,
    dispatcher_label,
    key_of,
    public_of,
    witness_label,
)
from tests.orchestrator.runtime.enforcing import ScriptedEnforcer
from tests.orchestrator.runtime.gate import Gate
from tests.orchestrator.runtime.leasing import Lease
from tests.orchestrator.runtime.parts import Chain, Load, Script, receipt
from tests.virtual import LoopClock

__all__ = ["Chain", "Load", "Script", "ScriptedSite", "Stage", "documents_of"]


class ScriptedSite:
    """One site: its agent and its witnesses.

    Args:
        fleet: The fleet that it belongs to.
        site: Its name.
        broker: Where it connects.
        clock: Virtual time.
        script: What it does wrong.
    """

    def __init__(self, fleet: Fleet, site: str, broker: MemoryBroker, clock: LoopClock, script: Script) -> None:
        self.fleet, self.site, self.clock, self.script = fleet, site, clock, script
        self.load = Load(clock, active=not script.idle)
        self._broker = broker
        self._agent = Chain(agent_label(site), clock)
        self._witnesses = {
            witness.name: Chain(witness_label(site, witness.name), clock) for witness in fleet.records[site].witnesses
        }
        self._orders: set[str] = set()
        self._answers: dict[str, list[bytes]] = {}
        self._lease: Lease | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._readings: dict[tuple[str, str], list[int]] = {}
        self._gate: Gate | None = None
        dispatcher = PublicKey.load(public_of(dispatcher_label(DISPATCHERS[0])))
        approvers = [PublicKey.load(public_of(approver_label(owner))) for owner in ("board", "regulator", "safety")]
        self.keys = {key.key_id: key for key in (dispatcher, *approvers)}

    async def run(self) -> None:
        """Serve until cancelled."""
        filters = (*self.fleet.topics.agent_filters(self.site), *self.fleet.topics.witness_filters(self.site))
        async with MemoryTransport(self._broker, filters, clock=self.clock, client_id=self.site) as transport:
            try:
                while True:
                    for inbound in await transport.receive(64):
                        await self._take(split_frame(inbound.payload), transport)
            finally:
                for task in self._tasks:
                    task.cancel()

    async def _take(self, frame: list[Envelope], transport: Transport) -> None:
        if frame[0].payload_type == Order.payload_type():
            await self._ordered(frame[0], frame[1], transport)
            return
        for envelope in frame:
            for kind in (Release, Abort, Challenge, Recall, Licence):
                if envelope.payload_type == kind.payload_type():
                    message, _ = open_envelope(envelope, kind, self.keys)
                    await self.hear(message, transport)

    async def hear(self, message: Message, transport: Transport) -> None:
        """Answer one verified message."""
        match message:
            case Order():
                await self._order(message, transport)
            case Release() | Abort():
                await self._stop(message, transport)
            case Challenge():
                await self._challenge(message, transport)
            case Recall():
                await self._recall(message, transport)
            case Licence():
                self._licence(message)
            case _:
                pass

    @property
    def gate(self) -> Gate:
        """The agent's authority."""
        if self._gate is None:
            self._gate = Gate(self.fleet.site_trust(self.site), self.clock, veto=self.script.refuses)
        return self._gate

    async def _ordered(self, envelope: Envelope, warrant: Envelope, transport: Transport) -> None:
        """Answer an order that came with its warrant, as the real gate decides."""
        script = self.script
        if script.silent:
            return
        if script.provoked and not self._agent.sent:
            order, _ = open_envelope(envelope, Order, self.keys)
            await self._receipt(order, Outcome.REFUSED, transport, Reason.UNDER_THRESHOLD)
            return
        match self.gate.admit(envelope, warrant):
            case Accepted(order=order, rung=rung):
                await self._obey(order, rung.params, transport)
            case Refused(order=order, digest=digest, reason=reason):
                gullible = reason in script.gullible
                outcome = Outcome.ACCEPTED if gullible else Outcome.REFUSED
                said = None if gullible else script.misjudges.get(reason, reason)
                await self._answer(order, digest, outcome, transport, said)
            case Repeat(digest=digest):
                for raw in self._answers.get(digest, ()):
                    await transport.publish(self.fleet.topics.agent(self.site), raw)
            case Noted():
                pass  # an enforcer's to act on

    async def _order(self, order: Order, transport: Transport) -> None:
        """Obey an order whose signature and warrant somebody else has checked."""
        if not self.script.silent and order.digest() not in self._orders:
            await self._obey(order, PauseParams(), transport)

    async def _obey(self, order: Order, params: Params, transport: Transport) -> None:
        self._orders.add(order.digest())
        await self._receipt(order, Outcome.ACCEPTED, transport)
        match params:
            case RefusalParams() | StandbyParams():
                pass  # nothing is done, and nothing was to be accepted
            case LeaseParams():
                self._lease = Lease(self.fleet, self.site, self.clock, self.script, order, params, self._agent.signer)
                self._start(self._run_lease(self._lease, order, transport))
            case _:
                self._start(self._halt(order, transport))

    async def _run_lease(self, lease: Lease, order: Order, transport: Transport) -> None:
        await lease.work(transport)
        self.load.switch(active=False)
        await self._receipt(order, Outcome.HALTED, transport)

    def _licence(self, licence: Licence) -> None:
        if self._lease is not None and licence.site == self.site:
            self._lease.hear(licence)

    async def _halt(self, order: Order, transport: Transport) -> None:
        faulty = self.script.faulty_at(order.rung)
        await self.clock.sleep(self.script.delay_s if faulty else 0.4)
        if self.script.fails and faulty:
            await self._receipt(order, Outcome.FAILED, transport, Reason.DRIVER_FAILED)
            return
        if not (self.script.lies and faulty):
            self.load.switch(active=False)
            self.load.processes = 0
        await self._receipt(order, Outcome.HALTED, transport)
        if self.script.resumes_after_s is not None:
            await self.clock.sleep(self.script.resumes_after_s)
            self.load.switch(active=True)

    async def _stop(self, message: Release | Abort, _transport: Transport) -> None:
        if self._gate is not None:
            self._gate.stop(message)
        for task in self._tasks:
            task.cancel()
        if not self.script.stays_down and not self.script.idle:
            self.load.switch(active=True)
            self.load.processes = 3

    def _start(self, work: object) -> None:
        task = asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receipt(
        self, order: Order, outcome: Outcome, transport: Transport, reason: Reason | None = None
    ) -> None:
        await self._answer(order, order.digest(), outcome, transport, reason)

    async def _answer(
        self, order: Order | None, digest: str, outcome: Outcome, transport: Transport, reason: Reason | None = None
    ) -> None:
        raw = receipt(self.fleet, self.site, self._agent, order, digest, outcome, reason)
        if outcome is not Outcome.REFUSED:
            self._answers.setdefault(digest, []).append(raw)
        await transport.publish(self.fleet.topics.agent(self.site), raw)

    def _signals(self, name: str) -> tuple[Signal, ...]:
        work_us = self.load.work_us()
        if name in self.script.blind:
            work_us = self.clock.boot_ns() // 1000 // 2
        covers = next(entry.covers for entry in self.fleet.records[self.site].witnesses if entry.name == name)
        seen: tuple[Signal, ...] = (
            Counter(name=CPU_SIGNAL, epoch="e1", value=work_us),
            Peak(name=PROCESSES_SIGNAL, value=self.load.processes if self.load.powered else 0),
            Peak(name=POWER, value=self.load.power_w),
            Fact(name=FEED, value=FEED_ON if self.load.powered else FEED_OFF),
        )
        return tuple(signal for signal in seen if signal.name in covers)

    async def _challenge(self, challenge: Challenge, transport: Transport) -> None:
        quotes = Quoted(drill=challenge.drill, seq=challenge.seq, nonce=challenge.nonce, digest=challenge.digest())
        for name, chain in self._witnesses.items():
            if name in self.script.mute:
                continue
            chain.mad = name in self.script.mad_clock
            common = {"fleet": self.fleet.fleet, "site": self.site, "witness": name, "quotes": quotes}
            numbers = self._readings.setdefault((challenge.drill, name), [])
            reading = Reading(
                link=chain.link(), at=format_utc(self.clock.wall_ns()), signals=self._signals(name), **common
            )
            numbers.append(reading.link.seq)
            raw = chain.seal(reading)
            if len(numbers) - 1 not in self.script.lost.get(name, ()):
                await transport.publish(self.fleet.topics.witness(self.site, name), raw)
            if challenge.final and name not in self.script.no_closing:
                closing = Closing(
                    link=chain.link(),
                    at=format_utc(self.clock.wall_ns()),
                    first=numbers[0],
                    last=numbers[-1],
                    **common,
                )
                await transport.publish(self.fleet.topics.witness(self.site, name), chain.seal(closing))

    async def _recall(self, recall: Recall, transport: Transport) -> None:
        if recall.site != self.site or recall.witness in self.script.never_resends:
            return
        for raw in self._witnesses[recall.witness].sent[recall.first - 1 : recall.last]:
            await transport.publish(self.fleet.topics.witness(self.site, recall.witness), raw)


def documents_of(fleet: Fleet) -> FleetDocuments:
    """Return a test fleet's documents as the orchestrator loads them."""
    return FleetDocuments(fleet.trust(), (fleet.raw_root,), fleet.raw_policy, fleet.raw_index, dict(fleet.raw_records))


@dataclass
class Stage:
    """A fleet of scripted sites around a real runtime, on virtual time."""

    fleet: Fleet
    scripts: dict[str, Script] = field(default_factory=dict)
    store: JournalStore = field(default_factory=lambda: SqliteJournal(None))
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    clock: LoopClock = field(default_factory=LoopClock)
    sites: dict[str, ScriptedSite] = field(default_factory=dict)
    runtime: Runtime | None = None
    watched: Callable[[Runtime], None] = field(default=lambda _runtime: None)
    ordered: asyncio.Event = field(default_factory=asyncio.Event)

    def _note(self, stamped: ev.Stamped, _said: Message | None) -> None:
        if isinstance(stamped.event, ev.OrderPublished):
            self.ordered.set()

    @property
    def running(self) -> Runtime:
        """The runtime, once the drill has begun."""
        assert self.runtime is not None
        return self.runtime

    async def play(
        self,
        warrant: Warrant,
        *,
        observers: Sequence[Observer] = (),
        meanwhile: object = None,
    ) -> Drill:
        """Run one drill to its end and return it."""
        self.sites = {
            site: ScriptedSite(self.fleet, site, self.broker, self.clock, self.scripts.get(site, Script()))
            for site in self.fleet.sites
        }
        serving = [asyncio.ensure_future(site.run()) for site in self.sites.values()]
        for site in self.sites.values():
            entries = () if site.script.no_enforcer else self.fleet.records[site.site].enforcers
            enforcers = [ScriptedEnforcer(site, entry.name, self.broker) for entry in entries]
            serving += [asyncio.ensure_future(enforcer.run()) for enforcer in enforcers]
        signer = key_of(dispatcher_label(DISPATCHERS[0]))
        opened = open_drill(
            documents_of(self.fleet),
            self.fleet.approve(warrant, APPROVERS),
            signer,
            self.store,
            nonce=self.fleet.nonce,
            wall_ns=self.clock.wall_ns(),
        )
        filters = self.fleet.topics.orchestrator_filters()
        async with MemoryTransport(self.broker, filters, clock=self.clock, client_id="orchestrator") as transport:
            self.runtime = Runtime(
                opened,
                self.store,
                transport,
                self.clock,
                observers=[self._note, *observers],
                gather_s=0.0,
                threads=0,
            )
            self.watched(self.runtime)
            beside = asyncio.ensure_future(meanwhile(self)) if callable(meanwhile) else None
            try:
                async with asyncio.timeout(600):
                    return await self.runtime.run()
            finally:
                for task in (*serving, *([beside] if beside else [])):
                    task.cancel()
                for ended in await asyncio.gather(*serving, return_exceptions=True):
                    if isinstance(ended, Exception):
                        raise ended
