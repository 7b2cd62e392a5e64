"""Lines about a running drill's stop conditions: what is watched, what is unknown, and what ended the drill."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.stopping.spec import CONDITIONS_MAX, ConditionKind
from protocols.ids import DrillId, Name
from protocols.logged import AT_INFO, AT_WARNING, Line

Detail = Annotated[str, Field(max_length=1_000)]


class ConditionsWatched(Line):
    """A drill's stop conditions are watched from now on.

    Attributes:
        drill: The drill.
        conditions: Their names.
    """

    LEVELS = AT_INFO

    action: Literal["conditions.watched"] = Field(alias="event.action")
    drill: DrillId
    conditions: Annotated[tuple[Name, ...], Field(strict=False, max_length=CONDITIONS_MAX)]


class ConditionUnknown(Line):
    """Nobody can tell any more how a stop condition stands; if that lasts, it counts as a breach.

    Attributes:
        drill: The drill.
        condition: The condition's name.
        detail: Why it is unknown.
        grace_s: For how long it may be.
    """

    LEVELS = AT_WARNING

    action: Literal["condition.unknown"] = Field(alias="event.action")
    drill: DrillId
    condition: Name
    detail: Detail
    grace_s: float


class ConditionKnown(Line):
    """A stop condition is known to be fine: for the first time in the drill, or again.

    Attributes:
        drill: The drill.
        condition: The condition's name.
        detail: What was found.
    """

    LEVELS = AT_INFO

    action: Literal["condition.known"] = Field(alias="event.action")
    drill: DrillId
    condition: Name
    detail: Detail


class ConditionBreached(Line):
    """A stop condition is in breach: the drill is aborted and every site released, if it holds any.

    Attributes:
        drill: The drill.
        condition: The condition's name.
        kind: What it looks at.
        detail: What was found.
        stopping: Whether the drill is aborted; else it had nothing more to order and nothing to release.
    """

    LEVELS = AT_WARNING

    action: Literal["condition.breached"] = Field(alias="event.action")
    drill: DrillId
    condition: Name
    kind: Annotated[ConditionKind, Field(strict=False)]
    detail: Detail
    stopping: bool


AnyStoppingLine = ConditionsWatched | ConditionUnknown | ConditionKnown | ConditionBreached
