"""How owners, times and foreign text are written for those who are asked to approve: exactly, and safely."""

from __future__ import annotations

import re
from textwrap import wrap

from protocols.ids import parse_utc

WIDTH = 96
LABEL = 14
_NUMBERED = re.compile(r"[0-9]+\. ", re.ASCII)


def time_text(utc: str) -> str:
    """Write a time of the wire for people: `2026-11-24 09:00:00 UTC`."""
    parse_utc(utc)
    whole, fraction = utc.removesuffix("Z").split(".")
    rest = fraction.rstrip("0")
    return f"{whole.replace('T', ' ')}{'.' + rest if rest else ''} UTC"


def owners_text(count: int) -> str:
    """Write a number of owners: `1 owner`, `2 owners`."""
    return "1 owner" if count == 1 else f"{count} owners"


def clean(text: str) -> str:
    """Escape whatever a terminal would not show as it is."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def item(label: str, text: str) -> list[str]:
    """Write a labelled paragraph, wrapped; each line break begins a new one under the same label.

    Where one begins with a number, as in a list, its further lines are set in.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        numbered = _NUMBERED.match(paragraph)
        indent = " " * len(numbered[0]) if numbered else ""
        lines += wrap(
            paragraph, WIDTH - LABEL, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return [f"{label if number == 0 else '':<{LABEL}}{line}" for number, line in enumerate(lines)]
