"""Compares a drill with the one before it, step by step and site by site. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.grades import SiteStepResult, Verdict
from orchestrator.evidence.result import DrillResult, StepResult
from orchestrator.report.incidence import HALF, came_to_it_ns, incidence
from orchestrator.report.wording import phase_of, told

_RANK = {verdict: place for place, verdict in enumerate(Verdict)}


class Change(StrEnum):
    """How a site did in a step against the drill before.

    Verdicts go first. Times are intervals, so they differ only if they do not overlap.
    """

    WORSE = "worse"
    SLOWER = "slower"
    NEW = "new"
    GONE = "gone"
    BETTER = "better"
    FASTER = "faster"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Side:
    """One step in one of the two drills.

    Attributes:
        half_ns: By when half of all its sites were proved as ordered; None if never, or if it has no
            response time.
        slowest_ns: The latest upper bound.
    """

    judged: int
    passed: int
    half_ns: int | None
    slowest_ns: int | None


@dataclass(frozen=True, slots=True)
class SiteChange:
    """One site in one step of both drills; a verdict is None where it did not take part."""

    site: str
    change: Change
    before: Verdict | None
    now: Verdict | None


@dataclass(frozen=True, slots=True)
class StepChange:
    """One step, in this drill, in the one before, or in both.

    Attributes:
        name: The step's name.
        control: What it exercises, in words.
        asked_otherwise: What of the question changed, in words; then its figures compare only so far.
    """

    name: str
    control: str
    before: Side | None
    now: Side | None
    asked_otherwise: tuple[str, ...]
    sites: tuple[SiteChange, ...]

    def of(self, change: Change) -> list[SiteChange]:
        """Return the sites that changed so."""
        return [site for site in self.sites if site.change is change]


def compare(now: DrillResult, before: DrillResult) -> tuple[StepChange, ...]:
    """Return the steps of this drill against those of the same name and control before, then those that are gone."""
    earlier = {_key(step): step for step in before.steps}
    changes = [_step(step, earlier.pop(_key(step), None)) for step in now.steps]
    return (*changes, *(_gone(step) for step in earlier.values()))


def _key(step: StepResult) -> tuple[str, str]:
    return step.name, phase_of(step.params)


def _step(now: StepResult, before: StepResult | None) -> StepChange:
    return StepChange(
        name=now.name,
        control=phase_of(now.params),
        before=None if before is None else _side(before),
        now=_side(now),
        asked_otherwise=() if before is None else tuple(_asked_otherwise(now, before)),
        sites=() if before is None else tuple(_sites(now, before)),
    )


def _gone(before: StepResult) -> StepChange:
    return StepChange(before.name, phase_of(before.params), _side(before), None, (), ())


def _side(step: StepResult) -> Side:
    found, timed = incidence(step), told(step.params).timed
    return Side(
        judged=len(step.sites),
        passed=sum(site.result.passed for site in step.sites),
        half_ns=found.quantile_ns(HALF) if timed else None,
        slowest_ns=found.latest[-1] if timed and found.latest else None,
    )


def _asked_otherwise(now: StepResult, before: StepResult) -> Iterator[str]:
    if now.params != before.params or [rung.params for rung in now.ladder] != [rung.params for rung in before.ladder]:
        yield "other parameters or rungs"
    if now.response_limit_ns != before.response_limit_ns:
        yield f"response limit {before.response_limit_ns / 1e9:g} s then, {now.response_limit_ns / 1e9:g} s now"
    if now.dwell_ns != before.dwell_ns:
        yield f"dwell {before.dwell_ns / 1e9:g} s then, {now.dwell_ns / 1e9:g} s now"
    if now.quorum != before.quorum:
        yield f"quorum {before.quorum} then, {now.quorum} now"


def _sites(now: StepResult, before: StepResult) -> Iterator[SiteChange]:
    earlier = {site.site: site.result for site in before.sites}
    for site in now.sites:
        was = earlier.pop(site.site, None)
        change = Change.NEW if was is None else _change(site.result, was)
        yield SiteChange(site.site, change, None if was is None else was.verdict, site.result.verdict)
    for name, was in earlier.items():
        yield SiteChange(name, Change.GONE, was.verdict, None)


def _change(now: SiteStepResult, was: SiteStepResult) -> Change:
    if now.verdict is not was.verdict:
        return Change.WORSE if _RANK[now.verdict] > _RANK[was.verdict] else Change.BETTER
    mine, theirs = came_to_it_ns(now), came_to_it_ns(was)
    if mine is None or theirs is None:
        return Change.SAME
    if mine[1] < theirs[0]:
        return Change.FASTER
    return Change.SLOWER if mine[0] > theirs[1] else Change.SAME
