"""The lines of any party at a site: that it runs, and how it fares with its broker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from protocols.ids import Int63, Name, SiteId
from protocols.logged import AT_ERROR, AT_INFO, AT_WARNING, Line

Count = Annotated[int, Field(ge=1)]


class PartyLine(Line):
    """What every line of a party has.

    Attributes:
        site: The site.
        witness: Which witness of the site it is, if it is one.
        enforcer: Which enforcer of the site it is, if it is one.
    """

    site: SiteId
    witness: Name | None = None
    enforcer: Name | None = None


class Started(PartyLine):
    """It runs, with the memory that it found on its disk.

    Attributes:
        store: The id of its store; another one than before means that it forgot what it signed.
        seq: Sequence number of the last message that it signed.
    """

    LEVELS = AT_INFO

    action: Literal["agent.started", "enforcer.started", "witness.started"] = Field(alias="event.action")
    store: str
    seq: Int63


class Stopped(PartyLine):
    """The agent or enforcer ended, as it was asked to.

    Attributes:
        restored: Whether the site was left as it was before.
    """

    LEVELS = AT_INFO

    action: Literal["agent.stopped", "enforcer.stopped"] = Field(alias="event.action")
    restored: bool


class WitnessStopped(PartyLine):
    """The witness ended, as it was asked to.

    Attributes:
        seq: Sequence number of the last message that it signed.
    """

    LEVELS = AT_INFO

    action: Literal["witness.stopped"] = Field(alias="event.action")
    seq: Int63


class Connection(PartyLine):
    """It has a connection to the broker, or has lost it."""

    LEVELS = AT_INFO

    action: Literal[
        "agent.connected",
        "agent.disconnected",
        "enforcer.connected",
        "enforcer.disconnected",
        "witness.connected",
        "witness.disconnected",
    ] = Field(alias="event.action")


class ConnectFailed(PartyLine):
    """The broker cannot be reached; it is tried again.

    Attributes:
        detail: What went wrong.
        retry_s: Time until the next try.
    """

    LEVELS = AT_WARNING

    action: Literal["agent.connect.failed", "enforcer.connect.failed", "witness.connect.failed"] = Field(
        alias="event.action"
    )
    detail: str
    retry_s: float


class Left(PartyLine):
    """It left its connection because a lease demands that nothing can reach it, until the hold's end.

    Attributes:
        detail: The same in a clause.
    """

    LEVELS = AT_INFO

    action: Literal["agent.left", "enforcer.left", "witness.left"] = Field(alias="event.action")
    detail: str


class InboxDropped(PartyLine):
    """Messages were dropped unread: more came than can wait, or one was too large.

    Attributes:
        dropped: How many since it started.
    """

    LEVELS = AT_WARNING

    action: Literal[
        "agent.inbox.full",
        "agent.inbox.oversized",
        "enforcer.inbox.full",
        "enforcer.inbox.oversized",
        "witness.inbox.full",
        "witness.inbox.oversized",
    ] = Field(alias="event.action")
    dropped: Count


class TransportLine(Line):
    """What every line about a connection has.

    Attributes:
        broker: Which broker.
        client: What this end is called there.
        site: The site, if one process is one site's.
        witness: Which witness of the site it is, if it is one.
        enforcer: Which enforcer of the site it is, if it is one.
    """

    broker: str
    client: str
    site: SiteId | None = None
    witness: Name | None = None
    enforcer: Name | None = None


class TransportLost(TransportLine):
    """The connection to the broker broke; it is made again."""

    LEVELS = AT_WARNING

    action: Literal["transport.disconnected"] = Field(alias="event.action")


class TransportBack(TransportLine):
    """The connection to the broker is there again."""

    LEVELS = AT_INFO

    action: Literal["transport.reconnected"] = Field(alias="event.action")


class Unreachable(TransportLine):
    """The broker cannot be reached; told once for each reason, and tried again.

    Attributes:
        reason: What went wrong.
    """

    LEVELS = AT_WARNING

    action: Literal["transport.unreachable"] = Field(alias="event.action")
    reason: str


class MocksiteStarted(Line):
    """A process with simulated sites runs.

    Attributes:
        sites: How many sites it simulates.
    """

    LEVELS = AT_INFO

    action: Literal["mocksite.started"] = Field(alias="event.action")
    sites: Int63


class MocksiteStopped(Line):
    """A process with simulated sites ended, as it was asked to.

    Attributes:
        sites: How many sites it simulated.
        failed: Those of them that were left unrestored.
    """

    LEVELS = AT_INFO

    action: Literal["mocksite.stopped"] = Field(alias="event.action")
    sites: Int63
    failed: tuple[SiteId, ...] = ()


class MocksiteFailed(Line):
    """A simulated site ended by an error; the others go on.

    Attributes:
        site: The site.
        detail: What went wrong.
    """

    LEVELS = AT_ERROR

    action: Literal["mocksite.site.failed"] = Field(alias="event.action")
    site: SiteId
    detail: str


AnyPartyLine = (
    Started
    | Stopped
    | WitnessStopped
    | Connection
    | ConnectFailed
    | Left
    | InboxDropped
    | TransportLost
    | TransportBack
    | Unreachable
    | MocksiteStarted
    | MocksiteStopped
    | MocksiteFailed
)
