"""A service without drills: it does what the decider wants on a clock of its own, and may be killed at any moment."""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.core.results import Verdict
from orchestrator.schedule import notes as n
from orchestrator.schedule.deciding import decide
from orchestrator.schedule.moves import Forget, Move, Note, Resume, Settle, Skip, Start
from orchestrator.schedule.names import Occurrence
from orchestrator.schedule.radius import FleetShape, RadiusLimits
from orchestrator.schedule.series import Closures, Going, Inputs, Known, Seeds, Series, Wave
from orchestrator.schedule.spec import Misfire, Schedule
from orchestrator.schedule.state import ScheduleState
from protocols.ids import digest_of

NS = 1_000_000_000


def wave_of(name: str, sites: Sequence[str], *, end_ns: int, **changes: object) -> Wave:
    """Make a wave whose warrant covers everything, unless changed."""
    fields: dict[str, object] = {
        "name": name,
        "sites": tuple(sites),
        "longest_s": 120.0,
        "held_s": 30.0,
        "warrant": digest_of(name.encode()),
        "barred": "",
        "not_before_ns": 0,
        "not_after_ns": end_ns,
        "uses": 100_000,
        "used": 0,
        "min_between_uses_s": 0.0,
        "max_total_held_s": 1e9,
    }
    return Wave(**(fields | changes))  # type: ignore[arg-type]


def series_of(plan: str, schedule: Schedule, *waves: Wave, **changes: object) -> Series:
    """Make a series."""
    fields: dict[str, object] = {
        "plan": plan,
        "digest": digest_of(schedule.model_dump_json().encode()),
        "schedule": schedule,
        "misfire": Misfire.SKIP,
        "misfire_grace_s": 300.0,
        "waves": waves,
    }
    return Series(**(fields | changes))  # type: ignore[arg-type]


@dataclass
class Machine:
    """A service on virtual time.

    Attributes:
        now_ns: Wall time.
        series: Its plans; `used` is filled in.
        closures: Blackouts.
        lasts_s: How long each drill takes.
        chance: Where kills and verdicts come from.
        kill_each: One in so many moves is where the process is killed; 0 never kills it.
        verdicts: What a drill finds, by the name of its plan or wave.
    """

    now_ns: int
    series: list[Series]
    closures: Closures
    lasts_s: float = 60.0
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    kill_each: int = 0
    verdicts: dict[str, dict[Verdict, int]] = field(default_factory=dict)
    shape: FleetShape = field(default_factory=FleetShape)
    radius: RadiusLimits = field(default_factory=RadiusLimits)
    held_off: str = ""
    seeds: Seeds | None = None
    drills_at_once_max: int = 64
    notes: list[tuple[n.ScheduleNote, int]] = field(default_factory=list)
    state: ScheduleState = field(default_factory=ScheduleState)
    drills: dict[tuple[str, int], Known] = field(default_factory=dict)
    going: dict[str, tuple[Going, str, str]] = field(default_factory=dict)
    ends: list[tuple[int, str]] = field(default_factory=list)
    kills: int = 0

    def run_until(self, end_ns: int) -> None:
        """Live until a moment of wall time."""
        while True:
            wake_ns = self._work()
            soonest = min([at for at in (wake_ns, self.ends[0][0] if self.ends else None) if at is not None] + [end_ns])
            if soonest >= end_ns:
                self.now_ns = end_ns
                return
            self.now_ns = max(self.now_ns, soonest)
            while self.ends and self.ends[0][0] <= self.now_ns:
                self._end(heapq.heappop(self.ends)[1])

    def kill(self) -> None:
        """Lose everything but the notes and the journal, and begin anew."""
        self.kills += 1
        self.state = ScheduleState()
        for note, at_ns in self.notes:
            self.state.apply(note, at_ns)
        self.going.clear()
        self.ends.clear()

    def _inputs(self) -> Inputs:
        used: dict[str, int] = {}
        for warrant, _ in self.drills:
            used[warrant] = used.get(warrant, 0) + 1
        series = [
            one.__class__(
                **{name: getattr(one, name) for name in one.__slots__ if name != "waves"},
                waves=tuple(
                    wave.__class__(
                        **{name: getattr(wave, name) for name in wave.__slots__ if name != "used"},
                        used=used.get(wave.warrant or "", 0),
                    )
                    for wave in one.waves
                ),
            )
            for one in self.series
        ]
        return Inputs(
            now_ns=self.now_ns,
            series=series,
            state=self.state,
            going=tuple(going for going, _, _ in self.going.values()),
            known=self.drills,
            closures=self.closures,
            shape=self.shape,
            radius=self.radius,
            drills_at_once_max=self.drills_at_once_max,
            held_off=self.held_off,
            seeds=self.seeds,
        )

    def _work(self) -> int | None:
        for _ in range(100_000):
            decision = decide(self._inputs())
            if not decision.moves:
                return decision.wake_ns
            for move in decision.moves:
                if self._do(move):
                    self.kill()
                    break
        raise AssertionError("deciding has no end")

    def _dies(self) -> bool:
        return bool(self.kill_each) and self.chance.randrange(self.kill_each) == 0

    def _write(self, note: n.ScheduleNote) -> None:
        self.notes.append((note, self.now_ns))
        self.state.apply(note, self.now_ns)

    def _do(self, move: Move) -> bool:
        """Do one move; true if the process died on the way."""
        if self._dies():
            return True
        match move:
            case Note(note=note) | Skip(note=note) | Forget(note=note):
                self._write(note)
            case Start(note=note, name=name, sites=sites):
                return self._start(note, name, sites)
            case Resume(of=of, drill=drill):
                self._go(of, drill, ())
            case Settle(of=of, drill=drill):
                self._settle(of, drill)
        return self._dies()

    def _start(self, note: n.Starting, name: str, sites: tuple[str, ...]) -> bool:
        self._write(note)
        if self._dies():
            return True
        key = (note.warrant, note.use)
        assert key not in self.drills, f"use {note.use} of {name} was taken twice"
        drill = f"20260101t000000z-{name}-{len(self.drills):06x}"
        self.drills[key] = Known(drill, closed=False)
        if self._dies():
            return True
        self._write(n.Started(of=note.of, drill=drill))
        self._go(note.of, drill, sites)
        return self._dies()

    def _go(self, of: Occurrence, drill: str, sites: tuple[str, ...]) -> None:
        assert drill not in self.going
        self.going[drill] = (Going(sites, of), drill, of.plan)
        heapq.heappush(self.ends, (self.now_ns + round(self.lasts_s * NS), drill))

    def _end(self, drill: str) -> None:
        if drill not in self.going:
            return
        key = next(key for key, known in self.drills.items() if known.drill == drill)
        self.drills[key] = Known(drill, closed=True)
        if self._dies():
            self.kill()
            return
        going, _, _ = self.going[drill]
        assert going.of is not None
        self._settle(going.of, drill)
        del self.going[drill]

    def _settle(self, of: Occurrence, drill: str) -> None:
        found = self.verdicts.get(f"{of.plan}-w{of.wave}" if of.wave else of.plan, {Verdict.VERIFIED: 1})
        self._write(n.Ended(of=of, drill=drill, verdicts=found, sites=()))

    def started(self, plan: str) -> list[int]:
        """Return the nominal moments at which drills of a plan were begun, in order."""
        return [note.of.nominal_ns for note, _ in self.notes if isinstance(note, n.Started) and note.of.plan == plan]

    def skipped(self, plan: str) -> list[tuple[int, n.Hindrance]]:
        """Return the nominal moments that were skipped, and why."""
        found = [note for note, _ in self.notes if isinstance(note, n.Skipped) and note.of.plan == plan]
        return [(note.of.nominal_ns, note.reason) for note in found]
