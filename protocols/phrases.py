"""How numbers, durations and lists are written for people: exactly, and the same by every party."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ((86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"))
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


def list_text(words: Sequence[str], last: str = "and") -> str:
    """Write a list as in a sentence: `a, b and c`."""
    return f" {last} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
