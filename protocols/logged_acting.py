"""The lines of who acts at a site, its agent or an enforcer of it, about orders and stops."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from protocols.controls import Control
from protocols.ids import Digest, DrillId, Int63
from protocols.logged import AT_DEBUG, AT_ERROR, AT_INFO, AT_WARNING, Level, Levels
from protocols.logged_party import Count, PartyLine
from protocols.messages.orders import RungNumber, StepNumber, UseNumber
from protocols.reasons import Reason

EndReason = Literal[
    "hold_end",
    "release",
    "abort",
    "lever",
    "veto",
    "implausible_clock",
    "driver_failed",
    "agent_stopping",
    "superseded",
    "revoked",
]
"""Why an order no longer holds a site: the words of `agents.events.Cause`, which a test holds equal."""


class OrderLine(PartyLine):
    """What every line about an order has.

    Attributes:
        order: SHA-256 of the order.
        drill: The drill that it is for; absent where the order could not be read so far.
        use: Which use of the warrant it is, from 1.
        step: The step's number, from 0.
        rung: The rung of the step's ladder, from 0.
        control: What is exercised.
    """

    order: Digest
    drill: DrillId | None = None
    use: UseNumber | None = None
    step: StepNumber | None = None
    rung: RungNumber | None = None
    control: Control | None = None


class DriverLine(PartyLine):
    """What lines of drivers and actuators have. The fields of the order are there while one is in force.

    Attributes:
        order: SHA-256 of the order that is in force.
        drill: The drill that it is for.
        use: Which use of the warrant it is, from 1.
        step: The step's number, from 0.
        rung: The rung of the step's ladder, from 0.
        control: What is exercised.
    """

    order: Digest | None = None
    drill: DrillId | None = None
    use: UseNumber | None = None
    step: StepNumber | None = None
    rung: RungNumber | None = None
    control: Control | None = None


class OrderTaken(OrderLine):
    """An order passed every check and is obeyed.

    Attributes:
        hold_s: How long the site will be held at most.
    """

    LEVELS = AT_INFO

    action: Literal["agent.order.accepted", "enforcer.order.accepted"] = Field(alias="event.action")
    hold_s: float


class OrderRefused(OrderLine):
    """An order failed a check; nothing is done, and a signed refusal is the answer.

    Attributes:
        reason: Which check, as a word.
        detail: The same for people.
    """

    LEVELS: ClassVar[Levels] = {Level.WARNING: "", Level.ERROR: "two orders claim the same use and step (equivocation)"}

    action: Literal["agent.order.refused", "enforcer.order.refused"] = Field(alias="event.action")
    reason: Reason
    detail: str


class OrderAgain(OrderLine):
    """An order came again that is known, or one that is for somebody else to obey."""

    LEVELS = AT_DEBUG

    action: Literal["agent.order.repeat", "enforcer.order.repeat", "agent.order.noted", "enforcer.order.noted"] = Field(
        alias="event.action"
    )


class OrderRejected(PartyLine):
    """What came in on a topic of orders is no order and its warrant, or was retained by the broker.

    Attributes:
        detail: What is wrong with it.
    """

    LEVELS = AT_WARNING

    action: Literal["agent.order.rejected", "enforcer.order.rejected"] = Field(alias="event.action")
    detail: str


class Unanswered(PartyLine):
    """So much arrived that nobody known had signed that it was only counted.

    Attributes:
        count: How much, since the last such line.
        detail: The same in a clause.
    """

    LEVELS = AT_WARNING

    action: Literal["agent.order.unanswered", "enforcer.order.unanswered"] = Field(alias="event.action")
    count: Count
    detail: str


class RungSeen(OrderLine):
    """A rung was ordered that is somebody else's, and a later one is ours: the wait for that begins.

    Attributes:
        control: What the later rung exercises.
    """

    LEVELS = AT_INFO

    action: Literal["agent.rung.seen", "enforcer.rung.seen"] = Field(alias="event.action")


class RungNoted(OrderLine):
    """A later rung was rehearsed, and the answer says whether it could be applied and undone.

    Attributes:
        detail: The outcome in a clause.
    """

    LEVELS: ClassVar[Levels] = {Level.INFO: "", Level.ERROR: "it could not"}

    action: Literal["agent.rung.noted", "enforcer.rung.noted"] = Field(alias="event.action")
    detail: str


class HaltApplied(OrderLine):
    """What was ordered is done, and was observed to be.

    Attributes:
        elapsed_ns: Time since the order was accepted.
        detail: What was done.
    """

    LEVELS = AT_INFO

    action: Literal["agent.halt.applied", "enforcer.halt.applied"] = Field(alias="event.action")
    elapsed_ns: Int63
    detail: str


class HaltFailed(OrderLine):
    """What was ordered could not be done.

    Attributes:
        reason: Always `driver_failed`.
        detail: What went wrong.
    """

    LEVELS = AT_ERROR

    action: Literal["agent.halt.failed", "enforcer.halt.failed"] = Field(alias="event.action")
    reason: Reason
    detail: str


class HoldEnded(OrderLine):
    """An order no longer holds the site, which is now to be restored; `veto` when that is why.

    Attributes:
        reason: Why.
    """

    LEVELS = AT_INFO

    action: Literal["agent.hold.ended", "enforcer.hold.ended", "agent.veto", "enforcer.veto"] = Field(
        alias="event.action"
    )
    reason: EndReason


class LeaseLapsed(OrderLine):
    """The last licence of a lease has expired, so the work is halted.

    Attributes:
        elapsed_ns: Time since the order was accepted.
    """

    LEVELS = AT_INFO

    action: Literal["agent.lease.lapsed", "enforcer.lease.lapsed"] = Field(alias="event.action")
    elapsed_ns: Int63


class LicenceIgnored(PartyLine):
    """A licence arrived that prolongs nothing; a flood of them is told in part.

    Attributes:
        order: SHA-256 of the order that it names.
        detail: Why it does not count.
    """

    LEVELS = AT_WARNING

    action: Literal["agent.licence.ignored"] = Field(alias="event.action")
    order: Digest | None = None
    detail: str


class Disarmed(PartyLine):
    """The nonce that the site was armed with is good no longer.

    Attributes:
        order: SHA-256 of the order that armed it.
        reason: Why.
    """

    LEVELS = AT_INFO

    action: Literal["agent.disarmed", "enforcer.disarmed"] = Field(alias="event.action")
    order: Digest
    reason: Literal["veto", "implausible_clock", "expired"]


class Restored(DriverLine):
    """The site is as it was before.

    Attributes:
        reason: Why the order no longer held it; `no_live_order` if there was none, `cannot_start` if the
            program restored the site and then gave up.
        elapsed_ns: Time since the order was accepted.
        detail: What was done.
    """

    LEVELS: ClassVar[Levels] = {
        Level.INFO: "",
        Level.WARNING: "it carried our mark without an order in force",
        Level.ERROR: "the program cannot start, and restored the site before it ended",
    }

    action: Literal["agent.restored", "enforcer.restored"] = Field(alias="event.action")
    reason: EndReason | Literal["no_live_order", "cannot_start"]
    elapsed_ns: Int63 | None = None
    detail: str


class EndedGone(OrderLine):
    """An order is over, and what it destroyed stays destroyed.

    Attributes:
        reason: Why the order no longer held the site.
        elapsed_ns: Time since the order was accepted.
        detail: What was observed.
    """

    LEVELS = AT_INFO

    action: Literal["agent.ended.gone", "enforcer.ended.gone"] = Field(alias="event.action")
    reason: EndReason
    elapsed_ns: Int63
    detail: str


class StopRelease(PartyLine):
    """A release arrived: the step will never hold the site again.

    Attributes:
        drill: The drill.
        use: Which use of the warrant, from 1.
        step: The step's number, from 0.
    """

    LEVELS = AT_INFO

    action: Literal["agent.stop.release", "enforcer.stop.release"] = Field(alias="event.action")
    drill: DrillId
    use: UseNumber
    step: StepNumber


class StopAbort(PartyLine):
    """An abort arrived: no step of that use will ever hold the site again.

    Attributes:
        warrant: SHA-256 of the warrant.
        use: Which use of it, from 1.
        detail: The reason that was given.
    """

    LEVELS = AT_WARNING

    action: Literal["agent.stop.abort", "enforcer.stop.abort"] = Field(alias="event.action")
    warrant: Digest
    use: UseNumber
    detail: str


class StopRevocation(PartyLine):
    """A warrant was revoked: nothing of it ever starts again here, and what it holds is restored.

    Attributes:
        warrant: SHA-256 of the warrant.
        detail: The reason that was given.
    """

    LEVELS = AT_WARNING

    action: Literal["agent.stop.revocation", "enforcer.stop.revocation"] = Field(alias="event.action")
    warrant: Digest
    detail: str


class StopLever(PartyLine):
    """The safety lever was engaged, which stops everything, or lifted.

    Attributes:
        engaged: Whether it was engaged.
        engagement: SHA-256 of the engagement.
        detail: The reason that was given.
    """

    LEVELS = AT_WARNING

    action: Literal["agent.stop.lever", "enforcer.stop.lever"] = Field(alias="event.action")
    engaged: bool
    engagement: Digest
    detail: str


class StopRejected(PartyLine):
    """What came in on the topic of stops is not to be believed, or not for this site.

    Attributes:
        reason: Why, as a word, if the authority behind it does not suffice.
        detail: The same for people, or the reason that the lever's message gave.
        engaged: Whether the lever was to be engaged.
        engagement: SHA-256 of the engagement.
    """

    LEVELS: ClassVar[Levels] = {Level.DEBUG: "it is a lever for another site", Level.WARNING: ""}

    action: Literal["agent.stop.rejected", "enforcer.stop.rejected"] = Field(alias="event.action")
    reason: Reason | None = None
    detail: str
    engaged: bool | None = None
    engagement: Digest | None = None


class MemoryFull(PartyLine):
    """So many stops are remembered already that this one was dropped; one of an order that was obeyed here never is.

    Attributes:
        drill: The drill, of a release.
        warrant: SHA-256 of the warrant, of an abort.
        use: Which use of the warrant, from 1.
        step: The step's number, from 0, of a release.
        engaged: Whether the lever was to be engaged.
        engagement: SHA-256 of the engagement.
        detail: The reason that was given.
    """

    LEVELS = AT_ERROR

    action: Literal["agent.memory.full", "enforcer.memory.full"] = Field(alias="event.action")
    drill: DrillId | None = None
    warrant: Digest | None = None
    use: UseNumber | None = None
    step: StepNumber | None = None
    engaged: bool | None = None
    engagement: Digest | None = None
    detail: str | None = None


class Lying(PartyLine):
    """This agent was set to report halts that it never makes, to show that a drill finds it out.

    Attributes:
        detail: The same in a clause.
    """

    LEVELS = AT_WARNING

    action: Literal["agent.lying"] = Field(alias="event.action")
    detail: str


AnyActingLine = (
    OrderTaken
    | OrderRefused
    | OrderAgain
    | OrderRejected
    | Unanswered
    | RungSeen
    | RungNoted
    | HaltApplied
    | HaltFailed
    | HoldEnded
    | LeaseLapsed
    | LicenceIgnored
    | Disarmed
    | Restored
    | EndedGone
    | StopRelease
    | StopAbort
    | StopLever
    | StopRevocation
    | StopRejected
    | MemoryFull
    | Lying
)
