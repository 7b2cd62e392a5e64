"""A stage with just enough weather for the planted bugs: whole drills in which one or two things go wrong a lot.

A seed draws one drill and what troubles it: a network that loses, doubles and delays; parties that are
cut off or crash and come back (some with their machine); witnesses that lie; a thief of the dispatcher's
key; a veto, the lever, an abort. What nobody troubles must be verified, or no claim would be tested.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from agents.agent import Agent
from agents.chain import Chain
from agents.feed import MemoryFeed
from agents.ledger import Ledger
from agents.probes.base import Probe
from agents.witness import Witness
from protocols.clock import Clock
from protocols.controls import Control, LeaseParams, Params, PauseParams, PowerCutParams, ShutdownParams, SlowdownParams
from protocols.envelope import seal
from protocols.errors import TransportError
from protocols.messages import AGENT, Challenge, Counter, Outcome, Signal, Warrant, WitnessEntry
from protocols.mock_config import Fault, Look, off_levels, register_of, signals_of, work_rates
from protocols.transport.memory import MemoryTransport
from tests import kit
from tests.simulation.harness import Simulation, names, step_of
from tests.simulation.invariants import Ran
from tests.simulation.recorded import NS, Recording
from tests.simulation.thief import Thief, policy_with_second_key
from tests.simulation.truth import Sent, Struck
from tests.virtual import run_virtual

LADDERS: tuple[tuple[Params, ...], ...] = (
    (PauseParams(),),
    (PauseParams(),),
    (ShutdownParams(grace_s=5.0),),
    (SlowdownParams(),),
    (LeaseParams(licence_s=1.5, renewed_s=2.5),),
    (LeaseParams(licence_s=2.5, renewed_s=2.0),),
    (PowerCutParams(),),
    (PauseParams(), PowerCutParams()),
    (PauseParams(), ShutdownParams(grace_s=5.0)),
    (SlowdownParams(), PauseParams(), PowerCutParams()),
)
FAULTS = (Fault.PARTIAL, Fault.DEAF_AGENT, Fault.SLOW, Fault.NO_RESTORE_PATH, Fault.FLAPPING, Fault.RESPAWNING_JOB)
WITNESSES = 3
TROUBLES = ("network", "cuts", "crashes", "lies", "thief", "people", "fault", "flood")


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network does to each message.

    Attributes:
        loss: The share that is lost; `twice` the share that comes twice.
        delay_s: The most that a message takes.
    """

    loss: float = 0.0
    twice: float = 0.0
    delay_s: float = 0.01


class RebootedClock:
    """The clock of a machine that was started again: a new boot, and a wall clock that may be wrong."""

    def __init__(self, true: Clock, number: int, skew_ns: int) -> None:
        self._true, self._since_ns, self._skew_ns = true, true.boot_ns(), skew_ns
        self.boot_id = f"00000000-0000-4000-8000-{number:012x}"

    def wall_ns(self) -> int:
        """Return the wall time as this machine has it."""
        return self._true.wall_ns() + self._skew_ns

    def boot_ns(self) -> int:
        """Return the time since this boot."""
        return self._true.boot_ns() - self._since_ns

    async def sleep(self, duration_s: float) -> None:
        """Wait."""
        await self._true.sleep(duration_s)


class Liar:
    """A probe that shows steady work, or none, from a moment on, whatever the site does."""

    def __init__(self, honest: Probe, per_s: dict[str, int], *, active: bool, since_ns: int, clock: Clock) -> None:
        self._honest, self._per_s, self._active, self._since_ns, self._clock = honest, per_s, active, since_ns, clock
        self._last: dict[str, int] = {}

    def sample(self, challenge: Challenge) -> tuple[Signal, ...]:
        """Look, and say something else."""
        return tuple(self._bent(signal) for signal in self._honest.sample(challenge))

    def _bent(self, signal: Signal) -> Signal:
        if not isinstance(signal, Counter):
            return signal
        now_ns = self._clock.boot_ns()
        if now_ns < self._since_ns:
            self._last[signal.name] = signal.value
            return signal
        grown = self._per_s.get(signal.name, 0) * (now_ns - self._since_ns) // NS if self._active else 0
        return signal.model_copy(update={"value": self._last.get(signal.name, signal.value) + grown})


class Storm(Recording):
    """Simulated sites in bad weather; each party runs, crashes and comes back by itself."""

    weather = Weather()
    chance = random.Random()

    def _fleet(self) -> kit.Fleet:
        config = self.configs[self.site_names[0]]
        covers = tuple(signal for look in Look for signal in signals_of(look, config))
        work, levels = work_rates(config), off_levels(config)
        twins = self.seed % 2 == 0

        def per_site(site: str) -> dict[str, Any]:
            listed = [
                WitnessEntry(
                    name=name,
                    owner=kit.WITNESS_OWNERS[min(number, 1) if twins else number],
                    key=kit.public_of(kit.witness_label(site, name)),
                    covers=covers,
                )
                for number, name in enumerate(kit.witness_names(WITNESSES))
            ]
            return {"registry": register_of(self.configs[site]).digest, "witnesses": tuple(listed)}

        return kit.make_fleet(
            self.site_names,
            enforcers=1,
            work=work,
            off_levels=levels,
            record={"controls": tuple(Control), "mock": True},
            policy=policy_with_second_key(),
            per_site=per_site,
        )

    def publish(self, who: str, topic: str, payload: bytes) -> None:
        """Publish something for somebody who is no party."""
        self.noted.sent.append(Sent(self.clock.boot_ns(), who, topic, payload, self.place()))
        self.broker.route(topic, payload)

    async def __aenter__(self) -> Self:
        self.parties: dict[str, Agent | Witness] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._boots = 100
        for site in self.site_names:
            self.feeds[site] = MemoryFeed()
            built = self.sites[site] = self._assemble(site)
            mine = {AGENT: built.agent, **built.enforcers, **built.witnesses}
            self.parties |= {f"{site}/{name}": party for name, party in mine.items()}
        if self.adjust is not None:
            self.adjust(self)
        for name in self.parties:
            self._start(name)
        self._beside = [asyncio.create_task(site._pulse(self._stop)) for site in self.sites.values()]
        self._beside += [asyncio.create_task(self._listen()), asyncio.create_task(self._watch())]
        await self.clock.sleep(1)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in (*self._beside, *self.tasks.values()):
            task.cancel()
        await asyncio.gather(*self._beside, *self.tasks.values(), return_exceptions=True)

    def _start(self, name: str) -> None:
        self.tasks[name] = asyncio.create_task(self.parties[name].run(self._stop))

    # -- the network -----------------------------------------------------------------------------------

    async def carry(self, who: str, real: MemoryTransport, topic: str, payload: bytes, *, retain: bool) -> None:
        if not real.connected:
            raise TransportError("there is no connection to the broker", where="storm")
        copies = (
            0 if self.chance.random() < self.weather.loss else 2 if self.chance.random() < self.weather.twice else 1
        )
        for _ in range(copies):
            delay_s = self.chance.uniform(0, self.weather.delay_s)
            asyncio.get_running_loop().call_later(delay_s, self._route, topic, payload, retain)

    def _route(self, topic: str, payload: bytes, retain: bool) -> None:
        self.broker.route(topic, payload, retain=retain)

    def struck(self, kind: str, whom: str, detail: str = "") -> None:
        """Note what was done to somebody."""
        self.noted.struck.append(Struck(self.clock.boot_ns(), kind, whom, detail, self.place()))

    async def cut(self, name: str, for_s: float) -> None:
        """Cut a party off for a while."""
        self.struck("cut", name)
        self.broker.cut(name)
        await self.clock.sleep(for_s)
        self.broker.heal(name)
        self.struck("heal", name)

    # -- crashes ---------------------------------------------------------------------------------------

    async def crash(self, name: str, for_s: float, *, reboot: bool, skew_s: float = 0.0, back: bool = False) -> None:
        """Kill a party, and start it again after a while on the same disk.

        Args:
            name: Which.
            for_s: How long it is down.
            reboot: Whether its machine starts again too.
            skew_s: How far that sets its wall clock ahead.
            back: Whether a witness's disk comes back as it was some messages ago, which makes it a liar.
        """
        self.struck("crash", name)
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks[name], return_exceptions=True)
        await self.clock.sleep(for_s)
        site, _, who = name.partition("/")
        party = self.parties[name]
        clock: Clock = party._parts.clock
        if reboot:
            self._boots += 1
            clock = RebootedClock(self.clock, self._boots, round(skew_s * NS))
            least, most = self.noted.skew_ns.get(name, (0, 0))
            self.noted.skew_ns[name] = min(least, round(skew_s * NS)), max(most, round(skew_s * NS))
        if isinstance(party, Witness):
            disk: Any = party._parts.chain._disk._disk
            if back:
                disk.data = b"".join(disk.data.splitlines(keepends=True)[:-3])
            chain = Chain.open(disk, new_id=party._parts.chain.store_id)
            self.parties[name] = Witness(replace(party._parts, chain=chain, clock=clock))
        else:
            ledger = party._parts.ledger
            opened = Ledger.open(ledger._store._disk, ledger._identity, new_id=ledger.store_id, now_ns=clock.wall_ns())
            agent = Agent(replace(party._parts, ledger=opened, clock=clock))
            self.watch_deeds(site, who, agent)
            self.parties[name] = agent
        self.struck("restart", name)
        self._start(name)

    def lie(self, name: str, *, active: bool, since_s: float) -> None:
        """Have a witness lie from a moment on; before anybody runs."""
        site = name.partition("/")[0]
        party = self.parties[name]
        assert isinstance(party, Witness)
        per_s = {rate.signal: rate.band_min_per_s for rate in self.fleet.records[site].work}
        liar = Liar(party._parts.probe, per_s, active=active, since_ns=round(since_s * NS), clock=self.clock)
        self.parties[name] = Witness(replace(party._parts, probe=liar))
        self.call_liar(name)

    def call_liar(self, name: str) -> None:
        """Note that a witness lies."""
        site, _, who = name.partition("/")
        self.noted.lying[site] = self.noted.lying.get(site, frozenset()) | {who}

    def keep_count(self) -> None:
        """Note how much agents and enforcers keep."""
        for name, party in self.parties.items():
            if isinstance(party, Agent):
                refused = [one.outcome is Outcome.REFUSED for one in party.state.receipts.values()]
                self.noted.kept[f"{name}/refusals"] = sum(refused)
                self.noted.kept[f"{name}/receipts"] = len(refused)


# -- what happens -----------------------------------------------------------------------------------------

Trouble = Callable[[], Awaitable[None]]


class Plot:
    """Draws what a seed is about."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = chance = random.Random(f"plot {seed}")
        self.sites = names(chance.choice((1, 1, 1, 2)))
        self.troubles = frozenset(chance.sample(TROUBLES, chance.choice((0, 1, 1, 1, 2, 2, 3))))
        self.faults: dict[str, tuple[Fault, ...]] = {}
        if "fault" in self.troubles:
            self.faults[self.sites[0]] = (chance.choice(FAULTS),)
        self.weather = Weather()
        if "network" in self.troubles:
            self.weather = Weather(
                chance.choice((0.0, 0.1, 0.3)), chance.choice((0.0, 0.3)), chance.choice((0.01, 0.3, 0.8))
            )

    def warrant(self, storm: Storm) -> Warrant:
        """Draw what is approved."""
        chance = self.chance
        ladders = [chance.choice(LADDERS) for _ in range(chance.choice((1, 1, 2)))]
        if Fault.NO_RESTORE_PATH in self.faults.get(self.sites[0], ()):
            ladders = [(ShutdownParams(grace_s=5.0),), (PauseParams(),)]
        steps = [step_of(storm, *ladder, name=f"step-{number}") for number, ladder in enumerate(ladders)]
        if chance.random() < 0.3 and len(ladders[0]) == 1 and isinstance(ladders[0][0], PauseParams):
            steps[0] = step_of(storm, PauseParams(), response_limit_s=1.5, dwell_s=1.0, hold_s=3.0, name="step-0")
        held_s = sum(step.hold_s for step in steps)
        self.uses = chance.choice((1, 1, 2))
        return storm.warrant(
            *steps,
            uses=2,
            max_total_held_s=max(held_s * chance.choice((1.0, 2.0)), 3.0),
            min_between_uses_s=chance.choice((0.0, 0.0, 25.0)),
        )

    def adjust(self, storm: Simulation) -> None:
        """Bend what is bent from the start."""
        assert isinstance(storm, Storm)
        for site, faults in self.faults.items():
            for fault in faults:
                storm.struck("fault", site, fault.value)
        if "lies" in self.troubles:
            for site in self.sites:
                who = f"{site}/w{self.chance.randint(1, WITNESSES)}"
                storm.lie(who, active=self.chance.random() < 0.6, since_s=self.chance.uniform(2, 12))

    def beside(self, storm: Storm, warrant: Warrant) -> list[Trouble]:
        """Return what goes on beside the drill."""
        listed: list[Trouble] = []
        if "cuts" in self.troubles:
            listed += [lambda: self._cuts(storm)] * 2
        if "crashes" in self.troubles:
            listed += [lambda: self._crashes(storm)] * 2
        if "thief" in self.troubles:
            listed.append(lambda: self._thief(storm, warrant))
        if "people" in self.troubles:
            listed.append(lambda: self._people(storm, warrant))
        if "flood" in self.troubles and self.seed % 4 == 0:
            listed.append(lambda: self._flood(storm, warrant))
        return listed

    async def _cuts(self, storm: Storm) -> None:
        while True:
            await storm.clock.sleep(self.chance.uniform(1, 8))
            await storm.cut(self.chance.choice([*storm.parties]), self.chance.choice((2.0, 5.0, 12.0, 25.0)))

    async def _crashes(self, storm: Storm) -> None:
        while True:
            await storm.clock.sleep(self.chance.uniform(1, 8))
            name = self.chance.choice([*storm.parties])
            if storm.tasks[name].done():
                continue
            site, _, who = name.partition("/")
            back = who.startswith("w") and self.chance.random() < 0.4 and not storm.noted.lying.get(site)
            if back:
                storm.call_liar(name)
            agent = not who.startswith("w")
            cut = agent and self.chance.random() < 0.5
            if cut:
                storm.broker.cut(name)
            await storm.crash(
                name,
                self.chance.choice((0.1, 1.0, 6.0)),
                reboot=self.chance.random() < 0.5,
                skew_s=self.chance.choice((0.0, -3.0, 2.0)) if agent else 0.0,
                back=back,
            )
            if cut:
                await storm.clock.sleep(self.chance.choice((5.0, 20.0)))
                storm.broker.heal(name)

    async def _thief(self, storm: Storm, warrant: Warrant) -> None:
        approved = storm.fleet.approve(warrant, kit.APPROVERS)
        thief = Thief(storm.fleet, warrant, approved, self.chance, storm.clock.wall_ns)
        while True:
            await storm.clock.sleep(self.chance.uniform(0.1, 1.5))
            thief.heard = [(one.topic, one.payload) for one in storm.noted.sent if one.topic.endswith("/orders")]
            for topic, payload in thief.play():
                storm.publish("thief", topic, payload)
                await storm.clock.sleep(0.1)

    async def _people(self, storm: Storm, warrant: Warrant) -> None:
        chance, site = self.chance, self.chance.choice(self.sites)
        board = kit.key_of(kit.approver_label(kit.APPROVERS[0]))
        stops = storm.fleet.topics.stops
        await storm.clock.sleep(chance.uniform(0.5, 12))
        match chance.choice(("veto", "vetoes", "lever", "abort")):
            case "abort":
                order = storm.fleet.order(warrant)
                storm.publish("board", stops, seal(storm.fleet.abort(order), board))
            case "lever":
                lever = storm.fleet.lever(issued_at=storm.fleet.at(storm.clock.boot_ns() / 1e9))
                for _ in range(3):
                    storm.publish("board", stops, seal(lever, board))
                    await storm.clock.sleep(1)
                await storm.crash(f"{site}/{AGENT}", 0.2, reboot=False)
            case how:
                for _ in range(1 if how == "veto" else 4):
                    storm.vetoes.add(site)
                    storm.struck("veto", site)
                    await storm.clock.sleep(15 if how == "veto" else chance.uniform(0.6, 2))
                    storm.vetoes.discard(site)
                    storm.struck("unveto", site)
                    await storm.clock.sleep(chance.uniform(0.1, 1))

    async def _flood(self, storm: Storm, warrant: Warrant) -> None:
        thief = Thief(storm.fleet, warrant, b"", self.chance, storm.clock.wall_ns)
        frames = [thief.too_few_owners() for _ in range(330)]
        for number, ((topic, payload),) in enumerate(frames):
            storm.publish("thief", topic, payload)
            if number % 30 == 0:
                await storm.clock.sleep(0.6)


def run(seed: int) -> Ran:
    """Run one seed and return what it left."""
    return run_virtual(_run(seed), idle_cycles=0)


async def _run(seed: int) -> Ran:
    plot = Plot(seed)
    storm = Storm(plot.sites, faults=plot.faults, witnesses=WITNESSES, seed=seed, challenge_s=1.0, adjust=plot.adjust)
    storm.weather, storm.chance = plot.weather, random.Random(f"weather {seed}")
    storm.noted.holding_bound_s = 6.0
    async with storm:
        warrant = plot.warrant(storm)
        beside = [asyncio.ensure_future(one()) for one in plot.beside(storm, warrant)]
        # The first use is drilled; the second only now and again.
        warrants = [warrant] * plot.uses
        try:
            ran = await storm.ran(*warrants, pause_s=plot.chance.uniform(0.5, 3.0))
            if plot.troubles & {"cuts", "crashes"}:
                await storm.clock.sleep(30)  # whoever was cut off has a hold to end
                storm.noted.ended_ns = storm.clock.boot_ns()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        storm.keep_count()
        return ran
