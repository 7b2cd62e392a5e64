"""The curve of sites that did as ordered over time, as inline SVG.

Each site is known to have come to it between two times. The upper line counts sites by the earliest
they can have, the lower by the latest: the truth runs in the band between. A site that was never
witnessed so is right-censored: it is in neither line, and marked at the right end. A site that
climbed a ladder stands where it came to be halted in all, counted from the first order.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from orchestrator.core.results import SiteStepResult
from orchestrator.evidence.result import StepResult
from orchestrator.report.wording import told

WIDTH, HEIGHT = 720, 228
LEFT, RIGHT, TOP, BOTTOM = 44, 132, 30, 36
_GRID_LINES_MAX = 6
_TICKS = 5
_NICE = (1, 2, 5)
_SHORT_CHARS = 8
"""Longest word that stands at the end of a line in full."""


def curve(step: StepResult) -> str:
    """Return the curve of one step as an SVG element."""
    proved = told(step.params).proved
    times = [time for site in step.sites if (time := _time(site.result)) is not None]
    lowers, uppers = sorted(time[0] for time in times), sorted(time[1] for time in times)
    censored = len(step.sites) - len(times)
    span_ns = max([step.response_limit_ns, *uppers]) * 1.15
    plot = _Plot(span_ns, len(step.sites))
    label = (
        f"{len(times)} of {len(step.sites)} sites witnessed {proved}, "
        f"the response limit is {step.response_limit_ns / 1e9:g} s"
    )
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">',
        *plot.axes(),
        plot.band(lowers, uppers),
        plot.line(lowers, "earliest"),
        plot.line(uppers, "latest"),
        *plot.limit(step.response_limit_ns),
        *plot.legend(uppers, censored, proved),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _time(result: SiteStepResult) -> tuple[int, int] | None:
    """Return when a site came to be as ordered, from the step's own order; None if it was not witnessed."""
    upper_ns, lower_ns = result.response_upper_ns, result.response_lower_ns or 0
    if not result.halted or upper_ns is None:
        return None
    total_ns = upper_ns if result.total_upper_ns is None else result.total_upper_ns
    return max(0, total_ns - (upper_ns - lower_ns)), total_ns


class _Plot:
    """Places times and counts on the drawing."""

    def __init__(self, span_ns: float, sites: int) -> None:
        self._span_ns = span_ns
        self._sites = max(1, sites)

    def x(self, t_ns: float) -> float:
        """Return where a time stands."""
        return round(LEFT + (WIDTH - LEFT - RIGHT) * t_ns / self._span_ns, 1)

    def y(self, sites: float) -> float:
        """Return where a number of sites stands."""
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * sites / self._sites, 1)

    def axes(self) -> list[str]:
        """Draw the grid with its numbers."""
        right, floor = WIDTH - RIGHT, self.y(0)
        parts = []
        every = max(1, round(_nice(self._sites / _GRID_LINES_MAX)))
        for number in range(0, self._sites + 1, every):
            y = self.y(number)
            parts.append(f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}"/>')
            parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{number}</text>')
        pace_ns = _nice(self._span_ns / _TICKS)
        for tick in range(int(self._span_ns / pace_ns) + 1):
            x = self.x(tick * pace_ns)
            parts.append(f'<line class="mark" x1="{x}" y1="{floor}" x2="{x}" y2="{floor + 4}"/>')
            label = f"{tick * pace_ns / 1e9:g}"
            parts.append(f'<text class="tick" x="{x}" y="{floor + 17}" text-anchor="middle">{label}</text>')
        parts.append(
            f'<text class="tick" x="{right}" y="{floor + 31}" text-anchor="end">seconds after the order</text>'
        )
        parts.append(f'<line class="axis" x1="{LEFT}" y1="{floor}" x2="{right}" y2="{floor}"/>')
        return parts

    def _steps(self, times: Sequence[int]) -> list[tuple[float, float]]:
        points = [(self.x(0), self.y(0))]
        for number, t_ns in enumerate(times):
            points += [(self.x(t_ns), self.y(number)), (self.x(t_ns), self.y(number + 1))]
        points.append((self.x(self._span_ns), self.y(len(times))))
        return points

    def band(self, lowers: Sequence[int], uppers: Sequence[int]) -> str:
        """Fill what lies between the two lines."""
        if not uppers:
            return ""
        points = [*self._steps(lowers), *reversed(self._steps(uppers))]
        return f'<polygon class="band" points="{_points(points)}"/>'

    def line(self, times: Sequence[int], name: str) -> str:
        """Draw one of the two lines."""
        return f'<polyline class="{name}" points="{_points(self._steps(times))}"/>'

    def limit(self, limit_ns: int) -> list[str]:
        """Draw the response limit."""
        x = self.x(limit_ns)
        return [
            f'<line class="limit" x1="{x}" y1="{TOP - 22}" x2="{x}" y2="{self.y(0)}"/>',
            f'<text class="limit-label" x="{x - 5}" y="{TOP - 13}" text-anchor="end">limit {limit_ns / 1e9:g} s</text>',
        ]

    def legend(self, uppers: Sequence[int], censored: int, proved: str) -> list[str]:
        """Say how many are as ordered and how many are not, at the right end of the lines."""
        x = WIDTH - RIGHT + 12
        parts = []
        seen, unseen = (f"{proved}", f"not {proved}")
        if len(proved) <= _SHORT_CHARS:
            seen, unseen = f"witnessed {proved}", f"not seen {proved}"
        if uppers:
            y = self.y(len(uppers))
            parts.append(f'<text class="note" x="{x}" y="{y + 4}">{len(uppers)} {escape(seen)}</text>')
        if censored:
            y = (self.y(len(uppers)) + self.y(self._sites)) / 2 if uppers else self.y(self._sites / 2)
            y = round(y if not uppers else min(y, self.y(len(uppers)) - 16), 1)
            right = WIDTH - RIGHT
            parts.append(f'<path class="censored" d="M{right - 9} {y - 5} l8 5 l-8 5 z"/>')
            parts.append(f'<text class="note bad" x="{x}" y="{y + 4}">{censored} {escape(unseen)}</text>')
        return parts


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _nice(rough: float) -> float:
    """Return the next round number of at least `rough`."""
    scale = 1.0
    while scale * 10 <= rough:
        scale *= 10
    return next((scale * nice for nice in _NICE if scale * nice >= rough), scale * 10)
