"""The after-action report as one self-contained page, in the style of the drill's report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from orchestrator.evidence.result import DrillResult
from orchestrator.report.curve import curve
from orchestrator.report.markup import text
from orchestrator.report.style import STYLE
from orchestrator.report.style_report import REPORT_STYLE
from orchestrator.tabletop.after import AfterAction
from orchestrator.tabletop.after_markdown import clock
from orchestrator.tabletop.after_picture import picture
from orchestrator.tabletop.assess import RATING_WORDS, Rating

_STYLE = """
.story{width:100%;height:auto;font-size:11px}
.story .lane{fill:currentColor;font-weight:600}.story .tick{fill:currentColor;opacity:.75}
.story .rule{stroke:currentColor;opacity:.35}.story .grid{stroke:currentColor;opacity:.12}
.story .mark.plain{fill:#2f6fb2}.story .mark.bad{fill:#b3261e}
.story .bar.good{fill:#2e7d4f}.story .bar.bad{fill:#b3261e}.story .in-bar{fill:#fff}
.rating{font-weight:700;font-size:1.3em}.lesson{font-size:1.15em}
.more .verdict{white-space:normal}
table.moments td:first-child{white-space:nowrap;font-variant-numeric:tabular-nums}
"""

_TONES = {Rating.P: "good", Rating.S: "good", Rating.M: "bad", Rating.U: "loud", None: "bad"}


def render_page(report: AfterAction, results: Mapping[str, DrillResult]) -> str:
    """Return the report as a page.

    Args:
        report: The report.
        results: The results of its drills, for their curves.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>After action: {text(report.title)}</title>",
        f"<style>{STYLE}{REPORT_STYLE}{_STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        *_head(report),
        *_objectives(report),
        *_section("What happened", [picture(report)]),
        *_decisions(report),
        *_evaluation(report),
        *_drills(report, results),
        *_hot_wash(report),
        *_improvements(report),
        *_timeline(report),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _section(title: str, inside: Iterable[str]) -> list[str]:
    return ["<section>", f"<h2>{text(title)}</h2>", *inside, "</section>"]


def _table(head: tuple[str, ...], rows: Iterable[Iterable[str]], kind: str = "") -> Iterator[str]:
    """Yield a table whose cells are markup already."""
    yield f'<div class="wide"><table class="more {kind}"><thead><tr>'
    yield from (f'<th scope="col">{text(one)}</th>' for one in head)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"


def _head(report: AfterAction) -> list[str]:
    played = "played by a script" if report.mode == "unattended" else "facilitated"
    roles = ", ".join(text(role.title) for role in report.roles)
    return [
        "<header>",
        '<p class="kicker">After-action report of a tabletop exercise on simulated sites</p>',
        f"<h1>{text(report.title)}</h1>",
        f'<p class="lesson">{text(report.lesson)}</p>',
        f"<p>{text(report.situation)}</p>",
        f"<p>{text(report.began_at[:10])}, {played}, {clock(report.lasted_s)} long. Roles: {roles}.</p>",
        "</header>",
    ]


def _objectives(report: AfterAction) -> list[str]:
    def row(number: int) -> Iterator[str]:
        one = report.assessment.objectives[number]
        tone = _TONES[one.rating]
        words = RATING_WORDS[one.rating] if one.rating is not None else "not rated"
        yield text(one.text) + (" <strong>(critical)</strong>" if one.critical else "")
        yield f'<span class="rating verdict {tone}">{text(one.rating or "-")}</span> {text(words)}'
        yield f"{text(one.why)} ({text(one.by)})"

    rows = (row(number) for number in range(len(report.assessment.objectives)))
    return _section("Objectives", _table(("Objective", "Rating", "Why"), rows))


def _decisions(report: AfterAction) -> list[str]:
    def cells(number: int) -> Iterator[str]:
        one = report.assessment.decisions[number]
        tone = "good" if one.as_expected and one.in_time else "bad"
        chosen = one.chosen or ("not taken" if one.asked_at_s is not None else "never asked")
        yield text(one.role)
        yield text(one.question)
        yield f'<span class="verdict {tone}">{text(chosen)}</span>' + (f"<br>{text(one.why)}" if one.why else "")
        yield "" if one.after_s is None else f"{one.after_s:.0f} of {one.within_s:.0f} s"
        yield "as decided" if one.as_expected else text(one.expected)
        yield text(one.means)

    head = ("Who", "Question", "Decided", "After", "Expected", "What it shows")
    return _section("Decisions", _table(head, (cells(at) for at in range(len(report.assessment.decisions)))))


def _evaluation(report: AfterAction) -> list[str]:
    if not report.assessment.answers:
        return []
    words = {True: '<span class="verdict good">yes</span>', False: '<span class="verdict bad">no</span>', None: ""}
    rows = (
        (text(one.objective), text(one.question), words[one.yes], text(one.evidence))
        for one in report.assessment.answers
    )
    return _section("Evaluation", _table(("Objective", "Question", "Answer", "Evidence"), rows))


def _drills(report: AfterAction, results: Mapping[str, DrillResult]) -> list[str]:
    parts: list[str] = []
    for drill in report.drills:
        counts = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in drill.verdicts.items())
        ended = f"{counts}." if counts else "It did not end." if drill.drill else "It never began."
        parts += [f"<h3>{text(drill.title)}</h3>", f"<p>{text(ended)}{' It was aborted.' if drill.aborted else ''}</p>"]
        parts += [f"<p>{text(line)}.</p>" for line in drill.response]
        result = results.get(drill.name)
        if result is not None:
            parts += [curve(step) for step in result.steps if step.ordered]
    return _section("Drills", parts)


def _hot_wash(report: AfterAction) -> list[str]:
    said = [f"<blockquote>{text(comment)}</blockquote>" for comment in report.comments]
    return _section("Hot wash", ["<ul>", *(f"<li>{text(one)}</li>" for one in report.hot_wash), "</ul>", *said])


def _improvements(report: AfterAction) -> list[str]:
    rows = [
        (text(one.area), text(one.observed), text(one.action), text(one.owner), text(one.due))
        for one in report.improvements
    ] or [("", "Nothing was observed that calls for one.", "", "", "")]
    return _section("Improvement plan", _table(("Area", "Observed", "Action", "Owner", "Date"), rows))


def _timeline(report: AfterAction) -> list[str]:
    rows = (
        (
            clock(one.at_s),
            text(one.lane),
            f'<span class="verdict bad">{text(one.text)}</span>' if one.bad else text(one.text),
        )
        for one in report.timeline
    )
    foot = f"<p>Record {text(report.head)}, seed {report.seed}: the same seed and decisions give the same record.</p>"
    return _section("Timeline", [*_table(("At", "", "What"), rows, "moments"), foot])
