"""Reads a log file, to its end or following it: every line is checked, and what is no line of ours is counted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, get_args

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from orchestrator.logbook.lines import DRILL_LINES, AnyDrillLine
from protocols.errors import ConfigError

CHUNK_BYTES = 4 * 1024 * 1024
LINE_MAX_BYTES = 4 * 1024 * 1024
HEAD_BYTES = 128
"""How much of a file's beginning, with its first timestamp, tells it from another one."""

LineT = TypeVar("LineT", bound=BaseModel)

_FORGET_SET = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_NOTHING_SET: set[str] = set()
"""Which fields of a line were given is a set of its own for each, a kilobyte of it, and nobody asks."""


def _actions_of(union: Any) -> frozenset[str]:
    return frozenset(
        action for model in get_args(union) for action in get_args(model.model_fields["action"].annotation)
    )


@dataclass(slots=True)
class Foreign:
    """What else was in the file.

    Attributes:
        others: Lines of other programs, or of other events than those that are read.
        wrong: Lines that are no log lines of this version.
        first_wrong: What is wrong with the first of them, and where.
    """

    others: int = 0
    wrong: int = 0
    first_wrong: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where a log was read, for another process to go on from.

    Attributes:
        head: How the file began, in hex.
        offset: Where its next line begins.
        number: How many lines are before that.
    """

    head: Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$", max_length=2 * HEAD_BYTES)]
    offset: Annotated[int, Field(ge=0)]
    number: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Chunk(Generic[LineT]):
    """What was read at once: there may be more, also where no line of it was one of those that are read."""

    taken: list[LineT]


class LineFile(Generic[LineT]):
    """A log file that may be growing, be cut off, or be replaced by a fresh one.

    Args:
        path: The file.
        reads: Reads a line of those that are wanted; others are counted.
        union: What it reads: a union of lines.
        to_the_end: Whether a file that was renamed is read to its end before the one that took its place: for whoever
            must miss no line. It keeps a descriptor open.

    Attributes:
        foreign: What else was in it so far.
        restarts: How often it began anew, because it was cut off or replaced.
    """

    def __init__(self, path: Path, reads: TypeAdapter[LineT], union: Any, *, to_the_end: bool = False) -> None:
        self.path = path
        self._to_the_end = to_the_end
        self._held: int | None = None
        # Without the detour that `TypeAdapter` takes for each line.
        self._validate = reads.validator.validate_json
        self._actions = _actions_of(union)
        self.foreign = Foreign()
        self.restarts = 0
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._rest = b""
        self._number = 0
        self._skipping = False
        self._head = b""

    @property
    def position_bytes(self) -> int:
        """How far it was read."""
        return self._offset

    @property
    def size_bytes(self) -> int:
        """How large the file is now; 0 if there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def mark(self) -> Mark:
        """Return up to where whole lines were read."""
        return Mark(self._head.hex(), self._offset - len(self._rest), self._number)

    def go_to(self, mark: Mark) -> None:
        """Go on where another process stopped reading; from the beginning, if it is another file by now."""
        self._head, self._offset, self._rest, self._number = bytes.fromhex(mark.head), mark.offset, b"", mark.number

    def go_to_end(self) -> None:
        """Leave out what is there already; what has no end yet is left out too."""
        try:
            with self.path.open("rb") as file:
                self._head, self._offset = file.read(HEAD_BYTES), file.seek(0, os.SEEK_END)
        except OSError:
            return  # it is not there yet: it is read from its beginning

    def begin_at(self, offset: int) -> None:
        """Leave out what is before a place at which a line begins."""
        try:
            with self.path.open("rb") as file:
                self._head = file.read(HEAD_BYTES)
        except OSError:
            return  # it is not there yet: it is read from its beginning
        self._offset = offset

    def read_some(self) -> Chunk[LineT] | None:
        """Return the next lines, of at most one chunk; None at the file's present end.

        Raises:
            ConfigError: The file is not there, or cannot be read.
        """
        before = self._offset
        lines = self.read()
        return None if self._offset == before else Chunk(lines)

    def read(self) -> list[LineT]:
        """Return the next lines, of at most one chunk; none when there is nothing new.

        Raises:
            ConfigError: The file is not there, or cannot be read.
        """
        left = self._rest_of_old()
        if left:
            self._offset += len(left)
            return self._lines(left)
        try:
            with self.path.open("rb") as file:
                self._notice_restart(os.fstat(file.fileno()), file.read(HEAD_BYTES))
                file.seek(self._offset)
                data = file.read(CHUNK_BYTES)
                self._hold(file.fileno())
        except OSError as error:
            raise ConfigError(
                f"the log cannot be read: {error.strerror}",
                where=str(self.path),
                remedy="give the log of a drill: the file that haltdrill run writes, beside the drills",
            ) from error
        self._offset += len(data)
        return self._lines(data)

    def _hold(self, descriptor: int) -> None:
        if self._to_the_end and self._held is None:
            self._held = os.dup(descriptor)

    def _rest_of_old(self) -> bytes:
        """Return what is left of the file that was read until now, if another one has taken its place."""
        if self._held is None:
            return b""
        old = os.fstat(self._held)
        try:
            now = self.path.stat()
        except OSError:
            now = None
        if now is not None and (now.st_dev, now.st_ino) == (old.st_dev, old.st_ino):
            return b""
        data = os.pread(self._held, CHUNK_BYTES, self._offset)
        if not data and now is not None:
            os.close(self._held)
            self._held = None
        return data

    def __del__(self) -> None:
        if getattr(self, "_held", None) is not None:
            os.close(self._held)  # type: ignore[arg-type]

    def last(self) -> list[LineT]:
        """Return the last line of a file that nobody writes any more, if it has no end."""
        return self._lines(b"\n") if self._rest else []

    def read_all(self) -> Iterator[list[LineT]]:
        """Return all lines until its present end, a chunk at a time.

        Raises:
            ConfigError: The file is not there, or cannot be read.
        """
        while True:
            before = self._offset
            lines = self.read()
            if self._offset == before:
                return
            yield lines

    def _notice_restart(self, status: os.stat_result, head: bytes) -> None:
        """Begin anew if it is another file, was cut off, or was cut off and has grown past where we were."""
        identity = (status.st_dev, status.st_ino)
        another = self._identity not in {None, identity} or not head.startswith(self._head)
        if another or status.st_size < self._offset:
            self._offset, self._rest, self._number, self._skipping = 0, b"", 0, False
            self.restarts += 1
        self._identity, self._head = identity, head

    def _lines(self, data: bytes) -> list[LineT]:
        """Cut whole lines off; the last, which may still be being written, waits."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines: list[LineT] = []
        for raw in whole:
            self._number += 1
            if self._skipping:
                self._skipping = False
            elif len(raw) > LINE_MAX_BYTES:
                self._wrong(f"longer than {LINE_MAX_BYTES} bytes", self._number)
            else:
                try:
                    line: LineT = self._validate(raw)
                except ValidationError as error:
                    self._not_ours(raw, error)
                else:
                    _FORGET_SET(line, _NOTHING_SET)
                    lines.append(line)
        if len(self._rest) > LINE_MAX_BYTES:
            if not self._skipping:
                self._wrong(f"longer than {LINE_MAX_BYTES} bytes", self._number + 1)
            self._rest, self._skipping = b"", True
        return lines

    def _not_ours(self, raw: bytes, error: ValidationError) -> None:
        if self._of_another_program(raw):
            self.foreign.others += 1
        elif raw.strip():
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            self._wrong(f"{place}: {first['msg']}"[:200], self._number)

    def _wrong(self, what: str, number: int) -> None:
        self.foreign.wrong += 1
        self.foreign.first_wrong = self.foreign.first_wrong or f"line {number}: {what}"

    def _of_another_program(self, raw: bytes) -> bool:
        """Tell whether a line is one of our logs, about something else than what is read."""
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            return False
        ours = isinstance(line, dict) and {"@timestamp", "log.level", "event.action", "service.name"} <= line.keys()
        return ours and isinstance(line["event.action"], str) and line["event.action"] not in self._actions


class LogFile(LineFile[AnyDrillLine]):
    """A log file of which the lines about drills are read.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, DRILL_LINES, AnyDrillLine)
