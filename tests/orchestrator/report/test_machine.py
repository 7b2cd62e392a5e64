"""The reports for machines and their schemas."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from orchestrator.evidence.result import DrillResult, SiteResult
from orchestrator.report.columns import COLUMNS, cells_of, safe, table_schema
from orchestrator.report.formats import ReportFormat, render
from orchestrator.report.schema import fields_said, models_of, result_schema, schema_of
from protocols.errors import ConfigError
from tests.orchestrator.recorder import Script, record_drill
from tests.orchestrator.report.made import fleet_of
from tests.orchestrator.report.results import whole_drill

RESULTS = {
    "passed": lambda: record_drill().result,
    "mixed": lambda: record_drill(Script(lying="beta")).result,
    "aborted": lambda: record_drill(Script(abort_at_s=0.5)).result,
    "whole": whole_drill,
    "fleet": lambda: fleet_of(50, faulty=0.5)[0],
}


@pytest.mark.parametrize("name", list(RESULTS))
def test_each_result_validates_against_the_exported_schema(name: str) -> None:
    """What is promised to other programs is what is written, for every kind of drill."""
    schema = result_schema()
    Draft202012Validator.check_schema(schema)
    document = json.loads(render(RESULTS[name](), ReportFormat.JSON))
    assert list(Draft202012Validator(schema).iter_errors(document)) == []


@pytest.mark.parametrize(
    "change", [{"passed": "yes"}, {"surprise": 1}, {"steps": [{}]}, {"drill": "No Such Id"}, {"use": 0}]
)
def test_the_schema_refuses_what_no_result_is(change: dict[str, object]) -> None:
    """A schema that accepts anything would document nothing."""
    document = json.loads(record_drill().result.encode()) | change
    assert not Draft202012Validator(result_schema()).is_valid(document)


def test_fields_are_described_from_their_models() -> None:
    """The schema says what a field means in the same words as the code, and no described field is misspelt."""
    properties = result_schema()["properties"]
    assert properties["threshold"]["type"] == "integer"
    assert "owners who approved it" in properties["approved_by"]["description"]
    response = result_schema()["$defs"]["SiteStepResult"]["properties"]["response_upper_ns"]["description"]
    assert "right-censored" in response
    for model in models_of(DrillResult):
        assert set(fields_said(model)) <= set(model.model_fields), model
    assert SiteResult in set(models_of(DrillResult))


def test_schemas_are_json_and_html_has_none() -> None:
    """Whoever asks for the schema of a page is told which formats have one."""
    assert json.loads(schema_of(ReportFormat.JSON))["$id"] == "urn:haltdrill:drill.result:2"
    assert json.loads(schema_of(ReportFormat.CSV)) == table_schema()
    with pytest.raises(ConfigError, match="no schema"):
        schema_of(ReportFormat.HTML)


@pytest.mark.parametrize("name", list(RESULTS))
def test_each_row_is_as_its_columns_say(name: str) -> None:
    """Integers are integers, required cells are never empty, and every column is described."""
    result = RESULTS[name]()
    rows = list(csv.reader(io.StringIO(render(result, ReportFormat.CSV))))
    assert rows[0] == [column.name for column in COLUMNS]
    assert len(rows) == 1 + result.totals.judged
    for row in rows[1:]:
        for column, cell in zip(COLUMNS, row, strict=True):
            assert cell or not column.required, column.name
            if cell and column.datatype == "integer":
                assert int(cell) >= 0
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)
    assert all(column.meaning.endswith(".") for column in COLUMNS)


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\uff1d1+1", "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(evil: str) -> None:
    """A spreadsheet that opens a report runs nothing that a site or a plan wrote."""
    assert str(safe(evil)).startswith("'")
    result = whole_drill()
    step = result.steps[0].model_copy(update={"name": evil})
    assert not any(
        isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        for cell in cells_of(result, step, step.sites[0])
    )
    assert safe(-5) == -5
    assert safe("plain") == "plain"


def test_junit_counts_hold_and_control_characters_do_no_harm() -> None:
    """A pipeline's parser reads it whatever a title holds, and its sums are those of its cases."""
    result = whole_drill().model_copy(update={"title": "a\x00b\x0b]]>\ud800<&\ufffe"})
    root = ET.fromstring(render(result, ReportFormat.JUNIT))  # noqa: S314 - our own output
    suites = root.findall("testsuite")
    cases = root.findall("testsuite/testcase")
    assert len(suites) == len(result.steps)
    assert int(root.get("tests", "")) == len(cases) == result.totals.judged
    assert int(root.get("failures", "")) == len(root.findall("testsuite/testcase/failure"))
    names = [(suite.get("name"), case.get("name")) for suite in suites for case in suite.findall("testcase")]
    assert len(names) == len(cases)
    for failure in root.findall("testsuite/testcase/failure"):
        assert failure.get("message")
        assert "Witnesses that saw it as ordered" in (failure.text or "")
