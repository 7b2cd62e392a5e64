"""`haltdrill watch` in a real terminal: its screen at two sizes, a growing log, a live drill and its abort."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.logbook.reader import LogFile
from orchestrator.logbook.views import LogView
from tests.e2e.demos import Demo
from tests.e2e.processes import Processes, until
from tests.e2e.terminals import Terminal
from tests.logs import Growing, Scenario, simulate, write_log

LINES = simulate(Scenario(sites=60, faults=0.1))
_COLOUR = re.compile(r"\x1b\[[0-9;]*\b(?:3[0-7]|9[0-7]|38|4[0-7]|10[0-7]|48)\b[0-9;]*m")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a drill that is over, with a site of every fault."""
    path = tmp_path / "haltdrill.log"
    write_log(path, LINES)
    return path


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Commands beside the terminal."""
    with Processes(tmp_path) as started:
        yield started


def _panel(screen: str, title: str) -> list[str]:
    """Return the lines under a panel's title that reaches over the whole screen."""
    lines = screen.splitlines()
    start = next(place for place, line in enumerate(lines) if re.match(rf"[─▸] {title} ", line))
    end = next((place for place in range(start + 1, len(lines)) if re.match(r"[─▸] \w", lines[place])), len(lines) - 1)
    return [line for line in lines[start + 1 : end] if line.strip()]


def _agreed(terminal: Terminal) -> bool:
    """Answer the question before an abort with y, and tell whether that was taken."""
    terminal.press("y")
    return "Abort this drill?" not in terminal.screen


def test_a_finished_drill_at_80_by_24(log: Path, tmp_path: Path) -> None:
    """On the smallest usual terminal, all that matters is there at once, and nothing runs over the edge."""
    with Terminal(tmp_path, "watch", log) as terminal:
        screen = terminal.shows(
            "NOT PASSED", "54 of 60", "IN TROUBLE", " Trouble ", "limit 10 s", "not passed: 54", "q quit"
        )
        lines = screen.splitlines()
        assert len(lines) == 24
        assert lines[0].startswith(" NOT PASSED   step 1 of 1: pause, ladder of 3")
        assert re.match(r" 54 of 60 verified   4 IN TROUBLE +took 1:\d\d min", lines[1])
        assert set(lines[2]) == set("VL?FNBX") & set(lines[2])
        assert len(lines[2]) == 80
        trouble = _panel(screen, "Trouble")
        assert trouble[0].startswith(" X  ")
        assert "CONTRADICTED its agent reported a halt" in trouble[0]
        assert "limit 10 s" in screen
        assert "not passed: 54 of 60 verified" in _panel(screen, "Events")[-1]
        grid = [line[:39] for line in lines if re.match(r" (ap|eu|us)-\w+ ", line)]
        assert sum(len(re.findall(r"[VL?FNBX]", row.split(maxsplit=1)[1])) for row in grid) == 60


def test_a_finished_drill_at_200_by_50(log: Path, tmp_path: Path) -> None:
    """On a large screen there are large figures, every site in trouble, and the same words."""
    with Terminal(tmp_path, "watch", log, size=(200, 50)) as terminal:
        screen = terminal.shows("NOT PASSED", "use 1 of 4", "of 60 verified", "IN TROUBLE", "q quit")
        lines = screen.splitlines()
        assert len(lines) == 50
        assert "use 1 of 4" in lines[0]
        assert lines[1].lstrip().startswith("┏")
        assert len(_panel(screen, "Trouble")) == 6
        assert "Halted over time" in screen


def test_the_screen_of_a_finished_drill_is_always_the_same(log: Path, tmp_path: Path) -> None:
    """What is said of a log that no longer changes depends on nothing but the log."""
    screens = []
    for _ in range(2):
        with Terminal(tmp_path, "watch", log) as terminal:
            terminal.shows("NOT PASSED", "q quit", "not passed: 54 of 60")
            screens.append(terminal.screen)
    assert screens[0] == screens[1]


def test_the_keys_work_in_a_real_terminal(log: Path, tmp_path: Path) -> None:
    """Arrows, Enter, filter, help, replay and quit do what the bottom line says."""
    with Terminal(tmp_path, "watch", log) as terminal:
        terminal.shows("NOT PASSED", "q quit")
        terminal.press("Tab", "Enter")
        terminal.shows("CONTRADICTED", "saw it otherwise", "What happened", "Esc back")
        terminal.press("NPage")
        terminal.shows("agent says", "the verdict")
        terminal.press("Escape")
        terminal.shows("q quit")
        terminal.press("/")
        terminal.press("C-u")
        terminal.shows("and any words")
        terminal.press("-l", "site:eu-west level:error")
        terminal.press("Enter")
        events = _panel(terminal.shows("level:error site:eu-west"), "Events")
        assert all("eu-west" in line for line in events)
        terminal.press("?")
        terminal.shows("who acts there reports what witnesses see to be false")
        terminal.press("NPage")
        terminal.shows("asks once, and says what it will do")
        terminal.press("Escape")
        terminal.shows("q quit")
        terminal.press("r")
        terminal.shows("PREFLIGHT", "replay 1x")
        terminal.press("Space", "$")
        terminal.shows("NOT PASSED")
        terminal.press("[", "[")
        terminal.shows("RECOVERING", "x  14:0")
        terminal.press("q")
        until(lambda: terminal.ended, "ended")


def test_a_lying_site_turns_loud_while_the_log_grows(tmp_path: Path) -> None:
    """Started before the drill it waits; then it follows, and a lie is on top of the screen once it is in the log."""
    path = tmp_path / "haltdrill.log"
    growing = Growing(path, LINES)
    with Terminal(tmp_path, "watch", path) as terminal:
        terminal.shows("NO DRILL YET", "there is no such file yet")
        growing.until(5.9)
        screen = terminal.shows("PREFLIGHT", "60 of 60 at work", "nobody in trouble")
        assert "nothing so far" in screen
        growing.until(20)
        screen = terminal.shows("ORDERED", "CONTRADICTED")
        assert _panel(screen, "Trouble")[0].startswith(" X  ")
        assert "of 60 halted" in screen
        growing.rest()
        terminal.shows("NOT PASSED", "54 of 60 verified")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "linux"}, {"TERM": "vt100"}])
def test_without_colour_the_letters_suffice(log: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """With NO_COLOR nothing is coloured; on an old terminal it works all the same."""
    with Terminal(tmp_path, "watch", log, environment=environment) as terminal:
        screen = terminal.shows("NOT PASSED", "CONTRADICTED", "q quit")
        assert _panel(screen, "Trouble")[0].startswith(" X  ")
        if "NO_COLOR" in environment:
            assert not _COLOUR.findall(terminal.painted)


def test_ten_thousand_sites(tmp_path: Path) -> None:
    """The largest fleet is shown whole, its troubles first, and one gets from it to a single site by keys."""
    path = tmp_path / "haltdrill.log"
    write_log(path, [line for line in simulate(Scenario(sites=10_000, faults=0.01)) if line.offset_ns < 14 * 10**9])
    with Terminal(tmp_path, "watch", path) as terminal:
        screen = terminal.shows("of 10,000 halted", "IN TROUBLE", "to a letter")
        assert _panel(screen, "Trouble")[0].startswith(" X  ")
        terminal.press("z")
        terminal.shows("page 1 of 1")
        terminal.press("NPage")
        terminal.shows("page 2 of")
        terminal.press("Enter")
        terminal.shows("witnesses", "What happened", "Esc back")


def test_a_live_drill_is_watched_and_aborted(tmp_path: Path, processes: Processes) -> None:
    """Beside a real drill: it is seen to halt, `a` says how many sites restore, and `y` ends it as aborted."""
    demo = Demo.start(processes, tmp_path / "out", "--mock", "--sites", "3", "--controls", "pause")
    path = tmp_path / "out" / "haltdrill.log"
    with Terminal(tmp_path, "watch", path) as terminal:
        terminal.shows("ORDERED", "of 3 ")
        terminal.press("a")
        terminal.shows("Abort this drill?", "all 3 sites", "y abort now")
        until(lambda: _agreed(terminal), "agreed")
        terminal.shows("ABORT", "aborted: aborted from the terminal view")
        ended = demo.running.end()
        terminal.shows("ABORTED", "ended")
    assert ended.code == 1
    assert "Aborted: aborted from the terminal view" in ended.said
    view = LogView()
    for lines in LogFile(path).read_all():
        view.take_all(lines)
    assert view.newest is not None
    assert view.newest.aborted is not None
