"""The library of scenarios: each is played unattended, twice to the same record, and its report is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.tabletop.after import after_action, results_of
from orchestrator.tabletop.after_html import render_page
from orchestrator.tabletop.assess import Rating
from orchestrator.tabletop.load import load_scenario
from orchestrator.tabletop.playing import play
from tests.log_checks import checked_log

FOLDER = Path(__file__).parents[2] / "deploy" / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_played_as_expected_every_objective_is_met_and_the_record_is_the_same_again(path: Path) -> None:
    """A facilitator who rehearses it finds what the guide says; nothing in it was left undone."""
    scenario = load_scenario(path)
    done, again = (play(scenario, log=checked_log("mocksite")) for _ in range(2))
    assert done.record.head == again.record.head
    report = after_action(done)
    assert {one.objective: one.rating for one in report.assessment.objectives} == {
        one.name: Rating.P for one in scenario.objectives
    }
    assert any(one.asked_at_s is not None for one in report.assessment.decisions)
    assert all(one.yes is not None for one in report.assessment.answers)
    page = render_page(report, results_of(done))
    assert all(drill.title.replace("'", "&#x27;") in page for drill in scenario.drills)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_has_its_guide(path: Path) -> None:
    """A facilitator with no programming is led through it."""
    guide = path.with_suffix(".md").read_text()
    scenario = load_scenario(path)
    assert scenario.title in guide
    assert all(len(line) <= 120 for line in guide.splitlines())
