"""The refusal battery's course: which of its orders go out when, and to whom again.

Those that only a released step makes wrong (`spent`, `replayed`) follow the release; every other goes out
at once. Who has not answered is asked again, until the response limit.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.drill import Drill
from orchestrator.core.inputs import battery_answers
from orchestrator.core.intents import Intent, Pacing, RepeatStop, SendCase, passed, repeat_due
from orchestrator.core.runs import CaseRun
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase

ONE_BY_ONE_MAX = 16
"""Most sites that are asked again one by one; with more of them the order is broadcast again."""


def unanswered(drill: Drill, cases: Sequence[CaseRun]) -> dict[CaseRun, tuple[str, ...]]:
    """Return those of some orders of the running step's battery that sites have to answer yet, with the sites."""
    missing: dict[CaseRun, list[str]] = {}
    wanted = {case.case: case for case in cases}
    for site in drill.audience if wanted else ():
        for answer in battery_answers(drill, drill.step, site):
            if answer.case in wanted and answer.refused is None and not answer.obeyed:
                missing.setdefault(wanted[answer.case], []).append(site)
    return {case: tuple(missing[case]) for case in cases if case in missing}


def battery_intents(drill: Drill, pacing: Pacing, now: Instant) -> list[Intent]:
    """Return which orders of the battery are to be published now."""
    run = drill.step
    if not run.battery or drill.aborted:
        return []
    step = drill.warrant.steps[run.number]
    late = drill.phase is Phase.RECOVERING
    begun = drill.counted_from(run.released) if late else run.ordered
    if passed(now, begun, step.response_limit_s):
        return []
    if late and not passed(now, drill.counted_from(run.release_published or now), drill.warrant.challenge_s):
        return []  # so that the release is there before what it forbids
    due = [case for case in run.battery if case.late is late and repeat_due(pacing.cases.get(case.case), now)]
    intents: list[Intent] = []
    for case, sites in unanswered(drill, due).items():
        broadcast = len(sites) == len(drill.audience) or len(sites) > ONE_BY_ONE_MAX
        intents.append(SendCase(case.case, None if broadcast else sites))
    return [RepeatStop(), *intents] if late and intents else intents


def battery_over(drill: Drill, now: Instant) -> bool:
    """Tell whether everybody has answered the late orders, or the time for that is up."""
    run = drill.step
    limit_s = drill.warrant.steps[run.number].response_limit_s
    return passed(now, drill.counted_from(run.released), limit_s) or not unanswered(
        drill, [case for case in run.battery if case.late]
    )
