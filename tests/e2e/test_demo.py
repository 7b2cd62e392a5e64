"""`haltdrill demo`: what a person sees first, on real processes, and what its evidence says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.fleet.spec import PROCESS_CONTROLS
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


REAL = (("standby", "slowdown", "pause"), ("lease", "shutdown", "refusal"))
"""The controls of real processes, in two demos that run at once: nearly all of it is waiting."""


def test_the_demo_exercises_every_control_of_real_processes(processes: Processes, tmp_path: Path) -> None:
    """All six are verified on real processes, one after the other in two demos beside each other, with evidence."""
    assert {*itertools.chain(*REAL)} == set(PROCESS_CONTROLS)
    demos = [
        Demo.start(processes, tmp_path / controls[0], "--controls", ",".join(controls), "--sites", "2", "--json")
        for controls in REAL
    ]
    for demo, controls in zip(demos, REAL, strict=True):
        result = demo.running.end(180.0).expect(0).json()
        assert verdicts(result) == {(step, site): "verified" for step in controls for site in demo.sites}
        assert [step["params"]["control"] for step in result["steps"]] == list(controls)
        demo.verify().expect(0)


def test_a_demo_of_simulated_sites_goes_where_real_ones_cannot(processes: Processes, tmp_path: Path) -> None:
    """Census, selective pause and power cut at three simulated sites are verified, and the result calls them mock."""
    controls = ("census", "selective_pause", "power_cut")
    demo = Demo.start(processes, tmp_path / "out", "--mock", "--controls", ",".join(controls), "--sites", "3", "--json")
    result = demo.running.end(180.0).expect(0).json()
    names = [control.replace("_", "-") for control in controls]
    assert verdicts(result) == {(step, site): "verified" for step in names for site in demo.sites}
    assert all(site["mock"] for step in result["steps"] for site in step["sites"])
    assert result["demo"]
    assert not processes.pids("demo")
    demo.verify().expect(0)


def test_a_demo_of_a_ladder_halts_every_site_and_names_those_that_misbehaved(
    processes: Processes, tmp_path: Path
) -> None:
    """Deaf, lying, refusing and slow sites end cut off and do not pass; the site that complied never climbed."""
    demo = Demo.start(processes, tmp_path / "out", "--ladder", "--sites", "5", "--json")
    ended = demo.running.end(180.0).expect(1)
    found = {site["site"]: site["result"] for site in ended.json()["steps"][0]["sites"]}
    honest = [site for site, result in found.items() if result["verdict"] == "verified"]
    assert [found[site]["rungs"] for site in honest] == [[]]
    others = [result for site, result in found.items() if site not in honest]
    assert {result["control"] for result in others} == {"power_cut"}
    assert {result["grade"] for result in others} <= {"witnessed", "held"}
    assert sorted(result["verdict"] for result in others) == ["contradicted", "late", "late", "late"]
    assert "4 of the 4 sites that misbehaved on purpose were halted by a harsher rung, and none" in ended.err
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
