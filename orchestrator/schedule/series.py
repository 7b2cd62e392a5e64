"""What the decider is given: plans with what is left of their warrants, drills, and what stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.schedule.names import Occurrence
from orchestrator.schedule.radius import FleetShape, RadiusLimits
from orchestrator.schedule.spec import Misfire, Schedule
from orchestrator.schedule.state import ScheduleState


@dataclass(frozen=True, slots=True)
class Wave:
    """One warrant's part of a plan: the whole plan, or one wave of it.

    Attributes:
        name: The plan's name, or the wave's.
        sites: Its audience.
        longest_s: How long a drill of it can take, from its start to its close.
        held_s: How long one use can hold a site.
        warrant: Digest of its warrant; none while nobody approved anything.
        barred: Why its warrant cannot be used now (not approved, revoked), in words; empty if it can.
        not_before_ns: Where the warrant's window begins, wall time.
        not_after_ns: Where it ends.
        uses: How many drills the warrant covers.
        used: How many are spent, by the journal.
        min_between_uses_s: Least time between the end of one use and the next.
        max_total_held_s: Longest time that the warrant may hold any one site.
        ended_ns: When its last use ended, if the caller knows more than the notes (a drill that a person ran).
    """

    name: str
    sites: tuple[str, ...]
    longest_s: float
    held_s: float
    warrant: str | None
    barred: str
    not_before_ns: int
    not_after_ns: int
    uses: int
    used: int
    min_between_uses_s: float
    max_total_held_s: float
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A plan that has a schedule.

    Attributes:
        plan: Its name.
        digest: Digest of everything about its schedule: with another one it counts anew.
        schedule: When it runs.
        misfire: What becomes of an occurrence that nobody was there to start.
        misfire_grace_s: How late a drill may start.
        waves: Its waves in order; just one where the plan has none.
        waved: Whether these are waves, even if there is only one.
        min_between_site_drills_s: Least time at any of its sites since any drill of the service.
        wave_verified_share: Which share of a wave's sites must be verified for the next one to begin.
    """

    plan: str
    digest: str
    schedule: Schedule
    misfire: Misfire
    misfire_grace_s: float
    waves: tuple[Wave, ...]
    waved: bool = False
    min_between_site_drills_s: float = 0.0
    wave_verified_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Going:
    """A drill that goes on in this process, whoever asked for it, from before it is opened.

    Attributes:
        sites: The sites that it is at.
        of: The occurrence that it is, if it is one.
    """

    sites: tuple[str, ...]
    of: Occurrence | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A drill of the journal.

    Attributes:
        drill: Its id.
        closed: Whether it came to its end.
        opened: Whether anything of it was ever written.
    """

    drill: str
    closed: bool
    opened: bool = True


class Closures(Protocol):
    """Spans of time in which no drill may go on."""

    def first_in(self, begin_ns: int, end_ns: int) -> Closure | None:
        """Return the closure that overlaps a span of wall time and begins first, if any does."""
        ...


@dataclass(frozen=True, slots=True)
class Closure:
    """One span of time in which no drill may go on.

    Attributes:
        begin_ns: Where it begins, wall time.
        end_ns: Where it ends; that moment is free again.
        name: What it is called.
    """

    begin_ns: int
    end_ns: int
    name: str


class Seeds(Protocol):
    """The drawing key: one seed for each statement, which nobody else can compute before it is revealed."""

    @property
    def public(self) -> bytes:
        """The public key: DER (SubjectPublicKeyInfo)."""
        ...

    def seed(self, statement: bytes) -> bytes:
        """Return the seed of a statement: always the same."""
        ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that is decided on.

    Attributes:
        now_ns: Wall time.
        series: The plans with a schedule. A plan that is not in here any more is dropped.
        state: The fold of the notes.
        going: Every drill that goes on in this process.
        known: The journal's drills, by warrant and use: those of the warrants in `series` and of `state` suffice.
        closures: Blackouts.
        shape: The fleet, for the blast radius.
        radius: How much of it may be held at once.
        drills_at_once_max: Most drills at one time.
        held_off: Why nothing may start now (a lever, draining), in words; empty if it may.
        seeds: The drawing key; none where there is none.
    """

    now_ns: int
    series: Sequence[Series]
    state: ScheduleState
    going: Sequence[Going]
    known: Mapping[tuple[str, int], Known]
    closures: Closures
    shape: FleetShape
    radius: RadiusLimits = field(default_factory=RadiusLimits)
    drills_at_once_max: int = 8
    held_off: str = ""
    seeds: Seeds | None = None
