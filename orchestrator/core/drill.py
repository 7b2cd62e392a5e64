"""A drill's state as a fold over its journal.

`Drill.apply` is the only thing that changes a drill. The runtime, the live views, the report and the
offline verifier all feed it the same events and so see the same drill.
"""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, assert_never

from orchestrator.core import events as ev
from orchestrator.core.concern import SPARE_READINGS, concern
from orchestrator.core.grades import SiteStepResult
from orchestrator.core.inputs import rung_inputs
from orchestrator.core.judge import StepInputs, judge_ladder
from orchestrator.core.runs import CaseRun, OrderRef, RungRun, StepRun
from orchestrator.core.samples import Instant, Sample, Track
from orchestrator.core.states import Phase, next_phase
from protocols.envelope import parse_envelope
from protocols.errors import JournalError
from protocols.messages import (
    Challenge,
    Closing,
    Counter,
    Fact,
    Licence,
    LicenceRequest,
    Message,
    Order,
    Peak,
    Reading,
    Receipt,
    Warrant,
)
from protocols.reasons import Reason
from protocols.trust import FleetTrust

SiteWitness = tuple[str, str]
M = TypeVar("M", bound=Message)


@dataclass(slots=True)
class Drill:
    """One drill, folded from its events.

    Attributes:
        trust: The fleet as the drill's documents give it.
        warrant: What was approved.
        now: The time of the newest event.
        tracks: Each witness's chain, by site and witness.
        issued: When each challenge was issued, by its number.
        nonces: Each challenge's nonce, by its number.
        challenges: Digest of each challenge, by its number.
        receipts: What agents and enforcers said, by site, in order of arrival.
        answers: How many receipts were taken, by site and who spoke.
        orders: Every order of this drill, by the digest of its payload.
        heard: How much each witness said, by site and witness; also what its track could not use.
        results: The final verdicts, by step and site.
        releases: The releases that were issued in this drill, as they were signed.
        resumed: When the orchestrator was last restarted; None when it never was.
    """

    trust: FleetTrust
    warrant: Warrant
    phase: Phase = Phase.OPENING
    drill: str = ""
    use: int = 0
    audience: tuple[str, ...] = ()
    dispatcher: str = ""
    now: Instant = field(default_factory=lambda: Instant(1, 0))
    steps: list[StepRun] = field(default_factory=list)
    tracks: dict[SiteWitness, Track] = field(default_factory=dict)
    closings: dict[SiteWitness, Closing] = field(default_factory=dict)
    heard: Counted[SiteWitness] = field(default_factory=Counted)
    issued: dict[int, Instant] = field(default_factory=dict)
    nonces: dict[int, str] = field(default_factory=dict)
    challenges: dict[int, str] = field(default_factory=dict)
    final_from: Instant | None = None
    last_challenge: Instant | None = None
    receipts: dict[str, list[tuple[Instant, Receipt]]] = field(default_factory=dict)
    answers: Counted[tuple[str, str]] = field(default_factory=Counted)
    orders: dict[str, OrderRef] = field(default_factory=dict)
    abort_reason: str = ""
    rejected: int = 0
    results: dict[tuple[int, str], SiteStepResult] = field(default_factory=dict)
    passed: bool | None = None
    seen: set[str] = field(default_factory=set)
    releases: list[str] = field(default_factory=list)
    resumed: Instant | None = None

    @property
    def step(self) -> StepRun:
        """The step that is running, or the last that ran."""
        return self.steps[-1]

    @property
    def aborted(self) -> bool:
        """Whether the drill was stopped early."""
        return bool(self.abort_reason)

    def apply(self, stamped: ev.Stamped, said: Message | None = None, digest: str | None = None) -> None:
        """Fold one event in.

        Args:
            stamped: The event with its record's time.
            said: The decoded message of its envelope, if the caller has it already.
            digest: That message's digest, likewise.

        Raises:
            JournalError: The event may not come in this phase, or contradicts what came before.
        """
        event = stamped.event
        happened = "steps.done" if isinstance(event, ev.StepEnded) and self._is_last(event) else event.type
        phase = next_phase(self.phase, happened)
        if phase is None:
            raise JournalError(f"{event.type} may not come in phase {self.phase}", where="journal")
        self.now = Instant(stamped.epoch, stamped.t_ns)
        self._fold(event, self.now, said, digest)
        self.phase = phase

    def _is_last(self, event: ev.StepEnded) -> bool:
        return self.aborted or not event.ordered or event.step == len(self.warrant.steps) - 1

    def _fold(  # noqa: PLR0912, PLR0915 - one arm each
        self, event: ev.Event, now: Instant, said: Message | None, digest: str | None
    ) -> None:
        match event:
            case ev.DocumentHeld() | ev.RecallIssued():
                pass
            case ev.DrillResumed():
                self._resume(now)
            case ev.DrillOpened():
                self._open(event, now)
            case ev.ChallengeIssued():
                self._challenge(event, now, said)
            case ev.OrderIssued():
                self._order(event, now, said)
            case ev.OrderPublished():
                self._run(event.step).published = now
            case ev.RungOrdered():
                self._rung(event, now, said)
            case ev.RungPublished():
                self._climb(event).published = now
            case ev.BatteryIssued():
                self._battery(event, now)
            case ev.LicenceRequested():
                self._request(event, now, _decoded(event.envelope, LicenceRequest, said), digest)
            case ev.LicenceIssued():
                self._licence(event, _decoded(event.envelope, Licence, said))
            case ev.LeaseStopped():
                self._run(event.step).lease.stopped = now
            case ev.ReleaseIssued():
                run = self._run(event.step)
                run.released, run.stop_envelope = now, event.envelope
                self.releases.append(event.envelope)
            case ev.ReleasePublished():
                self._run(event.step).release_published = now
            case ev.Aborted():
                self.abort_reason, self.step.stop_envelope = event.reason, event.envelope
                if self.step.ordered is not None and self.step.released is None:
                    self.step.released = now
            case ev.ReceiptReceived():
                receipt = _decoded(event.envelope, Receipt, said)
                self.seen.add(digest or receipt.digest())
                self.answers[event.site, receipt.by] += 1
                self.receipts.setdefault(event.site, []).append((Instant(now.epoch, event.arrival_ns), receipt))
            case ev.ReadingReceived():
                self._reading(event, now, _decoded(event.envelope, Reading, said), digest)
            case ev.ClosingReceived():
                self._closing(event, now, _decoded(event.envelope, Closing, said), digest)
            case ev.InputRejected():
                self.rejected += 1
            case ev.InputsIgnored():
                self.rejected += event.count
            case ev.StepEnded():
                self._run(event.step).ended = now
                if not self._is_last(event):
                    self.steps.append(StepRun(event.step + 1, preflight_from=now))
            case ev.SiteJudged():
                self.results[event.step, event.site] = event.result
            case ev.DrillClosed():
                self.passed = event.passed
            case _:
                assert_never(event)

    def _run(self, number: int) -> StepRun:
        if not self.steps or self.step.number != number:
            raise JournalError(f"step {number} is not the one that is running", where="journal")
        return self.step

    def _open(self, event: ev.DrillOpened, now: Instant) -> None:
        self.drill, self.use, self.dispatcher = event.drill, event.use, event.dispatcher
        self.audience = event.audience
        self.steps.append(StepRun(0, preflight_from=now))
        for site in self.audience:
            for witness in self.trust.records[site].witnesses:
                self.tracks[site, witness.name] = Track()

    def _resume(self, now: Instant) -> None:
        """Begin a clock epoch: what has to last some time by our own watch begins anew."""
        self.resumed = now
        self.final_from = None
        if self.phase is Phase.PREFLIGHT:
            self.step.preflight_from = now

    def counted_from(self, then: Instant | None) -> Instant | None:
        """Return from when a time that began `then` counts: across a restart, from the restart."""
        return then if then is None or self.resumed is None else max(then, self.resumed)

    def _challenge(self, event: ev.ChallengeIssued, now: Instant, said: Message | None) -> None:
        challenge = _decoded(event.envelope, Challenge, said)
        if challenge.seq != event.seq or event.seq in self.issued or challenge.final != event.final:
            raise JournalError(f"challenge {event.seq} is not the one in its envelope", where="journal")
        self.issued[event.seq] = now
        self.nonces[event.seq] = challenge.nonce
        self.challenges[event.seq] = challenge.digest()
        self.last_challenge = now
        if event.final and self.final_from is None:
            self.final_from = now

    def _order(self, event: ev.OrderIssued, now: Instant, said: Message | None) -> None:
        order = _decoded(event.envelope, Order, said)
        run = self._run(event.step)
        run.ordered, run.order_digest, run.order_expires_at = now, order.digest(), order.expires_at
        run.order_envelope = event.envelope
        self.orders[run.order_digest] = OrderRef(event.step, 0, None, None, now)

    def _rung(self, event: ev.RungOrdered, now: Instant, said: Message | None) -> None:
        order = _decoded(event.envelope, Order, said)
        run, rungs = self._run(event.step), self.warrant.steps[event.step].rungs
        if event.site not in self.audience or (order.site, order.step, order.rung) != (
            event.site,
            event.step,
            event.rung,
        ):
            raise JournalError(
                f"rung {event.rung} of site {event.site} is not the one in its envelope", where="journal"
            )
        if event.rung != run.top(event.site) + 1 or event.rung >= len(rungs) or run.ordered is None:
            raise JournalError(f"site {event.site} cannot climb to rung {event.rung} now", where="journal")
        digest = order.digest()
        climb = RungRun(event.rung, now, digest, event.envelope, order.expires_at, event.why)
        run.rungs.setdefault(event.site, []).append(climb)
        self.orders[digest] = OrderRef(event.step, event.rung, event.site, None, now)

    def _climb(self, event: ev.RungPublished) -> RungRun:
        climb = self._run(event.step).rung(event.site, event.rung)
        if climb is None:
            raise JournalError(f"rung {event.rung} of site {event.site} was never ordered", where="journal")
        return climb

    def _battery(self, event: ev.BatteryIssued, now: Instant) -> None:
        run = self._run(event.step)
        run.ordered = now
        run.battery = tuple(
            CaseRun(
                order.case, parse_envelope(order.envelope.encode()).digest, order.envelope, order.warrant == "whole"
            )
            for order in event.orders
        )
        for case in run.battery:
            self.orders.setdefault(case.digest, OrderRef(event.step, 0, None, case.case, now))

    def _request(self, event: ev.LicenceRequested, now: Instant, said: LicenceRequest, digest: str | None) -> None:
        lease = self.step.lease
        self.seen.add(digest or said.digest())
        lease.asked[event.site] += 1
        lease.pending[event.site] = said.nonce, Instant(now.epoch, event.arrival_ns)

    def _licence(self, event: ev.LicenceIssued, said: Licence) -> None:
        run = self._run(event.step)
        nonce, arrival = run.lease.pending.pop(event.site, ("", self.now))
        if said.site != event.site or said.request != nonce or run.lease.stopped is not None:
            raise JournalError(f"the licence of site {event.site} answers no request", where="journal")
        run.lease.answered[event.site], run.lease.issued[event.site] = arrival, event.envelope

    def _reading(self, event: ev.ReadingReceived, now: Instant, reading: Reading, digest: str | None) -> None:
        quoted = reading.quotes.seq if reading.quotes.drill == self.drill else None
        digest = digest or reading.digest()
        self.seen.add(digest)
        self.heard[event.site, event.witness] += 1
        self.tracks[event.site, event.witness].add(
            Sample(
                seq=reading.link.seq,
                quoted=quoted,
                arrival=Instant(now.epoch, event.arrival_ns),
                counters={s.name: (s.epoch, s.value) for s in reading.signals if isinstance(s, Counter)},
                peaks={s.name: s.value for s in reading.signals if isinstance(s, Peak)},
                facts={s.name: s.value for s in reading.signals if isinstance(s, Fact)},
                digests={s.name: s.digest for s in reading.signals if isinstance(s, Fact) and s.digest},
                clock=(reading.link.boot_id, reading.link.boot_ns),
            ),
            prev_digest=reading.link.prev,
            digest=digest,
        )

    def _closing(self, event: ev.ClosingReceived, now: Instant, closing: Closing, digest: str | None) -> None:
        quoted = closing.quotes.seq if closing.quotes.drill == self.drill else None
        digest = digest or closing.digest()
        self.seen.add(digest)
        self.heard[event.site, event.witness] += 1
        self.tracks[event.site, event.witness].add(
            Sample(
                seq=closing.link.seq,
                quoted=quoted,
                arrival=Instant(now.epoch, event.arrival_ns),
                link_only=True,
                clock=(closing.link.boot_id, closing.link.boot_ns),
            ),
            prev_digest=closing.link.prev,
            digest=digest,
        )
        if closing.quotes.drill == self.drill:
            self.closings[event.site, event.witness] = closing

    def judge(self, number: int, site: str) -> SiteStepResult:
        """Give the final judgement on one site for one step: closings are demanded."""
        return judge_ladder(self.rung_inputs(number, site, final=True))

    def rung_inputs(self, number: int, site: str, *, final: bool) -> tuple[StepInputs, ...]:
        """Return what the judgement on one site and one step depends on, for each rung that was ordered there.

        Args:
            number: The step; one that never began counts as not ordered.
            site: A site of the audience.
            final: Whether the drill is over, so that closings are demanded.
        """
        return rung_inputs(self, number, site, final=final)

    def closed(self, site: str, witness: str) -> bool:
        """Tell whether a witness's closing covers exactly the chain that is here."""
        closing, track = self.closings.get((site, witness)), self.tracks[site, witness]
        if closing is None or not track.contiguous:
            return False
        return closing.first <= closing.last < closing.link.seq and track.holds(closing.first, closing.link.seq)

    def concern(self, said: Receipt | LicenceRequest | Reading | Closing, digest: str) -> bool | Reason:
        """Tell whether a verified message belongs into this drill's journal.

        Returns:
            True to take it, False to pass over it quietly (a repeat, or another drill's), or the
            reason why it is not to be believed.
        """
        return concern(self, said, digest)

    def missing(self) -> Mapping[SiteWitness, tuple[tuple[int, int], ...]]:
        """Return the gaps in each witness's chain, as ranges of sequence numbers.

        A gap before the first reading that is here shows only in the closing.
        """
        found = {who: tuple(track.gaps) for who, track in self.tracks.items() if not track.contiguous}
        for who, closing in self.closings.items():
            first = self.tracks[who].samples[0].seq
            if closing.first < first and closing.link.seq - closing.first < SPARE_READINGS + len(self.issued) * 2:
                found[who] = ((closing.first, first - 1), *found.get(who, ()))
        return found


def _decoded(envelope: str, kind: type[M], said: Message | None) -> M:
    if isinstance(said, kind):
        return said
    return kind.decode(parse_envelope(envelope.encode()).payload)
