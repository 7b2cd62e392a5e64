"""What a service is there to do, as its loop sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from orchestrator.journal.base import DrillSummary
from orchestrator.schedule.series import Inputs
from orchestrator.schedule.state import ScheduleState
from orchestrator.service.drilling import Beside, Means
from orchestrator.service.warrants import RunsOut


class Programme(Protocol):
    """Plans with their warrants, and what drills are run with."""

    @property
    def means(self) -> Means:
        """What drills are run with from now on."""
        ...

    @property
    def drain_s(self) -> float:
        """How long drills may go on once the service was told to end."""
        ...

    def inputs(self, now_ns: int, state: ScheduleState, drills: Sequence[DrillSummary]) -> Inputs:
        """Return all that is decided on; `going` and `known` are filled in by the caller.

        Args:
            now_ns: Wall time.
            state: What the notes say.
            drills: The journal's drills.
        """
        ...

    def warrant(self, digest: str) -> bytes | None:
        """Return the envelope of a warrant; None if it is not there any more."""
        ...

    def stopped(self, warrant: str) -> str:
        """Look at levers and revocations; return why a drill of a warrant is to be ended, empty if it is not."""
        ...

    def beside(self, name: str) -> Beside | None:
        """Return what goes on beside the drills of a plan, or of a wave of it; None if nothing does."""
        ...

    def runs_out(self, now_ns: int, drills: Sequence[DrillSummary]) -> Sequence[RunsOut]:
        """Return what about the warrants of scheduled plans runs out soon, or has run out."""
        ...

    def reload(self) -> None:
        """Read everything anew. What is wrong stays as it was, and that is said."""
        ...
