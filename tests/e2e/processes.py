"""Real `haltdrill` processes, and what a test sees of them: the kernel read with code of its own."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orchestrator.runtime.leash import Leash

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_S = 30.0
SPAN_S = 0.15
"""How long a workload is watched before it is called still: several of its turns, of 50 ms each."""

_MARKER = "HALTDRILL_E2E"
_TRACEBACK = "Traceback (most recent call last)"


def until(condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait until `condition` holds, or fail saying that `what` did not happen."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"after {limit_s:g} s: not {what}")
        time.sleep(0.02)


async def eventually(condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait like `until`, and let the event loop go on."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"after {limit_s:g} s: not {what}")
        await asyncio.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything that it printed."""
        return self.out + self.err

    def json(self) -> dict[str, Any]:
        """What it printed with `--json`."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    def expect(self, code: int) -> Self:
        """Hold it to an exit code, and to printing no traceback, whatever happened."""
        assert _TRACEBACK not in self.said, self.said[-4000:]
        assert self.code == code, f"exit code {self.code}, not {code}:\n{self.said[-4000:]}"
        return self

    def one_error(self) -> str:
        """Return its one line of error."""
        lines = [line for line in self.err.splitlines() if line.startswith(("error: ", "haltdrill: "))]
        assert len(lines) == 1, self.said[-4000:]
        return lines[0].split(": ", 1)[1]


class Running:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self._process = process
        self._out = out
        self._err = err

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def said(self) -> str:
        """Return what it printed so far."""
        return self._out.read_text(errors="replace") + self._err.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it with SIGKILL, and see it gone."""
        self._process.kill()
        self._process.wait()

    def end(self, limit_s: float = 60.0) -> Ended:
        """Wait for its end."""
        try:
            code = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {limit_s:g} s:\n{self.said()[-4000:]}") from None
        return Ended(code, self._out.read_text(errors="replace"), self._err.read_text(errors="replace"))


class Processes:
    """Starts `haltdrill` commands, each with what it starts on one leash. Leaving it kills them all.

    Args:
        folder: Where their output goes, and where they run.
        prefix: What every command is started by, such as `ip netns exec NAME`.
    """

    def __init__(self, folder: Path, prefix: Iterable[str] = ()) -> None:
        self._folder = folder
        self.prefix = tuple(prefix)
        self._leash = Leash()
        self._nonce = secrets.token_hex(8)
        self._started: list[Running] = []
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        self._leash.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leash.__exit__(exc_type, exc, traceback)
        self.end()

    def end(self) -> None:
        """Kill everything that was started; a demo's own children, too, which are on a leash of theirs."""
        for pid in self.pids():
            _kill(pid)
        for running in self._started:
            running.kill()

    def start(self, *arguments: str | Path, folder: Path | None = None, marker: str = "") -> Running:
        """Start `haltdrill` with these arguments.

        Args:
            arguments: Its arguments.
            folder: Where it runs; the folder of its output if not given.
            marker: Marks it and all that comes of it, for `pids`.
        """
        # Several threads may start some: `next` gives each a number of its own.
        name = f"{next(self._numbers):03d}-{arguments[0]}"
        out, err = self._folder / f"{name}.out", self._folder / f"{name}.err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "orchestrator.entry", *map(str, arguments)],
                cwd=folder or self._folder,
                env=self._environment(marker),
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                start_new_session=True,
            )
        running = Running(process, out, err)
        self._started.append(running)
        return running

    def run(self, *arguments: str | Path, folder: Path | None = None, limit_s: float = 60.0) -> Ended:
        """Run `haltdrill` with these arguments to its end."""
        return self.start(*arguments, folder=folder).end(limit_s)

    def _environment(self, marker: str) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HALTDRILL_")}
        ours = {_MARKER: f"{self._nonce}{marker}", "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", "NO_COLOR": "1"}
        return {**inherited, **ours, **self._leash.environment}

    def pids(self, marker: str = "") -> list[int]:
        """Return every live process that came of what was started here with that marker, stopped ones too."""
        wanted = f"{_MARKER}={self._nonce}{marker}".encode()
        return [pid for pid in _all_pids() if any(part.startswith(wanted) for part in _zeroed(pid, "environ"))]

    def worker(self, place: Path) -> int | None:
        """Return the process id of the worker whose checkpoint lies under `place`, if there is one."""
        for pid in self.pids():
            argv = _zeroed(pid, "cmdline")
            if b"agents.worker" in argv and any(part.startswith(os.fsencode(place)) for part in argv):
                return pid
        return None


@dataclass(frozen=True, slots=True)
class Glance:
    """What one look at a process saw.

    Attributes:
        state: The kernel's letter: T is stopped.
        cpu_ns: Time on a CPU so far.
    """

    state: str
    cpu_ns: int


def glance(pid: int) -> Glance | None:
    """Look at a process, or return None when it is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        cpu_ns = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except (OSError, IndexError):
        return None
    return Glance(stat.rpartition(")")[2].split()[0], cpu_ns)


def stands_still(pid: int | None, span_s: float = 2 * SPAN_S) -> bool:
    """Tell whether a process is there and uses no CPU for a while."""
    if pid is None:
        return False
    before = glance(pid)
    time.sleep(span_s)  # the span of the observation itself
    return before is not None and glance(pid) == before


def works(pid: int | None, span_s: float = SPAN_S) -> bool:
    """Tell whether a process is there and uses a CPU within a while."""
    if pid is None:
        return False
    before = glance(pid)
    deadline_s = time.monotonic() + span_s
    while before is not None and time.monotonic() < deadline_s:
        now = glance(pid)
        if now is not None and now.cpu_ns > before.cpu_ns:
            return True
        time.sleep(0.01)
    return False


async def untouched(pid: int | None, span_s: float = SPAN_S) -> None:
    """Fail unless a process works on for a while, and is never seen stopped."""
    assert pid is not None
    before = glance(pid)
    assert before is not None
    deadline_s = time.monotonic() + span_s
    while time.monotonic() < deadline_s:
        seen = glance(pid)
        assert seen is not None, "the workload is gone"
        assert seen.state not in "TtZX", "the workload was stopped"
        await asyncio.sleep(0.01)
    # The machine may be busy; what was paused would use no CPU however long one waits.
    await eventually(lambda: works(pid), "the workload's CPU time going on", 5.0)


def log_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log file so far."""
    if not path.exists():
        return []
    *whole, _torn = path.read_text().split("\n")
    return [json.loads(line) for line in whole]


def _all_pids() -> Iterable[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def _zeroed(pid: int, name: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().split(b"\0")
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
