"""The judgement on one site and one step: pure, and the same live as at the end.

`judge_step(inputs)` judges a step that did not climb, `judge_ladder(rungs)` one that may have.
Each rung is judged by its own control's criterion, on its own order and its own limit; an earlier
one on the window that ends when the site climbed on. `LiveSite` gives the same while it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.core import quorum as q
from orchestrator.core.causes import Cause
from orchestrator.core.covering import covering_witnesses
from orchestrator.core.criteria import criterion
from orchestrator.core.criterion import Criterion
from orchestrator.core.evidence import obstacle, preflight
from orchestrator.core.grades import ladder_verdict
from orchestrator.core.halting import Halting
from orchestrator.core.results import SiteStepResult
from orchestrator.core.rung import Ground, RungJudgement
from orchestrator.core.step_inputs import ReceiptSeen, StepInputs
from orchestrator.core.trace import Trace
from protocols.ids import seconds_to_ns
from protocols.messages import Outcome, WitnessEntry, WorkRate


@dataclass(slots=True)
class LiveSite:
    """Judges one site for one step again and again, reading each track's news only once; one for each pair.

    The tracks, and the mapping of challenge issues, must be the same growing objects each time.
    """

    _traces: dict[tuple[int, str], Trace] = field(default_factory=dict)
    _criteria: dict[int, Criterion] = field(default_factory=dict)

    def judge(self, rungs: Sequence[StepInputs]) -> SiteStepResult:
        """Return what `judge_ladder` returns for the rungs that were ordered; of most steps there is one."""
        first, *climbed = rungs
        judged = [RungJudgement(first, self.voices(first), self._wanted(first))]
        ground = Ground(first.ordered, judged[0].ground.preflight_ok)
        judged += [RungJudgement(rung, self.voices(rung), self._wanted(rung), ground) for rung in climbed]
        results = [rung.result() for rung in judged]
        if not climbed:
            return results[0]
        ladder = tuple(rung.rung_result(result) for rung, result in zip(judged, results, strict=True))
        word, cause = ladder_verdict(ladder)
        done_by = judged[-1].evidence.done_by
        total_ns = None if done_by is None or first.ordered is None else done_by.minus(first.ordered)
        return results[-1].model_copy(
            update={"verdict": word, "cause": cause, "rungs": ladder, "total_upper_ns": total_ns}
        )

    def steady(self, inputs: StepInputs) -> bool:
        """Return whether a quorum sees steady state up to `inputs.ended`, before any order."""
        return preflight(inputs, self.voices(inputs), self._wanted(inputs), inputs.ended)

    def back(self, rungs: Sequence[StepInputs]) -> bool:
        """Return whether a quorum has seen the site back since the release, also across a restart of ours."""
        last = rungs[-1]
        return RungJudgement(last, self.voices(last), self._wanted(last)).returned()

    def climb_cause(self, inputs: StepInputs, margin_ns: int) -> Cause | None:
        """Return why the site must climb to its next rung now, or None while it must not.

        It never does once a quorum of owners saw it as ordered, dissented from or not. A refusal
        waits for the response limit; anything else for as long again as witnesses need to show a
        halt that came just in time.

        Args:
            inputs: What is known of its highest rung so far, with `ended` = now.
            margin_ns: What the witnesses are given on top of limit and dwell.
        """
        waited_ns = _waited(inputs)
        limit_ns = seconds_to_ns(inputs.response_limit_s)
        if waited_ns is None or waited_ns < limit_ns or inputs.released is not None or inputs.aborted:
            return None
        halting = Halting(inputs, self.voices(inputs), self._wanted(inputs))
        if next(halting.agreed(inputs.step.quorum), None) is not None:
            return None
        if inputs.receipt(Outcome.REFUSED) is not None and inputs.receipt(Outcome.ACCEPTED) is None:
            return Cause.REFUSED
        overdue = waited_ns >= limit_ns + seconds_to_ns(inputs.step.dwell_s) + margin_ns
        return _failure(inputs, halting, limit_ns) if overdue else None

    def voices(self, inputs: StepInputs) -> list[q.Voice]:
        """Return the covering witnesses with what each has shown so far, under the rung's criterion."""
        wanted = self._wanted(inputs)
        voices = []
        for entry in covering_witnesses(inputs.record, wanted):
            track = inputs.tracks.get(entry.name)
            if track is None:
                continue
            trace = self._traces.get((inputs.rung, entry.name))
            if trace is None or trace.track is not track:
                max_gap_ns, dwell_ns = seconds_to_ns(inputs.step.max_gap_s), seconds_to_ns(inputs.step.dwell_s)
                trace = Trace(track, wanted, inputs.issues, max_gap_ns, dwell_ns)
                self._traces[inputs.rung, entry.name] = trace
            trace.update()
            may_agree = obstacle(inputs, entry.name, trace) is None
            voices.append(q.Voice(entry.name, entry.owner, trace, may_agree, _work(wanted, entry)))
        return voices

    def _wanted(self, inputs: StepInputs) -> Criterion:
        if inputs.rung not in self._criteria:
            self._criteria[inputs.rung] = criterion(inputs.params, inputs.record)
        return self._criteria[inputs.rung]


def judge_step(inputs: StepInputs) -> SiteStepResult:
    """Judge one site for one step that did not climb, on everything known."""
    return LiveSite().judge([inputs])


def judge_ladder(rungs: Sequence[StepInputs]) -> SiteStepResult:
    """Judge one site for one step on everything known of each rung that was ordered, in order.

    The result is the last rung's, with the verdict on all of them: what one rung was contradicted or
    broken in, stays so; and a site that only a later rung halted is `late (escalated)`.
    """
    return LiveSite().judge(rungs)


def _work(wanted: Criterion, entry: WitnessEntry) -> tuple[WorkRate, ...]:
    """Return the counters by which a witness tells steady state."""
    if wanted.needs_work:
        return wanted.work
    return tuple(rate for rate in wanted.work if rate.signal in entry.covers)


def _waited(inputs: StepInputs) -> int | None:
    """Return how long ago the rung was ordered at least, by the clock epoch of now."""
    ordered, now = inputs.ordered, inputs.ended
    if ordered is None:
        return None
    if ordered.epoch == now.epoch:
        return now.minus(ordered)
    since = min((issued for issued in inputs.issues.values() if issued.epoch == now.epoch), default=now)
    return now.minus(since)


def _failure(inputs: StepInputs, halting: Halting, limit_ns: int) -> Cause:
    """Return how a rung failed that no quorum has seen to be as ordered."""
    if halting.liars:
        return Cause.ACTIVE_AFTER_REPORT
    if inputs.receipt(Outcome.FAILED) is not None:
        return Cause.DRIVER_FAILED
    if inputs.receipt(Outcome.ACCEPTED) is None and inputs.receipt(Outcome.HALTED) is None:
        return Cause.SILENT
    limit = (inputs.ordered or inputs.ended).plus(limit_ns)
    still = any(q.activity_after(voice.trace, limit, inputs.ended) is not None for voice in halting.voices)
    return Cause.OVER_LIMIT if still else Cause.NO_QUORUM


__all__ = ["LiveSite", "ReceiptSeen", "StepInputs", "judge_ladder", "judge_step"]
