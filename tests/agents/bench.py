"""One agent or one enforcer on virtual time, with a broker in memory and somebody who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

from agents.agent import Agent, AgentParts
from agents.ledger import Identity, Ledger
from agents.lying import LyingDriver
from protocols.controls import Actor, Control
from protocols.envelope import Envelope, open_envelope, split_frame
from protocols.host.logs import FilteringBoundLogger
from protocols.keys import PublicKey
from protocols.messages import LicenceRequest, Order, Outcome, Receipt, Warrant
from protocols.transport.base import Inbound
from protocols.transport.memory import MemoryBroker, MemoryTransport
from tests import kit
from tests.agents.doubles import FakeDriver, MemoryDisk, envelopes_in, receipt_of
from tests.log_checks import checked_log
from tests.virtual import LoopClock, run_virtual

SITE = "alpha"
S = 1_000_000_000
T = TypeVar("T")


async def inline(call: Callable[[], T]) -> T:
    """Run a blocking call right here: virtual time has no threads."""
    return call()


ALL_CONTROLS = {"controls": tuple(Control), "mock": True}
"""Fields of a record whose site does everything."""


class Bench:
    """One agent or one enforcer, its broker, and somebody who listens.

    Args:
        enforcer: The name of the enforcer that is on the bench, instead of the agent.
        record: Fields of the site record to change.
    """

    def __init__(self, *, enforcer: str | None = None, record: Mapping[str, Any] | None = None) -> None:
        self.enforcer = enforcer
        self.label = kit.agent_label(SITE) if enforcer is None else kit.enforcer_label(SITE, enforcer)
        self.fleet = kit.make_fleet(record=record, enforcers=0 if enforcer is None else 1)
        self.clock = LoopClock()
        self.broker = MemoryBroker()
        self.disk = MemoryDisk()
        self.driver = FakeDriver()
        self.lying = False
        self.veto = False
        self.heard: list[Inbound] = []
        self.offload: Callable[[Callable[[], Any]], Awaitable[Any]] = inline
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._ears: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._ears is None:
            self._ears = asyncio.create_task(self._listen())
        name = self.enforcer or "agent"
        identity = Identity(self.fleet.fleet, SITE, kit.key_of(self.label), by=name)
        topics = self.fleet.topics
        filters = topics.agent_filters(SITE) if self.enforcer is None else topics.enforcer_filters(SITE)
        trust = self.fleet.site_trust(SITE)
        parts = AgentParts(
            trust=trust,
            signer=identity.signer,
            ledger=Ledger.open(self.disk, identity, new_id="ab" * 16, now_ns=self.clock.wall_ns()),
            driver=LyingDriver(self.driver) if self.lying else self.driver,
            clock=self.clock,
            log=self._log(),
            veto=lambda: self.veto,
            connect=lambda: MemoryTransport(self.broker, filters, clock=self.clock, client_id="agent"),
            software="haltdrill test",
            offload=self.offload,
            actor=Actor.AGENT if self.enforcer is None else Actor.ENFORCER,
            name=name,
        )
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(Agent(parts).run(self._stop))

    def _log(self) -> FilteringBoundLogger:
        if self.enforcer is None:
            return checked_log("agent", site=SITE)
        return checked_log("enforcer", site=SITE, enforcer=self.enforcer)

    async def crash(self) -> None:
        """End the agent as SIGKILL would: nothing of it runs any more."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def stop(self) -> None:
        """Ask the agent to stop, and wait for it."""
        assert self._task is not None
        self._stop.set()
        await self._task

    async def close(self) -> None:
        for task in (self._task, self._ears):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _listen(self) -> None:
        base = self.fleet.topics.base
        ears = MemoryTransport(self.broker, [f"{base}/#"], clock=self.clock, client_id="ears")
        async with ears:
            while True:
                self.heard += await ears.receive(100)

    @property
    def answers_on(self) -> str:
        topics = self.fleet.topics
        return topics.agent(SITE) if self.enforcer is None else topics.enforcer(SITE, self.enforcer)

    @property
    def envelopes(self) -> list[Envelope]:
        return envelopes_in(self.heard, self.answers_on)

    @property
    def raw(self) -> list[bytes]:
        """The receipts as they were sent."""
        kind = Receipt.payload_type()
        frames = [message.payload for message in self.heard if message.topic == self.answers_on]
        return [frame for frame in frames if split_frame(frame)[0].payload_type == kind]

    @property
    def receipts(self) -> list[Receipt]:
        kind = Receipt.payload_type()
        return [receipt_of(one, SITE, self.label) for one in self.envelopes if one.payload_type == kind]

    @property
    def requests(self) -> list[LicenceRequest]:
        kind = LicenceRequest.payload_type()
        key = PublicKey.load(kit.public_of(self.label))
        asked = [one for one in self.envelopes if one.payload_type == kind]
        return [open_envelope(one, LicenceRequest, {key.key_id: key})[0] for one in asked]

    @property
    def outcomes(self) -> list[Outcome]:
        return [receipt.outcome for receipt in self.receipts]

    def publish(self, topic: str, frame: bytes) -> None:
        self.broker.route(topic, frame)

    def issue(self, warrant: Warrant | None = None, **changes: Any) -> tuple[Order, bytes]:
        """Order step 0 of a warrant now."""
        warrant = warrant or self.fleet.warrant(**changes)
        return self._send(self.fleet.topics.orders, warrant)

    def climb(self, warrant: Warrant, rung: int) -> tuple[Order, bytes]:
        """Order the site to climb to a rung of step 0 now."""
        return self._send(self.fleet.topics.site_orders(SITE), warrant, rung=rung, site=SITE)

    def _send(self, topic: str, warrant: Warrant, **changes: Any) -> tuple[Order, bytes]:
        now_s = self.clock.boot_ns() / S
        times = {"issued_at": self.fleet.at(now_s), "expires_at": self.fleet.at(now_s + 60)}
        order = self.fleet.order(warrant, **times, **changes)
        frame = self.fleet.order_frame(order, self.fleet.approve(warrant, kit.APPROVERS))
        self.publish(topic, frame)
        return order, frame


def on_bench(test: Callable[[Bench], Coroutine[Any, Any, None]], **changes: Any) -> None:
    """Run a test on virtual time, with a bench (made with `changes`) that is cleared away afterwards."""

    async def run() -> None:
        bench = Bench(**changes)
        try:
            await test(bench)
        finally:
            await bench.close()

    run_virtual(run())
