"""Which drill `resume` takes, what it says when there is none, and how drills are listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.main import app_for
from orchestrator.cli.running import choose_unfinished
from orchestrator.fleet.layout import FleetLayout
from orchestrator.journal.base import DrillSummary
from orchestrator.journal.lock import sole_writer
from orchestrator.journal.sqlite import SqliteJournal
from protocols.errors import ConfigError
from protocols.host.logs import close

ONE, TWO = "20261124t140501z-pause-0000aa", "20261124t150501z-pause-0000bb"
W = "a" * 64


def _haltdrill(*arguments: object) -> Result:
    return CliRunner().invoke(app_for([]), [str(argument) for argument in arguments])


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetLayout]:
    """A fleet in whose journal a drill was registered and never opened."""
    assert _haltdrill("init", tmp_path / "fleet", "--sites", 1, "--port", 1).exit_code == 0
    layout = FleetLayout(tmp_path / "fleet")
    with closing(SqliteJournal(_journal(layout))) as store:
        store.open_drill(ONE, W)
    yield layout
    close()  # the log that `resume` opened


def _journal(layout: FleetLayout) -> Path:
    return layout.folder / "journal.sqlite"


def test_the_one_unfinished_drill_is_taken() -> None:
    """A name is taken as it is; without one the only unfinished drill is, several are named, none is none."""
    done, open_one, open_two = (
        DrillSummary(ONE, W, 1, closed=True),
        DrillSummary(ONE, W, 1, closed=False),
        DrillSummary(TWO, W, 2, closed=False),
    )
    assert choose_unfinished([done, open_two], None, "j") == TWO
    assert choose_unfinished([open_one, open_two], ONE, "j") == ONE
    assert choose_unfinished([done], None, "j") is None
    with pytest.raises(ConfigError, match=f"2 drills are unfinished: {ONE}, {TWO}"):
        choose_unfinished([open_one, open_two], None, "j")
    with pytest.raises(ConfigError, match="has come to its end"):
        choose_unfinished([done], ONE, "j")
    with pytest.raises(ConfigError, match="there is no drill"):
        choose_unfinished([], ONE, "j")


def test_drills_says_where_each_stands(fleet: FleetLayout) -> None:
    """An unfinished drill is listed as such, and one that was closed without a record as never opened."""
    assert _haltdrill("drills", "--fleet", fleet.folder).stdout == f"{ONE}  use 1  unfinished\n"
    with closing(SqliteJournal(_journal(fleet))) as store:
        store.mark_closed(ONE)
    listed = json.loads(_haltdrill("drills", "--fleet", fleet.folder, "--json").stdout)["drills"]
    assert [(entry["state"], entry["closed"]) for entry in listed] == [("never opened", True)]
    refused = _haltdrill("export", ONE, "--fleet", fleet.folder)
    assert (refused.exit_code, "was never opened" in refused.stderr) == (2, True)
    assert _haltdrill("coverage", "--fleet", fleet.folder).exit_code in {0, 4}
    none = _haltdrill("resume", "--fleet", fleet.folder)
    assert (none.exit_code, none.stdout) == (0, "No drill is unfinished.\n")


def test_resume_waits_for_nobody_who_runs_a_drill(fleet: FleetLayout) -> None:
    """While another process runs a drill on the journal, the command fails at once, and reading goes on."""
    with sole_writer(_journal(fleet)):
        refused = _haltdrill("resume", "--fleet", fleet.folder)
        assert _haltdrill("drills", "--fleet", fleet.folder).exit_code == 0
    assert refused.exit_code == 3
    assert "another haltdrill process is running a drill on this journal" in refused.stderr
