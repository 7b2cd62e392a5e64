"""Simulated sites in bad weather: the real parties, each of which can be cut off, crash and come back by itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from agents.agent import Agent
from agents.chain import Chain
from agents.feed import MemoryFeed
from agents.ledger import Ledger
from agents.mocksite.assembly import MockSite, Surroundings
from agents.witness import Witness
from protocols.controls import Control
from protocols.errors import TransportError
from protocols.messages import AGENT, Outcome, WitnessEntry
from protocols.mock_config import Fault, Look, off_levels, register_of, signals_of, work_rates
from protocols.transport.memory import MemoryTransport
from tests import kit
from tests.agents.doubles import MemoryDisk
from tests.simulation.invariants.signed import Signed, frame
from tests.simulation.mortal import Crash, Life, MortalDisk, MortalDriver, MortalTransport
from tests.simulation.recorded import NS, Recording
from tests.simulation.thief import policy_with_second_key
from tests.simulation.truth import Sent, Struck
from tests.simulation.weather import Liar, MachineClock, Weather

WITNESSES = 3
WITHHELD = 0.2
"""The share of its readings that a witness withholds."""

_BROKER = "broker"


class Storm(Recording):
    """A fleet whose parties live, die and rise again.

    Attributes:
        weather: What the network does.
        chance: Decides what becomes of each message.
        parties: Every agent, enforcer and witness, as `site/name`.
        lives: The life that each of them is in.
        unreachable: How many things keep the orchestrator from the broker.
        withholds: The witnesses some of whose readings never arrive.
        hushed: The agents whose reports of having halted never arrive.
        lies_when_halted: By site, the witness's probe that begins to lie when the site halts.
    """

    weather = Weather()
    chance: random.Random

    def _fleet(self) -> kit.Fleet:
        config = self.configs[self.site_names[0]]
        covers = tuple(signal for look in Look for signal in signals_of(look, config))
        work, levels = work_rates(config), off_levels(config)
        twins = self.seed % 2 == 0  # in every other run two witnesses are one owner's

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
        self.lives: dict[str, Life] = {}
        self.parties: dict[str, Agent | Witness] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._boots = 100
        self.unreachable = 0
        self.withholds: set[str] = set()
        self.hushed: set[str] = set()
        self.lies_when_halted: dict[str, Liar] = {}
        self._rising: set[str] = set()
        self._platters: dict[str, MemoryDisk] = {}
        asyncio.get_running_loop().set_exception_handler(self._on_error)
        for site in self.site_names:
            self.feeds[site] = MemoryFeed()
            built = self.sites[site] = self._assemble(site)
            mine = {AGENT: built.agent, **built.enforcers, **built.witnesses}
            self.parties |= {f"{site}/{name}": party for name, party in mine.items()}
        if self.adjust is not None:
            self.adjust(self)
        for name in self.parties:
            self._start(name)
        # Looking at the sites takes them along in time, as their own pulse would.
        self._beside = [asyncio.create_task(self._watch())]
        await self.clock.sleep(1)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for life in self.lives.values():
            life.end()
        for task in (*self._beside, *self.tasks.values()):
            task.cancel()
        await asyncio.gather(*self._beside, *self.tasks.values(), return_exceptions=True)

    # -- how parties are put together --------------------------------------------------------------------

    def life(self, name: str) -> Life:
        """Return the life that a client of the broker is in."""
        return self.lives.setdefault(name, Life())

    def transport(self, client_id: str, filters: Sequence[str]) -> MemoryTransport:
        return MortalTransport(self.life(client_id), super().transport(client_id, filters))  # type: ignore[return-value]

    def surroundings(self, site: str) -> Surroundings:
        around = super().surroundings(site)

        def disk(who: str) -> MemoryDisk:
            platter = self._platters.setdefault(f"{site}/{who}", around.disk(who))  # type: ignore[arg-type]
            return MortalDisk(self.life(f"{site}/{who}"), platter)

        return replace(around, disk=disk)

    def _assemble(self, site: str) -> MockSite:
        built = super()._assemble(site)
        built.agent = self._acting(f"{site}/{AGENT}", built.agent)
        built.enforcers = {name: self._acting(f"{site}/{name}", one) for name, one in built.enforcers.items()}
        return built

    def _acting(self, name: str, agent: Agent, **changes: Any) -> Agent:
        """Return an agent or an enforcer that is made of the same parts, some of them changed, and is watched."""
        nonces = random.Random(f"nonces of {name}, {self.seed}, {self._boots}")
        made = Agent(replace(agent._parts, nonce=lambda: nonces.randbytes(16).hex(), **changes))
        site, _, who = name.partition("/")
        self.watch_deeds(site, who, made)
        actuator: Any = made._actuator
        actuator._driver = MortalDriver(self.life(name), actuator._driver)
        return made

    def _start(self, name: str) -> None:
        life = self.life(name)
        task = self.tasks[name] = asyncio.create_task(self.parties[name].run(self._stop), name=name)
        loop = asyncio.get_running_loop()

        def on_death() -> None:
            self.struck("crash", name)
            loop.call_soon(task.cancel)

        def on_end(ended: asyncio.Task[None]) -> None:
            error = None if ended.cancelled() else ended.exception()
            if life.alive:
                self.noted.trouble.append(f"{name} ended by itself: {error!r}")

        life.on_death = on_death
        task.add_done_callback(on_end)

    def _on_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not _only_crashes(error):
            self.noted.trouble.append(f"{context.get('message')}: {error!r}")

    # -- the network -----------------------------------------------------------------------------------

    async def carry(self, who: str, real: MemoryTransport, topic: str, payload: bytes, *, retain: bool) -> None:
        if not real.connected:
            raise TransportError("there is no connection to the broker", where="storm")
        if any(self.keeps_back(who, signed) for signed in frame(payload)):
            return
        weather, chance = self.weather, self.chance
        copies = 0 if chance.random() < weather.loss else 2 if chance.random() < weather.twice else 1
        for _ in range(copies):
            delay_s = chance.uniform(0, weather.delay_s)
            asyncio.get_running_loop().call_later(delay_s, self._route, topic, payload, retain)

    def keeps_back(self, who: str, signed: Signed) -> bool:
        """Tell whether somebody sees to it that a message never arrives, however often it is sent."""
        if signed.kind == "reading" and who in self.withholds:
            return random.Random(f"{self.seed} {who} {signed.fields['link']['seq']}").random() < WITHHELD
        return signed.kind == "receipt" and who in self.hushed and signed.fields["outcome"] == Outcome.HALTED

    def _route(self, topic: str, payload: bytes, retain: bool) -> None:
        self.broker.route(topic, payload, retain=retain)

    def struck(self, kind: str, whom: str, detail: str = "") -> None:
        """Note what was done to somebody."""
        self.noted.struck.append(Struck(self.clock.boot_ns(), kind, whom, detail, self.place()))

    async def cut(self, name: str, for_s: float) -> None:
        """Cut a client off for a while."""
        self.struck("cut", name)
        self.broker.cut(name)
        self.unreachable += name == "orchestrator"
        await self.clock.sleep(for_s)
        self.unreachable -= name == "orchestrator"
        self.broker.heal(name)
        self.struck("heal", name)

    async def stop_broker(self, for_s: float) -> None:
        """Have the broker die, with all that it kept, and start again after a while."""
        self.struck("broker-stop", _BROKER)
        self.broker.stop()
        self.unreachable += 1
        await self.clock.sleep(for_s)
        self.unreachable -= 1
        self.broker.start()
        self.struck("broker-start", _BROKER)

    # -- lives -----------------------------------------------------------------------------------------

    def alive(self) -> list[str]:
        """Return the parties that are up."""
        return [name for name in self.parties if self.life(name).alive]

    async def crash(self, name: str, for_s: float, *, reboot: bool, skew_s: float = 0.0, back: bool = False) -> None:
        """Kill a party, and start it again after a while on the same disk.

        Args:
            name: Which.
            for_s: How long it is down.
            reboot: Whether its machine starts again too.
            skew_s: How far that sets its wall clock ahead.
            back: Whether a witness's disk comes back as it was some messages ago, which makes it a liar.
        """
        self.life(name).end()
        await self.rise(name, for_s, reboot=reboot, skew_s=skew_s, back=back)

    async def rise(self, name: str, for_s: float, *, reboot: bool, skew_s: float = 0.0, back: bool = False) -> None:
        """Start a dead party again after a while; the arguments are those of `crash`."""
        if name in self._rising:
            return  # somebody else killed it at the same time
        self._rising.add(name)
        await asyncio.gather(self.tasks[name], return_exceptions=True)
        await self.clock.sleep(for_s)
        self._rising.discard(name)
        party = self.parties[name]
        clock = self._rebooted(name, skew_s) if reboot else party._parts.clock
        platter = self._platters[name]
        self.lives[name] = Life()
        disk = MortalDisk(self.life(name), platter)
        if isinstance(party, Witness):
            if back:
                platter.data = b"".join(platter.data.splitlines(keepends=True)[:-3]) or platter.data
            chain = Chain.open(disk, new_id=party._parts.chain.store_id)
            self.parties[name] = Witness(replace(party._parts, chain=chain, clock=clock))
        else:
            ledger = party._parts.ledger
            opened = Ledger.open(disk, ledger._identity, new_id=ledger.store_id, now_ns=clock.wall_ns())
            self._boots += 1
            self.parties[name] = self._acting(name, party, ledger=opened, clock=clock)
        self.struck("restart", name, "its machine too" if reboot else "")
        self._start(name)

    # -- clocks ----------------------------------------------------------------------------------------

    def _rebooted(self, name: str, skew_s: float) -> MachineClock:
        self._boots += 1
        clock = self.parties[name]._parts.clock
        drift_ppm = clock._drift_ppm if isinstance(clock, MachineClock) else 0
        self._skewed(name, skew_s)
        return MachineClock(self.clock, self._boots, skew_ns=round(skew_s * NS), drift_ppm=drift_ppm)

    def _skewed(self, name: str, skew_s: float) -> None:
        skew_ns = round(skew_s * NS)
        least, most = self.noted.skew_ns.get(name, (0, 0))
        self.noted.skew_ns[name] = min(least, skew_ns), max(most, skew_ns)

    def drift(self, name: str, drift_ppm: int) -> None:
        """Give a party's machine a clock that runs fast or slow; before anybody runs."""
        party = self.parties[name]
        self._boots += 1
        clock = MachineClock(self.clock, self._boots, drift_ppm=drift_ppm)
        self.noted.drift_ppm = max(self.noted.drift_ppm, abs(drift_ppm) + 1)
        self.struck("clock", name, f"{drift_ppm} ppm fast")
        if isinstance(party, Witness):
            self.parties[name] = Witness(replace(party._parts, clock=clock))
        else:
            self.parties[name] = self._acting(name, party, clock=clock)

    def jump(self, name: str, skew_s: float) -> None:
        """Have a party's wall clock jump, if it has one of its own."""
        clock = self.parties[name]._parts.clock
        if isinstance(clock, MachineClock):
            self._skewed(name, skew_s)
            clock.skew_ns = round(skew_s * NS)
            self.struck("clock", name, f"jumped to {skew_s:+g} s")

    # -- faults and lies -------------------------------------------------------------------------------

    def lie(self, name: str, *, active: bool, since_s: float, for_s: float | None = None) -> Liar:
        """Have a witness lie from a moment on, for a while or for ever; before anybody runs."""
        site = name.partition("/")[0]
        party = self.parties[name]
        assert isinstance(party, Witness)
        liar = Liar(
            party._parts.probe,
            {rate.signal: rate.band_min_per_s for rate in self.fleet.records[site].work},
            active=active,
            since_ns=round(since_s * NS),
            clock=self.clock,
            for_ns=None if for_s is None else round(for_s * NS),
        )
        self.parties[name] = Witness(replace(party._parts, probe=liar))
        self.call_liar(name)
        return liar

    def idle(self, site: str, *, on: bool) -> None:
        """Have a site's jobs find nothing to do from now on, or find it again."""
        self.struck("idle" if on else "busy", site)
        world: Any = self.sites[site].world
        world.advance(self.clock.boot_ns())
        if on:
            world._starves = lambda _: True
        else:
            vars(world).pop("_starves", None)

    def call_liar(self, name: str) -> None:
        """Note that a witness lies."""
        site, _, who = name.partition("/")
        self.noted.lying[site] = self.noted.lying.get(site, frozenset()) | {who}

    def switch(self, site: str, fault: Fault, *, on: bool) -> None:
        """Have something be wrong with a site from now on, or no more."""
        self.struck("fault" if on else "mend", site, fault.value)
        self.sites[site].world.faults.switch(fault, on=on)

    def holds(self) -> bool:
        """Tell whether anything is held anywhere, or may be so by a party that is down."""
        if any(state.control is not None or not state.feed_on for state in self._known.values()):
            return True
        acting = [(name, party) for name, party in self.parties.items() if isinstance(party, Agent)]
        return any(party.state.live is not None or not self.life(name).alive for name, party in acting)

    def keep_count(self) -> None:
        """Note how much agents and enforcers keep."""
        for name, party in self.parties.items():
            if isinstance(party, Agent):
                refused = [one.outcome is Outcome.REFUSED for one in party.state.receipts.values()]
                self.noted.kept[f"{name}/refusals"] = sum(refused)
                self.noted.kept[f"{name}/receipts"] = len(refused)


def _only_crashes(error: BaseException | None) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_only_crashes(one) for one in error.exceptions)
    return isinstance(error, Crash)
