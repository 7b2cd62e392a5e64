"""The guard at the other end of a leash: a program of its own, standard library only.

It waits on its standard input, a pipe that only the owner holds open. When that closes, however the
owner ended, it kills every process whose environment carries the leash's marker, and exits.

Run as `python -I -S leash_guard.py NAME=VALUE`. It is not imported, so that it stays light.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

CGROUP_PREFIX = "haltdrill-"
GIVE_UP_S = 10.0
CLEAN_SCANS = 3
"""A process that is just being forked can be missed once; three empty looks in a row are enough."""
PAUSE_S = 0.01
CHASES, CHASED_BACK = 20, 4
"""How often in a look the newest processes are looked at, and how many of them."""


def marked(marker: bytes) -> list[int]:
    """Return the ids of the processes that were started with `marker` in their environment."""
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = Path(entry.path, "environ").read_bytes()
        except OSError:
            continue
        if marker in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


def kill(pid: int, marker: bytes) -> bool:
    """Kill one process if it is marked, and tell whether it was."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # The descriptor pins the process; only now is it certain whom the environment belongs to.
        if marker not in Path("/proc", str(pid), "environ").read_bytes().split(b"\0"):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def mounts() -> tuple[Path | None, Path | None]:
    """Return where cgroup v2 and the v1 freezer are mounted, where they are."""
    unified = freezer = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        place = Path(before.split()[4])
        kind, _, options = after.split(maxsplit=2)
        if kind == "cgroup2":
            unified = unified or place
        elif kind == "cgroup" and "freezer" in options.split()[-1].split(","):
            freezer = freezer or place
    return unified, freezer


def cgroups_of(pid: int) -> set[Path]:
    """Return the folders of those of our cgroups that a process is in, outermost ones."""
    unified, freezer = mounts()
    found: set[Path] = set()
    try:
        lines = Path("/proc", str(pid), "cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mount = unified if not controllers else freezer if "freezer" in controllers.split(",") else None
        parts = Path(path.lstrip("/")).parts
        ours = next((place for place, part in enumerate(parts) if part.startswith(CGROUP_PREFIX)), None)
        if mount is not None and ours is not None:
            found.add(mount.joinpath(*parts[: ours + 1]))
    return found


def release(group: Path) -> None:
    """Kill what is in a cgroup v2 and thaw a frozen cgroup of either version, best effort."""
    for folder in (Path(root) for root, _, _ in os.walk(group)):
        for name, word in (("cgroup.kill", "1"), ("cgroup.freeze", "0"), ("freezer.state", "THAWED")):
            control = folder / name
            if control.exists():
                with contextlib.suppress(OSError):
                    control.write_text(word)


def remove(group: Path) -> None:
    """Remove an empty cgroup and those below it, best effort."""
    for root, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(root).rmdir()


def chase(marker: bytes) -> bool:
    """Kill marked processes among the newest, and tell whether there were any.

    One that keeps replacing itself can be gone each time before a look at all processes comes to it, but is always
    among the newest.
    """
    found = False
    for _ in range(CHASES):
        try:
            newest = int(Path("/proc/loadavg").read_bytes().split()[-1])
        except OSError:
            return found  # a /proc of processes alone: then only looks at all of them are left
        for pid in range(newest, max(1, newest - CHASED_BACK), -1):
            found |= kill(pid, marker)
    return found


def kill_all(marker: bytes) -> bool:
    """Kill every marked process until none is left; tell whether that succeeded in time."""
    groups: set[Path] = set()
    clean = 0
    give_up = time.monotonic() + GIVE_UP_S
    while clean < CLEAN_SCANS and time.monotonic() < give_up:
        pids = marked(marker)
        for pid in pids:
            groups |= cgroups_of(pid)
            kill(pid, marker)
        for group in groups:
            release(group)
        clean = 0 if chase(marker) or pids else clean + 1
        time.sleep(PAUSE_S)
    for group in groups:
        remove(group)
    return clean >= CLEAN_SCANS


def main() -> int:
    """Wait for the owner's end, then kill what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    marker = os.fsencode(sys.argv[1])
    while os.read(0, 4096):
        pass
    return 0 if kill_all(marker) else 1


if __name__ == "__main__":
    sys.exit(main())
