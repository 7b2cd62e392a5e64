"""The three views of a log as their users start them: each says the same of one log."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.logs.growing import write_log
from tests.logs.scenario import Scenario
from tests.logs.simulation import simulate

HALTDRILL = (sys.executable, "-m", "orchestrator.entry")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the log of a drill in which some sites went wrong."""
    path = tmp_path_factory.mktemp("log") / "haltdrill.log"
    write_log(path, simulate(Scenario(sites=40, steps=2, faults=0.1, seed=1)))
    return path


def said(*arguments: str) -> str:
    """Run a command to its end and return what it printed."""
    ended = subprocess.run(
        [*HALTDRILL, *arguments], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_watch_prints_how_a_drill_stands(log: Path) -> None:
    """Where there is no terminal the same is there as plain text: the outcome, and who is in trouble."""
    text = said("watch", str(log), "--once")
    assert "NOT PASSED" in text
    assert "36 of 40 verified" in text
    assert "CONTRADICTED" in text


def test_metrics_say_the_same(log: Path) -> None:
    """Whoever scrapes sees the contradicted site that the terminal shows."""
    text = said("metrics", str(log))
    assert re.search(r"^haltdrill_\w+\{[^}]*contradicted[^}]*\} 1\.0$", text, re.MULTILINE)


@contextmanager
def dashboard(log: Path) -> Iterator[str]:
    """Serve a log, and give the address."""
    with subprocess.Popen(
        [*HALTDRILL, "dashboard", str(log), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            assert server.stdout is not None
            line = next(line for line in server.stdout if "http://" in line)
            yield line.split("http://", 1)[1].strip().rstrip("/")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=20)


def test_the_dashboard_serves_a_page_that_may_load_nothing_from_elsewhere(log: Path) -> None:
    """The page comes with a policy that lets it load only what we serve; another host's name is turned away."""
    with dashboard(log) as address:
        status, policy, page = asked(address, address)
        assert (status, b"<main" in page) == (200, True)
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert asked(address, "evil.example")[0] in {400, 403, 421}


def asked(address: str, host: str) -> tuple[int, str, bytes]:
    """Ask for the page under a host's name; return the status, the policy and the page."""
    connection = HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("content-security-policy", ""), answer.read()
    finally:
        connection.close()
