"""A witness of one site: its own key, its own connection, its own probe, its own disk.

It answers each challenge with a reading that quotes it. What makes the quote evidence is one rule:
the challenge is latched *before* the sample begins, so whatever the reading saw was seen after the
challenge was issued.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agents.chain import Chain, Said
from agents.courier import Courier, Parcel, Ration
from agents.offload import Offload
from agents.probes.base import Probe
from protocols.clock import Clock
from protocols.envelope import join_frame, parse_envelope, seal
from protocols.errors import EnvelopeError, MessageError, ProbeError, StoreError, TrustError
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import format_utc
from protocols.keys import Signer
from protocols.limits import FRAME_MAX_BYTES, FRAME_MAX_ENVELOPES
from protocols.messages import Challenge, Closing, Link, Presence, Quoted, Reading, Recall, Role, Signal
from protocols.topics import Topics
from protocols.transport.base import Inbound, Transport
from protocols.trust import SiteTrust, check_challenge, check_recall

PENDING_DRILLS_MAX = 16
"""Drills with a challenge that waits; past it the one that waited longest is dropped."""

RECALLS_MAX = 16
"""Recalls that wait."""

RECALL_MESSAGES_MAX = 5_000
"""Most messages that one recall brings back; the rest must be asked for again."""

_FRAME_PAUSE_S = 0.01
_MESSAGES_WAITING_MAX = 256


@dataclass(frozen=True, slots=True)
class WitnessParts:
    """What a witness is made of.

    Attributes:
        name: The witness's name in the site record.
        trust: The documents that it holds.
        signer: The witness's key.
        chain: What it has said, on its disk.
        probe: How it observes.
        clock: The clock.
        log: Where its log goes.
        connect: Makes a transport that is not entered yet.
        software: Name and version of the program.
        offload: How blocking calls of the probe are run.
    """

    name: str
    trust: SiteTrust
    signer: Signer
    chain: Chain
    probe: Probe
    clock: Clock
    log: FilteringBoundLogger
    connect: Callable[[], Transport]
    software: str
    offload: Offload = asyncio.to_thread


class Witness:
    """Runs one witness."""

    def __init__(self, parts: WitnessParts) -> None:
        self._parts = parts
        self._log = parts.log
        self._chain = parts.chain
        self._site = parts.trust.record.site
        self._topics = Topics(parts.trust.fleet)
        self._topic = self._topics.witness(self._site, parts.name)
        self._pending: dict[str, Challenge] = {}
        self._challenged = asyncio.Event()
        self._recalls: deque[Recall] = deque(maxlen=RECALLS_MAX)
        self._recalled = asyncio.Event()
        self._latched: dict[str, int] = {}
        self._junk = Ration(parts.clock, burst=20, per_s=5.0)
        self._asked = Ration(parts.clock, burst=20, per_s=5.0)
        self._courier = Courier(
            parts.connect,
            clock=parts.clock,
            log=parts.log,
            program="witness",
            take=self._take,
            presence=self._presence,
            waiting_max=_MESSAGES_WAITING_MAX,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set."""
        self._log.info("witness.started", store=self._chain.store_id, seq=self._chain.seq)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._sample_challenges()),
                tasks.create_task(self._answer_recalls()),
                tasks.create_task(self._courier.run()),
            ]
            await stop.wait()
            for task in running:
                task.cancel()
        self._log.info("witness.stopped", seq=self._chain.seq)

    # -- what arrives --------------------------------------------------------------------------

    def _take(self, message: Inbound) -> None:
        lines = message.payload.split(b"\n", FRAME_MAX_ENVELOPES)[:FRAME_MAX_ENVELOPES]
        for raw in lines:
            try:
                if message.topic == self._topics.challenges:
                    self._on_challenge(raw)
                elif message.topic == self._topics.ask(self._site):
                    self._on_recall(raw)
            except TrustError as error:
                self._reject(message.topic, error.what, reason=error.reason)
            except (EnvelopeError, MessageError) as error:
                self._reject(message.topic, str(error))

    def _reject(self, topic: str, detail: str, *, reason: str | None = None) -> None:
        kind = "challenge" if topic == self._topics.challenges else "recall"
        if self._junk.take():
            self._log.warning(f"witness.{kind}.rejected", detail=detail, reason=reason)

    def _on_challenge(self, raw: bytes) -> None:
        trust = self._parts.trust
        challenge = check_challenge(parse_envelope(raw), trust.dispatchers, trust.fleet)
        part = self._chain.drills.get(challenge.drill)
        if part is not None and part.closing is not None:
            # The closing was the last word; asked again, it is said again in the same bytes.
            if challenge.final and self._asked.take():
                self._send_again(part.closing)
            return
        newest = max(self._latched.get(challenge.drill, -1), part.challenge if part else -1)
        waiting = self._pending.get(challenge.drill)
        # A final challenge that was read but not closed (a crash fell between) is taken up again.
        unclosed = challenge.final and challenge.drill not in self._latched and challenge.seq == newest
        if (challenge.seq <= newest and not unclosed) or (waiting and challenge.seq <= waiting.seq):
            return
        self._pending[challenge.drill] = challenge
        while len(self._pending) > PENDING_DRILLS_MAX:
            del self._pending[next(iter(self._pending))]
        self._challenged.set()

    def _on_recall(self, raw: bytes) -> None:
        trust = self._parts.trust
        recall = check_recall(parse_envelope(raw), trust.dispatchers, trust.fleet)
        if recall.site == self._site and recall.witness == self._parts.name and self._asked.take():
            self._recalls.append(recall)
            self._recalled.set()

    # -- readings ------------------------------------------------------------------------------

    async def _sample_challenges(self) -> None:
        while True:
            await self._challenged.wait()
            self._challenged.clear()
            while self._pending:
                drill = next(iter(self._pending))
                await self._answer(self._pending.pop(drill))

    async def _answer(self, challenge: Challenge) -> None:
        """Latch, sample, sign, write down, publish; and close the drill if it is over."""
        before = self._latched.pop(challenge.drill, None)
        self._latched[challenge.drill] = challenge.seq
        while len(self._latched) > PENDING_DRILLS_MAX:
            del self._latched[next(iter(self._latched))]
        quoted = Quoted(drill=challenge.drill, seq=challenge.seq, nonce=challenge.nonce, digest=challenge.digest())
        signals = await self._sample(challenge)
        try:
            self._say_reading(quoted, signals)
            if challenge.final:
                self._say_closing(quoted)
            self._chain.compact_if_grown(drill_goes_on=not challenge.final)
        except StoreError as error:
            # Not written down is not said: the same challenge may be answered once the disk is back.
            self._log.error("witness.store.failed", detail=str(error), drill=challenge.drill)
            del self._latched[challenge.drill]
            if before is not None:
                self._latched[challenge.drill] = before

    async def _sample(self, challenge: Challenge) -> tuple[Signal, ...]:
        try:
            return await self._parts.offload(lambda: self._parts.probe.sample(challenge))
        except ProbeError as error:
            # Without signals the verifier sees `unknown`, which is what this is.
            self._log.error("witness.probe.failed", detail=str(error))
            return ()

    def _link(self) -> Link:
        clock = self._parts.clock
        return Link(seq=self._chain.seq + 1, prev=self._chain.head, boot_id=clock.boot_id, boot_ns=clock.boot_ns())

    def _say_reading(self, quoted: Quoted, signals: tuple[Signal, ...]) -> None:
        reading = Reading(
            fleet=self._parts.trust.fleet,
            site=self._site,
            witness=self._parts.name,
            link=self._link(),
            at=format_utc(self._parts.clock.wall_ns()),
            quotes=quoted,
            signals=signals,
        )
        self._say(reading)
        self._log.debug("witness.reading", drill=quoted.drill, challenge=quoted.seq, seq=reading.link.seq)

    def _say_closing(self, quoted: Quoted) -> None:
        part = self._chain.drills[quoted.drill]
        closing = Closing(
            fleet=self._parts.trust.fleet,
            site=self._site,
            witness=self._parts.name,
            link=self._link(),
            at=format_utc(self._parts.clock.wall_ns()),
            quotes=quoted,
            first=part.first,
            last=part.last,
        )
        self._say(closing)
        self._log.info("witness.closing", drill=quoted.drill, first=part.first, last=part.last)

    def _say(self, message: Reading | Closing) -> None:
        envelope = seal(message, self._parts.signer)
        self._chain.append(
            Said(
                kind="reading" if isinstance(message, Reading) else "closing",
                seq=message.link.seq,
                digest=message.digest(),
                drill=message.quotes.drill,
                challenge=message.quotes.seq,
                envelope=envelope.decode("ascii"),
            )
        )
        self._courier.send(self._topic, envelope)

    # -- saying again --------------------------------------------------------------------------

    def _send_again(self, seq: int) -> None:
        try:
            envelope = self._chain.envelope(seq)
        except StoreError as error:
            self._log.error("witness.store.failed", detail=str(error))
            return
        if envelope is not None:
            self._courier.send(self._topic, envelope)

    async def _answer_recalls(self) -> None:
        while True:
            await self._recalled.wait()
            self._recalled.clear()
            while self._recalls:
                recall = self._recalls.popleft()
                try:
                    await self._answer_recall(recall)
                except StoreError as error:
                    self._log.error("witness.store.failed", detail=str(error), drill=recall.drill)

    async def _answer_recall(self, recall: Recall) -> None:
        first = max(recall.first, self._chain.oldest)
        last = min(recall.last, self._chain.seq, first + RECALL_MESSAGES_MAX - 1)
        self._log.info("witness.recall", drill=recall.drill, first=recall.first, last=recall.last)
        frame: list[bytes] = []
        size_bytes = 0
        for seq in range(first, last + 1):
            envelope = self._chain.envelope(seq)
            if envelope is None:
                continue
            if frame and (size_bytes + len(envelope) + 1 > FRAME_MAX_BYTES or len(frame) == FRAME_MAX_ENVELOPES):
                await self._send_frame(frame)
                frame, size_bytes = [], 0
            frame.append(envelope)
            size_bytes += len(envelope) + 1
        if frame:
            await self._send_frame(frame)

    async def _send_frame(self, frame: list[bytes]) -> None:
        """Send a frame and wait until it is out: a recall must not push readings from the queue."""
        self._courier.send(self._topic, join_frame(frame))
        await self._courier.flushed()
        await self._parts.clock.sleep(_FRAME_PAUSE_S)

    def _presence(self) -> Parcel:
        clock = self._parts.clock
        presence = Presence(
            fleet=self._parts.trust.fleet,
            site=self._site,
            role=Role.WITNESS,
            name=self._parts.name,
            store=self._chain.store_id,
            last_seq=self._chain.seq,
            last_digest=self._chain.head,
            boot_id=clock.boot_id,
            at=format_utc(clock.wall_ns()),
            software=self._parts.software,
        )
        topic = self._topics.presence(self._site, self._parts.name)
        return Parcel(topic, seal(presence, self._parts.signer), retain=True)
