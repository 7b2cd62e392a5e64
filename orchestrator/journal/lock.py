"""One writer of a journal's file: it holds a lock beside it, which the kernel frees however the process dies.

A process that is paused keeps it: on one machine there is somebody to see that, and to end it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.journal.base import BUSY, BUSY_REMEDY
from orchestrator.journal.sqlite import SqliteJournal
from protocols.errors import JournalError


@contextmanager
def sole_writer(journal: Path) -> Iterator[None]:
    """Keep every other process from running a drill on a journal. Reading it stays possible.

    Args:
        journal: The journal's file; the lock is a file beside it, which stays.

    Raises:
        JournalError: Another process has it, or there is no writing there.
    """
    descriptor = _lock(journal)
    if descriptor is None:
        raise JournalError(BUSY, where=str(journal), remedy=BUSY_REMEDY)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(journal: Path) -> int | None:
    """Return the descriptor that is locked while it is open; None if another process has the lock."""
    place = journal.with_name(journal.name + ".lock")
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(
            f"cannot be locked: {error.strerror}",
            where=str(journal),
            remedy="check the disk's free space and the file's permissions",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@dataclass(frozen=True, slots=True)
class FileLeader:
    """The process that has a file's lock.

    Attributes:
        store: The journal.
        descriptor: What is locked.
    """

    store: SqliteJournal
    descriptor: int

    def when_lost(self, told: Callable[[], None]) -> None:
        """Nothing but its own end takes a file's lock from a process."""

    def release(self) -> None:
        """Close the journal and let others lead."""
        try:
            with suppress(JournalError):  # on a disk that failed there is nothing left to close
                self.store.close()
        finally:
            os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class FileCandidate:
    """A process that would write a journal's file.

    Attributes:
        path: The file.
    """

    path: Path

    def lead(self) -> FileLeader | None:
        """Take the lock if it is free, and open the file, which is made if it is not there.

        Raises:
            JournalError: It cannot be locked or opened.
        """
        descriptor = _lock(self.path)
        if descriptor is None:
            return None
        try:
            return FileLeader(SqliteJournal(self.path), descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def holder(self) -> str:
        """Return nothing: the kernel does not say who has a lock."""
        return ""

    def oust(self) -> bool:
        """Return false: a file's lock cannot be taken from a process."""
        return False

    def close(self) -> None:
        """Do nothing: nothing is open before the lock is had."""
