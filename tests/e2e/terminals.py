"""A real terminal that a test types into and looks at: tmux, on a server of its own."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.components import require
from tests.e2e.processes import REPOSITORY, until

_TRACEBACK = "Traceback (most recent call last)"


class Terminal:
    """One `haltdrill` command in a terminal of a given size. Leaving it ends the command and the terminal.

    Args:
        folder: Where the terminal's socket goes, and where the command runs.
        arguments: The command's arguments.
        size: Columns and rows.
        environment: More variables.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str | Path,
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._tmux = [
            require("tmux", package="tmux"),
            "-S",
            str(folder / f"tmux-{secrets.token_hex(4)}"),
            "-f",
            os.devnull,
        ]
        self._folder = folder
        self._size = size
        self._command = [sys.executable, "-m", "orchestrator.entry", *map(str, arguments)]
        dropped = ("HALTDRILL_", "TMUX", "NO_COLOR", "COLORTERM", "COLUMNS", "LINES")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        ours = {"PYTHONPATH": str(REPOSITORY), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self._environment = {**inherited, **ours, **(environment or {})}

    def __enter__(self) -> Self:
        columns, rows = self._size
        # The pane stays when the command has ended, so that what it left there can be read.
        keep = ["set-option", "-g", "remain-on-exit", "on", ";"]
        start = ["new-session", "-d", "-s", "test", "-x", str(columns), "-y", str(rows), shlex.join(self._command)]
        self._run("start-server", ";", *keep, *start)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments],
            check=True,
            capture_output=True,
            text=True,
            cwd=self._folder,
            env=self._environment,
        )
        return done.stdout

    @property
    def screen(self) -> str:
        """What is on the screen, as text."""
        return self._run("capture-pane", "-p", "-t", "test")

    @property
    def painted(self) -> str:
        """What is on the screen, with its colours."""
        return self._run("capture-pane", "-p", "-e", "-t", "test")

    @property
    def ended(self) -> bool:
        """Whether the command has ended."""
        return self._run("display-message", "-p", "-t", "test", "#{pane_dead}").strip() == "1"

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names for them."""
        self._run("send-keys", "-t", "test", *keys)

    def shows(self, *words: str) -> str:
        """Wait until all these words are on the screen, and return it."""
        seen = ""

        def there() -> bool:
            nonlocal seen
            seen = self.screen
            assert _TRACEBACK not in seen, seen
            return all(word in seen for word in words)

        try:
            until(there, f"shown: {words}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{seen}") from None
        return seen
