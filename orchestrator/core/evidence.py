"""What the witnesses of one site show of one rung, in the form that a verdict is decided on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.core import quorum as q
from orchestrator.core.causes import Cause
from orchestrator.core.criterion import Criterion
from orchestrator.core.recovery import as_before
from orchestrator.core.samples import Instant
from orchestrator.core.step_inputs import StepInputs
from orchestrator.core.trace import Activity, Trace


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the witnesses show, whatever the control.

    Attributes:
        done: Whether a quorum saw it as ordered, or its steady state unbroken, and nobody dissents.
        held: Whether that quorum's evidence reaches to the end of the hold.
        corroborated: Whether at least one owner saw it.
        shortfall: Why no quorum did, when none did.
        contradicted: What was seen against the actor's report; None when nothing was.
        broken: What was seen after it had been as ordered, or of steady state that broke.
        lower_ns: No earlier than this after the order was it as ordered.
        upper_ns: And no later than this; None when that was not witnessed.
        done_by: The instant of `upper_ns`.
        dwell_ns: How long the agreeing witnesses all saw it so.
        agreeing: Witnesses that saw it as ordered.
        against: By witness, what each saw against it; None for those whose word needs no example.
    """

    done: bool = False
    held: bool = False
    corroborated: bool = False
    shortfall: Cause = Cause.NO_QUORUM
    contradicted: Cause | None = None
    broken: Cause | None = None
    lower_ns: int | None = None
    upper_ns: int | None = None
    done_by: Instant | None = None
    dwell_ns: int | None = None
    agreeing: frozenset[str] = frozenset()
    against: dict[str, Activity] = field(default_factory=dict)


def obstacle(inputs: StepInputs, name: str, trace: Trace) -> Cause | None:
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


def kept_out(inputs: StepInputs, voices: Sequence[q.Voice]) -> Cause | None:
    """Return what keeps so many owners out that no quorum is left, if something does."""
    if len({voice.owner for voice in voices if voice.may_agree}) >= inputs.step.quorum:
        return None
    obstacles = {obstacle(inputs, voice.name, voice.trace) for voice in voices}
    return next(
        (cause for cause in (Cause.FORKED, Cause.DISHONEST, Cause.GAP, Cause.NO_CLOSING) if cause in obstacles), None
    )


def preflight(inputs: StepInputs, voices: Sequence[q.Voice], wanted: Criterion, at: Instant) -> bool:
    """Return whether a quorum saw steady state up to an instant, and the site as it is to be before the order.

    Of what is to stand still or to be capped, some must be seen at work at the very end.
    """
    halting = {name for name, _ in wanted.ceilings}
    owners = set()
    for voice in voices:
        busy = [rate for rate in voice.work if rate.signal in halting] or voice.work
        last = voice.trace.latest_by(at)
        if (
            voice.may_agree
            and last is not None
            and q.steady(voice.trace, inputs.preflight_from, at, voice.work, busy)
            and as_before(voice.trace, last)
        ):
            owners.add(voice.owner)
    return len(owners) >= inputs.step.quorum
