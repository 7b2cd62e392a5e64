"""Starting a workload so that no instruction of its own runs before it is recorded and enclosed.

A launcher is started first, which only waits for a line on its standard input. Meanwhile its pid is
written down and moved into its cgroup; then the line is sent, and the launcher becomes the workload
by `exec`, with the same pid. When we die before that, its input ends, and so does the launcher.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agents.drivers import procfs
from agents.drivers.procfs import ProcessId
from agents.drivers.waiting import wait_until
from protocols.clock import Clock
from protocols.errors import DriverError

_SHELL = "/bin/sh"
_SCRIPT = 'read -r _ && cd -- "$1" && shift && exec "$@" </dev/null'
_LAUNCHER = (_SHELL, "-c", _SCRIPT, "haltdrill-launch")
_LAUNCHER_LINE = b"".join(part.encode() + b"\0" for part in _LAUNCHER)
_EXEC_LIMIT_S = 10.0
_STDERR = 2


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Attributes:
        argv: The command and its arguments; no shell reads them.
        folder: The folder to run it in.
        environment: Its whole environment.
        output: The file that takes its output, emptied at each start.
    """

    argv: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    output: Path

    def check(self) -> None:
        """Check that there is something to run.

        Raises:
            DriverError: There is no such program or folder.
        """
        if not self.folder.is_dir():
            raise DriverError("the workload's folder does not exist", where=str(self.folder))
        name = self.argv[0]
        path = str(self.folder / name) if "/" in name else name
        if shutil.which(path, path=self.environment.get("PATH")) is None:
            remedy = "set `argv` of the driver to a program that this user may run"
            raise DriverError("the workload's program cannot be found or run", where=name, remedy=remedy)


class HeldLaunch:
    """A launcher that waits. Either `release` it or `cancel` it.

    Args:
        program: What it becomes.

    Raises:
        DriverError: It could not be started.
    """

    def __init__(self, program: Program) -> None:
        program.check()
        read_end, self._write_end = os.pipe2(os.O_CLOEXEC)
        try:
            self._pid = self._spawn(program, read_end)
        except OSError as error:
            os.close(self._write_end)
            raise DriverError(f"the workload cannot be started: {error.strerror}", where=program.argv[0]) from error
        finally:
            os.close(read_end)
        self._program = program
        stat = procfs.read_stat(self._pid)
        if stat is None:
            os.close(self._write_end)
            raise DriverError("the workload's launcher vanished", where=program.argv[0])
        self.process: ProcessId = stat.id

    def release(self, clock: Clock) -> None:
        """Let the launcher become the workload, and wait until it has.

        Raises:
            DriverError: It could not run the program.
        """
        with contextlib.suppress(BrokenPipeError):
            os.write(self._write_end, b"go\n")
        os.close(self._write_end)
        wait_until(self._became_workload, limit_s=_EXEC_LIMIT_S, clock=clock)
        if procfs.command_line(self._pid).startswith(_LAUNCHER_LINE):
            raise DriverError("the workload's program did not begin to run", where=self._program.argv[0])

    def cancel(self) -> None:
        """End the launcher without running anything."""
        os.close(self._write_end)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _became_workload(self) -> bool:
        return not procfs.command_line(self._pid).startswith(_LAUNCHER_LINE)

    @staticmethod
    def _spawn(program: Program, read_end: int) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        return os.posix_spawn(
            _SHELL,
            [*_LAUNCHER, str(program.folder), *program.argv],
            dict(program.environment),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, read_end, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(program.output), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inheritable()),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}),
        )


def _inheritable() -> list[int]:
    """Return our own descriptors that a child would inherit: left open by whoever started us."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        descriptor = int(entry.name)
        with contextlib.suppress(OSError):
            if descriptor > _STDERR and os.get_inheritable(descriptor):
                found.append(descriptor)
    return found
