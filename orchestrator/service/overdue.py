"""Finds the proofs that are older than a fleet allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.core.coverage import Standing
from orchestrator.core.matrix import Wanted, build_coverage
from orchestrator.coverage.sources import gather_fleet
from orchestrator.logbook.service_lines import CellOverdue
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import seconds_to_ns
from protocols.trust import FleetTrust

OLDEST_MAX = 20
AGAIN_S = 86_400.0
"""How often it is said again while nothing changes."""


def overdue_cells(trust: FleetTrust, journal: str, now_ns: int, max_age_s: float) -> list[CellOverdue]:
    """Return the pairs of site and control whose proof is older than allowed, oldest first.

    Args:
        trust: The fleet.
        journal: Where its drills are.
        now_ns: Wall time.
        max_age_s: How old a proof may be, seconds.

    Raises:
        HaltdrillError: The journal cannot be read, or is damaged.
    """
    gathered = gather_fleet(trust, journal)
    made = build_coverage(
        gathered.roster(),
        list(gathered.drills.values()),
        now_ns=now_ns,
        max_age_ns=seconds_to_ns(max_age_s),
        wanted=Wanted(),
        open_drills=len(gathered.open_drills),
        notes=(),
    )
    found = [
        CellOverdue(site=row.site, control=cell.control, age_s=round((cell.age_ns or 0) / 1e9, 3))
        for row in made.rows
        for cell in row.cells
        if cell.standing is Standing.OVERDUE
    ]
    return sorted(found, key=lambda cell: (-cell.age_s, cell.site, cell.control))


@dataclass(slots=True)
class OverdueTeller:
    """Says in the log which proofs are overdue: when that changes, and once a day.

    Attributes:
        log: Where.
    """

    log: FilteringBoundLogger
    _said: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    _said_ns: int | None = None

    def tell(self, cells: Sequence[CellOverdue], now_ns: int, max_age_s: float) -> None:
        """Say what there is to say.

        Args:
            cells: What is overdue, oldest first.
            now_ns: Wall time.
            max_age_s: How old a proof may be, seconds.
        """
        these = frozenset((cell.site, cell.control.value) for cell in cells)
        again = self._said_ns is None or now_ns - self._said_ns >= seconds_to_ns(AGAIN_S)
        new = these - self._said
        self._said = these
        if not cells or not (new or again):
            return
        self._said_ns = now_ns
        sites = len({cell.site for cell in cells})
        first = cells[0]
        words = f"{len(cells)} proofs at {sites} sites are overdue; the oldest is {first.control} at {first.site}"
        self.log.warning(
            "coverage.overdue",
            message=words,
            overdue=len(cells),
            sites=sites,
            max_age_s=max_age_s,
            oldest=[cell.model_dump(mode="json") for cell in cells[:OLDEST_MAX]],
        )
