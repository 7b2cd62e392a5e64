"""Turns an intent into an event and into what is published after it was appended."""

from __future__ import annotations

from typing import assert_never

from orchestrator.core import events as ev
from orchestrator.core import intents as todo
from orchestrator.core.battery import BatteryCase
from orchestrator.core.drill import Drill
from orchestrator.core.intents import Intent, Pacing
from orchestrator.core.live import Live
from orchestrator.core.runs import CaseRun
from orchestrator.core.states import Phase
from orchestrator.journal.chain import ChainWriter
from orchestrator.runtime.battery import battery_orders, one_approval
from orchestrator.runtime.issuer import Issuer
from orchestrator.runtime.turn import Decide, Outgoing, Turn
from protocols.clock import Clock
from protocols.controls import Params
from protocols.envelope import join_frame
from protocols.topics import Topics


class CarryOut:
    """Carries out what the agenda wants.

    Args:
        drill: The drill's state.
        live: Its provisional results.
        issuer: Signs what is said.
        pacing: When things were last published.
        chain: The journal's chain, whose head each challenge quotes.
        warrant: The warrant's envelope, which goes with every order.
        clock: The one clock.
        decide: Appends an event to a turn and folds it in.
    """

    def __init__(
        self,
        drill: Drill,
        live: Live,
        issuer: Issuer,
        pacing: Pacing,
        chain: ChainWriter,
        warrant: str,
        clock: Clock,
        decide: Decide,
    ) -> None:
        self._drill = drill
        self._live = live
        self._issuer = issuer
        self._pacing = pacing
        self._chain = chain
        self._warrant = warrant.encode()
        self._clock = clock
        self._decide = decide
        self._topics = Topics(drill.trust.fleet)

    def __call__(self, turn: Turn, intent: Intent) -> None:  # noqa: PLR0912 - one arm each
        """Turn an intent into an event and what is to be published after it is appended."""
        match intent:
            case todo.IssueChallenge(final=final):
                self._challenge(turn, final=final)
            case todo.IssueOrder(step=step):
                self._order(turn, step)
            case todo.RepeatOrder():
                self._repeat_order(turn)
            case todo.ClimbRung():
                self._climb(turn, intent)
            case todo.RepeatRung(site=site, rung=rung):
                self._send_rung(turn, site, rung)
            case todo.IssueBattery(step=step):
                self._battery(turn, step)
            case todo.SendCase(case=case, sites=sites):
                self._repeat_case(turn, case, sites)
            case todo.IssueLicence(site=site):
                self._licence(turn, site)
            case todo.StopLease(step=step):
                self._decide(turn, ev.LeaseStopped(step=step))
            case todo.ReplayLicence(site=site):
                self._pacing.replays_ns = self._clock.boot_ns()
                self._send_licence(turn, site)
            case todo.IssueRelease(step=step):
                release, text = self._issuer.release(step, wall_ns=self._clock.wall_ns())
                self._decide(turn, ev.ReleaseIssued(step=step, envelope=text), release)
                self.send_stop(turn)
            case todo.RepeatStop():
                self._repeat_stop(turn)
            case todo.AskAgain():
                self._ask_again(turn, intent)
            case todo.EndStep(step=step, ordered=ordered):
                self._decide(turn, ev.StepEnded(step=step, ordered=ordered))
            case todo.Close():
                self._close(turn)
            case _:
                assert_never(intent)

    def abort(self, turn: Turn, reason: str) -> None:
        """Abort the drill, unless it is over anyway."""
        if self._drill.phase in {Phase.CLOSING, Phase.CLOSED}:
            return
        said, envelope = self._issuer.abort(reason, wall_ns=self._clock.wall_ns())
        self._decide(turn, ev.Aborted(reason=reason, envelope=envelope), said)
        self.send_stop(turn)

    def send_stop(self, turn: Turn) -> None:
        """Publish the release or the abort, now and until everybody is back."""
        self._pacing.stop_ns = self._clock.boot_ns()
        run = self._drill.step
        then = ev.ReleasePublished(step=run.number) if run.ordered is not None else None
        turn.outgoing.append(Outgoing(self._topics.stops, run.stop_envelope.encode(), then))

    def _repeat_stop(self, turn: Turn) -> None:
        self._pacing.stop_ns = self._clock.boot_ns()
        run = self._drill.step
        first = run.release_published is None  # the first publish failed: this one may be it
        then = ev.ReleasePublished(step=run.number) if first else None
        turn.outgoing.append(Outgoing(self._topics.stops, run.stop_envelope.encode(), then))

    def _challenge(self, turn: Turn, *, final: bool) -> None:
        seq = len(self._drill.issued) + 1
        challenge, text = self._issuer.challenge(
            seq,
            final=final,
            journal_seq=self._chain.next_seq - 1,
            journal_head=self._chain.head,
            exercise=self._exercise(),
            wall_ns=self._clock.wall_ns(),
        )
        self._decide(turn, ev.ChallengeIssued(seq=seq, final=final, envelope=text), challenge)
        turn.outgoing.append(Outgoing(self._topics.challenges, text.encode()))

    def _exercise(self) -> Params | None:
        """Return what witnesses are to try: the running step's control; at the end nothing any more."""
        if self._drill.phase is Phase.CLOSING:
            return None
        return self._drill.warrant.steps[self._drill.step.number].params

    def _order(self, turn: Turn, step: int) -> None:
        order, text = self._issuer.order(step, wall_ns=self._clock.wall_ns())
        self._decide(turn, ev.OrderIssued(step=step, envelope=text), order)
        self._pacing.next_step()
        self._repeat_order(turn)

    def _repeat_order(self, turn: Turn) -> None:
        self._pacing.order_ns = self._clock.boot_ns()
        run = self._drill.step
        then = ev.OrderPublished(step=run.number) if run.published is None else None
        turn.outgoing.append(Outgoing(self._topics.orders, self._frame(run.order_envelope), then))

    def _frame(self, order: str, *, whole: bool = True) -> bytes:
        """Return an order together with its warrant, or with as little of its approval as shows."""
        return join_frame(
            [order.encode(), self._warrant if whole else one_approval(self._warrant, self._drill.trust.approvers.keys)]
        )

    def _climb(self, turn: Turn, intent: todo.ClimbRung) -> None:
        step = self._drill.step.number
        order, text = self._issuer.order(step, rung=intent.rung, site=intent.site, wall_ns=self._clock.wall_ns())
        event = ev.RungOrdered(step=step, site=intent.site, rung=intent.rung, why=intent.why, envelope=text)
        self._decide(turn, event, order)
        self._send_rung(turn, intent.site, intent.rung)

    def _send_rung(self, turn: Turn, site: str, rung: int) -> None:
        self._pacing.rungs[site] = self._clock.boot_ns()
        climb = self._drill.step.rung(site, rung)
        if climb is None:
            return
        first = climb.published is None
        then = ev.RungPublished(step=self._drill.step.number, site=site, rung=rung) if first else None
        turn.outgoing.append(Outgoing(self._topics.site_orders(site), self._frame(climb.envelope), then))

    def _battery(self, turn: Turn, step: int) -> None:
        orders = battery_orders(self._issuer, self._drill, step, wall_ns=self._clock.wall_ns())
        self._decide(turn, ev.BatteryIssued(step=step, orders=orders))
        self._pacing.next_step()
        early = [case for case in self._drill.step.battery if not case.late]
        for case in early:
            self._send_case(turn, case, None, first=case is early[-1])

    def _send_case(self, turn: Turn, case: CaseRun, sites: tuple[str, ...] | None, *, first: bool) -> None:
        """Publish one order of the battery; `first` if the battery counts as published with it."""
        self._pacing.cases[case.case] = self._clock.boot_ns()
        frame = self._frame(case.envelope, whole=case.whole)
        topics = [self._topics.orders] if sites is None else [self._topics.site_orders(site) for site in sites]
        then = ev.OrderPublished(step=self._drill.step.number) if first else None
        turn.outgoing += [Outgoing(topic, frame, then if topic is topics[-1] else None) for topic in topics]

    def _repeat_case(self, turn: Turn, which: BatteryCase, sites: tuple[str, ...] | None) -> None:
        run = self._drill.step
        case = next(case for case in run.battery if case.case is which)
        told = any(isinstance(outgoing.then, ev.OrderPublished) for outgoing in turn.outgoing)
        # Where the first publish failed, this one may be it.
        self._send_case(turn, case, sites, first=run.published is None and not case.late and not told)

    def _licence(self, turn: Turn, site: str) -> None:
        run = self._drill.step
        nonce, _ = run.lease.pending[site]
        licence, text = self._issuer.licence(site, run.order_digest, nonce)
        self._decide(turn, ev.LicenceIssued(step=run.number, site=site, envelope=text), licence)
        self._send_licence(turn, site)

    def _send_licence(self, turn: Turn, site: str) -> None:
        text = self._drill.step.lease.issued[site]
        turn.outgoing.append(Outgoing(self._topics.licences(site), text.encode()))

    def _ask_again(self, turn: Turn, intent: todo.AskAgain) -> None:
        recall, text = self._issuer.recall(intent.site, intent.witness, intent.first, intent.last)
        self._decide(turn, ev.RecallIssued(site=intent.site, witness=intent.witness, envelope=text), recall)
        turn.outgoing.append(Outgoing(self._topics.ask(intent.site), text.encode()))

    def _close(self, turn: Turn) -> None:
        if self._live.ignored:
            self._decide(turn, ev.InputsIgnored(count=self._live.ignored))
        passed = not self._drill.aborted
        for number in range(len(self._drill.warrant.steps)):
            for site in self._drill.audience:
                result = self._live.final(number, site)
                passed = passed and result.passed
                self._decide(turn, ev.SiteJudged(step=number, site=site, result=result))
        self._decide(turn, ev.DrillClosed(passed=passed, aborted=self._drill.aborted))
