"""`haltdrill demo`: what a person sees first, on real processes, and what its evidence says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.demos import Demo
from tests.e2e.processes import Processes, until


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts processes that do not outlive the test."""
    with Processes(tmp_path) as started:
        yield started


def verdicts(result: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return the verdict of each step and site."""
    return {
        (step["name"], site["site"]): site["result"]["verdict"] for step in result["steps"] for site in step["sites"]
    }


def test_the_demo_passes_and_its_evidence_verifies(processes: Processes, tmp_path: Path) -> None:
    """Five sites are verified, the command exits 0, nothing is left behind, and the bundle verifies with the root."""
    demo = Demo.start(processes, tmp_path / "out")
    ended = demo.running.end().expect(0)
    assert "5 of 5 verified" in ended.out
    assert not processes.pids("demo")
    checked = demo.verify().expect(0)
    for site in demo.sites:
        assert f"{site}: verified" in checked.out


def test_a_lying_site_is_contradicted_and_the_evidence_says_so(processes: Processes, tmp_path: Path) -> None:
    """A site whose agent lies comes out contradicted, the other is verified, and verify agrees with both."""
    demo = Demo.start(processes, tmp_path / "out", "--lying-site", "--sites", "2", "--json")
    result = demo.running.end().expect(1).json()
    honest, liar = demo.sites
    assert verdicts(result) == {("pause", honest): "verified", ("pause", liar): "contradicted"}
    checked = demo.verify().expect(0)
    assert "the drill did NOT pass" in checked.out


def test_the_demo_exercises_every_control(processes: Processes, tmp_path: Path) -> None:
    """Pause and then shutdown, each seen halted and each seen back, are verified one after the other."""
    demo = Demo.start(processes, tmp_path / "out", "--controls", "pause,shutdown", "--sites", "2", "--json")
    result = demo.running.end().expect(0).json()
    assert verdicts(result) == {(step, site): "verified" for step in ("pause", "shutdown") for site in demo.sites}
    demo.verify().expect(0)


def test_an_abort_from_another_terminal_releases_everything(processes: Processes, tmp_path: Path) -> None:
    """`haltdrill abort` by a single approver in the hold: every site works again at once, and the drill fails."""
    demo = Demo.start(processes, tmp_path / "out", "--sites", "2", "--json")
    demo.until_held()
    key = demo.layout.approver_key("regulator")
    aborting = processes.start("abort", "--fleet", demo.layout.folder, "--key", key, "--reason", "smoke", "--json")
    until(demo.all_work, "every site at work", 5.0)
    assert aborting.end().expect(0).json()["noted_by_orchestrator"]
    result = demo.running.end().expect(1).json()
    assert (result["aborted"], result["abort_reason"]) == (True, "smoke")
    demo.verify().expect(0)


def test_a_folder_that_is_no_demos_is_left_alone(processes: Processes, tmp_path: Path) -> None:
    """The demo removes only what a demo left: any other folder is refused with exit code 2."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    line = processes.run("demo", "--out", tmp_path / "out").expect(2).one_error()
    assert "--out" in line
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
