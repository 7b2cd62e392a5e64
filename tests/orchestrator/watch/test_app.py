"""The program itself, driven with Textual's pilot: keys, reading in its thread, replay, abort."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrator.logbook.standing import Standing
from orchestrator.watch import app, replaying
from orchestrator.watch.aborting import Abort
from orchestrator.watch.app import WatchApp
from orchestrator.watch.panels.figures import stamp_ns
from orchestrator.watch.panels.paint import Role
from orchestrator.watch.screens import AbortScreen, DrillsScreen, PageScreen
from orchestrator.watch.theme import Palette, style_of
from orchestrator.watch.widgets import Lines, Page
from protocols.errors import TransportError
from tests.logs import Growing, write_log
from tests.orchestrator.watch.told import lines_of, text

LIMIT_S = 20.0
LINES = lines_of(40, sites=60, faults=0.05)
NOW_NS = stamp_ns(LINES[-1].timestamp)


async def _send_nothing(drill: str, reason: str) -> tuple[str, ...]:
    raise AssertionError("nothing is to be sent")


NO_ABORT = Abort(_send_nothing, lambda: "it needs the fleet")


class Driven:
    """A program that runs without a terminal.

    Args:
        program: The program.
        pilot: Textual's pilot.
    """

    def __init__(self, program: WatchApp, pilot) -> None:
        self.app = program
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        await self._pilot.press(*keys)

    async def agree(self) -> None:
        """Answer the question before an abort with y, until it is taken."""
        await self.until(lambda: isinstance(self.app.screen, AbortScreen), "the question")
        while isinstance(self.app.screen, AbortScreen):
            await self.press("y")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds."""
        deadline_s = asyncio.get_running_loop().time() + LIMIT_S
        while not condition():
            assert asyncio.get_running_loop().time() < deadline_s, f"not {what}:\n{self.screen}"
            await self._pilot.pause(0.01)

    async def shows(self, words: str) -> None:
        """Wait until words are on the screen."""
        await self.until(lambda: words in self.screen, f"shown: {words!r}")

    async def hides(self, words: str) -> None:
        """Wait until words are not on the screen."""
        await self.until(lambda: words not in self.screen, f"gone: {words!r}")

    @property
    def screen(self) -> str:
        """All that is on the topmost screen."""
        screen = self.app.screen
        return "\n".join([text(one.lines) for one in [*screen.query(Lines), *screen.query(Page)]])


@asynccontextmanager
async def driven(path: Path, abort: Abort = NO_ABORT, *, size: tuple[int, int] = (80, 24), **options):
    """Run the program on a log."""
    program = WatchApp(path, abort, wall_ns=lambda: NOW_NS, **options)
    async with program.run_test(size=size) as pilot:
        yield Driven(program, pilot)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a drill that runs."""
    path = tmp_path / "haltdrill.log"
    write_log(path, LINES)
    return path


async def test_it_waits_for_a_log_and_follows_it(tmp_path: Path) -> None:
    """Started before the drill, it says what it waits for, and shows the drill as soon as it begins."""
    path = tmp_path / "haltdrill.log"
    async with driven(path) as it:
        await it.shows("there is no such file yet")
        growing = Growing(path, LINES)
        growing.until(5.9)
        await it.shows("60 of 60 at work")
        growing.until_loud()
        await it.shows("1 IN TROUBLE")
        growing.rest()
        await it.shows("release in 33 s")


@pytest.mark.parametrize("size", [(80, 24), (200, 50), (40, 12), (20, 6)])
async def test_it_fits_any_terminal(log: Path, size: tuple[int, int]) -> None:
    """At every size the first question is answered, and nothing breaks."""
    async with driven(log, size=size) as it:
        await it.shows("ORDERED")
        await it.press("right", "down", "tab", "z")
        assert it.app.query_one("#head").size.width == size[0]


async def test_a_log_that_begins_anew_is_shown_anew(log: Path) -> None:
    """A log that was rotated away leaves no sites of the old drill on the screen."""
    async with driven(log) as it:
        await it.shows("of 60 ")
        write_log(log.with_name("new"), lines_of(40, sites=7, seed=2, faults=0.0))
        log.with_name("new").replace(log)  # as a rotation does
        await it.shows("of 7 ")
        await it.shows("the log began anew")


@pytest.mark.made_up_events
async def test_wrong_lines_are_said(log: Path) -> None:
    """A corrupt log is shown as far as it is whole, with the number of wrong lines in sight."""
    with log.open("a") as file:
        file.write("this is no line\n{}\n")
    async with driven(log) as it:
        await it.shows("2 lines are no lines of this version")


async def test_enter_opens_a_site_and_escape_comes_back(log: Path) -> None:
    """The way to a site and back is one key each; the page follows the log."""
    async with driven(log) as it:
        await it.shows("ORDERED")
        await it.press("tab", "enter")
        await it.until(lambda: isinstance(it.app.screen, PageScreen), "a page")
        await it.shows("CONTRADICTED")
        await it.shows("agent says")
        await it.press("escape")
        await it.until(lambda: not isinstance(it.app.screen, PageScreen), "back")


async def test_a_site_is_found_by_its_name(log: Path) -> None:
    """In a large fleet nobody walks to a site with the arrows."""
    async with driven(log) as it:
        await it.shows("ORDERED")
        await it.press("s", *"us-west-03", "enter")
        await it.shows("us-west-operator")
        await it.press("escape", "s", *"nowhere", "enter")
        await it.shows("no site's name holds 'nowhere'")


async def test_a_filter_is_typed_and_letters_do_not_act_as_keys(log: Path) -> None:
    """Typing `aq` into the filter neither aborts nor quits."""
    async with driven(log) as it:
        await it.shows("ORDERED")
        await it.press("slash", " ", "a", "q", "enter")
        await it.shows("level:info aq")
        await it.shows("no such line among the newest")
        await it.press("slash", "escape", "l")
        await it.shows("level:warning")


async def test_help_tells_the_keys(log: Path) -> None:
    """One key explains the letters and the keys."""
    async with driven(log) as it:
        await it.shows("ORDERED")
        await it.press("question_mark")
        await it.shows("asks once, and says what it will do")
        await it.press("question_mark")
        await it.until(lambda: not isinstance(it.app.screen, PageScreen), "back")


async def test_a_replay_plays_pauses_and_seeks(log: Path) -> None:
    """A finished drill is gone through again: from its beginning, to its end, and back to the present."""
    async with driven(log) as it:
        await it.shows("ORDERED")
        await it.press("r")
        await it.shows("replay 1x")
        await it.press("space")
        await it.shows("paused 1x")
        await it.press("0")
        await it.shows("PREFLIGHT")
        await it.press("right_square_bracket", "plus")
        await it.shows("paused 2x  14:00:10")
        await it.press("dollar_sign", "left_square_bracket")
        await it.shows("paused 2x")
        await it.press("a")
        await it.shows("this is a replay")
        await it.press("r")
        await it.hides("paused")
        assert it.app.replay is None


async def test_started_as_a_replay_it_begins_at_the_beginning(log: Path) -> None:
    """`--replay --speed` shows the drill as it went, in a shorter time."""
    async with driven(log, replay_speed=1_000.0) as it:
        await it.shows("1000x")
        await it.until(lambda: it.app.replay is not None and it.app.replay.ended, "its end")
        await it.shows("IN TROUBLE")
        await it.press("r")
        await it.hides("1000x")


async def test_nothing_half_wound_looks_like_the_state(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a large replay is wound back, the screen keeps its picture and says so, and raises no false alarm."""
    monkeypatch.setattr(replaying, "LINES_PER_TURN", 20)
    monkeypatch.setattr(app, "WIND_S", 0.0)
    async with driven(log) as it:
        await it.shows("ORDERED")
        await it.press("r")
        await it.shows("PREFLIGHT")
        await it.press("space", "dollar_sign")
        await it.shows("winding")
        assert "PREFLIGHT" in it.screen
        assert "OVERDUE" not in it.screen
        await it.shows("ORDERED")
        await it.hides("winding")


async def test_another_drill_is_chosen(log: Path) -> None:
    """A log of many drills shows the newest, and any other that is chosen."""
    write_log(log, lines_of(40, sites=7, seed=2, plan="weekly", wall_ns=NOW_NS - 3600 * 10**9))
    async with driven(log) as it:
        await it.shows("of 7 ")
        await it.shows("d drills")
        await it.press("d")
        await it.until(lambda: isinstance(it.app.screen, DrillsScreen), "the choice")
        await it.press("down", "enter")
        await it.shows("of 60 ")


async def test_an_abort_asks_once_and_says_what_it_does(log: Path) -> None:
    """Nothing is sent until the question, which says how many sites restore, is answered with y."""
    sent: list[tuple[str, str]] = []

    async def send(drill: str, reason: str) -> tuple[str, ...]:
        sent.append((drill, reason))
        return ("Sent to every site.", "It is watched.")

    async with driven(log, Abort(send)) as it:
        await it.shows("ORDERED")
        await it.press("a")
        await it.until(lambda: isinstance(it.app.screen, AbortScreen), "the question")
        await it.shows("all 60 sites")
        assert LINES[0].drill in it.screen
        assert "cannot be taken back" in " ".join(it.screen.split())
        await it.press("enter", "x", "escape")
        await it.until(lambda: not isinstance(it.app.screen, AbortScreen), "back")
        assert sent == []
        await it.press("a", "y")
        assert sent == []  # what was typed before the question could be read is no answer to it
        await it.agree()
        await it.shows("Sent to every site. It is watched.")
        await it.press("a", "r", *"smoke in hall 2", "enter")
        await it.until(lambda: len(sent) == 2, "the second")
        assert sent == [(LINES[0].drill, "aborted from the terminal view"), (LINES[0].drill, "smoke in hall 2")]


async def test_an_abort_that_fails_is_said(log: Path) -> None:
    """A broker that is away is no silence, and no traceback: the person must know that nothing was sent."""

    async def send(drill: str, reason: str) -> tuple[str, ...]:
        raise TransportError("the broker is away", where="127.0.0.1:1883")

    async with driven(log, Abort(send)) as it:
        await it.shows("ORDERED")
        await it.press("a")
        await it.agree()
        await it.shows("the abort was not sent")
        await it.shows("the broker is away")


async def test_an_abort_that_cannot_be_is_grey_and_says_why(log: Path, tmp_path: Path) -> None:
    """Without the fleet, and after the end, no question is asked that could not be acted upon."""
    async with driven(log) as it:
        await it.shows("ORDERED")
        await it.press("a")
        await it.shows("no abort from here: it needs the fleet")
    over = tmp_path / "over.log"
    write_log(over, lines_of(sites=6))
    async with driven(over) as it:
        await it.shows("PASSED")
        await it.press("a")
        await it.shows("the drill is over")


async def test_without_colour_no_line_has_any(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is respected: letters, words and bold type suffice."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with driven(log) as it:
        await it.shows("ORDERED")
        assert it.app.palette is Palette.NONE
        await it.press("a")
        await it.press("question_mark")
        await it.shows("contradicted")
    styles = [style_of(role, reverse=reverse, palette=Palette.NONE) for role in Role for reverse in (True, False)]
    assert all(style.color is None and style.bgcolor is None for style in styles)


@pytest.mark.parametrize("palette", list(Palette))
def test_what_is_loud_stands_out_in_every_palette(palette: Palette) -> None:
    """On a terminal with few colours or none, a loud site still doesn't look like a quiet one."""
    loud, quiet = (style_of(role, reverse=True, palette=palette) for role in (Role.LOUD, Role.HALTED))
    assert loud != quiet
    assert Standing.CONTRADICTED.loud
