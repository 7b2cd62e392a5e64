"""How many sites did as ordered by when: the cumulative incidence of a step, with what is not known in it.

Each site came to it between two times, so there are two curves: by the earliest that each can have, and
by the latest. A site that was never witnessed so is right-censored: it stays in the count to the end
and never makes a curve rise (Kaplan and Meier, 1958; with all censored at the end of observation, their
estimate is the plain share). A fleet is counted whole and not sampled, so there is no confidence band.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from orchestrator.core.results import SiteStepResult
from orchestrator.evidence.result import StepResult

HALF, MOST = 0.5, 0.95
"""The shares of a fleet whose times are told."""


@dataclass(frozen=True, slots=True)
class Incidence:
    """The sites of one step over time, each time in nanoseconds from the step's own order.

    Attributes:
        sites: How many there are.
        earliest: Of the sites that were witnessed as ordered, the lower bounds, sorted.
        latest: And the upper bounds, sorted.
    """

    sites: int
    earliest: tuple[int, ...]
    latest: tuple[int, ...]

    @property
    def censored(self) -> int:
        """How many sites were never witnessed as ordered."""
        return self.sites - len(self.latest)

    def proved_by(self, t_ns: int) -> int:
        """Return how many sites are proved to have been as ordered by a time."""
        return bisect_right(self.latest, t_ns)

    def at_risk(self, t_ns: int) -> int:
        """Return how many sites are not yet proved to be as ordered at a time."""
        return self.sites - self.proved_by(t_ns)

    def quantile_ns(self, share: float) -> int | None:
        """Return by when this share of all sites is proved as ordered; None if it never was."""
        wanted = max(1, -int(-share * self.sites // 1))
        return self.latest[wanted - 1] if 0 < wanted <= len(self.latest) else None


def incidence(step: StepResult) -> Incidence:
    """Return the incidence of a step."""
    times = [time for site in step.sites if (time := came_to_it_ns(site.result)) is not None]
    return Incidence(
        len(step.sites), tuple(sorted(time[0] for time in times)), tuple(sorted(time[1] for time in times))
    )


def came_to_it_ns(result: SiteStepResult) -> tuple[int, int] | None:
    """Return between which times a site came to be as ordered, from the step's own order.

    A site that climbed a ladder stands where it came to be so in all. None if it was not witnessed.
    """
    upper_ns, lower_ns = result.response_upper_ns, result.response_lower_ns or 0
    if not result.halted or upper_ns is None:
        return None
    total_ns = upper_ns if result.total_upper_ns is None else result.total_upper_ns
    return max(0, total_ns - (upper_ns - lower_ns)), total_ns
