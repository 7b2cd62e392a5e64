"""A disk that a test can fill."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.e2e.processes import Running


class SmallDisk:
    """A file system of a megabyte; where none may be mounted, a limit on the size of files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "haltdrill-test", str(folder)]
        self.mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0

    def fill(self, running: Running | None) -> None:
        """Let nothing more be written, by a process that runs already if there is one."""
        if not self.mounted:
            assert running is not None
            resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (0, 0))
            return
        with suppress(OSError), (self.folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        """Let everything be written again."""
        (self.folder / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Have a disk that a test can fill."""
    disk = SmallDisk(folder)
    try:
        yield disk
    finally:
        disk.remove()
