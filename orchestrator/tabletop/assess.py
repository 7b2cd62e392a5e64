"""What an exercise showed: decisions against what was expected, questions answered, objectives rated. Pure.

Ratings are HSEEP's: P (performed without challenges), S (performed with some challenges), M (performed with major
challenges), U (unable to be performed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import Field

from orchestrator.evidence.result import DrillResult
from orchestrator.tabletop import record as r
from orchestrator.tabletop.spec import Decision, Question, Scenario
from protocols.controls import control_of
from protocols.ids import Name
from protocols.messages.base import Part


class Rating(StrEnum):
    """HSEEP's target capability ratings, 2020 doctrine, section 5."""

    P = "P"
    S = "S"
    M = "M"
    U = "U"


RATING_WORDS = {
    Rating.P: "performed without challenges",
    Rating.S: "performed with some challenges",
    Rating.M: "performed with major challenges",
    Rating.U: "unable to be performed",
}

_SOME, _MAJOR = 0.75, 0.34
"""From which share of questions with yes an objective was performed with some, and with major challenges."""


class DecisionTaken(Part):
    """A decision, against what was expected.

    Attributes:
        asked_at_s: When it was asked, in the exercise's time; none if it never was.
        chosen: The option; none if it was never taken.
        by: Who took it.
        why: What they said to it.
        after_s: How long it took.
        as_expected: Whether it is the expected one.
        in_time: Whether somebody took it, before its time was over.
        means: What it shows.
    """

    decision: Name
    question: str
    role: Name
    objective: Name | None
    asked_at_s: float | None
    within_s: float
    expected: str
    chosen: str | None
    by: str | None
    why: str
    after_s: float | None
    as_expected: bool
    in_time: bool
    means: str


class Answer(Part):
    """An evaluation question, answered.

    Attributes:
        yes: The answer; none where an evaluator has to give it and did not.
        evidence: What it rests on.
    """

    objective: Name
    question: str
    yes: bool | None
    evidence: str


class Assessed(Part):
    """An objective, rated.

    Attributes:
        rating: The rating; none where nothing shows anything of it.
        by: Who rated it: `evidence`, or a person.
        why: In a sentence.
    """

    objective: Name
    text: str
    critical: bool
    rating: Annotated[Rating, Field(strict=False)] | None
    by: str
    why: str


class Assessment(Part):
    """All of it."""

    decisions: tuple[DecisionTaken, ...]
    answers: tuple[Answer, ...]
    objectives: tuple[Assessed, ...]


def assess(scenario: Scenario, record: r.Record, results: Mapping[str, DrillResult]) -> Assessment:
    """Say what an exercise showed.

    Args:
        scenario: The scenario.
        record: Its record.
        results: The results of the drills that came to their end, by name.
    """
    decisions = tuple(_decision(one, record) for one in scenario.decisions)
    answers = tuple(_answer(one, decisions, results, record) for one in scenario.questions)
    objectives = tuple(_rate(scenario, decisions, answers, record))
    return Assessment(decisions=decisions, answers=answers, objectives=objectives)


E = TypeVar("E")


def _of_kind(record: r.Record, kind: type[E]) -> list[tuple[float, E]]:
    """Return the entries of one kind, with their times."""
    return [(one.at_s, one.entry) for one in record.entries if isinstance(one.entry, kind)]


def _choice(record: r.Record, decision: str) -> r.Chose | None:
    return next((chose for _, chose in _of_kind(record, r.Chose) if chose.decision == decision), None)


def _decision(decision: Decision, record: r.Record) -> DecisionTaken:
    asked = next((one for one in _of_kind(record, r.Asked) if one[1].decision == decision.name), None)
    chose = _choice(record, decision.name)
    option = decision.option(chose.option) if chose is not None else None
    return DecisionTaken(
        decision=decision.name,
        question=decision.question,
        role=decision.to,
        objective=decision.objective,
        asked_at_s=asked[0] if asked is not None else None,
        within_s=decision.within_s,
        expected=decision.expected.text,
        chosen=option.text if option is not None else None,
        by=chose.by if chose is not None else None,
        why=chose.why if chose is not None else "",
        after_s=chose.after_s if chose is not None else None,
        as_expected=option is not None and option.expected,
        in_time=chose is not None and chose.by != r.TIMEKEEPER,
        means=(option.means or "") if option is not None else "",
    )


def _answer(
    question: Question,
    decisions: tuple[DecisionTaken, ...],
    results: Mapping[str, DrillResult],
    record: r.Record,
) -> Answer:
    said = [one.entry for one in record.entries if isinstance(one.entry, r.Rated) and one.entry.about == question.text]
    if said:
        return _answered(question, said[-1].answer.lower().startswith("y"), f"{said[-1].by}: {said[-1].answer}")
    parts = [*_of_decision(question, record, decisions), *_of_drill(question, results), *_of_control(question, results)]
    if not parts:
        return _answered(question, None, "for the evaluator to answer")
    return _answered(question, all(yes for yes, _ in parts), "; ".join(words for _, words in parts))


def _answered(question: Question, yes: bool | None, evidence: str) -> Answer:
    return Answer(objective=question.objective, question=question.text, yes=yes, evidence=evidence)


def _of_decision(
    question: Question, record: r.Record, decisions: tuple[DecisionTaken, ...]
) -> Iterator[tuple[bool, str]]:
    wanted = question.decided
    if wanted is None:
        return
    chose = _choice(record, wanted.decision)
    if chose is None:
        asked = next(one for one in decisions if one.decision == wanted.decision).asked_at_s is not None
        yield False, f"{wanted.decision} was {'not taken' if asked else 'never asked'}"
        return
    right = wanted.option in {None, chose.option}
    in_time = question.within_s is None or chose.after_s <= question.within_s
    yield right and in_time, f"{wanted.decision}: {chose.option} after {chose.after_s:.0f} s, by {chose.by}"


def _of_drill(question: Question, results: Mapping[str, DrillResult]) -> Iterator[tuple[bool, str]]:
    came = question.came
    if came is None:
        return
    result = results.get(came.drill)
    if result is None:
        yield False, f"{came.drill} did not come to its end"
        return
    worst = worst_verdicts(result)
    if came.verified_share is not None:
        good = sum(word == "verified" for word in worst.values())
        yield good >= came.verified_share * len(worst), f"{good} of {len(worst)} sites verified in {came.drill}"
    if came.aborted is not None:
        yield result.aborted is came.aborted, f"{came.drill} was {'' if result.aborted else 'not '}aborted"
    if came.named is not None:
        words = {one.value for one in came.verdicts}
        named = sorted(site for site, word in worst.items() if word in words)
        shown = ", ".join(named[:5]) + (" and more" if len(named) > 5 else "")  # noqa: PLR2004 - a line's worth
        yield len(named) >= came.named, f"{len(named)} sites {' or '.join(sorted(words))}: {shown or 'none'}"


def _of_control(question: Question, results: Mapping[str, DrillResult]) -> Iterator[tuple[bool, str]]:
    if question.control is not None:
        done = any(control_of(step.params) is question.control for result in results.values() for step in result.steps)
        yield done, f"{question.control} was {'' if done else 'not '}exercised"


def worst_verdicts(result: DrillResult) -> dict[str, str]:
    """Return the worst verdict of each site over all steps."""
    order = ["verified", "late", "unproven", "refused", "not_restored", "broken", "contradicted"]
    found: dict[str, str] = {}
    for step in result.steps:
        for site in step.sites:
            word = site.result.verdict.value
            if order.index(word) >= order.index(found.get(site.site, "verified")):
                found[site.site] = word
    return found


def _rate(
    scenario: Scenario, decisions: tuple[DecisionTaken, ...], answers: tuple[Answer, ...], record: r.Record
) -> Iterator[Assessed]:
    rated = {one.entry.about: one.entry for one in record.entries if isinstance(one.entry, r.Rated)}
    found: tuple[Rating | None, str]
    for objective in scenario.objectives:
        said = rated.get(objective.name)
        if said is not None and said.answer[:1].upper() in set(Rating):
            by, found = said.by, (Rating(said.answer[:1].upper()), said.answer)
        else:
            by, found = "evidence", _from_evidence(objective.name, decisions, answers)
        rating, why = found
        yield Assessed(
            objective=objective.name, text=objective.text, critical=objective.critical, rating=rating, by=by, why=why
        )


def _from_evidence(
    objective: str, decisions: tuple[DecisionTaken, ...], answers: tuple[Answer, ...]
) -> tuple[Rating | None, str]:
    points = [one.yes for one in answers if one.objective == objective and one.yes is not None]
    asked = [one for one in decisions if one.objective == objective and one.asked_at_s is not None]
    points += [one.as_expected and one.in_time for one in asked]
    if not points:
        return None, "nothing that happened shows anything of it"
    share = sum(points) / len(points)
    rating = Rating.P if share == 1 else Rating.S if share >= _SOME else Rating.M if share >= _MAJOR else Rating.U
    return rating, f"{sum(points)} of {len(points)} pieces of evidence say so"
