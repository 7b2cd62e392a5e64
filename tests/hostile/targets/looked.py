"""Ways in through what people look at: a log that anybody may have written, in every view of it."""

from __future__ import annotations

from pathlib import Path
from random import Random

from orchestrator.dashboard.detail import detail as page_detail
from orchestrator.dashboard.feed import Feed
from orchestrator.dashboard.messages import drills, framed
from orchestrator.dashboard.situation import curve
from orchestrator.logbook import lines as ln
from orchestrator.logbook.reader import LogFile
from orchestrator.logbook.views import DrillView, LogView, verdict_counts
from orchestrator.metrics.exporter import exposition
from orchestrator.metrics.source import LogSource
from orchestrator.watch.board import Board, Room
from orchestrator.watch.panels import choosing
from orchestrator.watch.panels.once import once
from orchestrator.watch.panels.paint import Line, plain
from orchestrator.watch.replaying import Replay
from protocols.errors import ConfigError, JournalError
from tests.hostile.mutation import bend_bytes, bend_lines
from tests.hostile.targets.base import Target, attempt
from tests.hostile.targets.written import folder
from tests.logs import Scenario, rendered, simulate

NOW_NS = 1_795_701_660 * 1_000_000_000
WIDTH = 80
_ROOM = Room(WIDTH, 8)


def check_log(data: bytes) -> None:
    """A log is read, in one piece or as it grows, and shown by every view; what is wrong in it is counted."""
    path = folder() / "x.log"
    path.write_bytes(data)
    lines = _read(path)
    view = LogView()
    view.take_all(lines)
    grown = LogView()
    grown.take_all(_read_growing(path, data))
    assert (grown.serial, grown.strays, list(grown.drills)) == (view.serial, view.strays, list(view.drills))
    for drill in view.drills.values():
        _ask(drill)
    _watch(lines, view)
    _browse(path)
    attempt(exposition, LogSource([path], version="1", per_site=True), allowed=ConfigError)


def _read(path: Path) -> list[ln.AnyDrillLine]:
    file = LogFile(path)
    found = [line for lines in file.read_all() for line in lines]
    assert len(file.foreign.first_wrong) < 400
    file.foreign.first_wrong.encode()
    return found


def _read_growing(path: Path, data: bytes) -> list[ln.AnyDrillLine]:
    """Read it in three pieces, as it grows."""
    file, found = LogFile(path), []
    for share in (0.3, 0.7, 1.0):
        path.write_bytes(data[: round(len(data) * share)])
        found += [line for lines in file.read_all() for line in lines]
    return found


def _ask(drill: DrillView) -> None:
    """Ask a drill for all that it tells."""
    drill.problems()
    verdict_counts(drill)
    assert sum(drill.counts.values()) == len(drill.sites)
    for number in range(len(drill.steps)):
        assert all(0 <= earliest <= latest for earliest, latest in drill.halts(number))
    attempt(drill.result, allowed=JournalError)


def _watch(lines: list[ln.AnyDrillLine], view: LogView) -> None:
    """Show it in the terminal: whole, as it was in the middle, and as plain text."""
    board = Board()
    board.view, board.now_ns = view, NOW_NS
    _show(board)
    if lines:
        replay = Replay(lines, 1000.0)
        replay.advance(0.04)
        board.view = replay.view
        _show(board)
    for drill in view.drills.values():
        _fits([choosing.row(drill)], 10_000)
        for line in once(drill, (), NOW_NS):
            assert line.isprintable(), ascii(line)


def _show(board: Board) -> None:
    for shown in (board.head(WIDTH, tall=True), board.head(WIDTH, tall=False), [board.bar(WIDTH)]):
        _fits(shown, WIDTH)
    for panel in (board.sites, board.curve, board.trouble, board.events):
        shown = panel(_ROOM)
        assert len(shown) <= _ROOM.height + 1
        _fits(shown, WIDTH)
    board.legend(WIDTH, 4)
    for site in list(board.drill.sites if board.drill is not None else ())[:3]:
        _fits(board.detail(site, WIDTH), WIDTH)


def _fits(lines: list[Line], width: int) -> None:
    """Hold lines to a width, and to signs that a terminal shows and does not obey."""
    for line in lines:
        text = plain(line)
        assert text.isprintable(), ascii(text)
        assert len(text) <= width


def _browse(path: Path) -> None:
    """Make all that the page is sent of it: JSON that a browser reads."""
    feed = Feed(path, "x")
    while feed.advance():
        pass
    framed("log", feed.log_state())
    framed("drills", drills(feed.view))
    for drill in feed.view.drills.values():
        framed("all", feed.message(drill, None))
        framed("more", feed.message(drill, max(0, feed.view.serial - 5)))
        for number in range(len(drill.steps)):
            framed("curve", curve(drill, number))
        for site in list(drill.sites.values())[:3]:
            framed("site", page_detail(drill, site))


def mutate_log(data: bytes, rng: Random) -> bytes:
    """Change one line or the order of several; now and then bytes anywhere."""
    return bend_bytes(data, rng) if rng.random() < 0.1 else bend_lines(data, rng)


def _log(**changes: object) -> bytes:
    return "".join(rendered(line) for line in simulate(Scenario(**changes))).encode()  # type: ignore[arg-type]


TARGETS = (
    Target(
        "log",
        check_log,
        lambda: [
            _log(sites=2, faults=0, rejected=1),
            _log(sites=4, faults=1, steps=2, rejected=0),
            _log(sites=9, faults=1),
            _log(sites=2, faults=0, abort_at_s=20.0),
            b"",
            b"\n",
        ],
        mutate=mutate_log,
        limit_s=5.0,
    ),
)
