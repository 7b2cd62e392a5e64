"""Recomputes a climb: whether a site had to go on to its next rung when the journal says that it did."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Cause
from orchestrator.core.judge import LiveSite
from orchestrator.core.samples import Instant
from orchestrator.evidence.checks.spoken import demand
from protocols.ids import seconds_to_ns
from protocols.messages.orders import CLIMB_CHALLENGES


def check_climb(event: ev.RungOrdered, drill: Drill, now: Instant) -> None:
    """Check that the rung before had its time, that nobody saw it do, and why.

    Across a restart of the orchestrator no duration is known, so none is demanded.

    Raises:
        JournalError: It came too early, or the evidence calls for no climb, or for another reason.
    """
    step, before = drill.warrant.steps[event.step], event.rung - 1
    run = drill.step.rung(event.site, before)
    since = run.ordered if run is not None else drill.step.ordered
    limit_ns = seconds_to_ns(step.rungs[before].response_limit_s)
    wanted_ns = limit_ns if event.why is Cause.REFUSED else limit_ns + seconds_to_ns(step.dwell_s)
    elapsed_ns = None if since is None else now.minus(since)
    demand(
        elapsed_ns is None or elapsed_ns >= wanted_ns,
        f"rung {before} was given {(elapsed_ns or 0) / 1e9:.3f} s of {wanted_ns / 1e9:.3f} s",
    )
    inputs = replace(drill.rung_inputs(event.step, event.site, final=False)[-1], ended=now)
    margin_ns = seconds_to_ns(CLIMB_CHALLENGES * drill.warrant.challenge_s)
    found = LiveSite().climb_cause(inputs, margin_ns)
    demand(found is not None, f"nothing called for it: rung {before} had not failed by then")
    demand(found is event.why, f"its record says {event.why}, the evidence gives {found}")
