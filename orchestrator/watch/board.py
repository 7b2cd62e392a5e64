"""Everything that is on the screen, as lines, and what the keys move: without a terminal.

What costs more than the lines in sight is computed again only when a line of the drill has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import TypeVar

from orchestrator.core.criteria import told
from orchestrator.logbook import lines as ln
from orchestrator.logbook.views import DrillView, LogView, SiteView
from orchestrator.watch.panels import bar, choosing, curve, grid, heading, notes, tail, trouble
from orchestrator.watch.panels.detail import detail
from orchestrator.watch.panels.figures import number
from orchestrator.watch.panels.paint import Line, Role, Span, fit, title
from orchestrator.watch.panels.tail import Filter
from protocols.logged import Level

T = TypeVar("T")

CURVE_TITLE_WIDTH = 50
"""Least cells for the whole title of the curve."""


class Focus(StrEnum):
    """Which panel the arrow keys move in."""

    SITES = "sites"
    TROUBLE = "trouble"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Room:
    """The size of a panel, without its title."""

    width: int
    height: int


class Board:
    """The screen of one log.

    Args:
        wanted: The id, or its beginning, of the drill to be shown; the newest if None.
        braille: Whether the terminal has braille characters.

    Attributes:
        view: What the log says.
        now_ns: The wall time that is shown, nanoseconds.
        wanted_filter: Which events are shown.
        note: What is to be known of the log, in a line.
        waiting: What is said while there is no drill.
        far: How far reading has come; empty when it has caught up.
    """

    def __init__(self, *, wanted: str | None = None, braille: bool = True) -> None:
        self.view = LogView()
        self.wanted = wanted
        self.now_ns = 0
        self.wanted_filter = Filter()
        self.note = ""
        self.waiting = ""
        self.far = ""
        self.focus = Focus.SITES
        self.zoom = grid.Zoom.FLEET
        self._braille = braille
        self._cursor = 0
        self._page: int | None = None
        self._chosen = 0
        self._back = 0
        self._sizes = {focus: Room(80, 8) for focus in Focus}
        self._kept: dict[str, tuple[object, object]] = {}

    # what is shown

    @property
    def drill(self) -> DrillView | None:
        """The drill that is shown."""
        return choosing.choose(self.view, self.wanted)

    def _keep(self, name: str, about: object, compute: Callable[[], T]) -> T:
        """Return what was computed before, as long as it is about the same."""
        known = self._kept.get(name)
        if known is not None and known[0] == about:
            return known[1]  # type: ignore[return-value]  # kept under this name by the same compute
        value = compute()
        self._kept[name] = (about, value)
        return value

    def _troubles(self, drill: DrillView) -> list[trouble.Trouble]:
        return self._keep("trouble", (id(self.view), drill.drill, drill.serial), lambda: trouble.troubles(drill))

    def _roster(self, drill: DrillView) -> grid.Roster:
        about = (id(self.view), drill.drill, len(drill.sites))
        return self._keep("roster", about, lambda: grid.roster(list(drill.sites.values())))

    def _layout(self, drill: DrillView) -> grid.Layout:
        room, fleet = self._sizes[Focus.SITES], self._roster(drill)
        about = (id(fleet), room, self.zoom)
        return self._keep("layout", about, lambda: grid.lay_out(fleet, room.width, room.height, self.zoom))

    def head(self, width: int, *, tall: bool) -> list[Line]:
        """Return the top of the screen."""
        drill = self.drill
        if drill is None:
            return heading.waiting(self.waiting, width)
        draw = heading.tall if tall else heading.heading
        return draw(drill, trouble.totals(self._troubles(drill)), self.now_ns, width)

    def bar(self, width: int) -> Line:
        """Return the fleet in one line."""
        drill = self.drill
        return () if drill is None else bar.bar(drill.counts, width)

    def legend(self, width: int, height: int) -> list[Line]:
        """Return what the letters mean."""
        drill = self.drill
        return [] if drill is None else bar.legend(drill.counts, width, height)

    def sites(self, room: Room) -> list[Line]:
        """Return the grid with its title."""
        self._sizes[Focus.SITES] = room
        drill = self.drill
        if drill is None:
            return [title("Sites", "", room.width)]
        fleet, layout = self._roster(drill), self._layout(drill)
        self._cursor = max(0, min(self._cursor, len(fleet.sites) - 1))
        page = min(self._page if self._page is not None else 0, layout.pages - 1)
        focused = self.focus is Focus.SITES
        more = grid.scale_words(layout, len(fleet.sites), page)
        if focused and not layout.listed and room.width > 2 * grid.LIST_WIDTH:
            more = f"{grid.cell_words(fleet, layout, self._cursor)}  {more}"
        return [
            title("Sites", more, room.width, focus=focused),
            *grid.panel(fleet, layout, page, self._cursor if focused else None),
        ]

    def curve(self, room: Room) -> list[Line]:
        """Return the curve with its title."""
        drill = self.drill
        if drill is None:
            return [title("Response", "", room.width)]
        step = drill.step
        words = told(step.stated.params)
        if not words.timed:
            said = f" {heading.control_words(step.stated.params)}: passes if each site has {words.goal}"
            return [title("Response", "", room.width), fit((Span(said, Role.DIM),), room.width)]
        pairs = self._keep("halts", (id(self.view), drill.drill, drill.serial), lambda: drill.halts(drill.running))
        elapsed_ns = heading.elapsed_ns(drill, self.now_ns)
        if step.ordered is None:
            elapsed_ns = -1
        found = curve.of(pairs, drill.opened.sites, step.stated.response_limit_ns, elapsed_ns, words.proved)
        more = curve.brief(found) if step.ordered is not None else "no order yet"
        name = words.proved.capitalize()
        return [
            title(f"{name} over time" if room.width > CURVE_TITLE_WIDTH else name, more, room.width),
            *curve.panel(found, room.width, room.height, braille=self._braille),
        ]

    def trouble(self, room: Room) -> list[Line]:
        """Return who is in trouble, with the title."""
        self._sizes[Focus.TROUBLE] = room
        drill = self.drill
        found = [] if drill is None else self._troubles(drill)
        self._chosen = max(0, min(self._chosen, len(found) - 1))
        focused = self.focus is Focus.TROUBLE
        first = self._chosen // max(1, room.height) * room.height if focused else 0
        more = f"{number(first + 1)} to {number(min(len(found), first + room.height))} of {number(len(found))}"
        return [
            title("Trouble", more if len(found) > room.height else "", room.width, focus=focused),
            *trouble.panel(found, room.width, room.height, first, self._chosen if focused else None),
        ]

    def _events(self, drill: DrillView | None) -> Iterable[ln.AnyDrillLine]:
        if drill is None:
            return ()
        wanted = self.wanted_filter
        newest = reversed(self.view.notable)
        if wanted.level is not Level.DEBUG:
            return tail.chosen(newest, drill.drill, wanted)
        # Of `debug` lines only the very newest are kept; what is older than they are has the others still.
        oldest = self.view.tail[0].timestamp if self.view.tail else ""
        older = (line for line in newest if line.timestamp < oldest)
        return tail.chosen(chain(reversed(self.view.tail), older), drill.drill, wanted)

    def events(self, room: Room) -> list[Line]:
        """Return the newest events, with the title."""
        self._sizes[Focus.EVENTS] = room
        focused = self.focus is Focus.EVENTS
        scrolled = f"{number(self._back)} newer below   " if self._back else ""
        drill = self.drill
        more = f"{scrolled}{self.wanted_filter.wrong or self.wanted_filter.text}"
        rows = [] if drill is None else tail.panel(self._events(drill), room.width, room.height, self._back)
        return [title("Events", more, room.width, focus=focused), *rows]

    def bottom_note(self) -> str:
        """Return what is to be known of the log, in a line; empty if all is well."""
        drill = self.drill
        quiet = heading.silence(drill, self.now_ns) if drill is not None and not self.far else ""
        aborted = f"aborted: {drill.aborted.reason}" if drill is not None and drill.aborted is not None else ""
        restarts = drill.resumed if drill is not None else 0
        resumed = f"the orchestrator was restarted {restarts}x in this drill" if restarts else ""
        return notes.joined([self.far, aborted, quiet, self.note, resumed])

    def detail(self, site: str, width: int) -> list[Line]:
        """Return all about a site."""
        drill = self.drill
        found = drill.sites.get(site) if drill is not None else None
        if drill is None or found is None:
            return [(Span("no such site in this drill", Role.DIM),)]
        return detail(drill, found, width)

    # what the keys do

    def show(self, drill: str) -> None:
        """Show another drill of the log."""
        self.wanted = drill
        self._cursor, self._page, self._chosen, self._back = 0, None, 0, 0

    def next_focus(self, by: int = 1) -> None:
        """Let the arrow keys move in the next panel."""
        order = list(Focus)
        self.focus = order[(order.index(self.focus) + by) % len(order)]

    def move(self, across: int, down: int) -> None:
        """Move the cursor in the panel in focus."""
        drill = self.drill
        if drill is None:
            return
        match self.focus:
            case Focus.SITES:
                layout = self._layout(drill)
                if layout.listed:
                    self._cursor += across + down * layout.columns
                    self._cursor = max(0, min(self._cursor, len(drill.sites) - 1))
                else:
                    self._cursor = layout.moved(self._cursor, across, down)
                self._page = layout.page_of(self._cursor)
            case Focus.TROUBLE:
                self._chosen = max(0, min(self._chosen + down, len(self._troubles(drill)) - 1))
            case Focus.EVENTS:
                self._back = max(0, min(self._back - down, self._back_max(drill)))

    def _back_max(self, drill: DrillView) -> int:
        return max(0, sum(1 for _ in self._events(drill)) - self._sizes[Focus.EVENTS].height)

    def turn(self, pages: int) -> None:
        """Turn pages of the panel in focus."""
        self.move(0, pages * max(1, self._sizes[self.focus].height))

    def zoomed(self) -> None:
        """Show the whole fleet at once, or a letter for each site."""
        drill = self.drill
        self.zoom = grid.Zoom.SITES if self.zoom is grid.Zoom.FLEET else grid.Zoom.FLEET
        if drill is not None and drill.sites:
            self._page = self._layout(drill).page_of(self._cursor)

    def enter(self) -> str | None:
        """Return the site to be shown in detail; in a cell that several share, go nearer and return None."""
        drill = self.drill
        if drill is None or not drill.sites:
            return None
        if self.focus is Focus.TROUBLE:
            found = self._troubles(drill)
            return found[self._chosen].site if found else None
        if self.focus is Focus.EVENTS:
            return self._site_of_event(drill)
        fleet, layout = self._roster(drill), self._layout(drill)
        cell = layout.cell_of(self._cursor)
        if len(cell) == 1:
            return fleet.sites[cell.start].site
        self._cursor = grid.worst_of(fleet, cell)
        self.zoomed()
        return None

    def _site_of_event(self, drill: DrillView) -> str | None:
        """Return the site of the lowest event in sight that is about one."""
        for number_, line in enumerate(self._events(drill)):
            if number_ >= self._back and getattr(line, "site", None) in drill.sites:
                return str(getattr(line, "site", ""))
        return None

    def find(self, beginning: str) -> SiteView | None:
        """Return the first site whose name begins so, or else holds it, and put the cursor there."""
        drill = self.drill
        if drill is None or not beginning:
            return None
        fleet = self._roster(drill)
        names = [site.site for site in fleet.sites]
        place = next((at for at, name in enumerate(names) if name.startswith(beginning)), None)
        if place is None:
            place = next((at for at, name in enumerate(names) if beginning in name), None)
        if place is None:
            return None
        self._cursor, self._page = place, self._layout(drill).page_of(place)
        return fleet.sites[place]

    def filter(self, text: str) -> None:
        """Filter the events as was typed."""
        self.wanted_filter = tail.parse_filter(text, self.wanted_filter)
        self._back = 0

    def next_level(self) -> None:
        """Show events of the next level."""
        self.wanted_filter = self.wanted_filter.next_level()
        self._back = 0
