"""What a driver or an actuator sees of its site: the words that they and the pure reconciler share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SiteState(StrEnum):
    """The real state of the actuator, as observed now and never as remembered.

    `MIXED` is anything between two of the others.
    """

    RUNNING = "running"
    SLOWED = "slowed"
    CAPPED = "capped"
    SELECTIVE = "selective"
    PAUSED = "paused"
    ISOLATED = "isolated"
    STOPPED = "stopped"
    DARK = "dark"
    GONE = "gone"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Observation:
    """What a driver sees of its site.

    Attributes:
        state: The actuator's state.
        ours: Whether the actuator carries this driver's mark: an `apply` whose `restore` has not
            completed. It may be set while the state is still `RUNNING`, when a crash fell between
            the mark and the action; restoring is then still right, and harmless.
        detail: The same for people, in a clause.
    """

    state: SiteState
    ours: bool
    detail: str
