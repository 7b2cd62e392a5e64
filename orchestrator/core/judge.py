"""The judgement on one site and one step: `judge_step(inputs)`, pure and the same live as at the end.

Decisions that refine the design, each explained where it is made:

- `orchestrator.core.trace`: every prefix of a quiet run must be quiet, and no interval of it may be
  proven active; activity is measured against an upper bound of the time.
- `orchestrator.core.quorum`: agreement uses each witness's latest reading before the span; the
  response time's upper bound is A of the reading that *ends* the first interval of the quiet run.
- The window in which a halt is looked for ends with the release, and no later than `hold_s` after
  the order: an agent restores by itself `hold_s` after it accepted, so activity is an accusation
  (`broken`, `contradicted`) only before that.
- A witness that forked, contradicted itself, has a gap or (in a final judgement) no valid closing
  cannot agree; what it proved of activity still dissents.
- `broken` is proven activity after a whole dwell on which a quorum agreed, by a witness that was
  not dissenting on that dwell; otherwise the dissent of one witness would hide what another saw.
- A site without load before the order can be `unproven` at best, and a site whose agent never
  accepted is not verified however quiet it is: it may be down for another reason.
- Live (`closed` is None) the verdict stays `unproven (pending)` until something loud decides it;
  grade, intervals and witnesses are what is known so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core import quorum as q
from orchestrator.core.battery import CaseAnswer
from orchestrator.core.criteria import covering_witnesses, criterion, uncovered_signals
from orchestrator.core.grades import (
    Cause,
    Findings,
    ReceiptSummary,
    SiteStepResult,
    grade,
    verdict,
)
from orchestrator.core.samples import Instant, Track
from orchestrator.core.trace import Trace
from protocols.controls import Params
from protocols.ids import seconds_to_ns
from protocols.messages import Outcome, Proof, SiteRecord, Step
from protocols.reasons import Reason


@dataclass(frozen=True, slots=True)
class ReceiptSeen:
    """A receipt of who acts on this rung, for this rung's order, and when it arrived."""

    outcome: Outcome
    arrival: Instant
    reason: Reason | None = None
    proofs: tuple[Proof, ...] = ()
    checkpoint: str | None = None
    armed: str | None = None


@dataclass(frozen=True, slots=True)
class StepInputs:
    """Everything that the judgement on one site and one rung of a step depends on.

    Attributes:
        record: The site's record.
        step: The step as approved.
        rung: Which of its rungs this is about; 0 is the step's own control.
        climbed: When the site climbed on to the next rung; None when it did not. It ends the window.
        why_next: Why it climbed.
        expires: With a lease: by when the site's last licence had surely expired. It is zero of the
            response time; None when there was no licence, or while it is still renewed.
        stopped: With a lease: the commit of `lease.stopped`. Until then the site must be at work.
        battery: With a refusal: how the site answered each order of it so far.
        tracks: By witness name, its track of this drill; witnesses that said nothing may lack.
        issues: When each challenge of the drill was issued, by its number.
        preflight_from: From when steady state is looked for.
        ordered: The commit of the order's event: zero of the response time. None: not ordered.
        published: The end of the order's first publish.
        released: The commit of the release (or abort): zero of the restore time.
        release_published: The end of its first publish.
        ended: Now, or the end of the step's observation.
        receipts: The agent's receipts for this order, in order of arrival.
        closed: Witnesses with a valid closing whose track holds all that it claims
            (`Track.holds(closing.first, closing.link.seq)`); None while the drill runs.
        aborted: Whether the drill was aborted.
    """

    record: SiteRecord
    step: Step
    tracks: Mapping[str, Track]
    issues: Mapping[int, Instant]
    preflight_from: Instant
    ordered: Instant | None
    published: Instant | None
    released: Instant | None
    release_published: Instant | None
    ended: Instant
    receipts: tuple[ReceiptSeen, ...] = ()
    closed: frozenset[str] | None = None
    aborted: bool = False
    rung: int = 0
    climbed: Instant | None = None
    why_next: Cause | None = None
    expires: Instant | None = None
    stopped: Instant | None = None
    battery: tuple[CaseAnswer, ...] = ()

    @property
    def params(self) -> Params:
        """The control of this rung, with its parameters."""
        return self.step.rungs[self.rung].params

    @property
    def response_limit_s(self) -> float:
        """This rung's own response limit."""
        return self.step.rungs[self.rung].response_limit_s


@dataclass(slots=True)
class LiveSite:
    """Judges one site for one step again and again, reading each track's news only once; one for each pair.

    The tracks, and the mapping of challenge issues, must be the same growing objects each time.
    """

    _traces: dict[str, Trace] = field(default_factory=dict)

    def judge(self, inputs: StepInputs) -> SiteStepResult:
        """Return what `judge_step` returns for `inputs`."""
        return _Judgement(inputs, self.voices(inputs)).result()

    def steady(self, inputs: StepInputs) -> bool:
        """Return whether a quorum sees steady state up to `inputs.ended`, before any order."""
        return _steady(inputs, self.voices(inputs), inputs.ended)

    def voices(self, inputs: StepInputs) -> list[q.Voice]:
        """Return the covering witnesses with what each has shown so far."""
        wanted = criterion(inputs.step.params, inputs.record)
        voices = []
        for entry in covering_witnesses(inputs.record, wanted):
            track = inputs.tracks.get(entry.name)
            if track is None:
                continue
            trace = self._traces.get(entry.name)
            if trace is None or trace.track is not track:
                max_gap_ns, dwell_ns = seconds_to_ns(inputs.step.max_gap_s), seconds_to_ns(inputs.step.dwell_s)
                trace = Trace(track, wanted, inputs.issues, max_gap_ns, dwell_ns)
                self._traces[entry.name] = trace
            trace.update()
            voices.append(q.Voice(entry.name, entry.owner, trace, _obstacle(inputs, entry.name, trace) is None))
        return voices


def judge_step(inputs: StepInputs) -> SiteStepResult:
    """Judge one site for one step on everything known."""
    return LiveSite().judge(inputs)


def _obstacle(inputs: StepInputs, name: str, trace: Trace) -> Cause | None:
    """Return why a witness cannot agree, if something keeps it from that."""
    if trace.track.forked:
        return Cause.FORKED
    if trace.dishonest:
        return Cause.DISHONEST
    if inputs.closed is None:
        return None
    if not trace.track.contiguous:
        return Cause.GAP
    return None if name in inputs.closed else Cause.NO_CLOSING


def _steady(inputs: StepInputs, voices: Sequence[q.Voice], ordered: Instant) -> bool:
    work = inputs.record.work
    owners = {
        voice.owner
        for voice in voices
        if voice.may_agree and q.steady(voice.trace, inputs.preflight_from, ordered, work)
    }
    return len(owners) >= inputs.step.quorum


class _Judgement:
    """One judgement, finding by finding."""

    def __init__(self, inputs: StepInputs, voices: list[q.Voice]) -> None:
        self.inputs = inputs
        self.voices = voices
        self.dwell_ns = seconds_to_ns(inputs.step.dwell_s)
        # Not ordered: nothing is in the window, and nothing below finds anything.
        self.ordered = inputs.ordered or inputs.ended
        self.until = inputs.released or inputs.ended
        self.hold_end = min(self.until, self.ordered.plus(seconds_to_ns(inputs.step.hold_s)))
        if self.until.epoch == self.ordered.epoch:
            self.until = self.hold_end
        self.run: q.Run | None = None
        self.broken_by: set[str] = set()
        self._find_runs()
        self.last_words = self._last_words()
        self.liars = self._contradicting()

    def _agreed(self, quorum: int) -> Iterator[q.Run]:
        """Yield the common spans of a quorum, dissented from or not."""
        return q.runs(self.voices, quorum, ordered=self.ordered, until=self.until, dwell_ns=self.dwell_ns)

    def _find_runs(self) -> None:
        """Find the qualifying run, and who saw work after the first span it did not dissent from.

        That first span is each witness's own, so that no other witness's dissent hides what it saw.
        """
        cleared: set[str] = set()
        for span in self._agreed(self.inputs.step.quorum):
            dissenters = {voice.name for voice in self.voices if q.dissents_on(voice, span, self.until)}
            for voice in self.voices:
                if voice.name in dissenters | cleared:
                    continue
                cleared.add(voice.name)
                if q.activity_after(voice.trace, span.end, self.hold_end) is not None:
                    self.broken_by.add(voice.name)
            if not dissenters:
                self.run = span
                return

    def _last_words(self) -> set[str]:
        """Return the witnesses whose last proven word is active, other than those that saw it break."""
        words = set()
        for voice in self.voices:
            last = q.last_word_active(voice.trace, self.inputs.preflight_from, self.until)
            if last is not None:
                words.add(voice.name)
        return words

    def _contradicting(self) -> set[str]:
        """Return the witnesses that saw work after the agent's report and before any qualifying dwell."""
        reported = self._arrival(Outcome.HALTED)
        if reported is None:
            return set()
        until = self.hold_end if self.run is None else self.run.end
        return {
            voice.name
            for voice in self.voices
            if q.activity_between(voice.trace, reported, until, self.hold_end) is not None
        }

    def _arrival(self, outcome: Outcome) -> Instant | None:
        return next((seen.arrival for seen in self.inputs.receipts if seen.outcome is outcome), None)

    def _reason(self, outcome: Outcome) -> Reason | None:
        return next((seen.reason for seen in self.inputs.receipts if seen.outcome is outcome), None)

    def result(self) -> SiteStepResult:
        """Return the result, from the findings."""
        inputs = self.inputs
        lower_ns, upper_ns = self._response()
        restore = self._restore()
        findings = self._findings(upper_ns, restore)
        word, cause = verdict(findings)
        agreeing = self._agreeing()
        dissenting = self.last_words | self.broken_by | self.liars if inputs.ordered is not None else set()
        names = [entry.name for entry in inputs.record.witnesses]
        return SiteStepResult(
            grade=grade(findings),
            verdict=word,
            cause=cause,
            response_lower_ns=lower_ns,
            response_upper_ns=upper_ns,
            restore_lower_ns=None if restore is None else restore[0],
            restore_upper_ns=None if restore is None else restore[1],
            dwell_ns=None if self.run is None else self.run.quiet_until.minus(self.run.start),
            agreeing=tuple(name for name in names if name in agreeing - dissenting),
            dissenting=tuple(name for name in names if name in dissenting),
            unknown=tuple(name for name in names if name not in agreeing | dissenting),
            preflight_ok=findings.preflight_ok,
            held=findings.held,
            receipts=self._receipts(),
        )

    def _agreeing(self) -> set[str]:
        """Return the quorum's witnesses, and those that saw a dwell of quiet a little later."""
        run = self.run
        if run is None:
            return set()
        return set(run.starts) | {
            voice.name
            for voice in self.voices
            if voice.may_agree and q.saw_dwell(voice.trace, run.start, self.until, self.dwell_ns)
        }

    def _findings(self, upper_ns: int | None, restore: tuple[int, int] | None) -> Findings:
        inputs, step = self.inputs, self.inputs.step
        limit_ns = seconds_to_ns(step.restore_limit_s)
        preflight_ok = inputs.ordered is not None and _steady(inputs, self.voices, inputs.ordered)
        accepted = self._arrival(Outcome.ACCEPTED) is not None
        halted = self.run is not None and not self.last_words - self.broken_by
        return Findings(
            ordered=inputs.ordered is not None,
            uncovered=bool(uncovered_signals(inputs.record, step.params, step.quorum)),
            aborted=inputs.aborted,
            pending=inputs.closed is None,
            accepted=accepted,
            reported=self._arrival(Outcome.HALTED) is not None,
            refused=self._arrival(Outcome.REFUSED) is not None and not accepted,
            failed=self._arrival(Outcome.FAILED) is not None,
            preflight_ok=preflight_ok,
            halted=halted,
            held=halted and not self.broken_by and self._held(),
            corroborated=next(self._agreed(1), None) is not None,
            shortfall=self._shortfall(),
            contradicted=bool(self.liars),
            broken=bool(self.broken_by),
            timed=upper_ns is not None,
            late=upper_ns is not None and upper_ns > seconds_to_ns(step.response_limit_s),
            released=inputs.released is not None,
            restored=self._restored(restore, limit_ns, preflight_ok=preflight_ok),
            restored_late=restore is not None and restore[1] > limit_ns and preflight_ok,
        )

    def _response(self) -> tuple[int | None, int | None]:
        """Return the bounds of the response time; without an upper one it is right-censored."""
        if self.inputs.ordered is None:
            return None, None
        lowest: dict[str, int] = {}
        for voice in self.voices:
            reading = len(voice.trace.readings) if self.run is None else self.run.starts.get(voice.name)
            if reading is None:
                continue
            last = q.last_active_by(voice.trace, reading, self.until)
            elapsed_ns = _elapsed(last, self.inputs.published)
            if elapsed_ns is not None and voice.may_agree:
                lowest[voice.owner] = max(elapsed_ns, lowest.get(voice.owner, elapsed_ns))
        lower_ns = q.quorum_largest(lowest, self.inputs.step.quorum)
        return lower_ns, None if self.run is None else q.halted_by(self.voices, self.run).minus(self.inputs.ordered)

    def _held(self) -> bool:
        """Return whether a quorum of owners saw quiet without a break up to the end of the hold."""
        if self.run is None or self.inputs.released is None:
            return False
        owners = set()
        for voice in self.voices:
            start = self.run.starts.get(voice.name)
            unseen_ns = None if start is None else self.until.minus(voice.trace.quiet_until(start))
            if unseen_ns is not None and unseen_ns <= voice.trace.max_gap_ns:
                owners.add(voice.owner)
        return len(owners) >= self.inputs.step.quorum

    def _shortfall(self) -> Cause:
        """Return why no quorum agreed: what keeps owners out first, then what they saw."""
        able = {voice.owner for voice in self.voices if voice.may_agree}
        if len(able) < self.inputs.step.quorum:
            obstacles = {_obstacle(self.inputs, voice.name, voice.trace) for voice in self.voices}
            for cause in (Cause.FORKED, Cause.DISHONEST, Cause.GAP, Cause.NO_CLOSING):
                if cause in obstacles:
                    return cause
        agreed = next(self._agreed(self.inputs.step.quorum), None) is not None
        return Cause.DISSENT if self.last_words or agreed else Cause.NO_QUORUM

    def _restore(self) -> tuple[int, int] | None:
        """Return the bounds of the restore time on the quorum of owners that saw it back first."""
        inputs = self.inputs
        if inputs.released is None or inputs.ordered is None:
            return None
        by_owner: dict[str, tuple[int, int]] = {}
        for voice in self.voices:
            seen = (
                q.recovery(voice.trace, inputs.released, self.dwell_ns, inputs.record.work) if voice.may_agree else None
            )
            upper_ns = None if seen is None else seen.upper.minus(inputs.released)
            if seen is not None and upper_ns is not None:
                lower_ns = max(0, _elapsed(seen.lower, inputs.release_published) or 0)
                bounds = (upper_ns, lower_ns)
                by_owner[voice.owner] = min(bounds, by_owner.get(voice.owner, bounds))
        first = sorted(by_owner.values())[: inputs.step.quorum]
        if len(first) < inputs.step.quorum:
            return None
        return min(lower_ns for _, lower_ns in first), first[-1][0]

    def _restored(self, restore: tuple[int, int] | None, limit_ns: int, *, preflight_ok: bool) -> bool | None:
        """Return whether it was back in time; None when witnesses could not tell, or not yet."""
        if restore is not None and restore[1] <= limit_ns:
            return True
        able = {voice.owner for voice in self.voices if voice.may_agree}
        elapsed_ns = _elapsed(self.inputs.ended, self.inputs.released)
        watched = elapsed_ns is not None and elapsed_ns >= limit_ns
        return (
            False
            if (watched or restore is not None) and preflight_ok and len(able) >= self.inputs.step.quorum
            else None
        )

    def _receipts(self) -> ReceiptSummary:
        return ReceiptSummary(
            accepted_ns=_elapsed(self._arrival(Outcome.ACCEPTED), self.inputs.ordered),
            halted_ns=_elapsed(self._arrival(Outcome.HALTED), self.inputs.ordered),
            restored_ns=_elapsed(self._arrival(Outcome.RESTORED), self.inputs.ordered),
            refused=self._reason(Outcome.REFUSED),
            failed=self._reason(Outcome.FAILED),
        )


def _elapsed(later: Instant | None, earlier: Instant | None) -> int | None:
    return None if later is None or earlier is None else later.minus(earlier)


__all__ = ["LiveSite", "ReceiptSeen", "StepInputs", "judge_step"]
