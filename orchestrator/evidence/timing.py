"""Checks the rules of time that every drill keeps: what may not come too early, too late or twice."""

from __future__ import annotations

from orchestrator.core import events as ev
from orchestrator.core.agenda import CLOSING_LIMIT_NS, release_after_s
from orchestrator.core.drill import Drill
from orchestrator.core.samples import Instant
from orchestrator.evidence.checks.spoken import demand
from protocols.controls import LeaseParams
from protocols.ids import seconds_to_ns


def check_timing(event: ev.Event, drill: Drill, now: Instant) -> None:
    """Check one event against the drill as it stands before it.

    Across a restart of the orchestrator no duration is known, so none is demanded.

    Raises:
        JournalError: It came too early, or twice.
    """
    match event:
        case ev.OrderIssued() | ev.BatteryIssued():
            _after(now, drill.step.preflight_from, drill.warrant.steps[drill.step.number].dwell_s, "preflight")
        case ev.OrderPublished():
            demand(drill.step.published is None, "the order's first publish ended before already")
        case ev.ReleaseIssued():
            step = drill.warrant.steps[drill.step.number]
            leased = isinstance(step.params, LeaseParams)
            demand(not leased or drill.step.lease.stopped is not None, "its lease was renewed to the end")
            _after(now, drill.step.ordered, release_after_s(step, drill.warrant.challenge_s), "the hold")
        case ev.StepEnded():
            _step_ended(event, drill, now)
        case ev.SiteJudged() if not drill.results:
            _judged(drill, now)
        case _:
            pass


def _after(now: Instant, since: Instant | None, duration_s: float, what: str) -> None:
    elapsed_ns = None if since is None else now.minus(since)
    wanted_ns = seconds_to_ns(duration_s)
    if elapsed_ns is not None:
        demand(elapsed_ns >= wanted_ns, f"{what} lasted {elapsed_ns / 1e9:.3f} s of {wanted_ns / 1e9:.3f} s")


def _step_ended(event: ev.StepEnded, drill: Drill, now: Instant) -> None:
    demand(event.step == drill.step.number, f"step {event.step} is not the one that is running")
    demand(event.ordered == (drill.step.ordered is not None), "it says otherwise whether the step was ordered")
    if not event.ordered and not drill.aborted:
        _after(now, drill.step.preflight_from, drill.warrant.steps[event.step].dwell_s, "preflight")


def _judged(drill: Drill, now: Instant) -> None:
    """Verdicts are final, so witnesses must have had the time to say their last word."""
    complete = drill.closings.keys() == drill.tracks.keys() and not drill.missing()
    elapsed_ns = None if drill.final_from is None else now.minus(drill.final_from)
    if complete or (drill.final_from is not None and elapsed_ns is None):
        return
    demand(elapsed_ns is not None and elapsed_ns >= CLOSING_LIMIT_NS, "it was judged before the witnesses had closed")
