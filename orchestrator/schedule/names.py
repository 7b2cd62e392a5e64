"""How occurrences are called: the plan, the wave, and the moment that the calendar gives."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from protocols.ids import Name, UtcTime, format_utc, parse_utc
from protocols.messages.base import Part

NS_PER_S = 1_000_000_000

WAVES_MAX = 16
"""Most waves of one plan."""

WaveNumber = Annotated[int, Field(ge=0, le=WAVES_MAX)]
"""The number of a wave, from 1; 0 is a plan without waves."""


class Occurrence(Part):
    """One time that a schedule asks for a plan to be run, and the wave of it that is meant.

    Attributes:
        plan: The plan's name.
        nominal: The moment that the calendar gives; where a drill is unannounced, the beginning of its window.
        wave: Which wave of the plan; 0 where it has none.
    """

    plan: Name
    nominal: UtcTime
    wave: WaveNumber = 0

    @property
    def nominal_ns(self) -> int:
        """The moment that the calendar gives, wall time in nanoseconds."""
        return parse_utc(self.nominal)

    def __str__(self) -> str:
        """Write it as `plan@2026-12-01T02:30:00Z`, or `plan-w2@...` for its second wave."""
        return f"{wave_name(self.plan, self.wave)}@{self.nominal[:19]}Z"


def occurrence(plan: str, nominal_ns: int, wave: int = 0) -> Occurrence:
    """Return the occurrence of a plan at a moment of wall time, nanoseconds."""
    return Occurrence(plan=plan, nominal=format_utc(nominal_ns), wave=wave)


def wave_name(plan: str, wave: int) -> str:
    """Return the name of the plan that a wave is: `plan-w2`; the plan's own where there are no waves."""
    return f"{plan}-w{wave}" if wave else plan
