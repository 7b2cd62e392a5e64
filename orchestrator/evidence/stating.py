"""Puts a drill's result together: what was stated when it opened, its verdicts, and how it ended.

The three come from a folded journal, or from the drill's log, which carries the same statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from orchestrator.core.covering import liars_tolerated
from orchestrator.core.grades import SiteStepResult, Verdict
from orchestrator.evidence.result import (
    DrillResult,
    RungStated,
    SiteResult,
    StepResult,
    ToleranceResult,
    Totals,
    VerdictCount,
)
from protocols.controls import ControlParams
from protocols.errors import JournalError
from protocols.ids import Digest, DrillId, Int63, KeyId, Name, Owner, SiteId, Text, UtcTime, seconds_to_ns
from protocols.messages import Rung, SiteRecord, Step
from protocols.messages.base import Part
from protocols.messages.orders import StepNumber, UseNumber

if TYPE_CHECKING:  # views of a log read what was stated without any of what states it
    from orchestrator.core.drill import Drill

Results = Mapping[tuple[int, str], SiteStepResult]


@dataclass(frozen=True, slots=True)
class Background:
    """What the result says of a drill that its fold doesn't keep.

    Attributes:
        approved_by: The owners whose approvals of the warrant were counted.
        opened_at: Wall time of the record that opened the drill.
        ended_at: Wall time of its last record.
        software: The orchestrator's name and version.
    """

    approved_by: tuple[str, ...]
    opened_at: str
    ended_at: str
    software: str


class StepStated(Part):
    """A step as it was approved.

    Attributes:
        step: Its number, from 0.
        name: Its name in the plan.
        params: What is exercised, with all its parameters: rung 0.
        hold_ns: How long the sites are held.
        response_limit_ns: Within what time after the order a site must be as ordered, on rung 0.
        dwell_ns: How long witnesses must see it so at once.
        restore_limit_ns: Within what time after the release a site must be back.
        max_gap_ns: The longest time between two readings of a witness that still bridge it.
        quorum: How many witness owners must agree.
        ladder: The harsher rungs that were approved, in order.
    """

    step: StepNumber
    name: Name
    params: ControlParams
    hold_ns: Int63
    response_limit_ns: Int63
    dwell_ns: Int63
    restore_limit_ns: Int63
    max_gap_ns: Int63
    quorum: Annotated[int, Field(ge=1)]
    ladder: tuple[RungStated, ...] = ()

    @property
    def rungs(self) -> tuple[ControlParams, ...]:
        """The control of each rung, the step's own first."""
        return (self.params, *(rung.params for rung in self.ladder))


class DrillStated(Part):
    """A drill as it was opened.

    Attributes:
        drill: Its id.
        plan: The plan's name.
        title: The plan's title, for people.
        fleet: The fleet's id: SHA-256 of its first root.
        demo: Whether all keys of the fleet were made in one place.
        status: In CAP's terms; version 1 knows exercises only.
        warrant: SHA-256 of what was approved.
        use: Which use of the warrant it is, from 1.
        uses: How many uses were approved.
        not_before: From when on it was approved, RFC 3339 in UTC.
        not_after: And until when.
        approved_by: The owners whose approvals were counted.
        threshold: How many of them were needed.
        dispatcher: The id of the key that signs its orders and challenges.
        dispatcher_owner: Whose key that is.
        software: Name and version of the orchestrator.
        opened_at: When it was opened, RFC 3339 in UTC.
        steps: Its steps.
    """

    drill: DrillId
    plan: Name
    title: Text
    fleet: Digest
    demo: bool
    status: Literal["exercise"] = "exercise"
    warrant: Digest
    use: UseNumber
    uses: UseNumber
    not_before: UtcTime
    not_after: UtcTime
    approved_by: tuple[Owner, ...]
    threshold: Annotated[int, Field(ge=1)]
    dispatcher: KeyId
    dispatcher_owner: Owner
    software: Text
    opened_at: UtcTime
    steps: tuple[StepStated, ...]


class SiteStated(Part):
    """A site of the audience.

    Attributes:
        site: Its name.
        owner: Whose site it is.
        mock: Whether it is a mock site.
        tolerates: For each step, for each of its rungs, how many witness owners may misbehave.
    """

    site: SiteId
    owner: Owner
    mock: bool
    tolerates: tuple[tuple[ToleranceResult, ...], ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a drill ended.

    Attributes:
        ended_at: Wall time of the last record.
        ordered: The steps whose order, or refusal battery, was ever issued.
        rejected: Inputs that arrived and were not to be believed.
    """

    ended_at: str
    ordered: frozenset[int]
    rejected: int
    aborted: bool
    abort_reason: str


def build_result(drill: Drill, background: Background, results: Results) -> DrillResult:
    """Compute the result of a drill whose every site has a verdict in `results` for every step.

    Raises:
        KeyError: A verdict is missing.
        JournalError: A verdict is about a rung that its step has not.
    """
    ordered = frozenset(run.number for run in drill.steps if run.ordered is not None)
    ending = Ending(background.ended_at, ordered, drill.rejected, drill.aborted, drill.abort_reason)
    sites = [state_site(drill, site) for site in drill.audience]
    return assemble(state_drill(drill, background), sites, results, ending)


def state_drill(drill: Drill, background: Background) -> DrillStated:
    """Say what a drill is, which is known when it opens."""
    from protocols.trust import owners_required  # noqa: PLC0415 - not for whoever only reads logs

    warrant = drill.warrant
    return DrillStated(
        drill=drill.drill,
        plan=warrant.plan,
        title=warrant.title,
        fleet=drill.trust.fleet,
        demo=drill.trust.root.root.demo,
        warrant=warrant.digest(),
        use=drill.use,
        uses=warrant.uses,
        not_before=warrant.not_before,
        not_after=warrant.not_after,
        approved_by=background.approved_by,
        threshold=owners_required(drill.trust.policy, warrant),
        dispatcher=drill.dispatcher,
        dispatcher_owner=drill.trust.dispatchers.owners[drill.dispatcher],
        software=background.software,
        opened_at=background.opened_at,
        steps=tuple(_state_step(number, step) for number, step in enumerate(warrant.steps)),
    )


def _state_step(number: int, step: Step) -> StepStated:
    return StepStated(
        step=number,
        name=step.name,
        params=step.params,
        hold_ns=seconds_to_ns(step.hold_s),
        response_limit_ns=seconds_to_ns(step.response_limit_s),
        dwell_ns=seconds_to_ns(step.dwell_s),
        restore_limit_ns=seconds_to_ns(step.restore_limit_s),
        max_gap_ns=seconds_to_ns(step.max_gap_s),
        quorum=step.quorum,
        ladder=tuple(
            RungStated(rung=place, params=rung.params, response_limit_ns=seconds_to_ns(rung.response_limit_s))
            for place, rung in enumerate(step.ladder, start=1)
        ),
    )


def state_site(drill: Drill, site: str) -> SiteStated:
    """Say what a site of a drill's audience is to it."""
    record = drill.trust.records[site]
    by_step = tuple(tuple(_tolerance(record, step, rung) for rung in step.rungs) for step in drill.warrant.steps)
    return SiteStated(site=site, owner=record.owner, mock=record.mock, tolerates=by_step)


def _tolerance(record: SiteRecord, step: Step, rung: Rung) -> ToleranceResult:
    found = liars_tolerated(record, step.quorum, rung.params)
    return ToleranceResult(
        owners=found.owners,
        false_quiet=found.false_quiet,
        absent=found.absent,
        false_active=found.false_active,
    )


def assemble(stated: DrillStated, sites: Sequence[SiteStated], results: Results, ending: Ending) -> DrillResult:
    """Put a result together.

    Raises:
        KeyError: A verdict is missing.
        JournalError: A verdict is about a rung that its step has not.
    """
    steps = tuple(_step(step, sites, results, ordered=step.step in ending.ordered) for step in stated.steps)
    totals = _totals([site.result for step in steps for site in step.sites], len(sites), len(steps), ending.rejected)
    return DrillResult(
        drill=stated.drill,
        plan=stated.plan,
        title=stated.title,
        fleet=stated.fleet,
        demo=stated.demo,
        status=stated.status,
        warrant=stated.warrant,
        use=stated.use,
        uses=stated.uses,
        not_before=stated.not_before,
        not_after=stated.not_after,
        approved_by=stated.approved_by,
        threshold=stated.threshold,
        dispatcher=stated.dispatcher,
        dispatcher_owner=stated.dispatcher_owner,
        software=stated.software,
        opened_at=stated.opened_at,
        ended_at=ending.ended_at,
        audience=tuple(site.site for site in sites),
        steps=steps,
        totals=totals,
        aborted=ending.aborted,
        abort_reason=ending.abort_reason,
        passed=not ending.aborted and totals.passed == totals.judged,
    )


def _step(step: StepStated, sites: Sequence[SiteStated], results: Results, *, ordered: bool) -> StepResult:
    return StepResult(
        step=step.step,
        name=step.name,
        params=step.params,
        ordered=ordered,
        hold_ns=step.hold_ns,
        response_limit_ns=step.response_limit_ns,
        dwell_ns=step.dwell_ns,
        restore_limit_ns=step.restore_limit_ns,
        max_gap_ns=step.max_gap_ns,
        quorum=step.quorum,
        ladder=step.ladder,
        sites=tuple(_site(step, site, results[step.step, site.site]) for site in sites),
    )


def _site(step: StepStated, site: SiteStated, result: SiteStepResult) -> SiteResult:
    by_rung = site.tolerates[step.step]
    if result.rung >= len(by_rung):
        raise JournalError(f"the verdict on site {site.site} is about rung {result.rung}, which its step has not")
    return SiteResult(
        site=site.site,
        owner=site.owner,
        mock=site.mock,
        tolerates=by_rung[result.rung],
        ladder_tolerates=by_rung if step.ladder else (),
        result=result,
    )


def _totals(found: Sequence[SiteStepResult], sites: int, steps: int, rejected: int) -> Totals:
    return Totals(
        sites=sites,
        steps=steps,
        judged=len(found),
        passed=sum(result.passed for result in found),
        verdicts=tuple(
            VerdictCount(verdict=verdict, count=sum(result.verdict is verdict for result in found))
            for verdict in Verdict
        ),
        rejected=rejected,
    )
