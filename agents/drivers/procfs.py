"""What the kernel says of processes, and signals that cannot hit a stranger.

A pid alone names a process only until it is reused; a pid with its start time names one for as long
as the machine runs. Linux 5.3 or newer (`pidfd_open`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from protocols.errors import DriverError

_PROC = Path("/proc")
_ENDED = frozenset("ZXx")
_SUSPENDED = frozenset("Tt")
_SCHEDULED = 2  # which of a process's CPU clocks: time on a CPU, by the scheduler


@dataclass(frozen=True, slots=True, order=True)
class ProcessId:
    """One process, also after its pid was reused.

    Attributes:
        start_ticks: When it started, in clock ticks since the boot.
        pid: Its number.
    """

    start_ticks: int
    pid: int


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One process at one moment.

    Attributes:
        id: Which process.
        state: The kernel's letter for its state.
        parent: Its parent's pid.
        session: The pid of the leader of its session, who may be gone.
    """

    id: ProcessId
    state: str
    parent: int
    session: int

    @property
    def alive(self) -> bool:
        """Whether it can still run: a zombie cannot."""
        return self.state not in _ENDED

    @property
    def suspended(self) -> bool:
        """Whether a stop signal holds it. A frozen cgroup does not show here."""
        return self.state in _SUSPENDED


def read_stat(pid: int) -> ProcessStat | None:
    """Return what the kernel says of `pid` now, or None when there is no such process."""
    fields = _stat_fields(pid)
    if fields is None:
        return None
    return ProcessStat(
        id=ProcessId(start_ticks=int(fields[19]), pid=pid),
        state=_live_thread_state(pid) if fields[0] in _ENDED and int(fields[17]) > 1 else fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
    )


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of a process's account from its state on, or None when there is no such process."""
    try:
        text = (_PROC / str(pid) / "stat").read_bytes().decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in parentheses and may hold anything, parentheses too.
    return text.rpartition(")")[2].split()


def _live_thread_state(pid: int) -> str:
    """Return the state of a thread that still lives, for a process whose first thread has ended."""
    state = "Z"
    with contextlib.suppress(OSError):
        for folder in (_PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                text = (folder / "stat").read_bytes().decode("utf-8", "replace")
                state = min(state, text.rpartition(")")[2].split()[0])  # R, S and T all sort before Z
    return state


def all_stats() -> dict[int, ProcessStat]:
    """Return every process there is, by pid."""
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return {stat.id.pid: stat for pid in pids if (stat := read_stat(pid)) is not None}


def is_alive(process: ProcessId) -> bool:
    """Tell whether this very process can still run."""
    stat = read_stat(process.pid)
    return stat is not None and stat.id == process and stat.alive


def command_line(pid: int) -> bytes:
    """Return the arguments of `pid`, each ended by a NUL; empty for a zombie or nobody."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def has_variable(pid: int, assignment: bytes) -> bool:
    """Tell whether `pid` was started with `NAME=value` in its environment, as far as we may know."""
    try:
        environ = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return assignment in environ.split(b"\0")


def send(process: ProcessId, number: signal.Signals) -> None:
    """Send a signal to this very process; nothing happens when it is gone.

    Raises:
        PermissionError: It belongs to somebody else.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # The descriptor is bound to whoever has the pid now: only then is the start time compared.
        if is_alive(process):
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def check_may_signal(pid: int) -> None:
    """Check that we may send signals to `pid`; one that is gone takes any.

    Raises:
        DriverError: It belongs to somebody else.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise DriverError(
            f"may not signal process {pid}", remedy="run the agent as the workload's user or as root"
        ) from error


def cpu_us(process: ProcessId) -> tuple[int, int] | None:
    """Return microseconds of CPU time of this very process, and of children it has waited for.

    The first is precise, ended threads included; the second goes by clock ticks. None when it is gone.
    """
    fields = _stat_fields(process.pid)
    if fields is None or int(fields[19]) != process.start_ticks:
        return None
    try:
        own_ns = time.clock_gettime_ns(~process.pid << 3 | _SCHEDULED)
    except OSError:
        return None  # it ended just now
    ticks = int(fields[13]) + int(fields[14])
    return own_ns // 1_000, ticks * (1_000_000 // os.sysconf("SC_CLK_TCK"))


def reap(process: ProcessId) -> None:
    """Take the exit status of this process if it is an ended child of ours, so that it vanishes."""
    stat = read_stat(process.pid)
    if stat is None or stat.id != process or stat.alive or stat.parent != os.getpid():
        return
    try:
        os.waitpid(process.pid, os.WNOHANG)
    except ChildProcessError:
        return
