"""Says in words when a drill stops early, for those who are to approve it or to look after it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from orchestrator.stopping.spec import (
    CommandCheck,
    CountedSites,
    HttpCheck,
    PrometheusQuery,
    SteadyWork,
    StopCondition,
    Subject,
    shown_url,
)
from protocols.phrases import duration_text, list_text, number_text


def stop_text(conditions: Sequence[StopCondition]) -> Iterator[str]:
    """Yield a sentence for each condition, and what a breach of any leads to; nothing if there is none.

    Args:
        conditions: What a plan says under `stop_when`.
    """
    if not conditions:
        return
    for condition in conditions:
        yield f"{condition.name}: {subject_text(condition.subject)} ({_rhythm(condition)})"
    yield "the first of them releases every site at once, and nothing more is ordered"
    if any(isinstance(condition.subject, PrometheusQuery | HttpCheck | CommandCheck) for condition in conditions):
        yield "nothing is ordered before each that is asked outside the drill has said once that all is well"


def subject_text(subject: Subject) -> str:
    """Say in a clause what is a breach."""
    match subject:
        case CountedSites(are=are):
            return f"more than {_allowed(subject)} {are.value.replace('_', ' ')}"
        case SteadyWork(workload=workload, sites=sites, window_s=window_s):
            work = "work" if workload is None else f"work of class {workload}"
            where = "any site that has it" if sites is None else list_text(sites, "or")
            return f"{work} leaves its load band at {where}, over {duration_text(window_s)}"
        case PrometheusQuery(query=query, url=url):
            limits = [
                f"{word} {number_text(limit)}"
                for word, limit in (("over", subject.breach_over), ("under", subject.breach_under))
                if limit is not None
            ]
            return f"the query {query} yields a number {list_text(limits, 'or')}, at {shown_url(url)}"
        case HttpCheck(url=url, expect=expect):
            return f"{shown_url(url)} answers anything but {list_text([str(code) for code in expect], 'or')}"
        case CommandCheck(argv=argv, expect=expect):
            return f"{argv[0]} ends with anything but {list_text([str(code) for code in expect], 'or')}"
        case _:
            assert_never(subject)


def _allowed(counted: CountedSites) -> str:
    if counted.at_most is not None:
        return f"{counted.at_most} {'site is' if counted.at_most == 1 else 'sites are'}"
    share = number_text(round((counted.at_most_share or 0.0) * 100, 4))
    return f"{share} % of the sites are"


def _rhythm(condition: StopCondition) -> str:
    grace = duration_text(condition.grace_s) if condition.grace_s else "no time at all"
    return f"looked at every {duration_text(condition.every_s)}; may be unknown for {grace}"
