"""Reads a log a chunk at a time, and says how far it has come: for the live view, a replay and `--once`."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.logbook import lines as ln
from orchestrator.logbook.reader import LogFile
from orchestrator.logbook.views import LogView
from orchestrator.watch.panels import notes
from protocols.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Batch:
    """What was read in one go.

    Attributes:
        lines: The lines.
        again: Whether the log began anew, so that what was known of it is no more.
        caught_up: Whether this is its present end.
        far: How far reading has come, in words; empty when it has caught up.
        trouble: Why nothing could be read; empty if it could.
        wrong: What is wrong with lines of it, in sentences.
    """

    lines: list[ln.AnyDrillLine] = field(default_factory=list)
    again: bool = False
    caught_up: bool = True
    far: str = ""
    trouble: str = ""
    wrong: tuple[str, ...] = ()


class Reading:
    """A log that is being read.

    Args:
        path: The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = LogFile(path)

    def next(self) -> Batch:
        """Return the next chunk of lines; of a log that is not there, why."""
        restarts = self._file.restarts
        try:
            lines = self._file.read()
        except ConfigError as error:
            there = self.path.exists()
            return Batch(trouble=str(error) if there else notes.waiting_words(str(self.path)))
        size, done = self._file.size_bytes, self._file.position_bytes
        behind = done < size
        foreign = self._file.foreign
        return Batch(
            lines,
            again=self._file.restarts != restarts,
            caught_up=not behind,
            far=notes.reading_words(done, size) if behind else "",
            wrong=tuple(notes.lines_words(foreign.wrong, foreign.first_wrong, 0, self._file.restarts)),
        )


def check_log(path: Path) -> None:
    """Check that a path can be a log, whether it is there yet or not.

    Raises:
        ConfigError: It is something else than a file.
    """
    if path.exists() and not path.is_file():
        raise ConfigError("this is no file", where=str(path), remedy="give the log of a drill")


def read_whole(path: Path) -> tuple[list[ln.AnyDrillLine], LogView, tuple[str, ...]]:
    """Read a log to its present end, and keep its lines.

    Returns:
        Its lines, what they say, and what is wrong with others.

    Raises:
        ConfigError: It is not there, or cannot be read.
    """
    lines: list[ln.AnyDrillLine] = []
    view, wrong = read_view(path, lines.extend)
    return lines, view, wrong


def read_view(
    path: Path, kept: Callable[[Sequence[ln.AnyDrillLine]], None] = lambda _lines: None
) -> tuple[LogView, tuple[str, ...]]:
    """Read a log to its present end.

    Args:
        path: The log.
        kept: Takes each chunk of its lines; without it they are forgotten, which needs a third of the memory.

    Returns:
        What its lines say, and what is wrong with others.

    Raises:
        ConfigError: It is not there, or cannot be read.
    """
    file, view = LogFile(path), LogView()
    with unhurried_collector():
        for chunk in file.read_all():
            view.take_all(chunk)
            kept(chunk)
    foreign = file.foreign
    return view, tuple(notes.lines_words(foreign.wrong, foreign.first_wrong, view.strays, 0))


@contextmanager
def unhurried_collector() -> Iterator[None]:
    """Put the garbage collector off while a log is read.

    What is read stays, so that looking through it again and again takes half of the time and frees nothing.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was:
            gc.enable()
