"""The runtime's one loop: take what waits, verify it, decide, append in one commit, then act.

It batches by itself under load and has no other path. Nothing is published that was not appended.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from orchestrator.core import events as ev
from orchestrator.core.agenda import Agenda
from orchestrator.core.drill import Drill
from orchestrator.core.intake import Heard, Unbelieved
from orchestrator.core.live import Live
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from orchestrator.journal.base import JournalStore
from orchestrator.runtime.carry_out import CarryOut
from orchestrator.runtime.examining import Examiner
from orchestrator.runtime.opening import Opened
from orchestrator.runtime.standings import Standings
from orchestrator.runtime.turn import Turn
from protocols.clock import Clock
from protocols.envelope import parse_envelope
from protocols.errors import TransportError
from protocols.ids import parse_utc, seconds_to_ns
from protocols.messages import (
    AGENT,
    Abort,
    Closing,
    Lever,
    LicenceRequest,
    Message,
    Presence,
    Reading,
    Receipt,
    Release,
    Revocation,
    Standing,
)
from protocols.reasons import Reason
from protocols.topics import Topics
from protocols.transport.base import Inbound, Transport

BATCH_MAX = 512
REJECTIONS_KEPT = 1_000
COLLECT_AFTER = 100_000
"""New objects after which the interpreter looks for cycles while a drill runs (700 by default)."""
Evidence = Receipt | LicenceRequest | Reading | Closing

Observer = Callable[[ev.Stamped, Message | None], None]
"""Told of each event after it was appended: logs and live views."""


class Runtime:
    """Runs one drill to its end, from its beginning or from where its journal stands.

    Args:
        opened: The drill, just opened or resumed.
        store: Where its journal goes.
        transport: The connection to the sites, already entered.
        clock: The one clock.
        tick_s: The longest wait before looking at the clock again.
        observers: Told of every appended event.
        gather_s: The pause between two turns, in which messages gather so that one commit serves
            many. Each was stamped when it arrived, so nothing that is measured waits for it.
        threads: Threads that verify signatures; 0 verifies inline, for a simulation.
        standings: What a timekeeper said so far.
    """

    def __init__(
        self,
        opened: Opened,
        store: JournalStore,
        transport: Transport,
        clock: Clock,
        *,
        tick_s: float = 0.05,
        gather_s: float = 0.05,
        observers: Sequence[Observer] = (),
        threads: int = 2,
        standings: Standings | None = None,
    ) -> None:
        self.drill = drill = opened.drill
        self.live = Live(drill)
        self._opening = opened.events
        self.standings = standings or Standings()
        self._issuer = issuer = replace(opened.issuer, standing=self.standings.text)
        self._store = store
        self._transport = transport
        self._clock = clock
        self._epoch = opened.epoch
        self._tick_s = tick_s
        self._gather_s = gather_s
        self._observers = list(observers)
        self._turned: list[Callable[[], None]] = []
        self._chain = opened.chain
        self._topics = Topics(drill.trust.fleet)
        self._agenda = Agenda(drill, self.live.steady, self.live.back, self.live.climbs)
        self._examiner = Examiner(drill.trust, threads)
        self._stop_reason = ""
        self._opened_ns = opened.opened_ns
        pacing = self._agenda.pacing
        self._carry_out = CarryOut(drill, self.live, issuer, pacing, self._chain, opened.warrant, clock, self._decide)
        self.presence: dict[tuple[str, str], Presence] = {}

    @property
    def drill_id(self) -> str:
        """The drill's id, also before its first event."""
        return self._issuer.drill

    def abort(self, reason: str) -> None:
        """Stop the drill early; the loop does it in its next turn."""
        self._stop_reason = self._stop_reason or reason

    def watch(self, observer: Observer, turned: Callable[[], None]) -> None:
        """Tell one more observer of each event, and call `turned` at the end of each turn of the loop."""
        self._observers.append(observer)
        self._turned.append(turned)

    async def run(self) -> Drill:
        """Run the drill until it is closed.

        Raises:
            JournalError: The journal cannot be written; nothing was done that is not in it.
        """
        try:
            with _few_collections:
                turn = Turn()
                for event in self._opening:
                    self._decide(turn, event)
                await self._commit(turn)
                while self.drill.phase is not Phase.CLOSED:
                    await self._turn(await self._waiting())
                    await self._clock.sleep(self._gather_s)
                await self._examiner.beside(lambda: self._store.mark_closed(self.drill.drill))
        finally:
            self._examiner.close()
        return self.drill

    async def _waiting(self) -> list[Inbound]:
        try:
            async with asyncio.timeout(self._tick_s):
                return await self._transport.receive(BATCH_MAX)
        except TimeoutError:
            return []

    async def _turn(self, inbound: Sequence[Inbound]) -> None:
        turn = Turn()
        for item in await self._examiner.examine(inbound):
            self._take(turn, item)
        now = self.now()
        self.live.refresh(now)
        if self._stop_reason and not self.drill.aborted:
            self._carry_out.abort(turn, self._stop_reason)
        for intent in self._agenda.due(now, self._clock.wall_ns()):
            self._carry_out(turn, intent)
        await self._commit(turn)
        for turned in self._turned:
            turned()

    def _take(self, turn: Turn, item: Heard | Unbelieved) -> None:
        """Decide on one input, in order."""
        if isinstance(item, Unbelieved):
            self._reject(turn, item)
            return
        said = item.said
        match said:
            case Presence():
                self.presence[said.site, said.name] = said
            case Abort():
                self._abort_by(turn, said, item.envelope)
            case Release():
                self._released_by(said, item.digest)
            case Lever():
                self._lever(said)
            case Revocation(warrant=warrant, reason=why):
                if warrant == self._issuer.warrant_digest:
                    self.abort(f"its warrant was revoked: {why}"[:500])
            case Standing():
                self.standings.hear(said, item.envelope)
            case Receipt() | LicenceRequest() | Reading() | Closing():
                problem = self.drill.concern(said, item.digest)
                if isinstance(problem, Reason):
                    self._reject(turn, Unbelieved(problem, "", self._place(said), item.digest))
                elif problem:
                    self._decide(turn, _evidence(said, item), said, item.digest)
            case _:
                assert_never(said)

    def _released_by(self, said: Release, digest: str) -> None:
        """End the drill when somebody else releases its sites: what they do then is not their fault."""
        mine = said.warrant == self._issuer.warrant_digest and said.use == self.drill.use
        ours = {parse_envelope(text.encode()).digest for text in self.drill.releases}
        if mine and digest not in ours and self.drill.phase in {Phase.PREFLIGHT, Phase.ORDERED}:
            self.abort("the sites were released by a dispatcher, but not by this orchestrator")

    def _lever(self, said: Lever) -> None:
        """End the drill when the lever is engaged, but not when an old engagement is played again.

        One that still holds from before the drill needs nothing from us: the agents refuse by themselves.
        """
        skew_ns = seconds_to_ns(self.drill.trust.policy.max_clock_skew_s)
        if said.engaged and parse_utc(said.issued_at) + skew_ns >= self._opened_ns:
            self.abort(f"the safety lever was engaged: {said.reason}"[:500])

    def _place(self, said: Evidence) -> str:
        match said:
            case Receipt():
                return self._topics.agent(said.site) if said.by == AGENT else self._topics.enforcer(said.site, said.by)
            case LicenceRequest():
                return self._topics.agent(said.site)
            case Reading() | Closing():
                return self._topics.witness(said.site, said.witness)

    def _reject(self, turn: Turn, item: Unbelieved) -> None:
        if self.drill.rejected < REJECTIONS_KEPT:
            self._decide(
                turn,
                ev.InputRejected(reason=item.reason, detail=item.detail, topic=item.topic, digest=item.digest),
            )
        else:
            self.live.ignored += 1

    def _abort_by(self, turn: Turn, said: Abort, envelope: str) -> None:
        mine = said.warrant == self._issuer.warrant_digest and said.use == self.drill.use
        if mine and not self.drill.aborted and self.drill.phase not in {Phase.CLOSING, Phase.CLOSED}:
            self._decide(turn, ev.Aborted(reason=said.reason, envelope=envelope), said)
            self._carry_out.send_stop(turn)

    def now(self) -> Instant:
        """Return the time of the clock that the drill is measured by."""
        return Instant(self._epoch, self._clock.boot_ns())

    def wall_ns(self) -> int:
        """Return the wall time, for people."""
        return self._clock.wall_ns()

    def _decide(self, turn: Turn, event: ev.Event, said: Message | None = None, digest: str | None = None) -> None:
        """Chain an event and fold it in. It counts once `_commit` has appended it."""
        stamped = ev.Stamped(event, self._epoch, self._clock.boot_ns(), self._clock.wall_ns())
        turn.lines.append(self._chain.encode(stamped))
        self.drill.apply(stamped, said, digest)
        self.live.note(event)
        turn.told.append((stamped, said))

    async def _commit(self, turn: Turn) -> None:
        """Append what was decided, and only then publish and tell."""
        if turn.lines:
            await self._examiner.beside(lambda: self._store.append(self.drill.drill, turn.lines))
        for stamped, said in turn.told:
            for observer in self._observers:
                observer(stamped, said)
        ended = Turn()
        for outgoing in turn.outgoing:
            try:
                await self._transport.publish(outgoing.topic, outgoing.payload)
            except TransportError as error:
                self.live.trouble = str(error)
                continue
            self.live.trouble = ""
            if outgoing.then is not None:
                self._decide(ended, outgoing.then)
        if ended.lines:
            await self._commit(ended)


class _FewCollections:
    """Collects cycles rarely while drills run.

    What arrives stays to the drill's end and forms no cycles, so looking through all of it again and
    again finds nothing; it took a tenth of the loop's time. The last drill that ends puts things back.
    """

    def __init__(self) -> None:
        self._running = 0
        self._usual = gc.get_threshold()

    def __enter__(self) -> None:
        if not self._running:
            self._usual = gc.get_threshold()
            gc.set_threshold(COLLECT_AFTER, *self._usual[1:])
        self._running += 1

    def __exit__(self, *_exc: object) -> None:
        self._running -= 1
        if not self._running:
            gc.set_threshold(*self._usual)


_few_collections = _FewCollections()


def _evidence(said: Evidence, item: Heard) -> ev.Event:
    match said:
        case Receipt():
            return ev.ReceiptReceived(site=said.site, arrival_ns=item.arrival_ns, envelope=item.envelope)
        case LicenceRequest():
            return ev.LicenceRequested(site=said.site, arrival_ns=item.arrival_ns, envelope=item.envelope)
        case Reading():
            return ev.ReadingReceived(
                site=said.site, witness=said.witness, arrival_ns=item.arrival_ns, envelope=item.envelope
            )
        case Closing():
            return ev.ClosingReceived(
                site=said.site, witness=said.witness, arrival_ns=item.arrival_ns, envelope=item.envelope
            )
