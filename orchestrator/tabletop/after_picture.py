"""The picture of an exercise: injects, decisions, what happened and drills on one line of time, as inline SVG."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.report.markup import text
from orchestrator.tabletop.after import AfterAction
from orchestrator.tabletop.after_markdown import clock

WIDTH, LEFT, RIGHT, TOP, LANE = 760, 92, 16, 18, 46
LANES = {"inject": "Injects", "decision": "Decisions", "world": "World", "drill": "Drills"}
_TICKS = 6


def picture(report: AfterAction) -> str:
    """Return the picture. Each mark has its words as a title, and they stand in the timeline below it."""
    height = TOP + LANE * len(LANES) + 26
    said = f"{len(report.timeline)} moments in {clock(report.lasted_s)}; the same stand in the table of the timeline"
    return "\n".join(
        [
            f'<svg class="story" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{text(said)}">',
            *_lanes(),
            *_ticks(report.lasted_s, height),
            *_drills(report),
            *_marks(report),
            "</svg>",
        ]
    )


def _x(at_s: float, lasted_s: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, at_s / max(1.0, lasted_s)), 1)


def _y(lane: str) -> float:
    return TOP + LANE * (list(LANES).index(lane) + 0.5)


def _lanes() -> Iterator[str]:
    for lane, words in LANES.items():
        yield f'<text x="0" y="{_y(lane) + 4}" class="lane">{words}</text>'
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(lane)}" y2="{_y(lane)}" class="rule"/>'


def _ticks(lasted_s: float, height: int) -> Iterator[str]:
    for number in range(_TICKS + 1):
        at_s = lasted_s * number / _TICKS
        x = _x(at_s, lasted_s)
        anchor = "end" if number == _TICKS else "middle"
        yield f'<line x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{height - 20}" class="grid"/>'
        yield f'<text x="{x}" y="{height - 6}" text-anchor="{anchor}" class="tick">{clock(at_s)}</text>'


def _drills(report: AfterAction) -> Iterator[str]:
    """Draw each drill as a bar from its order to its end."""
    began: dict[str, float] = {}
    for one in report.timeline:
        if one.lane != "drill":
            continue
        name = one.text.split()[1]
        if name not in began:
            began[name] = one.at_s
            continue
        x1, x2 = _x(began[name], report.lasted_s), _x(one.at_s, report.lasted_s)
        tone = "bad" if one.bad else "good"
        y = _y("drill")
        yield f'<rect x="{x1}" y="{y - 9}" width="{max(3.0, round(x2 - x1, 1))}" height="18" rx="3" class="bar {tone}">'
        yield f"<title>{text(one.text)}</title></rect>"
        yield f'<text x="{x1 + 5}" y="{y + 4}" class="in-bar">{text(name)}</text>'


def _marks(report: AfterAction) -> Iterator[str]:
    for one in report.timeline:
        if one.lane not in LANES or one.lane == "drill":
            continue
        x, y = _x(one.at_s, report.lasted_s), _y(one.lane)
        tone = "bad" if one.bad else "plain"
        shape = (
            f'<rect x="{x - 5}" y="{y - 5}" width="10" height="10" class="mark {tone}">'
            if one.lane == "decision"
            else f'<circle cx="{x}" cy="{y}" r="5" class="mark {tone}">'
        )
        end = "</rect>" if one.lane == "decision" else "</circle>"
        yield f"{shape}<title>{clock(one.at_s)} {text(one.text)}</title>{end}"
