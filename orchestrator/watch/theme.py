"""What each role looks like in a terminal: calm, and on a terminal without colour still apart."""

from __future__ import annotations

from enum import StrEnum

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.theme import Theme

from orchestrator.watch.panels.paint import Line, Role, fit

GROUND = "#10161c"
NAME = "haltdrill"

COLOURED = Theme(
    NAME,
    primary="#5db7d8",
    secondary="#3b4a57",
    accent="#5db7d8",
    foreground="#cfd8df",
    background=GROUND,
    surface="#151d25",
    panel="#1a242d",
    warning="#e09a4f",
    error="#d8473a",
    success="#7fb98a",
    dark=True,
)
_COLOURS = {
    Role.TEXT: Style(color="#cfd8df"),
    Role.DIM: Style(color="#7f8e9a"),
    Role.STRONG: Style(color="#f2f5f7", bold=True),
    Role.RULE: Style(color="#34424e"),
    Role.FOCUS: Style(color="#5db7d8", bold=True),
    Role.IDLE: Style(color="#6d7b87"),
    Role.GOING: Style(color="#d9b25f"),
    Role.HALTED: Style(color="#5db7d8"),
    Role.GOOD: Style(color="#7fb98a"),
    Role.BAD: Style(color="#e8934a", bold=True),
    Role.LOUD: Style(color="#ff6659", bold=True),
    Role.LIMIT: Style(color="#c79bd6"),
    Role.BAND: Style(color="#3f7f96"),
}
_REVERSED = {
    Role.IDLE: Style(color="#aab6bf", bgcolor="#3a4650"),
    Role.GOING: Style(color="#2b2110", bgcolor="#d9b25f"),
    Role.HALTED: Style(color="#0c2530", bgcolor="#5db7d8"),
    Role.GOOD: Style(color="#10251a", bgcolor="#7fb98a"),
    Role.BAD: Style(color="#2c1604", bgcolor="#e8934a", bold=True),
    Role.LOUD: Style(color="#ffffff", bgcolor="#d1382c", bold=True),
    Role.FOCUS: Style(color="#10161c", bgcolor="#f2f5f7", bold=True),
    Role.STRONG: Style(color="#10161c", bgcolor="#f2f5f7", bold=True),
}
_SIXTEEN = {
    Role.TEXT: Style(),
    Role.DIM: Style(dim=True),
    Role.STRONG: Style(bold=True),
    Role.RULE: Style(dim=True),
    Role.FOCUS: Style(color="cyan", bold=True),
    Role.IDLE: Style(dim=True),
    Role.GOING: Style(color="yellow"),
    Role.HALTED: Style(color="cyan"),
    Role.GOOD: Style(color="green"),
    Role.BAD: Style(color="yellow", bold=True),
    Role.LOUD: Style(color="red", bold=True),
    Role.LIMIT: Style(color="magenta"),
    Role.BAND: Style(color="blue"),
}
"""In a terminal's own sixteen colours, on its own ground."""


class Palette(StrEnum):
    """How many colours a terminal has.

    Attributes:
        FULL: 256 or more.
        SIXTEEN: Its own sixteen, or eight.
        NONE: None, or none are wanted (NO_COLOR).
    """

    FULL = "full"
    SIXTEEN = "sixteen"
    NONE = "none"

    @property
    def theme(self) -> str:
        """The name of Textual's theme for it."""
        return NAME if self is Palette.FULL else "ansi-dark"


def style_of(role: Role, *, reverse: bool, palette: Palette) -> Style:
    """Return what a role looks like."""
    if palette is Palette.FULL and reverse and role in _REVERSED:
        return _REVERSED[role]
    style = _COLOURS[role] if palette is Palette.FULL else _SIXTEEN[role]
    if palette is Palette.NONE:
        style = Style(bold=style.bold)
    return style + Style(reverse=True) if reverse else style


def strip(line: Line, width: int, palette: Palette) -> Strip:
    """Return a line as a terminal draws it, in exactly `width` cells."""
    segments = [
        Segment(span.text, style_of(span.role, reverse=span.reverse, palette=palette)) for span in fit(line, width)
    ]
    return Strip(segments, width)
