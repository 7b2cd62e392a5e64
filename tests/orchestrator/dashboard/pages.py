"""A page as the browser keeps it: applies messages the way `state.js` does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

SITUATION = ("head", "score", "counts", "regions", "deadline", "loud", "failed", "problems", "problems_total", "curve")


@dataclass
class Shown:
    """What a page knows."""

    names: list[str] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    situation: dict[str, Any] = field(default_factory=dict)
    serial: int | None = None
    snapshots: int = 0

    def take(self, message: dict[str, Any]) -> None:
        """Apply a message."""
        self.situation = {name: message[name] for name in SITUATION}
        self.serial = message["serial"]
        if message["kind"] == "snapshot":
            self.snapshots += 1
            self.names, self.letters, self.rows = message["names"], list(message["letters"]), message["rows"]
            return
        self.rows = self.rows + message["rows"]
        for letter, places in message["cells"].items():
            for place in places:
                self.letters[place] = letter


def parse_event(chunk: bytes) -> tuple[str, str, dict[str, Any]]:
    """Read one server-sent event: its name, id and data."""
    lines = dict(line.split(": ", 1) for line in chunk.decode().strip().split("\n"))
    return lines.get("event", ""), lines.get("id", ""), json.loads(lines.get("data", "null"))
