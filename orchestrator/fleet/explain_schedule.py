"""Says in words when a plan runs: its schedule, its next runs, its waves, and what is amiss with them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise

from orchestrator.fleet.explain_text import clean, item
from orchestrator.fleet.plan import Plan
from orchestrator.fleet.plan_waves import PlanWave
from orchestrator.schedule.names import NS_PER_S
from orchestrator.schedule.occurrences import moments
from orchestrator.schedule.series import Closures
from orchestrator.schedule.spec import Misfire, Schedule
from orchestrator.schedule.zones import to_local
from orchestrator.stopping.words import stop_text
from protocols.ids import parse_utc, seconds_to_ns
from protocols.phrases import duration_text, list_text, number_text

RUNS_SHOWN = 10
RUNS_COUNTED = 5_000
_SITES_SHOWN = 8


def explain_schedule(plan: Plan, waves: Sequence[PlanWave], closures: Closures, now_ns: int) -> str:
    """Say when a plan runs and stops by itself, and list its next ten runs; empty if a person does both, in one wave.

    Args:
        plan: The plan.
        waves: Its waves.
        closures: Blackouts.
        now_ns: Wall time.
    """
    lines: list[str] = []
    if plan.waves:
        lines += item("Waves", "\n".join(_wave(wave) for wave in waves))
        share = number_text(round(plan.wave_verified_share * 100, 2))
        lines += item("Gate", f"a wave begins only after {share} % of the sites of the one before were verified")
    stops = list(stop_text(plan.stop_when))
    if stops:
        lines += item("Stops when", "\n".join(clean(line) for line in stops))
    if plan.schedule is None:
        return "\n".join(lines)
    lines += item("Schedule", schedule_text(plan.schedule))
    lines += item("If missed", _misfire(plan))
    lines += item("Next runs", "\n".join(runs_text(plan, closures, now_ns)))
    return "\n".join(lines)


def schedule_text(schedule: Schedule) -> str:
    """Say by which rule a schedule runs, and in which zone."""
    rule = f"cron {schedule.cron}" if schedule.cron is not None else f"{schedule.rrule}, from {schedule.start} on"
    text = f"{rule}, as clocks show it in {schedule.timezone}"
    if schedule.unannounced is None:
        return text
    within = duration_text(schedule.unannounced.within_s)
    return f"{text}\nunannounced: each run is at a secret random instant of the {within} that begin then"


def runs_text(plan: Plan, closures: Closures, now_ns: int) -> Iterator[str]:
    """Yield a line for each of the next runs."""
    schedule = plan.schedule
    if schedule is None:
        return
    begin_ns = max(now_ns, parse_utc(plan.window.not_before))
    found = list(islice(moments(schedule, begin_ns, parse_utc(plan.window.not_after)), RUNS_SHOWN))
    span_ns = seconds_to_ns(sum(step.hold_s + step.restore_limit_s for step in plan.steps))
    within_ns = seconds_to_ns(schedule.unannounced.within_s) if schedule.unannounced else 0
    for at_ns in found:
        closure = closures.first_in(at_ns, at_ns + within_ns + span_ns)
        closed = f"  (closed: {closure.name})" if closure is not None else ""
        yield f"{_local(at_ns, schedule.timezone)}  {_utc(at_ns)} UTC{closed}"
    if not found:
        yield "none before the window of the warrant ends"


def schedule_warnings(plan: Plan, now_ns: int) -> Iterator[str]:
    """Say what about a schedule will not go as it seems.

    Args:
        plan: The plan.
        now_ns: Wall time.
    """
    schedule = plan.schedule
    if schedule is None:
        return
    begin_ns = max(now_ns, parse_utc(plan.window.not_before))
    due = list(islice(moments(schedule, begin_ns, parse_utc(plan.window.not_after)), RUNS_COUNTED))
    if not due:
        yield "it never runs before the window of the warrant ends"
    elif len(due) > plan.uses:
        more = "at least " if len(due) == RUNS_COUNTED else ""
        yield f"it runs {more}{len(due)} times in the window, and the warrant covers {plan.uses}: the rest is skipped"
    longest_s = sum(2 * step.restore_limit_s + step.hold_s + step.dwell_s for step in plan.steps)
    longest_s += plan.min_between_uses_s + (schedule.unannounced.within_s if schedule.unannounced else 0.0)
    least_s = min((later - one for one, later in pairwise(due)), default=0) / NS_PER_S
    if 0 < least_s < longest_s:
        yield (
            f"two runs are {duration_text(least_s)} apart, and one can take {duration_text(longest_s)} with its gap: "
            "then the later one waits, and is skipped after its grace"
        )


def _wave(wave: PlanWave) -> str:
    shown = list_text(wave.sites) if len(wave.sites) <= _SITES_SHOWN else f"{', '.join(wave.sites[:_SITES_SHOWN])}, …"
    count = "1 site" if len(wave.sites) == 1 else f"{len(wave.sites)} sites"
    return f"{wave.number}. {count}: {shown}"


def _misfire(plan: Plan) -> str:
    grace = duration_text(plan.misfire_grace_s)
    if plan.misfire is Misfire.SKIP:
        return f"a run that could not start within {grace} is skipped, and that is said"
    return f"a run that could not start within {grace} is made up for once, as soon as the service is there again"


def _local(at_ns: int, zone: str) -> str:
    there = to_local(at_ns, zone)
    return f"{there:%a %Y-%m-%d %H:%M:%S} {there.tzname()}"


def _utc(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}"
