"""Does what the schedule's decider wants done, each thing after it was noted down; and says it in the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from orchestrator.journal.base import DrillSummary, JournalStore
from orchestrator.runtime.notes import AnyNote
from orchestrator.schedule import notes as n
from orchestrator.schedule.deciding import decide
from orchestrator.schedule.moves import Forget, Move, Note, Resume, Settle, Skip, Start
from orchestrator.schedule.names import wave_name
from orchestrator.schedule.series import Inputs, Known
from orchestrator.schedule.state import ScheduleState
from orchestrator.service.jobs import Jobs, audience_in
from orchestrator.service.programme import Programme
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import plan_of_drill

ROUNDS_MAX = 10_000
"""Most decisions in a row, each of which led to something; more would be a bug."""

ENDING = "the service is ending"


@dataclass(slots=True)
class Doer:
    """The hands of the service.

    Attributes:
        programme: What there is to do.
        state: What the notes say.
        write: Writes a note down.
        jobs: The drills that go on.
        store: The journal.
    """

    programme: Programme
    state: ScheduleState
    write: Callable[[AnyNote], None]
    jobs: Jobs
    store: JournalStore

    @property
    def _log(self) -> FilteringBoundLogger:
        return self.programme.means.log

    def do(self, *, ending: bool) -> int | None:
        """Do everything that is to be done now; return when there will be more, wall time, if that is known.

        Args:
            ending: Whether nothing is to begin or to be taken up any more.

        Raises:
            JournalError: The journal cannot be read or written; what was not noted was not done.
        """
        for _ in range(ROUNDS_MAX):
            drills = self.store.drills()
            if not ending:
                self._take_up(drills)
            decision = decide(self._inputs(drills, ending=ending))
            moves = [move for move in decision.moves if not (ending and isinstance(move, Resume))]
            if not moves:
                return decision.wake_ns
            for move in moves:
                self._move(move)
        raise AssertionError("deciding about the schedules has no end")

    def _inputs(self, drills: Sequence[DrillSummary], *, ending: bool) -> Inputs:
        inputs = self.programme.inputs(self.programme.means.clock.wall_ns(), self.state, drills)
        known = {(drill.warrant, drill.use): Known(drill.drill, drill.closed, drill.opened) for drill in drills}
        going = tuple(job.going for job in self.jobs.going)
        return replace(inputs, going=going, known=known, held_off=ENDING if ending else inputs.held_off)

    def _take_up(self, drills: Sequence[DrillSummary]) -> None:
        """Take up what was left unfinished and is of no schedule: a drill that a person ran, or one of a plan gone."""
        claimed = self.jobs.drills()
        for plan in self.state.plans.values():
            for entry in plan.open.values():
                claimed |= {entry.drill} if entry.drill is not None else set()
                if entry.starting is not None:
                    start = entry.starting
                    claimed |= {one.drill for one in drills if (one.warrant, one.use) == (start.warrant, start.use)}
        starting = {job.running.warrant for job in self.jobs.going if job.drill is None}
        for one in drills:
            if not one.closed and one.drill not in claimed and one.warrant not in starting:
                self._log.warning("service.taken_up", drill=one.drill, name=one.drill)
                beside = self.programme.beside(plan_of_drill(one.drill))
                self.jobs.resume(self.programme.means, one.drill, None, audience_in(self.store, one.drill), beside)

    def _move(self, move: Move) -> None:
        match move:
            case Note(note=note):
                self.write(note)
                self._tell(note)
            case Skip(note=note):
                self.write(note)
                self._log.warning(
                    "schedule.skipped", plan=note.of.plan, name=str(note.of), reason=note.reason, detail=note.detail
                )
            case Forget(note=note):
                self.write(note)
                self._log.warning("schedule.not_started", plan=note.of.plan, name=str(note.of), detail=note.reason)
            case Start():
                self._start(move)
            case Resume(of=of, drill=drill):
                self._log.warning("service.taken_up", drill=drill, name=str(of))
                beside = self.programme.beside(wave_name(of.plan, of.wave))
                self.jobs.resume(self.programme.means, drill, of, audience_in(self.store, drill), beside)
            case Settle(of=of, drill=drill):
                self.jobs.settle(self.programme.means, of, drill)
            case _:
                assert_never(move)

    def _start(self, move: Start) -> None:
        note = move.note
        self.write(note)
        warrant = self.programme.warrant(note.warrant)
        if warrant is None:
            self.write(n.NotStarted(of=note.of, reason="its warrant was taken away at this moment"))
            return
        fields = {"plan": note.of.plan, "name": str(note.of), "warrant": note.warrant, "use": note.use}
        self._log.info("schedule.starting", sites=len(move.sites), **fields)
        self.jobs.start(self.programme.means, move, warrant, self.programme.beside(move.name))

    def _tell(self, note: AnyNote) -> None:
        match note:
            case n.Waiting(of=of, reason=reason, detail=detail):
                self._log.warning("schedule.waiting", plan=of.plan, name=str(of), reason=reason, detail=detail)
            case n.PlanAdopted(plan=plan):
                self._log.info("schedule.adopted", plan=plan)
            case n.PlanDropped(plan=plan):
                self._log.warning("schedule.dropped", plan=plan)
            case n.DrawCommitted(of=of, commitment=commitment):
                self._log.info("schedule.drawn", plan=of.plan, name=str(of), commitment=commitment)
            case n.DrawRevealed(of=of, seed=seed, instant=instant):
                self._log.info("schedule.revealed", plan=of.plan, name=str(of), seed=seed, instant=instant)
            case _:
                pass
