"""Follows a log for the page: reads a chunk at a time, folds it, and knows what to say since any serial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.dashboard.messages import delta, snapshot
from orchestrator.dashboard.roster import Roster
from orchestrator.dashboard.situation import stamp_ms
from orchestrator.dashboard.tail import Tail
from orchestrator.logbook.reader import LogFile
from orchestrator.logbook.views import DrillView, LogView
from orchestrator.watch.panels.notes import empty_words, lines_words, waiting_words
from protocols.errors import ConfigError


class Feed:
    """One log and what it says, as far as it was read.

    Args:
        path: The log; it need not be there yet.
        instance: Names this process, so that a page knows that the server was restarted.

    Attributes:
        view: What the log says.
        caught_up: Whether it was read to its end, at least once since it began.
        trouble: Why it cannot be read now; empty if it can.
    """

    def __init__(self, path: Path, instance: str) -> None:
        self.view = LogView()
        self.caught_up = False
        self.trouble = ""
        self._file = LogFile(path)
        self._instance = instance
        self._tail = Tail()
        self._rosters: dict[str, Roster] = {}

    @property
    def path(self) -> Path:
        """The log."""
        return self._file.path

    @property
    def generation(self) -> str:
        """Names this process and this log: serials of another generation mean nothing."""
        return f"{self._instance}.{self._file.restarts}"

    def advance(self) -> bool:
        """Read and take the next chunk; tell whether there may be more at once."""
        restarts = self._file.restarts
        try:
            lines = self._file.read()
        except ConfigError as error:
            self.trouble = str(error) if self.path.exists() else waiting_words(str(self.path))
            self.caught_up = True
            return False
        self.trouble = ""
        if self._file.restarts != restarts:
            self.view, self._tail, self.caught_up = LogView(), Tail(), False
            self._rosters.clear()
        for line in lines:
            self.view.take(line)
            self._tail.take(self.view.serial, line)
        more = self._file.position_bytes < self._file.size_bytes
        self.caught_up = self.caught_up or not more
        return more

    def drill(self, wanted: str) -> DrillView | None:
        """Return a drill by its id, or the newest for an empty one."""
        return self.view.drills.get(wanted) if wanted else self.view.newest

    def log_state(self) -> dict[str, Any]:
        """Return how the log itself is: as much of it as was read, and what is wrong with it."""
        foreign = self._file.foreign
        newest = self.view.newest
        empty = empty_words(str(self.path)) if self.caught_up and newest is None and not self.trouble else ""
        return {
            "path": str(self.path),
            "read_bytes": self._file.position_bytes,
            "size_bytes": self._file.size_bytes,
            "reading": not self.caught_up,
            "trouble": self.trouble or empty,
            "wrong": lines_words(foreign.wrong, foreign.first_wrong, self.view.strays, self._file.restarts),
            "drills": len(self.view.drills),
            "newest_ms": None if newest is None or newest.newest is None else stamp_ms(newest.newest.timestamp),
        }

    def message(self, drill: DrillView, since: int | None) -> dict[str, Any]:
        """Return what a page needs that has all up to a serial; everything for None."""
        roster = self._rosters.setdefault(drill.drill, Roster())
        roster.catch_up(drill, self.view.serial)
        if since is None or since < roster.grown_at:
            made = snapshot(drill, roster, self._tail)
        else:
            made = delta(drill, roster, self._tail, since)
        return {**made, "drill": drill.drill, "serial": self.view.serial}
