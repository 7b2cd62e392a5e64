"""The matrix as one self-contained page: no script, no outside asset, light and dark, printable.

Colour says nothing that a word does not. Everything that comes from plans and records is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.coverage import Cell, Coverage, SiteRow, Standing, Trend
from orchestrator.coverage import words
from orchestrator.report.markup import text
from orchestrator.report.style import STYLE
from protocols.controls import CATALOGUE

MATRIX_STYLE = """
main{max-width:1560px}
.tally{display:flex;flex-wrap:wrap;gap:8px 22px;padding:0;margin:14px 0;list-style:none}
.tally b{font-size:20px;font-variant-numeric:tabular-nums;margin-right:4px}
.matrix{overflow:auto;max-height:92vh;border:1px solid var(--line);border-radius:4px;margin:12px 0}
.matrix table{font-size:12.5px;line-height:1.35;border-collapse:separate;border-spacing:0;table-layout:fixed;
min-width:1330px}
caption{text-align:left;color:var(--soft);font-size:12.5px;padding:8px 10px}
.matrix th,.matrix td{padding:4px 5px;border-right:1px solid var(--line);white-space:normal}
.matrix thead th:first-child{width:118px}
.matrix thead th{position:sticky;top:0;background:var(--panel);color:var(--ink);font-weight:600;
font-size:12px;z-index:2}
.matrix tbody th{position:sticky;left:0;background:var(--bg);z-index:1}
.matrix thead th:first-child{left:0;z-index:3}
.matrix small{display:block}
.matrix .state{font-weight:600;font-size:12px}.matrix .time{white-space:nowrap}
.matrix .late-age{color:var(--bad);font-weight:600}
.fresh .state{color:var(--good)}
.overdue{background:var(--bad-bg)}.overdue .state{color:var(--bad)}
.failing{background:var(--loud-bg)}.failing .state{color:var(--loud)}
.matrix .never{background:var(--panel);box-shadow:inset 0 0 0 2px var(--soft)}
.unsupported,.unsupported .state{color:var(--soft);font-weight:400}
.todo h3{font-size:15px;margin:14px 0 2px}.todo h3.loud{color:var(--loud)}.todo h3.bad{color:var(--bad)}
.todo ul{margin:2px 0;padding-left:20px}.todo li{overflow-wrap:anywhere}
.todo li span,.told{color:var(--soft)}
@page{size:A4 landscape;margin:9mm}
@media print{.matrix{overflow:visible;max-height:none;border:0}.matrix thead th{font-size:7pt}
.matrix table{font-size:6pt;min-width:0}
.matrix .state{font-size:6pt}.matrix small,.matrix .time{font-size:5.5pt;white-space:normal}
.matrix thead th,.matrix tbody th{position:static}.matrix th,.matrix td{padding:2px 3px;white-space:normal}
.matrix .never{box-shadow:inset 0 0 0 1px #000}}
"""

_SIGNS: dict[Standing, str] = {
    Standing.FRESH: "\N{CHECK MARK}",
    Standing.OVERDUE: "!",
    Standing.FAILING: "\N{MULTIPLICATION X}",
    Standing.NEVER: "\N{WHITE CIRCLE}",
    Standing.UNSUPPORTED: "",
}


def render_html(coverage: Coverage) -> str:
    """Return the matrix as a page."""
    state = "complete" if coverage.complete else "not complete"
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>Control coverage: {state}</title>",
        f"<style>{STYLE}{MATRIX_STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        *_head(coverage),
        *_matrix(coverage),
        *_todo(coverage),
        *_told(coverage),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _head(coverage: Coverage) -> Iterator[str]:
    if coverage.demo:
        yield (
            '<p class="demo"><strong>DEMO FLEET.</strong> All of its keys were made in one place, so nobody '
            "independent approved or witnessed anything.</p>"
        )
    tone, stamp = ("good", "Complete") if coverage.complete else ("bad", "Not complete")
    yield '<header class="title">'
    yield '<p class="kicker">Halt drills <span class="exercise">exercise</span></p>'
    yield "<h1>Which site has proved which control</h1>"
    yield "</header>"
    yield f'<section class="outcome {tone}"><p class="stamp">{stamp}</p>'
    yield f'<p class="sentence">{text(words.headline(coverage).partition(": ")[2] or words.headline(coverage))}</p>'
    yield "</section>"
    yield '<ul class="tally">'
    for entry in coverage.totals:
        if entry.count:
            yield f"<li><b>{entry.count}</b>{text(words.STANDING_WORDS[entry.standing])}</li>"
    yield "</ul>"


def _matrix(coverage: Coverage) -> Iterator[str]:
    fleets = words.fleets_in(coverage)
    yield '<div class="matrix" role="region" aria-label="Coverage matrix" tabindex="0"><table>'
    yield (
        "<caption>Each cell: the newest verdict; the most its response can have taken, of its limit; how long ago, and "
        f"how that went against the time before. A proof is overdue after {words.age_words(coverage.max_age_ns)}."
        "</caption>"
    )
    yield '<thead><tr><th scope="col">Site</th>'
    for control in coverage.controls:
        summary = text(CATALOGUE[control].summary)
        yield f'<th scope="col"><abbr title="{summary}">{text(words.control_words(control))}</abbr></th>'
    yield "</tr></thead>"
    yield "<tbody>"
    for row in coverage.rows:
        yield _row(row, coverage, fleets)
    yield "</tbody></table></div>"


def _row(row: SiteRow, coverage: Coverage, fleets: int) -> str:
    tags = ", ".join(f"{tag.name} {tag.value}" for tag in row.attributes)
    said = [part for part in ("mock" if row.mock else "", tags) if part]
    head = f'<th scope="row">{text(words.site_words(row, fleets))}<small>{text("; ".join(said))}</small></th>'
    return f"<tr>{head}{''.join(_cell(row.cell(control)) for control in coverage.controls)}</tr>"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<td></td>"
    blamed = cell.blamed
    shown = blamed or cell.last
    word = words.STANDING_WORDS[cell.standing]
    if shown is not None:
        word = words.verdict_words(shown) if cell.standing is not Standing.OVERDUE else word
    sign = _SIGNS[cell.standing]
    lines = [f'<span class="state">{f"<span aria-hidden=true>{sign}</span> " if sign else ""}{text(word)}</span>']
    last = cell.last
    if last is not None and cell.age_ns is not None:
        upper_ns = last.response_upper_ns
        took = "none" if upper_ns is None else f"\N{LESS-THAN OR EQUAL TO} {words.seconds_up(upper_ns)} s"
        lines.append(f"<small class=time>{took} of {words.limit(last.response_limit_ns)} s</small>")
        ago = f"{words.age(cell.age_ns)} ago"
        ago = f'<span class="late-age">{ago}</span>' if cell.overdue else ago
        against = f", {cell.trend}" if cell.trend not in {None, Trend.FIRST} else ""
        lines.append(f"<small>{ago}{against}</small>")
    if cell.undone is not None and cell.undone is not blamed:
        lines.append("<small>* tried since, not counted</small>")
    return f'<td class="{cell.standing}">{"".join(lines)}</td>'


def _todo(coverage: Coverage) -> Iterator[str]:
    groups = words.calls(coverage)
    if not groups:
        return
    yield '<section class="todo"><h2>To do, worst first</h2>'
    for group in groups:
        tone = "loud" if group.standing is Standing.FAILING else "bad"
        why = f": {text(group.why)}" if group.why else ""
        yield f'<h3 class="{tone}">{text(group.head.capitalize())}{why}</h3><ul>'
        for place in group.places:
            title = f", {text(place.title)}" if place.title else ""
            more = f" <span>({text(place.more)}{title})</span>" if place.more else ""
            yield f"<li>{text(place.where)}{more}</li>"
        yield "</ul>"
    yield "</section>"


def _told(coverage: Coverage) -> Iterator[str]:
    yield '<section class="limits"><h2>What this rests on</h2><ul>'
    for line in words.basis(coverage):
        yield f"<li>{text(line)}</li>"
    for line in words.uncounted(coverage):
        yield f"<li>{words.NOT_COUNTED} {text(line)}</li>"
    yield "</ul></section>"
