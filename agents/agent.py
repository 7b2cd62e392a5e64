"""The agent of one site: verifies, writes down, acts, answers, and restores by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from agents.acting import Driver
from agents.actuate import Actuator
from agents.courier import Courier, Parcel, Ration, wait_for_event
from agents.decide import HEARTBEAT_NS, HELD_HEARTBEAT_NS, decide
from agents.decision import Decision, Input, OrderFrame, StopEnvelope, Stopping, Tick
from agents.ledger import Ledger, stops_only
from agents.offload import Offload
from agents.reconcile import hold_left_ns, now_ns
from agents.state import AgentState, Moment
from protocols.clock import Clock
from protocols.envelope import seal
from protocols.errors import DriverError, StoreError
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import format_utc
from protocols.keys import Signer
from protocols.limits import FRAME_MAX_ENVELOPES
from protocols.messages import Presence, Role
from protocols.topics import Topics
from protocols.transport.base import Inbound, Transport
from protocols.trust import SiteTrust

TICK_S = 0.5
"""Longest time between two looks at the clock and the operator's veto."""

STOP_MAX_S = 20.0
"""How long an agent that was asked to stop tries to restore its site first."""

_FLUSH_S = 2.0
_RECEIPTS_WAITING_MAX = 1_000
_NAME = "agent"


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What an agent is made of.

    Attributes:
        trust: The documents that the site holds.
        signer: The agent's key.
        ledger: Its memory on its disk.
        driver: How it acts.
        clock: The clock.
        log: Where its log goes.
        veto: Tells whether the operator's local veto is set.
        connect: Makes a transport that is not entered yet.
        software: Name and version of the program.
        offload: How blocking calls of the driver are run.
    """

    trust: SiteTrust
    signer: Signer
    ledger: Ledger
    driver: Driver
    clock: Clock
    log: FilteringBoundLogger
    veto: Callable[[], bool]
    connect: Callable[[], Transport]
    software: str
    offload: Offload = asyncio.to_thread


class Agent:
    """Runs one site's agent."""

    def __init__(self, parts: AgentParts) -> None:
        self._parts = parts
        self._log = parts.log
        self._ledger = parts.ledger
        self._site = parts.trust.record.site
        self._topics = Topics(parts.trust.fleet)
        self._ticked = asyncio.Event()
        self._deaf = False
        self._junk = Ration(parts.clock, burst=20, per_s=5.0)
        self._answers = Ration(parts.clock, burst=200, per_s=50.0)
        self._unanswered = 0
        self._courier = Courier(
            parts.connect,
            clock=parts.clock,
            log=parts.log,
            program=_NAME,
            take=self._take,
            presence=self._presence,
            waiting_max=_RECEIPTS_WAITING_MAX,
        )
        self._actuator = Actuator(
            parts.driver,
            state=lambda: self.state,
            moment=self._moment,
            report=self._handle,
            clock=parts.clock,
            log=parts.log,
            offload=parts.offload,
        )

    @property
    def state(self) -> AgentState:
        """What the agent remembers."""
        return self._ledger.state

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then restore the site, let the workload run, and return.

        Raises:
            DriverError: The site could not be restored in `STOP_MAX_S`.
        """
        self._log.info("agent.started", store=self._ledger.store_id, seq=self.state.seq)
        self._commit(Decision(), mark=True)
        # The site's own affairs come first: what is to be restored is restored before any broker is asked.
        self._handle(Tick())
        await self._actuator.start()
        await self._actuator.step()
        self._send_last_receipts()
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._actuator.run()),
                tasks.create_task(self._tick()),
                tasks.create_task(self._courier.run()),
            ]
            await stop.wait()
            restored = await self._stop()
            for task in running:
                task.cancel()
        await self._parts.offload(lambda: self._parts.driver.close(stop_workload=False))
        self._log.info("agent.stopped", restored=restored)
        if not restored:
            raise DriverError(
                "the agent stops, and its site is not restored", where=self._site, remedy="start the agent again"
            )

    async def _stop(self) -> bool:
        self._deaf = True
        self._actuator.resting.clear()
        self._handle(Stopping())
        self._actuator.wake.set()
        restored = await self._within(self._actuator.resting.wait(), STOP_MAX_S)
        await self._within(self._courier.flushed(), _FLUSH_S)
        return restored

    async def _within(self, waiting: Coroutine[Any, Any, object], limit_s: float) -> bool:
        waiter = asyncio.ensure_future(waiting)
        sleeper = asyncio.ensure_future(self._parts.clock.sleep(limit_s))
        await asyncio.wait({waiter, sleeper}, return_when=asyncio.FIRST_COMPLETED)
        done = bool(waiter.done())
        waiter.cancel()
        sleeper.cancel()
        return done

    def _moment(self) -> Moment:
        clock = self._parts.clock
        return Moment(clock.wall_ns(), clock.boot_ns(), clock.boot_id, self._parts.veto())

    # -- what happens --------------------------------------------------------------------------

    def _take(self, message: Inbound) -> None:
        if message.topic == self._topics.stops:
            for raw in message.payload.split(b"\n", FRAME_MAX_ENVELOPES)[:FRAME_MAX_ENVELOPES]:
                self._handle(StopEnvelope(raw))
        elif message.topic == self._topics.orders and not self._deaf:
            if message.retained:
                # Commands are never retained: one that is was kept by somebody to be replayed.
                self._log.warning("agent.order.rejected", detail="a retained message")
            else:
                self._handle(OrderFrame(message.payload))

    def _handle(self, happened: Input) -> None:
        decision = decide(self.state, happened, self._parts.trust, self._moment())
        if decision.unsigned and not self._junk.take():
            self._unanswered += 1
            return
        answers_only = not decision.events and isinstance(happened, OrderFrame | StopEnvelope)
        if answers_only and (decision.again or decision.drafts) and not self._answers.take():
            self._unanswered += 1
            return
        self._commit(decision)
        for again in decision.again:
            self._courier.send(self._topics.agent(self._site), again.envelope.encode())

    def _commit(self, decision: Decision, *, mark: bool = False) -> None:
        try:
            receipts = self._ledger.commit(decision, self._moment(), mark=mark)
        except StoreError as error:
            self._log.error("agent.store.failed", detail=str(error))
            receipts = ()
            if not stops_only(decision):
                return
        for note in decision.notes:
            getattr(self._log, note.level)(note.event, **note.fields)
        for receipt in receipts:
            self._courier.send(self._topics.agent(self._site), receipt.envelope.encode())
        if decision.events:
            self._actuator.wake.set()
            self._ticked.set()

    async def _tick(self) -> None:
        while True:
            moment = self._moment()
            left_ns = hold_left_ns(self.state, moment)
            pause_s = TICK_S if left_ns is None else min(TICK_S, max(0.001, left_ns / 1e9))
            await wait_for_event(self._parts.clock, self._ticked, pause_s)
            self._handle(Tick())
            self._keep_house()

    def _keep_house(self) -> None:
        wall_ns = self._parts.clock.wall_ns()
        pace_ns = HEARTBEAT_NS if self.state.live is None else HELD_HEARTBEAT_NS
        if self._ledger.unsaved or now_ns(self.state, self._moment()) > self.state.high_water_ns + pace_ns:
            self._commit(Decision(), mark=True)
        try:
            self._ledger.compact_if_grown(wall_ns)
        except StoreError as error:
            self._log.error("agent.store.failed", detail=str(error))
        if self._unanswered:
            self._log.warning("agent.order.unanswered", count=self._unanswered, detail="too many to answer")
            self._unanswered = 0

    # -- what is said --------------------------------------------------------------------------

    def _send_last_receipts(self) -> None:
        """Send the receipts of the last order again: nobody knows which of them were heard."""
        last = max(self.state.orders.values(), key=lambda entry: entry.accepted.wall_ns, default=None)
        if last is not None:
            for receipt in self.state.receipts_of(last.accepted.order):
                self._courier.send(self._topics.agent(self._site), receipt.envelope.encode())

    def _presence(self) -> Parcel:
        clock = self._parts.clock
        presence = Presence(
            fleet=self._parts.trust.fleet,
            site=self._site,
            role=Role.AGENT,
            name=_NAME,
            store=self._ledger.store_id,
            last_seq=self.state.seq,
            last_digest=self.state.head,
            boot_id=clock.boot_id,
            at=format_utc(clock.wall_ns()),
            software=self._parts.software,
        )
        return Parcel(self._topics.presence(self._site, _NAME), seal(presence, self._parts.signer), retain=True)
