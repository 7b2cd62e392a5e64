"""The console of a drill: when it is lost, the drill goes on."""

from __future__ import annotations

from rich.console import Console

from orchestrator.cli.common import silence


class Screen(Console):
    """A console that falls silent when it cannot be written to.

    A reader that went away (`| head`), a terminal that closed or a disk that filled up must not
    leave a drill half done: journal, log and report say all that is said here.
    """

    def on_broken_pipe(self) -> None:
        """Do not end the program, as Rich would."""
        self._lost()

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError:
            self._lost()

    def _lost(self) -> None:
        self.quiet = True
        self._buffer.clear()
        silence(self.file)
