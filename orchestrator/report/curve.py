"""The curve of sites that did as ordered over time, as inline SVG.

Drawn in the manner of Kaplan and Meier, rising: two steps of cumulative incidence with the band between
them in which the truth runs, the censored marked, the limit, and underneath how many are not yet proved
at each time. Twice: wide for screen and paper, and narrow for a phone, where the wide one's words would
be too small to read. However many sites there are, a path has no more points than the drawing has places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.evidence.result import StepResult
from orchestrator.report.incidence import Incidence, incidence
from orchestrator.report.markup import text
from orchestrator.report.wording import told

_NICE = (1, 2, 5)
_SHARES = (0, 25, 50, 75, 100)
_ROUNDING = 0.5
"""Places on the drawing are this far apart, in its own units."""

_LINE = 14
"""Height of a line of words."""

_LABEL_ROOM = 130
"""Room that the limit's label needs beside its line."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """The size of a drawing and its margins."""

    name: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    ticks: int


WIDE = Canvas("wide-plot", 760, 300, 76, 138, 34, 84, 7)
NARROW = Canvas("narrow-plot", 360, 300, 52, 14, 52, 88, 4)


def curve(step: StepResult) -> str:
    """Return the curve of one step, as two SVG elements of which a style sheet shows one."""
    found = incidence(step)
    return "\n".join(part for canvas in (WIDE, NARROW) for part in _Plot(step, found, canvas).draw())


def label(step: StepResult, found: Incidence) -> str:
    """Say in a sentence what the curve shows, for whoever doesn't see it."""
    words = told(step.params)
    said = (
        f"{len(found.latest):,} of {found.sites:,} sites witnessed {words.proved}, "
        f"{found.proved_by(step.response_limit_ns):,} of them proved so by the response limit of "
        f"{step.response_limit_ns / 1e9:g} s"
    )
    return said + (f"; {found.censored:,} right-censored" if found.censored else "")


class _Plot:
    """Draws one canvas."""

    def __init__(self, step: StepResult, found: Incidence, canvas: Canvas) -> None:
        self._step, self._found, self._canvas = step, found, canvas
        self._limit_ns = step.response_limit_ns
        last_ns = max([self._limit_ns, *found.latest[-1:]])
        self._span_ns = last_ns * 1.08
        self._floor, self._end = canvas.height - canvas.bottom, canvas.width - canvas.right
        self._proved = told(step.params).proved

    def x(self, t_ns: float) -> float:
        """Return where a time stands."""
        across = (self._end - self._canvas.left) * t_ns / self._span_ns
        return self._canvas.left + round(across / _ROUNDING) * _ROUNDING

    def y(self, sites: float) -> float:
        """Return where a number of sites stands."""
        up = (self._floor - self._canvas.top) * sites / max(1, self._found.sites)
        return self._floor - round(up / _ROUNDING) * _ROUNDING

    def draw(self) -> Iterator[str]:
        """Yield the element's parts."""
        canvas, found = self._canvas, self._found
        yield (
            f'<svg class="plot {canvas.name}" viewBox="0 0 {canvas.width} {canvas.height}" role="img" '
            f'aria-label="{text(label(self._step, found))}">'
        )
        yield from self._axes()
        lower, upper = self._steps(found.earliest), self._steps(found.latest)
        if found.latest:
            yield f'<path class="band" d="{_path(lower)}{_path(upper[::-1], on=True)}z"/>'
            yield f'<path class="earliest" d="{_path(lower)}"/>'
        yield f'<path class="latest" d="{_path(upper)}"/>'
        yield from self._limit()
        yield from self._censored()
        yield from self._at_risk()
        yield "</svg>"

    def _times_ns(self) -> list[float]:
        pace_ns = _nice(self._span_ns / self._canvas.ticks)
        return [tick * pace_ns for tick in range(int(self._span_ns / pace_ns) + 1)]

    def _axes(self) -> Iterator[str]:
        left = self._canvas.left
        for share in _SHARES:
            y = self.y(self._found.sites * share / 100)
            yield f'<line class="grid" x1="{left}" y1="{y:g}" x2="{self._end}" y2="{y:g}"/>'
            yield f'<text class="tick" x="{left - 8}" y="{y + 4:g}" text-anchor="end">{share}%</text>'
        yield f'<line class="axis" x1="{left}" y1="{self._floor}" x2="{self._end}" y2="{self._floor}"/>'
        for t_ns in self._times_ns():
            x = self.x(t_ns)
            yield f'<line class="mark" x1="{x:g}" y1="{self._floor}" x2="{x:g}" y2="{self._floor + 4}"/>'
            yield f'<text class="tick" x="{x:g}" y="{self._floor + 18}" text-anchor="middle">{t_ns / 1e9:g}</text>'
        yield (
            f'<text class="tick" x="{(left + self._end) / 2:g}" y="{self._floor + 36}" text-anchor="middle">'
            f"seconds after {text(told(self._step.params).zero)}</text>"
        )

    def _steps(self, times: Sequence[int]) -> list[tuple[float, float]]:
        """Return the corners of a curve; sites that fall on one place make one step."""
        points = [(self.x(0), self.y(0))]
        for number, t_ns in enumerate(times, start=1):
            x, y = self.x(t_ns), self.y(number)
            if x != points[-1][0]:
                points += [(x, points[-1][1]), (x, y)]
            elif len(points) > 1 and points[-2][0] == x:
                points[-1] = (x, y)
            else:
                points.append((x, y))
        points.append((self.x(self._span_ns), points[-1][1]))
        return points

    def _limit(self) -> Iterator[str]:
        x, top = self.x(self._limit_ns), self._canvas.top
        roomy = x - self._canvas.left > _LABEL_ROOM
        at, anchor = (x - 6, "end") if roomy else (x + 6, "start")
        said = f"limit {self._limit_ns / 1e9:g} s: {self._found.proved_by(self._limit_ns):,} proved"
        yield f'<line class="limit" x1="{x:g}" y1="{top - 22}" x2="{x:g}" y2="{self._floor}"/>'
        yield f'<text class="limit-label" x="{at:g}" y="{top - 13}" text-anchor="{anchor}">{text(said)}</text>'

    def _censored(self) -> Iterator[str]:
        """Mark where the count ends, and how many are in it and not."""
        found, end = self._found, self.x(self._span_ns)
        reached, whole = self.y(len(found.latest)), self.y(found.sites)
        beside = self._canvas is WIDE
        if found.latest and beside:
            y = reached + (_LINE if found.censored else 4)
            yield f'<text class="note" x="{end + 12:g}" y="{y:g}">{len(found.latest):,} {self._seen()}</text>'
        if not found.censored:
            return
        yield f'<path class="censored" d="M{end:g} {reached - 6:g}v12"/>'
        yield f'<path class="open" d="M{end:g} {reached:g}V{whole:g}"/>'
        said = f"{found.censored:,} not seen {self._proved}"
        if beside:
            y = min((reached + whole) / 2 + 4, reached - 4)
            yield f'<text class="note bad" x="{end + 12:g}" y="{y:g}">{text(_short(said))}</text>'
        else:
            y = self._canvas.top - 32
            yield f'<text class="note bad" x="{end:g}" y="{y}" text-anchor="end">{text(said)} (censored)</text>'

    def _seen(self) -> str:
        return text(_short(f"seen {self._proved}"))

    def _at_risk(self) -> Iterator[str]:
        """Write how many are not yet proved as ordered, under each time."""
        y = self._canvas.height - 12
        head = "not yet" if self._canvas is WIDE else "open"
        yield f'<line class="grid" x1="0" y1="{y - 17}" x2="{self._end}" y2="{y - 17}"/>'
        yield f'<text class="tick" x="0" y="{y}">{head}</text>'
        for t_ns in self._times_ns():
            count = f"{self._found.at_risk(int(t_ns)):,}"
            yield f'<text class="risk" x="{self.x(t_ns):g}" y="{y}" text-anchor="middle">{count}</text>'


def _short(said: str) -> str:
    """Return words that fit beside the drawing."""
    return said if len(said) <= 22 else said[:21] + "\N{HORIZONTAL ELLIPSIS}"  # noqa: PLR2004 - the room there is


def _path(points: Sequence[tuple[float, float]], *, on: bool = False) -> str:
    """Return a path along corners, in horizontal and vertical strokes; `on` continues the one before."""
    (x, y), *others = points
    parts = [f"{'L' if on else 'M'}{x:g} {y:g}"]
    for next_x, next_y in others:
        if next_x != x:
            parts.append(f"H{next_x:g}")
        if next_y != y:
            parts.append(f"V{next_y:g}")
        x, y = next_x, next_y
    return "".join(parts)


def _nice(rough: float) -> float:
    """Return the next round number of at least `rough`."""
    scale = 1.0
    while scale * 10 <= rough:
        scale *= 10
    return next((scale * nice for nice in _NICE if scale * nice >= rough), scale * 10)
