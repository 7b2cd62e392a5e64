"""The faces of the matrix: readable without colour, safe against hostile text, the same figures everywhere."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from orchestrator.core.coverage import Coverage, Standing, Trend
from orchestrator.core.grades import Cause, Verdict
from orchestrator.coverage import words
from orchestrator.coverage.ages import parse_age, parse_since
from orchestrator.coverage.formats import COLUMNS, CoverageFormat, render, render_csv
from orchestrator.coverage.page import render_html
from orchestrator.coverage.terminal import render as draw
from orchestrator.report.style import STYLE
from protocols.controls import Control
from protocols.errors import ConfigError
from tests.orchestrator.coverage.made import DAY_NS, NOW_NS, S_NS, drill, exercise, matrix, motley, record

HOSTILE = '=cmd|"/c calc"!A1</td><script>alert(1)</script>\u202e\x1b[31m\r\n,;'


@pytest.fixture(scope="module")
def big() -> Coverage:
    """Twenty sites and all twelve controls, of every kind."""
    return motley()


def printed(coverage: Coverage, width: int, *, colour: bool = False) -> str:
    """Return what a terminal shows."""
    console = Console(width=width, force_terminal=colour, color_system="standard" if colour else None)
    with console.capture() as captured:
        console.print(draw(coverage, width), highlight=False)
    return captured.get()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 250])
def test_twelve_controls_and_twenty_sites_fit_any_terminal(big: Coverage, width: int) -> None:
    """No line is wider than the terminal, every site has a whole row in each block, and every control a column."""
    lines = printed(big, width).splitlines()
    assert max(map(cell_len, lines)) <= width
    heads = [line for line in lines if line.startswith("site ")]
    shown = " ".join(" ".join(line.split()) for line in heads)
    assert all(words.control_words(control) in shown for control in Control)
    for row in big.rows:
        assert sum(line.startswith(f"{row.site} ") for line in lines) == len(heads)


def test_it_reads_without_colour(big: Coverage) -> None:
    """Colour adds nothing: without it the very same text stands there, and the legend explains each code used."""
    plain = printed(big, 80)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", printed(big, 80, colour=True)) == plain
    said = " ".join(plain.split())
    for code in {words.code(cell) for row in big.rows for cell in row.cells} - {words.NEVER}:
        assert f"{code} {words.MEANINGS[code]}" in said
    assert plain.isascii()


def test_every_code_differs_and_is_explained() -> None:
    """Two states never look alike, and a verdict or a trend without a code would be a hole in the matrix."""
    assert set(words.CODES) == set(Verdict)
    assert set(words.TREND_SIGNS) == set(words.TREND_WORDS) == set(Trend)
    for codes in (words.CODES, words.TREND_SIGNS, words.STANDING_WORDS):
        assert len(set(codes.values())) == len(codes)
    assert {*words.CODES.values(), words.OVERDUE, words.NEVER, words.UNSUPPORTED, words.ARMED} == set(words.MEANINGS)


def test_the_last_line_is_the_outcome_and_the_worst_comes_first(big: Coverage) -> None:
    """At three in the morning the screen ends with what matters."""
    lines = printed(big, 80).rstrip().splitlines()
    assert "NOT COMPLETE: 24 failing, 21 overdue, 16 never done" in " ".join(lines[-2:])
    groups = words.calls(big)
    ranks = [list(Verdict).index(Verdict(group.head.replace(" ", "_"))) for group in groups[:-2]]
    assert ranks == sorted(ranks, reverse=True)
    assert [group.standing for group in groups[-2:]] == [Standing.OVERDUE, Standing.NEVER]
    whole = matrix([record("alpha", controls=(Control.PAUSE,))], [drill("alpha", exercise())])
    assert printed(whole, 80).rstrip().splitlines()[-1].startswith("COMPLETE")


def test_one_reason_is_told_once_with_what_is_particular_to_each_site() -> None:
    """Twenty late sites are one heading, not twenty; whose word it was stays with its site."""
    why = "Contradicted: its agent reported a halt while a witness saw it at work (active according to {})."
    lied = [exercise(verdict=Verdict.CONTRADICTED, said=why.format(witness)) for witness in ("w1", "w2")]
    late = [exercise(verdict=Verdict.LATE, said=f"Late: it came late (between 0 s and {s} s).") for s in (31, 32)]
    sites = ("alpha", "beta", "delta", "gamma")
    made = [drill(site, done) for site, done in zip(sites, (*lied, *late), strict=True)]
    first, second, *_ = words.calls(matrix([record(site) for site in sites], made))
    assert (first.head, len(first.places)) == ("contradicted", 2)
    assert first.why == "its agent reported a halt while a witness saw it at work"
    assert first.places[1].more.endswith("(active according to w2)")
    assert (second.head, second.why, len(second.places)) == ("late", "it came late", 2)


def test_a_decommission_says_how_far_it_went() -> None:
    """Armed only is not fired, in every face."""
    only_armed = matrix(
        [record("alpha", controls=(Control.DECOMMISSION,))],
        [drill("alpha", exercise(Control.DECOMMISSION, phase="arm"))],
    )
    fired = matrix(
        [record("alpha", controls=(Control.DECOMMISSION,))], [drill("alpha", exercise(Control.DECOMMISSION))]
    )
    assert "ar verified but only armed" in printed(only_armed, 80)
    assert "armed" not in printed(fired, 80)
    assert "verified (armed only)" in render_html(only_armed)
    assert "verified (fired)" in render_html(fired)
    assert ",arm," in render_csv(only_armed)


def test_what_does_not_count_is_told() -> None:
    """A reader sees that somebody tried, and why it is no proof."""
    stopped = exercise(verdict=Verdict.UNPROVEN, cause=Cause.ABORTED, aborted=True)
    coverage = matrix([record("alpha")], [drill("alpha", exercise(ago_d=3)), drill("alpha", stopped)])
    text = " ".join(printed(coverage, 80).split())
    assert f"* {stopped.drill} was aborted, so this does not count: pause at alpha" in text
    assert "1 aborted not counted" in text
    assert "tried since, not counted" in render_html(coverage)


@pytest.mark.parametrize("form", list(CoverageFormat))
def test_every_face_says_that_it_is_no_proof(big: Coverage, form: CoverageFormat) -> None:
    """Nobody takes the matrix for evidence: each face for people names the command that checks it."""
    text = render(big, form)
    if form is CoverageFormat.TEXT:
        assert text is None
        text = printed(big, 80)
    assert text is not None
    if form in {CoverageFormat.TEXT, CoverageFormat.HTML}:
        assert "haltdrill verify" in text
    if form is CoverageFormat.JSON:
        assert Coverage.model_validate_json(text) == big


def hostile() -> Coverage:
    """Return a matrix with a title that would be markup, a formula and an escape sequence."""
    lied = exercise(verdict=Verdict.CONTRADICTED, title=HOSTILE, said=HOSTILE)
    return matrix([record("alpha", controls=(Control.PAUSE,))], [drill("alpha", lied)], notes=(HOSTILE,))


def test_hostile_text_is_no_markup_and_no_escape_sequence() -> None:
    """A plan's title stays text in a page and in a terminal."""
    page = render_html(hostile())
    parsed = _Page(page)
    assert parsed.balanced
    assert not {"script", "img", "link", "iframe", "a"} & set(parsed.tags)
    assert "<script>alert(1)</script>" in parsed.text
    for text in (page, printed(hostile(), 80)):
        assert "\u202e" not in text
        assert "\x1b" not in text


def test_hostile_text_is_no_formula() -> None:
    """A spreadsheet computes nothing that a plan's author wrote, and each row stays a row."""
    rows = list(csv.reader(io.StringIO(render_csv(hostile()))))
    assert rows[0] == list(COLUMNS)
    assert [len(row) for row in rows] == [len(COLUMNS)] * (1 + len(Control))
    assert "\u202e" not in render_csv(hostile())
    assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for value in row)
    lied = next(row for row in rows if row[COLUMNS.index("verdict")] == Verdict.CONTRADICTED)
    assert lied[COLUMNS.index("title")].startswith("'=cmd")


def test_csv_has_a_row_for_each_site_and_control(big: Coverage) -> None:
    """Whole nanoseconds, blanks for the unknown, and lines that end as RFC 4180 says."""
    text = render_csv(big)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 20 * 12 == text.count("\r\n") - 1
    for row, cell in zip(rows, (cell for site in big.rows for cell in site.cells), strict=True):
        assert row["standing"] == cell.standing
        upper_ns = None if cell.last is None else cell.last.response_upper_ns
        assert row["response_upper_ns"] == ("" if upper_ns is None else str(upper_ns))


class _Page(HTMLParser):
    """Collects the elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.heads: list[dict[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.balanced = True
        self.feed(text)
        self.balanced = self.balanced and not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "th":
            self.heads.append(dict(attrs))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.balanced = self.balanced and bool(self.open) and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_a_table_that_a_screen_reader_can_walk(big: Coverage) -> None:
    """Each head says whether it is of a column or a row, each state is a word, and nothing is fetched."""
    page = render_html(big)
    parsed = _Page(page)
    assert parsed.balanced
    scopes = [head.get("scope") for head in parsed.heads]
    assert (scopes.count("col"), scopes.count("row"), len(scopes)) == (13, 20, 33)
    assert parsed.tags.count("caption") == 1
    for standing in (Standing.OVERDUE, Standing.NEVER):
        assert parsed.text.count(words.STANDING_WORDS[standing]) >= big.total(standing)
    assert "url(" not in page
    assert "src=" not in page


def _luminance(colour: str) -> float:
    colour = "".join(char * 2 for char in colour) if len(colour) == 3 else colour
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1, 2])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("ink", "bg"),
        ("soft", "bg"),
        ("soft", "panel"),
        ("soft", "loud-bg"),
        ("soft", "bad-bg"),
        ("ink", "panel"),
        ("good", "bg"),
        ("bad", "bg"),
        ("bad", "bad-bg"),
        ("loud", "loud-bg"),
        ("loud", "bg"),
        ("good", "good-bg"),
    ],
)
def test_text_has_contrast(scheme: int, ink: str, ground: str) -> None:
    """Every pair of colours that text uses, light, dark and on paper, has the contrast that WCAG AA asks (4.5)."""
    block = re.findall(r":root\{([^}]*)\}", STYLE)[scheme]
    colours = dict(re.findall(r"--([a-z-]+):\s*#([0-9a-f]{6}|[0-9a-f]{3})\b", block))
    light, dark = sorted((_luminance(colours[ink]), _luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@given(st.integers(0, 10_000 * S_NS))
def test_a_shown_bound_is_never_less_than_it_is(upper_ns: int) -> None:
    """Rounding never makes a site look faster."""
    shown_ns = round(float(words.seconds_up(upper_ns)) * S_NS)
    assert shown_ns >= upper_ns
    assert shown_ns - upper_ns <= S_NS
    assert len(words.seconds_up(upper_ns)) <= 5


@pytest.mark.parametrize(
    ("given_age", "seconds"),
    [
        ("90", 90 * 86_400),
        ("90d", 90 * 86_400),
        ("12h", 43_200),
        ("30m", 1_800),
        ("2w", 14 * 86_400),
        ("1.5d", 129_600),
    ],
)
def test_ages_are_days_or_have_a_unit(given_age: str, seconds: int) -> None:
    """What a person types is what is meant."""
    assert parse_age(given_age, option="--max-age") == seconds * S_NS


@pytest.mark.parametrize("wrong", ["", "d", "-1", "1y", "1e9", "\u0661", "9999999", "nan"])
def test_what_is_no_age_is_refused(wrong: str) -> None:
    """A slip is one clear error that names the option."""
    with pytest.raises(ConfigError, match="--max-age"):
        parse_age(wrong, option="--max-age")


def test_since_is_a_date_or_an_age() -> None:
    """A date begins at midnight UTC; a date that there is not is refused."""
    assert parse_since("2026-11-24", option="--since", now_ns=NOW_NS) == 1_795_478_400 * S_NS
    assert parse_since("7d", option="--since", now_ns=NOW_NS) == NOW_NS - 7 * DAY_NS
    assert parse_since("999999", option="--since", now_ns=NOW_NS) == 0
    for wrong in ("2026-13-01", "24-11-2026", "yesterday"):
        with pytest.raises(ConfigError, match="--since"):
            parse_since(wrong, option="--since", now_ns=NOW_NS)
