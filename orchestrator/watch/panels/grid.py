"""The sites as a grid: lines of words while they are few, a letter each while there is room, else several in one.

Where several sites share a cell, the one that asks most to be looked at is shown, so that nothing
hides. The layout depends only on who the sites are and on the room; what is drawn, on the lines in sight.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.logbook.views import SiteView
from orchestrator.watch.panels.figures import interval, number
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import Line, Role, Span, cut, fit, pad, width_of

LABEL_MAX = 14
LIST_WIDTH = 38
"""Least cells in which a site is told in words."""

_STEPS = (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)
_FEW = (1, 2, 3, 4, 5, 6, 8)


class Zoom(StrEnum):
    """How much is to be seen at once."""

    FLEET = "fleet"
    SITES = "sites"


@dataclass(frozen=True, slots=True)
class Strip:
    """A line of the grid: some sites in a row.

    Attributes:
        label: The region, on its first line.
        start: The place of the first site.
        stop: The place after the last.
    """

    label: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each site is drawn.

    Attributes:
        strips: All lines of the grid, more than fit where it has pages.
        label_width: Cells before the first letter.
        pitch: Cells from one letter to the next.
        per_cell: How many sites share a letter.
        listed: Whether each site is told in words, in columns of `LIST_WIDTH` or more.
        height: Lines in sight.
        columns: Of a list, how many sites are in a line.
    """

    strips: tuple[Strip, ...]
    label_width: int
    pitch: int
    per_cell: int
    listed: bool
    height: int
    columns: int = 1

    @property
    def pages(self) -> int:
        """How often one must turn to see all of it."""
        return max(1, -(-len(self.strips) // max(1, self.height)))

    def row_of(self, place: int) -> int:
        """Return the line that a site is on."""
        return max(0, bisect_right(self.strips, place, key=lambda strip: strip.start) - 1)

    def page_of(self, place: int) -> int:
        """Return the page that a site is on."""
        return self.row_of(place) // max(1, self.height)

    def cell_of(self, place: int) -> range:
        """Return the places of the sites that share a site's cell."""
        strip = self.strips[self.row_of(place)]
        start = strip.start + (place - strip.start) // self.per_cell * self.per_cell
        return range(start, min(strip.stop, start + self.per_cell))

    def moved(self, place: int, across: int, down: int) -> int:
        """Return the site that lies so many cells to the right and so many lines below another."""
        if not self.strips:
            return 0
        row = self.row_of(place)
        column = (place - self.strips[row].start) // self.per_cell
        if across:
            cell = self.cell_of(place)
            if across > 0:
                return cell.stop if cell.stop < self.strips[-1].stop else cell.start
            return self.cell_of(cell.start - 1).start if cell.start else 0
        row = min(len(self.strips) - 1, max(0, row + down))
        strip = self.strips[row]
        return min(strip.start + column * self.per_cell, self.cell_of(strip.stop - 1).start)


@dataclass(frozen=True, slots=True)
class Roster:
    """The sites in the order in which they are drawn: by region.

    Attributes:
        sites: The sites.
        regions: Each region's name with the place of its first site.
    """

    sites: tuple[SiteView, ...]
    regions: tuple[tuple[str, int], ...]

    def spans(self) -> list[tuple[str, int, int]]:
        """Return each region with its first place and the place after its last."""
        ends = [start for _, start in self.regions[1:]] + [len(self.sites)]
        return [(name, start, end) for (name, start), end in zip(self.regions, ends, strict=True)]

    def place(self, site: str) -> int | None:
        """Return where a site is."""
        return next((place for place, one in enumerate(self.sites) if one.site == site), None)


def roster(sites: Sequence[SiteView]) -> Roster:
    """Put sites in order, each region's together."""
    by_region: dict[str, list[SiteView]] = {}
    for site in sites:
        by_region.setdefault(site.region, []).append(site)
    ordered: list[SiteView] = []
    regions = []
    for name in sorted(by_region):
        regions.append((name, len(ordered)))
        ordered += by_region[name]
    return Roster(tuple(ordered), tuple(regions))


def lay_out(fleet: Roster, width: int, height: int, zoom: Zoom = Zoom.FLEET) -> Layout:
    """Return where each site is drawn in a room of `width` by `height` cells."""
    count = len(fleet.sites)
    columns = max(1, width // LIST_WIDTH)
    if count <= height * columns:
        rows = -(-count // columns)
        strips = tuple(Strip("", row * columns, min(count, (row + 1) * columns)) for row in range(rows))
        return Layout(strips, 0, width // columns, 1, listed=True, height=height, columns=columns)
    spans = fleet.spans()
    named = len(spans) > 1 and (len(spans) <= height or zoom is Zoom.SITES) and width >= 2 * LABEL_MAX
    label = min(LABEL_MAX, max(width_of(name) for name, _, _ in spans) + 2) if named else 1
    groups = spans if named else [("", 0, count)]
    room = max(1, width - label)
    if zoom is Zoom.SITES:
        return Layout(_strips(groups, 1, max(1, room // 2)), label, 2, 1, listed=False, height=height)
    spaced = _strips(groups, 1, max(1, room // 2))
    if len(spaced) <= height:
        return Layout(spaced, label, 2, 1, listed=False, height=height)
    per_cell = next(size for size in _sizes() if len(_strips(groups, size, room)) <= max(height, len(groups)))
    return Layout(_strips(groups, per_cell, room), label, 1, per_cell, listed=False, height=height)


def _sizes() -> Sequence[int]:
    return [*_FEW, *(unit * 10**power for power in range(8) for unit in _STEPS)]


def _strips(groups: Sequence[tuple[str, int, int]], per_cell: int, columns: int) -> tuple[Strip, ...]:
    step = per_cell * columns
    return tuple(
        Strip(name if place == start else "", place, min(stop, place + step))
        for name, start, stop in groups
        for place in range(start, stop, step)
    )


def scale_words(layout: Layout, count: int, page: int) -> str:
    """Say what a letter stands for, and which page this is."""
    each = "a letter each" if layout.per_cell == 1 else f"{number(layout.per_cell)} to a letter"
    if layout.pages > 1:
        return f"page {page + 1} of {number(layout.pages)}"
    return number(count) if layout.listed else f"{number(count)}, {each}"


def panel(fleet: Roster, layout: Layout, page: int, cursor: int | None) -> list[Line]:
    """Return the lines in sight.

    Args:
        fleet: The sites.
        layout: Where they are drawn.
        page: Which lines are in sight.
        cursor: The site that the cursor is on.
    """
    here = layout.cell_of(cursor).start if cursor is not None and fleet.sites else None
    strips = layout.strips[page * layout.height : (page + 1) * layout.height]
    draw = _listed if layout.listed else _letters
    lines = [draw(fleet, layout, strip, here) for strip in strips]
    return [*lines, *[()] * (layout.height - len(lines))]


def _letters(fleet: Roster, layout: Layout, strip: Strip, here: int | None) -> Line:
    spans = [Span(pad(f" {strip.label}", layout.label_width) if layout.label_width > 1 else " ", Role.DIM)]
    gap = " " * (layout.pitch - 1)
    for start in range(strip.start, strip.stop, layout.per_cell):
        stop = min(strip.stop, start + layout.per_cell)
        looks = [LOOKS[site.standing] for site in fleet.sites[start:stop]]
        look = max(looks, key=lambda one: one.rank)
        # One loud site among many is told by its letter; where most are, the cell is lit up.
        loud = look.role is Role.LOUD and 2 * sum(one.role is Role.LOUD for one in looks) >= len(looks)
        if start == here:
            spans.append(Span(look.letter, Role.FOCUS, reverse=True))
            spans += [Span(gap)] * bool(gap)
        elif spans[-1].role is look.role and not loud and len(spans) > 1:
            spans[-1] = spans[-1]._replace(text=f"{spans[-1].text}{look.letter}{gap}")
        else:
            spans.append(Span(look.letter if loud else look.letter + gap, look.role, reverse=loud))
            spans += [Span(gap)] * (loud and bool(gap))
    return tuple(spans)


def _listed(fleet: Roster, layout: Layout, strip: Strip, here: int | None) -> Line:
    line: list[Span] = []
    longest = max(width_of(site.site) for site in fleet.sites)
    for place in range(strip.start, strip.stop):
        line += fit(_told(fleet.sites[place], min(longest, layout.pitch // 2), chosen=place == here), layout.pitch - 1)
        line.append(Span(" "))
    return tuple(line)


def _told(site: SiteView, site_width: int, *, chosen: bool) -> Line:
    look = LOOKS[site.standing]
    loud = look.role is Role.LOUD
    timed = interval(site.response_lower_ns, site.response_upper_ns)
    rung = f"rung {site.rung + 1}  " if site.rung else ""
    return (
        Span(f" {look.letter} ", look.role, reverse=loud),
        Span(" "),
        Span(pad(site.site, site_width), Role.STRONG, reverse=chosen),
        Span(" "),
        Span(pad(look.word.upper() if loud else look.word, 14), look.role),
        Span(f"{rung}{timed}", Role.DIM),
    )


def cell_words(fleet: Roster, layout: Layout, cursor: int) -> str:
    """Say what is under the cursor."""
    if not fleet.sites:
        return ""
    cell = layout.cell_of(min(cursor, len(fleet.sites) - 1))
    first = fleet.sites[cell.start]
    if len(cell) == 1:
        return f"{first.site}: {LOOKS[first.standing].word}"
    return cut(f"{first.site} to {fleet.sites[cell.stop - 1].site}", LIST_WIDTH + LABEL_MAX)


def worst_of(fleet: Roster, cell: range) -> int:
    """Return the place of the site in a cell that asks most to be looked at."""
    return max(cell, key=lambda place: (LOOKS[fleet.sites[place].standing].rank, -place))
