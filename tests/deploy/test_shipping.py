"""The examples for shipping logs: well formed, wired up, and about fields that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from orchestrator.logbook.catalogue import fields, models
from orchestrator.logbook.reader import LINE_MAX_BYTES
from protocols.logged import Level

FOLDER = Path(__file__).parents[2] / "deploy/observability"
LABELS = {"service_namespace", "service_name"}
_QUOTED_FIELD = re.compile(r'line\."?([@\w.]+)"?')


def _yaml(path: str) -> dict[str, Any]:
    found = YAML(typ="safe").load((FOLDER / path).read_text())
    assert isinstance(found, dict)
    return found


def _known() -> set[str]:
    return {entry.name for model in models() for entry in fields(model)} | {"event.action"}


def test_vector_is_wired_from_file_to_loki() -> None:
    """Every part of the example takes from one that there is, and the last one sends."""
    config = _yaml("vector/vector.yaml")
    names = config["sources"].keys() | config["transforms"].keys()
    for part in (*config["transforms"].values(), *config["sinks"].values()):
        assert set(part["inputs"]) <= names
    (loki,) = config["sinks"].values()
    assert loki["inputs"] == ["haltdrill_lines"]
    assert loki["labels"].keys() == LABELS
    assert loki["encoding"] == {"codec": "text"}


def test_vector_takes_fields_that_there_are() -> None:
    """The example takes time and program from lines by the names that lines have."""
    source = _yaml("vector/vector.yaml")["transforms"]["haltdrill_lines"]["source"]
    assert set(_QUOTED_FIELD.findall(source)) == {"service.name", "@timestamp"} <= _known()


def test_neither_cuts_a_long_line() -> None:
    """The longest line that haltdrill itself reads is shipped whole."""
    assert _yaml("vector/vector.yaml")["sources"]["haltdrill"]["max_line_bytes"] == LINE_MAX_BYTES
    receiver = _yaml("otel/collector.yaml")["receivers"]["filelog/haltdrill"]
    assert receiver["max_log_size"] == f"{LINE_MAX_BYTES // 2**20}MiB"


def test_the_collector_is_wired() -> None:
    """Its pipeline uses what is configured, and nothing is configured that it does not use."""
    config = _yaml("otel/collector.yaml")
    (pipeline,) = config["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == config[kind].keys()
    assert set(config["service"]["extensions"]) == config["extensions"].keys()


def test_the_collector_takes_fields_and_levels_that_there_are() -> None:
    """What it makes attributes of are fields of lines, and every level of ours is a severity of its own."""
    text = (FOLDER / "otel/collector.yaml").read_text()
    assert set(re.findall(r'attributes\["([^"]+)"\]', text)) <= _known()
    (parser,) = [
        one for one in _yaml("otel/collector.yaml")["receivers"]["filelog/haltdrill"]["operators"] if "severity" in one
    ]
    named = {"debug", "info", "error"} | set(parser["severity"]["mapping"].values())
    assert named == {level.value for level in Level}


def test_both_give_the_labels_that_the_dashboard_asks_for() -> None:
    """Whichever ships the logs, the dashboard finds them."""
    asked = re.findall(r'\{(\w+)=\\"(\w+)\\"\}', (FOLDER / "grafana/drills-logs.json").read_text())
    assert set(asked) == {("service_namespace", "haltdrill")}
    assert _yaml("vector/vector.yaml")["sinks"]["loki"]["labels"]["service_namespace"] == "haltdrill"
    receiver = _yaml("otel/collector.yaml")["receivers"]["filelog/haltdrill"]
    assert receiver["resource"] == {"service.namespace": "haltdrill"}
    assert 'to: resource["service.name"]' in (FOLDER / "otel/collector.yaml").read_text()


def test_the_page_names_every_file() -> None:
    """Whoever copies the folder finds each file explained, and no file that is not there."""
    page = (FOLDER / "README.md").read_text()
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    for name in files - {"README.md"}:
        folder, _, last = name.rpartition("/")
        whole = f"{folder}/*{''.join(Path(last).suffixes[-2:])}" if last.endswith(".test.yml") else f"{folder}/*.py"
        assert last in page or (last.endswith((".py", ".test.yml")) and whole in page) or "__pycache__" in name, name
    named = re.findall(r"`((?!demo/)\w+/[\w.-]+)`|\]\((\w[\w.]+)\)", page)
    assert {one or other for one, other in named} - files == set()
