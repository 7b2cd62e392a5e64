"""The agent of one site, or an enforcer of it: verifies, writes down, acts, answers, and restores by itself."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from agents.acting import Driver
from agents.actuate import Actuator
from agents.courier import Courier, Parcel, Ration, wait_for_event
from agents.decide import HEARTBEAT_NS, HELD_HEARTBEAT_NS, decide
from agents.decision import Decision, Input, OrderFrame, StopEnvelope, Stopping, Tick
from agents.events import ReceiptIssued
from agents.ledger import Ledger, stops_only
from agents.lessee import Lessee
from agents.offload import Offload
from agents.reconcile import hold_left_ns, now_ns
from agents.state import AgentState, Moment
from protocols.clock import Clock
from protocols.controls import Actor
from protocols.envelope import seal
from protocols.errors import DriverError, StoreError
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import format_utc
from protocols.keys import Signer
from protocols.limits import FRAME_MAX_ENVELOPES
from protocols.messages import AGENT, Presence, Role
from protocols.topics import Topics
from protocols.transport.base import Inbound, Transport
from protocols.trust import SiteTrust

TICK_S = 0.5
"""Longest time between two looks at the clock and the operator's veto."""

STOP_MAX_S = 20.0
"""How long an agent that was asked to stop tries to restore its site first."""

_FLUSH_S = 2.0
_TICK_MIN_S = 0.001
_RECEIPTS_WAITING_MAX = 1_000
_NONCE_BYTES = 16


def fresh_nonce() -> str:
    """Return a nonce that nobody can guess."""
    return secrets.token_hex(_NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What an agent, or an enforcer, is made of.

    Attributes:
        trust: The documents that the site holds.
        signer: Its key.
        ledger: Its memory on its disk; what it signs there carries `name`.
        driver: How it acts.
        clock: The clock.
        log: Where its log goes.
        veto: Tells whether the operator's local veto is set.
        connect: Makes a transport that is not entered yet.
        software: Name and version of the program.
        offload: How blocking calls of the driver are run.
        actor: Which orders it acts on, and where it answers.
        name: `agent`, or the enforcer's name in the site record.
        nonce: Makes a fresh nonce, for licences and for arming.
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
    actor: Actor = Actor.AGENT
    name: str = AGENT
    nonce: Callable[[], str] = fresh_nonce


class Agent:
    """Runs one site's agent, or one enforcer of it."""

    def __init__(self, parts: AgentParts) -> None:
        self._parts = parts
        self._log = parts.log
        self._ledger = parts.ledger
        self._site = parts.trust.record.site
        self._topics = Topics(parts.trust.fleet)
        self._program = parts.actor.value
        is_agent = parts.actor is Actor.AGENT
        self._answers_on = self._topics.agent(self._site) if is_agent else self._topics.enforcer(self._site, parts.name)
        self._ticked = asyncio.Event()
        self._deaf = False
        self._junk = Ration(parts.clock, burst=20, per_s=5.0)
        self._answers = Ration(parts.clock, burst=200, per_s=50.0)
        self._unanswered = 0
        self._courier = Courier(
            parts.connect,
            clock=parts.clock,
            log=parts.log,
            program=self._program,
            take=self._take,
            presence=self._presence,
            waiting_max=_RECEIPTS_WAITING_MAX,
        )
        self._lessee = Lessee(
            parts.trust, parts.signer, self._courier, clock=parts.clock, log=parts.log, nonce=parts.nonce
        )
        self._actuator = Actuator(
            parts.driver,
            state=lambda: self.state,
            moment=self._moment,
            report=self._handle,
            clock=parts.clock,
            log=parts.log,
            offload=parts.offload,
            actor=parts.actor,
            nonce=parts.nonce,
        )

    @property
    def state(self) -> AgentState:
        """What it remembers."""
        return self._ledger.state

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then restore the site, let the workload run, and return.

        Raises:
            DriverError: The site could not be restored in `STOP_MAX_S`.
        """
        self._log.info(f"{self._program}.started", store=self._ledger.store_id, seq=self.state.seq)
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
        self._log.info(f"{self._program}.stopped", restored=restored)
        if not restored:
            raise DriverError(
                f"the {self._program} stops, and its site is not restored",
                where=self._site,
                remedy=f"start the {self._program} again",
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
        return Moment(
            clock.wall_ns(), clock.boot_ns(), clock.boot_id, self._parts.veto(), self._lessee.licensed(self.state)
        )

    # -- what happens --------------------------------------------------------------------------

    def _take(self, message: Inbound) -> None:
        if message.topic == self._topics.stops:
            for raw in message.payload.split(b"\n", FRAME_MAX_ENVELOPES)[:FRAME_MAX_ENVELOPES]:
                self._handle(StopEnvelope(raw))
        elif self._deaf:
            return
        elif message.retained:
            # Commands are never retained: one that is was kept by somebody to be replayed.
            self._log.warning(f"{self._program}.order.rejected", detail="a retained message")
        elif message.topic in {self._topics.orders, self._topics.site_orders(self._site)}:
            self._handle(OrderFrame(message.payload))
        elif message.topic == self._topics.licences(self._site):
            self._lessee.take(message.payload, self.state, self._moment())

    def _handle(self, happened: Input) -> None:
        decision = decide(self.state, happened, self._parts.trust, self._moment(), actor=self._parts.actor)
        if decision.unsigned and not self._junk.take():
            self._unanswered += 1
            return
        answers_only = not decision.events and isinstance(happened, OrderFrame | StopEnvelope)
        if answers_only and (decision.again or decision.drafts) and not self._answers.take():
            self._unanswered += 1
            return
        self._commit(decision)
        for again in decision.again:
            self._say(again)

    def _say(self, receipt: ReceiptIssued) -> None:
        self._courier.send(self._answers_on, receipt.envelope.encode())

    def _commit(self, decision: Decision, *, mark: bool = False) -> None:
        try:
            receipts = self._ledger.commit(decision, self._moment(), mark=mark)
        except StoreError as error:
            self._log.error(f"{self._program}.store.failed", detail=str(error))
            receipts = ()
            if not stops_only(decision):
                return
        for note in decision.notes:
            getattr(self._log, note.level)(f"{self._program}.{note.event}", **note.fields)
        for receipt in receipts:
            self._say(receipt)
        if decision.events:
            self._actuator.wake.set()
            self._ticked.set()

    async def _tick(self) -> None:
        while True:
            moment = self._moment()
            left_ns = hold_left_ns(self.state, moment)
            lease_s = self._lessee.turn(self.state, moment)
            due_s = (TICK_S if left_ns is None else left_ns / 1e9, TICK_S if lease_s is None else lease_s)
            pause_s = min(TICK_S, max(_TICK_MIN_S, min(due_s)))
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
            self._log.error(f"{self._program}.store.failed", detail=str(error))
        if self._unanswered:
            self._log.warning(f"{self._program}.order.unanswered", count=self._unanswered, detail="too many to answer")
            self._unanswered = 0

    # -- what is said --------------------------------------------------------------------------

    def _send_last_receipts(self) -> None:
        """Send the receipts of the last step again, all its rungs: nobody knows which of them were heard."""
        known = [(entry.accepted.wall_ns, key[:3]) for key, entry in self.state.orders.items()]
        known += [(entry.seen.wall_ns, key[:3]) for key, entry in self.state.rungs.items()]
        if known:
            _, step = max(known)
            for receipt in self.state.receipts_of_step(step):
                self._say(receipt)

    def _presence(self) -> Parcel:
        clock = self._parts.clock
        presence = Presence(
            fleet=self._parts.trust.fleet,
            site=self._site,
            role=Role(self._program),
            name=self._parts.name,
            store=self._ledger.store_id,
            last_seq=self.state.seq,
            last_digest=self.state.head,
            boot_id=clock.boot_id,
            at=format_utc(clock.wall_ns()),
            software=self._parts.software,
        )
        return Parcel(
            self._topics.presence(self._site, self._parts.name), seal(presence, self._parts.signer), retain=True
        )
