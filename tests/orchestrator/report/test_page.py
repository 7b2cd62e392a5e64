"""The page for people: its first page, its failures, its map to outside documents, its size."""

from __future__ import annotations

import re

import pytest

from orchestrator.core.grades import Cause, explain
from orchestrator.report.advice import ADVICE, NO_CAUSE, advice
from orchestrator.report.annex import CHUNK
from orchestrator.report.context import Context
from orchestrator.report.failures import SHOWN_MAX
from orchestrator.report.html import render_html
from orchestrator.report.standards import mapping, not_seen_back
from orchestrator.report.style import STYLE
from orchestrator.report.style_report import REPORT_STYLE, running_foot
from tests.orchestrator.recorder import Script, record_drill
from tests.orchestrator.report.made import fleet_of, lying, not_back, pause_of, quick, refusing, silent
from tests.orchestrator.report.results import S_NS, drill_of, refusal_step, whole_drill
from tests.orchestrator.report.test_report import Page

MIXED = {"good": quick(0, S_NS), "liar": lying(), "mute": silent(), "no": refusing(), "stuck": not_back()}


def said_by(markup: str) -> str:
    """Return the text of a page, one space between words."""
    return " ".join(Page(re.sub(r"<(/t|/d|/p|/span|/li|/h)", r" <\1", markup)).text.split())


def test_the_first_page_is_whole_by_itself() -> None:
    """Scope, authority, result, figures, limits and lines to sign stand before anything else."""
    page = render_html(pause_of(MIXED), Context(regions={"good": "eu-north", "liar": "us-east"}))
    first = said_by(page[page.index('<section class="cover">') : page.index('<section class="failures">')])
    for expected in (
        "Did not pass",
        "4 of 5 sites could not be verified",
        "in 2 regions (eu-north, us-east)",
        "board, regulator (2 owners needed)",
        "use 1 of",
        "sites passed 1 of 5",
        "What this does not prove",
        "Drill director Name Role Signature Date",
        "Read and accepted Name Role Signature Date",
    ):
        assert expected in first, expected
    assert "<svg" in page[: page.index('<section class="failures">')]


def test_failures_are_told_loudest_first_each_with_its_evidence() -> None:
    """Whoever reads only the beginning reads the worst, with who saw what, what was signed, and what to do."""
    page = render_html(pause_of(MIXED))
    section = said_by(page[page.index('<section class="failures">') : page.index('<section class="step">')])
    places = [section.index(word) for word in ("contradicted 1", "not restored 1", "refused 1", "unproven 1")]
    assert places == sorted(places)
    for expected in (
        explain(lying()),
        "otherwise w1, w2",
        "w2 saw cpu_time_us = rose",
        "accepted at 0.020 s",
        "reported done at 0.20 s",
        "not known w1, w2",
        "it answered nothing",
        ADVICE[Cause.ACTIVE_AFTER_REPORT].means,
        ADVICE[Cause.NOT_SEEN_BACK].do,
    ):
        assert expected in section, expected


def test_every_cause_says_what_it_means_and_calls_for() -> None:
    """A cause without advice would stop a report, and words that blur what was done do not belong in one."""
    assert set(ADVICE) == set(Cause)
    for said in (*ADVICE.values(), NO_CAUSE, advice(None)):
        assert said.means.endswith(".")
        assert said.do.endswith(".")
        assert "kill" not in f"{said.means} {said.do}".lower()


def test_recovery_names_who_is_not_back() -> None:
    """Nobody has to look for the sites that may still be down."""
    result = pause_of(MIXED)
    assert not_seen_back(result.steps[0]) == ["liar", "stuck"]
    said = said_by(render_html(result))
    assert "Not seen back at work: liar, stuck." in said
    assert "sites not seen back after release 2" in said


def test_the_map_covers_the_four_documents_and_claims_nothing() -> None:
    """Each clause is cited by number with this drill's own figures; conformity is claimed nowhere."""
    sources = mapping(pause_of(MIXED))
    numbers = {clause.number for source in sources for clause in source.clauses}
    assert {"9.6.1", "9.6.2", "9.6.3", "14(4)(e)", "(e) as found", "(e) as left", "Improvement plan"} <= numbers
    said = said_by(render_html(pause_of(MIXED)))
    assert "It claims conformity with none of them." in said
    assert "Halts were ordered and 2 of 5 were witnessed." in said
    assert "After release 1 of 5 were witnessed back. Left open: liar, stuck." in said


def test_a_battery_is_what_shows_that_unapproved_orders_are_refused() -> None:
    """The map says what this drill did not show, and stops saying so once it did."""
    lacking = "This drill sent no expired or unapproved order to show the refusal."
    assert lacking in said_by(render_html(pause_of(MIXED)))
    assert lacking not in said_by(render_html(drill_of(refusal_step())))


@pytest.fixture(scope="module")
def large() -> str:
    """The page of ten thousand sites with failures."""
    result, regions = fleet_of(10_000, faulty=0.2)
    return render_html(result, Context(regions=regions))


def test_a_large_fleet_keeps_a_usable_page(large: str) -> None:
    """Every site is in the annex, in tables laid out only when seen; failures are told up to a bound and counted."""
    assert len(large) < 4_500_000
    annex = large[large.index('<section class="annex">') :]
    assert annex.count('<tr><th scope="row">site-') == 10_000
    assert annex.count("<table") == 10_000 // CHUNK
    assert annex.count("contain-intrinsic-size") == 10_000 // CHUNK
    before = large[: large.index('<section class="annex">')]
    assert before.count('<tr><th scope="row">site-') < 5 * SHOWN_MAX + 50
    assert "more with the same cause" in before
    assert "1 to 200 of 10,000: site-00000 to site-00199" in annex


def test_every_step_and_site_is_in_the_annex() -> None:
    """A report that left a verdict out would be no record."""
    result = whole_drill()
    page = render_html(result)
    annex = page[page.index('<section class="annex">') :]
    assert annex.count('<th scope="row">') == sum(len(made.sites) for made in result.steps)


def test_paper_repeats_heads_and_cuts_no_row() -> None:
    """On A4 no row is torn apart, each table's head is on each of its pages, and pages are numbered."""
    printed = REPORT_STYLE.partition("@media print")[2]
    assert "thead{display:table-header-group}" in printed
    assert re.search(r"(^|,)tr,[^{]*\{break-inside:avoid\}", printed, re.MULTILINE)
    assert ".cover{break-after:page" in printed
    assert "content-visibility:visible" in printed
    foot = running_foot(pause_of(MIXED))
    assert 'counter(page) " / " counter(pages)' in foot


def test_the_foot_takes_nothing_from_a_drill_that_could_end_it() -> None:
    """What stands in a style sheet can't close it, whatever a drill is called."""
    hostile = pause_of(MIXED).model_copy(update={"drill": 'x"}</style><script>'})
    assert "<" not in running_foot(hostile)
    assert 'x"' not in running_foot(hostile)


def test_the_style_sheets_ask_for_nothing_from_outside() -> None:
    """One file is the whole report: no font, image or sheet is fetched when it is opened."""
    for sheet in (STYLE, REPORT_STYLE):
        assert "url(" not in sheet
        assert "@import" not in sheet


def test_hostile_seen_values_and_reasons_stay_text() -> None:
    """What witnesses and approvers wrote is shown and never acted upon."""
    evil = lying().model_copy(
        update={"seen": (lying().seen[0].model_copy(update={"value": "<script>alert(1)</script>"}),)}
    )
    page = Page(render_html(pause_of({"a": evil}, aborted=True, abort_reason="<b onclick=x>stop</b>")))
    assert page.balanced
    assert "script" not in page.tags
    assert "b" in page.tags  # ours, around the witnesses' words
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_an_aborted_and_an_empty_step_have_pages_too() -> None:
    """What was never ordered is said to be unknown, and nothing is drawn of it."""
    aborted = record_drill(Script(abort_at_s=0.5)).result
    assert "somebody coughed" in said_by(render_html(aborted))
    unordered = pause_of(MIXED)
    unordered = unordered.model_copy(update={"steps": (unordered.steps[0].model_copy(update={"ordered": False}),)})
    page = render_html(unordered)
    assert "<svg" not in page
    assert "was never ordered, so nothing is known of it" in said_by(page)
