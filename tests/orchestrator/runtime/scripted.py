"""Sites that follow a script: an agent and witnesses over the memory transport, with a true load.

They sign like real ones, so the orchestrator cannot tell the difference; what they do wrong is
switched on one fault at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.fleet.load import FleetDocuments
from orchestrator.journal.base import JournalStore
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.loop import Observer, Runtime
from orchestrator.runtime.opening import open_drill
from protocols.envelope import Envelope, open_envelope, seal, split_frame
from protocols.ids import format_utc
from protocols.keys import PublicKey
from protocols.messages import (
    Abort,
    Challenge,
    Closing,
    Counter,
    Link,
    Message,
    Order,
    Outcome,
    Peak,
    Quoted,
    Reading,
    Recall,
    Receipt,
    Release,
    Signal,
    Warrant,
)
from protocols.reasons import Reason
from protocols.transport.base import Transport
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests.kit import (
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
from tests.virtual import LoopClock

RATE_US_PER_S = 500_000
NO_BODY = "0" * 64


@dataclass
class Load:
    """The site's true work, exactly integrated."""

    clock: LoopClock
    active: bool = True
    processes: int = 3
    _done_us: float = 0.0
    _since_ns: int | None = None

    def work_us(self) -> int:
        """Return the cumulative work so far."""
        now_ns = self.clock.boot_ns()
        if self._since_ns is not None and self.active:
            self._done_us += (now_ns - self._since_ns) / 1e9 * RATE_US_PER_S
        self._since_ns = now_ns
        return int(self._done_us)

    def switch(self, *, active: bool) -> None:
        """Start or stop the work now."""
        self.work_us()
        self.active = active


@dataclass
class Script:
    """What one site does wrong.

    Attributes:
        lies: Reports a halt and works on.
        silent: Its agent answers nothing.
        refuses: Its agent refuses every order.
        provoked: Its agent first meets the order with a warrant that somebody tampered with.
        delay_s: Time from the order to the halt.
        resumes_after_s: Begins to work again inside the hold, this long after the halt.
        stays_down: Never comes back.
        idle: Has no load from the start.
        lost: By witness, positions of readings that are lost on the wire.
        never_resends: Witnesses that ignore recalls.
        no_closing: Witnesses that stop before their closing.
        mute: Witnesses that say nothing.
        blind: Witnesses that always report work.
        mad_clock: Witnesses whose own clock makes no sense.
    """

    lies: bool = False
    silent: bool = False
    refuses: bool = False
    provoked: bool = False
    delay_s: float = 0.4
    resumes_after_s: float | None = None
    stays_down: bool = False
    idle: bool = False
    lost: dict[str, frozenset[int]] = field(default_factory=dict)
    never_resends: frozenset[str] = frozenset()
    no_closing: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    blind: frozenset[str] = frozenset()
    mad_clock: frozenset[str] = frozenset()


class Chain:
    """A sender's chain of signed messages."""

    def __init__(self, label: str, clock: LoopClock) -> None:
        self.signer = key_of(label)
        self.clock = clock
        self.sent: list[bytes] = []
        self.mad = False
        self._prev = NO_BODY

    def link(self) -> Link:
        """Return the place of the next message."""
        boot_ns = self.clock.boot_ns() * (9 if self.mad else 1)
        return Link(seq=len(self.sent) + 1, prev=self._prev, boot_id=self.clock.boot_id, boot_ns=boot_ns)

    def seal(self, message: Message) -> bytes:
        """Sign the next message and keep it."""
        raw = seal(message, self.signer)
        self._prev = message.digest()
        self.sent.append(raw)
        return raw


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
        self._tasks: set[asyncio.Task[None]] = set()
        self._readings: dict[str, list[int]] = {}
        dispatcher = PublicKey.load(public_of(dispatcher_label(DISPATCHERS[0])))
        approvers = [PublicKey.load(public_of(approver_label(owner))) for owner in ("board", "regulator", "safety")]
        self._keys = {key.key_id: key for key in (dispatcher, *approvers)}

    async def run(self) -> None:
        """Serve until cancelled."""
        filters = (*self.fleet.topics.agent_filters(self.site), *self.fleet.topics.witness_filters(self.site))
        async with MemoryTransport(self._broker, filters, clock=self.clock, client_id=self.site) as transport:
            try:
                while True:
                    for inbound in await transport.receive(64):
                        for envelope in split_frame(inbound.payload):
                            await self._hear(envelope, transport)
            finally:
                for task in self._tasks:
                    task.cancel()

    async def _hear(self, envelope: Envelope, transport: Transport) -> None:
        for kind in (Order, Release, Abort, Challenge, Recall):
            if envelope.payload_type == kind.payload_type():
                message, _ = open_envelope(envelope, kind, self._keys)
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
            case _:
                pass

    async def _order(self, order: Order, transport: Transport) -> None:
        digest = order.digest()
        if self.script.silent or digest in self._orders:
            return
        if self.script.provoked and not self._agent.sent:
            await self._receipt(order, Outcome.REFUSED, transport, Reason.UNDER_THRESHOLD)
            return
        self._orders.add(digest)
        if self.script.refuses:
            await self._receipt(order, Outcome.REFUSED, transport, Reason.VETO)
            return
        await self._receipt(order, Outcome.ACCEPTED, transport)
        self._start(self._halt(order, transport))

    async def _halt(self, order: Order, transport: Transport) -> None:
        await self.clock.sleep(self.script.delay_s)
        if not self.script.lies:
            self.load.switch(active=False)
            self.load.processes = 0
        await self._receipt(order, Outcome.HALTED, transport)
        if self.script.resumes_after_s is not None:
            await self.clock.sleep(self.script.resumes_after_s)
            self.load.switch(active=True)

    async def _stop(self, _message: Release | Abort, _transport: Transport) -> None:
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
        message = Receipt(
            fleet=self.fleet.fleet,
            site=self.site,
            link=self._agent.link(),
            at=format_utc(self.clock.wall_ns()),
            order=order.digest(),
            drill=order.drill,
            use=order.use,
            step=order.step,
            outcome=outcome,
            reason=reason,
            detail="",
            elapsed_ns=0,
        )
        await transport.publish(self.fleet.topics.agent(self.site), self._agent.seal(message))

    def _signals(self, name: str) -> tuple[Signal, ...]:
        work_us = self.load.work_us()
        if name in self.script.blind:
            work_us = self.clock.boot_ns() // 1000 // 2
        return (
            Counter(name=CPU_SIGNAL, epoch="e1", value=work_us),
            Peak(name=PROCESSES_SIGNAL, value=self.load.processes),
        )

    async def _challenge(self, challenge: Challenge, transport: Transport) -> None:
        quotes = Quoted(drill=challenge.drill, seq=challenge.seq, nonce=challenge.nonce, digest=challenge.digest())
        for name, chain in self._witnesses.items():
            if name in self.script.mute:
                continue
            chain.mad = name in self.script.mad_clock
            common = {"fleet": self.fleet.fleet, "site": self.site, "witness": name, "quotes": quotes}
            numbers = self._readings.setdefault(name, [])
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
        signer = key_of(dispatcher_label(DISPATCHERS[0]))
        opened = open_drill(
            documents_of(self.fleet),
            self.fleet.approve(warrant),
            signer,
            self.store,
            nonce=self.fleet.nonce,
            wall_ns=self.clock.wall_ns(),
        )
        filters = self.fleet.topics.orchestrator_filters()
        async with MemoryTransport(self.broker, filters, clock=self.clock, client_id="orchestrator") as transport:
            self.runtime = Runtime(
                opened.drill,
                opened.events,
                opened.issuer,
                self.store,
                transport,
                self.clock,
                observers=[self._note, *observers],
                gather_s=0.0,
                threads=0,
            )
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
