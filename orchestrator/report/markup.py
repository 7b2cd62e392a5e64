"""Escaping, and the small pieces of markup that pages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from orchestrator.report.figures import plain

_NAMED_MAX = 12


def text(value: object) -> str:
    """Escape a value for HTML, without characters that can't be seen."""
    return escape(plain(str(value)), quote=True)


def named(names: Sequence[str]) -> str:
    """Name sites, as many as fit a line or two."""
    if len(names) <= _NAMED_MAX:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED_MAX - 2])} and {len(names) - _NAMED_MAX + 2} more"


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table of cells that are markup already; the first of each row is its head. Nothing without rows."""
    body = [
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>'
        for first, *others in rows
    ]
    if not body:
        return []
    columns = "".join(f'<th scope="col">{text(head)}</th>' for head in heads)
    return [
        '<div class="wide"><table class="more">',
        f"<caption>{text(caption)}</caption>",
        f"<thead><tr>{columns}</tr></thead>",
        "<tbody>",
        *body,
        "</tbody></table></div>",
    ]
