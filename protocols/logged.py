"""What every line of a log has, whichever program wrote it: the base of the event catalogue.

Names are those of the Elastic Common Schema 8 where it has one, and are what the line holds; the
Python names of fields are only for us. Everything else of a line is a field of its own event. What a
field means is said in the docstring of its model, from which deploy/observability/EVENTS.md is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Stamp = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{9}Z$", max_length=30)]
"""RFC 3339 UTC with nine decimals, checked only for its form: a log is read by the hundred thousand lines."""

MESSAGE_MAX_CHARS = 2_000


class Level(StrEnum):
    """How much a line matters: `warning` for what a person should see, `error` for what must not be missed."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Levels = Mapping[Level, str]
"""The levels at which an event is logged, each with when; with a single one that is empty."""

AT_DEBUG: Levels = MappingProxyType({Level.DEBUG: ""})
AT_INFO: Levels = MappingProxyType({Level.INFO: ""})
AT_WARNING: Levels = MappingProxyType({Level.WARNING: ""})
AT_ERROR: Levels = MappingProxyType({Level.ERROR: ""})


class Line(BaseModel):
    """What every line has.

    Attributes:
        timestamp: When it happened, wall time, RFC 3339 in UTC with nine decimals.
        level: How much it matters.
        program: Which of haltdrill's programs wrote it: orchestrator, agent, witness, enforcer, mocksite.
        message: The same in a sentence for people. It may change; nothing should depend on it.
        lines_lost: How many lines before this one could not be written.
    """

    LEVELS: ClassVar[Levels]

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    timestamp: Stamp = Field(alias="@timestamp")
    level: Level = Field(alias="log.level", strict=False)
    program: str = Field(alias="service.name", max_length=40)
    message: str = Field(max_length=MESSAGE_MAX_CHARS)
    lines_lost: int | None = None
