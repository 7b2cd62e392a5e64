"""How many sites came to be as ordered by when, against the response limit: drawn in characters.

Each site came to it between two times, so there are two curves with a band between them: by the
latest that each can have, which is what is proved, and by the earliest. Braille gives each cell two
by four dots; where a terminal has none, blocks give it one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.watch.panels.figures import S_NS, number, seconds
from orchestrator.watch.panels.paint import Line, Role, Span, fit, pad, width_of

DOTS_ACROSS, DOTS_DOWN = 2, 4
_BRAILLE = 0x2800
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot, by row and column (Unicode, Braille Patterns)."""

LIMIT_LINE = "\N{BOX DRAWINGS LIGHT QUADRUPLE DASH VERTICAL}"
_SHARES = (50, 95)
_ROOM = 1.12


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn.

    Attributes:
        earliest: The lower bound of each site that was seen as ordered, sorted.
        latest: The upper bounds, sorted.
        sites: How many sites there are.
        limit_ns: The response limit.
        elapsed_ns: How long ago the order was; None when the step is over.
        word: What the sites come to be: "halted".
    """

    earliest: tuple[int, ...]
    latest: tuple[int, ...]
    sites: int
    limit_ns: int
    elapsed_ns: int | None
    word: str

    @property
    def span_ns(self) -> float:
        """How much time is drawn: with the limit always in it."""
        return max([self.limit_ns, *self.latest[-1:]]) * _ROOM

    def in_time(self) -> int:
        """Return how many sites are proved as ordered by the limit."""
        return bisect_right(self.latest, self.limit_ns)


def of(pairs: Sequence[tuple[int, int]], sites: int, limit_ns: int, elapsed_ns: int | None, word: str) -> Curve:
    """Return a curve of (earliest, latest) pairs, as `DrillView.halts` gives them."""
    return Curve(
        tuple(sorted(pair[0] for pair in pairs)),
        tuple(sorted(pair[1] for pair in pairs)),
        sites,
        limit_ns,
        elapsed_ns,
        word,
    )


def summary(curve: Curve) -> str:
    """Say in a few words how many made it."""
    return f"{number(curve.in_time())} of {number(curve.sites)} within {seconds(curve.limit_ns)}"


def brief(curve: Curve) -> str:
    """Say the same where the limit is told beside it."""
    return f"{number(curve.in_time())} of {number(curve.sites)} in time"


def quantiles(curve: Curve) -> str:
    """Say by when half of all sites, and nearly all, are proved as ordered."""
    said = []
    for share in _SHARES:
        wanted = max(1, -(-share * curve.sites // 100))
        reached = wanted <= len(curve.latest)
        said.append(f"{share}% by {curve.latest[wanted - 1] / S_NS:.1f} s" if reached else f"{share}% not reached")
    return ", ".join(said)


def panel(curve: Curve, width: int, height: int, *, braille: bool = True) -> list[Line]:
    """Return the drawing: the plot, an axis of sites at the left and one of time underneath."""
    top = number(curve.sites)
    label = width_of(top) + 1
    rows, columns = height - 1, width - label - 1
    if rows < 1 or columns < 8:  # noqa: PLR2004 - less holds no curve
        return [fit((Span(f" {summary(curve)}"),), width), *[()] * (height - 1)][:height]
    plot = _Plot(curve, columns, rows, braille=braille)
    lines = []
    for row in range(rows):
        mark = top if row == 0 else "0" if row == rows - 1 else ""
        lines.append(
            (Span(f"{mark:>{label}}", Role.DIM), Span("\N{BOX DRAWINGS LIGHT VERTICAL}", Role.RULE), *plot.row(row))
        )
    return [*lines, fit(_axis(curve, label, columns), width)]


def _axis(curve: Curve, label: int, columns: int) -> Line:
    """Return the axis of time: 0, the limit under its line, and the end."""
    limit = f"limit {seconds(curve.limit_ns)}"
    at = round(curve.limit_ns / curve.span_ns * (columns - 1))
    start = max(4, min(at - width_of(limit) // 2, columns - width_of(limit)))
    end = f"{curve.span_ns / S_NS:.3g} s"
    left = Span(" " * label + " " + pad("0 s", start), Role.DIM)
    room = columns - start - width_of(limit)
    tail = f"{end:>{room}}" if room > width_of(end) + 1 else ""
    return (left, Span(limit, Role.LIMIT), Span(tail, Role.DIM))


class _Plot:
    """Draws the curves into cells."""

    def __init__(self, curve: Curve, columns: int, rows: int, *, braille: bool) -> None:
        self._columns, self._rows = columns, rows
        self._across, self._down = (DOTS_ACROSS, DOTS_DOWN) if braille else (1, 1)
        self._braille = braille
        self._limit = min(columns - 1, round(curve.limit_ns / curve.span_ns * (columns - 1)))
        self._bits = [[0] * columns for _ in range(rows)]
        self._proved = [[False] * columns for _ in range(rows)]
        self._draw(curve)

    def _draw(self, curve: Curve) -> None:
        wide, high = self._columns * self._across, self._rows * self._down
        before = high - 1
        for x in range(wide):
            t_ns = curve.span_ns * x / max(1, wide - 1)
            if curve.elapsed_ns is not None and t_ns > curve.elapsed_ns:
                break
            low = self._y(bisect_right(curve.latest, t_ns), curve.sites, high)
            upper = self._y(bisect_right(curve.earliest, t_ns), curve.sites, high)
            for y in range(min(low, before), max(low, before) + (low == before)):
                self._dot(x, y, proved=True)
            self._dot(x, low, proved=True)
            for y in range(upper, low):
                if not self._braille or (x + y) % 2 == 0:
                    self._dot(x, y, proved=False)
            before = low

    @staticmethod
    def _y(count: int, sites: int, high: int) -> int:
        return high - 1 - round(count / max(1, sites) * (high - 1))

    def _dot(self, x: int, y: int, *, proved: bool) -> None:
        column, row = x // self._across, y // self._down
        self._bits[row][column] |= _BITS[y % self._down][x % self._across] if self._braille else 1
        self._proved[row][column] |= proved

    def row(self, row: int) -> Line:
        """Return a line of the plot."""
        spans: list[Span] = []
        for column in range(self._columns):
            char, role = self._cell(row, column)
            if spans and spans[-1].role is role:
                spans[-1] = Span(spans[-1].text + char, role)
            else:
                spans.append(Span(char, role))
        return tuple(spans)

    def _cell(self, row: int, column: int) -> tuple[str, Role]:
        bits = self._bits[row][column]
        if not bits:
            return (LIMIT_LINE, Role.LIMIT) if column == self._limit else (" ", Role.TEXT)
        proved = self._proved[row][column]
        role = Role.HALTED if proved else Role.BAND
        if self._braille:
            return chr(_BRAILLE + bits), role
        return ("\N{FULL BLOCK}" if proved else "\N{LIGHT SHADE}"), role
