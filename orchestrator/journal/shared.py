"""One handle on a journal for several drills, each of which writes from threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from orchestrator.journal.base import DrillSummary, JournalStore
from orchestrator.journal.chain import Line

LINES_AT_ONCE = 1_000
"""Lines that are read while others wait."""


@dataclass(frozen=True, slots=True)
class SharedStore:
    """A journal store that lets one caller in at a time; errors are those of the store.

    Attributes:
        store: The store.
    """

    store: JournalStore
    _one: threading.RLock = field(default_factory=threading.RLock)

    def open_drill(self, drill: str, warrant: str) -> int:
        """Register a drill and return its use."""
        with self._one:
            return self.store.open_drill(drill, warrant)

    def append(self, drill: str, lines: Sequence[Line]) -> None:
        """Write lines of a drill durably."""
        with self._one:
            self.store.append(drill, lines)

    def append_notes(self, lines: Sequence[Line]) -> None:
        """Write notes durably."""
        with self._one:
            self.store.append_notes(lines)

    def mark_closed(self, drill: str) -> None:
        """Note that a drill came to its end."""
        with self._one:
            self.store.mark_closed(drill)

    def remember_party(self, site: str, who: str, store: str, last_seq: int) -> int | None:
        """Note how far a party's chain has come."""
        with self._one:
            return self.store.remember_party(site, who, store, last_seq)

    def lines(self, drill: str) -> Iterator[bytes]:
        """Yield a drill's lines, some at a time."""
        with self._one:
            lines = self.store.lines(drill)
        return self._taken(lines)

    def notes(self) -> Iterator[bytes]:
        """Yield the notes, some at a time."""
        with self._one:
            lines = self.store.notes()
        return self._taken(lines)

    def _taken(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            with self._one:
                some = list(islice(lines, LINES_AT_ONCE))
            yield from some
            if len(some) < LINES_AT_ONCE:
                return

    def drills(self) -> list[DrillSummary]:
        """List the drills, oldest first."""
        with self._one:
            return self.store.drills()

    def close(self) -> None:
        """Leave the store open: whoever opened it closes it."""
