"""An operator's own program as the switch: stuck, failing, hanging, lying, late, and chatty ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.actuators.cutoff import Cutoff
from agents.actuators.marks import CutMark, MarkFile
from agents.observation import SiteState
from protocols.config import CommandActuatorConfig
from protocols.controls import PowerCutParams
from protocols.errors import DriverError
from tests.agents.actuators.conftest import CLOCK, Controller, command_switch, cutoff
from tests.agents.workloads import until

CUT = PowerCutParams()
ERRORS = [
    ("fail", r"failed with exit status 3: the relay  \[31m is welded$"),
    ("hang", r"did not end within 0\.5 s"),
    ("chatty", r"did not end within 0\.5 s"),
]


def never() -> bool:
    """Cancel nothing."""
    return False


def make(controller: Controller, **settings: float | bool) -> Cutoff:
    """Make an actuator over the operator's program."""
    return cutoff(command_switch(controller, **settings), MarkFile(controller.folder / "state"))


@pytest.mark.parametrize(("mode", "message"), ERRORS)
@pytest.mark.parametrize("verb", ["state", "off"])
def test_a_program_that_fails_is_one_line_and_no_cut(
    controller: Controller, verb: str, mode: str, message: str
) -> None:
    """Exit status and the last line of complaint are told, bounded and printable; nothing counts as done."""
    actuator = make(controller, limit_s=0.5, settle_s=0)
    controller.misbehave(**{verb: mode})
    with pytest.raises(DriverError, match=message) as caught:
        actuator.apply(CUT, never)
    assert f"`{verb}`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    controller.misbehave()
    assert actuator.observe().state is SiteState.RUNNING
    actuator.restore()
    assert not actuator.observe().ours


def test_a_hanging_program_is_ended_with_its_children(controller: Controller) -> None:
    """Each retry must not leave another process behind."""
    controller.misbehave(off="hang")
    with pytest.raises(DriverError, match="did not end"):
        make(controller, limit_s=0.5, settle_s=0).apply(CUT, never)
    grandchild = controller.folder / "grandchild"
    until(grandchild.exists, "its child's number")
    pid = grandchild.read_text()
    until(lambda: pid != "" and not _lives(pid), "its child's end")


def _lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_answer_is_not_an_off(controller: Controller) -> None:
    """A controller that says yes and does nothing has cut nothing."""
    controller.misbehave(off="stuck")
    actuator = make(controller, settle_s=0.3)
    with pytest.raises(DriverError, match="answered, yet"):
        actuator.apply(CUT, never)
    assert actuator.observe().state is SiteState.RUNNING
    assert actuator.observe().ours, "the cut may still be on its way"


def test_an_answer_is_not_an_on(controller: Controller) -> None:
    """A controller that does not switch on again leaves the mark: restoring is never given up."""
    actuator = make(controller, settle_s=0.3)
    actuator.apply(CUT, never)
    controller.misbehave(on="stuck")
    for _ in range(2):
        with pytest.raises(DriverError, match="the feed is off"):
            actuator.restore()
        assert actuator.observe().ours
    controller.misbehave()
    actuator.restore()
    assert actuator.observe().state is SiteState.RUNNING
    assert not actuator.observe().ours


def test_a_late_controller_is_waited_for(controller: Controller) -> None:
    """Real controllers take seconds: off counts from when the state says so."""
    actuator = make(controller)
    controller.lag(3)
    actuator.apply(CUT, never)
    assert actuator.observe().state is SiteState.DARK
    assert controller.calls.count("off") == 1
    assert controller.calls.count("state") >= 4


def test_a_cut_called_off_on_its_way_is_switched_on_again_when_it_arrives(controller: Controller) -> None:
    """A release that overtakes a slow controller must not end with a dark site and no mark."""
    actuator = make(controller, settle_s=1.0)
    controller.lag(1_000)
    asked: list[bool] = []

    def cancelled() -> bool:
        asked.append(True)
        return True

    with pytest.raises(DriverError, match="called off"):
        actuator.apply(CUT, cancelled)
    assert asked
    assert MarkFile(controller.folder / "state").load() == CutMark(cut=True, confirmed=False)
    controller.misbehave(on="stuck")  # the late `off` arrives after the `on`
    controller.lag(2)
    restarted = make(controller, settle_s=1.0)
    with pytest.raises(DriverError, match="the feed is off"):
        restarted.restore()
    controller.misbehave()
    restarted.restore()
    assert command_switch(controller).state()
    assert not restarted.observe().ours


@pytest.mark.parametrize("said", ["", "ON", "on off", "on\noff", "yes", "\x00\x1b[2J"])
def test_a_state_that_is_neither_on_nor_off_is_an_error(controller: Controller, said: str) -> None:
    """What cannot be understood must not pass for either, and must not reach a terminal raw."""
    controller.misbehave(state=f"say {said}")
    with pytest.raises(DriverError, match="must print on or off") as caught:
        command_switch(controller).state()
    assert str(caught.value).isprintable()


def test_a_controller_that_lies_about_its_state_is_believed_and_left_to_the_meter(controller: Controller) -> None:
    """The enforcer reports what the controller says; only a witness with a meter can know better."""
    controller.misbehave(state="say off\n")
    actuator = make(controller)
    assert "already" in actuator.apply(CUT, never)
    assert "off" not in controller.calls


def test_programs_get_a_minimal_environment_and_no_shell(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No secret of the enforcer's environment, and no reading of its arguments by a shell."""
    monkeypatch.setenv("BROKER_PASSWORD", "secret")
    controller.misbehave(off="environment")
    command_switch(controller).switch(on=False)
    seen = json.loads((controller.folder / "seen").read_text())
    assert set(seen["environment"]) <= {"LANG", "LC_CTYPE", "PATH"}
    assert seen["argv"] == [str(controller.folder), "off"]


def test_a_rehearsal_finds_what_would_stop_the_way_back(controller: Controller) -> None:
    """A missing program for `on`, a failing check or a silent controller shows before anything is cut."""
    actuator = make(controller, check=True)
    assert all(proof.ok for proof in actuator.rehearse(CUT))
    assert controller.calls == ["state", "check"]
    controller.misbehave(check="fail", state="fail")
    failed = {proof.step: proof.detail for proof in actuator.rehearse(CUT) if not proof.ok}
    assert set(failed) == {"feed-state", "restore-path"}
    assert "exit status 3" in failed["restore-path"]

    config = CommandActuatorConfig(on=("./none", "x"), off=("no-such-program",), state=controller.config().state)
    switch = type(command_switch(controller))(config, base=controller.folder, search_path="/usr/bin", clock=CLOCK)
    controller.misbehave()
    proofs = cutoff(switch, MarkFile(controller.folder / "state")).rehearse(CUT)
    assert [proof.step for proof in proofs if not proof.ok] == ["permissions", "restore-path"]
    (controller.folder / "none").write_text("#!/bin/sh\n")
    assert not cutoff(switch, MarkFile(controller.folder / "state")).rehearse(CUT)[2].ok, "not executable"
    (controller.folder / "none").chmod(0o755)
    assert cutoff(switch, MarkFile(controller.folder / "state")).rehearse(CUT)[2].ok
