"""The newest drill as metrics: pure."""

from __future__ import annotations

from orchestrator.core.agenda import CLOSING_LIMIT_NS
from orchestrator.core.grades import Verdict
from orchestrator.core.states import Phase
from orchestrator.logbook.standing import Standing
from orchestrator.logbook.views import DrillView, StepView
from orchestrator.metrics.families import Families
from orchestrator.metrics.times import seconds, wall_ns
from protocols.controls import control_of

FLEET_CHARS = 12


def expose_drill(drill: DrillView, out: Families, *, per_site: bool = False) -> None:
    """Add a drill's metrics.

    Args:
        drill: The drill.
        out: Where they go.
        per_site: Whether every site has series of its own.
    """
    name, stated = drill.drill, drill.stated
    out.add(
        "drill_info",
        1,
        drill=name,
        plan=stated.plan,
        title=stated.title,
        fleet=stated.fleet[:FLEET_CHARS],
        demo=str(stated.demo).lower(),
    )
    _expose_course(drill, out)
    for standing in Standing:
        out.add("drill_sites", drill.counts[standing], drill=name, standing=standing)
    out.add("drill_sites_halted", sum(drill.counts[one] for one in Standing if one.halted), drill=name)
    for step in drill.steps:
        _expose_step(drill, step, out)
    if per_site:
        _expose_sites(drill, out)


def _expose_course(drill: DrillView, out: Families) -> None:
    name, closed = drill.drill, drill.closed
    out.add("drill_running", int(closed is None), drill=name)
    for phase in Phase:
        out.add("drill_phase", int(phase is drill.phase), drill=name, phase=phase)
    out.add("drill_opened_timestamp_seconds", seconds(wall_ns(drill.opened.timestamp)), drill=name)
    if closed is not None:
        out.add("drill_ended_timestamp_seconds", seconds(wall_ns(closed.timestamp)), drill=name)
        out.add("drill_passed", int(closed.passed), drill=name)
    out.add("drill_next_line_due_timestamp_seconds", seconds(next_line_due_ns(drill)), drill=name)
    out.add("drill_aborted", int(drill.aborted is not None), drill=name)
    out.add("drill_steps", len(drill.steps), drill=name)
    out.add("drill_running_step", drill.running, drill=name)
    out.add("drill_audience_sites", drill.opened.sites, drill=name)
    out.add("drill_resumes", drill.resumed, drill=name)
    out.add("drill_rejected_inputs", drill.rejected, drill=name)


def next_line_due_ns(drill: DrillView) -> int | None:
    """Return by when the log must say more, wall time: when the phase ends at the latest.

    In a long hold nothing need happen for hours, and no line is written; a log that is silent beyond
    that belongs to an orchestrator that is gone. After a restart every wait begins anew, so there it
    counts from the newest line.

    Returns:
        The time, and never one before the newest line; None when the drill is over, or its times are no times.
    """
    newest_ns = wall_ns(drill.newest.timestamp) if drill.newest is not None else None
    if drill.closed is not None or newest_ns is None:
        return None
    began, lasts_ns = _phase_lasts(drill)
    began_ns = wall_ns(began)
    return newest_ns + lasts_ns if drill.resumed or began_ns is None else max(newest_ns, began_ns + lasts_ns)


def _phase_lasts(drill: DrillView) -> tuple[str, int]:
    """Return when the phase began, and how long it lasts at most, as `Agenda` would have it."""
    step = drill.step
    stated = step.stated
    proof_ns = stated.dwell_ns + 2 * drill.opened.challenge_ns
    back_ns = max(stated.restore_limit_ns, stated.response_limit_ns) + proof_ns
    before = drill.steps[drill.running - 1].ended if drill.running else None
    match drill.phase:
        case Phase.ORDERED if step.ordered is not None:
            return step.ordered.timestamp, step.ordered.release_after_ns
        case Phase.RECOVERING if step.released is not None:
            return step.released.timestamp, back_ns
        case Phase.ABORTING if drill.aborted is not None:
            return drill.aborted.timestamp, back_ns
        case Phase.CLOSING if step.ended is not None:
            return step.ended.timestamp, CLOSING_LIMIT_NS
        case _:
            began = before.timestamp if before is not None else drill.opened.timestamp
            return began, stated.restore_limit_ns + proof_ns


def _expose_step(drill: DrillView, step: StepView, out: Families) -> None:
    stated = step.stated
    labels = {
        "drill": drill.drill,
        "step": stated.step,
        "step_name": stated.name,
        "control": control_of(stated.params),
    }
    out.add("step_response_limit_seconds", seconds(stated.response_limit_ns), **labels)
    ordered, released = step.ordered, step.released
    if ordered is None:
        return
    ordered_ns = wall_ns(ordered.timestamp)
    out.add("step_ordered_timestamp_seconds", seconds(ordered_ns), **labels)
    if released is not None:
        out.add("step_released_timestamp_seconds", seconds(wall_ns(released.timestamp)), **labels)
    elif ordered_ns is not None and drill.phase is Phase.ORDERED and stated.step == drill.running:
        out.add("step_release_due_timestamp_seconds", seconds(ordered_ns + ordered.release_after_ns), **labels)
    halts_s = [upper_ns / 1e9 for _, upper_ns in drill.halts(stated.step)]
    out.add("step_sites_halted", len(halts_s), **labels)
    out.add("step_last_halt_seconds", halts_s[-1] if halts_s else None, **labels)
    out.add("step_response_time_seconds", halts_s, **labels)
    given = [site.results[stated.step].verdict for site in drill.sites.values() if stated.step in site.results]
    for verdict in Verdict:
        out.add("step_verdicts", given.count(verdict), **labels, verdict=verdict)


def _expose_sites(drill: DrillView, out: Families) -> None:
    for site in drill.sites.values():
        labels = {"drill": drill.drill, "site": site.site, "region": site.region}
        out.add("site_standing", 1, **labels, standing=site.standing)
        out.add("site_response_time_seconds", seconds(site.response_upper_ns), **labels)
