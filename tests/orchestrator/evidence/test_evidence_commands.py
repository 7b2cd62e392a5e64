"""`haltdrill verify` and `haltdrill report` as a person or a script uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from orchestrator.cli.evidence_commands import register
from orchestrator.core.grades import CAUSE_TEXT, Cause
from tests.orchestrator.evidence.scenes import Ladder, Lease, Refusal
from tests.orchestrator.recorder import Recorded, Script, record_drill

RUNNER = CliRunner()


def run(*args: str | Path) -> Result:
    """Run one command."""
    app = typer.Typer()
    register(app)
    return RUNNER.invoke(app, [str(arg) for arg in args])


def put(folder: Path, drill: Recorded) -> tuple[Path, Path]:
    """Write a drill's bundle and its root."""
    bundle, root = folder / "bundle.jsonl", folder / "root.json"
    bundle.write_bytes(drill.bundle)
    root.write_bytes(drill.fleet.raw_root + b"\n")
    return bundle, root


@pytest.fixture(scope="module")
def passed() -> Recorded:
    """A drill that passed."""
    return record_drill()


def test_a_verified_bundle_exits_0(passed: Recorded, tmp_path: Path) -> None:
    """By the root file or by the fleet's id."""
    bundle, root = put(tmp_path, passed)
    by_file = run("verify", bundle, "--root", root)
    by_id = run("verify", bundle, "--fleet-id", passed.fleet.fleet.upper())
    assert by_file.exit_code == by_id.exit_code == 0
    assert by_file.output.startswith("evidence verified; the drill passed (DEMO fleet")
    assert "alpha: verified, halted in" in by_file.output
    assert "Traceback" not in by_file.output


def test_good_evidence_of_a_failed_drill_exits_0_and_says_so(tmp_path: Path) -> None:
    """Evidence and outcome are two things, and nobody mixes them up."""
    bundle, root = put(tmp_path, record_drill(Script(lying="beta")))
    done = run("verify", bundle, "--root", root)
    assert done.exit_code == 0
    assert done.output.startswith("evidence verified; the drill did NOT pass")
    assert "Contradicted: its agent reported a halt" in done.output


def test_a_changed_bundle_exits_1_and_names_the_item(passed: Recorded, tmp_path: Path) -> None:
    """The reader learns which line, record, site and witness."""
    bundle, root = put(tmp_path, passed)
    bundle.write_bytes(passed.bundle.replace(b'"witness":"w2"', b'"witness":"w1"', 1))
    done = run("verify", bundle, "--root", root)
    assert done.exit_code == 1
    assert "evidence NOT verified" in done.output
    assert "reading.received, site alpha, witness w1" in done.output
    as_json = run("verify", bundle, "--root", root, "--json")
    report = json.loads(as_json.output)
    assert as_json.exit_code == 1
    assert report["verified"] is False
    assert report["findings"][0]["line"] > 1


def test_bad_usage_exits_2_with_one_line(passed: Recorded, tmp_path: Path) -> None:
    """A missing file, a missing root and a wrong id each say what to do, without a traceback."""
    bundle, root = put(tmp_path, passed)
    for args in (
        ("verify", bundle),
        ("verify", tmp_path / "none.jsonl", "--root", root),
        ("verify", tmp_path, "--root", root),
        ("verify", bundle, "--root", tmp_path / "none.json"),
        ("verify", bundle, "--fleet-id", "xyz"),
        ("report", tmp_path / "none.jsonl"),
        ("report", root),
    ):
        done = run(*args)
        assert done.exit_code == 2, args
        assert done.output.startswith("error: ")
        assert done.output.count("\n") == 1


def test_a_report_comes_from_a_bundle(passed: Recorded, tmp_path: Path) -> None:
    """To standard output, or to a file."""
    bundle, _ = put(tmp_path, passed)
    out = tmp_path / "report.html"
    assert run("report", bundle, "--out", out).exit_code == 0
    assert out.read_text().startswith("<!doctype html>")
    bundle.write_bytes(passed.bundle.replace(b'"verdict":"verified"', b'"verdict":"late"', 1))
    forged = run("report", bundle)
    assert forged.exit_code == 2
    assert "it is no whole bundle" in forged.output
    bundle.write_bytes(passed.bundle)
    printed = run("report", bundle, "--format", "json")
    assert json.loads(printed.output)["passed"] is True


def test_what_cannot_be_trusted_says_nothing_of_the_evidence(passed: Recorded, tmp_path: Path) -> None:
    """A wrong root file is the caller's mistake: 2, never the 1 that accuses whoever made the bundle."""
    bundle, root = put(tmp_path, passed)
    for content in (b"", b"rubbish", root.read_bytes()[:200]):
        (tmp_path / "bad.json").write_bytes(content)
        done = run("verify", bundle, "--root", tmp_path / "bad.json")
        assert done.exit_code == 2
        assert done.stderr.startswith(f"error: {tmp_path / 'bad.json'}: it cannot be trusted as a root")
    assert run("verify", bundle, "--root", root, "--fleet-id", "0" * 64).exit_code == 2


def test_what_is_no_bundle_has_no_report(tmp_path: Path) -> None:
    """Any other file is told from a bundle that was cut short."""
    (tmp_path / "file").write_bytes(b"rubbish")
    done = run("report", tmp_path / "file")
    assert (done.exit_code, done.stderr) == (2, f"error: {tmp_path / 'file'}: is no evidence bundle\n")


def test_a_climb_is_told_rung_by_rung(tmp_path: Path) -> None:
    """The reader sees what was exercised, who climbed, why, and how long each rung and all of them took."""
    bundle, root = put(tmp_path, Ladder().record())
    done = run("verify", bundle, "--root", root)
    assert done.exit_code == 0, done.output
    assert (
        "step climb, pause, then shutdown (what has not stopped after 0.1 s is killed), then power cut:" in done.output
    )
    assert "1 of 2 sites climbed the ladder" in done.output
    assert f"rung 0, pause: unproven; it climbed because {CAUSE_TEXT[Cause.SILENT]}\n" in done.output
    assert "rung 2, power cut: verified in " in done.output
    assert "s after the step's first order" in done.output
    assert "    alpha: verified, halted in " in done.output


def test_a_battery_is_told_case_by_case(tmp_path: Path) -> None:
    """The reader sees how many orders were refused rightly, and which; a step that halts nothing is not said to."""
    bundle, root = put(tmp_path, Refusal().record())
    done = run("verify", bundle, "--root", root)
    assert done.exit_code == 0, done.output
    assert "refused with the right reason 16 of 16 times: forged, tampered, expired, under threshold" in done.output
    assert "    beta: verified\n" in done.output


def test_a_lease_is_timed_from_its_expiry(tmp_path: Path) -> None:
    """A site that worked on while it was licensed was not slow."""
    bundle, root = put(tmp_path, Lease().record())
    done = run("verify", bundle, "--root", root)
    assert "after its last licence had run out" in done.output


@pytest.mark.parametrize("version", [1, 3])
def test_a_bundle_of_another_version_is_one_clear_error(passed: Recorded, tmp_path: Path, version: int) -> None:
    """Nobody reads fifty findings to learn that the file is of another release."""
    bundle, root = put(tmp_path, passed)
    bundle.write_bytes(passed.bundle.replace(b'"haltdrill-bundle":2', b'"haltdrill-bundle":%d' % version, 1))
    done = run("verify", bundle, "--root", root)
    assert done.exit_code == 1
    assert done.output == (
        "evidence NOT verified: 1 failure\n"
        f"  line 1: header: it is a bundle of version {version}, and this program reads version 2 "
        "(verify it with the release that wrote it)\n"
    )
