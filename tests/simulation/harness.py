"""The whole system in one process on virtual time: the real runtime, agents, witnesses and enforcers.

Only the broker, the disks and the sites themselves are simulated. Everything that anybody says is
written down, and what each site really does is noted as it changes, so that a test can hold what the
evidence says against the truth. Every drill's bundle is verified offline::

    async def scene() -> None:
        async with Simulation(names(20), faults={"site-07": [Fault.DEAF_AGENT]}) as fleet:
            played = await fleet.drill(fleet.warrant(step_of(fleet, PauseParams())))
            assert played.results()["site-00"].passed

    run_virtual(scene())
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeVar

from agents.actuators.marks import MemoryMark
from agents.chain import Chain
from agents.feed import MemoryFeed
from agents.mocksite.assembly import EnforcerKit, MockSite, Surroundings, WitnessKit, assemble
from agents.mocksite.offload import PatientOffload
from agents.probes.base import Probe
from agents.witness import Witness, WitnessParts
from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.grades import SiteStepResult
from orchestrator.evidence.bundle import encode_bundle, result_of
from orchestrator.evidence.findings import VerifyReport
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.journal.chain import ChainReader
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.loop import Runtime
from orchestrator.runtime.opening import open_drill
from protocols.controls import Control, Params, control_of
from protocols.envelope import split_frame
from protocols.ids import digest_of
from protocols.messages import Receipt, Rung, Step, Warrant
from protocols.messages.orders import CLIMB_CHALLENGES
from protocols.mock_config import (
    DEFAULT_JOBS,
    AcceleratorConfig,
    Fault,
    FaultConfig,
    Look,
    MockConfig,
    off_levels,
    register_of,
    signals_of,
    work_rates,
)
from protocols.transport.base import Inbound
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests import kit
from tests.agents.doubles import MemoryDisk, receipt_of
from tests.agents.mocksite.rig import config_of
from tests.log_checks import checked_log
from tests.orchestrator.runtime.scripted import documents_of
from tests.virtual import LoopClock

ENFORCER = "e1"
CHALLENGE_S = 1.0
DWELL_S = 2.0
LIMITS_S = {Control.SHUTDOWN: 7.0, Control.POWER_CUT: 7.0}
LIMIT_S = 5.0
SPARE_S = 2.0
_LOOK_S = 0.1

SMALL_SITE: Mapping[str, Any] = {
    "accelerators": AcceleratorConfig(count=6),
    "jobs": tuple(job.model_copy(update={"accelerators": 1, "state_gb": 8.0}) for job in DEFAULT_JOBS),
}
"""A job of each class on an accelerator each, and one that is free: a census takes a signature of every one."""

E = TypeVar("E", bound=ev.Event)


def names(count: int) -> tuple[str, ...]:
    """Return the names of `count` sites: `site-00`, `site-01`, ..."""
    return tuple(f"site-{number:02d}" for number in range(count))


def step_of(simulation: Simulation, params: Params, *ladder: Params, **changes: Any) -> Step:
    """Make a step with a ladder: limits that a simulated site meets, and a hold that is long enough for every rung."""
    limits = [LIMITS_S.get(control_of(one), LIMIT_S) for one in (params, *ladder)]
    challenge_s = simulation.challenge_s
    limits = [changes.pop("response_limit_s", limits[0]), *limits[1:]]
    licensed_s = getattr(params, "licence_s", 0.0) + getattr(params, "renewed_s", 0.0)
    dwell_s = changes.get("dwell_s", DWELL_S)
    fields: dict[str, Any] = {
        "name": params.control.replace("_", "-"),
        "params": params,
        "ladder": tuple(
            Rung(params=one, response_limit_s=limit_s) for one, limit_s in zip(ladder, limits[1:], strict=True)
        ),
        "hold_s": licensed_s
        + sum(limit_s + dwell_s for limit_s in limits)
        + len(ladder) * CLIMB_CHALLENGES * challenge_s
        + SPARE_S,
        "response_limit_s": limits[0],
        "dwell_s": dwell_s,
        "restore_limit_s": 15.0,
        "max_gap_s": min(dwell_s, 2.5 * challenge_s),
    }
    return simulation.fleet.step(**(fields | changes))


@dataclass(frozen=True, slots=True)
class Played:
    """A drill that came to its end.

    Attributes:
        drill: Its state.
        lines: The lines of its journal.
        bundle: Its evidence, sealed.
        report: What an offline verification of that found.
    """

    drill: Drill
    lines: tuple[bytes, ...]
    bundle: bytes
    report: VerifyReport

    def results(self, step: int = 0) -> dict[str, SiteStepResult]:
        """Return what was found of a step, by site."""
        return {site: self.drill.results[step, site] for site in self.drill.audience}

    def failed(self) -> dict[tuple[int, str], str]:
        """Return every verdict that is no pass, with its cause, by step and site."""
        return {
            place: f"{result.verdict} ({result.cause})"
            for place, result in self.drill.results.items()
            if not result.passed
        }

    def events(self, kind: type[E]) -> list[tuple[int, E]]:
        """Return the events of one kind with their times by the one clock, in order."""
        reader = ChainReader()
        read = [reader.read(line) for line in self.lines]
        return [(record.t_ns, record.event) for record in read if isinstance(record.event, kind)]


@dataclass(frozen=True, slots=True)
class Truth:
    """What a site really does, from a moment on.

    Attributes:
        at_ns: The moment, by the one clock.
        control: The control that is in force by its agent's doing.
        powered: Whether it has power.
        feed_on: Whether its feed is on.
    """

    at_ns: int
    control: Control | None
    powered: bool
    feed_on: bool

    @property
    def as_always(self) -> bool:
        """Whether nothing is in force."""
        return self.control is None and self.powered and self.feed_on


@dataclass
class Simulation:
    """A fleet of simulated sites that runs, and whoever drills it.

    Attributes:
        site_names: Its sites.
        faults: What is wrong with which of them.
        vetoes: The sites whose operator refuses everything; may be changed at any time.
        witnesses: How many witnesses each site has, each of another owner.
        seed: All chance of the sites follows from it.
        changes: Fields of every site's configuration to change.
        adjust: Changes the sites after they were put together, before they run.
        challenge_s: How often witnesses are challenged.
        sites: The sites, once they run.
        heard: Everything that went over the broker.
        truth: What each site really did, as it changed.
    """

    site_names: Sequence[str]
    faults: Mapping[str, Iterable[Fault | FaultConfig]] = field(default_factory=dict)
    vetoes: set[str] = field(default_factory=set)
    witnesses: int = 2
    seed: int = 1
    changes: Mapping[str, Any] = field(default_factory=lambda: SMALL_SITE)
    adjust: Callable[[Simulation], None] | None = None
    challenge_s: float = CHALLENGE_S
    clock: LoopClock = field(default_factory=LoopClock)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    sites: dict[str, MockSite] = field(default_factory=dict)
    feeds: dict[str, MemoryFeed] = field(default_factory=dict)
    heard: list[Inbound] = field(default_factory=list)
    truth: dict[str, list[Truth]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.configs = {site: self._config(number, site) for number, site in enumerate(self.site_names)}
        self.fleet = self._fleet()
        self._stop = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []
        self._beside: list[asyncio.Task[None]] = []
        self._chance = itertools.count()

    def _config(self, number: int, site: str) -> MockConfig:
        return config_of(*self.faults.get(site, ()), site=site, seed=1000 * self.seed + number, **self.changes)

    def _fleet(self) -> kit.Fleet:
        config = self.configs[self.site_names[0]]
        return kit.make_fleet(
            self.site_names,
            witnesses=self.witnesses,
            enforcers=1,
            covers=tuple(signal for look in Look for signal in signals_of(look, config)),
            work=work_rates(config),
            off_levels=off_levels(config),
            record={"controls": tuple(Control), "mock": True},
            per_site=lambda site: {"registry": register_of(self.configs[site]).digest},
        )

    # -- the sites -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        for site in self.site_names:
            self.feeds[site] = MemoryFeed()
            self.sites[site] = self._assemble(site)
        if self.adjust is not None:
            self.adjust(self)
        self._running = [asyncio.create_task(site.run(self._stop)) for site in self.sites.values()]
        self._beside = [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]
        await self.clock.sleep(1)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        for task in (*self._beside, *(self._running if exc is not None else ())):
            task.cancel()
        results = await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*self._beside, return_exceptions=True)
        if exc is None:
            assert results == [None] * len(results)

    def surroundings(self, site: str) -> Surroundings:
        """Return what a site stands in; the disks are new."""
        disks: dict[str, MemoryDisk] = {}
        return Surroundings(
            clock=self.clock,
            connect=lambda who, filters: self.transport(f"{site}/{who}", filters),
            disk=lambda who: disks.setdefault(who, MemoryDisk()),
            log=checked_log("mocksite", level="info"),
            feed=self.feeds[site],
            new_id=lambda: digest_of(f"{self.seed}/{next(self._chance)}".encode())[:32],
        )

    def transport(self, client_id: str, filters: Sequence[str]) -> MemoryTransport:
        """Make a connection that is not entered yet."""
        return MemoryTransport(self.broker, filters, clock=self.clock, client_id=client_id)

    def _assemble(self, site: str) -> MockSite:
        names_of = kit.witness_names(self.witnesses)
        return assemble(
            self.configs[site],
            self.fleet.site_trust(site),
            self.surroundings(site),
            agent=kit.key_of(kit.agent_label(site)),
            witnesses={name: WitnessKit(kit.key_of(kit.witness_label(site, name))) for name in names_of},
            enforcers={ENFORCER: EnforcerKit(kit.key_of(kit.enforcer_label(site, ENFORCER)), MemoryMark())},
            veto=lambda: site in self.vetoes,
        )

    def hire(self, site: str, name: str, probe: Probe) -> None:
        """Have a witness look through another probe than its own, before it runs."""
        around = self.surroundings(site)
        parts = WitnessParts(
            name=name,
            trust=self.fleet.site_trust(site),
            signer=kit.key_of(kit.witness_label(site, name)),
            chain=Chain.open(around.disk(name), new_id=around.new_id()),
            probe=probe,
            clock=self.clock,
            log=around.log.bind(site=site, witness=name),
            connect=lambda: self.transport(f"{site}/{name}", self.fleet.topics.witness_filters(site)),
            software=around.software,
            offload=PatientOffload(self.clock),
        )
        built = self.sites[site]
        built.witnesses = {**built.witnesses, name: Witness(parts)}

    def mend(self) -> None:
        """Take away every fault and veto, so that everything can end in good order."""
        self.vetoes.clear()
        for site in self.sites.values():
            for fault in Fault:
                site.world.faults.switch(fault, on=False)

    async def _listen(self) -> None:
        async with self.transport("ears", [f"{self.fleet.topics.base}/#"]) as ears:
            while True:
                self.heard += await ears.receive(1_000)

    async def _watch(self) -> None:
        while True:
            for name, site in self.sites.items():
                self._note(name, site)
            await self.clock.sleep(_LOOK_S)

    def _note(self, name: str, site: MockSite) -> None:
        world = site.world
        control = None if world.in_force is None else control_of(world.in_force)
        now = Truth(self.clock.boot_ns(), control, world.powered, world.feed_on())
        known = self.truth.setdefault(name, [])
        if not known or replace(known[-1], at_ns=now.at_ns) != now:
            known.append(now)

    # -- drills --------------------------------------------------------------------------------------

    def warrant(self, *steps: Step, **changes: Any) -> Warrant:
        """Make a warrant for all sites (unless changed) that is issued now."""
        now = self.fleet.at(self.clock.boot_ns() / 1e9)
        fields: dict[str, Any] = {
            "max_total_held_s": sum(step.hold_s for step in steps),
            "uses": 1,
            "issued_at": now,
            "not_before": now,
            "challenge_s": self.challenge_s,
        }
        return self.fleet.warrant(*steps, **(fields | changes))

    async def drill(
        self,
        warrant: Warrant,
        *,
        meanwhile: Callable[[Runtime], Any] | None = None,
        store: SqliteJournal | None = None,
    ) -> Played:
        """Run a drill of a warrant that everybody approves now, to its end, and verify its bundle offline.

        Args:
            warrant: What is approved.
            meanwhile: A coroutine function that runs beside it; it is given the runtime.
            store: Where its journal goes; a new one in memory unless given.
        """
        store = store or SqliteJournal(None)
        signer = kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0]))
        opened = open_drill(
            documents_of(self.fleet),
            self.fleet.approve(warrant, kit.APPROVERS),
            signer,
            store,
            nonce=self.fleet.nonce,
            wall_ns=self.clock.wall_ns(),
        )
        opened = replace(opened, issuer=replace(opened.issuer, stranger=lambda: kit.key_of("stranger")))
        async with self.transport("orchestrator", self.fleet.topics.orchestrator_filters()) as transport:
            runtime = Runtime(opened, store, transport, self.clock, gather_s=0.0, threads=0)
            beside = None if meanwhile is None else asyncio.ensure_future(meanwhile(runtime))
            async with asyncio.timeout(3600):
                done = await runtime.run()
        if beside is not None:
            await beside
        lines = tuple(store.lines(done.drill))
        bundle = encode_bundle(lines, result_of(lines), signer)
        return Played(done, lines, bundle, verify_bundle(bundle, roots=[self.fleet.raw_root]))

    # -- what was said -------------------------------------------------------------------------------

    def frames(self, topic: str) -> list[bytes]:
        """Return everything that was said on a topic."""
        return [message.payload for message in self.heard if message.topic == topic]

    def receipts(self, site: str, *, by: str | None = None) -> list[Receipt]:
        """Return the receipts of a site's agent, or of its enforcer of this name, each once."""
        topics = self.fleet.topics
        topic = topics.agent(site) if by is None else topics.enforcer(site, by)
        label = kit.agent_label(site) if by is None else kit.enforcer_label(site, by)
        said = {}
        for envelope in itertools.chain.from_iterable(split_frame(frame) for frame in self.frames(topic)):
            if envelope.payload_type == Receipt.payload_type():
                receipt = receipt_of(envelope, site, label)
                said[receipt.link.seq] = receipt
        return [said[seq] for seq in sorted(said)]
