"""What can be asked of `haltdrill demo`, and the fleets and plans that come of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.common import ExitCode
from orchestrator.cli.main import app_for
from orchestrator.demo.fleet import MISCHIEF
from orchestrator.demo.wanted import Wanted, wanted
from orchestrator.fleet.create import create_fleet
from orchestrator.fleet.load import load_documents
from orchestrator.fleet.plan import parse_plan
from orchestrator.fleet.plan_check import check_plan
from orchestrator.fleet.spec import PROCESS_CONTROLS, FleetSpec
from protocols.controls import CATALOGUE, Control
from protocols.host.files import read_toml
from protocols.messages import Step
from protocols.mock_config import MockConfig

NOW_NS = 1_795_531_438_000_000_000

WRONG = [
    (["--controls", "nap"], "--controls: there is no control 'nap'"),
    (["--controls", ","], "--controls: names no control"),
    (["--controls", "pause,pause"], "--controls: names pause twice"),
    (["--controls", "power_cut"], "--controls: power_cut is more than real processes can do (give --mock"),
    (["--controls", "all,pause"], "--controls: there is no control 'all'"),
    (["--ladder", "--controls", "pause"], "--controls: does not go with --ladder"),
    (["--ladder", "--lying-site"], "--lying-site: does not go with --ladder"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_what_does_not_go_together_is_one_line_and_makes_nothing(
    tmp_path: Path, options: list[str], words: str
) -> None:
    """A mistyped option is named before a folder is made or a process is started."""
    refused = CliRunner().invoke(app_for([]), ["demo", "--out", str(tmp_path / "out"), *options])
    assert refused.exit_code == ExitCode.USAGE
    assert refused.stderr.startswith(f"error: {words}")
    assert refused.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def steps_of(asked: Wanted, folder: Path) -> tuple[Step, ...]:
    """Make the demo's fleet, check its plan against it, and return the plan's steps."""
    layout = create_fleet(folder / "fleet", FleetSpec(sites=asked.specs), NOW_NS)
    source = parse_plan(asked.plan(NOW_NS).encode(), "demo.yaml")
    sites = check_plan(source, load_documents(layout.folder, NOW_NS).trust, now_ns=NOW_NS)
    assert sites == tuple(sorted(spec.name for spec in asked.specs))
    return source.plan.steps


def test_all_controls_of_each_kind_of_site_make_a_good_plan_from_mild_to_harsh(tmp_path: Path) -> None:
    """`--controls all` means the six of real processes, or all twelve at simulated sites, and the fleet can do them."""
    for mock, controls in ((False, PROCESS_CONTROLS), (True, tuple(Control))):
        asked = wanted(2, "all", mock=mock, ladder=False, lying=False)
        steps = steps_of(asked, tmp_path / str(mock))
        severities = [CATALOGUE[Control(step.params.control)].severity for step in steps]
        assert {step.params.control for step in steps} == set(controls)
        assert severities == sorted(severities)


def test_the_controls_run_in_the_order_given(tmp_path: Path) -> None:
    """Who lists controls decides their order."""
    asked = wanted(1, "shutdown, standby", mock=False, ladder=False, lying=False)
    assert [step.name for step in steps_of(asked, tmp_path)] == ["shutdown", "standby"]


@pytest.mark.parametrize("sites", [1, 3, 5, 9])
def test_in_a_ladder_one_site_at_least_behaves_and_the_last_ones_do_not(tmp_path: Path, sites: int) -> None:
    """Each kind of mischief is at one site, switched on in its simulation, and a healthy site is there to compare."""
    asked = wanted(sites, None, mock=False, ladder=True, lying=False)
    (step,) = steps_of(asked, tmp_path)
    assert [rung.params.control for rung in step.rungs] == ["pause", "shutdown", "power_cut"]
    assert len(asked.mischief) == min(sites - 1, len(MISCHIEF))
    for spec in asked.specs:
        simulated = read_toml(tmp_path / "fleet" / "sites" / spec.name / "mock.toml", MockConfig)
        wrong = asked.mischief.get(spec.name)
        wanted_fault = [] if wrong is None or wrong.fault is None else [wrong.fault]
        assert [fault.kind for fault in simulated.faults] == wanted_fault


def test_a_lying_site_is_the_last_one_of_either_kind() -> None:
    """`--lying-site` makes exactly one agent lie, real or simulated."""
    real = wanted(3, None, mock=False, ladder=False, lying=True)
    assert [spec.lie for spec in real.specs] == [False, False, True]
    mock = wanted(3, None, mock=True, ladder=False, lying=True)
    assert list(mock.mischief) == [mock.specs[-1].name]
    assert mock.mischief[mock.specs[-1].name].lies
