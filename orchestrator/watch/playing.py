"""The keys of a replay."""

from __future__ import annotations

from orchestrator.watch.replaying import Replay
from orchestrator.watch.widgets import Screenful


class Player(Screenful):
    """A program that may be playing a drill again.

    Attributes:
        replay: What is played; None for the present.
    """

    replay: Replay | None = None

    def redraw(self) -> None:
        """Draw soon, as after a key."""

    def action_play(self) -> None:
        """Pause a replay, or go on."""
        if self.replay is not None:
            if self.replay.ended:
                self.replay.to_start()
            self.replay.paused = not self.replay.paused
            self.redraw()

    def action_speed(self, by: int) -> None:
        """Replay faster or slower."""
        if self.replay is not None:
            (self.replay.faster if by > 0 else self.replay.slower)()
            self.redraw()

    def action_seek(self, by_s: int) -> None:
        """Go on or back in a replay."""
        if self.replay is not None:
            self.replay.seek(by_s)
            self.redraw()

    def action_seek_end(self, end: int) -> None:
        """Go to the beginning or the end of a replay."""
        if self.replay is not None:
            (self.replay.to_end if end else self.replay.to_start)()
            self.redraw()
