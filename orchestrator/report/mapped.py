"""The section that says where a report holds what outside documents ask of such a record."""

from __future__ import annotations

from orchestrator.evidence.result import DrillResult
from orchestrator.report.markup import text
from orchestrator.report.standards import mapping

_WHAT = (
    "A map of this report's contents against four documents, cited by number and in our words. It claims conformity "
    "with none of them."
)


def mapped(result: DrillResult) -> list[str]:
    """Return the section."""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Clause", "Asks for", "In this report"))
    parts = [
        '<section class="mapped">',
        "<h2>Where to find what others ask for</h2>",
        f"<p>{_WHAT}</p>",
    ]
    for source in mapping(result):
        parts += [
            f"<h3>{text(source.name)}</h3>",
            f'<table class="map"><thead><tr>{heads}</tr></thead><tbody>',
        ]
        for clause in source.clauses:
            lacking = f'<span class="lacking">Not here: {text(clause.lacking)}</span>' if clause.lacking else ""
            parts.append(
                f'<tr><th scope="row">{text(clause.number)}</th><td>{text(clause.asks)}</td>'
                f"<td>{text(clause.here)}{lacking}</td></tr>"
            )
        parts.append("</tbody></table>")
    return [*parts, "</section>"]
