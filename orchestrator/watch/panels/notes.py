"""What is to be known of the log itself: is it there, is it whole, is it still being read."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.watch.panels.figures import number
from orchestrator.watch.panels.paint import clean


def waiting_words(path: str) -> str:
    """Say that there is no log yet."""
    return f"there is no such file yet, waiting for {clean(path)}"


def empty_words(path: str) -> str:
    """Say that a log holds no drill."""
    return f"there is no drill yet, waiting for one in {clean(path)}"


def reading_words(read_bytes: int, size_bytes: int) -> str:
    """Say how far reading has come."""
    share = 100 * read_bytes // size_bytes if size_bytes else 100
    return f"reading the log: {min(100, share)}%"


def lines_words(wrong: int, first_wrong: str, strays: int, restarts: int) -> list[str]:
    """Say what is wrong with the lines of a log, each in a sentence."""
    said = []
    if wrong:
        one = "1 line is no line" if wrong == 1 else f"{number(wrong)} lines are no lines"
        said.append(f"{one} of this version of haltdrill and {_left_out(wrong)} ({clean(first_wrong)})")
    if strays:
        one = "1 line is" if strays == 1 else f"{number(strays)} lines are"
        said.append(f"{one} about a drill or site whose beginning is not in this log")
    if restarts:
        said.append("the log began anew" + (f", {number(restarts)} times" if restarts > 1 else ""))
    return said


def _left_out(count: int) -> str:
    return "was left out" if count == 1 else "were left out"


def joined(notes: Iterable[str]) -> str:
    """Return notes in a line."""
    return "; ".join(note for note in notes if note)
