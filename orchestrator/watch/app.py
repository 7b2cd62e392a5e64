"""The program of the terminal view: it reads in a thread, draws what changed, and hands keys to the board."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from orchestrator.logbook import lines as ln
from orchestrator.logbook.views import LogView
from orchestrator.watch import theme
from orchestrator.watch.aborting import REASON, Abort, abort_words, why_no_abort
from orchestrator.watch.board import Board, Room
from orchestrator.watch.layout import BINDINGS, CSS, CURVE_COLUMNS, TALL_ROWS, heights
from orchestrator.watch.panels import choosing, keys, notes
from orchestrator.watch.panels.figures import stamp_ns
from orchestrator.watch.panels.paint import Line, Role, Span, clean, wrapped
from orchestrator.watch.playing import Player
from orchestrator.watch.reading import Batch, Reading, read_whole, unhurried_collector
from orchestrator.watch.replaying import Replay
from orchestrator.watch.screens import AbortScreen, DrillsScreen, PageScreen
from orchestrator.watch.widgets import Lines
from protocols.errors import HaltdrillError

POLL_S = 0.1
PAUSE_SHARE = 4
"""After drawing, at least this many times as long is left for everything else."""

TOLD_S = 8.0
"""How long an answer to a key stays, unless another key is pressed."""

WIND_S = 0.15
"""How long a replay is wound on before keys are looked at again."""

NOTE_ROWS = 3


class WatchApp(Player):
    """The terminal view of one log.

    Args:
        path: The log; it need not be there yet.
        abort: How a drill is aborted.
        drill: The id of the drill to be shown, or its beginning; the newest if None.
        replay_speed: Begin with a replay at this speed; None for the present state.
        braille: Whether the terminal has braille characters.
        palette: How many colours it has.
        wall_ns: Tells the wall time, nanoseconds.
    """

    TITLE = "haltdrill watch"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = BINDINGS

    def __init__(
        self,
        path: Path,
        abort: Abort,
        *,
        drill: str | None = None,
        replay_speed: float | None = None,
        braille: bool = True,
        palette: theme.Palette = theme.Palette.FULL,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__()
        self.path = path
        self.board = Board(wanted=drill, braille=braille)
        self._live = LogView()
        self._live_note = ""
        self._wall_ns = wall_ns
        self._abort = abort
        self._speed = replay_speed
        self._stop = threading.Event()
        self._asking = ""
        self._told, self._told_at = "", 0.0
        self._note_rows = 0
        self._dirty = True
        self._arrived = False
        self._drawn_at = self._ticked_at = time.monotonic()
        self._rest_s = 0.0
        self.board.view = self._live
        self.board.waiting = notes.waiting_words(str(path))
        self.register_theme(theme.COLOURED)
        self.palette = theme.Palette.NONE if self.no_color else palette
        self.theme = self.palette.theme

    def compose(self) -> ComposeResult:
        """Put the screen together."""
        yield Lines(id="head")
        yield Lines(id="bar")
        yield Lines(id="legend")
        with Horizontal(id="middle"):
            yield Lines(id="sites")
            yield Lines(id="curve")
        yield Lines(id="trouble")
        yield Lines(id="events")
        yield Lines(id="note")
        yield Input(id="ask", select_on_focus=False)
        yield Lines(id="keys")

    def on_mount(self) -> None:
        """Begin to read and to draw."""
        self._arrange()
        self.set_interval(POLL_S, self._tick)
        work = self._read_live if self._speed is None else self._load_replay
        self.run_worker(work, thread=True, exit_on_error=True)

    def on_unmount(self) -> None:
        """Let the reading thread end."""
        self._stop.set()

    def on_resize(self) -> None:
        """Arrange the panels for the new size."""
        self._arrange()

    def _arrange(self) -> None:
        note = len(self._note())
        self._note_rows = note
        for name, height in heights(self.size.height, note).items():
            styles = self.query_one(f"#{name}").styles
            styles.height = height
            styles.display = "block" if height else "none"
        self.query_one("#curve").styles.display = "block" if self.size.width >= CURVE_COLUMNS else "none"
        self._dirty = True

    # reading, in a thread of its own

    def _read_live(self) -> None:
        """Read for as long as the program runs. What was read is taken in the program's own thread."""
        reading = Reading(self.path)
        with unhurried_collector():
            while not self._stop.is_set():
                batch = reading.next()
                self._hand_over(self._take, batch)
                if batch.caught_up:
                    break
        while not self._stop.wait(POLL_S):
            batch = reading.next()
            self._hand_over(self._take, batch)

    def _hand_over(self, take: Callable[[Batch], None], batch: Batch) -> None:
        if not self._stop.is_set():
            self.call_from_thread(take, batch)

    def _take(self, batch: Batch) -> None:
        if batch.again:
            self._live = LogView()
            if self.replay is None:
                self.board.view = self._live
        self._live.take_all(batch.lines)
        strays = notes.lines_words(0, "", self._live.strays, 0)
        self._live_note = notes.joined([batch.trouble if self._live.drills else "", *batch.wrong, *strays])
        self.board.waiting = batch.trouble or batch.far or notes.empty_words(str(self.path))
        arrived = not self._arrived and batch.caught_up
        if self.replay is None:
            self.board.far, self.board.note = batch.far, self._live_note
        if arrived:
            self._arrived = True
            self._rest_s = 0.0
            self._dirty = True
            self._tick()
        self._dirty = self._dirty or bool(batch.lines) or bool(batch.trouble)

    def _load_replay(self) -> None:
        """Read the whole log for a replay."""
        try:
            lines, view, wrong = read_whole(self.path)
        except HaltdrillError as error:
            self.call_from_thread(self._say, str(error))
            return
        drill = choosing.choose(view, self.board.wanted)
        own = [line for line in lines if drill is not None and line.drill == drill.drill]
        if not self._stop.is_set():
            self.call_from_thread(self._begin_replay, own, wrong)

    def _begin_replay(self, lines: list[ln.AnyDrillLine], wrong: tuple[str, ...]) -> None:
        if not lines:
            self._say("there is nothing to replay")
            return
        self.replay = Replay(lines, self._speed or 1.0)
        self.board.show(lines[0].drill)
        self.board.far, self.board.note = "", notes.joined(wrong)
        self._told = ""
        self._dirty = True

    # drawing

    def _tick(self) -> None:
        now_s = time.monotonic()
        passed_s, self._ticked_at = now_s - self._ticked_at, now_s
        if self.replay is not None:
            self._dirty = self.replay.advance(passed_s) or self._dirty
            while self.replay.behind and time.monotonic() < now_s + WIND_S:
                self.replay.advance(0.0)
            self.board.far = "winding" if self.replay.behind else ""
        before_s = self.board.now_ns // 1_000_000_000
        self.board.now_ns = self.replay.now_ns if self.replay is not None else self._present_ns()
        due = self._dirty or self.board.now_ns // 1_000_000_000 != before_s
        if self.board.far and (self.replay is not None or not self._arrived):
            # The rest waits, so that reading is fast and nothing half read looks like the state.
            self._show("keys", [(Span(f" {self.board.far}", Role.FOCUS),)])
        elif due and now_s - self._drawn_at >= self._rest_s:
            self.draw()

    def _present_ns(self) -> int:
        """Return the wall time, but no earlier than the newest line: its clock may be ahead of ours."""
        drill = self.board.drill
        newest = drill.newest if drill is not None else None
        return max(self._wall_ns(), stamp_ns(newest.timestamp) if newest is not None else 0)

    def draw(self) -> None:
        """Draw what changed."""
        began_s = time.monotonic()
        board = self.board
        if self.replay is not None:
            board.view = self.replay.view
        note = self._note()
        if len(note) != self._note_rows:
            self._arrange()
        self._show("head", board.head(self.size.width, tall=self.size.height >= TALL_ROWS))
        self._show("bar", [board.bar(self.size.width)])
        self._show("legend", board.legend(self.size.width, self.query_one("#legend").size.height))
        self._show("sites", board.sites(self._room("sites")))
        curve = board.curve(self._room("curve", margin=1))
        self._show("curve", [(Span(" "), *line) for line in curve])
        self._show("trouble", board.trouble(self._room("trouble")))
        self._show("events", board.events(self._room("events")))
        self._show("note", note)
        self._show("keys", [self._bottom()])
        self._dirty = False
        self._drawn_at = time.monotonic()
        self._rest_s = (self._drawn_at - began_s) * PAUSE_SHARE

    def _note(self) -> list[Line]:
        """Return what is told, or is to be known of the log, in as few lines as it takes."""
        if self._told and time.monotonic() - self._told_at > TOLD_S:
            self._told = ""
        words = clean(self._told or self.board.bottom_note())
        lines = wrapped(words, max(10, self.size.width - 2)) if words else []
        return [(Span(f" {line}", Role.BAD),) for line in lines[:NOTE_ROWS]]

    def _room(self, name: str, margin: int = 0) -> Room:
        size = self.query_one(f"#{name}").size
        return Room(max(0, size.width - margin), max(0, size.height - 1))

    def _show(self, name: str, lines: list[Line]) -> None:
        self.query_one(f"#{name}", Lines).show(lines)

    def _bottom(self) -> Line:
        playing = self.replay.playing if self.replay is not None else None
        many = len(self._live.drills) > 1
        return keys.bottom(self.size.width, may_abort=not self._why_no_abort(), playing=playing, many=many)

    def _say(self, words: str) -> None:
        """Say something in the line above the keys, until the next key."""
        self._told, self._told_at = words, time.monotonic()
        self._dirty = True

    # keys

    def action_move(self, across: int, down: int) -> None:
        """Move the cursor."""
        self.board.move(across, down)
        self.redraw()

    def action_turn(self, pages: int) -> None:
        """Turn pages."""
        self.board.turn(pages)
        self.redraw()

    def action_focus_panel(self, by: int) -> None:
        """Go to another panel."""
        self.board.next_focus(by)
        self.redraw()

    def action_zoom(self) -> None:
        """Show the whole fleet, or a letter for each site."""
        self.board.zoomed()
        self.redraw()

    def action_level(self) -> None:
        """Show events of the next level."""
        self.board.next_level()
        self.redraw()

    def action_enter(self) -> None:
        """Show all about a site, or go nearer."""
        site = self.board.enter()
        self.redraw()
        if site is not None:
            self._open_site(site)

    def _open_site(self, site: str) -> None:
        self.push_screen(PageScreen(site, lambda width: self.board.detail(site, width)))

    def action_help(self) -> None:
        """Show the keys and the letters."""
        self.push_screen(PageScreen("Help", keys.help_page))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Let every key be a letter while something is being typed."""
        return not (self._asking and action in {"filter", "site"})

    def action_filter(self) -> None:
        """Ask for a filter of the events."""
        self._ask("filter", self.board.wanted_filter.text, "level:warning  site:eu-north  and any words")

    def action_site(self) -> None:
        """Ask for a site."""
        self._ask("site", "", "the beginning of a site's name")

    def _ask(self, what: str, value: str, placeholder: str) -> None:
        self._asking = what
        field = self.query_one("#ask", Input)
        field.value, field.placeholder = value, placeholder
        field.cursor_position = len(value)
        # At once, and not when the loop comes to it: the next key is already meant for the field.
        field.styles.display = "block"
        self.set_focus(field)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do what was asked for."""
        asked, value = self._asking, event.value.strip()
        self.action_leave()
        if asked == "filter":
            self.board.filter(value)
        elif asked == "site" and value:
            found = self.board.find(value)
            if found is None:
                self._say(f"no site's name holds {value!r}")
            else:
                self._open_site(found.site)
        self.redraw()

    def action_leave(self) -> None:
        """Stop asking."""
        self._asking = ""
        field = self.query_one("#ask", Input)
        field.styles.display = "none"
        self.set_focus(None)
        self.redraw()

    def action_drills(self) -> None:
        """Choose another drill."""
        view = self._live if self._live.drills else self.board.view
        shown = self.board.drill
        if not view.drills or shown is None:
            return
        rows = [(name, choosing.row(drill)) for name, drill in view.drills.items()]
        self.push_screen(DrillsScreen(rows, shown.drill), self._chosen)

    def _chosen(self, drill: str | None) -> None:
        if drill is not None and drill in self._live.drills:
            self.replay = None
            self.board.view, self.board.far = self._live, ""
            self.board.show(drill)
            self.redraw()

    def action_replay(self) -> None:
        """Replay the drill, or go back to the present."""
        if self.replay is not None:
            if self._speed is not None and not self._live.drills:
                self.run_worker(self._read_live, thread=True)
            self.replay = None
            self.board.view, self.board.note, self.board.far = self._live, self._live_note, ""
        elif self.board.drill is not None:
            self.board.wanted = self.board.drill.drill
            self._say("reading the log for the replay")
            self.run_worker(self._load_replay, thread=True)
        self.redraw()

    def redraw(self) -> None:
        """Draw soon, as after a key."""
        if not self._asking:
            self._told = self._told if self._dirty else ""
        self._dirty = True
        self._rest_s = 0.0

    # abort

    def _why_no_abort(self) -> str:
        return why_no_abort(self.board.drill, self._abort, replayed=self.replay is not None)

    def action_abort(self) -> None:
        """Ask whether to abort."""
        drill, why_not = self.board.drill, self._why_no_abort()
        if why_not or drill is None:
            self._say(f"no abort from here: {why_not}")
            return
        words = abort_words(drill.drill, drill.opened.sites, again=drill.aborted is not None)
        name = drill.drill
        self.push_screen(AbortScreen(words, REASON), lambda reason: self._send(name, reason))

    def _send(self, drill: str, reason: str | None) -> None:
        if reason is not None:
            self._say("sending the abort ...")
            self.run_worker(self._sent(drill, reason), exclusive=False)

    async def _sent(self, drill: str, reason: str) -> None:
        try:
            self._say(" ".join(await self._abort.send(drill, reason)))
        except HaltdrillError as error:
            self._say(f"the abort was not sent: {error}")
