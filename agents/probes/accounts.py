"""Reading the kernel's accounts of processes and cgroups, for probes only.

The drivers read some of the same files with code of their own: a witness that shared it would share
its mistakes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agents.probes.counting import Task
from protocols.errors import ProbeError

_PROC = "/proc"
_US_PER_S = 1_000_000
_US_PER_TICK = _US_PER_S // os.sysconf("SC_CLK_TCK")
_CHUNK_BYTES = 1 << 16
_ENVIRON_MAX_BYTES = 1 << 22
_KTHREADD = 2


@dataclass(frozen=True, slots=True)
class Account:
    """The kernel's account of one process.

    Attributes:
        task: Which process.
        parent: Its parent's pid.
        cpu_us: Microseconds of CPU time, its own and that of children it has waited for.
        live: Whether any thread of it can still run; a zombie cannot.
    """

    task: Task
    parent: int
    cpu_us: int
    live: bool

    @property
    def is_kernel_thread(self) -> bool:
        """Whether it is the kernel's own, and so nobody's work."""
        return _KTHREADD in {self.task.pid, self.parent}


@dataclass(frozen=True, slots=True)
class GroupAccount:
    """The kernel's account of one cgroup with all below it.

    Attributes:
        inode: Identifies the cgroup as made: a later one of the same name has another.
        cpu_us: CPU time, of ended processes and removed cgroups too.
        live: Live processes.
    """

    inode: int
    cpu_us: int
    live: int


def pids() -> Iterator[int]:
    """Return every pid there is.

    Raises:
        ProbeError: There is no process file system to read.
    """
    try:
        with os.scandir(_PROC) as entries:
            yield from [int(entry.name) for entry in entries if entry.name.isdigit()]
    except OSError as error:
        raise ProbeError(f"cannot be listed: {error.strerror}", where=_PROC) from error


def account_of(pid: int) -> Account | None:
    """Return the account of `pid`, or None when there is no such process.

    CPU time is `utime + stime + cutime + cstime`: its own and that of children it has waited for.
    """
    content = _read(f"{_PROC}/{pid}/stat")
    if content is None:
        return None
    # After the name in parentheses, which may hold anything, come the state and then numbers.
    state, *numbers = content[content.rindex(b")") + 2 :].split()
    ticks = sum(int(number) for number in numbers[10:14])
    return Account(
        task=Task(pid=pid, start_ticks=int(numbers[18])),
        parent=int(numbers[0]),
        cpu_us=ticks * _US_PER_TICK,
        # A first thread that has ended looks like a zombie while others work on.
        live=state not in {b"Z", b"X", b"x"} or int(numbers[16]) > 1,
    )


def inherits(pid: int, assignment: bytes) -> bool:
    """Tell whether the environment that `pid` was started with holds `NAME=value`."""
    content = _read(f"{_PROC}/{pid}/environ", max_bytes=_ENVIRON_MAX_BYTES)
    if content:
        return assignment in content.split(b"\0")
    # Empty: a process without any, or one whose first thread has ended while others work on.
    return any(
        assignment in (_read(f"{thread}/environ", max_bytes=_ENVIRON_MAX_BYTES) or b"").split(b"\0")
        for thread in _threads(pid)
    )


def runs_as(pid: int, uid: int) -> bool:
    """Tell whether `pid` has `uid` as its real, effective or saved user."""
    content = _read(f"{_PROC}/{pid}/status")
    if content is None:
        return False
    for line in content.splitlines():
        if line.startswith(b"Uid:"):
            return uid in {int(number) for number in line.split()[1:4]}
    return False


def _threads(pid: int) -> list[str]:
    folder = f"{_PROC}/{pid}/task"
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries]
    except OSError:
        return []


def cgroup_mount() -> Path:
    """Return where cgroup v2 is mounted.

    Raises:
        ProbeError: It is not.
    """
    mounts = _read("/proc/self/mounts") or b""
    for line in mounts.decode("utf-8", "surrogateescape").splitlines():
        _, folder, kind, *_ = line.split(" ")
        if kind == "cgroup2":
            return Path(folder.replace("\\040", " "))
    raise ProbeError("cgroup v2 is not mounted on this machine", remedy="select by `environ` or `user` instead")


def group_account(folder: Path) -> GroupAccount | None:
    """Return the account of the cgroup at `folder`, or None when there is none.

    Raises:
        ProbeError: The folder is there and is no cgroup v2, or cannot be read.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProbeError(f"the cgroup cannot be read: {error.strerror}", where=str(folder)) from error
    try:
        # Everything is read through one handle, so that it is all of one cgroup, as made once.
        statistics = _read("cpu.stat", folder=handle)
        if statistics is None:
            return None
        live = _live_in(handle)
        return GroupAccount(inode=os.fstat(handle).st_ino, cpu_us=_usage_us(statistics, folder), live=live)
    finally:
        os.close(handle)


def _usage_us(statistics: bytes, folder: Path) -> int:
    for line in statistics.splitlines():
        name, _, number = line.partition(b" ")
        if name == b"usage_usec":
            return int(number)
    raise ProbeError("the cgroup does not account CPU time", where=str(folder))


def _live_in(handle: int) -> int:
    live = len((_read("cgroup.procs", folder=handle) or b"").split())
    with os.scandir(handle) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in names:
        try:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
        except FileNotFoundError:
            continue
        try:
            live += _live_in(below)
        finally:
            os.close(below)
    return live


def _read(path: str, *, folder: int | None = None, max_bytes: int = 1 << 20) -> bytes | None:
    """Return a kernel file's content, or None when its subject is gone or none of our business."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    try:
        return _read_all(descriptor, max_bytes)
    except OSError:
        return None  # it went away between opening and reading
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, max_bytes: int) -> bytes:
    content = bytearray()
    while len(content) < max_bytes and (chunk := os.read(descriptor, _CHUNK_BYTES)):
        content += chunk
    return bytes(content)
