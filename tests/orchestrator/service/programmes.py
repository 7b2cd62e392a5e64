"""A programme for tests: warrants in memory, series made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.journal.base import DrillSummary
from orchestrator.schedule.radius import FleetShape
from orchestrator.schedule.series import Closure, Inputs, Series, Wave
from orchestrator.schedule.spec import Misfire, Schedule
from orchestrator.schedule.state import ScheduleState
from orchestrator.service.drilling import Beside, Means
from orchestrator.service.warrants import RunsOut
from protocols.envelope import parse_envelope
from protocols.ids import digest_of, parse_utc
from protocols.messages import Warrant
from protocols.trust import audience_of
from tests.kit import Fleet


class NoClosures:
    """No blackout at all."""

    def first_in(self, begin_ns: int, end_ns: int) -> Closure | None:
        return None


@dataclass
class PlannedWarrant:
    """A warrant with a schedule."""

    warrant: Warrant
    raw: bytes
    schedule: Schedule
    sites: tuple[str, ...]
    misfire: Misfire = Misfire.SKIP
    grace_s: float = 60.0

    @property
    def digest(self) -> str:
        return parse_envelope(self.raw).digest

    def series(self, drills: Sequence[DrillSummary]) -> Series:
        """Return it as the decider takes it."""
        held_s = sum(step.hold_s for step in self.warrant.steps)
        wave = Wave(
            name=self.warrant.plan,
            sites=self.sites,
            longest_s=held_s + 60.0,
            held_s=held_s,
            warrant=self.digest,
            barred="",
            not_before_ns=parse_utc(self.warrant.not_before),
            not_after_ns=parse_utc(self.warrant.not_after),
            uses=self.warrant.uses,
            used=sum(1 for drill in drills if drill.warrant == self.digest),
            min_between_uses_s=self.warrant.min_between_uses_s,
            max_total_held_s=self.warrant.max_total_held_s,
        )
        digest = digest_of(self.schedule.model_dump_json().encode())
        return Series(self.warrant.plan, digest, self.schedule, self.misfire, self.grace_s, (wave,))


@dataclass
class TestProgramme:
    """What a service of these tests is there to do."""

    __test__ = False

    means: Means
    plans: list[PlannedWarrant] = field(default_factory=list)
    drain_s: float = 60.0
    held_off: str = ""
    drills_at_once_max: int = 8
    reloads: int = 0
    stops: dict[str, str] = field(default_factory=dict)
    out: list[RunsOut] = field(default_factory=list)

    def inputs(self, now_ns: int, state: ScheduleState, drills: Sequence[DrillSummary]) -> Inputs:
        return Inputs(
            now_ns=now_ns,
            series=[plan.series(drills) for plan in self.plans],
            state=state,
            going=(),
            known={},
            closures=NoClosures(),
            shape=FleetShape(),
            drills_at_once_max=self.drills_at_once_max,
            held_off=self.held_off,
        )

    def warrant(self, digest: str) -> bytes | None:
        return next((plan.raw for plan in self.plans if plan.digest == digest), None)

    def stopped(self, warrant: str) -> str:
        return self.stops.get(warrant, "")

    def beside(self, name: str) -> Beside | None:
        return None

    def runs_out(self, now_ns: int, drills: Sequence[DrillSummary]) -> Sequence[RunsOut]:
        return self.out

    def reload(self) -> None:
        self.reloads += 1


def planned(fleet: Fleet, schedule: Schedule, warrant: Warrant, **changes: object) -> PlannedWarrant:
    """Approve a warrant and put a schedule on it."""
    sites = audience_of(warrant, fleet.trust().index, fleet.trust().records)
    return PlannedWarrant(warrant, fleet.approve(warrant), schedule, sites, **changes)  # type: ignore[arg-type]
