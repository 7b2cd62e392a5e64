"""What a standby proves of a real workload, without touching it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from agents.drivers import cgroup
from agents.drivers.process import ProcessDriver
from agents.drivers.waiting import never
from protocols.controls import PauseParams, PowerCutParams, ShutdownParams, StandbyParams
from protocols.errors import DriverError
from tests.agents.drivers.conftest import MakeDriver, Means
from tests.agents.workloads import Workload, until, until_working

STANDBY = StandbyParams()


def failed(driver: ProcessDriver) -> dict[str, str]:
    """Return the details of the proofs that failed, by step; all steps must be there."""
    proofs = driver.rehearse(STANDBY)
    assert {proof.step for proof in proofs} == {"enclosure", "permissions", "restore-path"}
    return {proof.step: proof.detail for proof in proofs if not proof.ok}


def test_a_sound_site_proves_every_step_while_work_goes_on(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """A rehearsal changes nothing: same processes, same output, no mark, and work in every moment."""
    driver = make_driver(means, "--duty", "0.5", cpu_floor_per_s=100_000)
    driver.start()
    until_working(workload)
    pids, files = workload.pids(), sorted(tmp_path.rglob("*"))
    assert failed(driver) == {}
    details = {proof.step: proof.detail for proof in driver.rehearse(STANDBY)}
    assert details["enclosure"] == f"1 live processes in its {means}"
    assert "checkpoint can be read" in details["restore-path"]
    assert "cap it" in details["permissions"]
    assert workload.pids() == pids
    assert sorted(tmp_path.rglob("*")) == files
    assert not driver.observe().ours
    assert workload.computes()


def test_a_program_that_was_removed_shows(make_driver: MakeDriver, workload: Workload, tmp_path: Path) -> None:
    """What runs on after its file is gone could be stopped, and never started again."""
    program = tmp_path / "sleeper"
    shutil.copy("/bin/sleep", program)
    driver = make_driver("session", argv=(str(program), "600"))
    driver.start()
    assert failed(driver) == {}
    program.unlink()
    assert set(failed(driver)) == {"restore-path"}
    assert str(program) in failed(driver)["restore-path"]


def test_a_program_that_may_not_be_run_shows(make_driver: MakeDriver, workload: Workload, tmp_path: Path) -> None:
    """A file that lost its execute bits is as good as gone."""
    program = tmp_path / "sleeper"
    shutil.copy("/bin/sleep", program)
    driver = make_driver("session", argv=(str(program), "600"))
    driver.start()
    program.chmod(0o644)
    assert set(failed(driver)) == {"restore-path"}


def test_a_checkpoint_that_cannot_be_read_shows(make_driver: MakeDriver, workload: Workload, tmp_path: Path) -> None:
    """A restart from it would fail or begin anew."""
    driver = make_driver("session", argv=("sleep", "600"))
    driver.start()
    assert "no checkpoint yet" in driver.rehearse(STANDBY)[-1].detail
    (tmp_path / "checkpoint").mkdir()
    assert "Is a directory" in failed(driver)["restore-path"]


def test_an_output_that_cannot_be_written_shows(make_driver: MakeDriver, workload: Workload, tmp_path: Path) -> None:
    """The restart opens the output before anything else."""
    driver = make_driver("session", argv=("sleep", "600"))
    driver.start()
    output = tmp_path / "state" / "workload.log"
    output.unlink()
    output.mkdir()
    assert "Is a directory" in failed(driver)["restore-path"]


def test_a_workload_that_does_not_run_shows(make_driver: MakeDriver, means: Means, workload: Workload) -> None:
    """Nothing to halt is no proof that it could be halted."""
    driver = make_driver(means, argv=("true",))
    driver.start()
    until(lambda: not workload.pids(), "ended")
    assert "nothing to halt" in failed(driver)["enclosure"]


def test_a_cgroup_that_cannot_be_frozen_shows(tmp_path: Path) -> None:
    """A cgroup that was removed, or given to somebody else, takes no order."""
    enclosure = cgroup.CgroupEnclosure(tmp_path)
    with pytest.raises(DriverError, match=r"cgroup\.freeze cannot be opened"):
        enclosure.check_permissions()


def test_processes_of_somebody_else_show(
    make_driver: MakeDriver, means: Means, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that may not signal one process of its workload cannot halt it."""
    driver = make_driver(means)
    driver.start()

    def refuse(pid: int, number: int) -> None:
        assert (pid, number) == (workload.pids()[0], 0), "nothing but signal 0, and to the workload only"
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", refuse)
        assert "may not signal" in failed(driver)["permissions"]


@pytest.mark.parametrize("params", [PauseParams(), ShutdownParams()], ids=repr)
def test_what_cannot_be_done_is_not_rehearsed(
    make_driver: MakeDriver, workload: Workload, params: PauseParams | ShutdownParams
) -> None:
    """A driver rehearses its own controls, also while it holds, and refuses an enforcer's."""
    driver = make_driver("session")
    driver.start()
    until_working(workload)
    assert all(proof.ok for proof in driver.rehearse(params))
    driver.apply(PauseParams(), never)
    assert all(proof.ok for proof in driver.rehearse(params))
    with pytest.raises(DriverError, match="power_cut"):
        driver.rehearse(PowerCutParams())
