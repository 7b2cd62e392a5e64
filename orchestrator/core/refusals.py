"""The refusal battery's course: which of its orders go out when, and to whom again.

Those that only a released step makes wrong (`spent`, `replayed`) follow the release; every other goes out
at once. Who has not answered is asked again, until the response limit.
"""

from __future__ import annotations

from orchestrator.core.drill import Drill
from orchestrator.core.inputs import battery_answers
from orchestrator.core.intents import Intent, Pacing, RepeatStop, SendCase, passed, repeat_due
from orchestrator.core.runs import CaseRun
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase

ONE_BY_ONE_MAX = 16
"""Most sites that are asked again one by one; with more of them the order is broadcast again."""


def unanswered(drill: Drill, *, late: bool) -> dict[CaseRun, tuple[str, ...]]:
    """Return the early or the late orders of the running step's battery, each with the sites to answer yet."""
    missing: dict[CaseRun, tuple[str, ...]] = {}
    answers = {
        site: {answer.case: answer for answer in battery_answers(drill, drill.step, site)} for site in drill.audience
    }
    for case in drill.step.battery:
        if case.late is not late:
            continue
        sites = tuple(
            site
            for site in drill.audience
            if answers[site][case.case].refused is None and not answers[site][case.case].obeyed
        )
        if sites:
            missing[case] = sites
    return missing


def battery_intents(drill: Drill, pacing: Pacing, now: Instant) -> list[Intent]:
    """Return which orders of the battery are to be published now."""
    run = drill.step
    if not run.battery or drill.aborted:
        return []
    step = drill.warrant.steps[run.number]
    late = drill.phase is Phase.RECOVERING
    begun = run.released if late else run.ordered
    if passed(now, begun, step.response_limit_s):
        return []
    if late and not passed(now, run.release_published or now, drill.warrant.challenge_s):
        return []  # so that the release is there before what it forbids
    intents: list[Intent] = []
    for case, sites in unanswered(drill, late=late).items():
        if not repeat_due(pacing.cases.get(case.case), now):
            continue
        broadcast = len(sites) == len(drill.audience) or len(sites) > ONE_BY_ONE_MAX
        intents.append(SendCase(case.case, None if broadcast else sites))
    return [RepeatStop(), *intents] if late and intents else intents


def battery_over(drill: Drill, now: Instant) -> bool:
    """Tell whether everybody has answered the late orders, or the time for that is up."""
    run = drill.step
    limit_s = drill.warrant.steps[run.number].response_limit_s
    return passed(now, run.released, limit_s) or not unanswered(drill, late=True)
