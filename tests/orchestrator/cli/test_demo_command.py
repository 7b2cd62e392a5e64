"""The folder of `haltdrill demo`: nobody's files are lost, and no demo runs over another."""

from __future__ import annotations

import fcntl
from pathlib import Path

from typer.testing import CliRunner, Result

from orchestrator.cli.common import ExitCode
from orchestrator.cli.main import app_for

MARK = ".haltdrill-demo"


def _demo(out: Path) -> Result:
    return CliRunner().invoke(app_for([]), ["demo", "--out", str(out)])


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """A mistyped --out costs no file."""
    (tmp_path / "thesis.txt").write_text("years of work")
    refused = _demo(tmp_path)
    assert refused.exit_code == ExitCode.USAGE
    assert refused.stderr == (
        f"error: {tmp_path}: is there already, with thesis.txt in it, which no demo made "
        f"(give another folder with --out)\n"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second would remove fleet and journal under the feet of the first."""
    (tmp_path / "haltdrill.log").write_text("of the demo that runs")
    with (tmp_path / MARK).open("w") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        refused = _demo(tmp_path)
    assert refused.exit_code == ExitCode.USAGE
    assert "another demo is running there" in refused.stderr
    assert (tmp_path / "haltdrill.log").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """The place and the reason, not a traceback."""
    (tmp_path / "file").touch()
    refused = _demo(tmp_path / "file" / "out")
    assert refused.exit_code == ExitCode.USAGE
    where = tmp_path / "file" / "out"
    assert refused.stderr == (
        f"error: {where}: cannot be made ready: Not a directory (give another folder with --out)\n"
    )
