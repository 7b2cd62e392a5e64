"""The rules for Prometheus: valid, tested by promtool, and about metrics that there are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from orchestrator.metrics.catalogue import METRICS
from tests.components import require

FOLDER = Path(__file__).parents[2] / "deploy/observability/prometheus"
RULES = sorted(FOLDER.glob("*.rules.yml"))
TESTS = sorted(FOLDER.glob("*.test.yml"))
LIMIT_S = 60
_METRIC = re.compile(r"(?<![\w:])(?:[a-z]+:)?haltdrill_\w+(?::\w+)?")


def _promtool(*arguments: str | Path) -> str:
    """Run promtool, which must find nothing wrong."""
    promtool = require("promtool", package="prometheus")
    done = subprocess.run(
        [promtool, *map(str, arguments)], capture_output=True, text=True, timeout=LIMIT_S, cwd=FOLDER, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _rules(kind: str) -> dict[str, dict[str, Any]]:
    """Return every rule of a kind by its name."""
    groups = [group for path in RULES for group in YAML(typ="safe").load(path.read_text())["groups"]]
    return {rule[kind]: rule for group in groups for rule in group["rules"] if kind in rule}


def test_the_rules_are_rules() -> None:
    """Prometheus loads every rule file."""
    assert RULES
    assert _promtool("check", "rules", *RULES).count("SUCCESS") == len(RULES)


def test_the_example_is_a_configuration() -> None:
    """Prometheus starts with the example as it stands, and it loads every rule file."""
    said = _promtool("check", "config", "prometheus.example.yml")
    assert [path.name for path in RULES if f"Checking {path.name}" not in said] == []


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_the_rules_do_what_they_say(path: Path) -> None:
    """Each alert fires when it must, and nothing else does; promtool's own tests say so."""
    _promtool("test", "rules", path.name)


def test_every_rule_is_tested() -> None:
    """No alert and no recorded series is added without a test of its own."""
    tested = "".join(path.read_text() for path in TESTS)
    recorded = (FOLDER / "recording.test.yml").read_text()
    assert [name for name in _rules("alert") if f'"{name}"' not in tested] == []
    assert [name for name in _rules("record") if f"- expr: {name}\n" not in recorded] == []


def test_rules_ask_for_metrics_that_there_are() -> None:
    """A metric that is renamed takes its alerts along: an alert on a name that nobody exposes never fires."""
    known = {series for spec in METRICS.values() for series in spec.series} | _rules("record").keys()
    used = {name for path in (*RULES, *TESTS) for name in _METRIC.findall(path.read_text())}
    assert used - known == set()


def test_an_alert_names_the_sites_that_it_is_about() -> None:
    """The list of sites in an alert's text is of the standing that its condition is about."""
    for name, rule in _rules("alert").items():
        condition = re.findall(r'standing="(\w+)"', rule["expr"])
        text = re.findall(r'standing=\\"(\w+)\\"', rule["annotations"]["description"])
        assert text == condition, name


def test_every_alert_says_what_to_do() -> None:
    """Whoever is woken is told how bad it is, what happened, and the way out."""
    for name, rule in _rules("alert").items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert "Way out: " in rule["annotations"]["description"], name
        assert len(rule["annotations"]["summary"]) <= 120, name
