"""The after-action report as Markdown: to be edited by whoever writes the final one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.report.figures import plain
from orchestrator.tabletop.after import AfterAction
from orchestrator.tabletop.assess import RATING_WORDS


def render_markdown(report: AfterAction) -> str:
    """Return the report as Markdown."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def clock(at_s: float) -> str:
    """Return a time of the exercise as hours, minutes and seconds."""
    whole = round(at_s)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _cell(value: object) -> str:
    return plain(str(value)).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(_cell(value) for value in row) + " |"
    yield ""


def _lines(report: AfterAction) -> Iterator[str]:
    yield f"# After-action report: {_cell(report.title)}"
    yield ""
    yield f"**The lesson.** {_cell(report.lesson)}"
    yield ""
    yield _cell(report.situation)
    yield ""
    played = "played by a script" if report.mode == "unattended" else "facilitated"
    yield (
        f"Exercise of {report.began_at[:10]}, {played}, {clock(report.lasted_s)} long, seed {report.seed}. "
        f"Roles: {', '.join(_cell(role.title) for role in report.roles)}. Record {report.head}."
    )
    yield ""
    yield "## Objectives"
    yield ""
    yield from _table(
        ("Objective", "Rating", "Why"),
        (
            (
                f"{one.text}{' (critical)' if one.critical else ''}",
                f"{one.rating}: {RATING_WORDS[one.rating]}" if one.rating is not None else "not rated",
                f"{one.why} ({one.by})",
            )
            for one in report.assessment.objectives
        ),
    )
    yield "P: performed without challenges; S: with some; M: with major challenges; U: unable to be performed (HSEEP)."
    yield ""
    yield "## Decisions"
    yield ""
    yield from _table(
        ("Who", "Question", "Decided", "After", "Expected", "What it shows"),
        (
            (
                one.role,
                one.question,
                one.chosen or ("not taken" if one.asked_at_s is not None else "never asked"),
                "" if one.after_s is None else f"{one.after_s:.0f} of {one.within_s:.0f} s",
                "as decided" if one.as_expected else one.expected,
                one.means or "",
            )
            for one in report.assessment.decisions
        ),
    )
    if report.assessment.answers:
        yield "## Evaluation"
        yield ""
        yield from _table(
            ("Objective", "Question", "Answer", "Evidence"),
            (
                (one.objective, one.question, {True: "yes", False: "no", None: ""}[one.yes], one.evidence)
                for one in report.assessment.answers
            ),
        )
    yield "## Drills"
    yield ""
    for drill in report.drills:
        counts = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in drill.verdicts.items())
        ended = "never began" if drill.drill is None else "did not end" if drill.passed is None else counts
        yield f"- **{_cell(drill.title)}** ({drill.name}): {ended}{', aborted' if drill.aborted else ''}."
        yield from (f"  - {_cell(line)}" for line in drill.response)
    yield ""
    yield "## Timeline"
    yield ""
    yield from _table(("At", "", "What"), ((clock(one.at_s), one.lane, one.text) for one in report.timeline))
    yield "## Hot wash"
    yield ""
    for question in report.hot_wash:
        yield f"- {_cell(question)}"
        yield ""
    yield from (f"> {_cell(comment)}\n" for comment in report.comments)
    yield "## Improvement plan"
    yield ""
    yield from _table(
        ("Area", "Observed", "Action", "Owner", "Date"),
        [(one.area, one.observed, one.action, one.owner, one.due) for one in report.improvements]
        or [("", "Nothing was observed that calls for one.", "", "", "")],
    )
