"""The process driver over real processes, in a cgroup and in a session."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from agents.acting import Driver, SiteState
from agents.drivers.records import Mark, Records, WorkloadRecord
from protocols.controls import Control, PauseParams, ShutdownParams
from protocols.errors import DriverError
from protocols.host.clock import ManualClock, SystemClock
from tests.agents.drivers.conftest import MakeDriver, Means, require_cgroup
from tests.agents.workloads import REPOSITORY, Workload, until, until_working

PAUSE = PauseParams()


def never() -> bool:
    """Cancel nothing."""
    return False


def shutdown(grace_s: float = 10.0) -> ShutdownParams:
    """Return the parameters of a shutdown."""
    return ShutdownParams(grace_s=grace_s)


def recorded(tmp_path: Path) -> WorkloadRecord:
    """Return which workload the driver recorded."""
    record = Records(tmp_path / "state").workload()
    assert record is not None
    return record


def steps(tmp_path: Path) -> int:
    """Return how much work the checkpoint holds."""
    return json.loads((tmp_path / "checkpoint").read_text())["steps"]


def state_of(pid: int) -> str:
    """Return the kernel's letter for a process's state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_is_a_driver(make_driver: MakeDriver) -> None:
    """The agent may use it through the seam."""
    driver: Driver = make_driver("session")
    always = {Control.STANDBY, Control.REFUSAL, Control.PAUSE, Control.LEASE, Control.SHUTDOWN}
    assert driver.actions == always
    assert make_driver("session", cpu_floor_per_s=1000).actions == always | {Control.SLOWDOWN}


def test_pause_stops_all_work_and_restore_continues_it(
    make_driver: MakeDriver, means: Means, workload: Workload
) -> None:
    """A pause that lets work go on, or a restore that does not continue the same processes."""
    driver = make_driver(means)
    driver.start()
    until_working(workload)
    pids = workload.pids()
    assert driver.observe().state is SiteState.RUNNING
    assert not driver.observe().ours

    sentence = driver.apply(PAUSE, never)

    assert means in sentence
    assert workload.stands_still()
    observed = driver.observe()
    assert (observed.state, observed.ours) == (SiteState.PAUSED, True)
    assert means in observed.detail

    driver.restore()

    assert workload.computes()
    assert workload.pids() == pids
    observed = driver.observe()
    assert (observed.state, observed.ours) == (SiteState.RUNNING, False)


def test_pause_and_restore_may_be_repeated(make_driver: MakeDriver, means: Means, workload: Workload) -> None:
    """A reconciler that repeats itself must change nothing the second time."""
    driver = make_driver(means)
    driver.start()
    for _ in range(2):
        driver.start()
        driver.apply(PAUSE, never)
        driver.apply(PAUSE, never)
        assert workload.stands_still()
        driver.restore()
        driver.restore()
        assert workload.computes()
    assert len(workload.pids()) == 1


def test_pause_reaches_every_descendant(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """A child with a session of its own, and one that forks on and on, stop with the rest."""
    program = tmp_path / "tree.py"
    program.write_text(
        textwrap.dedent("""
            import os, signal, time
            if os.fork() == 0:
                os.setsid()
                while True: pass
            if os.fork() == 0:
                while True:
                    if os.fork() == 0: os._exit(0)
                    os.wait()
            while True: time.sleep(0.01)
        """)
    )
    driver = make_driver(means, argv=(sys.executable, str(program)))
    driver.start()
    until(lambda: len(workload.pids()) >= 3, "all children there")

    driver.apply(PAUSE, never)

    assert workload.stands_still()
    driver.restore()
    assert workload.computes()
    driver.close(stop_workload=True)
    assert workload.pids() == []


def test_shutdown_leaves_a_checkpoint_and_restore_resumes_from_it(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """Work that a shutdown loses, or a digest that is not the checkpoint's."""
    driver = make_driver(means)
    driver.start()
    until_working(workload)

    sentence = driver.apply(shutdown(), never)

    assert "by itself" in sentence
    assert workload.pids() == []
    observed = driver.observe()
    assert (observed.state, observed.ours) == (SiteState.STOPPED, True)
    checkpoint = (tmp_path / "checkpoint").read_bytes()
    assert driver.checkpoint_digest() == hashlib.sha256(checkpoint).hexdigest()
    done = steps(tmp_path)
    assert done > 0

    driver.restore()

    assert driver.observe().state is SiteState.RUNNING
    assert not driver.observe().ours
    until_working(workload)
    driver.apply(shutdown(), never)
    assert steps(tmp_path) > done


def test_shutdown_of_a_paused_workload_lets_it_checkpoint(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """On a ladder from pause to shutdown, a suspended workload must still hear SIGTERM."""
    driver = make_driver(means)
    driver.start()
    until_working(workload)
    driver.apply(PAUSE, never)

    sentence = driver.apply(shutdown(), never)

    assert "by itself" in sentence
    assert workload.pids() == []
    assert steps(tmp_path) > 0


def test_a_workload_that_ignores_sigterm_is_killed_after_its_grace(
    make_driver: MakeDriver, means: Means, workload: Workload
) -> None:
    """A shutdown that waits for ever on an unwilling workload, or kills it early."""
    driver = make_driver(means, "--misbehave", "ignore-sigterm")
    driver.start()
    until_working(workload)
    before_s = time.monotonic()

    sentence = driver.apply(shutdown(0.7), never)

    assert 0.7 <= time.monotonic() - before_s < 5
    assert "killed 1 processes" in sentence
    assert workload.pids() == []
    assert driver.observe().state is SiteState.STOPPED


def test_no_grace_means_no_warning(make_driver: MakeDriver, means: Means, workload: Workload) -> None:
    """With a grace of zero a paused workload must not run again before it dies."""
    driver = make_driver(means)
    driver.start()
    until_working(workload)
    driver.apply(PAUSE, never)
    assert "killed" in driver.apply(shutdown(0), never)
    assert workload.pids() == []


def test_release_during_the_grace_ends_the_wait_at_once(
    make_driver: MakeDriver, means: Means, workload: Workload
) -> None:
    """A release that has to sit out the grace, or a workload that is killed after its release."""
    driver = make_driver(means, "--misbehave", "ignore-sigterm")
    driver.start()
    until_working(workload)
    pids = workload.pids()
    released = threading.Event()
    timer = threading.Timer(0.3, released.set)
    timer.start()
    before_s = time.monotonic()

    with pytest.raises(DriverError, match="called off"):
        driver.apply(shutdown(60), released.is_set)

    timer.join()
    assert time.monotonic() - before_s < 2
    assert driver.observe().ours
    driver.restore()
    assert workload.pids() == pids
    assert workload.computes()
    assert driver.observe().state is SiteState.RUNNING
    assert not driver.observe().ours


def test_release_while_a_willing_workload_stops_brings_it_back(
    make_driver: MakeDriver, means: Means, workload: Workload
) -> None:
    """A workload that was told to stop just before its release must not stay down."""
    driver = make_driver(means)
    driver.start()
    until_working(workload)
    first = workload.pids()

    with pytest.raises(DriverError, match="called off"):
        driver.apply(shutdown(60), lambda: True)
    driver.restore()

    assert driver.observe().state is SiteState.RUNNING
    until_working(workload)
    assert workload.pids() != first


def test_respawned_child_is_out_of_a_sessions_reach(make_driver: MakeDriver, workload: Workload) -> None:
    """The driver in session mode honestly believes in its pause; only a witness can see the child."""
    driver = make_driver("session", "--misbehave", "respawn")
    driver.start()
    until(lambda: len(workload.pids()) == 2, "the child left behind")
    until_working(workload)

    driver.apply(PAUSE, never)

    assert driver.observe().state is SiteState.PAUSED
    assert workload.computes()
    driver.apply(shutdown(), never)
    assert driver.observe().state is SiteState.STOPPED
    assert workload.computes()


def test_a_cgroup_holds_the_respawned_child_too(make_driver: MakeDriver, workload: Workload) -> None:
    """No fork and no session of its own leaves a cgroup."""
    require_cgroup()
    driver = make_driver("cgroup", "--misbehave", "respawn")
    driver.start()
    until(lambda: len(workload.pids()) == 2, "the child left behind")
    driver.apply(PAUSE, never)
    assert workload.stands_still()
    driver.apply(shutdown(0.5), never)
    assert workload.pids() == []


@pytest.mark.parametrize("halt", [PAUSE, shutdown()], ids=["paused", "shut-down"])
def test_a_new_driver_finds_the_halted_workload_and_restores_it(
    make_driver: MakeDriver, means: Means, workload: Workload, halt: PauseParams | ShutdownParams
) -> None:
    """An agent killed in mid-hold must find its own doing after its restart, and undo it."""
    old = make_driver(means)
    old.start()
    until_working(workload)
    old.apply(halt, never)  # and never closed: a SIGKILL closes nothing
    halted = workload.pids()

    new = make_driver(means)
    new.start()

    assert workload.pids() == halted, "starting must not undo a hold"
    observed = new.observe()
    assert observed.ours
    assert observed.state is (SiteState.PAUSED if halt is PAUSE else SiteState.STOPPED)
    new.restore()
    assert workload.computes()
    assert len(workload.pids()) == 1
    assert new.observe().state is SiteState.RUNNING
    assert not make_driver(means).observe().ours


def test_a_new_driver_attaches_to_the_running_workload(
    make_driver: MakeDriver, means: Means, workload: Workload
) -> None:
    """A restart of the agent must not disturb, or double, a workload that runs."""
    make_driver(means).start()
    until_working(workload)
    pids = workload.pids()
    new = make_driver(means)
    new.start()
    assert workload.pids() == pids
    new.apply(PAUSE, never)
    assert workload.stands_still()


def test_the_workload_survives_an_agent_killed_with_sigkill(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """A real second process starts and pauses the workload, dies by SIGKILL, and we take over."""
    script = textwrap.dedent(f"""
        import os, pathlib, sys
        sys.path.insert(0, {str(REPOSITORY)!r})
        from agents.drivers.process import ProcessDriver
        from protocols.config import ProcessDriverConfig
        from protocols.controls import PauseParams
        from protocols.host.logs import get_logger
        driver = ProcessDriver(
            ProcessDriverConfig(
                argv=({sys.executable!r}, "-m", "agents.worker", "--checkpoint", {str(tmp_path / "checkpoint")!r}),
                cgroup={"auto" if means == "cgroup" else "never"!r},
            ),
            site={workload.site!r}, state_dir=pathlib.Path({str(tmp_path / "state")!r}),
            base_dir=pathlib.Path({str(REPOSITORY)!r}), environment=os.environ, log=get_logger(),
        )
        driver.start()
        driver.apply(PauseParams(), lambda: False)
        os.kill(os.getpid(), 9)
    """)
    agent = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
    assert agent.returncode == -signal.SIGKILL, agent.stderr.decode()
    assert workload.stands_still()

    driver = make_driver(means)
    driver.start()

    assert driver.observe().state is SiteState.PAUSED
    driver.restore()
    assert workload.computes()
    driver.apply(shutdown(), never)
    assert workload.pids() == []


def test_a_stranger_with_the_recorded_pid_is_left_alone(
    make_driver: MakeDriver, workload: Workload, tmp_path: Path
) -> None:
    """A pid that was reused while the agent was away must not be stopped, counted or killed."""
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        driver = make_driver("session")
        driver.start()
        record = recorded(tmp_path)
        os.kill(record.pid, signal.SIGKILL)
        until(lambda: not workload.pids(), "dead")
        earlier = start_ticks(stranger.pid) - 1
        reused = record.model_copy(update={"pid": stranger.pid, "start_ticks": earlier})
        Records(tmp_path / "state").save_workload(reused)

        again = make_driver("session")
        again._attach()
        assert again.observe().state is SiteState.STOPPED
        again.apply(PAUSE, never)
        again.apply(shutdown(0), never)
        assert state_of(stranger.pid) == "S"
        again.restore()
        assert state_of(stranger.pid) == "S"
        until(lambda: len(workload.pids()) == 1, "a workload of its own")
    finally:
        stranger.kill()
        stranger.wait()


def test_another_boot_has_nothing_left_to_attach_to(
    make_driver: MakeDriver, workload: Workload, tmp_path: Path
) -> None:
    """After a reboot the recorded pid may be anybody; a hold's mark still stops the start."""
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        records = Records(tmp_path / "state")
        records.prepare()
        records.save_workload(
            WorkloadRecord(boot_id="another-boot", pid=stranger.pid, start_ticks=start_ticks(stranger.pid), cgroup=None)
        )
        driver = make_driver("session")
        driver.start()
        assert state_of(stranger.pid) == "S"
        assert len(workload.pids()) == 1
    finally:
        stranger.kill()
        stranger.wait()


def test_the_mark_is_on_disk_before_the_act_and_off_after_the_undoing(
    make_driver: MakeDriver, means: Means, tmp_path: Path
) -> None:
    """A crash at any moment must leave a halted workload recognisable as ours."""
    mark = tmp_path / "state" / "driver-mark"
    driver = make_driver(means, "--misbehave", "ignore-sigterm")
    driver.start()
    assert not mark.exists()
    seen = []
    with pytest.raises(DriverError):
        driver.apply(shutdown(5), lambda: bool(seen.append(mark.exists())) or True)
    assert seen
    assert all(seen)
    driver.restore()
    assert not mark.exists()


def test_a_mark_without_an_act_is_taken_off(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """A crash between mark and act leaves a running workload marked: restoring is harmless."""
    driver = make_driver(means)
    driver.start()
    Records(tmp_path / "state").save_mark(Mark(action=Control.PAUSE))
    pids = workload.pids()
    assert driver.observe().ours
    driver.restore()
    assert not driver.observe().ours
    assert workload.pids() == pids


def test_a_workload_that_died_by_itself_is_restarted_ever_more_slowly(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """A workload that dies at every start must not be restarted in a tight loop, nor given up."""
    clock = TurnedClock()
    driver = make_driver(means, argv=("true",), clock=clock)
    driver.start()
    until(lambda: driver.observe().state is SiteState.STOPPED, "dead")
    assert not driver.observe().ours
    waits_s = []
    for _ in range(9):
        waited_s = 0.0
        while not restored(driver):
            clock.advance(0.25)
            waited_s += 0.25
        waits_s.append(waited_s)
        until(lambda: driver.observe().state is SiteState.STOPPED, "dead")
    assert waits_s == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def restored(driver: Driver) -> bool:
    """Try to restore a dead workload: true once its next start was due."""
    try:
        driver.restore()
    except DriverError as error:
        if "keeps dying" not in str(error):
            raise
        return False
    return True


class TurnedClock(ManualClock):
    """The real boot, and a time that stands still until it is turned."""

    def __init__(self) -> None:
        super().__init__(boot_id=SystemClock().boot_id)


def test_leftovers_of_a_dead_workload_are_cleared_before_it_starts_again(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """Two generations of a workload must never compute side by side."""
    program = tmp_path / "pair.py"
    program.write_text("import os\nos.fork()\nwhile True: pass\n")
    driver = make_driver(means, argv=(sys.executable, str(program)))
    driver.start()
    until(lambda: len(workload.pids()) == 2, "both there")
    first = workload.pids()
    os.kill(recorded(tmp_path).pid, signal.SIGKILL)
    until(lambda: driver.observe().state is SiteState.MIXED, "half dead")
    until(lambda: restored(driver), "restarted")
    until(lambda: len(workload.pids()) == 2, "both there again")
    assert not set(first) & set(workload.pids())


def test_close_leaves_the_workload_or_ends_it(make_driver: MakeDriver, means: Means, workload: Workload) -> None:
    """An agent's restart must not cost work; a demo's end must leave nothing."""
    driver = make_driver(means, "--misbehave", "ignore-sigterm")
    driver.start()
    driver.close(stop_workload=False)
    assert len(workload.pids()) == 1
    driver = make_driver(means, "--misbehave", "ignore-sigterm")
    driver.start()
    driver.apply(PAUSE, never)
    driver.close(stop_workload=True)
    assert workload.pids() == []
    assert driver.observe().state is SiteState.STOPPED


@pytest.mark.parametrize("argv", [("no-such-program-anywhere",), ("./no/such",), ("/etc/passwd",)])
def test_a_program_that_cannot_run_is_one_clear_error(make_driver: MakeDriver, argv: tuple[str, ...]) -> None:
    """The operator's typing error must name the program, at start and not later."""
    with pytest.raises(DriverError, match=argv[0]):
        make_driver("session", argv=argv).start()


def test_a_damaged_record_is_an_error_and_not_a_second_workload(
    make_driver: MakeDriver, workload: Workload, tmp_path: Path
) -> None:
    """A disk that lies must not lead to a workload running twice."""
    make_driver("session").start()
    (tmp_path / "state" / "driver-workload").write_text('{"version": 1}')
    with pytest.raises(DriverError, match="is damaged"):
        make_driver("session").start()
    assert len(workload.pids()) == 1


def test_the_workload_starts_with_a_clean_slate(
    make_driver: MakeDriver, means: Means, tmp_path: Path, workload: Workload
) -> None:
    """No descriptor, blocked signal or odd argument handling of ours reaches the workload."""
    program = tmp_path / "slate.py"
    program.write_text(
        textwrap.dedent("""
            import json, os, signal, sys, time
            print(json.dumps({
                "argv": sys.argv[1:], "fds": [fd for fd in range(256) if os.path.exists(f"/proc/self/fd/{fd}")],
                "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
                "stdin": os.readlink("/proc/self/fd/0"), "leader": os.getsid(0) == os.getpid(),
                "site": os.environ["HALTDRILL_WORKLOAD"],
            }), flush=True)
            time.sleep(60)
        """)
    )
    left_open = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(left_open, True)
    odd = ("$HOME", "a b", "*", "'", "")
    driver = make_driver(means, argv=(sys.executable, str(program), *odd))
    driver.start()
    os.close(left_open)
    output = tmp_path / "state" / "workload.log"
    until(lambda: output.exists() and output.read_text().endswith("\n"), "its output")
    assert json.loads(output.read_text()) == {
        "argv": list(odd),
        "fds": [0, 1, 2],
        "blocked": 0,
        "stdin": "/dev/null",
        "leader": True,
        "site": workload.site,
    }


def test_a_child_of_its_own_session_is_killed_also_after_its_parent_has_ended(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """When SIGTERM ends the parent first, its unwilling child must not be lost to the kill."""
    program = tmp_path / "unwilling.py"
    program.write_text(
        textwrap.dedent("""
            import os, signal, time
            if os.fork() == 0:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                open("/proc/self/comm", "w").write("unwilling")
                while True: pass
            while True: time.sleep(1)
        """)
    )
    driver = make_driver(means, argv=(sys.executable, str(program)))
    driver.start()
    until(
        lambda: any(Path(f"/proc/{pid}/comm").read_text() == "unwilling\n" for pid in workload.pids()),
        "an unwilling child",
    )
    assert "killed 1 processes" in driver.apply(shutdown(0.5), never)
    assert workload.pids() == []


def test_a_workload_whose_first_thread_has_ended_is_paused_and_restored(
    make_driver: MakeDriver, means: Means, workload: Workload
) -> None:
    """A process that looks like a zombie while its other threads work is work all the same."""
    script = (
        "import ctypes, threading\ndef spin():\n  while True: pass\n"
        "threading.Thread(target=spin).start()\nctypes.CDLL(None).syscall(60, 0)"
    )
    driver = make_driver(means, argv=(sys.executable, "-c", script))
    driver.start()
    leader = driver._leader
    assert leader is not None
    stat = Path(f"/proc/{leader.pid}/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "half dead")
    assert driver.observe().state is SiteState.RUNNING
    driver.apply(PAUSE, never)
    before = stat.read_text()
    assert driver.observe().state is SiteState.PAUSED
    time.sleep(0.3)  # the span of the observation itself
    assert stat.read_text().split()[13:15] == before.split()[13:15]
    driver.restore()
    until(lambda: stat.read_text().split()[13:15] != before.split()[13:15], "work again")
    driver.apply(shutdown(0), never)
    assert driver.observe().state is SiteState.STOPPED
