"""`haltdrill report` with a schema, with the drill before, and with what it can't do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from orchestrator.cli.evidence_commands import register
from orchestrator.report.columns import table_schema
from orchestrator.report.context import NOT_LOOKED
from orchestrator.report.schema import result_schema
from tests.orchestrator.coverage.journals import keep_recorded, record_on, write_folder
from tests.orchestrator.recorder import Recorded, Script
from tests.orchestrator.report.test_report import Page

RUNNER = CliRunner()


def run(*args: str | Path) -> Result:
    """Run one command."""
    app = typer.Typer()
    register(app)
    return RUNNER.invoke(app, ["report", *(str(arg) for arg in args)])


@pytest.fixture(scope="module")
def drills() -> tuple[Recorded, Recorded]:
    """A drill that passed, and a later one of the same plan in which beta lied."""
    return record_on(1), record_on(2, Script(lying="beta"))


def test_schemas_come_without_a_drill(tmp_path: Path) -> None:
    """Whoever writes a reader needs no drill; the JSON's is the default, and a page has none."""
    assert json.loads(run("--schema").output) == result_schema()
    assert json.loads(run("--schema", "--format", "csv").output) == table_schema()
    out = tmp_path / "schema.json"
    assert run("--schema", "--out", out).exit_code == 0
    assert json.loads(out.read_text()) == result_schema()
    for form in ("html", "junit"):
        done = run("--schema", "--format", form)
        assert (done.exit_code, done.output.count("\n")) == (2, 1)
        assert "give --format json or csv" in done.output


def test_no_drill_is_one_clear_error() -> None:
    """Nothing is reported of nothing."""
    done = run()
    assert done.exit_code == 2
    assert done.output.startswith("error: report: which drill?")


def test_a_journal_gives_the_comparison_by_itself(drills: tuple[Recorded, Recorded], tmp_path: Path) -> None:
    """The later drill's page names the earlier one and who is worse; the earlier says that it is the first."""
    first, second = drills
    fleet = write_folder(tmp_path / "fleet", first.fleet)
    keep_recorded(fleet / "journal.sqlite", drills)
    page = Page(run(second.drill, "--fleet", fleet).output).text
    assert f"The drill of this plan before, {first.drill}" in page
    assert "beta (verified to contradicted)" in page
    assert "No earlier drill of this plan" in Page(run(first.drill, "--fleet", fleet).output).text


def test_bundles_are_compared_on_request(drills: tuple[Recorded, Recorded], tmp_path: Path) -> None:
    """A bundle has no journal beside it, so the one before is named; another fleet's or itself is refused."""
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_bytes(drills[0].bundle)
    second.write_bytes(drills[1].bundle)
    assert NOT_LOOKED in Page(run(second).output).text
    page = Page(run(second, "--previous", first).output).text
    assert "beta (verified to contradicted)" in page
    assert "in 2 regions (north, south)" in page
    done = run(second, "--previous", second)
    assert done.exit_code == 2
    assert "it is the same drill" in done.output
