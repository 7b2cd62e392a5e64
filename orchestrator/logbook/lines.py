"""The lines of a drill: one model an event, which is what the catalogue and the JSON Schema are made from.

Together the lines of one drill hold all that its result holds, and how it came to it; a reading or a
challenge has no line of its own, since they come by the million and are in the journal. Durations and
offsets are whole nanoseconds.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter

from orchestrator.core.battery import BatteryCase
from orchestrator.core.grades import Cause, Grade, SiteStepResult, Verdict
from orchestrator.core.states import Phase
from orchestrator.evidence.result import ToleranceResult
from orchestrator.evidence.stating import DrillStated
from orchestrator.logbook.standing import Standing
from protocols.controls import Control
from protocols.ids import Digest, DrillId, Int63, Name, Owner, SiteId
from protocols.logged import AT_DEBUG, AT_INFO, AT_WARNING, Level, Levels, Line
from protocols.messages import Outcome
from protocols.messages.base import Part
from protocols.messages.orders import RungNumber, StepNumber
from protocols.reasons import Reason


class DrillLine(Line):
    """What every line about a drill has.

    Attributes:
        drill: The drill.
        clock_epoch: The orchestrator's clock epoch: 1, and one more after each restart.
        offset_ns: Monotonic time since the first record of this epoch; in epoch 1 since the drill's start.
            Offsets of two epochs are never subtracted.
        restated: Whether it was written again from the journal, after a restart.
    """

    drill: DrillId
    clock_epoch: Annotated[int, Field(ge=1)]
    offset_ns: Int63
    restated: bool = False


class Opened(DrillLine):
    """The drill began: what it is, who approved it, and what its steps ask.

    Attributes:
        stated: All that its result will say of it that is known now.
        sites: How many sites it is for; a `site.enlisted` of each follows.
        challenge_ns: How long it is from one challenge to the next.
    """

    LEVELS = AT_INFO

    action: Literal["drill.opened"] = Field(alias="event.action")
    stated: DrillStated
    sites: Int63
    challenge_ns: Int63


class Tag(Part):
    """An attribute of a site's record, such as region = eu-north.

    Attributes:
        name: The attribute.
        value: What it is there.
    """

    name: Name
    value: Name


class Enlisted(DrillLine):
    """A site that the drill is for.

    Attributes:
        site: The site.
        owner: Whose site it is.
        mock: Whether it is a mock site.
        tags: The attributes of its record.
        witnesses: Its witnesses.
        tolerates: For each step, for each of its rungs, how many witness owners may misbehave.
    """

    LEVELS = AT_DEBUG

    action: Literal["site.enlisted"] = Field(alias="event.action")
    site: SiteId
    owner: Owner
    mock: bool
    tags: tuple[Tag, ...] = ()
    witnesses: tuple[Name, ...]
    tolerates: tuple[tuple[ToleranceResult, ...], ...]


class Resumed(DrillLine):
    """The orchestrator was restarted, and took the drill up from its journal: a new clock epoch.

    Attributes:
        phase: Where the drill stands.
    """

    LEVELS = AT_WARNING

    action: Literal["drill.resumed"] = Field(alias="event.action")
    phase: Phase


class StepLine(DrillLine):
    """What every line about a step has.

    Attributes:
        step: The step's number, from 0.
        step_name: Its name in the plan.
        control: What is exercised; of a site that climbed, on the rung that it climbed to.
        order: SHA-256 of the order that it is about: the step's; of a site that climbed, that of its rung.
            Absent before it is given, and where a refusal battery takes its place.
    """

    step: StepNumber
    step_name: Name
    control: Control
    order: Digest | None = None


class Ordered(StepLine):
    """A step was ordered. The record's time is zero of its response time.

    Attributes:
        release_after_ns: How long after it the step will be released.
    """

    LEVELS = AT_INFO

    action: Literal["order.issued"] = Field(alias="event.action")
    order: Digest
    release_after_ns: Int63


class Published(StepLine):
    """The first publish of a step's order, or of its release, had ended."""

    LEVELS = AT_DEBUG

    action: Literal["order.published", "release.published"] = Field(alias="event.action")


class BatteryOrdered(StepLine):
    """A refusal step began: orders that must do nothing.

    Attributes:
        cases: What is wrong with each.
        orders: SHA-256 of each, in the same order.
        release_after_ns: How long after it the step will be released.
    """

    LEVELS = AT_INFO

    action: Literal["battery.issued"] = Field(alias="event.action")
    cases: tuple[BatteryCase, ...]
    orders: tuple[Digest, ...]
    release_after_ns: Int63


class RungOrdered(StepLine):
    """One site climbs to a harsher rung of the step's ladder.

    Attributes:
        site: The site.
        rung: The rung, from 1.
        why: Why the rung before did not do.
    """

    LEVELS = AT_WARNING

    action: Literal["rung.ordered"] = Field(alias="event.action")
    site: SiteId
    rung: RungNumber
    why: Cause
    order: Digest


class RungPublished(StepLine):
    """The first publish of a rung's order had ended.

    Attributes:
        site: The site that it is for.
        rung: The rung, from 1.
    """

    LEVELS = AT_DEBUG

    action: Literal["rung.published"] = Field(alias="event.action")
    site: SiteId
    rung: RungNumber


class LeaseStopped(StepLine):
    """From here on no licence of the running step is renewed."""

    LEVELS = AT_INFO

    action: Literal["lease.stopped"] = Field(alias="event.action")


class Released(StepLine):
    """A step's hold was ended. The record's time is zero of the restore time."""

    LEVELS = AT_INFO

    action: Literal["release.issued"] = Field(alias="event.action")


class Aborted(DrillLine):
    """The drill was aborted; nothing but releases is published from here on.

    Attributes:
        reason: The reason that was given, by a person or by the orchestrator itself.
    """

    LEVELS = AT_WARNING

    action: Literal["drill.aborted"] = Field(alias="event.action")
    reason: str


class Receipt(DrillLine):
    """What an agent or an enforcer says of an order, signed; its own account only.

    Attributes:
        site: The site.
        by: `agent`, or the name of the enforcer.
        outcome: What it says.
        order: SHA-256 of the order that it is about.
        reason: Why it refused, as a word.
        detail: The same, or what was done, for people.
        step: The number of the step that the order was for, from 0; absent if it is no order of this drill.
        step_name: The step's name in the plan.
        control: What the order exercises.
        rung: The rung that the order was for, from 1; absent for the first.
        case: The case of a refusal battery that it answers; there a refusal is right.
    """

    LEVELS: ClassVar[Levels] = {
        Level.DEBUG: "",
        Level.WARNING: "it refused or failed, outside of a refusal battery",
        Level.ERROR: "it obeyed an order of a refusal battery",
    }

    action: Literal["receipt.received"] = Field(alias="event.action")
    site: SiteId
    by: Name
    outcome: Outcome
    order: Digest
    reason: Reason | None = None
    detail: str = ""
    step: StepNumber | None = None
    step_name: Name | None = None
    control: Control | None = None
    rung: RungNumber | None = None
    case: BatteryCase | None = None


class Rejected(DrillLine):
    """Something arrived that is not to be believed. The first of a drill are warnings, the rest only debug.

    Attributes:
        reason: Why not, as a word.
        detail: The same for people.
        digest: SHA-256 of its bytes, which are not kept.
        topic: Where it arrived.
    """

    LEVELS: ClassVar[Levels] = {Level.WARNING: "of the first 20 of a drill", Level.DEBUG: "of all later ones"}

    action: Literal["input.rejected"] = Field(alias="event.action")
    reason: Reason
    detail: str
    topic: str
    digest: Digest


class Ignored(DrillLine):
    """So many rejections came that the rest were only counted.

    Attributes:
        count: How many.
    """

    LEVELS = AT_WARNING

    action: Literal["input.ignored"] = Field(alias="event.action")
    count: Int63


class Changed(StepLine):
    """Where a site stands has changed. Provisional: the verdict comes with `site.judged`.

    Attributes:
        site: The site.
        standing: Where it stands.
        grade: How good the evidence is by now.
        cause: Why a loud standing is what it is.
        rung: The rung that it climbed to.
        response_lower_ns: It halted no earlier than this after its order; null while unknown.
        response_upper_ns: And no later than this.
        total_upper_ns: With an escalation, from the step's own order, at most.
        agreeing: Witnesses that see it as ordered.
        dissenting: Witnesses that see it otherwise, against that.
        unknown: Its other witnesses.
    """

    LEVELS: ClassVar[Levels] = {
        Level.DEBUG: "",
        Level.WARNING: "it refused",
        Level.ERROR: "it is contradicted, broken or not restored",
    }

    action: Literal["site.changed"] = Field(alias="event.action")
    site: SiteId
    standing: Standing
    grade: Grade
    cause: Cause | None = None
    rung: RungNumber | None = None
    response_lower_ns: int | None = None
    response_upper_ns: int | None = None
    total_upper_ns: int | None = None
    agreeing: Int63
    dissenting: Int63
    unknown: Int63


class Count(Part):
    """How many sites stand somewhere.

    Attributes:
        standing: Where.
        sites: How many.
    """

    standing: Standing
    sites: Int63


class Progress(StepLine):
    """The fleet in numbers: after each change of phase, and otherwise every few seconds while something changes.

    Attributes:
        phase: Where the drill stands.
        counts: How many sites stand where, without those where none does.
    """

    LEVELS = AT_INFO

    action: Literal["drill.progress"] = Field(alias="event.action")
    phase: Phase
    counts: tuple[Count, ...]


class StepEnded(StepLine):
    """A step is over.

    Attributes:
        ordered: Whether its order was ever issued.
    """

    LEVELS = AT_INFO

    action: Literal["step.ended"] = Field(alias="event.action")
    ordered: bool


class Judged(StepLine):
    """The verdict on one site for one step, final.

    Attributes:
        site: The site.
        verdict: What the drill found.
        grade: How good the evidence is.
        cause: Why the verdict is no better.
        response_upper_ns: It halted no later than this after its order; null if it was not seen halted.
        result: All that was found, as `result.json` has it.
    """

    LEVELS: ClassVar[Levels] = {
        Level.DEBUG: "verified",
        Level.WARNING: "late, unproven or refused",
        Level.ERROR: "contradicted, broken or not restored",
    }

    action: Literal["site.judged"] = Field(alias="event.action")
    site: SiteId
    verdict: Verdict
    grade: Grade
    cause: Cause | None = None
    response_upper_ns: int | None = None
    result: SiteStepResult


class VerdictCounted(Part):
    """How often one verdict was given.

    Attributes:
        verdict: The verdict.
        count: How often.
    """

    verdict: Verdict
    count: Int63


class Closed(DrillLine):
    """The drill is over and every verdict is given.

    Attributes:
        passed: Whether it was not aborted and every site is verified in every step.
        aborted: Whether it was stopped early.
        verdicts: How often each verdict was given, without those that never were.
        rejected: Inputs that arrived and were not to be believed.
    """

    LEVELS: ClassVar[Levels] = {Level.INFO: "it passed", Level.ERROR: "it did not pass"}

    action: Literal["drill.closed"] = Field(alias="event.action")
    passed: bool
    aborted: bool
    verdicts: tuple[VerdictCounted, ...]
    rejected: Int63


AnyDrillLine = (
    Opened
    | Enlisted
    | Resumed
    | Ordered
    | Published
    | BatteryOrdered
    | RungOrdered
    | RungPublished
    | LeaseStopped
    | Released
    | Aborted
    | Receipt
    | Rejected
    | Ignored
    | Changed
    | Progress
    | StepEnded
    | Judged
    | Closed
)
DRILL_LINES: TypeAdapter[AnyDrillLine] = TypeAdapter(Annotated[AnyDrillLine, Field(discriminator="action")])
"""Reads one line about a drill."""
