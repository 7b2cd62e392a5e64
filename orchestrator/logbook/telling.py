"""Turns a journal's events into the lines of the log: pure.

What has no line of its own is what comes once a challenge or once a reading; the journal keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core import events as ev
from orchestrator.core.agenda import release_after_s
from orchestrator.core.causes import CAUSE_TEXT
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Verdict, explain
from orchestrator.evidence.stating import Background, state_drill, state_site
from orchestrator.logbook import lines as ln
from protocols.controls import control_of
from protocols.envelope import parse_envelope
from protocols.ids import format_utc, seconds_to_ns
from protocols.logged import MESSAGE_MAX_CHARS, Level
from protocols.messages import Message, Outcome, Receipt
from protocols.trust import check_warrant

WARNED_MAX = 20
"""Most rejected inputs of a drill that are warnings, so that a flood of them does not bury what matters."""

RESTATED = (
    ev.DocumentHeld,
    ev.DrillOpened,
    ev.DrillResumed,
    ev.OrderIssued,
    ev.BatteryIssued,
    ev.RungOrdered,
    ev.LeaseStopped,
    ev.ReleaseIssued,
    ev.Aborted,
    ev.StepEnded,
    ev.SiteJudged,
    ev.DrillClosed,
)
"""What is written again after a restart, since the lines of it may have been lost in the crash."""

_ERRORS = {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.NOT_RESTORED}


@dataclass(slots=True)
class Teller:
    """Makes the lines of one drill.

    Attributes:
        drill: The drill, which has folded each event in before its line is asked for.
        program: What the lines say wrote them.
    """

    drill: Drill
    program: str = "orchestrator"
    restating: bool = False
    _began: dict[int, int] = field(default_factory=dict)
    _warrant: bytes = b""
    _rejected: int = 0

    def tell(self, stamped: ev.Stamped, said: Message | None = None) -> list[ln.AnyDrillLine]:
        """Return the lines of one event; of most there is one, of some none."""
        event = stamped.event
        self._began.setdefault(stamped.epoch, stamped.t_ns)
        if self.restating and not isinstance(event, RESTATED):
            return []
        return self._lines(event, _At(self, stamped.epoch, stamped.t_ns, stamped.wall_ns), said)

    def at(self, epoch: int, t_ns: int, wall_ns: int) -> Callable[[Level, str], dict[str, Any]]:
        """Return what makes the common fields of a line for something that is no event of the journal."""
        return _At(self, epoch, t_ns, wall_ns)

    def step(self, number: int, site: str = "", rung: int = 0) -> dict[str, Any]:
        """Return the fields that name a step, or one of its rungs at a site."""
        step = self.drill.warrant.steps[number]
        named = {"step": number, "step_name": step.name, "control": control_of(step.rungs[rung].params)}
        return named | {"order": self._order(number, site, rung)}

    def _lines(  # noqa: PLR0911, PLR0912 - one arm each
        self, event: ev.Event, at: _At, said: Message | None
    ) -> list[ln.AnyDrillLine]:
        match event:
            case ev.DocumentHeld(kind=ev.DocumentKind.WARRANT, envelope=envelope):
                self._warrant = envelope.encode()
                return []
            case ev.DrillOpened():
                return self._opened(event, at)
            case ev.DrillResumed():
                words = "the orchestrator was restarted, and goes on from the journal"
                return [ln.Resumed(**at(Level.WARNING, words), action=event.type, phase=self.drill.phase)]
            case ev.OrderIssued(step=number):
                return [self._ordered(number, at)]
            case ev.BatteryIssued():
                return [self._battery(event, at)]
            case ev.OrderPublished(step=number) | ev.ReleasePublished(step=number):
                common = at(Level.DEBUG, f"step {number + 1}: the first publish has ended")
                return [ln.Published(**common, **self.step(number), action=event.type)]
            case ev.RungOrdered():
                return [self._rung(event, at)]
            case ev.RungPublished(step=number, site=site, rung=rung):
                common = at(Level.DEBUG, f"{site}: the first publish of rung {rung + 1} has ended")
                return [
                    ln.RungPublished(**common, **self.step(number, site, rung), action=event.type, site=site, rung=rung)
                ]
            case ev.LeaseStopped(step=number):
                common = at(Level.INFO, f"step {number + 1}: no licence is renewed any more")
                return [ln.LeaseStopped(**common, **self.step(number), action=event.type)]
            case ev.ReleaseIssued(step=number):
                common = at(Level.INFO, f"step {number + 1} is released")
                return [ln.Released(**common, **self.step(number), action=event.type)]
            case ev.Aborted(reason=reason):
                common = at(Level.WARNING, f"aborted, every site is released: {reason}")
                return [ln.Aborted(**common, action=event.type, reason=reason)]
            case ev.ReceiptReceived(site=site):
                return [self._receipt(site, said, at)] if isinstance(said, Receipt) else []
            case ev.InputRejected():
                return [self._rejection(event, at)]
            case ev.InputsIgnored(count=count):
                common = at(Level.WARNING, f"{count} more messages were not to be believed")
                return [ln.Ignored(**common, action=event.type, count=count)]
            case ev.StepEnded(step=number, ordered=ordered):
                common = at(Level.INFO, f"step {number + 1} is over" + ("" if ordered else ", and was never ordered"))
                return [ln.StepEnded(**common, **self.step(number), action=event.type, ordered=ordered)]
            case ev.SiteJudged():
                return [self._judged(event, at)]
            case ev.DrillClosed():
                return [self._closed(event, at)]
            case _:
                return []

    def _opened(self, event: ev.DrillOpened, at: _At) -> list[ln.AnyDrillLine]:
        trust, warrant = self.drill.trust, self.drill.warrant
        _, owners = check_warrant(parse_envelope(self._warrant), trust.policy, trust.approvers, trust.fleet)
        stated = state_drill(self.drill, Background(tuple(sorted(owners)), at.timestamp, "", event.software))
        opened = ln.Opened(
            **at(Level.INFO, f"{warrant.title}: the drill is opened, for {len(event.audience)} sites"),
            action=event.type,
            stated=stated,
            sites=len(event.audience),
            challenge_ns=seconds_to_ns(warrant.challenge_s),
        )
        return [opened, *(self._enlisted(site, at) for site in event.audience)]

    def _enlisted(self, site: str, at: _At) -> ln.Enlisted:
        record = self.drill.trust.records[site]
        return ln.Enlisted(
            **at(Level.DEBUG, f"{site} is in the audience"),
            action="site.enlisted",
            tags=tuple(ln.Tag(name=tag.name, value=tag.value) for tag in record.attributes),
            witnesses=tuple(witness.name for witness in record.witnesses),
            **dict(state_site(self.drill, site)),
        )

    def _order(self, number: int, site: str, rung: int) -> str | None:
        if number >= len(self.drill.steps):
            return None  # the drill ended before it
        run = self.drill.steps[number]
        climb = run.rung(site, rung)
        return climb.digest if climb is not None else run.order_digest or None

    def _release_after_ns(self, number: int) -> int:
        return seconds_to_ns(release_after_s(self.drill.warrant.steps[number], self.drill.warrant.challenge_s))

    def _ordered(self, number: int, at: _At) -> ln.Ordered:
        step = self.drill.warrant.steps[number]
        words = f"step {number + 1} of {len(self.drill.warrant.steps)}, {step.name}: ordered"
        return ln.Ordered(
            **at(Level.INFO, words),
            **self.step(number),
            action="order.issued",
            release_after_ns=self._release_after_ns(number),
        )

    def _battery(self, event: ev.BatteryIssued, at: _At) -> ln.BatteryOrdered:
        number, cases = event.step, tuple(order.case for order in event.orders)
        return ln.BatteryOrdered(
            **at(Level.INFO, f"step {number + 1}: {len(cases)} orders that must be refused"),
            **self.step(number),
            action=event.type,
            cases=cases,
            orders=tuple(case.digest for case in self.drill.steps[number].battery),
            release_after_ns=self._release_after_ns(number),
        )

    def _rung(self, event: ev.RungOrdered, at: _At) -> ln.RungOrdered:
        fields = self.step(event.step, event.site, event.rung)
        words = f"{event.site} climbs to rung {event.rung + 1}, {fields['control']}: {CAUSE_TEXT[event.why]}"
        return ln.RungOrdered(
            **at(Level.WARNING, words),
            **fields,
            action=event.type,
            site=event.site,
            rung=event.rung,
            why=event.why,
        )

    def _receipt(self, site: str, said: Receipt, at: _At) -> ln.Receipt:
        ref = self.drill.orders.get(said.order)
        case = ref.case if ref is not None else None
        about = {} if ref is None else self.step(ref.step, site, ref.rung) | {"rung": ref.rung or None, "case": case}
        why = f": {said.reason}" if said.reason is not None else f": {said.detail}" if said.detail else ""
        return ln.Receipt(
            **at(_level_of_receipt(said.outcome, battery=case is not None), f"{site}, {said.by}: {said.outcome}{why}"),
            **about | {"order": said.order},
            action="receipt.received",
            site=site,
            by=said.by,
            outcome=said.outcome,
            reason=said.reason,
            detail=said.detail,
        )

    def _rejection(self, event: ev.InputRejected, at: _At) -> ln.Rejected:
        self._rejected += 1
        level = Level.WARNING if self._rejected <= WARNED_MAX else Level.DEBUG
        more = ", and the next ones are told only at debug level" if self._rejected == WARNED_MAX else ""
        return ln.Rejected(
            **at(level, f"not to be believed, {event.reason}: {event.detail or event.topic}{more}"),
            action=event.type,
            reason=event.reason,
            detail=event.detail,
            topic=event.topic,
            digest=event.digest,
        )

    def _judged(self, event: ev.SiteJudged, at: _At) -> ln.Judged:
        result = event.result
        bad = Level.ERROR if result.verdict in _ERRORS else Level.WARNING
        return ln.Judged(
            **at(Level.DEBUG if result.passed else bad, f"{event.site}: {explain(result)}"),
            **self.step(event.step, event.site, result.rung),
            action=event.type,
            site=event.site,
            verdict=result.verdict,
            grade=result.grade,
            cause=result.cause,
            response_upper_ns=result.response_upper_ns,
            result=result,
        )

    def _closed(self, event: ev.DrillClosed, at: _At) -> ln.Closed:
        found = [result.verdict for result in self.drill.results.values()]
        counts = tuple(ln.VerdictCounted(verdict=word, count=found.count(word)) for word in Verdict if word in found)
        passed = sum(one.count for one in counts if one.verdict is Verdict.VERIFIED)
        word = "passed" if event.passed else "aborted" if event.aborted else "not passed"
        return ln.Closed(
            **at(Level.INFO if event.passed else Level.ERROR, f"{word}: {passed} of {len(found)} verified"),
            action=event.type,
            passed=event.passed,
            aborted=event.aborted,
            verdicts=counts,
            rejected=self.drill.rejected,
        )


@dataclass(frozen=True, slots=True)
class _At:
    """Makes the common fields of the lines of one moment."""

    teller: Teller
    epoch: int
    t_ns: int
    wall_ns: int

    @property
    def timestamp(self) -> str:
        return format_utc(self.wall_ns)

    def __call__(self, level: Level, message: str) -> dict[str, Any]:
        began: dict[int, int] = self.teller._began  # noqa: SLF001 - one class in two parts
        return {
            "timestamp": self.timestamp,
            "level": level,
            "program": self.teller.program,
            "message": message[:MESSAGE_MAX_CHARS],
            "drill": self.teller.drill.drill,
            "clock_epoch": self.epoch,
            "offset_ns": max(0, self.t_ns - began.get(self.epoch, self.t_ns)),
            "restated": self.teller.restating,
        }


def _level_of_receipt(outcome: Outcome, *, battery: bool) -> Level:
    """A refusal is what a battery is for, and obedience what must never be."""
    if battery:
        return Level.DEBUG if outcome is Outcome.REFUSED else Level.ERROR
    return Level.WARNING if outcome in {Outcome.REFUSED, Outcome.FAILED} else Level.DEBUG
