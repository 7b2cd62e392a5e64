"""The service's programme, read from a fleet's folder and a folder of plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from orchestrator.core.agenda import CLOSING_LIMIT_NS
from orchestrator.fleet.load import FleetDocuments
from orchestrator.fleet.plan_book import BookedPlan, PlanBook, read_plan_book
from orchestrator.fleet.plan_waves import PlanWave
from orchestrator.fleet.warrant_files import Unusable, WarrantFile, WarrantFiles
from orchestrator.journal.base import DrillSummary
from orchestrator.schedule.blackouts import CALENDAR_MAX_BYTES, NoBlackouts, closures_of
from orchestrator.schedule.occurrences import moments
from orchestrator.schedule.radius import FleetShape, shape_of
from orchestrator.schedule.series import Closures, Inputs, Seeds, Series, Wave
from orchestrator.schedule.state import ScheduleState
from orchestrator.service.config import ServiceConfig, load_service
from orchestrator.service.drilling import Beside, Means
from orchestrator.service.warrants import RunsOut, WarrantState, state_of, unapproved, warnings_of
from protocols.errors import HaltdrillError
from protocols.host.files import read_bytes
from protocols.ids import parse_utc, seconds_to_ns
from protocols.trust import FleetTrust, owners_for_steps

DUE_LOOKED_AT = 1_000
"""Most moments of a plan that are looked at to see what its warrant still covers."""

_SPARE_S = 10.0


class Revocations(Protocol):
    """Which warrants were revoked."""

    def revoked(self, warrant: str) -> str | None:
        """Return why a warrant was revoked; None if it was not."""
        ...


class Stops(Revocations, Protocol):
    """What was said by those who may stop drills: levers and revocations."""

    trust: FleetTrust

    def refresh(self) -> None:
        """Look whether there is anything new."""
        ...

    def stopped(self, warrant: str) -> str:
        """Return why a drill that goes on is to be ended; empty if it is not."""
        ...

    def held_off(self) -> str:
        """Return why nothing may start, in words; empty if it may."""
        ...


@dataclass(frozen=True, slots=True)
class Read:
    """What was read at one time, and goes together.

    Attributes:
        documents: The fleet.
        config: The service's own file.
        book: The plans.
        warrants: Their warrants.
        closures: Blackouts.
        shape: The fleet, for the blast radius.
    """

    documents: FleetDocuments
    config: ServiceConfig
    book: PlanBook
    warrants: WarrantFiles
    closures: Closures
    shape: FleetShape


def read_all(documents: FleetDocuments, folder: Path, now_ns: int) -> Read:
    """Read a folder of plans.

    Args:
        documents: The fleet.
        folder: The folder.
        now_ns: Wall time.

    Raises:
        ConfigError: The service's file or a calendar is wrong, or there is no such folder.
    """
    config = load_service(folder)
    return Read(
        documents,
        config,
        read_plan_book(folder, documents.trust, now_ns=now_ns, others=(config.notify,)),
        WarrantFiles(documents.trust),
        closures_in(folder, config),
        shape_of(documents.trust.records, config.radius),
    )


def closures_in(folder: Path, config: ServiceConfig | None = None) -> Closures:
    """Return the blackouts of a folder of plans.

    Args:
        folder: The folder.
        config: Its `service.yaml`; it is read if it was not.

    Raises:
        ConfigError: A file is missing or wrong.
    """
    config = config or load_service(folder)
    if not config.blackouts:
        return NoBlackouts()
    paths = [folder / name for name in config.blackouts]
    files = ((read_bytes(path, max_bytes=CALENDAR_MAX_BYTES), str(path)) for path in paths)
    return closures_of(files, config.timezone)


@dataclass(slots=True)
class FolderProgramme:
    """Plans with their warrants in a folder.

    Attributes:
        base: What drills are run with; the fleet in it is the one that was read last.
        reread: Reads everything anew.
        now: What was read last.
        stops: Levers and revocations.
        draws: Returns the drawing key; none where no plan is unannounced. Asked anew when everything is read anew.
        reloaded: Called whenever everything was read anew.
        besides: Makes what goes on beside the drills of a plan; None if nothing does.
    """

    base: Means
    reread: Callable[[], Read]
    now: Read
    stops: Stops
    draws: Callable[[Read], Seeds | None] = lambda _read: None
    besides: Callable[[BookedPlan], Beside | None] = lambda _booked: None
    reloaded: list[Callable[[], None]] = field(default_factory=list)
    seeds: Seeds | None = field(init=False)
    _told: set[tuple[Path, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.seeds = self.draws(self.now)

    @property
    def means(self) -> Means:
        """What drills are run with from now on."""
        return replace(self.base, documents=self.now.documents, presence_s=self.now.config.presence_s)

    @property
    def drain_s(self) -> float:
        """How long drills may go on once the service was told to end."""
        return self.now.config.drain_s

    def inputs(self, now_ns: int, state: ScheduleState, drills: Sequence[DrillSummary]) -> Inputs:
        """Return all that is decided on but for what goes on in this process."""
        self.stops.refresh()
        used: dict[str, int] = {}
        for drill in drills:
            used[drill.warrant] = used.get(drill.warrant, 0) + 1
        return Inputs(
            now_ns=now_ns,
            series=[self._series(booked, now_ns, used) for booked in self.now.book.scheduled],
            state=state,
            going=(),
            known={},
            closures=self.now.closures,
            shape=self.now.shape,
            radius=self.now.config.radius,
            drills_at_once_max=self.now.config.drills_at_once_max,
            held_off=self.stops.held_off(),
            seeds=self.seeds,
        )

    def _series(self, booked: BookedPlan, now_ns: int, used: dict[str, int]) -> Series:
        plan = booked.plan
        assert plan.schedule is not None  # noqa: S101 - only scheduled ones are asked for
        return Series(
            plan=plan.name,
            digest=booked.digest,
            schedule=plan.schedule,
            misfire=plan.misfire,
            misfire_grace_s=plan.misfire_grace_s,
            waves=tuple(self._wave(wave, now_ns, used) for wave in booked.waves),
            waved=bool(plan.waves),
            min_between_site_drills_s=plan.min_between_site_drills_s,
            wave_verified_share=plan.wave_verified_share,
        )

    def _wave(self, wave: PlanWave, now_ns: int, used: dict[str, int]) -> Wave:
        plan, found = wave.source.plan, self.now.warrants.look(wave, now_ns)
        if isinstance(found, WarrantFile):
            revoked = self.stops.revoked(found.digest)
            digest, barred = found.digest, found.barred or (f"it was revoked: {revoked}" if revoked is not None else "")
        else:
            digest, barred = None, found.why
            self._tell(wave, found)
        return Wave(
            name=plan.name,
            sites=wave.sites,
            longest_s=longest_s(wave, self.now.config.presence_s),
            held_s=sum(step.hold_s for step in plan.steps),
            warrant=digest,
            barred=barred,
            not_before_ns=parse_utc(plan.window.not_before),
            not_after_ns=parse_utc(plan.window.not_after),
            uses=plan.uses,
            used=used.get(digest or "", 0),
            min_between_uses_s=plan.min_between_uses_s,
            max_total_held_s=plan.max_total_held_s,
        )

    def _tell(self, wave: PlanWave, found: Unusable) -> None:
        """Say once what is wrong with a warrant that is there."""
        if not found.missing and (wave.warrant, found.why) not in self._told:
            self._told.add((wave.warrant, found.why))
            self.base.log.error("plan.wrong", file=str(wave.warrant), detail=found.why)

    def warrant(self, digest: str) -> bytes | None:
        """Return the envelope of a warrant; None if it is not there any more."""
        now_ns = self.base.clock.wall_ns()
        looked = (
            self.now.warrants.look(wave, now_ns) for booked in self.now.book.plans.values() for wave in booked.waves
        )
        return next((found.raw for found in looked if isinstance(found, WarrantFile) and found.digest == digest), None)

    def stopped(self, warrant: str) -> str:
        """Look at levers and revocations; return why a drill of a warrant is to be ended, empty if it is not."""
        self.stops.refresh()
        return self.stops.stopped(warrant)

    def beside(self, name: str) -> Beside | None:
        """Return what goes on beside the drills of a plan, or of a wave of it; None if nothing does."""
        for booked in self.now.book.plans.values():
            if any(wave.source.plan.name == name for wave in booked.waves):
                return self.besides(booked)
        return None

    def runs_out(self, now_ns: int, drills: Sequence[DrillSummary]) -> Sequence[RunsOut]:
        """Return what about the warrants of scheduled plans runs out soon, or has run out."""
        ahead_s = self.now.config.warn_ahead_s
        return [
            warning
            for booked in self.now.book.scheduled
            for state in states_of(self.now, booked, now_ns, drills, self.stops)
            for warning in warnings_of(state, now_ns=now_ns, ahead_s=ahead_s, due=due_of(booked, now_ns, ahead_s))
        ]

    def reload(self) -> None:
        """Read everything anew. What is wrong stays as it was, and that is said."""
        try:
            now = self.reread()
            self.seeds = self.draws(now)
        except HaltdrillError as error:
            self.base.log.error("service.reload_failed", detail=str(error))  # noqa: TRY400 - foreseen
            return
        self.now, self.stops.trust = now, now.documents.trust
        self._told.clear()
        for reloaded in self.reloaded:
            reloaded()
        self.base.log.info("service.reloaded", plans=len(self.now.book.plans), scheduled=len(self.now.book.scheduled))
        self.tell_wrong()

    def tell_wrong(self) -> None:
        """Say which plans are wrong."""
        for path, error in self.now.book.wrong.items():
            self.base.log.error("plan.wrong", file=str(path), detail=str(error))


def states_of(
    read: Read, booked: BookedPlan, now_ns: int, drills: Sequence[DrillSummary], stops: Revocations
) -> Iterator[WarrantState]:
    """Yield how the warrant of each wave of a plan stands."""
    policy = read.documents.trust.policy
    for wave in booked.waves:
        found = read.warrants.look(wave, now_ns)
        if isinstance(found, Unusable):
            required = owners_for_steps(policy, wave.source.plan.steps)
            yield unapproved(wave.source.plan, required, "" if found.missing else found.why)
            continue
        used = sum(1 for drill in drills if drill.warrant == found.digest)
        revoked = stops.revoked(found.digest)
        yield state_of(found.warrant, found.digest, found.approved_by, found.required, used=used, revoked=revoked)


def longest_s(wave: PlanWave, presence_s: float) -> float:
    """Return how long a drill can take from its start to its close, seconds."""
    steps = wave.source.plan.steps
    held_s = sum(2 * step.restore_limit_s + step.dwell_s + max(step.hold_s, step.reach_s) for step in steps)
    return presence_s + held_s + CLOSING_LIMIT_NS / 1e9 + _SPARE_S


def due_of(booked: BookedPlan, now_ns: int, ahead_s: float) -> list[int]:
    """Return the next moments of a plan: those within `ahead_s`, or at least the next one, wall time."""
    if booked.plan.schedule is None:
        return []
    found: list[int] = []
    end_ns = parse_utc(booked.plan.window.not_after)
    for at_ns in islice(moments(booked.plan.schedule, now_ns, end_ns), DUE_LOOKED_AT):
        found.append(at_ns)
        if at_ns > now_ns + seconds_to_ns(ahead_s):
            break
    return found
