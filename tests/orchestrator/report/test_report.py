"""Reports: what a director reads, what a pipeline parses, and nothing that a plan could smuggle in."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from orchestrator.core.grades import Grade, explain
from orchestrator.evidence.result import DrillResult
from orchestrator.report import figures as fig
from orchestrator.report.curve import curve
from orchestrator.report.files import NAMES, write_reports
from orchestrator.report.formats import ReportFormat, render
from orchestrator.report.style import STYLE
from tests.orchestrator.recorder import Recorded, Script, record_drill

HOSTILE = '<script>alert(1)</script><img src="http://x/y.png" onerror=\'x\'>&\u202e"]]>'
MIXED = Script(
    sites=("alpha", "beta", "delta", "epsilon", "gamma"),
    lying="beta",
    refusing="delta",
    slow="gamma",
    hold_s=1.5,
    title=HOSTILE,
)


@pytest.fixture(scope="module")
def mixed() -> Recorded:
    """A drill with a lying, a refusing and a slow site, and a hostile title."""
    return record_drill(MIXED)


@pytest.fixture(scope="module")
def passed() -> DrillResult:
    """A drill that passed."""
    return record_drill().result


class Page(HTMLParser):
    """Collects the elements and the text of a page."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.balanced = True
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        self.balanced = self.balanced and bool(self.open) and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_hostile_title_stays_text(mixed: Recorded) -> None:
    """Nothing from a plan becomes markup, script, a request, or a reversal of the reading direction."""
    page = render(mixed.result, ReportFormat.HTML)
    parsed = Page(page)
    assert parsed.balanced
    assert parsed.open == []
    assert not {"script", "img", "link", "iframe", "a", "object"} & set(parsed.tags)
    assert not any(name.startswith("on") or name in {"src", "href"} for name, _ in parsed.attributes)
    assert "<script>alert(1)</script>" in parsed.text
    assert "\u202e" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_says_all_that_a_director_needs(mixed: Recorded) -> None:
    """Outcome, authority, each site's verdict with a plain sentence, the tolerance, and how to check."""
    text = Page(render(mixed.result, ReportFormat.HTML)).text
    for expected in (
        "Did not pass",
        "3 of 5 sites could not be verified",
        "DEMO FLEET",
        "board, regulator (2 owners needed)",
        "not seen halted",
        "1 of them may lie that all is as ordered",
        "none may stay silent",
        f"haltdrill verify bundle.jsonl --fleet-id {mixed.result.fleet}",
    ):
        assert expected in text, expected
    for site in mixed.result.steps[0].sites:
        if not site.result.passed:
            assert explain(site.result) in text


def test_a_passed_drill_says_so_first(passed: DrillResult) -> None:
    """The first sentence stands alone."""
    assert fig.sentence(passed) == "All 2 sites were witnessed halted within the limit, held, and seen back at work."
    aborted = record_drill(Script(abort_at_s=0.5)).result
    assert "aborted" in fig.sentence(aborted)
    assert "somebody coughed" in Page(render(aborted, ReportFormat.HTML)).text


def test_a_real_fleet_carries_no_demo_mark(passed: DrillResult) -> None:
    """The mark is loud where it belongs and absent where it doesn't."""
    real = passed.model_copy(update={"demo": False})
    assert "DEMO" not in render(real, ReportFormat.HTML)


@pytest.mark.parametrize(
    ("lower_ns", "upper_ns", "said"),
    [
        (0, 35_000_000, "0\u20130.035 s"),
        (419_000_000, 651_000_000, "0.41\u20130.66 s"),
        (1_999_999_999, 2_000_000_001, "1.99\u20132.01 s"),
        (99_900_001, 100_000_001, "0.099\u20130.11 s"),
        (0, 1, "0\u20130.001 s"),
        (None, 99_999_999, "0\u20130.10 s"),
        (5, None, "\u2013"),
    ],
)
def test_intervals_are_rounded_outward(lower_ns: int | None, upper_ns: int | None, said: str) -> None:
    """A shown interval always contains the true one, so a rounding never flatters."""
    assert fig.interval(lower_ns, upper_ns) == said


def test_the_curve_marks_sites_that_were_never_seen_halted(mixed: Recorded) -> None:
    """Right-censored sites are drawn, not dropped, and the limit stands in the drawing."""
    svg = curve(mixed.result.steps[0])
    drawings = ET.fromstring(f"<div>{svg}</div>")  # noqa: S314 - our own output
    assert [drawing.tag for drawing in drawings] == ["svg", "svg"]
    assert svg.count("2 not seen halted") == 2
    assert "3 seen halted" in svg
    assert svg.count("limit 0.4 s: 2 proved") == 2
    assert svg.count('class="censored"') == 2


def test_the_curve_draws_even_when_nobody_halted() -> None:
    """An aborted drill and a drill of silence have a drawing too."""
    result = record_drill(Script(sites=("alpha",), lying="alpha")).result
    svg = curve(result.steps[0])
    ET.fromstring(f"<div>{svg}</div>")  # noqa: S314 - our own output
    assert "1 not seen halted" in svg


def test_junit_has_a_case_for_each_site_and_step(mixed: Recorded) -> None:
    """A pipeline sees as many tests as verdicts, and the failures' sentences."""
    root = ET.fromstring(render(mixed.result, ReportFormat.JUNIT))  # noqa: S314 - our own output
    cases = root.findall("testsuite/testcase")
    failed = {case.get("name"): case.find("failure") for case in cases if case.find("failure") is not None}
    assert root.get("tests") == str(len(cases)) == "5"
    assert root.get("failures") == "3"
    assert set(failed) == {"beta", "delta", "gamma"}
    assert failed["beta"].get("type") == "contradicted"  # type: ignore[union-attr]
    said = failed["beta"].text or ""  # type: ignore[union-attr]
    assert "reported a halt while a witness saw it at work" in said
    assert "otherwise: w1, w2" in said
    assert "reported done at" in said


def test_csv_has_integers_in_nanoseconds_and_blanks_for_the_unknown(mixed: Recorded) -> None:
    """A spreadsheet gets exact figures; what is not known is empty and never 0."""
    rows = {row["site"]: row for row in csv.DictReader(io.StringIO(render(mixed.result, ReportFormat.CSV)))}
    alpha = mixed.result.steps[0].sites[0].result
    assert rows["alpha"]["response_upper_ns"] == str(alpha.response_upper_ns)
    assert rows["beta"]["response_upper_ns"] == ""
    assert rows["beta"]["verdict"] == "contradicted"


def test_json_is_the_result_itself(mixed: Recorded) -> None:
    """The JSON report reads back as the very result, and holds whole nanoseconds only."""
    text = render(mixed.result, ReportFormat.JSON)
    assert DrillResult.model_validate_json(text) == mixed.result
    assert json.loads(text)["steps"][0]["hold_ns"] == 1_500_000_000


def test_every_grade_has_words() -> None:
    """A grade that nobody explained would reach a board as jargon."""
    assert set(fig.GRADE_WORDS) == set(Grade)


def test_reports_are_written_beside_the_bundle(mixed: Recorded, tmp_path) -> None:
    """A finished drill leaves every format, and the page for people is named."""
    page = write_reports(mixed.store, mixed.drill, tmp_path)
    assert page.name == "report.html"
    assert {path.name for path in tmp_path.iterdir()} == set(NAMES.values())


def test_paper_cuts_no_column_off() -> None:
    """On paper nobody can scroll: the wide table, which scrolls on a screen, shows itself whole there."""
    assert ".wide{overflow-x:auto" in STYLE
    assert ".wide{overflow:visible}" in STYLE.partition("@media print")[2]
