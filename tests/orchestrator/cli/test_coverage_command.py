"""`haltdrill coverage` as a person or a script uses it: real journals in a fleet's folder."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from orchestrator.cli import coverage_command
from orchestrator.cli.common import EXIT_CODES_HELP, ExitCode
from tests import kit
from tests.orchestrator.coverage.journals import DAY_NS, keep_recorded, record_on, write_folder
from tests.orchestrator.recorder import Recorded, Script

RUNNER = CliRunner()


class Later:
    """A clock twenty days after the fleet was made."""

    def wall_ns(self) -> int:
        return kit.NOW_NS + 20 * DAY_NS


@pytest.fixture(autouse=True)
def _twenty_days_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_command, "SystemClock", Later)


@pytest.fixture(scope="module")
def passed() -> Recorded:
    """A drill of day 10 that passed."""
    return record_on(10)


@pytest.fixture(scope="module")
def lied() -> Recorded:
    """A drill of day 15 in which beta lied."""
    return record_on(15, Script(lying="beta"))


def run(*args: str | Path) -> Result:
    """Run the command."""
    app = typer.Typer()
    coverage_command.register(app)
    return RUNNER.invoke(app, [str(arg) for arg in args])


def folder_of(path: Path, *drills: Recorded) -> Path:
    """Write a fleet's folder with these drills."""
    folder = write_folder(path / "fleet", kit.make_fleet(witnesses=2))
    keep_recorded(folder / "journal.sqlite", drills)
    return folder


def test_each_state_has_its_exit_code(passed: Recorded, lied: Recorded, tmp_path: Path) -> None:
    """0 only if everything shown is verified and fresh; 4 if anything is failing, overdue or never done."""
    fleet = folder_of(tmp_path, passed)
    pause = ("--fleet", fleet, "--control", "pause")
    assert run(*pause).exit_code == ExitCode.PASSED
    assert run("--fleet", fleet).exit_code == ExitCode.INCOMPLETE  # no shutdown was ever exercised
    assert run(*pause, "--max-age", "9d").exit_code == ExitCode.INCOMPLETE
    assert run(*pause, "--max-age", "11d").exit_code == ExitCode.PASSED
    keep_recorded(fleet / "journal.sqlite", [lied])
    assert run(*pause).exit_code == ExitCode.INCOMPLETE
    assert run(*pause, "--site", "alpha").exit_code == ExitCode.PASSED
    assert f"- {ExitCode.INCOMPLETE.value}: `coverage`" in EXIT_CODES_HELP


def test_the_screen_names_what_is_to_be_done(passed: Recorded, lied: Recorded, tmp_path: Path) -> None:
    """The terminal shows each site, what fails with its drill, and ends with the outcome."""
    done = run("--fleet", folder_of(tmp_path, passed, lied))
    lines = done.output.rstrip().splitlines()
    assert lines[-1] == "NOT COMPLETE: 1 failing, 2 never done; 1 of 4 proved, at 2 sites."
    assert f"pause at beta, 4d ago in {lied.drill}" in done.output
    assert "shutdown at alpha, beta" in done.output
    assert "\x1b" not in done.output


def test_filters_name_their_slips(passed: Recorded, tmp_path: Path) -> None:
    """A region or a site that there is not is an error with the ones there are, never an empty pass."""
    fleet = folder_of(tmp_path, passed)
    for args, said in (
        (("--region", "west"), "no site has region west (there is north, south)"),
        (("--tag", "tier=a"), "no site has an attribute tier"),
        (("--tag", "tier"), "is not NAME=VALUE"),
        (("--site", "gamma"), "there is no site gamma"),
        (("--control", "census"), "none lists these controls"),
        (("--max-age", "soon"), "is no age"),
        (("--since", "2026-99-01"), "is no date"),
        (("--out", tmp_path / "x.txt"), "give --format as well"),
        ((tmp_path / "none",), "cannot be read"),
        ((tmp_path,), "there is no haltdrill.toml"),
    ):
        place = () if isinstance(args[0], Path) else ("--fleet", fleet)
        done = run(*args, *place)
        if args[0] == tmp_path:
            continue  # its fleet/ folder is one: where a demo leaves it
        assert done.exit_code == ExitCode.USAGE, args
        assert said in done.stderr, args
        assert done.stderr.count("\n") == 1
    assert "NOT COMPLETE" in run(tmp_path).output
    north = run("--fleet", fleet, "--region", "north", "--format", "csv")
    assert {row["site"] for row in csv.DictReader(io.StringIO(north.output))} == {"alpha"}
    both = run("--fleet", fleet, "--region", "north", "--tag", "region=south", "--format", "json")
    assert {row["site"] for row in json.loads(both.output)["rows"]} == {"alpha", "beta"}


def test_filters_on_age_may_leave_nothing(passed: Recorded, tmp_path: Path) -> None:
    """That nothing is older than that is an answer, and a good one."""
    fleet = folder_of(tmp_path, passed)
    done = run("--fleet", fleet, "--control", "pause", "--older-than", "15d")
    assert (done.exit_code, done.output.rstrip().splitlines()[-1]) == (0, "Nothing is left to show.")
    old = run("--fleet", fleet, "--older-than", "5d", "--format", "csv")
    assert {row["standing"] for row in csv.DictReader(io.StringIO(old.output))} == {"fresh", "never"}
    recent = run("--fleet", fleet, "--since", "2026-12-01", "--format", "csv")
    assert {row["control"] for row in csv.DictReader(io.StringIO(recent.output))} == {"pause"}
    assert recent.exit_code == ExitCode.PASSED


def test_every_format_goes_to_a_file_or_to_standard_output(passed: Recorded, tmp_path: Path) -> None:
    """What is printed is what is written."""
    fleet = folder_of(tmp_path, passed)
    for form, starts in (("html", "<!doctype html>"), ("json", "{"), ("csv", "fleet,site")):
        out = tmp_path / f"coverage.{form}"
        to_file = run("--fleet", fleet, "--format", form, "--out", out)
        printed = run("--fleet", fleet, "--format", form)
        assert to_file.exit_code == printed.exit_code == ExitCode.INCOMPLETE
        assert out.read_text().startswith(starts)
        assert out.read_bytes() == printed.stdout_bytes


def test_a_damaged_journal_shows_nothing(passed: Recorded, lied: Recorded, tmp_path: Path) -> None:
    """One clear line that names the file, and no half of a matrix; a bundle of the drill can still be read."""
    fleet = folder_of(tmp_path, passed)
    broken = list(lied.records)
    broken[7] = broken[7].replace(b"a", b"b", 1)
    keep_recorded(fleet / "journal.sqlite", [Recorded(lied.fleet, lied.store, lied.drill, lied.result, broken, b"")])
    done = run("--fleet", fleet)
    assert done.exit_code == ExitCode.NOT_RUN
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {fleet / 'journal.sqlite'}, drill {lied.drill}, journal record 7: ")
    assert done.stderr.count("\n") == 1
    bundle = tmp_path / "bundle.jsonl"
    bundle.write_bytes(lied.bundle)
    assert run(bundle, "--control", "pause").exit_code == ExitCode.INCOMPLETE
