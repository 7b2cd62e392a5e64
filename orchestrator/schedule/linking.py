"""Finds out, after a crash, what became of the drills that were being opened or went on. Pure.

`Starting` is noted before a drill is opened. It was opened exactly if the journal has a drill of that warrant
with that use; if not, nothing was said to any site, and it may start still.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.schedule import notes as n
from orchestrator.schedule.moves import Forget, Move, Note, Resume, Settle
from orchestrator.schedule.series import Inputs, Known
from orchestrator.schedule.state import OpenOccurrence, PlanState


def link(inputs: Inputs, state: PlanState) -> Iterator[Move]:
    """Yield what is to be done about a plan's drills that should go on, and that nobody runs."""
    run = {str(going.of) for going in inputs.going if going.of is not None}
    for _, entry in sorted(state.open.items()):
        if entry.live and str(entry.of) not in run:
            yield _linked(entry, _known(inputs, entry))


def _known(inputs: Inputs, entry: OpenOccurrence) -> Known | None:
    if entry.drill is not None:
        return next((known for known in inputs.known.values() if known.drill == entry.drill), None)
    start = entry.starting
    return inputs.known.get((start.warrant, start.use)) if start is not None else None


def _linked(entry: OpenOccurrence, known: Known | None) -> Move:
    if known is None:
        return Forget(n.NotStarted(of=entry.of, reason="the service ended before the drill was opened"))
    if known.closed and not known.opened:
        return Forget(
            n.NotStarted(of=entry.of, reason="the service ended while the drill was opened; its use is spent")
        )
    if entry.drill is None:
        return Note(n.Started(of=entry.of, drill=known.drill))
    return Settle(entry.of, known.drill) if known.closed else Resume(entry.of, known.drill)
