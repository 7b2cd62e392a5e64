"""The evidence that a site came to be as ordered and stayed so: for every control that changes something.

Decisions that refine the design, each explained where it is made:

- `orchestrator.core.trace`: every prefix of a quiet run must be quiet, and no interval of it may be
  proven active; activity is measured against an upper bound of the time.
- `orchestrator.core.quorum`: agreement uses each witness's latest reading before the span; the
  response time's upper bound is A of the reading that *ends* the first interval of the quiet run.
- The window in which a halt is looked for ends with the release, and no later than `hold_s` after
  the step's order: an agent restores by itself `hold_s` after it accepted, so activity is an
  accusation (`broken`, `contradicted`) only before that. A rung's window ends when the site climbs
  on. What is never restored is watched to the end.
- `broken` is proven activity after a whole dwell on which a quorum agreed, by a witness that was
  not dissenting on that dwell; otherwise the dissent of one witness would hide what another saw.
- A lease is looked for from when its licences are no longer renewed, and timed from the expiry of
  the last; a site that pauses in between is early, which counts as zero.
- The report of a cut contradicts a meter only once the response limit has passed: what lies between
  the feed and the load may carry it on for a while, and that time is measured, not denied.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core import quorum as q
from orchestrator.core.causes import Cause
from orchestrator.core.criterion import Criterion
from orchestrator.core.evidence import Evidence, kept_out
from orchestrator.core.samples import Instant
from orchestrator.core.step_inputs import StepInputs, elapsed
from orchestrator.core.trace import Activity
from protocols.ids import seconds_to_ns
from protocols.messages import Outcome


class Halting:
    """Finds, for one rung at one site, the run that qualifies and all that speaks against it.

    Args:
        inputs: What is known of the rung.
        voices: The covering witnesses.
        wanted: The rung's criterion.
        held_from: The commit of the step's own order, from which its hold runs.
    """

    def __init__(
        self, inputs: StepInputs, voices: list[q.Voice], wanted: Criterion, held_from: Instant | None = None
    ) -> None:
        self.inputs = inputs
        self.voices = voices
        self.wanted = wanted
        self.dwell_ns = seconds_to_ns(inputs.step.dwell_s)
        # Not begun: nothing is in the window, and nothing below finds anything.
        self.begins = inputs.begins or inputs.ended
        self.until, self.hold_end = self._window(held_from or inputs.ordered or inputs.ended)
        self.run: q.Run | None = None
        self.broken_by: dict[str, Activity] = {}
        self._find_runs()
        self.last_words = self._last_words()
        self.liars = self._contradicting()

    def _window(self, held_from: Instant) -> tuple[Instant, Instant]:
        """Return the ends of the window in which a run may lie, and in which activity accuses."""
        if not self.wanted.returns:
            return self.inputs.ended, self.inputs.ended
        until = self.inputs.released or self.inputs.ended
        if self.inputs.climbed is not None:
            until = min(until, self.inputs.climbed)
        hold_end = min(until, held_from.plus(seconds_to_ns(self.inputs.step.hold_s)))
        return (hold_end if until.epoch == held_from.epoch else until), hold_end

    def agreed(self, quorum: int) -> Iterator[q.Run]:
        """Yield the common spans of a quorum, dissented from or not."""
        return q.runs(self.voices, quorum, ordered=self.begins, until=self.until, dwell_ns=self.dwell_ns)

    def _find_runs(self) -> None:
        """Find the qualifying run, and who saw work after the first span it did not dissent from.

        That first span is each witness's own, so that no other witness's dissent hides what it saw.
        """
        cleared: set[str] = set()
        for span in self.agreed(self.inputs.step.quorum):
            dissenters = {voice.name for voice in self.voices if q.dissent_on(voice, span, self.until) is not None}
            for voice in self.voices:
                if voice.name in dissenters | cleared:
                    continue
                cleared.add(voice.name)
                relapse = q.relapse(voice, span, self.hold_end)
                if relapse is not None:
                    self.broken_by[voice.name] = relapse
            if not dissenters:
                self.run = span
                return

    def _last_words(self) -> dict[str, Activity]:
        """Return the witnesses whose last proven word is active."""
        words = {}
        for voice in self.voices:
            last = q.last_word_active(voice.trace, self.inputs.preflight_from, self.until)
            if last is not None:
                words[voice.name] = last
        return words

    def _contradicting(self) -> dict[str, Activity]:
        """Return the witnesses that saw work after the actor's report and before any qualifying dwell."""
        reported = self.inputs.arrival(Outcome.HALTED)
        if reported is None:
            return {}
        if self.wanted.lags and self.inputs.ordered is not None:
            reported = max(reported, self.inputs.ordered.plus(seconds_to_ns(self.inputs.response_limit_s)))
        found = {}
        for voice in self.voices:
            activity = self._contradicts(voice, reported)
            if activity is not None:
                found[voice.name] = activity
        return found

    def _contradicts(self, voice: q.Voice, reported: Instant) -> Activity | None:
        trace, run, end = voice.trace, self.run, self.hold_end
        if run is None:
            return q.activity_after(trace, reported, end)
        breach_by = run.start.plus(trace.max_gap_ns)
        return q.activity_between(trace, reported, run.end, end) or q.breach_between(trace, reported, breach_by, end)

    def evidence(self) -> Evidence:
        """Return all of it, in the form that a verdict is decided on."""
        lower_ns, upper_ns = self._response()
        done = self.run is not None and not self.last_words.keys() - self.broken_by.keys()
        ended = Cause.ACTIVE_IN_HOLD if self.wanted.returns else Cause.CAME_BACK
        return Evidence(
            done=done,
            held=done and not self.broken_by and self._held(),
            corroborated=next(self.agreed(1), None) is not None,
            shortfall=self._shortfall(),
            contradicted=_what(self.liars, Cause.ACTIVE_AFTER_REPORT),
            broken=_what(self.broken_by, ended),
            lower_ns=lower_ns,
            upper_ns=upper_ns,
            done_by=None if self.run is None else q.halted_by(self.voices, self.run),
            dwell_ns=None if self.run is None else self.run.quiet_until.minus(self.run.start),
            agreeing=self._agreeing(),
            against={**self.last_words, **self.broken_by, **self.liars} if self.inputs.ordered is not None else {},
        )

    def _agreeing(self) -> frozenset[str]:
        """Return the quorum's witnesses, and those that saw a dwell of quiet a little later."""
        run = self.run
        if run is None:
            return frozenset()
        return frozenset(run.starts) | {
            voice.name
            for voice in self.voices
            if voice.may_agree and q.saw_dwell(voice.trace, run.start, self.until, self.dwell_ns)
        }

    def _response(self) -> tuple[int | None, int | None]:
        """Return the bounds of the response time; without an upper one it is right-censored.

        With a lease both are measured from the licence's expiry, and a site that was early has zero.
        """
        zero = self.inputs.zero
        if self.inputs.ordered is None:
            return None, None
        published = self.inputs.published if zero == self.inputs.ordered else zero
        lowest: dict[str, int] = {}
        for voice in self.voices:
            reading = len(voice.trace.readings) if self.run is None else self.run.starts.get(voice.name)
            if reading is None:
                continue
            last = q.last_active_by(voice.trace, reading, self.until)
            elapsed_ns = elapsed(last, published)
            if elapsed_ns is not None and voice.may_agree:
                lowest[voice.owner] = max(elapsed_ns, lowest.get(voice.owner, elapsed_ns))
        lower_ns = q.quorum_largest(lowest, self.inputs.step.quorum)
        upper_ns = None if self.run is None else elapsed(q.halted_by(self.voices, self.run), zero)
        return lower_ns, None if upper_ns is None else max(0, upper_ns)

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
        cause = kept_out(self.inputs, self.voices)
        if cause is not None:
            return cause
        if self.last_words:
            return _what(self.last_words, Cause.DISSENT) or Cause.DISSENT
        return Cause.NO_QUORUM if next(self.agreed(self.inputs.step.quorum), None) is None else Cause.DISSENT


def _what(seen: dict[str, Activity], work: Cause) -> Cause | None:
    """Return what was seen: plain work first, since it is the loudest; None when nothing was."""
    causes = [activity.cause or work for activity in seen.values()]
    return None if not causes else work if work in causes else causes[0]
