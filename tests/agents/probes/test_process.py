"""The process probe over real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from agents.drivers.process import ProcessDriver
from agents.probes import accounts
from agents.probes.base import Probe
from agents.probes.process import ProcessProbe
from protocols.config import ProcessDriverConfig, ProcessProbeConfig
from protocols.controls import PauseParams, ShutdownParams
from protocols.errors import ProbeError
from protocols.host.logs import get_logger
from protocols.messages.evidence import Counter, Peak
from tests import kit
from tests.agents.drivers.conftest import require_cgroup
from tests.agents.workloads import REPOSITORY, Workload, until, until_working, worker_argv

CHALLENGE = kit.make_fleet().challenge(1)
SPIN = "while True: pass"
SLEEP = "import time\nwhile True: time.sleep(60)"


def probe_of(**rule: str) -> ProcessProbe:
    """Return a probe with the usual names of its signals."""
    return ProcessProbe(ProcessProbeConfig(**rule), cpu_signal="cpu_time_us", processes_signal="live_processes")


def look(probe: Probe) -> tuple[str, int, int]:
    """Return one sample's epoch, CPU time and peak."""
    counter, peak = probe.sample(CHALLENGE)
    assert isinstance(counter, Counter)
    assert isinstance(peak, Peak)
    assert (counter.name, peak.name) == ("cpu_time_us", "live_processes")
    return counter.epoch, counter.value, peak.value


def python(workload: Workload, script: str) -> subprocess.Popen[bytes]:
    """Start a Python script that carries the workload's marker."""
    environment = {**os.environ, "HALTDRILL_WORKLOAD": workload.site}
    return subprocess.Popen([sys.executable, "-c", script], env=environment)


@pytest.fixture
def ended() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes to kill and reap at the end."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def driver_of(workload: Workload, tmp_path: Path, *options: str) -> ProcessDriver:
    """Return a driver in session mode over the demo's worker."""
    return ProcessDriver(
        ProcessDriverConfig(argv=worker_argv(tmp_path / "checkpoint", *options), cgroup="never"),
        site=workload.site,
        state_dir=tmp_path / "state",
        base_dir=REPOSITORY,
        environment=os.environ,
        log=get_logger(),
    )


def test_counts_work_and_rest_by_environment(workload: Workload, ended: list) -> None:
    """CPU time rises with the scheduler's own account, and stands still when stopped."""
    spinning = python(workload, SPIN)
    ended.append(spinning)
    probe = probe_of(environ=workload.marker)
    until(lambda: look(probe)[2] == 1, "seen")
    epoch, before_us, _ = look(probe)
    scheduler_before_ns = workload.cpu_ns()[spinning.pid]
    until(lambda: look(probe)[1] >= before_us + 300_000, "0.3 s of work")
    spinning.send_signal(signal.SIGSTOP)
    until(lambda: workload.stands_still(span_s=0.1), "stopped")
    still = look(probe)
    used_us = (workload.cpu_ns()[spinning.pid] - scheduler_before_ns) / 1000
    assert still[0] == epoch
    assert abs((still[1] - before_us) - used_us) <= 30_000
    assert look(probe) == still


def test_the_value_of_waited_for_children_stays(workload: Workload, ended: list) -> None:
    """A child that was never seen, but waited for, is in its parent's account."""
    ended.append(
        python(
            workload, "import os\nwhile True:\n  if os.fork() == 0:\n    sum(range(10**5)); os._exit(0)\n  os.wait()"
        )
    )
    probe = probe_of(environ=workload.marker)
    until(lambda: look(probe)[2] >= 1, "seen")
    until(lambda: look(probe)[1] > 200_000, "its children's work")


def test_a_pause_seen_by_the_probe(workload: Workload, tmp_path: Path) -> None:
    """The honest case: the same epoch, the same value, still one live process."""
    driver = driver_of(workload, tmp_path)
    driver.start()
    until_working(workload)
    probe = probe_of(environ=workload.marker)
    driver.apply(PauseParams(), lambda: False)
    first = look(probe)
    until(lambda: workload.stands_still(span_s=0.3), "still")
    assert look(probe) == (first[0], first[1], 1)
    driver.restore()
    until(lambda: look(probe)[1] > first[1], "work again")


def test_a_child_that_escaped_the_driver_is_seen_at_work(workload: Workload, tmp_path: Path) -> None:
    """The driver reports a pause; the probe, which selects by itself, sees work."""
    driver = driver_of(workload, tmp_path, "--misbehave", "respawn")
    driver.start()
    until(lambda: len(workload.pids()) == 2, "the child left behind")
    until_working(workload)
    probe = probe_of(environ=workload.marker)
    driver.apply(PauseParams(), lambda: False)
    assert driver.observe().state == "paused"
    epoch, before_us, live = look(probe)
    assert live == 2
    until(lambda: look(probe)[1] > before_us + 50_000, "work behind the driver's back")
    assert look(probe)[0] == epoch


def test_a_shutdown_ends_the_epoch_and_then_shows_nobody(workload: Workload, tmp_path: Path) -> None:
    """The last work of an ended process is lost: no pair of samples across its end proves quiet."""
    driver = driver_of(workload, tmp_path)
    driver.start()
    until_working(workload)
    probe = probe_of(environ=workload.marker)
    before = look(probe)
    driver.apply(ShutdownParams(), lambda: False)
    after, later = look(probe), look(probe)
    assert after[0] != before[0]
    assert (after[1], after[2]) == (0, 1)
    assert later == (after[0], 0, 0)


def test_a_zombie_is_not_live_and_its_end_ends_the_epoch_once(workload: Workload) -> None:
    """A parent that never waits must not keep its dead child counted, nor break a dwell by waiting late."""
    process = python(workload, SPIN)
    probe = probe_of(environ=workload.marker)
    until(lambda: look(probe)[1] > 50_000, "work")
    epoch = look(probe)[0]
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert look(probe)[0] != epoch
    dead = look(probe)
    assert dead[1:] == (0, 0)
    process.wait()
    assert look(probe) == dead


def test_a_process_whose_first_thread_has_ended_is_no_zombie(workload: Workload, ended: list) -> None:
    """Threads that work on behind a first thread that looks dead are work, and seen from the start."""
    ended.append(
        python(
            workload,
            "import ctypes, threading\ndef spin():\n  while True: pass\n"
            "threading.Thread(target=spin).start()\nctypes.CDLL(None).syscall(60, 0)",
        )
    )
    until(lambda: Path(f"/proc/{ended[0].pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", "half dead")
    probe = probe_of(environ=workload.marker)
    epoch, before_us, live = look(probe)
    assert live == 1
    until(lambda: look(probe)[1] > before_us + 50_000, "work")
    assert look(probe)[0] == epoch


def test_work_that_hops_from_fork_to_fork_never_looks_quiet(workload: Workload, tmp_path: Path) -> None:
    """Each process ends before it is looked at twice: every look is another epoch."""
    hops = tmp_path / "hops"
    hopper = python(
        workload,
        f"import os\nfile = os.open({str(hops)!r}, os.O_WRONLY | os.O_CREAT)\n"
        "for hop in range(10**6):\n  os.pwrite(file, b'%7d' % hop, 0)\n"
        "  end = sum(os.times()[:2]) + 0.02\n  while sum(os.times()[:2]) < end: pass\n  if os.fork(): os._exit(0)",
    )
    hopper.wait()
    probe = probe_of(environ=workload.marker)
    until(lambda: look(probe)[2] >= 1, "seen")
    epochs = []
    for _ in range(6):
        seen = int(hops.read_text())
        until(lambda at=seen: int(hops.read_text()) > at + 1, "hopped")  # however slow the machine is
        epochs.append(look(probe)[0])
    assert len(set(epochs)) == len(epochs)


def test_other_sites_processes_are_not_counted(workload: Workload, ended: list) -> None:
    """A marker that is only the start or a part of another one selects nothing."""
    for marker in (f"HALTDRILL_WORKLOAD={workload.site}x", f"XHALTDRILL_WORKLOAD={workload.site}"):
        name, _, value = marker.partition("=")
        ended.append(subprocess.Popen([sys.executable, "-c", SPIN], env={**os.environ, name: value}))
    probe = probe_of(environ=workload.marker)
    assert look(probe)[1:] == (0, 0)


@pytest.mark.skipif(os.getuid() != 0, reason="starting a process as another user needs root")
def test_selects_by_user(workload: Workload, ended: list) -> None:
    """Every process of a user counts, whatever its environment."""
    user = "games"
    probe = probe_of(user=user)
    assert look(probe)[2] == 0
    ended.append(subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"], user=user, cwd="/"))
    until(lambda: look(probe)[1] > 100_000, "work")
    assert look(probe)[2] == 1


def test_an_unknown_user_is_an_error_at_once() -> None:
    """A typing error must not select nobody and so prove everything."""
    with pytest.raises(ProbeError, match="no such user"):
        probe_of(user="nobody-has-this-name")


@pytest.fixture
def group(workload: Workload) -> Iterator[Path]:
    """A cgroup that the test may use, named for the workload's clean-up."""
    require_cgroup()
    folder = accounts.cgroup_mount() / f"haltdrill-{workload.site}-probe"
    folder.mkdir()
    yield folder
    workload.wipe()
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()


def test_a_cgroup_counts_the_ended_and_the_nested(workload: Workload, group: Path, ended: list) -> None:
    """The kernel's count forgets nobody, so an exit ends no epoch; nested groups are in it."""
    probe = probe_of(cgroup=group.name)
    empty = look(probe)
    nested = group / "nested"
    nested.mkdir()
    first, second = python(workload, SPIN), python(workload, SLEEP)
    ended.extend((first, second))
    (group / "cgroup.procs").write_text(str(second.pid))
    (nested / "cgroup.procs").write_text(str(first.pid))
    until(lambda: look(probe)[1] > 100_000, "work")
    assert look(probe)[2] == 2
    first.kill()
    first.wait()
    look(probe)
    after = look(probe)
    assert after[0] == empty[0]
    assert after[1] > 100_000
    assert after[2] == 1
    nested.rmdir()
    assert look(probe)[1] >= after[1]


def test_a_cgroup_made_anew_or_missing_begins_an_epoch(group: Path) -> None:
    """Work in a group that is made, used and removed between two samples must not pass for rest."""
    probe = probe_of(cgroup=f"/{group.name}")
    first = look(probe)
    group.rmdir()
    missing, still_missing = look(probe), look(probe)
    group.mkdir()
    remade = look(probe)
    assert len({first[0], missing[0], still_missing[0], remade[0]}) == 4
    assert look(probe)[0] == remade[0]
    assert still_missing[2] == 0


def test_two_runs_of_a_witness_never_share_an_epoch(workload: Workload) -> None:
    """After its restart a witness knows nothing of what ended meanwhile."""
    assert look(probe_of(environ=workload.marker))[0] != look(probe_of(environ=workload.marker))[0]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"environ": "A=b", "user": "root"},
        {"user": "root", "cgroup": "x"},
        {"environ": "A=b", "user": "root", "cgroup": "x"},
        {"cgroup": "../x"},
        {"cgroup": "a/../../x"},
        {"user": ""},
    ],
)
def test_a_probe_has_exactly_one_rule(rule: dict[str, str]) -> None:
    """Two rules, or none, would leave open what was witnessed."""
    with pytest.raises(ValidationError):
        ProcessProbeConfig(**rule)
