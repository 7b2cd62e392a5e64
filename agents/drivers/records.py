"""What the process driver keeps on disk: which workload is its own, and what it did to it.

Both files are written before what they announce is done, whole or not at all, and through to the
disk, so that a driver started after any crash finds its workload and its own doing.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from agents.drivers.procfs import ProcessId
from protocols.controls import Control
from protocols.errors import ConfigError, DriverError
from protocols.host.files import write_atomic
from protocols.ids import Int63
from protocols.messages.base import Part

_RECORD_MAX_BYTES = 64 * 1024


def digest_of_file(path: Path) -> str | None:
    """Return the SHA-256 of a file of any size, or None where there is none.

    Raises:
        DriverError: It is there and cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DriverError(f"the checkpoint cannot be read: {error.strerror}", where=str(path)) from error


class WorkloadRecord(Part):
    """Which processes are the workload.

    Attributes:
        boot_id: The boot that it was started in; in another one nothing of it is left.
        pid: Its first process.
        start_ticks: When that started, which tells it from a later process with its number.
        cgroup: The folder of its cgroup; null when its session holds it together.
    """

    version: Literal[1] = 1
    boot_id: str
    pid: Int63
    start_ticks: Int63
    cgroup: str | None

    @property
    def leader(self) -> ProcessId:
        """The workload's first process."""
        return ProcessId(start_ticks=self.start_ticks, pid=self.pid)


class Mark(Part):
    """What the driver did, or was about to do, to the workload and has not undone.

    Attributes:
        cap_per_s: Of a slowdown: microseconds of CPU time that it may use each second.
    """

    version: Literal[1] = 1
    action: Control
    cap_per_s: Int63 | None = None


_Record = TypeVar("_Record", WorkloadRecord, Mark)


class Records:
    """The driver's two files in its state folder.

    Args:
        folder: The folder, made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.workload_path = folder / "driver-workload"
        self.mark_path = folder / "driver-mark"
        self._folder = folder

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            DriverError: It cannot be made.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise DriverError(f"the state folder cannot be made: {error.strerror}", where=str(self._folder)) from error

    def workload(self) -> WorkloadRecord | None:
        """Return which workload was started last, if any is still to be looked after."""
        return _read(self.workload_path, WorkloadRecord)

    def mark(self) -> Mark | None:
        """Return the driver's mark, if the workload carries it."""
        return _read(self.mark_path, Mark)

    def save_workload(self, record: WorkloadRecord) -> None:
        """Remember a workload, before it runs."""
        self._write(self.workload_path, record)

    def save_mark(self, mark: Mark) -> None:
        """Put the mark on, before acting."""
        self._write(self.mark_path, mark)

    def clear_workload(self) -> None:
        """Forget the workload, after it has ended."""
        self._remove(self.workload_path)

    def clear_mark(self) -> None:
        """Take the mark off, after everything was undone."""
        self._remove(self.mark_path)

    @staticmethod
    def _write(path: Path, record: Part) -> None:
        try:
            write_atomic(path, record.model_dump_json().encode(), mode=0o600)
        except ConfigError as error:
            raise DriverError(error.what, where=str(path)) from error

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            self._sync_folder()
        except OSError as error:
            raise DriverError(f"cannot be removed: {error.strerror}", where=str(path)) from error

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path, model: type[_Record]) -> _Record | None:
    try:
        with path.open("rb") as file:
            text = file.read(_RECORD_MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DriverError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        remedy = "end the site's workload by hand, then remove this file"
        raise DriverError("is damaged", where=str(path), remedy=remedy) from error
