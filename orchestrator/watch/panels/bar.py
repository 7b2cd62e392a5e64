"""The fleet in one line: how many sites stand where."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.logbook.standing import Standing
from orchestrator.watch.panels.figures import number
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import Line, Role, Span, fit, span_width


def shares(counts: Mapping[Standing, int], width: int) -> list[tuple[Standing, int]]:
    """Return how many cells each standing takes of a bar, from the best to the loudest.

    Each that any site has takes one at least, so that a single site in trouble is seen among ten thousand.
    """
    present = [(standing, counts[standing]) for standing in LOOKS if counts.get(standing, 0) > 0]
    total = sum(count for _, count in present)
    if not total or width < len(present):
        return [(standing, 1) for standing, _ in present[::-1][:width]][::-1]
    spare = width - len(present)
    exact = [count * spare / total for _, count in present]
    cells = [1 + int(share) for share in exact]
    by_rest = sorted(range(len(present)), key=lambda place: int(exact[place]) - exact[place])
    for place in by_rest[: width - sum(cells)]:
        cells[place] += 1
    return [(standing, size) for (standing, _), size in zip(present, cells, strict=True)]


def bar(counts: Mapping[Standing, int], width: int) -> Line:
    """Return the bar: the letter of each standing over its share of the width."""
    spans = (Span(LOOKS[word].letter * cells, LOOKS[word].role, reverse=True) for word, cells in shares(counts, width))
    return fit(tuple(spans), width)


def legend(counts: Mapping[Standing, int], width: int, height: int) -> list[Line]:
    """Return what the letters mean and how many sites stand so, as far as there is room.

    What is bad comes first, the loudest before the others; then what most sites are.
    """
    entries = []
    for standing in sorted(LOOKS, key=lambda one: (-LOOKS[one].rank if LOOKS[one].bad else 0, -counts.get(one, 0))):
        if counts.get(standing, 0) > 0:
            look = LOOKS[standing]
            entries.append((Span(look.letter, look.role), Span(f" {look.word} "), Span(number(counts[standing]))))
    lines: list[Line] = [()]
    for entry in entries:
        gap = (Span("   "),) if lines[-1] else ()
        if lines[-1] and span_width((*lines[-1], *gap, *entry)) > width:
            if len(lines) == height:
                lines[-1] = fit((*lines[-1], Span(" \N{HORIZONTAL ELLIPSIS}", Role.DIM)), width)
                return lines
            lines.append(())
            gap = ()
        lines[-1] = (*lines[-1], *gap, *entry)
    return [*lines, *[()] * (height - len(lines))][:height]
