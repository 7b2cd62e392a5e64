"""Writes simulated lines to a file: at once, or as far as one wants it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import LOUD
from protocols.host.logs import STANDARD_NAMES
from protocols.logged import Level
from tests.logs.scenario import S


def rendered(line: ln.AnyDrillLine) -> str:
    """Return a line as it stands in a log file, with its end."""
    fields = line.model_dump(mode="json", by_alias=True)
    first = {name: fields.pop(name) for name in STANDARD_NAMES.values() if name in fields}
    if not line.restated:
        del fields["restated"]
    return json.dumps(first | {name: value for name, value in fields.items() if value is not None}) + "\n"


def write_log(path: Path, lines: Iterable[ln.AnyDrillLine], *, level: Level = Level.DEBUG) -> int:
    """Append lines of at least a level to a file; return how many there were."""
    least, count = list(Level).index(level), 0
    with path.open("a", encoding="utf-8") as file:
        for line in lines:
            if list(Level).index(line.level) >= least:
                file.write(rendered(line))
                count += 1
    return count


@dataclass
class Growing:
    """A log file that grows as far as one wants it, as the log of a running drill does.

    Attributes:
        path: The file.
        lines: All lines that it will hold.
        written: How many of them it holds by now.
    """

    path: Path
    lines: Sequence[ln.AnyDrillLine]
    written: int = 0

    def more(self, count: int) -> list[ln.AnyDrillLine]:
        """Write the next lines, and return them."""
        chosen = list(self.lines[self.written : self.written + count])
        self.written += write_log(self.path, chosen)
        return chosen

    def until(self, offset_s: float) -> list[ln.AnyDrillLine]:
        """Write every line up to a time after the drill's beginning, and return them."""
        end = self.written
        while end < len(self.lines) and self.lines[end].offset_ns <= offset_s * S:
            end += 1
        return self.more(end - self.written)

    def until_loud(self) -> list[ln.AnyDrillLine]:
        """Write every line up to the next one that says that a site is loud, with that one."""
        end = self.written
        while end < len(self.lines):
            line, end = self.lines[end], end + 1
            if isinstance(line, ln.Changed) and line.standing in LOUD:
                break
        return self.more(end - self.written)

    def rest(self) -> list[ln.AnyDrillLine]:
        """Write all that is left."""
        return self.more(len(self.lines) - self.written)

    async def play(self, speed: float, *, tick_s: float = 0.1) -> None:
        """Write the lines at the times at which they happened, `speed` times as fast."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time() - (self.lines[max(0, self.written - 1)].offset_ns / S / speed if self.lines else 0)
        while self.written < len(self.lines):
            self.until((loop.time() - begun_s) * speed)
            await asyncio.sleep(tick_s)
