"""The timekeeper's lines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from protocols.ids import Digest
from protocols.logged import AT_INFO, AT_WARNING, Line

Said = Annotated[str, Field(max_length=2_000)]


class TimekeeperStarted(Line):
    """The timekeeper begins to state what still counts.

    Attributes:
        every_s: Time between two statements.
    """

    LEVELS = AT_INFO

    action: Literal["timekeeper.started"] = Field(alias="event.action")
    every_s: float


class TimekeeperHeard(Line):
    """A lever or a revocation was heard and written down; it is part of every statement from here on.

    Attributes:
        what: `lever` or `revocation`.
        digest: SHA-256 of the message.
        detail: The reason that was given.
    """

    LEVELS = AT_WARNING

    action: Literal["timekeeper.heard"] = Field(alias="event.action")
    what: Literal["lever", "revocation"]
    digest: Digest
    detail: Said


class TimekeeperUnheard(Line):
    """A statement could not be published; the next one is tried.

    Attributes:
        detail: What failed.
    """

    LEVELS = AT_WARNING

    action: Literal["timekeeper.unheard"] = Field(alias="event.action")
    detail: Said


AnyTimekeeperLine = TimekeeperStarted | TimekeeperHeard | TimekeeperUnheard
