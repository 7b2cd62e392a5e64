"""A drill's console: losing it costs nobody a drill, and no exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from orchestrator.cli.common import ExitCode, guarded, print_json
from orchestrator.cli.screen import Screen


def _broken_pipe() -> int:
    """Return the writing end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def _full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize("lost", [_broken_pipe, _full_disk])
def test_a_drill_goes_on_without_its_screen(lost: Callable[[], int]) -> None:
    """Neither `| head` nor a full disk ends the program in the middle of a hold; it falls silent."""
    with os.fdopen(lost(), "w", buffering=1) as stream:
        screen = Screen(file=stream)
        screen.print("ordered")
        screen.print("released")
        assert screen.quiet


def test_a_reader_that_went_away_does_not_make_a_failure_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """`haltdrill run --json | head` still exits 1 when the drill did not pass."""
    with os.fdopen(_broken_pipe(), "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)

        def command() -> ExitCode:
            print_json({"long": "x" * 100_000})
            return ExitCode.NOT_PASSED

        assert guarded(command) == ExitCode.NOT_PASSED


def test_a_terminal_without_dashes_shows_question_marks() -> None:
    """In a locale of ASCII, what it cannot show is no reason to end in the middle of a drill."""
    code = "from orchestrator import entry; entry._open_streams(); print('0.00\\u20130.36 s')"
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env, timeout=60)
    assert told.stdout == "0.00?0.36 s\n"
