"""The newest events, and a filter for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from orchestrator.logbook import lines as ln
from orchestrator.watch.panels.figures import clock
from orchestrator.watch.panels.paint import Line, Role, Span, clean, fit
from protocols.logged import Level

LEVELS = tuple(Level)
_SIGNS = {
    Level.DEBUG: (".", Role.DIM),
    Level.INFO: ("i", Role.TEXT),
    Level.WARNING: ("W", Role.BAD),
    Level.ERROR: ("E", Role.LOUD),
}
_ALIASES = {"warn": Level.WARNING, "err": Level.ERROR} | {level.value: level for level in LEVELS}

FILTER_HELP = "level:warning  site:eu-north  and any words, all of which must be in the line"


@dataclass(frozen=True, slots=True)
class Filter:
    """What is shown of the events.

    Attributes:
        level: The least level.
        site: How the site's name begins; empty for lines about any site and none.
        words: What must be in the line's sentence or event name, in small letters.
        wrong: What of the filter was not understood.
    """

    level: Level = Level.INFO
    site: str = ""
    words: tuple[str, ...] = ()
    wrong: str = ""

    @property
    def text(self) -> str:
        """The filter as it is typed."""
        parts = [f"level:{self.level.value}"] + ([f"site:{self.site}"] if self.site else [])
        return " ".join([*parts, *self.words])

    def next_level(self) -> Filter:
        """Return it with the next level, round and round."""
        level = LEVELS[(LEVELS.index(self.level) + 1) % len(LEVELS)]
        return Filter(level, self.site, self.words)

    def lets_through(self, line: ln.AnyDrillLine) -> bool:
        """Tell whether a line is to be shown."""
        if LEVELS.index(line.level) < LEVELS.index(self.level):
            return False
        if self.site and not getattr(line, "site", "").startswith(self.site):
            return False
        if not self.words:
            return True
        text = f"{line.message} {line.action}".lower()
        return all(word in text for word in self.words)


def parse_filter(text: str, before: Filter) -> Filter:
    """Read a filter: `level:warning site:eu-north words`.

    A site or words without a level look through all levels, since what is about one site is mostly `debug`.
    """
    level: Level | None = None
    site, words, wrong = "", [], ""
    for part in text.split():
        name, colon, value = part.partition(":")
        if colon and name == "level":
            level = _ALIASES.get(value.lower())
            wrong = wrong or ("" if level is not None else f"no level {value!r}: {', '.join(LEVELS)}")
        elif colon and name == "site":
            site = value
        else:
            words.append(part.lower())
    if level is None:
        level = Level.DEBUG if site or words else before.level if wrong else Level.INFO
    return Filter(level, site, tuple(words), wrong)


def chosen(tail: Iterable[ln.AnyDrillLine], drill: str, wanted: Filter) -> Iterable[ln.AnyDrillLine]:
    """Yield the lines of a drill that the filter lets through.

    Args:
        tail: Lines in any order.
        drill: The drill's id.
        wanted: The filter.
    """
    return (line for line in tail if line.drill == drill and wanted.lets_through(line))


def panel(newest_first: Iterable[ln.AnyDrillLine], width: int, height: int, back: int = 0) -> list[Line]:
    """Return the lines of the panel, the newest at the bottom.

    Args:
        newest_first: What the filter lets through, the newest first; only as many as are shown are taken.
        width: Cells.
        height: Lines.
        back: How many of the newest are scrolled out of sight.
    """
    shown = list(islice(newest_first, back, back + height))
    if not shown:
        return [fit((Span(" no such line among the newest", Role.DIM),), width), *[()] * (height - 1)]
    lines = [fit(_row(line), width) for line in reversed(shown)]
    return [*lines, *[()] * (height - len(lines))]


def _row(line: ln.AnyDrillLine) -> Line:
    sign, role = _SIGNS[line.level]
    loud = line.level in {Level.WARNING, Level.ERROR}
    return (
        Span(f" {clock(line.timestamp)} ", Role.DIM),
        Span(f"{sign} ", role),
        Span(clean(line.message), role if loud and role is not Role.LOUD else Role.STRONG if loud else role),
    )
