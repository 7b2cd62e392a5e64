"""Which keys there are: the line at the bottom, and the page of help."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.logbook.standing import STANDING_MEANING
from orchestrator.watch.panels.figures import clock
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import Line, Role, Span, fit, pad, span_width, spread, wrapped

HELP: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Everywhere",
        (
            ("a", "abort the drill: asks once, and says what it will do"),
            ("/", "filter the events"),
            ("l", "the least level of events: info, warning, error, debug"),
            ("s", "find a site by the beginning of its name"),
            ("d", "choose another drill of this log"),
            ("r", "replay this drill from its beginning; again for the present"),
            ("Tab", "go to the next panel: sites, trouble, events"),
            ("q", "quit; the drill goes on"),
        ),
    ),
    (
        "In the sites",
        (
            ("arrows", "move"),
            ("PgUp PgDn", "turn the page"),
            ("Enter", "all about the site; of a letter that stands for several, first a letter each"),
            ("z", "the whole fleet at once, or a letter for each site"),
        ),
    ),
    ("In trouble and events", (("arrows", "move"), ("PgUp PgDn", "a page"), ("Enter", "all about the site"))),
    (
        "In a replay",
        (
            ("Space", "pause, and go on"),
            ("+ -", "faster, slower"),
            ("[ ]", "10 seconds back, on; { } a minute"),
            ("Home End", "to the beginning, to the end (when the sites are not in focus: 0 and $ always)"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Playing:
    """How a replay stands.

    Attributes:
        speed: How many times as fast as it was.
        paused: Whether it stands still.
        at: The wall time that is shown, as a line has it.
        done: Which share of it has been shown, 0 to 1.
    """

    speed: float
    paused: bool
    at: str
    done: float


def bottom(width: int, *, may_abort: bool, playing: Playing | None, many: bool) -> Line:
    """Return the line at the bottom.

    Args:
        width: Cells.
        may_abort: Whether `a` would do anything.
        playing: The replay, if this is one.
        many: Whether the log holds several drills.
    """
    if playing is not None:
        keys = [("Space", "play" if playing.paused else "pause"), ("+-", "speed"), ("[]", "10 s"), ("r", "live")]
    else:
        keys = [
            ("a", "abort"),
            ("/", "filter"),
            ("Enter", "site"),
            *([("d", "drills")] if many else []),
            ("r", "replay"),
        ]
    spans: list[Span] = [Span(" ")]
    for key, word in [*keys, ("?", "help"), ("q", "quit")]:
        off = key == "a" and not may_abort
        gap = "   " if playing is None else "  "
        spans += [Span(key, Role.DIM if off else Role.STRONG), Span(f" {word}{gap}", Role.DIM)]
    right = _replay(playing, width - span_width(spans)) if playing is not None else ()
    return spread(spans, right, width) if right else fit(spans, width)


def _replay(playing: Playing, width: int) -> Line:
    words = f"{'paused' if playing.paused else 'replay'} {playing.speed:g}x  {clock(playing.at)} "
    size = min(20, width - len(words) - 4)
    done = round(size * playing.done) if size > 0 else 0
    gauge = (Span("━" * done, Role.FOCUS), Span("─" * (size - done), Role.RULE), Span(" ")) if size > 0 else ()
    return (*gauge, Span(words, Role.FOCUS))


def help_page(width: int) -> list[Line]:
    """Return the page of help: the letters and the keys."""
    lines: list[Line] = [
        (Span("Letters", Role.STRONG), Span("   a capital: witnesses prove it, or it is final", Role.DIM))
    ]
    for standing, look in reversed(LOOKS.items()):
        head = (Span(f"  {look.letter} ", look.role), Span(f" {pad(look.word, 14)}"))
        for row, words in enumerate(wrapped(STANDING_MEANING[standing], width - 20)):
            lines.append((*(head if row == 0 else (Span(" " * 19),)), Span(words, Role.DIM)))
    for heading, keys in HELP:
        lines += [(), (Span(heading, Role.STRONG),)]
        for key, words in keys:
            for row, part in enumerate(wrapped(words, width - 14)):
                lines.append((Span(f"  {pad(key if row == 0 else '', 11)}", Role.FOCUS), Span(part)))
    return lines
