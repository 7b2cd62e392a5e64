"""Views of simulated drills as far as a test wants them, and a board that shows them."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.logbook import lines as ln
from orchestrator.logbook.views import DrillView, LogView
from orchestrator.watch.board import Board
from orchestrator.watch.panels.figures import S_NS, stamp_ns
from orchestrator.watch.panels.paint import Line, plain
from tests.logs import Scenario, simulate


def lines_of(until_s: float = 1e9, **changes: object) -> list[ln.AnyDrillLine]:
    """Return the lines of a simulated drill up to a time after its beginning."""
    return [line for line in simulate(Scenario(**changes)) if line.offset_ns <= until_s * S_NS]  # type: ignore[arg-type]


def view_of(lines: Sequence[ln.AnyDrillLine]) -> LogView:
    """Return what lines say."""
    view = LogView()
    view.take_all(lines)
    return view


def drill_of(until_s: float = 1e9, **changes: object) -> DrillView:
    """Return a simulated drill as it is a time after its beginning."""
    drill = view_of(lines_of(until_s, **changes)).newest
    assert drill is not None
    return drill


def now_of(drill: DrillView) -> int:
    """Return the time of a drill's newest line."""
    assert drill.newest is not None
    return stamp_ns(drill.newest.timestamp)


def board_of(until_s: float = 1e9, **changes: object) -> Board:
    """Return a board that shows a simulated drill as it is a time after its beginning."""
    board = Board()
    board.view = view_of(lines_of(until_s, **changes))
    assert board.drill is not None
    board.now_ns = now_of(board.drill)
    return board


def text(lines: Sequence[Line]) -> str:
    """Return lines as one text."""
    return "\n".join(plain(line).rstrip() for line in lines)
