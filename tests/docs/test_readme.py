"""Every code block of the README does what it says."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.cli.finishing import step_table, step_title
from orchestrator.evidence.result import StepResult
from protocols.controls import PauseParams

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEXT = (ROOT / "README.md").read_text()
BLOCKS = [(match[1], match[2]) for match in BLOCK.finditer(TEXT)]
SHELL = [body for language, body in BLOCKS if language == "bash"]
TEXTS = [body for language, body in BLOCKS if language == "text"]
YAML = [body for language, body in BLOCKS if language == "yaml"]


def environment(folder: Path) -> dict[str, str]:
    """Put a `haltdrill` of this checkout and this interpreter on the path."""
    programs = folder / "bin"
    programs.mkdir()
    command = programs / "haltdrill"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestrator.entry "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "100"}


def run(script: str, folder: Path, env: dict[str, str], timeout_s: float) -> tuple[int, str]:
    """Run a script as a reader would paste it, and leave nothing of it behind."""
    printed, pasted = folder / "printed", folder / "pasted.sh"
    pasted.write_text(script)  # not an argument, or a block that looks for processes would find itself
    # Into a file: a pipe would stay open for as long as what it started in the background.
    with printed.open("w") as out:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", str(pasted)],
            cwd=folder,
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        finally:
            subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
            subprocess.run(["pkill", "-KILL", "-f", f"{folder}/my-fleet"], check=False)
    return code, printed.read_text()


def test_every_block_is_known() -> None:
    """A new block in the README needs a test: none is left to rot."""
    assert len(SHELL) == 8
    assert len(TEXTS) == 4
    assert len(YAML) == 1
    assert len(BLOCKS) == 13


def test_the_two_commands_exist() -> None:
    """The first block names exactly the two commands, and the Makefile has them."""
    commands = [line.split("#")[0].strip() for line in SHELL[0].splitlines()]
    assert commands == ["make drill", "make test"]
    for command in commands:
        done = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "haltdrill demo" in done.stdout or "pytest" in done.stdout


def test_the_walk_through_works(tmp_path: Path) -> None:
    """A reader who pastes the blocks one after the other gets a verified drill of their own."""
    env = environment(tmp_path)
    # Only here: the drill of the example takes its time, and the port may be taken.
    script = "\n".join(SHELL[1:]).replace("--sites 2", f"--sites 2 --port {free_port()}")
    script = script.replace("pkill -f my-fleet/", f"pkill -f {tmp_path}/my-fleet/")
    script = script.replace("=deploy/scenarios", f"={ROOT}/deploy/scenarios")
    code, printed = run(script, tmp_path, env, timeout_s=180)
    assert code == 0, printed
    assert (tmp_path / "after-action" / "report.html").exists()
    assert "PASSED: 2 of 2 verified" in printed
    assert "verified" in printed.split("Check it yourself")[1]


def test_the_keys_of_a_schedule_are_what_a_plan_takes(tmp_path: Path) -> None:
    """What the README shows of a plan that runs by itself can be pasted under a plan, and is good."""
    env = environment(tmp_path)
    script = (
        f"haltdrill init my-fleet --sites 0 --mock 40 --port {free_port()}\ncat >> my-fleet/plans/pause.yaml <<'END'\n"
    )
    script += f"{YAML[0]}END\nhaltdrill plan check my-fleet/plans/pause.yaml\n"
    code, printed = run(script, tmp_path, env, timeout_s=120)
    assert code == 0, printed
    assert "good; 1 step at 40 of 40 sites in 3 waves" in printed


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("block", TEXTS[1:], ids=["watch", "dashboard", "abort"])
def test_the_other_commands_are_commands(tmp_path: Path, block: str) -> None:
    """Each line parses: without a fleet there it says so, in one line, with exit code 2."""
    (command,) = block.strip().splitlines()
    code, printed = run(command, tmp_path, environment(tmp_path), timeout_s=60)
    assert code == 2
    assert len(printed.strip().splitlines()) == 1


def test_the_shown_result_is_what_the_demo_prints() -> None:
    """The table that the README shows has the columns of the real one."""
    step = StepResult(
        step=0,
        name="pause",
        params=PauseParams(),
        ordered=True,
        hold_ns=7_000_000_000,
        response_limit_ns=4_000_000_000,
        dwell_ns=2_000_000_000,
        restore_limit_ns=1,
        max_gap_ns=1,
        quorum=2,
        sites=(),
    )
    console = Console(width=100, file=io.StringIO())
    with console.capture() as captured:
        console.print(step_title(step))
        console.print(step_table(step))
    title, header = (line.split() for line in captured.get().strip().splitlines()[:2])
    shown = TEXTS[0].splitlines()
    assert (title, header) == (shown[0].split(), shown[1].split())
