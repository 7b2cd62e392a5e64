"""Commands: their status is the answer; what hangs, forks or floods is killed with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

import pytest

from orchestrator.stopping.commands import environment, exit_status
from orchestrator.stopping.fetching import UnansweredError

SH = "/bin/sh"


async def status(*argv: str, timeout_s: float = 10.0, drill: str = "d") -> int:
    """Run a command to its end."""
    return await exit_status(argv, timeout_s=timeout_s, env=environment(drill))


def alive(pid: int) -> bool:
    """Tell whether a process still runs, by the kernel."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


async def gone(pid: int) -> bool:
    """Wait until a process is gone."""
    for _ in range(200):
        if not alive(pid):
            return True
        await asyncio.sleep(0.02)
    return False


async def number_in(path: Path) -> int:
    """Wait for a file with a number in it."""
    for _ in range(500):
        if (number := _number(path)) is not None:
            return number
        await asyncio.sleep(0.02)
    raise AssertionError(f"no number in {path}")


def _number(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def open_files() -> int:
    """Return how many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_the_status_is_returned_and_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    """Arguments reach the program as they are; a signal that ends it is a negative status."""
    assert await status(SH, "-c", "exit 7") == 7
    assert await status(SH, "-c", "kill -TERM $$") == -signal.SIGTERM
    seen = tmp_path / "seen"
    script = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    assert await status(sys.executable, "-c", script, str(seen), "$(id); *") == 0
    assert seen.read_text() == "$(id); *"


async def test_a_command_finds_no_secrets_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little of the orchestrator's environment is handed on, and the drill's id is."""
    monkeypatch.setenv("PGPASSWORD", "secret")
    seen = tmp_path / "seen"
    assert await status(SH, "-c", f"env > {seen}", drill="20261124t140501z-x-3fa9c1") == 0
    text = seen.read_text()
    assert "PGPASSWORD" not in text
    assert "HALTDRILL_DRILL=20261124t140501z-x-3fa9c1" in text


@pytest.mark.parametrize(
    ("program", "why"), [("absent", "No such file"), ("text", "denied"), (".", "denied"), ("empty", "Exec format")]
)
async def test_what_cannot_be_run_is_said(tmp_path: Path, program: str, why: str) -> None:
    """A program that is not there or is none gives no status, and the sentence says why."""
    (tmp_path / "text").touch(0o644)
    (tmp_path / "empty").write_bytes(b"\x00")
    (tmp_path / "empty").chmod(0o755)
    with pytest.raises(UnansweredError, match=why):
        await status(str(tmp_path / program))


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """At its deadline everything of its session is killed, also what ignores every other signal."""
    child = tmp_path / "child"
    script = f"trap '' TERM INT HUP; sleep 600 & echo $! > {child}; wait"
    began_s = time.monotonic()
    with pytest.raises(UnansweredError, match=r"within 0\.5 s, and was killed"):
        await status(SH, "-c", script, timeout_s=0.5)
    assert time.monotonic() - began_s < 5.0
    assert await gone(await number_in(child))


async def test_what_a_command_leaves_behind_is_killed_too(tmp_path: Path) -> None:
    """A command that ends and leaves a process behind does not pile them up, one for each time that it is asked."""
    child = tmp_path / "child"
    assert await status(SH, "-c", f"sleep 600 & echo $! > {child}; exit 0") == 0
    assert await gone(await number_in(child))


async def test_a_command_is_killed_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    """At the end of a drill the command that is just running ends as well."""
    own = tmp_path / "own"
    task = asyncio.create_task(status(SH, "-c", f"echo $$ > {own}; sleep 600"))
    pid = await number_in(own)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(pid)


async def test_a_flood_of_output_goes_nowhere() -> None:
    """A command that prints for ever costs no memory and fills no pipe: it ends by its deadline like any other."""
    before = open_files()
    with pytest.raises(UnansweredError, match="was killed"):
        await status(SH, "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", timeout_s=0.3)
    assert open_files() <= before + 1
