"""Lines of text whose parts have a role; what a role looks like is the terminal's affair.

Nothing that a panel says depends on colour, so that its plain text is enough to read it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
TRIANGLE = "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
TITLE_ROOM = 16
"""Least cells that must be left beside a title for more about it."""


class Role(StrEnum):
    """What a part of a line is."""

    TEXT = "text"
    DIM = "dim"
    STRONG = "strong"
    RULE = "rule"
    FOCUS = "focus"
    IDLE = "idle"
    GOING = "going"
    HALTED = "halted"
    GOOD = "good"
    BAD = "bad"
    LOUD = "loud"
    LIMIT = "limit"
    BAND = "band"


class Span(NamedTuple):
    """A part of a line.

    Attributes:
        role: What it is.
        reverse: Whether it is drawn the other way about, light for dark.
    """

    text: str
    role: Role = Role.TEXT
    reverse: bool = False


Line = tuple[Span, ...]


def clean(text: str) -> str:
    """Return text without anything that a terminal would act upon or a reader can't see."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def width_of(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


@lru_cache(4096)
def _cells(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return text in at most `width` cells, with an ellipsis where something is missing."""
    if width_of(text) <= width:
        return text
    if width <= 0:
        return ""
    taken, room = [], width - 1
    for char in text:
        room -= _cells(char)
        if room < 0:
            break
        taken.append(char)
    return "".join(taken) + ELLIPSIS


def pad(text: str, width: int) -> str:
    """Return text in exactly `width` cells."""
    shown = cut(text, width)
    return shown + " " * (width - width_of(shown))


def plain(line: Iterable[Span]) -> str:
    """Return a line's text."""
    return "".join(span.text for span in line)


def span_width(line: Iterable[Span]) -> int:
    """Return how many cells a line takes."""
    return sum(width_of(span.text) for span in line)


def fit(line: Sequence[Span], width: int) -> Line:
    """Return a line in exactly `width` cells."""
    fitted, room = [], width
    for span in line:
        needed = width_of(span.text)
        if needed > room:
            fitted.append(span._replace(text=cut(span.text, room)))
            room -= width_of(fitted[-1].text)
            break
        fitted.append(span)
        room -= needed
    return (*fitted, Span(" " * room)) if room > 0 else tuple(fitted)


def spread(left: Sequence[Span], right: Sequence[Span], width: int) -> Line:
    """Return a line with `right` at its right end; where there is no room for both, `left` is cut."""
    room = width - span_width(right)
    return (*fit(left, room - 1), Span(" "), *right) if room > 1 else fit(right, width)


def title(words: str, more: str, width: int, *, focus: bool = False) -> Line:
    """Return the rule over a panel, with its title, and with more about it at the right."""
    mark = f"{TRIANGLE} " if focus else f"{RULE} "
    tail = f" {cut(more, width - width_of(words) - 8)} " if more and width - width_of(words) > TITLE_ROOM else ""
    room = width - 2 - width_of(words) - width_of(tail) - 2
    return fit(
        (
            Span(mark, Role.FOCUS if focus else Role.RULE),
            Span(words, Role.FOCUS if focus else Role.STRONG),
            Span(f" {RULE * max(0, room)}", Role.RULE),
            Span(tail, Role.DIM),
            Span(RULE, Role.RULE),
        ),
        width,
    )


def wrapped(text: str, width: int) -> list[str]:
    """Return a text's words in lines of at most `width` cells."""
    lines, room = [""], 0
    for word in text.split():
        for piece in _pieces(word, width):
            needed = width_of(piece)
            if room + needed + (room > 0) > width:
                lines.append("")
                room = 0
            lines[-1] += (" " if room else "") + piece
            room += needed + (room > 0)
    return lines


def _pieces(word: str, width: int) -> list[str]:
    size = max(1, width)
    if width_of(word) <= size:
        return [word]
    half = max(1, size // 2)  # of wide characters no more fit
    step = size if word.isascii() else half
    return [word[place : place + step] for place in range(0, len(word), step)]
