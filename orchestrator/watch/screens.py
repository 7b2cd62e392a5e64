"""What comes over the screen for a while: help, a site, the choice of a drill, and the question before an abort."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from orchestrator.watch.panels.paint import Line, Role, Span, plain, title, wrapped
from orchestrator.watch.widgets import Lines, Page

REFRESH_S = 0.5
GUARD_S = 0.5
"""How long a question must have been in sight before it can be answered: keys typed ahead answer nothing."""
_LEAVE: list[BindingType] = [Binding("escape,q,question_mark", "leave", show=False)]


class PageScreen(ModalScreen[None]):
    """A page over the whole screen that is scrolled with the arrow keys, and kept up to date.

    Args:
        name_of_it: Its title.
        lines: Returns its lines for a width.
    """

    BINDINGS: ClassVar[list[BindingType]] = _LEAVE
    CSS = """
    PageScreen { background: $background; padding: 0 1; }
    PageScreen #page-title { height: 1; }
    PageScreen #page { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; background: $background; }
    PageScreen #page-keys { height: 1; }
    """

    def __init__(self, name_of_it: str, lines: Callable[[int], Sequence[Line]]) -> None:
        super().__init__()
        self._title = name_of_it
        self._source = lines

    def compose(self) -> ComposeResult:
        """Put its parts together."""
        yield Lines(id="page-title")
        yield Page(id="page")
        yield Lines(id="page-keys")

    def on_mount(self) -> None:
        """Begin to keep it up to date."""
        self.set_interval(REFRESH_S, self._show)
        self.call_after_refresh(self._show)
        self.query_one(Page).focus()

    def on_resize(self) -> None:
        """Draw it for the new size."""
        self._show()

    def _show(self) -> None:
        width = max(20, self.size.width - 3)
        self.query_one("#page-title", Lines).show([title(self._title, "", self.size.width - 2)])
        self.query_one(Page).show(list(self._source(width)))
        keys = (
            Span(" Esc", Role.STRONG),
            Span(" back   ", Role.DIM),
            Span("arrows", Role.STRONG),
            Span(" scroll", Role.DIM),
        )
        self.query_one("#page-keys", Lines).show([keys])

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss(None)


class AbortScreen(ModalScreen[str | None]):
    """Asks once whether to abort, and says exactly what that does.

    It ends with the reason to be recorded, or None for no abort.

    Args:
        words: What it will do.
        reason: The reason if none is given.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "abort", show=False),
        Binding("r", "reason", show=False),
        Binding("escape,n,q", "leave", show=False),
    ]
    CSS = """
    AbortScreen { align: center middle; background: $background 60%; }
    AbortScreen #question {
        width: 72; max-width: 96%; height: auto; padding: 1 2; border: heavy $error; background: $surface;
    }
    AbortScreen Lines { height: auto; }
    AbortScreen Input { display: none; border: none; height: 1; padding: 0; background: $panel; }
    """

    def __init__(self, words: Sequence[str], reason: str) -> None:
        super().__init__()
        self._words = words
        self._reason = reason
        self._asked_at = time.monotonic()

    def compose(self) -> ComposeResult:
        """Put its parts together."""
        with Vertical(id="question"):
            yield Lines(id="abort-words")
            yield Input(placeholder="why, for the record; Enter aborts", id="abort-reason", max_length=200)
            yield Lines(id="abort-keys")

    def on_mount(self) -> None:
        """Show the question."""
        width = min(66, self.app.size.width - 10)
        lines: list[Line] = [(Span(self._words[0], Role.LOUD),)]
        for words in self._words[1:]:
            lines += [(), *((Span(line),) for line in wrapped(words, width))]
        self._fill("#abort-words", [*lines, ()])
        pairs = (("y", "abort now"), ("r", "abort with a reason"), ("Esc", "go back"))
        keys = [span for key, word in pairs for span in (Span(key, Role.STRONG), Span(f" {word}    ", Role.DIM))]
        self._fill("#abort-keys", [tuple(keys)])

    def _fill(self, which: str, lines: list[Line]) -> None:
        widget = self.query_one(which, Lines)
        widget.styles.height = len(lines)
        widget.show(lines)

    def action_abort(self) -> None:
        """Abort."""
        if time.monotonic() - self._asked_at >= GUARD_S:
            self.dismiss(self._reason)

    def action_reason(self) -> None:
        """Ask for the reason."""
        field = self.query_one(Input)
        field.styles.display = "block"
        self.set_focus(field)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Abort with the reason that was typed."""
        self.dismiss(event.value.strip() or self._reason)

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(None)


class DrillsScreen(ModalScreen[str | None]):
    """Lets one of the log's drills be chosen. It ends with its id, or None.

    Args:
        rows: Each drill's id with its line, oldest first.
        shown: The id of the one that is shown.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,d", "leave", show=False)]
    CSS = """
    DrillsScreen { align: center middle; background: $background 60%; }
    DrillsScreen OptionList {
        width: 90%; height: auto; max-height: 80%; border: round $secondary; background: $surface; padding: 0 1;
    }
    """

    def __init__(self, rows: Sequence[tuple[str, Line]], shown: str) -> None:
        super().__init__()
        self._rows = list(reversed(rows))
        self._shown = shown

    def compose(self) -> ComposeResult:
        """Put its parts together."""
        chosen = OptionList(*(Option(plain(line), id=name) for name, line in self._rows), markup=False)
        chosen.border_title = "Drills of this log, the newest first"
        yield chosen

    def on_mount(self) -> None:
        """Begin at the one that is shown."""
        names = [name for name, _ in self._rows]
        chosen = self.query_one(OptionList)
        chosen.highlighted = names.index(self._shown) if self._shown in names else 0
        chosen.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose."""
        self.dismiss(event.option_id)

    def action_leave(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)
