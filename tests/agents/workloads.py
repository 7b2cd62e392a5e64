"""What tests with real workloads share. It reads the kernel with code of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_S = 20.0


def until(condition: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait until `condition` holds, or fail saying `what` did not happen."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"after {limit_s} s: not {what}")
        time.sleep(0.005)


def worker_argv(checkpoint: Path, *options: str) -> tuple[str, ...]:
    """Return the command line of the demo's worker."""
    return (sys.executable, "-m", "agents.worker", "--checkpoint", str(checkpoint), *options)


def until_working(workload: Workload) -> None:
    """Wait until the worker's start-up is over and it works: only then does it heed signals."""
    # It becomes nicer just before it begins; 30 ms more of CPU time are for its first work.
    until(lambda: any(os.getpriority(os.PRIO_PROCESS, pid) >= 10 for pid in workload.pids()), "a worker at work")
    began_ns = sum(workload.cpu_ns().values())
    until(lambda: sum(workload.cpu_ns().values()) > began_ns + 30_000_000, "30 ms of work")


class Workload:
    """Every process that carries this marker, whoever started it."""

    def __init__(self) -> None:
        self.site = f"t-{secrets.token_hex(4)}"
        self.marker = f"HALTDRILL_WORKLOAD={self.site}"

    def pids(self) -> list[int]:
        """Return the live processes, sorted."""
        wanted = self.marker.encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return sorted(found)

    def cpu_ns(self) -> dict[int, int]:
        """Return each live process's nanoseconds on a CPU, by the scheduler's statistics."""
        readings = {}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                readings[pid] = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        return readings

    def stands_still(self, *, span_s: float = 0.4) -> bool:
        """Tell whether no process of it came, went or used a CPU for `span_s` seconds."""
        time.sleep(0.05)  # a process that is seen stopped may still be on its way off the CPU
        before = self.cpu_ns()
        time.sleep(span_s)  # the span of the observation itself
        return bool(before) and self.cpu_ns() == before

    def computes(self) -> bool:
        """Tell whether some process of it uses a CPU within a second."""
        before = self.cpu_ns()
        deadline_s = time.monotonic() + 1.0
        while time.monotonic() < deadline_s:
            time.sleep(0.02)
            now = self.cpu_ns()
            if any(now[pid] > before.get(pid, 0) for pid in now):
                return True
        return False

    def wipe(self) -> None:
        """Kill and reap every process of it, and remove its cgroups."""
        for folder in self._cgroups():
            with contextlib.suppress(OSError):
                # One by one: `cgroup.kill` does not reach a process whose first thread has ended.
                for pid in map(int, (folder / "cgroup.procs").read_text().split()):
                    os.kill(pid, signal.SIGKILL)
        deadline_s = time.monotonic() + LIMIT_S
        while pids := self.pids():
            assert time.monotonic() < deadline_s, f"cannot kill {pids}"
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)
            time.sleep(0.005)
        for folder in self._cgroups():
            until(lambda at=folder: "populated 0" in (at / "cgroup.events").read_text(), f"{folder} is empty")
            folder.rmdir()

    def _cgroups(self) -> list[Path]:
        lines = (line.split(" ") for line in Path("/proc/self/mounts").read_text().splitlines())
        mounts = [Path(fields[1]) for fields in lines if fields[2] == "cgroup2"]
        # os.walk, because the groups of other tests come and go meanwhile.
        found = (Path(parent) / name for mount in mounts for parent, names, _ in os.walk(mount) for name in names)
        return [folder for folder in found if folder.name.startswith(f"haltdrill-{self.site}-")]
