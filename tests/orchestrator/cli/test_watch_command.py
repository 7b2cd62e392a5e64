"""`haltdrill watch` where there is no terminal, and the errors of its command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator import entry
from orchestrator.cli.watch_command import _fleet_of
from orchestrator.fleet.layout import CONFIG_NAME
from protocols.errors import ConfigError
from tests.logs import write_log
from tests.orchestrator.watch.told import lines_of

LINES = lines_of(sites=30, faults=0.1)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a drill that is over."""
    path = tmp_path / "haltdrill.log"
    write_log(path, LINES)
    return path


def run(*arguments: str) -> int:
    """Run the command."""
    try:
        return entry.main(["watch", *arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


def test_once_prints_the_state(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads in plain words what a person would see; where there is no terminal it needs no option."""
    assert run(str(log), "--once") == 0
    once = capsys.readouterr()
    assert "NOT PASSED, step 1 of 1" in once.out
    assert "CONTRADICTED" in once.out
    assert once.err == ""
    assert run(str(log)) == 0
    assert capsys.readouterr().out == once.out


def test_once_needs_no_textual(log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where only the orchestrator is installed, the present state can be read all the same."""
    monkeypatch.setitem(sys.modules, "textual", None)
    for name in [name for name in sys.modules if name.startswith("orchestrator.watch")]:
        monkeypatch.delitem(sys.modules, name)
    assert run(str(log), "--once") == 0
    assert "NOT PASSED" in capsys.readouterr().out


def test_without_the_extra_there_is_one_clear_error(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says what to install, and what works without."""
    for name in [name for name in sys.modules if name.startswith(("orchestrator.watch", "textual"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual", None)
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    assert run(str(log)) == ConfigError.exit_code
    said = capsys.readouterr().err
    assert "haltdrill[watch]" in said
    assert said.count("\n") == 1


def test_wrong_lines_are_counted_in_the_state(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged log is not taken for a whole one."""
    with log.open("a") as file:
        file.write("\x1b[2J no line\n")
    assert run(str(log), "--once") == 0
    said = capsys.readouterr().out
    assert "Note: 1 line is no line of this version" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{tmp}/none.log", "--once"), "cannot be read"),
        (("{tmp}", "--once"), "this is no file"),
        (("{tmp}",), "this is no file"),
        (("{log}", "--once", "--drill", "x"), "there is no drill 'x'"),
        (("{log}", "--once", "--drill", "x"), LINES[0].drill),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], words: str, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong, where, and what to do: never a traceback."""
    filled = [one.format(tmp=tmp_path, log=log) for one in arguments]
    assert run(*filled) == ConfigError.exit_code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_log_without_a_drill_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty log is no error: nothing has begun yet."""
    path = tmp_path / "empty.log"
    path.write_text("")
    assert run(str(path), "--once") == 0
    assert "no drill in this log yet" in capsys.readouterr().out


def test_the_fleet_is_found_by_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An abort needs the fleet: the one above the log, the one beside a demo's log, or the one that is named."""
    fleet, elsewhere = tmp_path / "out" / "fleet", tmp_path / "elsewhere"
    (fleet / "drills").mkdir(parents=True)
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(ConfigError):
        _fleet_of(fleet / "drills" / "haltdrill.log", None)
    (fleet / CONFIG_NAME).write_text("")
    assert _fleet_of(fleet / "drills" / "haltdrill.log", None) == fleet
    assert _fleet_of(tmp_path / "out" / "haltdrill.log", None) == fleet
    assert _fleet_of(tmp_path / "out" / "haltdrill.log", elsewhere) == elsewhere
