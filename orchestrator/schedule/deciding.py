"""Decides what the service does next about its schedules. Pure: time and everything else are arguments.

Each occurrence is accounted for exactly once: begun, or skipped with a reason. Of one plan they come in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.schedule import notes as n
from orchestrator.schedule.draws import draw_moves, draw_wakes
from orchestrator.schedule.due import Contender, contenders
from orchestrator.schedule.hindrances import Block, Ledger
from orchestrator.schedule.linking import link
from orchestrator.schedule.moves import Move, Note, Skip, Start
from orchestrator.schedule.names import wave_name
from orchestrator.schedule.occurrences import next_moment
from orchestrator.schedule.series import Inputs, Series
from orchestrator.schedule.state import PlanState
from protocols.ids import format_utc


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done now.

    Attributes:
        moves: In this order. When there are any, do them, apply their notes, and decide again.
        wake_ns: When, if nothing else happens before, there may be something to do next; wall time.
    """

    moves: tuple[Move, ...]
    wake_ns: int | None


def decide(inputs: Inputs) -> Decision:
    """Decide what is to be done about the schedules.

    The same inputs give the same decision, so asking twice does no harm. After a decision without moves
    nothing changes until `wake_ns`, unless a drill ends, plans are read anew, or what was in the way goes.
    """
    return _Deciding(inputs).decide()


@dataclass(slots=True)
class _Deciding:
    """One decision in the making."""

    inputs: Inputs
    moves: list[Move] = field(default_factory=list)
    wakes: list[int] = field(default_factory=list)

    def decide(self) -> Decision:
        inputs = self.inputs
        series = {one.plan: one for one in inputs.series}
        for plan in sorted(inputs.state.plans):
            self.moves += link(inputs, inputs.state.plans[plan])
        for plan in sorted(inputs.state.plans.keys() - series.keys()):
            self._drop(inputs.state.plans[plan])
        self.moves += draw_moves(inputs)
        self.wakes += draw_wakes(inputs)
        contending: list[Contender] = []
        for plan in sorted(series):
            contending += self._plan(series[plan])
        self._start(contending)
        soonest = min((wake for wake in self.wakes if wake > inputs.now_ns), default=None)
        return Decision(tuple(self.moves), soonest)

    def _drop(self, state: PlanState) -> None:
        """Forget a plan that is gone, once nothing of it goes on."""
        if not state.live:
            self.moves += _replanned(state, "its plan is gone")
            self.moves.append(Note(n.PlanDropped(plan=state.plan)))

    def _plan(self, series: Series) -> Iterator[Contender]:
        """Skip what of a plan is to be skipped, and yield what is due."""
        inputs = self.inputs
        state = inputs.state.plans.get(series.plan)
        if state is None or state.schedule != series.digest:
            if state is None or not state.live:  # what goes on ends under the schedule that it began with
                self.moves += _replanned(state, "its plan was changed") if state else ()
                self.moves.append(Note(n.PlanAdopted(plan=series.plan, schedule=series.digest)))
            return
        upcoming = next_moment(series.schedule, inputs.now_ns + 1, series.waves[0].not_after_ns)
        self.wakes += [] if upcoming is None else [upcoming]
        for found in contenders(inputs, series, state):
            if isinstance(found, Contender):
                yield found
            elif isinstance(found, int):
                self.wakes.append(found)
            else:
                self.moves.append(Skip(found))

    def _start(self, contending: list[Contender]) -> None:
        """Start what may start, the longest due first; what cannot waits, or is skipped."""
        ledger = Ledger(self.inputs)
        busy = {plan for plan, state in self.inputs.state.plans.items() if state.live}
        for contender in sorted(contending, key=lambda one: (one.rank_ns, one.of.plan, one.of.nominal)):
            plan = contender.of.plan
            block = contender.held_back(self.inputs.now_ns) or (
                Block(n.Hindrance.PLAN_BUSY, "an earlier drill of the plan is not over") if plan in busy else None
            )
            block = block or ledger.block(contender.series, contender.wave)
            if block is None:
                ledger.take(contender.wave)
                self.moves.append(_start_of(contender))
            elif block.final:
                self.moves.append(Skip(n.Skipped(of=contender.of, reason=block.reason, detail=block.detail)))
                continue
            else:
                self._wait(contender, block)
            busy.add(plan)

    def _wait(self, contender: Contender, block: Block) -> None:
        self.wakes += [] if block.until_ns is None else [block.until_ns]
        self.wakes += [] if contender.making_up else [contender.deadline_ns + 1]
        if block.reason is n.Hindrance.FAILED_TO_START:
            return  # that it failed is noted already
        known = (contender.waiting, contender.was_making_up)
        if known != (block.reason, contender.making_up):
            self.moves.append(
                Note(
                    n.Waiting(of=contender.of, reason=block.reason, detail=block.detail, making_up=contender.making_up)
                )
            )


def _start_of(contender: Contender) -> Start:
    series, wave, of = contender.series, contender.wave, contender.of
    assert wave.warrant is not None  # noqa: S101 - the ledger lets nothing start without
    note = n.Starting(
        of=of,
        warrant=wave.warrant,
        use=wave.used + 1,
        waves=len(series.waves) if series.waved else 0,
        instant=format_utc(contender.due_ns),
    )
    return Start(note, wave_name(of.plan, of.wave), wave.sites)


def _replanned(state: PlanState, why: str) -> Iterator[Skip]:
    for _, entry in sorted(state.open.items()):
        if not entry.live:
            yield Skip(n.Skipped(of=entry.of, reason=n.Hindrance.REPLANNED, detail=why))
