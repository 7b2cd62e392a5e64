"""The lines of a simulated drill as they come about, each with its time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.grades import Grade, SiteStepResult
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import Standing
from protocols.ids import format_utc
from protocols.logged import Level
from tests.logs.scenario import WITNESSES


@dataclass
class Site:
    """One site, and how it goes wrong."""

    name: str
    fault: str
    enlisted: ln.Enlisted


@dataclass
class Taken:
    """Collects lines, each with its time, and results.

    Attributes:
        lines: The lines, in any order.
        results: The results as (step, site, result).
    """

    drill: str
    wall_ns: int
    chance: random.Random
    lines: list[tuple[int, ln.AnyDrillLine]] = field(default_factory=list)
    results: list[tuple[int, str, SiteStepResult]] = field(default_factory=list)

    def common(self, t_ns: int, level: Level, message: str) -> dict[str, Any]:
        """Return what every line has."""
        return {
            "timestamp": format_utc(self.wall_ns + t_ns),
            "level": level,
            "program": "orchestrator",
            "message": message,
            "drill": self.drill,
            "clock_epoch": 1,
            "offset_ns": t_ns,
        }

    def add(self, t_ns: int, line: ln.AnyDrillLine) -> None:
        """Take a line."""
        self.lines.append((t_ns, line))

    def change(self, t_ns: int, site: str, step: dict[str, Any], stands: Standing, **fields: Any) -> None:
        """Take that a site stands elsewhere."""
        level = Level.DEBUG if not stands.loud else Level.WARNING if stands is Standing.REFUSED else Level.ERROR
        given: dict[str, Any] = {"grade": Grade.SILENT, "agreeing": 0, "dissenting": 0, "unknown": len(WITNESSES)}
        line = ln.Changed(
            **self.common(t_ns, level, f"{site}: {stands.replace('_', ' ')}"),
            **step,
            action="site.changed",
            site=site,
            standing=stands,
            **given | fields,
        )
        self.add(t_ns, line)
