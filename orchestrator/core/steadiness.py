"""The evidence that a site's work went on unbroken: for controls that must change nothing.

A witness *keeps* if, from its latest reading by the order to its latest by the end of the window,
nothing is missing, the rate over all of it lies surely in the load band, and no window of a dwell in
between is a breach. (That each were surely in the band would be too much to ask of a whole hold: one
late reading would spoil it. No breach means that every window holds a dwell's work of the least rate.)
A quorum of owners must keep; and one witness that proves a window out of the band denies it, as a single
dissent does for a halt. A refusal battery ends only after the release, so its window does too.
"""

from __future__ import annotations

from orchestrator.core import quorum as q
from orchestrator.core.causes import Cause
from orchestrator.core.criterion import Criterion
from orchestrator.core.evidence import Evidence, kept_out
from orchestrator.core.samples import Instant
from orchestrator.core.step_inputs import StepInputs, elapsed
from protocols.ids import seconds_to_ns
from protocols.messages import Outcome


def steadiness(inputs: StepInputs, voices: list[q.Voice], wanted: Criterion) -> Evidence:
    """Return what the witnesses show of a site whose work is to go on."""
    ordered = inputs.ordered
    if ordered is None:
        return Evidence(shortfall=Cause.STEADY_UNPROVEN)
    until = _until(inputs, wanted, ordered)
    keeping = {voice.name: voice.owner for voice in voices if voice.may_agree and _keeps(voice, ordered, until)}
    against = {}
    for voice in voices:
        breach = q.activity_after(voice.trace, ordered, until)
        if breach is not None:
            against[voice.name] = breach
    kept = len(set(keeping.values())) >= inputs.step.quorum
    reported_ns = elapsed(inputs.arrival(Outcome.HALTED), ordered)
    return Evidence(
        done=kept and not against,
        held=kept and not against and inputs.released is not None,
        corroborated=bool(keeping),
        shortfall=kept_out(inputs, voices) or Cause.STEADY_UNPROVEN,
        broken=Cause.STEADY_BROKEN if against else None,
        # What was exercised shows in the report alone: it was done by the time that the report arrived.
        lower_ns=None if reported_ns is None else 0,
        upper_ns=reported_ns,
        dwell_ns=until.minus(ordered) if kept else None,
        agreeing=frozenset(keeping) - frozenset(against),
        against=against,
    )


def _until(inputs: StepInputs, wanted: Criterion, ordered: Instant) -> Instant:
    if wanted.battery:
        return inputs.ended
    hold_end = ordered.plus(seconds_to_ns(inputs.step.hold_s))
    return min(inputs.released or inputs.ended, hold_end)


def _keeps(voice: q.Voice, ordered: Instant, until: Instant) -> bool:
    trace = voice.trace
    first, last = trace.latest_by(ordered), trace.latest_by(until)
    if first is None or last is None or trace.after[last] < trace.before[first].plus(trace.dwell_ns):
        return False
    ages_ns = ordered.minus(trace.after[first]), until.minus(trace.after[last])
    steady = trace.run_end(first) >= last and q.in_band(trace, first, last, voice.work)
    return steady and all(age is not None and age <= trace.max_gap_ns for age in ages_ns)
