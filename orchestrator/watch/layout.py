"""How the screen is laid out, and which keys it has."""

from __future__ import annotations

from textual.binding import Binding, BindingType

TALL_ROWS = 40
CURVE_COLUMNS = 60
"""Least columns of a terminal in which sites and curve stand side by side."""

CSS = """
Screen { background: $background; layout: vertical; overflow: hidden; }
Lines { height: 1; }
#middle { height: 9; }
#sites { width: 1fr; height: 100%; }
#curve { width: 1fr; height: 100%; }
#trouble { height: 5; }
#events { height: 1fr; }
#ask { display: none; border: none; height: 1; padding: 0 1; background: $panel; }
"""

BINDINGS: list[BindingType] = [
    Binding("q", "quit", show=False),
    Binding("a", "abort", show=False),
    # With priority, since the very next key is already meant for the field that they open.
    Binding("slash", "filter", show=False, priority=True),
    Binding("l", "level", show=False),
    Binding("s", "site", show=False, priority=True),
    Binding("d", "drills", show=False),
    Binding("r", "replay", show=False),
    Binding("z", "zoom", show=False),
    Binding("question_mark", "help", show=False),
    Binding("tab", "focus_panel(1)", show=False, priority=True),
    Binding("shift+tab", "focus_panel(-1)", show=False, priority=True),
    Binding("enter", "enter", show=False),
    Binding("left", "move(-1, 0)", show=False),
    Binding("right", "move(1, 0)", show=False),
    Binding("up", "move(0, -1)", show=False),
    Binding("down", "move(0, 1)", show=False),
    Binding("pageup", "turn(-1)", show=False),
    Binding("pagedown", "turn(1)", show=False),
    Binding("space", "play", show=False),
    Binding("plus,equals_sign", "speed(1)", show=False),
    Binding("minus", "speed(-1)", show=False),
    Binding("left_square_bracket", "seek(-10)", show=False),
    Binding("right_square_bracket", "seek(10)", show=False),
    Binding("left_curly_bracket", "seek(-60)", show=False),
    Binding("right_curly_bracket", "seek(60)", show=False),
    Binding("0,home", "seek_end(0)", show=False),
    Binding("dollar_sign,end", "seek_end(1)", show=False),
    Binding("escape", "leave", show=False),
]


def heights(rows: int, note: int) -> dict[str, int]:
    """Return how many lines each panel has; what is left belongs to the events.

    Args:
        rows: Lines of the terminal.
        note: Lines of what is to be known of the log.
    """
    tall = rows >= TALL_ROWS
    head, legend = (5 if tall else 2), (2 if tall else 1)
    left = rows - head - 1 - legend - note - 1
    middle = max(4, left * 45 // 100)
    trouble = max(3, min(12, left * 27 // 100))
    return {"head": head, "legend": legend, "middle": middle, "trouble": trouble, "note": note}
