"""The plots of a sweep: how each outcome depends on each parameter, as inline SVG on one page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from orchestrator.report.markup import text
from orchestrator.report.style import STYLE
from orchestrator.tabletop.spec import Scenario
from orchestrator.tabletop.sweep import PARAMETERS, Outcome, Row

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 220, 52, 14, 14, 34

OUTCOMES: dict[str, tuple[str, Callable[[Outcome], float | None]]] = {
    "halted_in_limit": ("share of sites halted within their limit", lambda one: one.halted_in_limit),
    "last_halt_s": ("seconds to the last halt", lambda one: one.last_halt_s),
    "false_halts": ("sites that reported a halt and were seen at work", lambda one: float(one.false_halts)),
    "not_restored": ("sites that did not come back", lambda one: float(one.not_restored)),
    "as_expected": ("share of decisions taken as expected", lambda one: one.as_expected),
}

_STYLE = """
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:18px}
.plots figure{margin:0}.plots .dot{fill:var(--accent);opacity:.25}.plots polyline{stroke-width:2}
"""


def render_sweep(scenario: Scenario, rows: Sequence[Row]) -> str:
    """Return the page."""
    names = list(rows[0][0]) if rows else []
    figures = [part for name in names for outcome in OUTCOMES for part in _figure(name, outcome, rows)]
    return (
        "\n".join(
            [
                "<!doctype html>",
                '<html lang="en"><head><meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="color-scheme" content="light dark">',
                f"<title>What if: {text(scenario.title)}</title><style>{STYLE}{_STYLE}</style></head><body><main>",
                f'<p class="kicker">What if: {len(rows)} runs of a tabletop exercise</p>',
                f"<h1>{text(scenario.title)}</h1>",
                "<p>Each dot is one run; the line joins the medians.</p>",
                '<div class="plots">',
                *figures,
                "</div></main></body></html>",
            ]
        )
        + "\n"
    )


def _figure(name: str, outcome: str, rows: Sequence[Row]) -> Iterator[str]:
    words, value_of = OUTCOMES[outcome]
    found = [(point[name], value) for point, one in rows if (value := value_of(one)) is not None]
    if not found:
        return
    by_value: dict[float, list[float]] = defaultdict(list)
    for x, y in found:
        by_value[x].append(y)
    xs = sorted(by_value)
    low, high = xs[0], xs[-1]
    top = max(1.0 if outcome in {"halted_in_limit", "as_expected"} else 0.0, *(y for _, y in found)) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = 0.5 if high == low else (x - low) / (high - low)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM), 1),
        )

    line = " ".join(f"{px},{py}" for px, py in (place(x, median(by_value[x])) for x in xs))
    said = (
        f"{words}, against {name}: from {median(by_value[low]):g} at {low:g} to {median(by_value[high]):g} at {high:g}"
    )
    yield f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(said)}">'
    for share in (0.0, 0.5, 1.0):
        _, y = place(low, share * top)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{share * top:g}</text>'
    for x in {low, high}:
        px, _ = place(x, 0)
        yield f'<text x="{px}" y="{HEIGHT - 16}" text-anchor="middle">{x:g}</text>'
    for x, y in found:
        px, py = place(x, y)
        yield f'<circle class="dot" cx="{px}" cy="{py}" r="3"/>'
    yield f'<polyline points="{line}"/>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT - 2}" text-anchor="middle">{text(name)}: {text(PARAMETERS[name])}</text>'
    yield f"</svg><figcaption>{text(words)}</figcaption></figure>"
