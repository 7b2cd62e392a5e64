"""The service's own lines: about its schedules, its warrants, and itself; what a drill logs is its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.logbook.lines import VerdictCounted
from orchestrator.schedule.notes import Hindrance
from protocols.controls import Control
from protocols.ids import Digest, DrillId, Int63, Name, SiteId, UtcTime
from protocols.logged import AT_ERROR, AT_INFO, AT_WARNING, Line
from protocols.messages.base import Part
from protocols.messages.orders import UseNumber

RunName = Annotated[str, Field(max_length=200)]
"""What a run is called: `plan@moment`, for a wave `plan-w2@moment`; where nothing is known but the drill, its id."""

Said = Annotated[str, Field(max_length=2_000)]


class ServiceStarted(Line):
    """The service leads its fleet's journal, and begins to look after its plans.

    Attributes:
        plans: How many plans it has.
        scheduled: How many of them have a schedule.
    """

    LEVELS = AT_INFO

    action: Literal["service.started"] = Field(alias="event.action")
    plans: Int63
    scheduled: Int63


class ServiceFollowing(Line):
    """Another process writes the journal: the service waits to take its place.

    Attributes:
        detail: Who writes it, as far as that can be known.
    """

    LEVELS = AT_INFO

    action: Literal["service.following"] = Field(alias="event.action")
    detail: Said


class ServiceReloaded(Line):
    """Plans, warrants, fleet and configuration were read anew.

    Attributes:
        plans: How many plans there are now.
        scheduled: How many of them have a schedule.
    """

    LEVELS = AT_INFO

    action: Literal["service.reloaded"] = Field(alias="event.action")
    plans: Int63
    scheduled: Int63


class ServiceReloadFailed(Line):
    """Something that was read anew is wrong; what was there before goes on to count.

    Attributes:
        detail: What, where, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["service.reload_failed"] = Field(alias="event.action")
    detail: Said


class ServiceDraining(Line):
    """The service was told to end: it starts nothing more.

    Attributes:
        drain_s: How long drills that go on may take before they are aborted.
    """

    LEVELS = AT_INFO

    action: Literal["service.draining"] = Field(alias="event.action")
    drain_s: float


class ServiceEnded(Line):
    """The service has ended, and no drill of it goes on."""

    LEVELS = AT_INFO

    action: Literal["service.ended"] = Field(alias="event.action")


class ServiceJournalFailed(Line):
    """The journal could not be read or written. Nothing new begins until it can.

    Attributes:
        detail: What failed, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["service.journal_failed"] = Field(alias="event.action")
    detail: Said


class ServiceTakenUp(Line):
    """A drill that was left unfinished is taken up from its journal.

    Attributes:
        drill: The drill.
        name: The run that it is.
    """

    LEVELS = AT_WARNING

    action: Literal["service.taken_up"] = Field(alias="event.action")
    drill: DrillId
    name: RunName


class ServiceDrillFailed(Line):
    """A drill could not be opened, or could not go on; it is tried again.

    Attributes:
        name: The run that it is.
        drill: The drill, if it was opened.
        detail: What failed, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["service.drill_failed"] = Field(alias="event.action")
    name: RunName
    drill: DrillId | None
    detail: Said


class ServiceDrillEnded(Line):
    """A drill of a schedule came to its end, and its end is noted.

    Attributes:
        name: The run that it is.
        drill: The drill.
        verdicts: How many sites have which verdict: the worst of each over all steps.
    """

    LEVELS = AT_INFO

    action: Literal["service.drill_ended"] = Field(alias="event.action")
    name: RunName
    drill: DrillId
    verdicts: tuple[VerdictCounted, ...]


class ServiceFilesFailed(Line):
    """A drill is over and whole in the journal, but its report and its evidence could not be written.

    Attributes:
        drill: The drill.
        detail: What failed, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["service.files_failed"] = Field(alias="event.action")
    drill: DrillId
    detail: Said


class ServiceStopHeard(Line):
    """A lever or a revocation was heard and written down; it counts from here on.

    Attributes:
        what: `lever` or `revocation`.
        digest: SHA-256 of the message.
        detail: The reason that was given.
    """

    LEVELS = AT_WARNING

    action: Literal["service.stop_heard"] = Field(alias="event.action")
    what: Literal["lever", "revocation"]
    digest: Digest
    detail: Said


class PlanWrong(Line):
    """A plan, or its warrant, cannot be used; the others go on.

    Attributes:
        file: The file.
        detail: What is wrong, where in it, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["plan.wrong"] = Field(alias="event.action")
    file: Annotated[str, Field(max_length=4_096)]
    detail: Said


class ScheduleAdopted(Line):
    """A plan's schedule counts from here on: it is new, or was changed.

    Attributes:
        plan: The plan.
    """

    LEVELS = AT_INFO

    action: Literal["schedule.adopted"] = Field(alias="event.action")
    plan: Name


class ScheduleDropped(Line):
    """A scheduled plan is no longer there.

    Attributes:
        plan: The plan.
    """

    LEVELS = AT_WARNING

    action: Literal["schedule.dropped"] = Field(alias="event.action")
    plan: Name


class ScheduleDrawn(Line):
    """The instant of an unannounced drill is drawn and stays secret; this binds the service to it.

    Attributes:
        plan: The plan.
        name: The run.
        commitment: SHA-256 of the seed.
    """

    LEVELS = AT_INFO

    action: Literal["schedule.drawn"] = Field(alias="event.action")
    plan: Name
    name: RunName
    commitment: Digest


class ScheduleRevealed(Line):
    """The window of an unannounced drill is over: anyone can compute its instant again.

    Attributes:
        plan: The plan.
        name: The run.
        seed: The seed in hex.
        instant: The instant that follows from it.
    """

    LEVELS = AT_INFO

    action: Literal["schedule.revealed"] = Field(alias="event.action")
    plan: Name
    name: RunName
    seed: Annotated[str, Field(max_length=2_048)]
    instant: UtcTime


class ScheduleStarting(Line):
    """A run is due, and its drill is about to be opened.

    Attributes:
        plan: The plan.
        name: The run.
        warrant: Digest of its warrant.
        use: Which use of the warrant it is.
        sites: How many sites it is at.
    """

    LEVELS = AT_INFO

    action: Literal["schedule.starting"] = Field(alias="event.action")
    plan: Name
    name: RunName
    warrant: Digest
    use: UseNumber
    sites: Int63


class ScheduleWaiting(Line):
    """A run is due and cannot start yet.

    Attributes:
        plan: The plan.
        name: The run.
        reason: What it waits for, as a word.
        detail: The same for people.
    """

    LEVELS = AT_WARNING

    action: Literal["schedule.waiting"] = Field(alias="event.action")
    plan: Name
    name: RunName
    reason: Hindrance = Field(strict=False)
    detail: Said


class ScheduleSkipped(Line):
    """A run will not happen; where a plan has waves, neither will those after this one.

    Attributes:
        plan: The plan.
        name: The run.
        reason: Why, as a word.
        detail: The same for people.
    """

    LEVELS = AT_WARNING

    action: Literal["schedule.skipped"] = Field(alias="event.action")
    plan: Name
    name: RunName
    reason: Hindrance = Field(strict=False)
    detail: Said


class ScheduleNotStarted(Line):
    """A run was about to begin, and nothing was said to any site.

    Attributes:
        plan: The plan.
        name: The run.
        detail: Why.
    """

    LEVELS = AT_WARNING

    action: Literal["schedule.not_started"] = Field(alias="event.action")
    plan: Name
    name: RunName
    detail: Said


class WarrantRunsOut(Line):
    """Something about the warrant of a scheduled plan runs out soon, or has run out.

    Attributes:
        plan: The plan.
        warrant: Digest of the warrant.
        detail: What runs out, and what to do.
    """

    LEVELS = AT_WARNING

    action: Literal["warrant.runs_out"] = Field(alias="event.action")
    plan: Name
    warrant: Digest | None
    detail: Said


class CellOverdue(Part):
    """A control at a site whose proof is older than allowed.

    Attributes:
        site: The site.
        control: The control.
        age_s: How long ago it was last exercised.
    """

    site: SiteId
    control: Control
    age_s: float


class CoverageOverdue(Line):
    """Proofs of controls at sites are older than allowed. Said when that changes, and once a day while it lasts.

    Attributes:
        overdue: How many pairs of site and control that are.
        sites: At how many sites.
        max_age_s: How old a proof may be.
        oldest: The oldest of them.
    """

    LEVELS = AT_WARNING

    action: Literal["coverage.overdue"] = Field(alias="event.action")
    overdue: Int63
    sites: Int63
    max_age_s: float
    oldest: Annotated[tuple[CellOverdue, ...], Field(max_length=20)]


class ServiceOverdueFailed(Line):
    """It could not be found out which proofs are overdue; it is tried again.

    Attributes:
        detail: What failed, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["service.overdue_failed"] = Field(alias="event.action")
    detail: Said


class ServiceStopUnkept(Line):
    """A lever or a revocation could not be written down. It counts, and will be forgotten at a restart.

    Attributes:
        what: `lever` or `revocation`.
        digest: SHA-256 of the message.
        detail: What failed, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["service.stop_unkept"] = Field(alias="event.action")
    what: Literal["lever", "revocation"]
    digest: Digest
    detail: Said


class ServiceStopsUnreadable(Line):
    """The folder of levers and revocations cannot be read. Nothing new begins until it can.

    Attributes:
        detail: What failed, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["service.stops_unreadable"] = Field(alias="event.action")
    detail: Said


class ServiceBesideFailed(Line):
    """Something that goes on beside the drills failed; it is tried again, and drills go on.

    Attributes:
        what: `stops` (hearing levers between drills), `overdue` or `notifier`.
        detail: What failed, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["service.beside_failed"] = Field(alias="event.action")
    what: Literal["stops", "overdue", "notifier"]
    detail: Said


AnyServiceLine = (
    ServiceStarted
    | ServiceFollowing
    | ServiceReloaded
    | ServiceReloadFailed
    | ServiceDraining
    | ServiceEnded
    | ServiceJournalFailed
    | ServiceTakenUp
    | ServiceDrillFailed
    | ServiceDrillEnded
    | ServiceFilesFailed
    | ServiceStopHeard
    | PlanWrong
    | ScheduleAdopted
    | ScheduleDropped
    | ScheduleDrawn
    | ScheduleRevealed
    | ScheduleStarting
    | ScheduleWaiting
    | ScheduleSkipped
    | ScheduleNotStarted
    | WarrantRunsOut
    | CoverageOverdue
    | ServiceOverdueFailed
    | ServiceStopUnkept
    | ServiceStopsUnreadable
    | ServiceBesideFailed
)
