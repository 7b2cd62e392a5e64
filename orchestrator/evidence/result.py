"""The machine-readable result of a drill: one strict model, computed purely (`orchestrator.evidence.stating`).

The exporter writes it into the bundle; the verifier computes it again and compares byte for byte;
every report is rendered from it. All durations are whole nanoseconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.core.grades import SiteStepResult, Verdict
from protocols.controls import ControlParams
from protocols.ids import Digest, DrillId, Int63, KeyId, Name, Owner, SiteId, Text, UtcTime
from protocols.messages.base import Part
from protocols.messages.orders import RungNumber, StepNumber, UseNumber


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
    """A rung of a step's ladder, as it was approved.

    Attributes:
        rung: Its number, from 1.
        params: What is exercised on it, with all its parameters.
        response_limit_ns: Within what time after its own order a site must be as ordered.
    """

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
