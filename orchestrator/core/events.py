"""The journal's events: everything that a drill's state, figures and verdicts are folded from.

An input is decided into events; events are appended to the journal; only then is anything done.
Envelopes are kept whole, as text, exactly as they were received or sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from orchestrator.core.battery import BatteryCase
from orchestrator.core.grades import Cause, SiteStepResult
from protocols.ids import Digest, DrillId, Int63, KeyId, Name, SiteId, Text
from protocols.limits import BATTERY_MAX, DOCUMENT_MAX_BYTES, ENVELOPE_MAX_BYTES
from protocols.messages.base import Part
from protocols.messages.orders import RungNumber, StepNumber, UseNumber
from protocols.reasons import Reason

EnvelopeText = Annotated[str, Field(min_length=2, max_length=ENVELOPE_MAX_BYTES)]
DocumentText = Annotated[str, Field(min_length=2, max_length=DOCUMENT_MAX_BYTES)]


class DocumentKind(StrEnum):
    """The documents that a drill leans on, in the order in which they open its journal."""

    ROOT = "root"
    POLICY = "policy"
    FLEET_INDEX = "fleet_index"
    SITE_RECORD = "site_record"
    WARRANT = "warrant"


class DocumentHeld(Part):
    """A root-signed document or the warrant, as it was held when the drill was opened."""

    type: Literal["document.held"] = "document.held"
    kind: DocumentKind
    envelope: DocumentText


class DrillOpened(Part):
    """A drill began: one use of a warrant.

    Attributes:
        audience: Every site that the warrant's audience matches in the fleet index.
        dispatcher: The key that signs this drill's orders and challenges.
        software: Name and version of the orchestrator.
    """

    type: Literal["drill.opened"] = "drill.opened"
    drill: DrillId
    warrant: Digest
    use: UseNumber
    audience: tuple[SiteId, ...]
    dispatcher: KeyId
    software: Text


class DrillResumed(Part):
    """The orchestrator restarted: a new clock epoch begins with this record."""

    type: Literal["drill.resumed"] = "drill.resumed"


class ChallengeIssued(Part):
    """A challenge was signed. Its issue time is this record's time."""

    type: Literal["challenge.issued"] = "challenge.issued"
    seq: Int63
    final: bool
    envelope: EnvelopeText


class OrderIssued(Part):
    """A step was ordered. This record's time is zero of the step's response time."""

    type: Literal["order.issued"] = "order.issued"
    step: StepNumber
    envelope: EnvelopeText


class OrderPublished(Part):
    """The first publish of a step's order had ended by this record's time."""

    type: Literal["order.published"] = "order.published"
    step: StepNumber


class RungOrdered(Part):
    """One site climbs to a higher rung. This record's time is zero of that rung's response time.

    It is decided once: a success of the rung before that comes later is `late`.

    Attributes:
        why: Why the rung before did not do.
    """

    type: Literal["rung.ordered"] = "rung.ordered"
    step: StepNumber
    site: SiteId
    rung: RungNumber
    why: Cause
    envelope: EnvelopeText


class RungPublished(Part):
    """The first publish of a rung's order had ended by this record's time."""

    type: Literal["rung.published"] = "rung.published"
    step: StepNumber
    site: SiteId
    rung: RungNumber


class BatteryOrder(Part):
    """One order that must do nothing.

    Attributes:
        envelope: The order. It names the refusal step itself, which halts nothing if it is obeyed.
        warrant: Whether the whole warrant goes with it, or one with a single approval.
    """

    case: BatteryCase
    envelope: EnvelopeText
    warrant: Literal["whole", "one_approval"] = "whole"


class BatteryIssued(Part):
    """A refusal step began. This record's time stands in for that of an order."""

    type: Literal["battery.issued"] = "battery.issued"
    step: StepNumber
    orders: Annotated[tuple[BatteryOrder, ...], Field(min_length=1, max_length=BATTERY_MAX)]


class LicenceRequested(Part):
    """An agent under a lease order asked for its next licence, verified."""

    type: Literal["licence.requested"] = "licence.requested"
    site: SiteId
    arrival_ns: Int63
    envelope: EnvelopeText


class LicenceIssued(Part):
    """A licence was signed."""

    type: Literal["licence.issued"] = "licence.issued"
    step: StepNumber
    site: SiteId
    envelope: EnvelopeText


class LeaseStopped(Part):
    """From this record on, no licence of the running step is renewed."""

    type: Literal["lease.stopped"] = "lease.stopped"
    step: StepNumber


class ReleaseIssued(Part):
    """A step's hold was ended. This record's time is zero of the restore time."""

    type: Literal["release.issued"] = "release.issued"
    step: StepNumber
    envelope: EnvelopeText


class ReleasePublished(Part):
    """The first publish of a step's release had ended by this record's time."""

    type: Literal["release.published"] = "release.published"
    step: StepNumber


class RecallIssued(Part):
    """A witness was asked to send again what is missing of its chain."""

    type: Literal["recall.issued"] = "recall.issued"
    site: SiteId
    witness: Name
    envelope: EnvelopeText


class Aborted(Part):
    """The drill was aborted. After this record no order is published.

    Attributes:
        envelope: The signed abort, ours or one that arrived.
    """

    type: Literal["drill.aborted"] = "drill.aborted"
    reason: Text
    envelope: EnvelopeText


class ReceiptReceived(Part):
    """A receipt of an agent or an enforcer, verified.

    Attributes:
        arrival_ns: When it came off the wire, on this record's clock epoch.
    """

    type: Literal["receipt.received"] = "receipt.received"
    site: SiteId
    arrival_ns: Int63
    envelope: EnvelopeText


class ReadingReceived(Part):
    """A witness's reading, verified.

    Attributes:
        arrival_ns: When it came off the wire, on this record's clock epoch.
    """

    type: Literal["reading.received"] = "reading.received"
    site: SiteId
    witness: Name
    arrival_ns: Int63
    envelope: EnvelopeText


class ClosingReceived(Part):
    """A witness's closing, verified.

    Attributes:
        arrival_ns: When it came off the wire, on this record's clock epoch.
    """

    type: Literal["closing.received"] = "closing.received"
    site: SiteId
    witness: Name
    arrival_ns: Int63
    envelope: EnvelopeText


class InputRejected(Part):
    """Something arrived that is not to be believed. Its bytes are not kept, only their digest."""

    type: Literal["input.rejected"] = "input.rejected"
    reason: Reason
    detail: Annotated[str, Field(max_length=300)]
    topic: Annotated[str, Field(max_length=200)]
    digest: Digest


class InputsIgnored(Part):
    """So many rejections came that the rest were only counted."""

    type: Literal["input.ignored"] = "input.ignored"
    count: Int63


class StepEnded(Part):
    """A step is over: every site is back, or the time for it is up, or nothing was ordered.

    Attributes:
        ordered: Whether its order was ever issued.
    """

    type: Literal["step.ended"] = "step.ended"
    step: StepNumber
    ordered: bool


class SiteJudged(Part):
    """The verdict on one site for one step, final."""

    type: Literal["site.judged"] = "site.judged"
    step: StepNumber
    site: SiteId
    result: SiteStepResult


class DrillClosed(Part):
    """The drill is over and every verdict is given."""

    type: Literal["drill.closed"] = "drill.closed"
    passed: bool
    aborted: bool


Event = Annotated[
    DocumentHeld
    | DrillOpened
    | DrillResumed
    | ChallengeIssued
    | OrderIssued
    | OrderPublished
    | RungOrdered
    | RungPublished
    | BatteryIssued
    | LicenceRequested
    | LicenceIssued
    | LeaseStopped
    | ReleaseIssued
    | ReleasePublished
    | RecallIssued
    | Aborted
    | ReceiptReceived
    | ReadingReceived
    | ClosingReceived
    | InputRejected
    | InputsIgnored
    | StepEnded
    | SiteJudged
    | DrillClosed,
    Field(discriminator="type"),
]

EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event with the time that its record gives it.

    Attributes:
        epoch: The orchestrator's clock epoch; times of two epochs are never subtracted.
        t_ns: The orchestrator's boot-time clock, nanoseconds.
        wall_ns: Wall time for people, nanoseconds since the Unix epoch.
    """

    event: Event
    epoch: int
    t_ns: int
    wall_ns: int
