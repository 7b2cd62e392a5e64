"""A workload held together by a cgroup v2 of its own: no fork and no `setsid` leaves it.

Only a process that may write to other cgroups (root, or the owner of a delegated subtree) can move
itself out. Freezing needs Linux 5.2, `cgroup.kill` Linux 5.14; before that, killing goes one by one.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
from pathlib import Path

from agents.acting import SiteState
from agents.drivers import procfs
from protocols.errors import DriverError

_MOUNTINFO = Path("/proc/self/mountinfo")
_OWN_CGROUP = Path("/proc/self/cgroup")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def find_mount(mountinfo: str) -> Path | None:
    """Return where cgroup v2 is mounted, also beside v1 on a hybrid host, or None.

    Args:
        mountinfo: The text of `/proc/self/mountinfo`.
    """
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ", 1)[0] == "cgroup2":
            return Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4]))
    return None


def own_folder(mount: Path, membership: str) -> Path:
    """Return the folder of our own cgroup.

    Args:
        mount: Where cgroup v2 is mounted.
        membership: The text of `/proc/self/cgroup`.
    """
    for line in membership.splitlines():
        if line.startswith("0::/"):
            return mount / line.removeprefix("0::/")
    return mount


def make(name: str) -> CgroupEnclosure | None:
    """Make a cgroup below our own, or else below the mount's root.

    Args:
        name: The start of its name; random digits are added.

    Returns:
        The new, empty cgroup, or None where none can be made that freezes.
    """
    mount = find_mount(_MOUNTINFO.read_text(encoding="utf-8"))
    if mount is None:
        return None
    full_name = f"{name}-{secrets.token_hex(4)}"
    for parent in dict.fromkeys((own_folder(mount, _OWN_CGROUP.read_text(encoding="utf-8")), mount)):
        folder = parent / full_name
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / "cgroup.freeze").exists() and os.access(folder / "cgroup.procs", os.W_OK):
            return CgroupEnclosure(folder)
        folder.rmdir()
    return None


class CgroupEnclosure:
    """One cgroup v2 and all that is in it, nested cgroups included.

    Args:
        folder: Its folder; it may be gone already, and then it is empty.
    """

    means = "cgroup"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def admit(self, pid: int) -> None:
        """Move a process in.

        Raises:
            OSError: The kernel does not let us.
        """
        (self.folder / "cgroup.procs").write_text(f"{pid}\n", encoding="ascii")

    def state(self) -> SiteState:
        """Return what the live processes do now, by the kernel's account."""
        events = self._events()
        if not events.get("populated"):
            return SiteState.STOPPED
        if events.get("frozen"):
            return SiteState.PAUSED
        return SiteState.MIXED if self._read("cgroup.freeze").strip() == "1" else SiteState.RUNNING

    def count(self) -> int:
        """Return how many live processes are in the cgroup."""
        return len(self._pids())

    def cpu_us(self) -> int:
        """Return the CPU time of all that ever ran in it, by the kernel's account."""
        for line in self._read("cpu.stat").splitlines():
            name, _, value = line.partition(" ")
            if name == "usage_usec":
                return int(value)
        return 0

    def check_permissions(self) -> str:
        """Open the files that freeze and move, and send signal 0 to every process."""
        for name in ("cgroup.freeze", "cgroup.procs"):
            try:
                os.close(os.open(self.folder / name, os.O_WRONLY | os.O_CLOEXEC))
            except OSError as error:
                raise DriverError(f"{name} cannot be opened: {error.strerror}", where=str(self.folder)) from error
        pids = self._pids()
        for pid in pids:
            procfs.check_may_signal(pid)
        return f"may freeze its cgroup and signal its {len(pids)} processes"

    def quota(self) -> str | None:
        """Return what `cpu.max` holds; None without the cpu controller of cgroup v2."""
        return self._read("cpu.max").strip() or None

    def set_quota(self, text: str) -> None:
        """Write `cpu.max`."""
        self._write("cpu.max", text)

    def suspend(self) -> None:
        """Ask the kernel to freeze the cgroup."""
        self._write("cgroup.freeze", "1")

    def resume(self) -> None:
        """Ask the kernel to thaw the cgroup."""
        self._write("cgroup.freeze", "0")

    def ask_to_stop(self) -> None:
        """Send SIGTERM to every process, then thaw: a frozen one cannot obey."""
        self._signal(signal.SIGTERM)
        self.resume()

    def kill(self) -> None:
        """Kill every process at once, and then one by one. A frozen one dies frozen.

        Old kernels have no `cgroup.kill`, and new ones do not reach a process by it whose first
        thread has ended.
        """
        self._write("cgroup.kill", "1")
        self._signal(signal.SIGKILL)

    def discard(self) -> None:
        """Remove the folder and those that the workload made in it."""
        for folder in reversed(self._folders()):
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise DriverError("an empty cgroup cannot be removed", where=str(folder)) from error

    def _folders(self) -> list[Path]:
        """Return the cgroup and all below it, parents first."""
        return [Path(path) for path, _, _ in os.walk(self.folder)]

    def _pids(self) -> list[int]:
        found: list[int] = []
        for folder in self._folders():
            try:
                found.extend(map(int, (folder / "cgroup.procs").read_text(encoding="ascii").split()))
            except OSError:
                continue  # just removed, or a threaded one, whose processes stand in its parent
        return found

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            stat = procfs.read_stat(pid)
            if stat is None:
                continue
            try:
                procfs.send(stat.id, number)
            except PermissionError as error:
                raise DriverError(f"may not send {number.name} to process {pid}", where=str(self.folder)) from error

    def _events(self) -> dict[str, bool]:
        pairs = (line.split() for line in self._read("cgroup.events").splitlines())
        return {name: value != "0" for name, value in pairs}

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="ascii")
        except FileNotFoundError:
            return ""
        except OSError as error:
            if not self.folder.exists():
                return ""
            raise DriverError(f"{name} cannot be read", where=str(self.folder)) from error

    def _write(self, name: str, text: str) -> None:
        try:
            # Never create: where the folder is no cgroup, a new ordinary file would obey nobody.
            descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            raise DriverError(f"{name} cannot be written", where=str(self.folder)) from error
        try:
            os.write(descriptor, text.encode())
        except OSError as error:
            raise DriverError(f"{name} cannot be written", where=str(self.folder)) from error
        finally:
            os.close(descriptor)
