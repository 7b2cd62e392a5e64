"""The dashboards for Grafana: as their code builds them, in its schema, and about what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from ruamel.yaml import YAML

from orchestrator.logbook.catalogue import event_names, fields, models
from orchestrator.metrics.catalogue import METRICS
from tests.components import require
from tests.logs import Scenario, rendered, simulate

OBSERVABILITY = Path(__file__).parents[2] / "deploy/observability"
FOLDER = OBSERVABILITY / "grafana"
FILES = sorted(FOLDER.glob("*.json"))
_METRIC = re.compile(r"(?<![\w:])(?:[a-z]+:)?haltdrill_\w+(?::\w+)?")
_FILTER = re.compile(r'\| (\w+)(=~|!=|=)"([^"]*)"')


def _board(name: str) -> dict[str, Any]:
    found = json.loads((FOLDER / name).read_text())
    assert isinstance(found, dict)
    return found


def _panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in _board(name)["panels"] if panel["type"] != "row"]


def _queries(name: str) -> Iterator[tuple[str, str]]:
    """Yield every query with the legend of its series."""
    for panel in _panels(name):
        for target in panel["targets"]:
            yield target["expr"], target.get("legendFormat", "")


def test_the_files_are_what_the_code_builds(tmp_path: Path) -> None:
    """Whoever changes a dashboard changes its code: the files are nothing else."""
    subprocess.run([sys.executable, FOLDER / "build.py", tmp_path], check=True)
    assert [path.name for path in FILES] == ["drills-logs.json", "drills-metrics.json"]
    for path in FILES:
        assert path.read_text() == (tmp_path / path.name).read_text(), path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_they_are_dashboards_by_the_schema(path: Path) -> None:
    """Read by Grafana's own types and written again, nothing is lost: no field is there that these do not have."""
    register_default_plugins()
    given = json.loads(path.read_text())
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(given))) == given


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_panels_lie_beside_each_other(path: Path) -> None:
    """No panel lies over another or over the edge, each has a number of its own, and says what it shows."""
    panels = json.loads(path.read_text())["panels"]
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [panel["title"] for panel in _panels(path.name) if not panel.get("description")] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_data_sources_are_chosen_by_whoever_imports_it(path: Path) -> None:
    """A dashboard works in any Grafana: no data source of ours is named in it."""
    board = json.loads(path.read_text())
    names = {variable["name"] for variable in board["templating"]["list"]}
    used = re.findall(r'"uid": "(?!haltdrill-)([^"]*)"', path.read_text())
    assert used
    assert {uid for uid in used if uid.removeprefix("${").removesuffix("}") not in names} == set()


def test_metrics_are_those_that_there_are() -> None:
    """No panel waits for a metric, or for a label of one, that nobody exposes."""
    recorded = _recorded()
    known = {series: set(spec.labels) for spec in METRICS.values() for series in spec.series}
    for query, legend in _queries("drills-metrics.json"):
        names = _METRIC.findall(query)
        assert names, query
        assert [name for name in names if name not in known and name not in recorded] == []
        # What a rule records has the labels of what it is computed from.
        sources = {source for name in names for source in _METRIC.findall(recorded.get(name, name))}
        labels = set.union(*(known[source] for source in sources if source in known))
        asked = (
            re.findall(r'(\w+)=~?"', query) + re.findall(r"\{\{(\w+)\}\}", legend) + re.findall(r"by \((\w+)\)", query)
        )
        assert set(asked) <= labels, query


def _recorded() -> dict[str, str]:
    rules = YAML(typ="safe").load((OBSERVABILITY / "prometheus/recording.rules.yml").read_text())
    return {rule["record"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    """Each query is one, by Prometheus' own parser."""
    queries = [query.replace("$__rate_interval", "1m") for query, _ in _queries("drills-metrics.json")]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    promtool = require("promtool", package="prometheus")
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _flat(value: dict[str, Any], before: str = "") -> dict[str, str]:
    """Return a line's fields as `| json` of Loki has them: nested ones joined, other signs made `_`, no lists."""
    found: dict[str, str] = {}
    for name, item in value.items():
        label = before + re.sub(r"\W", "_", name)
        if isinstance(item, dict):
            found |= _flat(item, f"{label}_")
        elif not isinstance(item, list) and item is not None:
            found[label] = str(item)
    return found


def _matches(line: dict[str, str], name: str, sign: str, value: str) -> bool:
    has = line.get(name, "")
    return bool(re.fullmatch(value, has)) if sign == "=~" else (has == value) == (sign == "=")


def test_every_query_of_the_log_finds_lines() -> None:
    """Each query, run over a drill with every fault, finds lines, and they have the fields that it shows."""
    lines = [_flat(json.loads(rendered(line))) for line in simulate(Scenario(sites=60, faults=0.3))]
    for query, legend in _queries("drills-logs.json"):
        assert '{service_namespace="haltdrill"} | json ' in query
        wanted = _FILTER.findall(re.sub(r"\$(drill|site)\b", ".*", query))
        found = [line for line in lines if all(_matches(line, *one) for one in wanted)]
        assert found, query
        shown = re.findall(r"by \((\w+)\)", query) + re.findall(r"unwrap (\w+)", query)
        shown += re.findall(r"\{\{(\w+)\}\}", legend)
        assert all(name in line for line in found for name in shown), query


def test_fields_and_events_are_those_of_the_catalogue() -> None:
    """An event or a field that is renamed is renamed in the dashboard as well."""
    known = {re.sub(r"\W", "_", entry.name) for model in models() for entry in fields(model)} | {"event_action"}
    for query, _ in _queries("drills-logs.json"):
        named = [name for name, _, _ in _FILTER.findall(query)] + re.findall(r"\{\{\.(\w+)\}\}", query)
        assert set(named) <= known, query
        events = {value for name, _, value in _FILTER.findall(query) if name == "event_action"}
        assert events <= set(event_names()), query
