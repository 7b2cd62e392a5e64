"""A quiet run with everything that the truth holds: what invariants are tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agents.acting import Driver
from agents.agent import Agent
from agents.mocksite.assembly import MockSite, Surroundings
from agents.mocksite.world import World
from agents.observation import Observation
from orchestrator.journal.chain import Line
from orchestrator.journal.sqlite import SqliteJournal
from protocols.controls import Params, control_of
from protocols.messages import AGENT, Proof, Warrant
from protocols.mock_config import Fault
from protocols.transport.base import Inbound
from protocols.transport.memory import MemoryTransport
from tests.agents.doubles import MemoryDisk
from tests.simulation.drilled import Site
from tests.simulation.invariants import Ran
from tests.simulation.truth import Acted, Heard, Sent, State, Synced, Truth, Work

NS = 1_000_000_000


class Recording(Site):
    """Simulated sites, of which everything is written down as the truth."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.noted = Truth(holding_bound_s=15.0)
        self._places = 0
        self._known: dict[str, State] = {}

    def place(self) -> int:
        """Return the next place among everything."""
        self._places += 1
        return self._places

    def transport(self, client_id: str, filters: Sequence[str]) -> MemoryTransport:
        return _Recorded(self, client_id, super().transport(client_id, filters))  # type: ignore[return-value]

    def surroundings(self, site: str) -> Surroundings:
        around = super().surroundings(site)
        disks: dict[str, MemoryDisk] = {}
        return Surroundings(
            clock=around.clock,
            connect=around.connect,
            disk=lambda who: disks.setdefault(who, _Disk(self, f"{site}/{who}")),
            log=around.log,
            feed=around.feed,
            new_id=around.new_id,
        )

    def _assemble(self, site: str) -> MockSite:
        built = super()._assemble(site)
        for name, agent in ((AGENT, built.agent), *built.enforcers.items()):
            self.watch_deeds(site, name, agent)
        return built

    def watch_deeds(self, site: str, name: str, agent: Agent) -> None:
        """Have everything that an agent or an enforcer calls of its driver written down."""
        actuator: Any = agent._actuator
        actuator._driver = _Driver(self, site, name, agent, actuator._driver)

    async def carry(self, who: str, real: MemoryTransport, topic: str, payload: bytes, *, retain: bool) -> None:
        """Carry what somebody published."""
        await real.publish(topic, payload, retain=retain)

    def hears(self, who: str) -> bool:
        """Tell whether what reaches a party's connection reaches the party."""
        site, _, name = who.partition("/")
        return name != AGENT or site not in self.sites or not self.sites[site].world.faults.has(Fault.DEAF_AGENT)

    def _note(self, name: str, site: MockSite) -> None:
        world: World = site.world
        now_ns = self.clock.boot_ns()
        world.advance(now_ns)
        command = world.command
        control = None if command is None else control_of(command.params)
        state = State(now_ns, name, control, world.feed_on(), world.devices.destroyed, self.place())
        known = self._known.get(name)
        if known is None or (known.control, known.feed_on) != (state.control, state.feed_on):
            self.noted.states.append(state)
            self._known[name] = state
        self.noted.work.append(Work(now_ns, name, {key: value * NS for key, value in world.work().items()}))

    async def journal_of(self, warrant: Warrant, store: SqliteJournal) -> tuple[str, tuple[bytes, ...]]:
        """Drill under a warrant, and return the drill's name and its journal."""
        played = await self.drill(warrant, store=store)
        return played.drill.drill, played.lines

    async def ran(self, *warrants: Warrant, pause_s: float = 1.0) -> Ran:
        """Drill under some warrants, one after another, and return what that left."""
        store = _Store(self)
        for warrant in warrants:
            await self.clock.sleep(pause_s)
            drill, lines = await self.journal_of(warrant, store)
            if lines:  # nothing was ever said of a drill that died before it opened
                self.noted.journals[drill] = lines
        self.noted.ended_ns = self.clock.boot_ns()
        self.noted.closed = True
        return Ran(self.noted, self.fleet)


class _Recorded:
    def __init__(self, run: Recording, who: str, real: MemoryTransport) -> None:
        self._run, self._who, self._real = run, who, real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def __aenter__(self) -> _Recorded:
        await self._real.__aenter__()
        return self

    async def __aexit__(self, *why: Any) -> None:
        await self._real.__aexit__(*why)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        run = self._run
        run.noted.sent.append(Sent(run.clock.boot_ns(), self._who, topic, payload, run.place()))
        await run.carry(self._who, self._real, topic, payload, retain=retain)

    async def receive(self, limit: int) -> list[Inbound]:
        messages = await self._real.receive(limit)
        run = self._run
        for one in messages if run.hears(self._who) else ():
            heard = Heard(run.clock.boot_ns(), self._who, one.topic, one.payload, one.retained, run.place())
            run.noted.heard.append(heard)
        return messages


class _Disk(MemoryDisk):
    def __init__(self, run: Recording, who: str) -> None:
        super().__init__()
        self._run, self._who = run, who

    def append(self, data: bytes) -> None:
        super().append(data)
        self._run.noted.synced.append(Synced(self._run.clock.boot_ns(), self._who, data, n=self._run.place()))


class _Store(SqliteJournal):
    def __init__(self, run: Recording) -> None:
        super().__init__(None)
        self._run = run

    def append(self, drill: str, lines: Sequence[Line]) -> None:
        super().append(drill, lines)
        data = b"\n".join(line.raw for line in lines)
        self._run.noted.synced.append(Synced(self._run.clock.boot_ns(), "orchestrator", data, n=self._run.place()))


class _Driver:
    def __init__(self, run: Recording, site: str, by: str, agent: Agent, real: Driver) -> None:
        self._run, self._site, self._by, self._agent, self._real = run, site, by, agent, real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def _acted(self, deed: Any, params: Params | None) -> None:
        run, live = self._run, self._agent.state.live
        order = None if live is None else live.accepted.order
        run.noted.acted.append(Acted(run.clock.boot_ns(), self._site, self._by, deed, params, order, True, run.place()))

    def observe(self) -> Observation:
        return self._real.observe()

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        return self._real.rehearse(params)

    def apply(self, params: Params, cancelled: Callable[[], bool]) -> str:
        self._acted("apply", params)
        return self._real.apply(params, cancelled)

    def restore(self) -> str:
        self._acted("restore", None)
        return self._real.restore()
