"""What an enforcer keeps on its disk of a cut: so that it restores what it cut, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Protocol

from pydantic import ValidationError

from protocols.errors import ConfigError, DriverError
from protocols.host.files import read_bytes, write_atomic
from protocols.messages.base import Part

_MAX_BYTES = 4096


class CutMark(Part):
    """What the actuator did, or was about to do, to the feed and has not undone.

    Attributes:
        cut: Whether the feed was on before, so that switching it on again is ours to do.
        confirmed: Whether the controller said `off` afterwards. Until then the cut may still be on its way.
    """

    version: Literal[1] = 1
    cut: bool
    confirmed: bool = False


class Marks(Protocol):
    """Where the mark is kept. All raise `DriverError` when that fails."""

    def load(self) -> CutMark | None:
        """Return the mark, or None when nothing is to be undone."""
        ...

    def save(self, mark: CutMark) -> None:
        """Put the mark on, before acting."""
        ...

    def clear(self) -> None:
        """Take the mark off, after everything was undone."""
        ...


class MemoryMark:
    """A mark in this process, for virtual time: it lives as long as whoever holds it."""

    def __init__(self) -> None:
        self._mark: CutMark | None = None

    def load(self) -> CutMark | None:
        """Return the mark, or None when nothing is to be undone."""
        return self._mark

    def save(self, mark: CutMark) -> None:
        """Put the mark on."""
        self._mark = mark

    def clear(self) -> None:
        """Take the mark off."""
        self._mark = None


class MarkFile:
    """A mark on disk, written whole or not at all, and through to the disk.

    Args:
        folder: The actuator's own folder, made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cut-mark"

    def load(self) -> CutMark | None:
        """Return the mark, or None when nothing is to be undone.

        Raises:
            DriverError: It is there, and cannot be read or understood.
        """
        if not os.path.lexists(self.path):
            return None
        try:
            return CutMark.model_validate_json(read_bytes(self.path, max_bytes=_MAX_BYTES))
        except ConfigError as error:
            raise DriverError(error.what, where=error.where) from error
        except ValidationError as error:
            remedy = "switch the feed on by hand, then remove this file"
            raise DriverError("is damaged", where=str(self.path), remedy=remedy) from error

    def save(self, mark: CutMark) -> None:
        """Put the mark on.

        Raises:
            DriverError: It cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(self.path, mark.model_dump_json().encode(), mode=0o600)
        except OSError as error:
            raise DriverError(f"cannot be made: {error.strerror}", where=str(self.path.parent)) from error
        except ConfigError as error:
            raise DriverError(error.what, where=error.where) from error

    def clear(self) -> None:
        """Take the mark off.

        Raises:
            DriverError: It cannot be removed.
        """
        try:
            self.path.unlink(missing_ok=True)
            descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return  # not even the folder is there
        except OSError as error:
            raise DriverError(f"cannot be removed: {error.strerror}", where=str(self.path)) from error
