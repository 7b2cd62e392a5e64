"""Puts one simulated site together: its world, and the real agent, witnesses and enforcers on it.

The same assembly runs on a broker and the wall clock, and on memory and a virtual clock. Each party
has its own key, connection and disk; what they share is the world, and each sees it its own way.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agents.actuators.cutoff import Cutoff
from agents.actuators.marks import Marks, MemoryMark
from agents.actuators.switch import FeedSwitch
from agents.agent import Agent, AgentParts, fresh_nonce
from agents.chain import Chain
from agents.feed import Feed
from agents.ledger import Identity, Ledger
from agents.mocksite.driver import MockDriver
from agents.mocksite.faulty import DeafTransport, DriftingClock, FaultyDriver
from agents.mocksite.offload import PatientOffload
from agents.mocksite.probe import MockProbe
from agents.mocksite.world import World
from agents.store import Disk
from agents.witness import Witness, WitnessParts
from protocols.clock import Clock
from protocols.controls import Actor
from protocols.host.logs import FilteringBoundLogger
from protocols.keys import Signer
from protocols.messages import AGENT
from protocols.mock_config import Fault, Look, MockConfig, Register, looks_of, register_of
from protocols.topics import Topics
from protocols.transport.base import Transport
from protocols.trust import SiteTrust

PULSE_S = 0.1
"""How often a site looks at its feed by itself, when no witness looks."""

Connect = Callable[[str, Sequence[str]], Transport]
"""Makes the transport of a party, given its name and what it subscribes to; it is not entered yet."""

_ID_BYTES = 16


def never() -> bool:
    """Return False: the veto of an operator who has none."""
    return False


@dataclass(frozen=True, slots=True)
class WitnessKit:
    """What one witness of a simulated site starts with.

    Attributes:
        signer: Its key.
        looks: Its instruments; None for those that it needs for what the site record says it covers.
        register: Its copy of the register; None for the one that the site was delivered with.
        trust: Its own copy of the documents; None for the agent's.
    """

    signer: Signer
    looks: tuple[Look, ...] | None = None
    register: Register | None = None
    trust: SiteTrust | None = None


@dataclass(frozen=True, slots=True)
class EnforcerKit:
    """What one enforcer of a simulated site starts with.

    Attributes:
        signer: Its key.
        marks: Where it keeps that it cut; None for a memory that lasts as long as this.
        veto: Whoever runs it may refuse everything.
        trust: Its own copy of the documents; None for the agent's.
    """

    signer: Signer
    marks: Marks | None = None
    veto: Callable[[], bool] = never
    trust: SiteTrust | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a simulated site stands in.

    Attributes:
        clock: The true clock.
        connect: Makes the transport of a party.
        disk: Makes the disk of a party, given its name.
        log: Where everybody's log goes.
        feed: The power feed; None for one that nobody switches.
        software: Name and version of the program.
        new_id: Makes the id of a new store.
        nonce: Makes the nonces of agents and enforcers.
        pulse_s: How often a site looks at its feed by itself, when no witness looks.
        on_destroyed: Called when the accelerators are about to be destroyed: nothing else outlives this program.
    """

    clock: Clock
    connect: Connect
    disk: Callable[[str], Disk]
    log: FilteringBoundLogger
    feed: Feed | None = None
    software: str = "haltdrill mocksite"
    new_id: Callable[[], str] = field(default=lambda: secrets.token_hex(_ID_BYTES))
    nonce: Callable[[], str] = fresh_nonce
    pulse_s: float = PULSE_S
    on_destroyed: Callable[[], None] = field(default=lambda: None)


@dataclass(slots=True)
class MockSite:
    """A simulated site, ready to run.

    Attributes:
        world: What is simulated; its faults may be switched while it runs.
        agent: Its agent.
        witnesses: Its witnesses, by name.
        enforcers: Its enforcers, by name.
    """

    world: World
    agent: Agent
    witnesses: Mapping[str, Witness]
    enforcers: Mapping[str, Agent]
    _clock: Clock
    _close: Sequence[Callable[[], None]]
    _make_agent: Callable[[], Agent]
    _make_others: Callable[[], tuple[Mapping[str, Witness], Mapping[str, Agent]]]
    _pulse_s: float = PULSE_S

    def restart_agent(self) -> None:
        """Have a new agent take the place of one that ended, on the same disk and the same world."""
        self.agent = self._make_agent()

    def revive(self) -> None:
        """Have new parties take the place of those that ended, on the same disks and the same world."""
        self.agent = self._make_agent()
        self.witnesses, self.enforcers = self._make_others()

    async def run(self, stop: asyncio.Event) -> None:
        """Run everybody until `stop` is set.

        Raises:
            DriverError: Agent or enforcer had to leave the site unrestored.
        """
        parties: list[Agent | Witness] = [self.agent, *self.enforcers.values(), *self.witnesses.values()]
        tasks = [asyncio.ensure_future(party.run(stop)) for party in parties]
        tasks.append(asyncio.ensure_future(self._pulse(stop)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if stop.is_set():
                await asyncio.wait(tasks)  # whoever restores gets the time for it, whatever became of the others
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pulse(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.world.advance(self._clock.boot_ns())
            await self._clock.sleep(self._pulse_s)

    def close(self) -> None:
        """Let go of the disks."""
        for close in self._close:
            close()


def assemble(
    config: MockConfig,
    trust: SiteTrust,
    surroundings: Surroundings,
    *,
    agent: Signer,
    witnesses: Mapping[str, WitnessKit],
    enforcers: Mapping[str, EnforcerKit],
    veto: Callable[[], bool] = never,
    destroyed: bool = False,
) -> MockSite:
    """Put a simulated site together.

    Args:
        config: What is simulated.
        trust: The documents that its agent holds, and whoever has no copy of its own.
        surroundings: Clock, connections, disks, log and feed.
        agent: The agent's key.
        witnesses: Its witnesses, by name.
        enforcers: Its enforcers that run here, by name; they need a feed.
        veto: Tells whether the operator's local veto is set.
        destroyed: Whether its accelerators were destroyed before.

    Raises:
        StoreError: A disk cannot be read.
    """
    feed = surroundings.feed
    clock = surroundings.clock
    world = World(config, now_ns=clock.boot_ns(), feed=None if feed is None else feed.state, destroyed=destroyed)
    world.devices.on_destroyed = surroundings.on_destroyed
    maker = _Maker(world, trust, surroundings)

    def others() -> tuple[Mapping[str, Witness], Mapping[str, Agent]]:
        built = {name: maker.enforcer(name, kit, feed) for name, kit in enforcers.items() if feed is not None}
        return {name: maker.witness(name, kit) for name, kit in witnesses.items()}, built

    built_witnesses, built_enforcers = others()
    return MockSite(
        world,
        maker.agent(agent, veto),
        built_witnesses,
        built_enforcers,
        clock,
        maker.closes,
        lambda: maker.agent(agent, veto),
        others,
        surroundings.pulse_s,
    )


class _Maker:
    def __init__(self, world: World, trust: SiteTrust, around: Surroundings) -> None:
        self._world = world
        self._trust = trust
        self._around = around
        self._topics = Topics(trust.fleet)
        self._site = trust.record.site
        self._offload = PatientOffload(around.clock)
        self.closes: list[Callable[[], None]] = []

    def agent(self, signer: Signer, veto: Callable[[], bool]) -> Agent:
        world, around = self._world, self._around
        faults = world.faults
        filters = self._topics.agent_filters(self._site)
        return Agent(
            AgentParts(
                trust=self._trust,
                signer=signer,
                ledger=self._ledger(AGENT, signer, self._trust),
                driver=FaultyDriver(MockDriver(world, self._trust.record.work, around.clock), faults),
                clock=self._clock(lambda: faults.has(Fault.DRIFTING_CLOCK)),
                log=around.log.bind(site=self._site),
                veto=veto,
                connect=lambda: DeafTransport(around.connect(AGENT, filters), faults),
                software=around.software,
                offload=self._offload,
                nonce=around.nonce,
            )
        )

    def witness(self, name: str, kit: WitnessKit) -> Witness:
        world, around = self._world, self._around
        trust = kit.trust or self._trust
        covers = next(entry.covers for entry in trust.record.witnesses if entry.name == name)
        looks = looks_of(covers, world.config) if kit.looks is None else kit.looks
        register = register_of(world.config) if kit.register is None else kit.register
        chain = Chain.open(around.disk(name), new_id=around.new_id())
        self.closes.append(chain.close)
        filters = self._topics.witness_filters(self._site)
        return Witness(
            WitnessParts(
                name=name,
                trust=trust,
                signer=kit.signer,
                chain=chain,
                probe=MockProbe(world, name, looks, register=register, clock=around.clock),
                clock=self._clock(lambda: world.faults.clock_has(name)),
                log=around.log.bind(site=self._site, witness=name),
                connect=lambda: around.connect(name, filters),
                software=around.software,
                offload=self._offload,
            )
        )

    def enforcer(self, name: str, kit: EnforcerKit, feed: Feed) -> Agent:
        around = self._around
        trust = kit.trust or self._trust
        filters = self._topics.enforcer_filters(self._site)
        log = around.log.bind(site=self._site, enforcer=name)
        marks = MemoryMark() if kit.marks is None else kit.marks
        return Agent(
            AgentParts(
                trust=trust,
                signer=kit.signer,
                ledger=self._ledger(name, kit.signer, trust),
                driver=Cutoff(FeedSwitch(feed), marks, log=log, clock=around.clock),
                clock=around.clock,
                log=log,
                veto=kit.veto,
                connect=lambda: around.connect(name, filters),
                software=around.software,
                offload=self._offload,
                actor=Actor.ENFORCER,
                name=name,
                nonce=around.nonce,
            )
        )

    def _ledger(self, name: str, signer: Signer, trust: SiteTrust) -> Ledger:
        around = self._around
        identity = Identity(trust.fleet, self._site, signer, by=name)
        ledger = Ledger.open(around.disk(name), identity, new_id=around.new_id(), now_ns=around.clock.wall_ns())
        self.closes.append(ledger.close)
        return ledger

    def _clock(self, drifts: Callable[[], bool]) -> Clock:
        return DriftingClock(self._around.clock, drift=self._world.config.fault_timing.drift, drifts=drifts)
