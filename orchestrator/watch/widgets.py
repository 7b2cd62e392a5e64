"""The one widget of the screen: some lines that know how to be drawn."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import App
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from orchestrator.watch.panels.paint import Line
from orchestrator.watch.theme import Palette, strip


class Screenful(App[None]):
    """A program that draws lines.

    Attributes:
        palette: How many colours its terminal has.
    """

    palette = Palette.FULL


def drawn(widget: Widget, line: Line) -> Strip:
    """Return a line as it is drawn on a widget."""
    palette = widget.app.palette if isinstance(widget.app, Screenful) else Palette.NONE
    made = strip(line, widget.size.width, palette)
    return made.apply_style(widget.rich_style) if palette is Palette.FULL else made


class Lines(Widget):
    """Lines, drawn one by one: only those in sight are, and only when they changed."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()

    @property
    def lines(self) -> Sequence[Line]:
        """What is shown."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines from now on."""
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        line = self._lines[y] if y < len(self._lines) else ()
        return drawn(self, line)


class Page(ScrollView, can_focus=True):
    """Lines that may be more than fit, and are scrolled."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()

    @property
    def lines(self) -> Sequence[Line]:
        """What is shown."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines from now on."""
        if lines != self._lines:
            self._lines = lines
            self.virtual_size = Size(self.size.width, len(lines))
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        place = y + self.scroll_offset.y
        line = self._lines[place] if place < len(self._lines) else ()
        return drawn(self, line)
