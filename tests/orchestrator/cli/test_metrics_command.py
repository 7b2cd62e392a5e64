"""`haltdrill metrics` at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import entry
from tests.logs import START_WALL_NS, Scenario, simulate, write_log
from tests.orchestrator.metrics.exposed import parsed

DAY_NS = 86_400 * 1_000_000_000


def run(*arguments: str | Path) -> int:
    """Run the command."""
    try:
        return entry.main(["metrics", *map(str, arguments)])
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a drill that is over."""
    path = tmp_path / "haltdrill.log"
    write_log(path, simulate(Scenario(sites=6, faults=0)))
    return path


def test_once_prints_what_a_scrape_would_hold(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It can be looked at, and piped, without a server; sites are listed when asked for."""
    assert run(log) == 0
    found = parsed(capsys.readouterr().out)
    assert found.value("drill_passed") == 1
    assert found.series("site_standing") == {}
    assert run(log, "--per-site") == 0
    assert len(parsed(capsys.readouterr().out).series("site_standing")) == 6


def test_a_file_is_written_whole(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What node_exporter reads is never half a file, and nothing goes to the terminal of a cron job."""
    out = tmp_path / "haltdrill.prom"
    assert run(log, "--out", out) == 0
    assert parsed(out.read_text()).value("drill_passed") == 1
    assert capsys.readouterr().out == ""


def test_rotated_logs_come_first(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Drills of rotated logs count."""
    newer = tmp_path / "newer.log"
    write_log(newer, simulate(Scenario(sites=6, faults=0, wall_ns=START_WALL_NS + DAY_NS)))
    assert run(log, newer) == 0
    assert parsed(capsys.readouterr().out).value("drills_total", outcome="passed") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.log"], "missing.log: the log cannot be read"),
        (["x.log", "--follow", "--out", "y.prom"], "--follow and --out: cannot be given together"),
        (["x.log", "--follow", "--host", "metrics.example"], "--host: 'metrics.example' is no IP address"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who mistypes is told what is wrong and where, in a line, and the exit code says that it is them."""
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
