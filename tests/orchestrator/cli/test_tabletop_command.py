"""`haltdrill tabletop`: checked, played unattended, and played at the console."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from orchestrator.cli import tabletop_console
from orchestrator.cli.main import app_for
from orchestrator.cli.tabletop_console import facilitated
from orchestrator.tabletop import record as r
from protocols.host.logs import close, configure
from tests.orchestrator.tabletop.made import changed, scenario

PATIENCE = 3_000


def haltdrill(*arguments: object) -> Result:
    """Run a command of the tabletop."""
    return CliRunner().invoke(app_for([]), ["tabletop", *(str(argument) for argument in arguments)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The small scenario in a file."""
    made = tmp_path / "small.yaml"
    made.write_text(changed())
    return made


def test_a_scenario_is_checked_and_told_in_words(path: Path) -> None:
    """What would be played stands there in the order in which it comes; a slip is one line with its place."""
    shown = haltdrill("check", path)
    assert shown.exit_code == 0
    assert "0:00:10  inject    start" in shown.output
    assert "by hand  inject    press" in shown.output
    path.write_text(changed(("control: pause", "control: pauze")))
    wrong = haltdrill("check", path)
    assert wrong.exit_code == 2
    assert "small.yaml, line " in wrong.stderr
    assert len(wrong.stderr.strip().splitlines()) == 1


def test_unattended_it_leaves_a_report_a_record_and_nothing_is_overwritten(path: Path, tmp_path: Path) -> None:
    """The same run again gives the same record; an answer of one's own changes it; an old report is left alone."""
    first = haltdrill("run", path, "--unattended", "--out", tmp_path / "a", "--json")
    again = haltdrill("run", path, "--unattended", "--out", tmp_path / "b", "--json")
    other = haltdrill("run", path, "--unattended", "--out", tmp_path / "c", "--json", "--decide", "next=abort")
    assert [one.exit_code for one in (first, again, other)] == [0, 0, 0], first.output
    heads = [json.loads(one.output)["head"] for one in (first, again, other)]
    assert heads[0] == heads[1] != heads[2]
    assert {"record.jsonl", "report.html", "report.md", "report.json"} <= {
        one.name for one in (tmp_path / "a").iterdir()
    }
    assert r.read_record((tmp_path / "a" / "record.jsonl").read_bytes().splitlines()).head == heads[0]
    refused = haltdrill("run", path, "--unattended", "--out", tmp_path / "a")
    assert refused.exit_code == 2
    assert "nothing is ever overwritten" in refused.stderr
    wrong = haltdrill("run", path, "--unattended", "--out", tmp_path / "d", "--decide", "next=sleep")
    assert "next=wait|abort" in wrong.stderr


def test_the_facilitator_plays_it_at_the_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes faster, a decision, a comment and a rating are taken down, slips are told, and it is ended by hand."""
    shown = io.StringIO()
    lines = [
        ("x 600", "Two sites"),
        ("what", "600 times as fast"),
        ("d sleep", "DECISION for chief"),
        ("d abort I have seen enough", "has an option 'sleep'"),
        ("i press", "next: abort, by chief"),
        ("c chief Who called?", "A journalist calls."),
        ("r notice M", "A journalist calls."),
        ("", "drill pause is over"),
        ("p", "pause: closed"),
        ("q", "time stands still"),
    ]
    waited = 0

    def typed(_timeout_s: float) -> str | None:
        nonlocal waited
        waited += 1
        assert waited < PATIENCE, shown.getvalue()
        if lines[0][1] in shown.getvalue():
            return lines.pop(0)[0] + "\n" if len(lines) > 1 else "q\n"
        time.sleep(0.02)  # as a terminal at which nobody types
        return None

    monkeypatch.setattr(tabletop_console, "_typed", typed)
    configure("tabletop", path=tmp_path / "log", json=True)
    try:
        done = facilitated(scenario(), seed=None, pace=60.0, screen=Console(file=shown, width=200))
    finally:
        close()
    entries = [one.entry for one in done.record.entries]
    chose = next(one for one in entries if isinstance(one, r.Chose))
    assert (chose.option, chose.by, chose.why) == ("abort", "chief", "I have seen enough")
    assert any(isinstance(one, r.Commented) and one.text == "Who called?" for one in entries)
    assert any(isinstance(one, r.Rated) and one.answer == "M" for one in entries)
    assert entries[-1] == r.Ended(by=r.FACILITATOR)
    assert "there is no command 'what'" in shown.getvalue()
