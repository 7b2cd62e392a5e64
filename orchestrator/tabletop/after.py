"""The after-action report as data: everything that its renderings show. JSON is this, as it stands."""

from __future__ import annotations

from typing import Literal

from orchestrator.evidence.result import DrillResult
from orchestrator.report.figures import interval, upper
from orchestrator.tabletop import record as r
from orchestrator.tabletop.assess import Assessment, assess, worst_verdicts
from orchestrator.tabletop.playing import Played
from orchestrator.tabletop.spec import Scenario
from protocols.ids import Digest, UtcTime
from protocols.messages.base import Part

Lane = Literal["inject", "decision", "world", "drill", "comment", "exercise"]


class Moment(Part):
    """A line of the timeline.

    Attributes:
        at_s: Time of the exercise.
        lane: `inject`, `decision`, `world`, `drill`, `comment` or `exercise`.
        text: What happened.
        bad: Whether it is what should not have been.
    """

    at: UtcTime
    at_s: float
    lane: Lane
    text: str
    bad: bool = False


class DrillShown(Part):
    """How a drill of the exercise came out.

    Attributes:
        name: What the scenario calls it.
        title: What it was for.
        drill: Its id; none if it never began.
        passed: Whether it passed.
        aborted: Whether it was aborted.
        verdicts: How many sites have which verdict: the worst over all steps.
        response: For each step, within what time so many of its sites were as ordered.
    """

    name: str
    title: str
    drill: str | None
    passed: bool | None
    aborted: bool | None
    verdicts: dict[str, int]
    response: tuple[str, ...]


class RoleShown(Part):
    """A role, as the report names it."""

    name: str
    title: str


class Improvement(Part):
    """A row of the improvement plan: what to do is known, by whom and until when is to be filled in."""

    area: str
    observed: str
    action: str
    owner: str = ""
    due: str = ""


class AfterAction(Part):
    """The after-action report.

    Attributes:
        scenario: The scenario's name.
        seed: The seed that makes the same run again.
        mode: How it was played.
        head: The record's digest: whoever has it can tell this exercise from another.
        roles: Who played.
        timeline: What happened.
        assessment: What that shows.
        drills: The drills.
        comments: What was said for the record.
        hot_wash: What was asked right afterwards.
        improvements: What to do.
    """

    type: Literal["haltdrill.after-action"] = "haltdrill.after-action"
    v: Literal[1] = 1
    scenario: str
    title: str
    lesson: str
    situation: str
    seed: int
    mode: str
    began_at: UtcTime
    lasted_s: float
    head: Digest
    roles: tuple[RoleShown, ...]
    timeline: tuple[Moment, ...]
    assessment: Assessment
    drills: tuple[DrillShown, ...]
    comments: tuple[str, ...]
    hot_wash: tuple[str, ...]
    improvements: tuple[Improvement, ...]


def results_of(played: Played) -> dict[str, DrillResult]:
    """Return the results of the drills that came to their end."""
    found = {name: driven.result() for name, driven in played.drills.items()}
    return {name: result for name, result in found.items() if result is not None}


def after_action(played: Played) -> AfterAction:
    """Write the report of an exercise."""
    scenario, record, results = played.scenario, played.record, results_of(played)
    began = next(one.entry for one in record.entries if isinstance(one.entry, r.Began))
    assessment = assess(scenario, record, results)
    return AfterAction(
        scenario=scenario.name,
        title=scenario.title,
        lesson=scenario.lesson,
        situation=scenario.situation,
        seed=began.seed,
        mode=began.mode,
        began_at=record.entries[0].at,
        lasted_s=record.entries[-1].at_s,
        head=record.head,
        roles=tuple(RoleShown(name=role.name, title=role.title) for role in scenario.roles),
        timeline=tuple(moment for one in record.entries if (moment := _moment(one, scenario)) is not None),
        assessment=assessment,
        drills=tuple(_drill(spec.name, spec.title, played, results) for spec in scenario.drills),
        comments=tuple(
            f"{one.entry.by}: {one.entry.text}" for one in record.entries if isinstance(one.entry, r.Commented)
        ),
        hot_wash=scenario.hot_wash,
        improvements=tuple(_improvements(assessment)),
    )


def _moment(one: r.Stamped, scenario: Scenario) -> Moment | None:  # noqa: PLR0911 - one arm each
    match one.entry:
        case r.Began(mode=mode):
            return _at(one, "exercise", f"The exercise begins ({mode}).")
        case r.Injected(inject=name):
            inject = next(found for found in scenario.injects if found.name == name)
            to = f"To {', '.join(inject.to)}: " if inject.to else ""
            return _at(one, "inject", f"{to}{inject.text}")
        case r.Asked(decision=name):
            decision = next(found for found in scenario.decisions if found.name == name)
            return _at(one, "decision", f"{decision.to} is asked: {decision.question}")
        case r.Chose(decision=name, option=chosen, by=by, after_s=after_s):
            decision = next(found for found in scenario.decisions if found.name == name)
            option = decision.option(chosen)
            who = "nobody in time, which amounts to" if by == r.TIMEKEEPER else f"{by}, after {after_s:.0f} s"
            return _at(one, "decision", f"{who}: {option.text}", bad=not option.expected)
        case r.Commented(by=by, text=text):
            return _at(one, "comment", f"{by}: {text}")
        case r.Happened(what=what, done=done):
            return _at(one, "world", what[:1].upper() + what[1:] + ".", bad=not done)
        case r.DrillBegan(name=name):
            return _at(one, "drill", f"Drill {name} is ordered.")
        case r.DrillEnded(name=name, verdicts=verdicts, aborted=aborted):
            counts = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in verdicts.items())
            head = f"Drill {name} is over{', aborted' if aborted else ''}: {counts}."
            return _at(one, "drill", head, bad=set(verdicts) != {"verified"})
        case r.Ended():
            return _at(one, "exercise", "The exercise ends.")
        case _:
            return None


def _at(
    one: r.Stamped,
    lane: Lane,
    text: str,
    *,
    bad: bool = False,
) -> Moment:
    return Moment(at=one.at, at_s=one.at_s, lane=lane, text=text, bad=bad)


def _drill(name: str, title: str, played: Played, results: dict[str, DrillResult]) -> DrillShown:
    result = results.get(name)
    if result is None:
        driven = played.drills[name]
        drill = driven.runtime.drill_id if driven.runtime is not None else None
        return DrillShown(name=name, title=title, drill=drill, passed=None, aborted=None, verdicts={}, response=())
    counts: dict[str, int] = {}
    for word in worst_verdicts(result).values():
        counts[word] = counts.get(word, 0) + 1
    return DrillShown(
        name=name,
        title=title,
        drill=result.drill,
        passed=result.passed,
        aborted=result.aborted,
        verdicts=dict(sorted(counts.items())),
        response=tuple(_response(result)),
    )


def _response(result: DrillResult) -> list[str]:
    lines = []
    for step in result.steps:
        found = [site.result for site in step.sites]
        times = [(one.response_lower_ns, one.response_upper_ns) for one in found if one.response_upper_ns is not None]
        if not times:
            lines.append(f"{step.name}: no site was seen as ordered")
            continue
        first = min(times, key=lambda pair: pair[1])
        last = max(times, key=lambda pair: pair[1])
        limit = upper(step.response_limit_ns)
        lines.append(
            f"{step.name}: {len(times)} of {len(step.sites)} sites as ordered; the first within {interval(*first)},"
            f" the last within {interval(*last)}; the limit was {limit}"
        )
    return lines


def _improvements(assessment: Assessment) -> list[Improvement]:
    rows = [
        Improvement(
            area=one.role,
            observed=f"{one.question} Decided: {one.chosen or 'nothing'}." + (f" {one.means}" if one.means else ""),
            action=f"Prepare and rehearse: {one.expected}",
        )
        for one in assessment.decisions
        if one.asked_at_s is not None and not (one.as_expected and one.in_time)
    ]
    rows += [
        Improvement(area=one.objective, observed=f"{one.question} No: {one.evidence}.", action="")
        for one in assessment.answers
        if one.yes is False and not any(row.observed.startswith(one.question) for row in rows)
    ]
    return rows
