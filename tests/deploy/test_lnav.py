"""The format file for lnav: it reads a real log as the log means it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.logbook.catalogue import fields, models
from tests.components import require
from tests.kit import make_fleet
from tests.logs import Scenario, simulate, write_log
from tests.orchestrator.logbook.written import run_written
from tests.orchestrator.runtime.scripted import Script, Stage

FORMAT = Path(__file__).parents[2] / "deploy/observability/lnav/haltdrill.json"
HOURS, LEVEL, ACTION, SITE, MESSAGE = range(5)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log as the real runtime writes it, and after it one of a drill with every fault."""
    path = tmp_path_factory.mktemp("log") / "haltdrill.log"
    stage = Stage(make_fleet(("alpha", "beta")), {"beta": Script(refuses=True)})
    run_written(stage, stage.fleet.warrant(hold_s=12.0), path)
    write_log(path, simulate(Scenario(sites=30, faults=0.4)))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home for lnav with our format, and nothing of whoever runs the tests."""
    folder = tmp_path / ".lnav/formats/installed"
    folder.mkdir(parents=True)
    shutil.copy(FORMAT, folder)
    return tmp_path


def _lnav(home: Path, log: Path, *commands: str) -> str:
    given = [part for command in commands for part in ("-c", command)]
    done = subprocess.run(
        [require("lnav", package="lnav"), "-n", *given, str(log)],
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "TERM": "dumb", "TZ": "UTC"},
        check=False,
    )
    assert "error" not in done.stderr.casefold(), done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout


def _query(home: Path, log: Path, query: str) -> list[dict[str, Any]]:
    found = json.loads(_lnav(home, log, f";{query}", ":write-json-to -"))
    assert isinstance(found, list)
    return found


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def _words(row: dict[str, Any]) -> tuple[str, ...]:
    """Return a row as text: lnav writes a column whose first value is missing with its numbers as strings."""
    return tuple(f"{name}={value}" for name, value in row.items())


def test_every_line_has_its_level_and_its_fields(log: Path, home: Path) -> None:
    """What one asks of a log in SQL is what the log says: each line's time, level and fields."""
    names = [name for name in json.loads(FORMAT.read_text())["haltdrill_log"]["value"] if name[0] != "@"]
    wanted = [name for name in names if name not in {"log.level", "message"}]
    columns = ", ".join(f'"{name}"' for name in wanted)
    found = _query(home, log, f"select log_time, log_level, log_body, {columns} from haltdrill_log")  # noqa: S608 - names from our own file
    expected = [
        {
            "log_time": line["@timestamp"].replace("T", " ")[:23],
            "log_level": line["log.level"],
            "log_body": line["message"],
            **{name: line.get(name) for name in wanted},
        }
        for line in sorted(_lines(log), key=lambda line: line["@timestamp"])
    ]
    assert len(found) == len(expected)
    wrong = Counter(map(_words, expected)) - Counter(map(_words, found))
    assert wrong == Counter(), list(wrong)[:3]


def test_it_knows_no_field_that_no_line_has() -> None:
    """A field that is renamed is renamed in the format file as well."""
    known = {entry.name for model in models() for entry in fields(model)} | {"event.action"}
    assert json.loads(FORMAT.read_text())["haltdrill_log"]["value"].keys() - known == set()


def test_a_line_is_read_at_a_glance(log: Path, home: Path) -> None:
    """On the screen each line is one line: time, level, event, site, and what it says."""
    shown = _lnav(home, log).splitlines()
    lines = _lines(log)
    assert len(shown) == len(lines)
    loud = next(line for line in lines if line.get("standing") == "contradicted")
    (found,) = [line for line in shown if loud["site"] in line and "site.changed" in line and " ERROR " in line]
    words = found.split(maxsplit=4)
    assert words[HOURS] == loud["@timestamp"][11:23]
    assert words[LEVEL:MESSAGE] == ["ERROR", "site.changed", loud["site"]]
    assert words[MESSAGE].strip() == loud["message"]


def test_what_the_readme_asks_of_a_log(log: Path, home: Path) -> None:
    """The query for the sites that went wrong finds them, the loudest level first."""
    readme = (FORMAT.parent.parent / "README.md").read_text()
    query = next(line for line in readme.splitlines() if line.startswith(";select "))[1:]
    found = {row["site"] for row in _query(home, log, query)}
    wrong = {line["site"] for line in _lines(log) if line.get("verdict") not in {None, "verified"} and "site" in line}
    assert found == wrong
