"""The machine-readable result of a drill: one strict model, computed purely from a folded drill.

The exporter writes it into the bundle; the verifier computes it again and compares byte for byte;
every report is rendered from it. All durations are whole nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.core.covering import liars_tolerated
from orchestrator.core.drill import Drill
from orchestrator.core.grades import SiteStepResult, Verdict
from protocols.controls import ControlParams
from protocols.errors import JournalError
from protocols.ids import Digest, DrillId, Int63, KeyId, Name, Owner, SiteId, Text, UtcTime, seconds_to_ns
from protocols.messages import Rung, SiteRecord, Step
from protocols.messages.base import Part
from protocols.messages.orders import RungNumber, StepNumber, UseNumber
from protocols.trust import owners_required

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


class ToleranceResult(Part):
    """How many witness owners may misbehave at a site before it matters.

    Attributes:
        owners: Owners whose witnesses count.
        false_quiet: Owners who may lie `quiet` together without a working site being verified.
        absent: Owners who may say nothing without a halted site staying unproven.
        false_active: Owners who may lie `active` without a halted site staying unproven.
    """

    owners: Int63
    false_quiet: int
    absent: Int63
    false_active: Int63


class SiteResult(Part):
    """One site in one step.

    Attributes:
        tolerates: For the control of the rung that `result` is about: the last one that was ordered here.
        ladder_tolerates: With a ladder, the same for each of its rungs, climbed to or not; else empty.
    """

    site: SiteId
    owner: Owner
    mock: bool
    tolerates: ToleranceResult
    ladder_tolerates: tuple[ToleranceResult, ...] = ()
    result: SiteStepResult


class RungStated(Part):
    """A rung of a step's ladder, as it was approved."""

    rung: RungNumber
    params: ControlParams
    response_limit_ns: Int63


class StepResult(Part):
    """One step: what was asked, and what was found at each site of the audience.

    Attributes:
        params: The step's own control: rung 0.
        ordered: Whether its order, or its refusal battery, was ever issued.
        response_limit_ns: Rung 0's; the others' stand in `ladder`.
        ladder: The harsher rungs that were approved, in order.
    """

    step: StepNumber
    name: Name
    params: ControlParams
    ordered: bool
    hold_ns: Int63
    response_limit_ns: Int63
    dwell_ns: Int63
    restore_limit_ns: Int63
    max_gap_ns: Int63
    quorum: Annotated[int, Field(ge=1)]
    ladder: tuple[RungStated, ...] = ()
    sites: tuple[SiteResult, ...]


class VerdictCount(Part):
    """How often one verdict was given."""

    verdict: Verdict
    count: Int63


class Totals(Part):
    """The drill in numbers.

    Attributes:
        judged: Verdicts given: sites times steps.
        passed: Those of them that are `verified`.
        verdicts: Every verdict with its count, from best to worst.
        rejected: Inputs that arrived and were not to be believed.
    """

    sites: Int63
    steps: Int63
    judged: Int63
    passed: Int63
    verdicts: tuple[VerdictCount, ...]
    rejected: Int63


class DrillResult(Part):
    """What a drill found.

    Attributes:
        demo: Whether all keys of the fleet were made in one place.
        status: In CAP's terms: version 1 knows exercises only.
        warrant: Digest of what was approved.
        approved_by: The owners who approved it, of whom `threshold` were needed.
        passed: Whether it was not aborted and every site is verified in every step.
    """

    type: Literal["drill.result"] = "drill.result"
    v: Literal[2] = 2
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
    ended_at: UtcTime
    audience: tuple[SiteId, ...]
    steps: tuple[StepResult, ...]
    totals: Totals
    aborted: bool
    abort_reason: str
    passed: bool

    def encode(self) -> bytes:
        """Return its one encoding: a line of JSON without the line's end."""
        return self.model_dump_json().encode()


def build_result(drill: Drill, background: Background, results: Results) -> DrillResult:
    """Compute the result of a drill whose every site has a verdict in `results` for every step.

    Raises:
        KeyError: A verdict is missing.
        JournalError: A verdict is about a rung that its step has not.
    """
    warrant = drill.warrant
    steps = tuple(_step(drill, number, step, results) for number, step in enumerate(warrant.steps))
    totals = _totals(drill, [site.result for step in steps for site in step.sites])
    return DrillResult(
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
        ended_at=background.ended_at,
        audience=drill.audience,
        steps=steps,
        totals=totals,
        aborted=drill.aborted,
        abort_reason=drill.abort_reason,
        passed=not drill.aborted and totals.passed == totals.judged,
    )


def _step(drill: Drill, number: int, step: Step, results: Results) -> StepResult:
    ordered = number < len(drill.steps) and drill.steps[number].ordered is not None
    return StepResult(
        step=number,
        name=step.name,
        params=step.params,
        ordered=ordered,
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
        sites=tuple(_site(drill, step, site, results[number, site]) for site in drill.audience),
    )


def _site(drill: Drill, step: Step, site: str, result: SiteStepResult) -> SiteResult:
    record = drill.trust.records[site]
    by_rung = tuple(_tolerance(record, step, rung) for rung in step.rungs)
    if result.rung >= len(by_rung):
        raise JournalError(f"the verdict on site {site} is about rung {result.rung}, which its step has not")
    return SiteResult(
        site=site,
        owner=record.owner,
        mock=record.mock,
        tolerates=by_rung[result.rung],
        ladder_tolerates=by_rung if step.ladder else (),
        result=result,
    )


def _tolerance(record: SiteRecord, step: Step, rung: Rung) -> ToleranceResult:
    found = liars_tolerated(record, step.quorum, rung.params)
    return ToleranceResult(
        owners=found.owners,
        false_quiet=found.false_quiet,
        absent=found.absent,
        false_active=found.false_active,
    )


def _totals(drill: Drill, found: Sequence[SiteStepResult]) -> Totals:
    return Totals(
        sites=len(drill.audience),
        steps=len(drill.warrant.steps),
        judged=len(found),
        passed=sum(result.passed for result in found),
        verdicts=tuple(
            VerdictCount(verdict=verdict, count=sum(result.verdict is verdict for result in found))
            for verdict in Verdict
        ),
        rejected=drill.rejected,
    )
