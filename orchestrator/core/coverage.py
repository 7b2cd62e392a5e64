"""The coverage matrix: which site has proved which control, how fast, and how long ago.

The model that every face shows and that `--format json` writes; `orchestrator.core.matrix` computes it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.core.grades import Cause, Verdict
from protocols.controls import Control
from protocols.ids import Digest, DrillId, Int63, Name, Owner, SiteId, Text, UtcTime
from protocols.messages import Attribute
from protocols.messages.base import Part
from protocols.messages.orders import RungNumber, StepNumber

SAID_MAX_CHARS = 1_000

_FAULTS = {Verdict.REFUSED, Verdict.NOT_RESTORED, Verdict.BROKEN, Verdict.CONTRADICTED}


class Standing(StrEnum):
    """What a cell needs, if anything."""

    FRESH = "fresh"
    OVERDUE = "overdue"
    FAILING = "failing"
    NEVER = "never"
    UNSUPPORTED = "unsupported"

    @property
    def calls(self) -> bool:
        """Whether somebody has to do something about it."""
        return self in {Standing.OVERDUE, Standing.FAILING, Standing.NEVER}


class Trend(StrEnum):
    """How an exercise went against the one before, of the same control at the same site."""

    FIRST = "first"
    SAME = "same"
    FASTER = "faster"
    SLOWER = "slower"
    BETTER = "better"
    WORSE = "worse"


class Exercise(Part):
    """One control, exercised once at one site.

    Attributes:
        title: The title of the plan.
        at_ns: When it was ordered, wall time; of an exercise that never was, when its drill was opened.
        aborted: Whether its drill was aborted.
        said: The verdict as a sentence, with its reason.
        response_limit_ns: The limit that its response time was judged against: its own rung's.
        phase: Of a decommission: only armed, or fired.
        climbed: Whether the site went on to a harsher rung, because this one did not do.
    """

    control: Control
    drill: DrillId
    plan: Name
    title: Text
    step: StepNumber
    step_name: Name
    rung: RungNumber
    at_ns: Int63
    aborted: bool
    verdict: Verdict
    cause: Cause | None
    said: Annotated[str, Field(max_length=SAID_MAX_CHARS)]
    response_lower_ns: Int63 | None
    response_upper_ns: Int63 | None
    response_limit_ns: Int63
    phase: Literal["arm", "fire"] | None = None
    climbed: bool = False

    @property
    def counts(self) -> bool:
        """Whether it says anything of the control: an aborted drill and an order never given do not."""
        undone = self.verdict is Verdict.UNPROVEN and self.cause in {Cause.ABORTED, Cause.NOT_ORDERED}
        return not self.aborted and not undone

    @property
    def fault(self) -> bool:
        """Whether it proved the site at fault, which holds also if the drill was aborted."""
        return self.verdict in _FAULTS

    @property
    def order(self) -> tuple[int, str, int, int]:
        """What sorts exercises by time."""
        return self.at_ns, self.drill, self.step, self.rung


class Cell(Part):
    """One control at one site.

    Attributes:
        last: The newest exercise that counts.
        trend: How that went against the one before; null when there is none.
        age_ns: How long ago that was.
        overdue: Whether that is longer ago than is allowed, whatever its verdict.
        exercises: How many count.
        undone: The newest that does not count, if it came after `last`.
    """

    control: Control
    standing: Standing
    last: Exercise | None = None
    trend: Trend | None = None
    age_ns: Int63 | None = None
    overdue: bool = False
    exercises: Int63 = 0
    undone: Exercise | None = None

    @property
    def blamed(self) -> Exercise | None:
        """The exercise for which the cell is failing."""
        if self.standing is not Standing.FAILING:
            return None
        return self.undone if self.undone is not None and self.undone.fault else self.last


class SiteRow(Part):
    """One site with its cells, in the matrix's order of controls; filters leave some out."""

    fleet: Digest
    site: SiteId
    owner: Owner
    mock: bool
    attributes: tuple[Attribute, ...]
    cells: tuple[Cell, ...]

    def cell(self, control: Control) -> Cell | None:
        """Return the cell of a control, or None if a filter left it out."""
        return next((cell for cell in self.cells if cell.control is control), None)


class StandingCount(Part):
    """How many cells stand so."""

    standing: Standing
    count: Int63


class Coverage(Part):
    """The matrix.

    Attributes:
        as_of: The time that ages are counted to.
        max_age_ns: The age over which a proof is overdue.
        demo: Whether a fleet in it has all its keys from one place.
        drills: Drills that came to their end, of which `aborted` were aborted.
        open: Drills that did not come to their end yet; they are not counted.
        notes: What the reader should know of how it was computed.
    """

    type: Literal["coverage"] = "coverage"
    v: Literal[1] = 1
    as_of: UtcTime
    max_age_ns: Int63
    demo: bool
    drills: Int63
    aborted: Int63
    open: Int63
    controls: tuple[Control, ...]
    rows: tuple[SiteRow, ...]
    totals: tuple[StandingCount, ...]
    notes: tuple[str, ...] = ()

    def total(self, standing: Standing) -> int:
        """Return how many cells stand so."""
        return next((entry.count for entry in self.totals if entry.standing is standing), 0)

    @property
    def complete(self) -> bool:
        """Whether nothing in it is never done, overdue or failing."""
        return not any(entry.count for entry in self.totals if entry.standing.calls)
