"""Numbers three lines high, for what must be read from across a room."""

from __future__ import annotations

_ROWS: dict[str, tuple[str, str, str]] = {
    "0": ("┏━┓", "┃ ┃", "┗━┛"),
    "1": (" ╺┓", "  ┃", " ╺┻"),
    "2": ("╺━┓", "┏━┛", "┗━╸"),
    "3": ("╺━┓", "╺━┫", "╺━┛"),
    "4": ("╻ ╻", "┗━┫", "  ╹"),
    "5": ("┏━╸", "┗━┓", "╺━┛"),
    "6": ("┏━╸", "┣━┓", "┗━┛"),
    "7": ("╺━┓", "  ┃", "  ╹"),
    "8": ("┏━┓", "┣━┫", "┗━┛"),
    "9": ("┏━┓", "┗━┫", "╺━┛"),
    ",": (" ", " ", ","),
    ":": (" ", "·", "·"),
}
HEIGHT = 3


def big(text: str) -> tuple[str, str, str]:
    """Return a number in three lines of the same width; what has no big form stands on the lowest."""
    glyphs = [_ROWS.get(char, (" ", " ", char)) for char in text]
    top, middle, bottom = ("".join(rows) for rows in zip(*glyphs, strict=True)) if glyphs else ("", "", "")
    return top, middle, bottom
