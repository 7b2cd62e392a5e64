"""The judgement on one rung at one site: the witnesses' evidence, the actor's account, and the way back.

- A witness that forked, contradicted itself, has a gap or (in a final judgement) no valid closing
  cannot agree; what it proved of activity still dissents.
- A site without load before the order can be `unproven` at best, and a site whose actor never
  answered is not verified however quiet it is: it may be down for another reason.
- A rung that the site climbed on from was never released by itself, so no recovery is asked of it.
- Live (`closed` is None) the verdict stays `unproven (pending)` until something loud decides it;
  grade, intervals and witnesses are what is known so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core import quorum as q
from orchestrator.core.causes import Cause
from orchestrator.core.covering import uncovered_signals
from orchestrator.core.criterion import Criterion
from orchestrator.core.evidence import Evidence, preflight
from orchestrator.core.grades import Findings, grade, verdict
from orchestrator.core.halting import Halting
from orchestrator.core.recovery import recovery
from orchestrator.core.results import ReceiptSummary, RungResult, SignalSeen, SiteStepResult
from orchestrator.core.samples import Instant
from orchestrator.core.steadiness import steadiness
from orchestrator.core.step_inputs import ReceiptSeen, StepInputs, elapsed
from protocols.controls import LeaseParams, control_of
from protocols.ids import seconds_to_ns
from protocols.messages import Outcome
from protocols.signals import RUNS_OVER

_MISSED = frozenset({Cause.NO_QUORUM, Cause.STEADY_UNPROVEN, Cause.UNANSWERED, Cause.NO_REPORT})
"""What may be missing only because the orchestrator was away for a while."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a rung stands on: what the rungs before it have settled.

    Attributes:
        held_from: The commit of the step's own order, from which its hold runs.
        preflight_ok: Whether the site was at work before that.
    """

    held_from: Instant | None
    preflight_ok: bool


class RungJudgement:
    """One judgement, finding by finding.

    Args:
        inputs: What is known of the rung.
        voices: The covering witnesses with what each showed, under `wanted`.
        wanted: The rung's criterion.
        ground: What the step's own order settled; None for that one itself.
    """

    def __init__(
        self, inputs: StepInputs, voices: list[q.Voice], wanted: Criterion, ground: Ground | None = None
    ) -> None:
        self.inputs = inputs
        self.voices = voices
        self.wanted = wanted
        self.ground = ground or Ground(inputs.ordered, self._at_work())
        if wanted.goes_on:
            self.evidence: Evidence = steadiness(inputs, voices, wanted)
        else:
            self.evidence = Halting(inputs, voices, wanted, self.ground.held_from).evidence()

    def _at_work(self) -> bool:
        """Return whether a quorum saw the site as it is to be before the order."""
        ordered = self.inputs.ordered
        return ordered is not None and preflight(self.inputs, self.voices, self.wanted, ordered)

    def _lapsed(self) -> bool:
        """Return whether its work did not go on while it was still licensed."""
        if not isinstance(self.inputs.params, LeaseParams) or self.inputs.stopped is None:
            return False
        if self._interrupted():
            return False  # the orchestrator did not renew it, and saw nothing
        return self.ground.preflight_ok and not preflight(self.inputs, self.voices, self.wanted, self.inputs.stopped)

    def result(self) -> SiteStepResult:
        """Return the result, from the findings."""
        inputs, seen = self.inputs, self.evidence
        restore = self._restore()
        findings = self._findings(restore)
        word, cause = verdict(findings)
        names = [entry.name for entry in inputs.record.witnesses]
        return SiteStepResult(
            grade=grade(findings),
            verdict=word,
            cause=cause,
            response_lower_ns=seen.lower_ns,
            response_upper_ns=seen.upper_ns,
            restore_lower_ns=None if restore is None else restore[0],
            restore_upper_ns=None if restore is None else restore[1],
            dwell_ns=seen.dwell_ns,
            agreeing=tuple(name for name in names if name in seen.agreeing and name not in seen.against),
            dissenting=tuple(name for name in names if name in seen.against),
            unknown=tuple(name for name in names if name not in seen.agreeing and name not in seen.against),
            preflight_ok=findings.preflight_ok,
            held=findings.held,
            receipts=self._receipts(),
            control=control_of(inputs.params),
            rung=inputs.rung,
            battery=inputs.battery,
            seen=tuple(self._seen()),
        )

    def _interrupted(self) -> bool:
        """Return whether the orchestrator restarted before it saw the end: what it missed is not the site's fault."""
        inputs = self.inputs
        ordered, until = inputs.ordered, inputs.climbed or inputs.released or inputs.ended
        return ordered is not None and ordered.epoch != until.epoch

    def _excused(self, cause: Cause) -> Cause:
        """Return why evidence falls short: that the orchestrator was away, where it may be only that."""
        missed = cause in _MISSED or (self.inputs.published is None and cause is Cause.DISSENT)
        return Cause.CLOCK_RESTART if missed and self._interrupted() else cause

    def _findings(self, restore: tuple[int, int] | None) -> Findings:
        inputs, seen, wanted = self.inputs, self.evidence, self.wanted
        limit_ns = seconds_to_ns(inputs.step.restore_limit_s)
        accepted = inputs.arrival(Outcome.ACCEPTED) is not None
        reported = inputs.arrival(Outcome.HALTED) is not None
        asked_back = wanted.returns and inputs.climbed is None
        preflight_ok, interrupted = self.ground.preflight_ok, self._interrupted()
        unproven = self._unproven()
        return Findings(
            ordered=inputs.ordered is not None,
            uncovered=bool(uncovered_signals(inputs.record, inputs.params, inputs.step.quorum)),
            aborted=inputs.aborted,
            pending=inputs.closed is None,
            accepted=accepted,
            reported=reported,
            refused=inputs.arrival(Outcome.REFUSED) is not None and not accepted and not wanted.battery,
            failed=inputs.arrival(Outcome.FAILED) is not None,
            silent=not (accepted or reported or any(answer.refused for answer in inputs.battery) or interrupted),
            disobedient=any(answer.obeyed for answer in inputs.battery) or (wanted.battery and (accepted or reported)),
            preflight_ok=preflight_ok,
            lapsed=self._lapsed(),
            halted=seen.done,
            held=seen.held,
            corroborated=seen.corroborated,
            shortfall=self._excused(seen.shortfall),
            contradicted=seen.contradicted,
            broken=seen.broken,
            unproven=None if unproven is None else self._excused(unproven),
            timed=seen.upper_ns is not None or wanted.battery,
            late=seen.upper_ns is not None and seen.upper_ns > seconds_to_ns(inputs.response_limit_s),
            released=inputs.released is not None or inputs.climbed is not None,
            restored=self._restored(restore, limit_ns) if asked_back else True,
            restored_late=asked_back and restore is not None and restore[1] > limit_ns and preflight_ok,
        )

    def _unproven(self) -> Cause | None:
        """Return what the actor's answers fail to prove, of what the criterion demands of them."""
        wanted = self.wanted
        if wanted.battery:
            answers = self.inputs.battery
            if not answers or any(answer.refused is None and not answer.obeyed for answer in answers):
                return Cause.UNANSWERED
            return None if all(answer.right for answer in answers) else Cause.WRONG_REASON
        report = self.inputs.receipt(Outcome.HALTED)
        told = report or self.inputs.receipt(Outcome.FAILED)
        if wanted.proofs and told is not None and any(not proof.ok for proof in told.proofs):
            return Cause.PROOF_FAILED
        if report is None:
            return Cause.NO_REPORT if wanted.report else None
        if wanted.answers and self.inputs.released is not None and report.arrival > self.inputs.released:
            return Cause.NO_REPORT
        return _lacking(report, wanted)

    def _restore(self) -> tuple[int, int] | None:
        """Return the bounds of the restore time on the quorum of owners that saw it back first."""
        inputs = self.inputs
        released = inputs.released
        if released is None or inputs.ordered is None or inputs.climbed is not None or not self.wanted.returns:
            return None
        dwell_ns = seconds_to_ns(inputs.step.dwell_s)
        by_owner: dict[str, tuple[int, int]] = {}
        for voice in self.voices:
            seen = recovery(voice, released, dwell_ns) if voice.may_agree else None
            upper_ns = None if seen is None else seen.upper.minus(released)
            if seen is not None and upper_ns is not None:
                lower_ns = max(0, elapsed(seen.lower, inputs.release_published) or 0)
                bounds = (upper_ns, lower_ns)
                by_owner[voice.owner] = min(bounds, by_owner.get(voice.owner, bounds))
        first = sorted(by_owner.values())[: inputs.step.quorum]
        if len(first) < inputs.step.quorum:
            return None
        return min(lower_ns for _, lower_ns in first), first[-1][0]

    def returned(self) -> bool:
        """Return whether a quorum of owners has seen it back since the release, however long that took."""
        released = self.inputs.released
        if released is None or self.inputs.climbed is not None or not self.wanted.returns:
            return False
        dwell_ns = seconds_to_ns(self.inputs.step.dwell_s)
        back = {v.owner for v in self.voices if v.may_agree and recovery(v, released, dwell_ns) is not None}
        return len(back) >= self.inputs.step.quorum

    def _restored(self, restore: tuple[int, int] | None, limit_ns: int) -> bool | None:
        """Return whether it was back in time; None when witnesses could not tell, or not yet."""
        if restore is not None and restore[1] <= limit_ns:
            return True
        able = {voice.owner for voice in self.voices if voice.may_agree}
        elapsed_ns = elapsed(self.inputs.ended, self.inputs.released)
        watched = elapsed_ns is not None and elapsed_ns >= limit_ns
        blamed = (watched or restore is not None) and self.ground.preflight_ok
        return False if blamed and len(able) >= self.inputs.step.quorum else None

    def _receipts(self) -> ReceiptSummary:
        inputs = self.inputs
        report = inputs.receipt(Outcome.HALTED)
        refused, failed = inputs.receipt(Outcome.REFUSED), inputs.receipt(Outcome.FAILED)
        told = report or failed or inputs.receipt(Outcome.NOTED)
        return ReceiptSummary(
            accepted_ns=elapsed(inputs.arrival(Outcome.ACCEPTED), inputs.ordered),
            halted_ns=elapsed(inputs.arrival(Outcome.HALTED), inputs.ordered),
            restored_ns=elapsed(inputs.arrival(Outcome.RESTORED), inputs.ordered),
            refused=None if refused is None else refused.reason,
            failed=None if failed is None else failed.reason,
            proofs=() if told is None else told.proofs,
            checkpoint=None if report is None else report.checkpoint,
            armed=None if report is None else report.armed,
        )

    def _seen(self) -> Iterator[SignalSeen]:
        """Yield what each dissenting witness saw that was wrong, or else what the control lists."""
        for voice in self.voices:
            activity = self.evidence.against.get(voice.name)
            if activity is None:
                continue
            if activity.signal and activity.cause is not None:
                yield SignalSeen(witness=voice.name, signal=activity.signal, value=activity.cause.value)
                continue
            said = voice.trace.readings[activity.ends_at]
            for fact in self.wanted.facts:
                value = said.facts.get(fact.name)
                if value is not None and fact.says(value, said.digests.get(fact.name)) is False:
                    yield SignalSeen(witness=voice.name, signal=fact.name, value=value)
        if not self.evidence.against:
            yield from self._listed()

    def _listed(self) -> Iterator[SignalSeen]:
        if all(fact.name != RUNS_OVER for fact in self.wanted.facts):
            return
        until = self.inputs.released or self.inputs.ended
        for voice in self.voices:
            last = voice.trace.latest_by(until)
            value = None if last is None else voice.trace.readings[last].facts.get(RUNS_OVER)
            if value is not None and voice.name in self.evidence.agreeing:
                yield SignalSeen(witness=voice.name, signal=RUNS_OVER, value=value)

    def rung_result(self, result: SiteStepResult) -> RungResult:
        """Return what this rung did, as a line of the ladder's result."""
        return RungResult(
            rung=self.inputs.rung,
            control=result.control,
            verdict=result.verdict,
            cause=result.cause,
            response_lower_ns=result.response_lower_ns,
            response_upper_ns=result.response_upper_ns,
            response_limit_s=self.inputs.response_limit_s,
            why_next=self.inputs.why_next,
        )


def _lacking(report: ReceiptSeen, wanted: Criterion) -> Cause | None:
    """Return what a report lacks that is part of the proof."""
    if not set(wanted.proofs) <= {proof.step for proof in report.proofs}:
        return Cause.PROOF_MISSING
    if wanted.checkpoint and report.checkpoint is None:
        return Cause.NO_CHECKPOINT
    return Cause.NOT_ARMED if wanted.armed and report.armed is None else None
