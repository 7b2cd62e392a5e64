"""The orchestrator's lines that are no part of a drill's log: about parties before it begins, and its journal."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from protocols.ids import DrillId, Int63, Name, SiteId
from protocols.logged import AT_ERROR, AT_WARNING, Line


class PartyAbsent(Line):
    """Somebody whom the drill needs was not there when it was to begin.

    Attributes:
        site: The site.
        party: `agent`, or the name of the witness or enforcer.
    """

    LEVELS = AT_WARNING

    action: Literal["party.absent"] = Field(alias="event.action")
    site: SiteId
    party: Name


class PartyRolledBack(Line):
    """A party's disk went back in time: it has forgotten what it signed, or obeyed.

    Attributes:
        site: The site.
        party: `agent`, or the name of the witness or enforcer.
        store: The id of its store.
        had: Sequence number of the last message that it had signed when it was last seen.
        has: The same as it says now.
    """

    LEVELS = AT_ERROR

    action: Literal["party.rolled_back"] = Field(alias="event.action")
    site: SiteId
    party: Name
    store: str
    had: Int63
    has: Int63


class NeverOpened(Line):
    """A drill was registered in the journal and never began: it is closed, and its use of the warrant is spent.

    Attributes:
        drill: The drill.
    """

    LEVELS = AT_WARNING

    action: Literal["drill.never_opened"] = Field(alias="event.action")
    drill: DrillId


AnyOtherLine = PartyAbsent | PartyRolledBack | NeverOpened
