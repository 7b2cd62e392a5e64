"""What is on the screen, and what the keys do to it, without a terminal."""

from __future__ import annotations

import pytest

from orchestrator.logbook.standing import Standing
from orchestrator.watch.board import Board, Focus, Room
from orchestrator.watch.panels.grid import Zoom
from tests.orchestrator.watch.told import board_of, lines_of, text

ROOM = Room(40, 7)
WIDE = Room(120, 6)


def test_before_there_is_a_drill_it_says_what_it_waits_for() -> None:
    """A log that is not there yet is waited for aloud, and no panel breaks over it."""
    board = Board()
    board.waiting = "there is no such file yet, waiting for x.log"
    assert "waiting for x.log" in text(board.head(80, tall=False))
    for panel in (board.sites, board.curve, board.trouble, board.events):
        assert panel(ROOM)
    board.move(1, 1)
    assert board.enter() is None
    assert board.find("x") is None
    assert board.bottom_note() == ""


@pytest.mark.parametrize("room", [Room(0, 0), Room(1, 0), Room(0, 3), Room(3, 1)])
@pytest.mark.parametrize("sites", [1, 60, 700])
def test_a_panel_without_room_breaks_nothing(room: Room, sites: int) -> None:
    """Before a terminal has said its size, and in one that is hardly there, the view still runs."""
    board = board_of(40, sites=sites, faults=0.1)
    for focus in Focus:
        board.focus = focus
        for panel in (board.sites, board.curve, board.trouble, board.events):
            panel(room)
        board.move(1, 1)
        board.turn(1)
        board.enter()
        board.zoomed()
    board.head(room.width, tall=False)
    board.head(room.width, tall=True)
    board.legend(room.width, room.height)
    board.bar(room.width)


def test_entering_a_shared_cell_goes_nearer_and_then_opens_the_site_in_trouble() -> None:
    """From ten thousand sites to the one that lies takes two strokes of Enter."""
    board = board_of(40, sites=2_000, faults=0.01)
    board.sites(ROOM)
    drill = board.drill
    assert drill is not None
    liar = next(site for site in drill.sites.values() if site.standing is Standing.CONTRADICTED)
    assert board.find(liar.site) is liar
    assert board.enter() is None
    assert board.zoom is Zoom.SITES
    board.sites(ROOM)
    assert board.enter() == liar.site
    assert "CONTRADICTED" in text(board.detail(liar.site, 80))


def test_the_cursor_takes_the_page_with_it() -> None:
    """In a paged grid, what the cursor is on is always in sight."""
    board = board_of(40, sites=700, faults=0.0)
    board.zoom = Zoom.SITES
    first = text(board.sites(ROOM))
    assert "page 1 of" in first
    board.turn(1)
    assert "page 2 of" in text(board.sites(ROOM))
    board.turn(-1)
    assert text(board.sites(ROOM)) == first


def test_the_arrows_move_in_the_panel_in_focus() -> None:
    """Tab goes round the panels; in trouble Enter opens the chosen site, in events the lowest one's."""
    board = board_of(40, sites=600, faults=0.04)
    board.sites(ROOM)
    board.next_focus()
    assert board.focus is Focus.TROUBLE
    board.trouble(WIDE)
    first = board.enter()
    board.move(0, 1)
    assert board.enter() not in {None, first}
    assert "1 to 6 of" in text(board.trouble(WIDE))
    board.turn(1)
    assert "7 to" in text(board.trouble(WIDE))
    board.next_focus()
    board.events(WIDE)
    before = board.enter()
    board.turn(-1)
    assert "newer below" in text(board.events(WIDE))
    assert before is not None
    board.next_focus()
    assert board.focus is Focus.SITES


def test_the_newest_important_lines_are_not_buried() -> None:
    """In a large fleet thousands of debug lines come by; what is at info and above stays in the panel."""
    board = board_of(14, sites=3_000, faults=0.01)
    shown = text(board.events(WIDE))
    assert "contradicted" in shown
    board.filter("contradicted")
    assert text(board.events(WIDE)).count("contradicted") > 1
    board.filter("level:nonsense")
    assert "no level" in text(board.events(WIDE))


def test_the_note_says_what_a_person_must_know() -> None:
    """An abort's reason, and a log with wrong lines, are in sight without a key."""
    board = board_of(32, sites=20, faults=0.0, abort_at_s=30.0)
    board.note = "1 line is wrong"
    assert "aborted: the on-call engineer" in board.bottom_note()
    assert "1 line is wrong" in board.bottom_note()


def test_another_drill_of_the_log_can_be_shown() -> None:
    """Choosing a drill changes every panel, and the next one that begins doesn't take its place."""
    board = board_of(40, sites=20)
    first = board.drill
    assert first is not None
    board.view.take_all(lines_of(40, sites=7, seed=2, plan="weekly", wall_ns=1_795_800_000_000_000_000))
    assert board.drill is not first
    assert "of 7 " in text(board.head(80, tall=False))
    board.show(first.drill)
    assert "of 20 " in text(board.head(80, tall=False))


def test_what_was_computed_is_computed_again_when_a_line_comes() -> None:
    """Nothing that is kept for speed is shown after it has become wrong."""
    lines = lines_of(sites=40, faults=0.1)
    board = Board()
    board.view.take_all(lines[:100])
    board.sites(ROOM)
    calm = text(board.trouble(WIDE))
    board.view.take_all(lines[100:])
    board.sites(ROOM)
    assert text(board.trouble(WIDE)) != calm
    assert "NOT PASSED" in text(board.head(80, tall=False))
