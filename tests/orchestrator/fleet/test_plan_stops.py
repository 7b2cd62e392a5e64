"""Stop conditions in plans: slips are named with line and column, and what nobody could tell is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.fleet.explain_schedule import explain_schedule
from orchestrator.fleet.plan import parse_plan
from orchestrator.fleet.plan_book import conditions_of
from orchestrator.fleet.plan_check import check_plan
from orchestrator.fleet.plan_schema import plan_schema
from orchestrator.fleet.plan_waves import waves_of
from orchestrator.schedule.blackouts import NoBlackouts
from protocols.controls import Control
from protocols.errors import ConfigError
from protocols.ids import drill_id
from protocols.trust import FleetTrust
from tests.orchestrator.fleet.conftest import NOW_NS, PLAN
from tests.orchestrator.fleet.mocks import mixed_fleet
from tests.orchestrator.fleet.test_plan_controls import MOCK, REAL, plan, step

STOPS = """\
stop_when:
  - name: liars
    sites: {are: contradicted, at_most_share: 0.1}
  - name: api
    http: {url: 'https://a.example/health', expect: [200, 204]}
    every_s: 1
    grace_s: 10
  - name: errors
    prometheus: {url: 'http://127.0.0.1:9090', query: up, breach_under: 1}
  - name: script
    command: {argv: [/bin/true, '-x']}
"""
FIRST = len(PLAN.splitlines()) + 1


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> FleetTrust:
    """Two real and two simulated sites; these have classes of work."""
    return mixed_fleet(tmp_path_factory.mktemp("mixed"))


def test_a_plan_with_stop_conditions_is_read_whole() -> None:
    """Every kind arrives in the model, and nothing of it in what is approved."""
    conditions = parse_plan((PLAN + STOPS).encode(), "p.yaml").plan.stop_when
    assert [(one.name, one.kind) for one in conditions] == [
        ("liars", "sites"),
        ("api", "http"),
        ("errors", "prometheus"),
        ("script", "command"),
    ]
    assert (conditions[1].every_s, conditions[1].grace_s) == (1, 10)


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "words"),
    [
        ("at_most_share", "at_most_shar", 2, 32, "did you mean at_most_share?"),
        ("share: 0.1", "share: 1.5", 2, 47, "less than 1"),
        ("contradicted", "bad", 2, 18, "'contradicted', 'refused' or 'not_restored'"),
        ("every_s", "evry_s", 5, 5, "did you mean every_s?"),
        ("    http:", "    htp:", 4, 5, "did you mean http?"),
        ("https://a.example/health", "https://me:secret@a/", 4, 17, "token_file"),
        ("[200, 204]", "[20]", 4, 54, "greater than or equal to 200"),
        ("breach_under: 1", "breach_undr: 1", 8, 59, "did you mean breach_under?"),
        ("breach_under: 1", "breach_under: .nan", 8, 73, "number"),
        ("[/bin/true, '-x']", "[true]", 10, 22, "text"),
        ("[/bin/true, '-x']", "['true']", 10, 14, "absolute path"),
        ("{argv: [/bin/true, '-x']}", "ls", 10, 14, "must be a mapping"),
        ("name: script", "name: api", 1, 3, "two conditions are named api"),
    ],
)
def test_a_slip_is_named_with_its_place(old: str, new: str, line: int, column: int, words: str) -> None:
    """Whoever writes the plan is led to the very place."""
    assert old in STOPS
    with pytest.raises(ConfigError) as error:
        parse_plan((PLAN + STOPS.replace(old, new)).encode(), "p.yaml")
    assert f"line {FIRST + line}, column {column}:" in str(error.value)
    assert words in str(error.value)


def kept(steps: str, sites: str = "", workload: str = "{workload: evals%s}") -> str:
    """Return a plan of these steps that watches protected work."""
    where = f", sites: [{sites}]" if sites else ""
    return plan(steps, MOCK, REAL) + f"stop_when:\n  - name: kept\n    steady: {workload % where}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (kept(step(Control.PAUSE)), "step pause halts work of class evals at site mock-eu-north-1 by pause"),
        (kept(step(Control.SLOWDOWN)), "halts work of class evals"),
        (kept(step(Control.STANDBY), REAL), "no site has work of class evals"),
        (kept(step(Control.STANDBY), "us-east-1"), "site us-east-1 is not in the plan's audience"),
        (kept(step(Control.STANDBY), "", "{workload: nothing%s}"), "no site has work of class nothing"),
    ],
)
def test_work_that_nobody_could_see_go_on_is_no_condition(text: str, words: str, mixed: FleetTrust) -> None:
    """A plan that halts what must go on, or watches what is not there, would always stop itself: it is refused."""
    with pytest.raises(ConfigError) as error:
        check_plan(parse_plan(text.encode(), "p.yaml"), mixed, now_ns=NOW_NS)
    assert words in str(error.value)
    assert "stop_when[0].steady" in str(error.value)


def test_work_that_the_plan_lets_go_on_may_be_watched(mixed: FleetTrust) -> None:
    """A protected class, or all work where nothing is halted, is a condition that can hold."""
    selective = plan(step(Control.SELECTIVE_PAUSE)) + "stop_when:\n  - name: kept\n    steady: {workload: evals}\n"
    standby = plan(step(Control.STANDBY), REAL) + "stop_when:\n  - name: kept\n    steady: {}\n"
    for text in (selective, standby):
        check_plan(parse_plan(text.encode(), "p.yaml"), mixed, now_ns=NOW_NS)


def test_plan_explain_says_what_ends_the_drill_early(mixed: FleetTrust) -> None:
    """Whoever looks after the drill reads each condition in words."""
    source = parse_plan((plan(step(Control.STANDBY), REAL) + STOPS).encode(), "p.yaml")
    waves = waves_of(source, Path("p.yaml"), mixed, now_ns=NOW_NS)
    text = explain_schedule(source.plan, waves, NoBlackouts(), NOW_NS)
    assert text.startswith("Stops when    liars: more than 10 % of the sites are contradicted")
    assert "https://a.example/health answers anything but 200 or 204" in text


def test_the_schema_for_editors_knows_the_conditions() -> None:
    """An editor offers and checks the keys of a condition."""
    schema = plan_schema()
    assert set(schema["$defs"]["StopCondition"]["properties"]) >= {"sites", "steady", "prometheus", "http", "command"}
    assert "stop_when" in schema["properties"]
    json.dumps(schema)


def test_a_drill_that_is_taken_up_finds_the_conditions_of_its_plan(tmp_path: Path) -> None:
    """After a crash a drill is watched as before, also one of a plan with waves or with a long name."""
    (tmp_path / "a.yaml").write_text(PLAN + STOPS)
    (tmp_path / "broken.yaml").write_text("name: [")
    long_name = "a-plan-whose-name-is-much-longer-than-what-is-in-an-id"
    waves = "waves:\n  - sites: 1\n  - rest: true\n"
    (tmp_path / "b.yaml").write_text(PLAN.replace("name: monthly-pause", "name: waved") + waves + STOPS)
    (tmp_path / "c.yaml").write_text(PLAN.replace("name: monthly-pause", f"name: {long_name}") + STOPS)
    for name in ("monthly-pause", "waved-w2", long_name):
        assert len(conditions_of(tmp_path, drill_id(NOW_NS, name, "3fa9c1"))) == 4
    for name in ("monthly", "waved-w3", "other"):
        assert conditions_of(tmp_path, drill_id(NOW_NS, name, "3fa9c1")) == ()
    assert conditions_of(tmp_path / "absent", drill_id(NOW_NS, "x", "3fa9c1")) == ()
