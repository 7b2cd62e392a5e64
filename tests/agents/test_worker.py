"""The demo's worker: its result can be checked, and nothing is lost over a restart."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.agents.workloads import REPOSITORY, Workload, until, until_working, worker_argv


def start(workload: Workload, checkpoint: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start a worker that carries the workload's marker."""
    environment = {**os.environ, "HALTDRILL_WORKLOAD": workload.site}
    with errors_of(checkpoint).open("wb") as errors:
        return subprocess.Popen(worker_argv(checkpoint, *options), env=environment, cwd=REPOSITORY, stderr=errors)


def errors_of(checkpoint: Path) -> Path:
    """Return the file that takes what a worker complains of."""
    return checkpoint.with_suffix(".errors")


def finish(worker: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    """Send a signal and return the exit status."""
    worker.send_signal(number)
    return worker.wait(timeout=10)


def chain(steps: int) -> str:
    """Return the digest after so many steps, computed independently."""
    digest = bytes(32)
    for _ in range(steps):
        digest = hashlib.sha256(digest).digest()
    return digest.hex()


def read(checkpoint: Path) -> tuple[int, str]:
    """Return a checkpoint's steps and digest."""
    content = json.loads(checkpoint.read_text())
    return content["steps"], content["digest"]


def test_work_continues_strictly_over_restarts_and_its_result_is_right(workload: Workload, tmp_path: Path) -> None:
    """A restart that begins anew, skips or repeats a step would show in the chain."""
    checkpoint = tmp_path / "checkpoint"
    done = [0]
    for _ in range(3):
        worker = start(workload, checkpoint, "--duty", "0.1")
        until_working(workload)
        assert finish(worker) == 0
        steps, digest = read(checkpoint)
        assert steps > done[-1]
        assert digest == chain(steps)
        done.append(steps)


def test_a_killed_worker_loses_only_what_came_after_its_last_checkpoint(workload: Workload, tmp_path: Path) -> None:
    """Checkpoints are also written without being asked, and are whole after SIGKILL."""
    checkpoint = tmp_path / "checkpoint"
    worker = start(workload, checkpoint, "--duty", "0.1")
    until(lambda: checkpoint.exists() and read(checkpoint)[0] > 0, "a checkpoint of its own accord")
    assert finish(worker, signal.SIGKILL) == -signal.SIGKILL
    steps, digest = read(checkpoint)
    assert digest == chain(steps)
    worker = start(workload, checkpoint)
    until_working(workload)
    assert finish(worker) == 0
    assert read(checkpoint)[0] > steps


def test_a_pause_by_signal_ends_nothing(workload: Workload, tmp_path: Path) -> None:
    """A worker stopped in its rest for longer than the rest must go on afterwards, not end."""
    worker = start(workload, tmp_path / "checkpoint")
    until_working(workload)
    worker.send_signal(signal.SIGSTOP)
    until(lambda: workload.stands_still(span_s=0.3), "stopped")
    worker.send_signal(signal.SIGCONT)
    assert workload.computes()
    assert finish(worker) == 0


def test_sigterm_ends_a_long_rest_at_once(workload: Workload, tmp_path: Path) -> None:
    """A worker between two bursts must not sit out its rest before it checkpoints."""
    worker = start(workload, tmp_path / "checkpoint", "--pulse-s", "0.03,600")
    until(lambda: workload.stands_still(span_s=0.3) and (tmp_path / "checkpoint").exists(), "resting")
    assert finish(worker) == 0


def test_pulses_come_and_go(workload: Workload, tmp_path: Path) -> None:
    """Tests of a load that pulses between samples need bursts with rest between them."""
    worker = start(workload, tmp_path / "checkpoint", "--pulse-s", "0.1,0.5")
    for _ in range(2):
        until(lambda: workload.stands_still(span_s=0.2), "resting")
        until(lambda: not workload.stands_still(span_s=0.2), "working")
    assert finish(worker) == 0


def test_ignores_sigterm_when_told_to(workload: Workload, tmp_path: Path) -> None:
    """The misbehaviour that only SIGKILL ends."""
    worker = start(workload, tmp_path / "checkpoint", "--misbehave", "ignore-sigterm")
    until_working(workload)
    worker.send_signal(signal.SIGTERM)
    assert workload.computes()
    assert worker.poll() is None
    assert finish(worker, signal.SIGKILL) == -signal.SIGKILL


def test_respawn_leaves_a_working_child_outside_its_session(workload: Workload, tmp_path: Path) -> None:
    """The child has neither the session nor the parent, but the environment of the worker."""
    worker = start(workload, tmp_path / "checkpoint", "--misbehave", "respawn")
    until(lambda: len(workload.pids()) == 2, "the child left behind")
    until_working(workload)
    (child,) = set(workload.pids()) - {worker.pid}
    assert os.getsid(child) != os.getsid(worker.pid)
    assert os.getpgid(child) != os.getpgid(worker.pid)
    assert f"\nPPid:\t{worker.pid}\n" not in Path(f"/proc/{child}/status").read_text()
    assert finish(worker) == 0
    assert workload.pids() == [child]
    assert workload.computes()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"steps": -1, "digest": ""}', '{"steps": 1, "digest": "zz"}'])
def test_a_damaged_checkpoint_is_refused_and_kept(workload: Workload, tmp_path: Path, content: str) -> None:
    """Work must not silently begin anew over a checkpoint that somebody may still repair."""
    checkpoint = tmp_path / "checkpoint"
    checkpoint.write_text(content)
    worker = start(workload, checkpoint)
    assert worker.wait(timeout=10) == 2
    errors = errors_of(checkpoint).read_text()
    assert "cannot be used" in errors
    assert "Traceback" not in errors
    assert checkpoint.read_text() == content


@pytest.mark.parametrize("options", [("--duty", "0"), ("--duty", "1.1"), ("--duty", "x"), ("--pulse-s", "1")])
def test_a_wrong_pace_is_bad_usage(workload: Workload, tmp_path: Path, options: tuple[str, ...]) -> None:
    """A typing error in a demo's configuration is one clear line."""
    checkpoint = tmp_path / "checkpoint"
    worker = start(workload, checkpoint, *options)
    assert worker.wait(timeout=10) == 2
    assert "Traceback" not in errors_of(checkpoint).read_text()
