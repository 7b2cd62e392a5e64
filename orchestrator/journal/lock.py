"""One writer: whoever runs a drill on a journal holds a lock on it, which the kernel frees if it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocols.errors import JournalError


@contextmanager
def sole_writer(journal: Path) -> Iterator[None]:
    """Keep every other process from running a drill on a journal. Reading it stays possible.

    Args:
        journal: The journal's file; the lock is a file beside it, which stays.

    Raises:
        JournalError: Another process has it, or there is no writing there.
    """
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
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError(
                "another haltdrill process is running a drill on this journal",
                where=str(journal),
                remedy="wait for its end, or stop it with: haltdrill abort",
            ) from error
        yield
    finally:
        os.close(descriptor)
