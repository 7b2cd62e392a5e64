"""Simulated sites with their real parties on virtual time, a broker in memory, and a dispatcher who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from agents.feed import MemoryFeed
from agents.mocksite.assembly import EnforcerKit, MockSite, Surroundings, WitnessKit, assemble
from protocols.controls import Control, Params
from protocols.envelope import Envelope, open_envelope, split_frame
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import PublicKey
from protocols.messages import Order, Outcome, Reading, Receipt, Warrant
from protocols.mock_config import Fault, FaultConfig, Look, off_levels, register_of, signals_of, work_rates
from protocols.transport.base import Inbound
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests import kit
from tests.agents.doubles import MemoryDisk, receipt_of
from tests.agents.mocksite.rig import Seen, config_of
from tests.log_checks import checked_log
from tests.virtual import LoopClock

ENFORCER = "e1"
WITNESSES = kit.witness_names(2)
LATENCY_S = 0.004


def mock_fleet(sites: Iterable[str]) -> kit.Fleet:
    """Make a fleet of simulated sites, each with two witnesses that see everything, and an enforcer."""
    config = config_of()
    return kit.make_fleet(
        sites,
        witnesses=len(WITNESSES),
        enforcers=1,
        covers=tuple(signal for look in Look for signal in signals_of(look, config)),
        work=work_rates(config),
        off_levels=off_levels(config),
        record={"controls": tuple(Control), "mock": True},
        per_site=lambda site: {"registry": register_of(config_of(site=site)).digest},
    )


class LatentTransport(MemoryTransport):
    """A transport whose messages take a few milliseconds, so that no two things far apart happen at one instant."""

    _late: tuple[Inbound, ...] = ()

    async def receive(self, limit: int) -> list[Inbound]:
        # Whoever waits may be cancelled in between: what is late then is kept, not lost.
        self._late = self._late or tuple(await super().receive(limit))
        await asyncio.sleep(LATENCY_S)
        late, self._late = self._late, ()
        return list(late)


class Stage:
    """Runs simulated sites.

    Args:
        sites: Their names.
        faults: What is wrong with which of them.
        changes: Fields of every site's configuration to change.
    """

    def __init__(
        self,
        sites: Iterable[str] = ("alpha",),
        *,
        faults: Mapping[str, Iterable[Fault | FaultConfig]] | None = None,
        **changes: Any,
    ) -> None:
        self.clock = LoopClock()
        self.broker = MemoryBroker()
        self.fleet = mock_fleet(sites)
        self.heard: list[Inbound] = []
        self.feeds = {site: MemoryFeed() for site in self.fleet.sites}
        self._faults = dict(faults or {})
        self._changes = changes
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._challenges = 0
        self.sites: dict[str, MockSite] = {}

    def assemble(self, site: str) -> MockSite:
        """Put one site together; its disks are in memory."""
        disks: dict[str, MemoryDisk] = {}
        around = Surroundings(
            clock=self.clock,
            connect=lambda who, filters: LatentTransport(
                self.broker, filters, clock=self.clock, client_id=f"{site}/{who}"
            ),
            disk=lambda who: disks.setdefault(who, MemoryDisk()),
            log=checked_log("mocksite"),
            feed=self.feeds[site],
        )
        return assemble(
            config_of(*self._faults.get(site, ()), site=site, **self._changes),
            self.fleet.site_trust(site),
            around,
            agent=kit.key_of(kit.agent_label(site)),
            witnesses={name: WitnessKit(kit.key_of(kit.witness_label(site, name))) for name in WITNESSES},
            enforcers={ENFORCER: EnforcerKit(kit.key_of(kit.enforcer_label(site, ENFORCER)))},
        )

    async def __aenter__(self) -> Self:
        self.sites = {site: self.assemble(site) for site in self.fleet.sites}
        self._tasks = [asyncio.create_task(site.run(self._stop)) for site in self.sites.values()]
        self._ears = asyncio.create_task(self._listen())
        await self.clock.sleep(1)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        if exc is not None:
            for task in self._tasks:
                task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._ears.cancel()
        await asyncio.gather(self._ears, return_exceptions=True)
        if exc is None:
            assert results == [None] * len(results)

    async def _listen(self) -> None:
        ears = MemoryTransport(self.broker, [f"{self.fleet.topics.base}/#"], clock=self.clock, client_id="ears")
        async with ears:
            while True:
                self.heard += await ears.receive(100)

    # -- what the dispatcher says ----------------------------------------------------------------

    def warrant(self, params: Params, **changes: Any) -> Warrant:
        """Make a warrant of one step for all sites."""
        fields: dict[str, Any] = {"hold_s": 60.0, "params": params, "response_limit_s": 20.0}
        now = format_utc(self.clock.wall_ns())
        return self.fleet.warrant(
            self.fleet.step(**(fields | changes)), max_total_held_s=600.0, uses=1, issued_at=now, not_before=now
        )

    def order(self, params: Params, **changes: Any) -> Order:
        """Approve one step for all sites by everybody, and order it now."""
        return self.send(self.warrant(params, **changes))

    def send(self, warrant: Warrant, *, rung: int = 0, site: str | None = None) -> Order:
        """Order a rung of a warrant now."""
        now_ns = self.clock.wall_ns()
        order = self.fleet.order(
            warrant,
            rung=rung,
            site=site,
            issued_at=format_utc(now_ns),
            expires_at=format_utc(now_ns + seconds_to_ns(60)),
        )
        topics = self.fleet.topics
        topic = topics.orders if site is None else topics.site_orders(site)
        self.broker.route(topic, self.fleet.order_frame(order, self.fleet.approve(warrant, kit.APPROVERS)))
        return order

    def release(self, order: Order) -> None:
        """Release an order."""
        release = self.fleet.release(order, issued_at=format_utc(self.clock.wall_ns()))
        self.broker.route(self.fleet.topics.stops, self.fleet.dispatch(release))

    async def look(self, exercise: Params | None = None, *, site: str = "alpha", witness: str = "w1") -> Seen:
        """Challenge all witnesses; return what one of them answers."""
        self._challenges += 1
        challenge = self.fleet.challenge(self._challenges, exercise=exercise)
        self.broker.route(self.fleet.topics.challenges, self.fleet.dispatch(challenge))
        await self.clock.sleep(0.05)
        return Seen(self.reading(site, witness).signals)

    async def steady(self, *sites: str) -> set[str]:
        """Return those of the sites (all, unless named) whose counters are all in band over the next two seconds."""
        rates = await self._rates(sites)
        return {
            site
            for site in rates
            if all(
                one.band_min_per_s <= rates[site][one.signal] <= one.band_max_per_s
                for one in self.fleet.records[site].work
            )
        }

    async def quiet(self, *sites: str) -> set[str]:
        """Return those of the sites (all, unless named) whose counters are all quiet over the next two seconds."""
        rates = await self._rates(sites)
        return {
            site
            for site in rates
            if all(rates[site][one.signal] <= one.quiet_per_s for one in self.fleet.records[site].work)
        }

    async def _rates(self, sites: Iterable[str]) -> dict[str, dict[str, float]]:
        named = tuple(sites) or self.fleet.sites
        counters = []
        for pause_s in (1.95, 0.0):
            await self.look(site=named[0])
            counters.append({site: Seen(self.reading(site, "w1").signals).counters for site in named})
            await self.clock.sleep(pause_s)
        before, after = counters
        return {site: {name: (after[site][name] - before[site][name]) / 2 for name in before[site]} for site in named}

    # -- what the sites say -----------------------------------------------------------------------

    def _envelopes(self, topic: str, kind: str) -> list[Envelope]:
        frames = [message.payload for message in self.heard if message.topic == topic]
        return [one for frame in frames for one in split_frame(frame) if one.payload_type == kind]

    def receipts(self, site: str = "alpha") -> list[Receipt]:
        """Return the agent's receipts, each once."""
        return self._receipts(self.fleet.topics.agent(site), site, kit.agent_label(site))

    def cuts(self, site: str = "alpha") -> list[Receipt]:
        """Return the enforcer's receipts, each once."""
        return self._receipts(self.fleet.topics.enforcer(site, ENFORCER), site, kit.enforcer_label(site, ENFORCER))

    def _receipts(self, topic: str, site: str, label: str) -> list[Receipt]:
        found = [receipt_of(one, site, label) for one in self._envelopes(topic, Receipt.payload_type())]
        return sorted({receipt.link.seq: receipt for receipt in found}.values(), key=lambda one: one.link.seq)

    def outcomes(self, site: str = "alpha") -> list[Outcome]:
        """Return what the agent's receipts report."""
        return [receipt.outcome for receipt in self.receipts(site)]

    def reading(self, site: str, witness: str) -> Reading:
        """Return a witness's newest reading."""
        key = PublicKey.load(kit.public_of(kit.witness_label(site, witness)))
        topic = self.fleet.topics.witness(site, witness)
        newest = self._envelopes(topic, Reading.payload_type())[-1]
        return open_envelope(newest, Reading, {key.key_id: key})[0]
