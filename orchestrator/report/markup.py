"""Escaping, and the small pieces of markup that pages share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape

from orchestrator.core.grades import Verdict
from orchestrator.report.figures import plain, word

_NAMED_MAX = 12


def text(value: object) -> str:
    """Escape a value for HTML, without characters that can't be seen."""
    return escape(plain(str(value)), quote=True)


def named(names: Sequence[str]) -> str:
    """Name sites, as many as fit a line or two."""
    if len(names) <= _NAMED_MAX:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED_MAX - 2])} and {len(names) - _NAMED_MAX + 2:,} more"


_GOOD = {Verdict.VERIFIED}
_BAD = {Verdict.LATE, Verdict.UNPROVEN}
_SIGNS = {"good": "\N{CHECK MARK}", "bad": "!", "loud": "\N{MULTIPLICATION X}"}


def verdict_cell(verdict: Verdict, said: str | None = None) -> str:
    """Return a verdict, or other words in its colour; a sign says the same to whoever sees no colours."""
    tone = "good" if verdict in _GOOD else "bad" if verdict in _BAD else "loud"
    sign = f'<span aria-hidden="true">{_SIGNS[tone]}</span>'
    return f'<span class="verdict {tone}">{sign} {text(said or word(verdict))}</span>'


def cells(head: str, others: Iterable[tuple[str, str]]) -> str:
    """Return a row whose cells carry the names of their columns, for a screen too narrow for columns.

    Args:
        head: The first cell, markup.
        others: Of each other cell its column's name and its markup.
    """
    parts = "".join(f'<td data-l="{text(name)}">{inner}</td>' for name, inner in others)
    return f'<tr><th scope="row">{head}</th>{parts}</tr>'


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, figures: Collection[int] = ()
) -> list[str]:
    """Return a table of cells that are markup already; the first of each row is its head. Nothing without rows.

    Args:
        caption: What it shows.
        heads: The columns' names.
        rows: Their cells.
        figures: The columns that hold figures, which line up at the right.
    """
    tones = [' class="n"' if place in figures else "" for place in range(len(heads))]
    body = []
    for first, *others in rows:
        told = "".join(f"<td{tone}>{cell}</td>" for tone, cell in zip(tones[1:], others, strict=True))
        body.append(f'<tr><th scope="row">{first}</th>{told}</tr>')
    if not body:
        return []
    columns = "".join(f'<th scope="col"{tone}>{text(head)}</th>' for tone, head in zip(tones, heads, strict=True))
    return [
        '<div class="wide" tabindex="0"><table class="more">',
        f"<caption>{text(caption)}</caption>",
        f"<thead><tr>{columns}</tr></thead>",
        "<tbody>",
        *body,
        "</tbody></table></div>",
    ]
