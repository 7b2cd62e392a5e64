"""Slowdown of real processes: never over the cap, never zero, and undone after any crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from agents.acting import SiteState
from agents.drivers import cgroup
from agents.drivers.process import ProcessDriver
from agents.drivers.records import Mark, Records
from agents.drivers.slowing import NO_QUOTA, Slowing, quota_for
from agents.drivers.waiting import never
from protocols.controls import Control, LeaseParams, PauseParams, PowerCutParams, ShutdownParams, SlowdownParams
from protocols.errors import DriverError
from protocols.host.clock import SystemClock
from tests.agents.drivers.conftest import MakeDriver, Means
from tests.agents.workloads import REPOSITORY, Workload, until, until_working

FLOOR_PER_S = 200_000
SLOWDOWN = SlowdownParams(fraction=0.5)
CAP_PER_S = 100_000
WINDOW_S = 0.6


def rate_per_s(workload: Workload, span_s: float = WINDOW_S) -> float:
    """Return the microseconds of CPU time a second that the workload uses over `span_s` seconds."""
    began_s, before = time.monotonic(), workload.cpu_ns()
    time.sleep(span_s)  # the span of the observation itself
    after, ended_s = workload.cpu_ns(), time.monotonic()
    return sum(used - before.get(pid, 0) for pid, used in after.items()) / 1000 / (ended_s - began_s)


def slow_enough(workload: Workload, windows: int = 4) -> bool:
    """Tell whether every one of so many windows stays under the cap, and above zero."""
    return all(0 < rate_per_s(workload) <= CAP_PER_S for _ in range(windows))


def test_a_slowed_workload_works_under_its_cap_and_then_on_as_before(
    make_driver: MakeDriver, means: Means, workload: Workload
) -> None:
    """In every window some work is done and never more than the cap; a restore ends it."""
    driver = make_driver(means, "--duty", "0.8", cpu_floor_per_s=FLOOR_PER_S)
    driver.start()
    until_working(workload)
    until(lambda: rate_per_s(workload) > 1.5 * CAP_PER_S, "work well over the cap")
    pids = workload.pids()

    assert "100000 us" in driver.apply(SLOWDOWN, never)

    assert driver.observe().state is SiteState.SLOWED
    assert driver.observe().ours
    assert slow_enough(workload)
    driver.restore()
    assert driver.observe().state is SiteState.RUNNING
    assert not driver.observe().ours
    until(lambda: rate_per_s(workload) > 1.5 * CAP_PER_S, "work as before")
    assert workload.pids() == pids


def test_processes_that_come_later_are_slowed_with_the_rest(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """The cap is the workload's, however many processes share it, and whenever they came."""
    program = tmp_path / "forks.py"
    program.write_text(
        textwrap.dedent("""
            import os, time
            def spin(seconds):
                end = time.process_time() + seconds
                while time.process_time() < end: pass
            os.fork()
            while True:
                spin(0.05)
                if os.fork() == 0:
                    spin(0.02)
                    os._exit(0)
                os.wait()
        """)
    )
    driver = make_driver(means, argv=(sys.executable, str(program)), cpu_floor_per_s=FLOOR_PER_S)
    driver.start()
    until(lambda: rate_per_s(workload) > 1.5 * CAP_PER_S, "work well over the cap")
    driver.apply(SLOWDOWN, never)
    assert slow_enough(workload)
    driver.apply(ShutdownParams(grace_s=0), never)
    assert workload.pids() == []


@pytest.mark.parametrize("next_rung", [PauseParams(), LeaseParams(), ShutdownParams(grace_s=10)], ids=repr)
def test_a_harsher_control_follows_without_a_restore(
    make_driver: MakeDriver, means: Means, workload: Workload, next_rung: PauseParams | LeaseParams | ShutdownParams
) -> None:
    """A ladder climbs from slowdown over pause to shutdown; each rung holds, and one restore undoes all."""
    driver = make_driver(means, cpu_floor_per_s=FLOOR_PER_S)
    driver.start()
    until_working(workload)
    driver.apply(SLOWDOWN, never)

    driver.apply(next_rung, never)

    if isinstance(next_rung, ShutdownParams):
        assert driver.observe().state is SiteState.STOPPED
        assert workload.pids() == []
    else:
        assert driver.observe().state is SiteState.PAUSED
        assert workload.stands_still()
        assert "by itself" in driver.apply(ShutdownParams(grace_s=10), never)
        assert driver.observe().state is SiteState.STOPPED
    driver.restore()
    until_working(workload)
    assert not driver.observe().ours


def test_a_crash_in_the_suspended_half_is_restored_by_the_next_agent(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """A workload whose throttler died with its agent must not stand still for ever, nor pass for slowed."""
    script = textwrap.dedent(f"""
        import os, pathlib, sys, time
        sys.path.insert(0, {str(REPOSITORY)!r})
        from agents.drivers.process import ProcessDriver
        from agents.observation import SiteState
        from protocols.config import ProcessDriverConfig
        from protocols.controls import SlowdownParams
        from protocols.host.logs import get_logger
        driver = ProcessDriver(
            ProcessDriverConfig(
                argv=({sys.executable!r}, "-m", "agents.worker", "--checkpoint", {str(tmp_path / "checkpoint")!r}),
                cgroup={"auto" if means == "cgroup" else "never"!r},
            ),
            site={workload.site!r}, state_dir=pathlib.Path({str(tmp_path / "state")!r}), cpu_floor_per_s=20000,
            base_dir=pathlib.Path({str(REPOSITORY)!r}), environment=os.environ, log=get_logger(),
        )
        driver.start()
        driver.apply(SlowdownParams(fraction=0.5), lambda: False)
        while driver._enclosure.state() is not SiteState.PAUSED:
            time.sleep(0.001)
        os.kill(os.getpid(), 9)
    """)
    agent = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
    assert agent.returncode == -signal.SIGKILL, agent.stderr.decode()

    driver = make_driver(means, "--duty", "0.8", cpu_floor_per_s=FLOOR_PER_S)
    driver.start()

    assert driver.observe().ours
    assert driver.observe().state is SiteState.MIXED, "nothing caps it any more"
    driver.apply(SLOWDOWN, never)
    assert driver.observe().state is SiteState.SLOWED
    driver.restore()
    assert workload.computes()
    assert driver.observe().state is SiteState.RUNNING


def test_a_slowed_workload_that_dies_is_started_again_and_slowed(
    make_driver: MakeDriver, means: Means, workload: Workload, tmp_path: Path
) -> None:
    """A slowdown is not a pause: it never ends with nothing running."""
    driver = make_driver(means, cpu_floor_per_s=FLOOR_PER_S)
    driver.start()
    until_working(workload)
    driver.apply(SLOWDOWN, never)
    record = Records(tmp_path / "state").workload()
    assert record is not None
    os.kill(record.pid, signal.SIGKILL)
    until(lambda: driver.observe().state is SiteState.STOPPED, "seen dead, not slowed")

    until(lambda: slowed(driver), "started again, once that is due")

    assert driver.observe().state is SiteState.SLOWED
    assert len(workload.pids()) == 1
    driver.restore()
    assert workload.computes()


def slowed(driver: ProcessDriver) -> bool:
    """Try to slow a dead workload: true once its next start was due."""
    try:
        driver.apply(SLOWDOWN, never)
    except DriverError as error:
        if "keeps dying" not in str(error):
            raise
        return False
    return True


def test_an_agent_that_leaves_lets_a_slowed_workload_run(
    make_driver: MakeDriver, means: Means, workload: Workload
) -> None:
    """The throttler ends with the agent, and must not end in its suspended half."""
    driver = make_driver(means, cpu_floor_per_s=FLOOR_PER_S)
    driver.start()
    until_working(workload)
    driver.apply(SLOWDOWN, never)
    driver.close(stop_workload=False)
    assert workload.computes()
    assert make_driver(means).observe().ours


def test_a_mark_of_an_older_version_is_still_read(make_driver: MakeDriver, tmp_path: Path) -> None:
    """An agent that was updated in mid-hold must still know what its predecessor did."""
    records = Records(tmp_path / "state")
    records.prepare()
    records.mark_path.write_text('{"version":1,"action":"pause"}')
    assert records.mark() == Mark(action=Control.PAUSE)
    assert make_driver("session").observe().ours


def test_what_the_driver_cannot_do_is_an_error_and_leaves_no_mark(
    make_driver: MakeDriver, workload: Workload, tmp_path: Path
) -> None:
    """A slowdown without a counter to cap, or an enforcer's control, must not mark a site as halted."""
    driver = make_driver("session")
    driver.start()
    for params in (SLOWDOWN, PowerCutParams()):
        with pytest.raises(DriverError):
            driver.apply(params, never)
    assert Records(tmp_path / "state").mark() is None
    assert len(workload.pids()) == 1


class QuotaEnclosure(cgroup.CgroupEnclosure):
    """A cgroup with a cpu controller, as a folder of ordinary files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "cpu.max").write_text("max 100000\n")
        (folder / "cgroup.freeze").write_text("1\n")

    def set_quota(self, text: str) -> None:
        """Write as the kernel takes it."""
        (self.folder / "cpu.max").write_text(f"{text} 100000\n" if text == NO_QUOTA else f"{text}\n")


def test_where_the_kernel_caps_its_quota_is_used_and_survives_a_restart(tmp_path: Path) -> None:
    """With cpu.max nothing is suspended, a restarted agent finds the cap in force, and lifts it."""
    enclosure = QuotaEnclosure(tmp_path)
    assert "cpu.max" in Slowing(SystemClock()).begin(enclosure, CAP_PER_S)
    assert enclosure.quota() == "4000 50000"
    restarted = Slowing(SystemClock())
    assert restarted.in_force(enclosure, CAP_PER_S)
    assert not restarted.in_force(enclosure, 2 * CAP_PER_S)
    restarted.end(enclosure)
    assert enclosure.quota() == "max 100000"
    assert not restarted.in_force(enclosure, CAP_PER_S)


@pytest.mark.parametrize(
    ("cap_per_s", "quota"),
    [(100_000, "4000 50000"), (20_000, "1600 100000"), (5_000, "4000 1000000"), (10_000_000, "400000 50000")],
)
def test_a_quota_stays_under_its_cap_and_within_what_the_kernel_takes(cap_per_s: int, quota: str) -> None:
    """The kernel takes no quota under a millisecond and no period over a second."""
    assert quota_for(cap_per_s) == quota
    quota_us, period_us = map(int, quota.split())
    assert quota_us / period_us * 1e6 < cap_per_s


def test_a_cap_below_what_the_kernel_can_keep_is_refused() -> None:
    """Rounding a tiny cap up would break it silently."""
    with pytest.raises(DriverError, match="less than the kernel"):
        quota_for(1_000)
