"""What a plan says about when it runs: `schedule` and its parts, as people write them.

None of it enters the warrant. Authority is the warrant's; a schedule only chooses moments inside its window.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from orchestrator.schedule.crons import check_cron
from orchestrator.schedule.rules import check_rule, first_of_rule
from orchestrator.schedule.zones import check_zone
from protocols.messages.base import Part

DAY_S = 86_400.0

_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2})?", re.ASCII)


def _to_local(text: str) -> str:
    if _LOCAL.fullmatch(text) is None:
        raise ValueError("must be a local time without an offset, like 2026-12-01T02:30:00: timezone says where")
    try:
        return datetime.fromisoformat(text.upper()).isoformat()
    except ValueError:
        raise ValueError(f"there is no such time as {text}") from None


Cron = Annotated[str, Field(max_length=200), AfterValidator(check_cron)]
"""Five fields: minute, hour, day of month, month, day of week."""

Rule = Annotated[str, Field(max_length=500), AfterValidator(check_rule)]
"""A recurrence rule of RFC 5545 (section 3.3.10), such as `FREQ=MONTHLY;BYDAY=1TU`."""

LocalTime = Annotated[str, Field(max_length=40), AfterValidator(_to_local)]
"""A time of the day on a date, as clocks in the schedule's time zone show it."""

Zone = Annotated[str, Field(max_length=64), AfterValidator(check_zone)]
"""A time zone of the IANA database, such as `Europe/Berlin`."""

Span = Annotated[float, Field(gt=0, le=30 * DAY_S, allow_inf_nan=False)]
"""A span of at most thirty days, seconds."""


class Misfire(StrEnum):
    """What becomes of an occurrence that nobody was there to start, once its grace is over."""

    RUN_ONCE = "run_once"
    SKIP = "skip"


class Unannounced(Part):
    """The drill starts at a random instant.

    Attributes:
        within_s: How long the window is in which it lies. It begins at the occurrence.
    """

    within_s: Annotated[float, Field(ge=60, le=30 * DAY_S, allow_inf_nan=False)]


class Schedule(Part):
    """When a plan is run.

    Attributes:
        cron: A cron expression of five fields.
        rrule: A recurrence rule; `start` is its first moment.
        start: The first moment of `rrule`, local time.
        timezone: Where the times of either are read.
        unannounced: Where given, each drill starts at a random instant of a window instead.
    """

    cron: Cron | None = None
    rrule: Rule | None = None
    start: LocalTime | None = None
    timezone: Zone
    unannounced: Unannounced | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Schedule:
        if (self.cron is None) == (self.rrule is None):
            raise ValueError("give either cron or rrule, not both and not neither")
        if (self.rrule is None) != (self.start is None):
            raise ValueError("rrule and start go together: the start is the rule's first moment")
        if self.rrule is not None and self.start is not None:
            first = first_of_rule(self.rrule, self.start)
            if first is None:
                raise ValueError("rrule never happens after start")
            if first != self.start:
                raise ValueError(f"start is no moment of rrule itself; the first one after it is {first}")
        return self


class WaveSpec(Part):
    """One wave of a plan: which part of its sites, of those that no wave before has.

    Attributes:
        sites: So many sites.
        share: Such a share of all the plan's sites, rounded up.
        rest: All that are left.
    """

    sites: Annotated[int, Field(ge=1, le=100_000)] | None = None
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    rest: Literal[True] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> WaveSpec:
        if sum(given is not None for given in (self.sites, self.share, self.rest)) != 1:
            raise ValueError("give one of: sites, share, rest")
        return self

    def size(self, total: int, left: int) -> int:
        """Return how many sites it has, of a plan with `total` sites of which `left` are in no wave yet."""
        if self.sites is not None:
            return min(left, self.sites)
        return left if self.share is None else min(left, ceil(round(self.share * total, 9)))
