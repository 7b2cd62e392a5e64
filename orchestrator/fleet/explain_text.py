"""How numbers, times and foreign text are written for those who are asked to approve: exactly, and safely."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap

from protocols.ids import parse_utc

WIDTH = 96
LABEL = 14
_UNITS = ((86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"))
_NUMBERED = re.compile(r"[0-9]+\. ", re.ASCII)
_WHOLE_MAX = 1e15


def number_text(value: float) -> str:
    """Write a number exactly: `50`, `0.5`, `1e+25`."""
    return str(int(value)) if value == int(value) and abs(value) < _WHOLE_MAX else repr(value)


def duration_text(seconds: float) -> str:
    """Write a duration as people say it, exactly: `90 s`, `2 hours`, `1 hour 30 minutes`."""
    if seconds < 120 or seconds != int(seconds):  # noqa: PLR2004 - under two minutes people think in seconds
        return f"{number_text(seconds)} s"
    rest = int(seconds)
    parts = []
    for size, one, many in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    if rest:
        parts.append(f"{rest} s")
    return " ".join(parts)


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


def list_text(words: Sequence[str], last: str = "and") -> str:
    """Write a list as in a sentence: `a, b and c`."""
    return f" {last} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


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
