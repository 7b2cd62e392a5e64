"""Reports of every control: what only some of them have, in its own words, and nothing smuggled in."""

from __future__ import annotations

import csv
import io
import re

import pytest

from orchestrator.core.criteria import words_of
from orchestrator.core.grades import explain
from orchestrator.evidence.result import DrillResult
from orchestrator.report import figures as fig
from orchestrator.report.curve import curve
from orchestrator.report.formats import ReportFormat, render
from orchestrator.report.html import render_html
from orchestrator.report.sections import more
from orchestrator.report.wording import told
from protocols.controls import Control, PauseParams, PowerCutParams, StandbyParams
from tests.orchestrator.report.results import (
    DIGEST,
    NONCE,
    S_NS,
    drill_of,
    ladder_step,
    other_steps,
    refusal_step,
    standby_step,
    step,
    whole_drill,
)
from tests.orchestrator.report.test_report import Page


@pytest.fixture(scope="module")
def whole() -> DrillResult:
    """A drill with every kind of step."""
    return whole_drill()


def text_of(markup: str) -> str:
    """Return the text of some markup, one space between cells and words."""
    return " ".join(Page(markup.replace("</t", " </t")).text.split())


def told_of(parts: list[str]) -> str:
    """Return the text of parts of a page."""
    return text_of(" ".join(parts))


@pytest.mark.parametrize(
    "control", [Control.STANDBY, Control.REFUSAL, Control.SLOWDOWN, Control.CENSUS, Control.RUN_CAP]
)
def test_nothing_is_called_quiet_that_keeps_working(control: Control) -> None:
    """Where work goes on, quiet would be a fault, and no report asks for it."""
    words = words_of(control)
    assert not any(
        "quiet" in part or "halted" in part for part in (words.proved, words.going, words.goal, words.lasting)
    )


def test_an_escalation_is_told_rung_by_rung() -> None:
    """Each rung with its own verdict, time and limit, why the site climbed on, and the total."""
    said = told_of(more(ladder_step()))
    assert "beta 1 of 3: pause refused \u2013 5 s its agent refused the order" in said
    assert "beta 2 of 3: shutdown verified 3.00\u20134.00 s 10 s" in said
    assert "gamma 2 of 3: shutdown unproven \u2013 10 s its agent answered nothing" in said
    assert "gamma 3 of 3: power cut verified 3.00\u20134.00 s 15 s" in said
    assert "in all, from the first order at most 21.00 s" in said
    assert "shutdown (what has not stopped after 10 s is killed), within 10 s: ordered at 2 sites" in said
    assert "alpha" not in said


def test_the_curve_counts_a_climb_from_the_first_order() -> None:
    """A site that was cut off after two rungs did not halt in the four seconds of the last one."""
    path = re.search(r'class="latest" d="M([0-9.]+) [0-9.]+([^"]*)"', curve(ladder_step()))
    assert path is not None
    times = [float(path[1]), *(float(x) for x in re.findall(r"H([0-9.]+)", path[2]))]
    assert len(times) == 5  # zero, both sites that complied, one for each that climbed, and the end
    whole_span = 21 * S_NS * 1.08
    assert times[3] - times[0] == pytest.approx((times[4] - times[0]) * 21 * S_NS / whole_span, abs=0.5)


def test_the_battery_shows_case_by_case_who_answered_otherwise() -> None:
    """Whoever obeyed a forged order stands out; a wrong reason and silence are told apart."""
    said = told_of(more(refusal_step()))
    assert "forged signed by no key that may speak here 3 of 4 beta OBEYED it" in said
    assert "3 of 4 gamma said: expired" in said
    assert "3 of 4 gamma answered nothing" in said
    assert "4 of 4 \u2013" in said


def test_standby_shows_each_proof_and_no_response_curve(whole: DrillResult) -> None:
    """What would not have worked is named with its detail, which is text and never markup."""
    said = told_of(more(standby_step()))
    assert "authority 4 of 4 the warrant has 2 of 2 owners" in said
    assert "replay record 3 of 4" in said
    assert "beta: disk full <img src=x onerror=alert(1)>" in said
    alone = render_html(drill_of(standby_step()))
    assert "<svg" not in alone
    assert "<img" not in render_html(whole)
    assert "\u202e" not in render_html(whole)


def test_nonces_checkpoints_and_listed_jobs_are_there_to_copy() -> None:
    """Whoever approves the firing reads the armed nonces here; whoever resumes, the checkpoints."""
    cap, shutdown, arm, fire, selective = other_steps()
    assert f"gamma {NONCE}" in told_of(more(arm))
    assert f"alpha {DIGEST}" in told_of(more(shutdown))
    assert "runs_over_cap: train-7b,train-70b (alpha)" in told_of(more(cap))
    assert more(fire) == more(selective) == []


def test_the_page_is_whole_and_says_each_failure(whole: DrillResult) -> None:
    """Every step has its section, every failure its sentence, every head its scope."""
    page = Page(render_html(whole))
    text = " ".join(page.text.split())
    assert page.balanced
    assert page.open == []
    assert page.tags.count("h2") == len(whole.steps) + 9
    assert page.tags.count("th") == sum(name == "scope" for name, _ in page.attributes)
    for made in whole.steps:
        for _, found in fig.failures(made):
            assert " ".join(fig.plain(explain(found)).split()) in text
    assert "2 sites climbed to a harsher control" in text
    assert "decommission (armed only)" in text
    assert "decommission (fired)" in text


def test_figures_are_per_control(whole: DrillResult) -> None:
    """Median and slowest are of one control, never over different ones; a standby has none."""
    text = text_of(render_html(whole))
    assert "standby step-0 4 3 \u2013 \u2013 5 s" in text
    assert "pause step-0, rung 1 4 2 2.00 s 2.00 s 5 s" in text
    assert "power cut step-0, rung 3 1 1 4.00 s 4.00 s 15 s" in text


def test_sentences_fit_what_was_exercised() -> None:
    """Only a drill of halts is said to have halted anything."""
    paused = drill_of(step(0, PauseParams(), {}))
    rehearsed = drill_of(step(0, StandbyParams(), {}), step(1, PowerCutParams(), {}))
    assert "witnessed halted" in fig.sentence(paused)
    assert fig.sentence(rehearsed) == "All 4 sites passed all 2 steps, each witnessed as ordered within its limit."
    aborted = rehearsed.model_copy(update={"passed": False, "aborted": True})
    assert fig.sentence(aborted) == "The drill was aborted, so it proves nothing of its 4 sites."
    assert not told(StandbyParams()).timed


def test_csv_names_the_rung_and_its_own_limit(whole: DrillResult) -> None:
    """A row of an escalated site holds the last rung's control, time and limit, and the total."""
    rows = list(csv.DictReader(io.StringIO(render(whole, ReportFormat.CSV))))
    gamma = next(row for row in rows if row["site"] == "gamma" and row["rung"] == "2")
    assert (gamma["control"], gamma["rung_control"]) == ("pause", "power_cut")
    assert (gamma["response_limit_ns"], gamma["total_upper_ns"]) == (str(15 * S_NS), str(21 * S_NS))
    battery = next(row for row in rows if row["site"] == "gamma" and row["control"] == "refusal")
    assert (battery["battery_right"], battery["battery_orders"]) == ("6", "8")
    assert {row["armed"] for row in rows if row["control"] == "decommission"} == {NONCE, ""}


@pytest.mark.parametrize("form", list(ReportFormat))
def test_every_format_writes_every_control(whole: DrillResult, form: ReportFormat) -> None:
    """No parameter of any control breaks a report."""
    assert "power" in render(whole, form)
