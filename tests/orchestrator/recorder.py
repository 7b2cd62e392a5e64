"""Records a whole drill without a network: real documents, keys, signatures and journal, virtual time.

A `Script` says how the sites behave; `record_drill` plays it against the real opening, issuer,
fold, chain and judgement, and returns the journal and the bundle::

    recorded = record_drill(Script(lying="beta"))
    recorded.bundle        # what `haltdrill verify` reads
    recorded.result        # what the drill reported
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.evidence.bundle import encode_bundle
from orchestrator.evidence.fold import fold_journal
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.stating import build_result
from orchestrator.fleet.load import FleetDocuments
from orchestrator.journal.chain import ChainWriter
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.issuer import Issuer
from orchestrator.runtime.opening import open_drill
from protocols.controls import PauseParams
from protocols.envelope import seal
from protocols.ids import digest_of, format_utc, seconds_to_ns
from protocols.messages import (
    Challenge,
    Closing,
    Counter,
    Fact,
    Link,
    Message,
    Order,
    Outcome,
    Peak,
    Quoted,
    Reading,
    Receipt,
    Step,
)
from protocols.reasons import Reason
from tests import kit

M = TypeVar("M", bound=Message)
MS = 1_000_000
START_NS = 5_000 * 1_000 * MS
RATE_PER_S = 1_000_000


@dataclass(frozen=True)
class Script:
    """How a drill goes.

    Attributes:
        lying: A site whose agent reports a halt while its work goes on.
        refusing: A site whose agent refuses.
        silent: A site whose agent answers nothing; it works on.
        idle: A site that has no load at all.
        deaf: Witnesses that never close, as (site, name).
        lossy: Witnesses one of whose readings is lost for good, as (site, name).
        slow: A site that halts after the response limit.
        abort_at_s: When, after the order, an approver aborts.
        restart: Whether the orchestrator restarts inside the hold.
        reject: How many inputs are rejected on the way.
        recall: Whether one witness's reading is late and is asked for again.
        pace: How fast the orchestrator claims that time passes; 1 is the truth.
    """

    sites: tuple[str, ...] = ("alpha", "beta")
    witnesses: int = 2
    steps: int = 1
    lying: str = ""
    refusing: str = ""
    silent: str = ""
    idle: str = ""
    slow: str = ""
    deaf: frozenset[tuple[str, str]] = frozenset()
    lossy: frozenset[tuple[str, str]] = frozenset()
    abort_at_s: float | None = None
    restart: bool = False
    reject: int = 0
    recall: bool = False
    title: str = "Monthly exercise"
    hold_s: float = 1.0
    challenge_s: float = 0.25
    pace: float = 1.0


@dataclass
class Recorded:
    """A drill that was recorded."""

    fleet: kit.Fleet
    store: SqliteJournal
    drill: str
    result: DrillResult
    records: list[bytes]
    bundle: bytes

    @property
    def roots(self) -> list[bytes]:
        """What a verifier trusts."""
        return [self.fleet.raw_root]


@dataclass
class _Sender:
    """One agent's or witness's chain, with its own boot clock."""

    label: str
    boot_id: str
    offset_ns: int
    seq: int = 0
    prev: str = "0" * 64
    first: int = 0

    def link(self, t_ns: int) -> Link:
        self.seq += 1
        return Link(seq=self.seq, prev=self.prev, boot_id=self.boot_id, boot_ns=t_ns + self.offset_ns)

    def seal(self, message: Message) -> str:
        self.prev = message.digest()
        return seal(message, kit.key_of(self.label)).decode()


@dataclass
class _Site:
    """A site's true work: a counter that stands still while it is halted."""

    name: str
    rate: int = RATE_PER_S
    work: int = 0
    at_ns: int = START_NS
    changes: list[tuple[int, int]] = field(default_factory=list)

    def count(self, t_ns: int) -> int:
        for when, rate in sorted(self.changes):
            if when <= t_ns:
                self._run_to(when)
                self.rate = rate
        self.changes = [change for change in self.changes if change[0] > t_ns]
        self._run_to(t_ns)
        return self.work // 1_000_000_000

    def _run_to(self, t_ns: int) -> None:
        self.work += self.rate * max(0, t_ns - self.at_ns)
        self.at_ns = max(self.at_ns, t_ns)


class Recorder:
    """Plays one script.

    Attributes:
        preflight_s: How long it watches for steady state.
        held_s: How long it really holds, if not as long as the warrant says.
        fleet_changes: What the fleet is made with, otherwise than by default.
        warrant_changes: Fields of the warrant that are otherwise.
        abort_changes: Fields of the abort that are otherwise.
    """

    fleet_changes: Mapping[str, Any] = MappingProxyType({})
    warrant_changes: Mapping[str, Any] = MappingProxyType({})
    abort_changes: Mapping[str, Any] = MappingProxyType({})

    preflight_s = 0.5
    held_s = 0.0

    def __init__(self, script: Script) -> None:
        self.script = script
        self.fleet = kit.make_fleet(script.sites, witnesses=script.witnesses, **self.fleet_changes)
        self.store = SqliteJournal(None)
        self.t_ns = START_NS
        self.epoch = 1
        self.lines: list[bytes] = []
        self.sites = {name: _Site(name, 0 if name == script.idle else RATE_PER_S) for name in script.sites}
        self.agents = {name: self._sender(kit.agent_label(name), n) for n, name in enumerate(script.sites)}
        names = kit.witness_names(script.witnesses)
        self.witnesses = {
            pair: self._sender(kit.witness_label(*pair), 40 + n)
            for n, pair in enumerate(itertools.product(script.sites, names))
        }
        self._chance: Iterator[int] = itertools.count()
        self.drill: Drill
        self.issuer: Issuer
        self.chain: ChainWriter
        self._late: list[tuple[str, str, str]] = []

    @staticmethod
    def _sender(label: str, n: int) -> _Sender:
        return _Sender(label, f"{n:08x}-0000-4000-8000-000000000000", 7_000_000_000_000 * (n + 1))

    @property
    def wall_ns(self) -> int:
        return kit.NOW_NS + self.t_ns - START_NS

    def nonce(self) -> str:
        return digest_of(f"chance {next(self._chance)}".encode())[:32]

    def step(self, number: int) -> Step:
        return self.fleet.step(
            name=f"halt-{number}",
            params=PauseParams(),
            hold_s=self.script.hold_s,
            response_limit_s=0.4,
            dwell_s=0.5,
            restore_limit_s=0.5,
            quorum=min(2, self.script.witnesses),
            max_gap_s=0.5,
        )

    def record(self) -> Recorded:
        """Play the script and return what came of it."""
        self._open()
        for number in range(self.script.steps):
            self._play_step(number)
            if self.drill.aborted:
                break
        self._close()
        self.store.append(self.issuer.drill, self._encoded)
        self.store.mark_closed(self.issuer.drill)
        records = list(self.store.lines(self.issuer.drill))
        folded = fold_journal(records)
        result = build_result(folded.drill, folded.background, folded.drill.results)
        bundle = encode_bundle(records, result, kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0])))
        return Recorded(self.fleet, self.store, self.issuer.drill, result, records, bundle)

    def decide(self, event: ev.Event, said: Message | None = None) -> None:
        """Chain an event and fold it in, as the runtime does."""
        for one in self.decided(event):
            stamped = ev.Stamped(one, self.epoch, self.claimed(self.t_ns), self.wall_ns)
            self._encoded.append(self.chain.encode(stamped))
            self.drill.apply(stamped, said)

    def claimed(self, t_ns: int) -> int:
        """Return what the orchestrator claims that the time is."""
        return START_NS + round((t_ns - START_NS) * self.script.pace)

    def spoken(self, made: tuple[M, str]) -> tuple[M, str]:
        """Return what the dispatcher says; a dishonest orchestrator overrides this."""
        return made

    def decided(self, event: ev.Event) -> list[ev.Event]:
        """Return what goes into the journal for an event; a dishonest orchestrator overrides this."""
        return [event]

    def wait(self, milliseconds: int) -> None:
        """Let virtual time pass."""
        self.t_ns += milliseconds * MS

    def _open(self) -> None:
        fleet, script = self.fleet, self.script
        warrant = fleet.warrant(
            *(self.step(number) for number in range(script.steps)),
            challenge_s=script.challenge_s,
            title=script.title,
            **self.warrant_changes,
        )
        documents = FleetDocuments(
            fleet.trust(), (fleet.raw_root,), fleet.raw_policy, fleet.raw_index, dict(fleet.raw_records)
        )
        opened = open_drill(
            documents,
            fleet.approve(warrant),
            kit.key_of(kit.dispatcher_label(kit.DISPATCHERS[0])),
            self.store,
            nonce=self.nonce,
            wall_ns=self.wall_ns,
        )
        self.drill, self.issuer = opened.drill, opened.issuer
        self.chain = ChainWriter(self.issuer.drill)
        self._encoded: list = []
        for event in opened.events:
            self.decide(event)

    def _play_step(self, number: int) -> None:
        script = self.script
        for _ in range(round(self.preflight_s / script.challenge_s) + 1):
            self.challenge()
        for n in range(script.reject):
            self.decide(
                ev.InputRejected(
                    reason=Reason.BAD_SIGNATURE, detail="a < b & c", topic="t", digest=digest_of(b"%d" % n)
                )
            )
        order, text = self.spoken(self.issuer.order(number, wall_ns=self.wall_ns))
        self.decide(ev.OrderIssued(step=number, envelope=text), order)
        ordered_ns = self.t_ns
        self.wait(1)
        self.decide(ev.OrderPublished(step=number))
        self._answer(order)
        hold_ns = seconds_to_ns(self.held_s or script.hold_s)
        while self.t_ns < ordered_ns + hold_ns:
            if script.abort_at_s is not None and self.t_ns >= ordered_ns + seconds_to_ns(script.abort_at_s):
                break
            if script.restart and self.epoch == 1 and self.t_ns >= ordered_ns + hold_ns // 2:
                self.epoch, self.t_ns = 2, self.t_ns + 3_000 * MS
                self.decide(ev.DrillResumed())
            self.challenge()
        self._release(number, order)
        for _ in range(round(0.5 / script.challenge_s) + 2):
            self.challenge()
        self.decide(ev.StepEnded(step=number, ordered=True))

    def _answer(self, order: Order) -> None:
        script, halts_ns = self.script, self.t_ns + 20 * MS
        for name, site in self.sites.items():
            if name == script.silent:
                continue
            if name == script.refusing:
                self.receipt(name, order, Outcome.REFUSED)
                continue
            self.receipt(name, order, Outcome.ACCEPTED)
            if name != script.lying:
                site.changes.append((halts_ns + (400 * MS if name == script.slow else 0), 0))
        self.wait(25)
        for name in self.sites:
            if name not in {script.silent, script.refusing, script.slow}:
                self.receipt(name, order, Outcome.HALTED)

    def _release(self, number: int, order: Order) -> None:
        if self.script.abort_at_s is not None:
            abort = self.fleet.abort(
                order, issued_at=format_utc(self.wall_ns), **({"reason": "somebody coughed"} | dict(self.abort_changes))
            )
            text = seal(abort, kit.key_of(kit.approver_label("safety"))).decode()
            self.decide(ev.Aborted(reason="somebody coughed", envelope=text), abort)
        else:
            release, text = self.spoken(self.issuer.release(number, wall_ns=self.wall_ns))
            self.decide(ev.ReleaseIssued(step=number, envelope=text), release)
        self.wait(1)
        self.decide(ev.ReleasePublished(step=number))
        for name, site in self.sites.items():
            if name != self.script.idle:
                site.changes.append((self.t_ns + 10 * MS, RATE_PER_S))
        self.wait(15)
        for name in self.sites:
            if name not in {self.script.silent, self.script.refusing}:
                self.receipt(name, order, Outcome.RESTORED)

    def receipt(self, site: str, order: Order, outcome: Outcome) -> None:
        """Have an agent answer."""
        agent = self.agents[site]
        refused = outcome is Outcome.REFUSED
        said = Receipt(
            fleet=self.fleet.fleet,
            site=site,
            link=agent.link(self.t_ns),
            at=format_utc(self.wall_ns),
            order=order.digest(),
            drill=order.drill,
            use=order.use,
            step=order.step,
            outcome=outcome,
            reason=Reason.VETO if refused else None,
            detail="the operator's veto" if refused else "",
            elapsed_ns=0 if refused else 1 * MS,
        )
        self.wait(1)
        self.decide(ev.ReceiptReceived(site=site, arrival_ns=self.claimed(self.t_ns), envelope=agent.seal(said)), said)

    def challenge(self, *, final: bool = False) -> None:
        """Issue one challenge and have every witness answer it; a whole challenge interval passes."""
        begun_ns = self.t_ns
        seq = len(self.drill.issued) + 1
        challenge, text = self.issuer.challenge(
            seq,
            final=final,
            journal_seq=self.chain.next_seq - 1,
            journal_head=self.chain.head,
            exercise=None if final else self.drill.warrant.steps[self.drill.step.number].params,
            wall_ns=self.wall_ns,
        )
        challenge, text = self.spoken((challenge, text))
        self.decide(ev.ChallengeIssued(seq=seq, final=final, envelope=text), challenge)
        self.wait(2)
        for site, name in self.witnesses:
            self._reading(site, name, challenge)
        for site, name, late in self._late:
            recall, text = self.spoken(self.issuer.recall(site, name, 3, 3))
            self.decide(ev.RecallIssued(site=site, witness=name, envelope=text), recall)
            self.wait(2)
            self.decide(
                ev.ReadingReceived(site=site, witness=name, arrival_ns=self.claimed(self.t_ns - MS), envelope=late)
            )
        self._late = self._late if seq <= 3 and not self._late else []
        if final:
            self._closings(challenge)
        self.t_ns = max(self.t_ns, begun_ns + seconds_to_ns(self.script.challenge_s))

    def _quoted(self, challenge: Challenge) -> Quoted:
        return Quoted(drill=challenge.drill, seq=challenge.seq, nonce=challenge.nonce, digest=challenge.digest())

    def _reading(self, site: str, name: str, challenge: Challenge) -> None:
        witness = self.witnesses[site, name]
        link = witness.link(self.t_ns)
        said = Reading(
            fleet=self.fleet.fleet,
            site=site,
            witness=name,
            link=link,
            at=format_utc(self.wall_ns),
            quotes=self._quoted(challenge),
            signals=self.signals(site),
        )
        witness.first = witness.first or link.seq
        text = witness.seal(said)
        arrival_ns = self.claimed(self.t_ns + 1 * MS)
        self.wait(2)
        if link.seq == 4 and (site, name) in self.script.lossy:
            return
        if self.script.recall and link.seq == 3 and (site, name) == next(iter(self.witnesses)):
            self._late.append((site, name, text))
            return
        self.decide(ev.ReadingReceived(site=site, witness=name, arrival_ns=arrival_ns, envelope=text), said)

    def signals(self, site: str) -> tuple[Counter | Peak | Fact, ...]:
        """Return what a witness sees of a site now."""
        return (
            Counter(name=kit.CPU_SIGNAL, epoch="1", value=self.sites[site].count(self.t_ns)),
            Peak(name=kit.PROCESSES_SIGNAL, value=3),
        )

    def _closings(self, challenge: Challenge) -> None:
        for (site, name), witness in self.witnesses.items():
            if (site, name) in self.script.deaf:
                continue
            last = witness.seq
            said = Closing(
                fleet=self.fleet.fleet,
                site=site,
                witness=name,
                link=witness.link(self.t_ns),
                at=format_utc(self.wall_ns),
                quotes=self._quoted(challenge),
                first=witness.first,
                last=last,
            )
            text = witness.seal(said)
            self.wait(1)
            self.decide(
                ev.ClosingReceived(site=site, witness=name, arrival_ns=self.claimed(self.t_ns), envelope=text), said
            )

    def _close(self) -> None:
        self.challenge(final=True)
        incomplete = any(who not in self.drill.closings for who in self.drill.tracks) or self.drill.missing()
        if incomplete:
            self.wait(10_000)
        passed = not self.drill.aborted
        for number in range(len(self.drill.warrant.steps)):
            for site in self.drill.audience:
                result = self.drill.judge(number, site)
                passed = passed and result.passed
                self.decide(ev.SiteJudged(step=number, site=site, result=result))
        self.decide(ev.DrillClosed(passed=passed, aborted=self.drill.aborted))


def record_drill(script: Script | None = None) -> Recorded:
    """Record a drill as the script says; by default everything goes well."""
    return Recorder(script or Script()).record()
