"""The notifier's lines: whom it told, and whom it could not."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from protocols.ids import Digest, Int63, Name
from protocols.logged import AT_ERROR, AT_INFO, AT_WARNING, Line

Detail = Annotated[str, Field(max_length=2_000)]

Kind = Literal["started", "loud", "stopped", "ended", "overdue", "attention", "test"]


class NotifyStarted(Line):
    """The notifier follows a log from now on.

    Attributes:
        hooks: How many hooks it has.
        waiting: How many notices still wait from before.
    """

    LEVELS = AT_INFO

    action: Literal["notify.started"] = Field(alias="event.action")
    hooks: Int63
    waiting: Int63


class NoticeLine(Line):
    """What every line about a notice has.

    Attributes:
        hook: The hook.
        notice: The notice's id.
        kind: What it is about.
        tries: How often it was tried.
    """

    hook: Name
    notice: Digest
    kind: Kind
    tries: Int63


class NotifySent(NoticeLine):
    """A notice was delivered."""

    LEVELS = AT_INFO

    action: Literal["notify.sent"] = Field(alias="event.action")


class NotifyRetrying(NoticeLine):
    """A notice could not be delivered; it is tried again.

    Attributes:
        detail: What failed.
    """

    LEVELS = AT_WARNING

    action: Literal["notify.retrying"] = Field(alias="event.action")
    detail: Detail


class NotifyFailed(NoticeLine):
    """A notice was given up: nobody was told by this hook.

    Attributes:
        detail: What failed last.
        summary: What it said.
    """

    LEVELS = AT_ERROR

    action: Literal["notify.failed"] = Field(alias="event.action")
    detail: Detail
    summary: Annotated[str, Field(max_length=300)]


class NotifyLogUnreadable(Line):
    """The log that is followed cannot be read; it is tried again and again.

    Attributes:
        detail: What, and where.
    """

    LEVELS = AT_WARNING

    action: Literal["notify.log_unreadable"] = Field(alias="event.action")
    detail: Detail


class NotifyCannot(Line):
    """The notifier cannot run: nobody is told anything.

    Attributes:
        detail: Why, and what to do.
    """

    LEVELS = AT_ERROR

    action: Literal["notify.cannot"] = Field(alias="event.action")
    detail: Detail


class NotifyStateFailed(Line):
    """What is still to be told could not be written down; after a crash some may be told twice.

    Attributes:
        detail: What, and where.
    """

    LEVELS = AT_ERROR

    action: Literal["notify.state_failed"] = Field(alias="event.action")
    detail: Detail


class NotifyLeft(Line):
    """The notifier ends, and some notices wait in its file for the next one.

    Attributes:
        notices: How many.
    """

    LEVELS = AT_WARNING

    action: Literal["notify.left"] = Field(alias="event.action")
    notices: Int63


class NotifyEnded(Line):
    """The notifier has ended."""

    LEVELS = AT_INFO

    action: Literal["notify.ended"] = Field(alias="event.action")


class NotifierLost(Line):
    """The service's notifier ended without being told to; it is started again.

    Attributes:
        status: How it ended.
    """

    LEVELS = AT_ERROR

    action: Literal["service.notifier_lost"] = Field(alias="event.action")
    status: int


AnyNotifyLine = (
    NotifyStarted
    | NotifySent
    | NotifyRetrying
    | NotifyFailed
    | NotifyLogUnreadable
    | NotifyStateFailed
    | NotifyCannot
    | NotifyLeft
    | NotifyEnded
    | NotifierLost
)
