"""What the service notes down of its schedules: strict models, for its own hash chain.

A note is written before what it says is acted upon, so that a service that was killed at any moment knows
afterwards what it had begun.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.core.results import Verdict
from orchestrator.schedule.names import WAVES_MAX, Occurrence
from protocols.ids import Digest, DrillId, Int63, Name, SiteId, Text, UtcTime
from protocols.messages.base import Part
from protocols.messages.orders import UseNumber

DRAW_KEY_MAX_CHARS = 2_048
SEED_MAX_CHARS = 2_048

Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class Hindrance(StrEnum):
    """Why an occurrence waits, or was skipped."""

    BLACKOUT = "blackout"
    DRAW_LOST = "draw_lost"
    DRILLS_AT_ONCE = "drills_at_once"
    FAILED_TO_START = "failed_to_start"
    GATE = "gate"
    HELD_OFF = "held_off"
    HELD_SPENT = "held_spent"
    MADE_UP = "made_up"
    MISSED = "missed"
    NOT_COMMITTED = "not_committed"
    OUTSIDE_WINDOW = "outside_window"
    PLAN_BUSY = "plan_busy"
    RADIUS = "radius"
    REPLANNED = "replanned"
    SITE_BUSY = "site_busy"
    SITE_DISTANCE = "site_distance"
    UNAUTHORISED = "unauthorised"
    USES_APART = "uses_apart"
    USES_SPENT = "uses_spent"


HINDRANCE_TEXT = {
    Hindrance.BLACKOUT: "it falls into a time in which no drill may go on",
    Hindrance.DRAW_LOST: "the key that its secret instant was drawn with is gone",
    Hindrance.DRILLS_AT_ONCE: "as many drills go on as may at once",
    Hindrance.FAILED_TO_START: "its drill could not be opened; it is tried again",
    Hindrance.GATE: "the wave before did not go well enough",
    Hindrance.HELD_OFF: "nothing may start now: the lever is engaged, or the service is ending",
    Hindrance.HELD_SPENT: "its warrant's total held time is spent",
    Hindrance.MADE_UP: "it was missed, and a newer one is run for it",
    Hindrance.MISSED: "nobody was there to start it in time",
    Hindrance.NOT_COMMITTED: "no seed was committed to before its window began",
    Hindrance.OUTSIDE_WINDOW: "it lies outside its warrant's window",
    Hindrance.PLAN_BUSY: "an earlier drill of the plan is not over",
    Hindrance.RADIUS: "more would be held at once than may be",
    Hindrance.REPLANNED: "its plan was changed, or is gone",
    Hindrance.SITE_BUSY: "one of its sites is in another drill",
    Hindrance.SITE_DISTANCE: "one of its sites had a drill too short a time ago",
    Hindrance.UNAUTHORISED: "its warrant is not approved, or was revoked",
    Hindrance.USES_APART: "its warrant wants more time between two uses",
    Hindrance.USES_SPENT: "every use of its warrant is spent",
}
"""What each of them means."""


class PlanAdopted(Part):
    """A plan's schedule counts from here: it is new, or another than before.

    Attributes:
        schedule: Digest of everything about its schedule.
    """

    kind: Literal["plan_adopted"] = "plan_adopted"
    plan: Name
    schedule: Digest


class PlanDropped(Part):
    """A plan is no longer there, and nothing of it is due any more."""

    kind: Literal["plan_dropped"] = "plan_dropped"
    plan: Name


class DrawKeyed(Part):
    """The key by which unannounced instants are drawn from here on.

    Attributes:
        key: The public key: DER (SubjectPublicKeyInfo) in hex. Its SHA-256 is its id.
    """

    kind: Literal["draw_keyed"] = "draw_keyed"
    key: Annotated[Hex, Field(max_length=DRAW_KEY_MAX_CHARS)]


class DrawCommitted(Part):
    """The seed of an unannounced instant is fixed, and stays secret until its window is over.

    Attributes:
        of: The occurrence; `nominal` is where its window begins.
        within_ms: How long the window is.
        warrant: The warrant that is mixed in: its nonce was the first approver's choice.
        key_id: The key that the seed comes from.
        commitment: SHA-256 of the seed.
    """

    kind: Literal["draw_committed"] = "draw_committed"
    of: Occurrence
    within_ms: Annotated[int, Field(ge=1, le=2**40)]
    warrant: Digest
    key_id: Digest
    commitment: Digest


class DrawRevealed(Part):
    """The seed of an unannounced instant whose window is over: now anyone can compute it again.

    Attributes:
        seed: The seed in hex.
        instant: The instant that follows from it.
    """

    kind: Literal["draw_revealed"] = "draw_revealed"
    of: Occurrence
    seed: Annotated[Hex, Field(max_length=SEED_MAX_CHARS)]
    instant: UtcTime


class Waiting(Part):
    """An occurrence is due and cannot start yet.

    Attributes:
        making_up: Whether it was missed before: then it waits until the next one, not for its grace.
    """

    kind: Literal["waiting"] = "waiting"
    of: Occurrence
    reason: Hindrance
    detail: Text
    making_up: bool = False


class Skipped(Part):
    """An occurrence will not run; or, of an occurrence with waves, this one and those after it."""

    kind: Literal["skipped"] = "skipped"
    of: Occurrence
    reason: Hindrance
    detail: Text


class Starting(Part):
    """A drill is about to be opened.

    If a crash follows, it was opened exactly if the journal has a drill of that warrant with that use.

    Attributes:
        warrant: Digest of the warrant.
        use: The use that it will be.
        waves: How many waves the plan has; 0 without.
        instant: The instant that it was due: later than `nominal` where it was drawn.
    """

    kind: Literal["starting"] = "starting"
    of: Occurrence
    warrant: Digest
    use: UseNumber
    waves: Annotated[int, Field(ge=0, le=WAVES_MAX)]
    instant: UtcTime


class Started(Part):
    """The drill of an occurrence was opened."""

    kind: Literal["started"] = "started"
    of: Occurrence
    drill: DrillId


class NotStarted(Part):
    """The drill that an occurrence was to be could not be opened, or was never really opened."""

    kind: Literal["not_started"] = "not_started"
    of: Occurrence
    reason: Text


class Ended(Part):
    """The drill of an occurrence came to its end.

    Attributes:
        verdicts: How many sites have which verdict: the worst of each over all steps.
        sites: The sites that it was at.
    """

    kind: Literal["ended"] = "ended"
    of: Occurrence
    drill: DrillId
    verdicts: dict[Verdict, Int63]
    sites: Annotated[tuple[SiteId, ...], Field(max_length=100_000)]


ScheduleNote = Annotated[
    PlanAdopted
    | PlanDropped
    | DrawKeyed
    | DrawCommitted
    | DrawRevealed
    | Waiting
    | Skipped
    | Starting
    | Started
    | NotStarted
    | Ended,
    Field(discriminator="kind"),
]
"""Any of them; the service's chain may hold other notes beside them."""

SCHEDULE_KINDS = (
    PlanAdopted, PlanDropped, DrawKeyed, DrawCommitted, DrawRevealed, Waiting, Skipped, Starting, Started, NotStarted,
    Ended,
)  # fmt: skip
"""The same, to tell them from other notes."""
