"""The matrix in a terminal: blocks of controls as wide as fits, then what stands out, then one sentence.

The end is what is on the screen afterwards, so the outcome stands last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from orchestrator.core.coverage import Cell, Coverage, Standing, Trend
from orchestrator.coverage import words
from protocols.controls import Control

_STYLES: dict[Standing, str] = {
    Standing.FRESH: "green",
    Standing.OVERDUE: "bold black on yellow",
    Standing.FAILING: "bold white on red",
    Standing.NEVER: "bold black on magenta",
    Standing.UNSUPPORTED: "dim",
}
_TREND_STYLES: dict[Trend, str] = {Trend.SLOWER: "yellow", Trend.WORSE: "bold red"}
SITE_MAX_CHARS = 24
BETWEEN = "  "


def render(coverage: Coverage, width: int) -> Group:
    """Draw everything for a terminal of `width` columns."""
    parts: list[RenderableType] = []
    for block in _blocks(coverage, width):
        parts += [*_block(coverage, block), Text()]
    parts += [_legend(coverage), Text()]
    calls = [line for group in words.calls(coverage) for line in _calls(group)]
    if calls:
        parts += [Text("To do, worst first", style="bold"), *calls, Text()]
    told = words.uncounted(coverage)
    if told:
        parts += [*(Text(f"{words.NOT_COUNTED} {line}", style="dim") for line in told), Text()]
    parts += [Text(line, style="dim") for line in words.basis(coverage)]
    parts.append(Text(words.headline(coverage), style="bold green" if coverage.complete else "bold red"))
    return Group(*parts)


def show(coverage: Coverage, console: Console) -> None:
    """Print everything."""
    console.print(render(coverage, console.width), highlight=False)


class _Column:
    """One control's column: its cells are cut into parts that line up."""

    def __init__(self, control: Control, cells: Iterable[Cell | None]) -> None:
        self.control = control
        self.title = words.control_words(control)
        parts = [_parts(cell) for cell in cells]
        self._widths = [max((len(row[place]) for row in parts if len(row) > 1), default=0) for place in range(4)]
        whole = max((len(row[0]) for row in parts if len(row) == 1), default=0)
        self.width = max(len(self.title), whole, sum(self._widths) + sum(bool(width) for width in self._widths[:3]) - 1)

    def text(self, cell: Cell | None) -> Text:
        """Draw one cell, as wide as the column."""
        parts = _parts(cell)
        style = "" if cell is None else _STYLES[cell.standing]
        if len(parts) == 1:
            return Text.assemble((parts[0], style), " " * (self.width - len(parts[0])))
        state, times, age, trend = (
            part.ljust(width) if place in {0, 3} else part.rjust(width)
            for place, (part, width) in enumerate(zip(parts, self._widths, strict=True))
        )
        drawn = Text()
        drawn.append(state, style=style)
        drawn.append(f" {times}")
        drawn.append(f" {age}", style="bold yellow" if cell is not None and cell.overdue else "dim")
        if self._widths[3]:
            kind = None if cell is None else cell.trend
            drawn.append(trend, style=_TREND_STYLES.get(kind, "dim") if kind is not None else "dim")
        drawn.pad_right(max(0, self.width - len(drawn.plain)))
        return drawn


def _parts(cell: Cell | None) -> tuple[str, ...]:
    """Return a cell's state, times, age and trend; or one word where there is nothing else to say."""
    if cell is None:
        return ("",)
    mark = words.NOT_COUNTED if cell.undone is not None and cell.undone is not cell.blamed else ""
    if cell.last is None or cell.age_ns is None:
        return (words.code(cell) + mark,)
    sign = words.TREND_SIGNS[cell.trend] if cell.trend is not None else ""
    return words.code(cell), words.timing(cell.last), words.age(cell.age_ns), sign + mark


def _site_width(coverage: Coverage) -> int:
    fleets = words.fleets_in(coverage)
    longest = max((len(words.site_words(row, fleets)) for row in coverage.rows), default=0)
    return min(SITE_MAX_CHARS, max(len("site"), longest))


def _blocks(coverage: Coverage, width: int) -> Iterator[list[_Column]]:
    """Share the controls out over as few blocks as fit, each about as many."""
    columns = [_Column(control, [row.cell(control) for row in coverage.rows]) for control in coverage.controls]
    room = max(1, width - _site_width(coverage))
    blocks = 1
    while blocks < len(columns) and any(_taken(part) > room for part in _shared(columns, blocks)):
        blocks += 1
    yield from _shared(columns, blocks)


def _shared(columns: list[_Column], blocks: int) -> list[list[_Column]]:
    size = -(-len(columns) // blocks) if columns else 1
    return [columns[start : start + size] for start in range(0, len(columns), size)]


def _taken(columns: Iterable[_Column]) -> int:
    return sum(len(BETWEEN) + column.width for column in columns)


def _block(coverage: Coverage, columns: list[_Column]) -> Iterator[Text]:
    width, fleets = _site_width(coverage), words.fleets_in(coverage)
    yield Text(BETWEEN.join(["site".ljust(width), *(column.title.ljust(column.width) for column in columns)]), "bold")
    for row in coverage.rows:
        line = Text(_clipped(words.site_words(row, fleets), width).ljust(width), no_wrap=True)
        for column in columns:
            line.append(BETWEEN)
            line.append_text(column.text(row.cell(column.control)))
        line.rstrip()
        yield line


def _clipped(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 2]}.."


def _legend(coverage: Coverage) -> Text:
    """Explain the codes that were used, and only those."""
    cells = [cell for row in coverage.rows for cell in row.cells]
    used = {words.code(cell) for cell in cells}
    codes = [f"{code} {meaning}" for code, meaning in words.MEANINGS.items() if code in used - {words.NEVER}]
    trends = {cell.trend for cell in cells if cell.trend not in {None, Trend.FIRST}}
    signs = [f"{words.TREND_SIGNS[trend]} {trend}" for trend in Trend if trend in trends]
    said = [", ".join(codes), "then response time (at most) / limit in seconds, age"]
    if signs:
        said.append(f"and against the time before: {', '.join(signs)}")
    age = words.age_words(coverage.max_age_ns)
    return Text(f"{'; '.join(said)}. Overdue after {age}.", style="dim")


def _calls(calls: words.Calls) -> Iterator[RenderableType]:
    head = Text.assemble((calls.head.upper(), _STYLES[calls.standing]))
    if calls.why:
        head.append(f": {calls.why}")
    yield Padding(head, (0, 0, 0, 2), expand=False)
    for place in calls.places:
        line = Text(place.where)
        if place.more:
            line.append(f", {place.more}", style="dim")
        yield Padding(line, (0, 0, 0, 4), expand=False)
