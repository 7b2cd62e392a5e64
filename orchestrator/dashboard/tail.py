"""The newest lines as the page lists them, and how many of them are worth sending at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from orchestrator.logbook import lines as ln
from orchestrator.watch.panels.paint import clean
from protocols.logged import Level

KEPT = 2_000
SENT_MAX = 150
"""Most lines of detail that one message holds; what matters more is always in it, up to `KEPT`."""

LEVELS = tuple(Level)


class Tail:
    """The newest lines of a log, each with the serial that the view had after it.

    Detail is kept apart, so that a flood of it does not wash away what matters.
    """

    def __init__(self) -> None:
        self._detail: deque[tuple[int, ln.AnyDrillLine]] = deque(maxlen=KEPT)
        self._grave: deque[tuple[int, ln.AnyDrillLine]] = deque(maxlen=KEPT // 2)

    def take(self, serial: int, line: ln.AnyDrillLine) -> None:
        """Take a line; what was written again after a restart is no news."""
        if line.restated:
            return
        (self._detail if line.level is Level.DEBUG else self._grave).append((serial, line))

    def since(self, serial: int, drill: str) -> tuple[list[list[Any]], int]:
        """Return the rows of a drill after a serial, oldest first, and how many lines of detail were left out."""
        grave = [pair for pair in _after(self._grave, serial) if pair[1].drill == drill]
        detail = [pair for pair in _after(self._detail, serial) if pair[1].drill == drill]
        sent = detail[-SENT_MAX:]
        chosen = sorted([*grave, *sent], key=lambda pair: pair[0])
        return [_row(number, line) for number, line in chosen], len(detail) - len(sent)


def _after(kept: deque[tuple[int, ln.AnyDrillLine]], serial: int) -> Iterable[tuple[int, ln.AnyDrillLine]]:
    found = []
    for pair in reversed(kept):
        if pair[0] <= serial:
            break
        found.append(pair)
    return reversed(found)


def _row(serial: int, line: ln.AnyDrillLine) -> list[Any]:
    """Return one line: serial, timestamp, level as a number, event, site, message."""
    site = getattr(line, "site", "")
    return [serial, line.timestamp, LEVELS.index(line.level), line.action, site, clean(line.message)]
