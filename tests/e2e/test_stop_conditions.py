"""Each kind of stop condition in a real drill: from what triggers it to every site witnessed back at work.

The times are printed: python -m pytest -s tests/e2e/test_stop_conditions.py
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.fleets import DEFAULT_OWNERS, OwnFleet, running_fleet
from tests.e2e.processes import Running, log_lines, until
from tests.e2e.test_prometheus import running_prometheus

HOLD_S = 90.0
"""Longer than any test waits: what ends these holds is the condition."""


class Outside:
    """What drills must not hurt: it has a health check and a metric."""

    def __init__(self) -> None:
        self.well = True
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"outside_errors {0 if outside.well else 7}\n".encode()
                self.send_response(200 if outside.well or self.path == "/metrics" else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Outside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def outside() -> Iterator[Outside]:
    """Something outside of the fleet that is well until a test says otherwise."""
    with Outside() as made:
        yield made


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnFleet]:
    """A fleet of two sites over a mosquitto."""
    with running_fleet(tmp_path_factory.mktemp("conditions"), "mosquitto") as made:
        until(made.all_work, "every site at work")
        yield made


def approved(fleet: OwnFleet, name: str, conditions: str, control: str = "pause") -> Path:
    """Write a plan with stop conditions and have it approved."""
    plan = fleet.plan(name, hold_s=HOLD_S)
    plan.write_text(plan.read_text().replace("control: pause", f"control: {control}") + conditions)
    for owner in DEFAULT_OWNERS[:2]:
        fleet.approve(plan, owner).expect(0)
    return plan


def watched(running: Running, fleet: OwnFleet, name: str) -> list[dict[str, Any]]:
    """Wait until a condition is known to be fine; return the lines of the drill's log so far."""
    path = fleet.layout.folder / "drills" / "haltdrill.log"

    def known() -> bool:
        assert running.runs, running.said()[-3000:]
        return any(one["event.action"] == "condition.known" and one["condition"] == name for one in log_lines(path))

    until(known, "the condition is known")
    return log_lines(path)


def ended(running: Running, fleet: OwnFleet, name: str, trigger_s: float, *, held: bool = True) -> None:
    """Hold a drill to having been aborted by a condition with every site back; print how long that took."""
    said = running.end().expect(1).said
    assert f"stop condition {name}" in said
    until(fleet.all_work, "every site at work")
    lines = _lines(fleet)
    drill = next(one["drill"] for one in reversed(lines) if one["event.action"] == "drill.aborted")
    mine = [one for one in lines if one.get("drill") == drill]
    breached = next(one for one in mine if one["event.action"] == "condition.breached")
    assert (breached["condition"], breached["stopping"]) == (name, True)
    aborted_s = next(_s(one) for one in mine if one["event.action"] == "drill.aborted") - trigger_s
    results = {one["site"]: one["result"] for one in mine if one["event.action"] == "site.judged"}
    assert set(results) == set(fleet.sites)
    print(f"{name}: aborted {aborted_s:.2f} s after its trigger", end="")
    if held:
        # Witnesses saw each site back at work at the latest then, counted from the abort.
        back_s = max(result["restore_upper_ns"] for result in results.values()) / 1e9
        print(f", every site witnessed back {aborted_s + back_s:.2f} s after it", end="")
    print()


def _breach(line: dict[str, Any], name: str) -> bool:
    return line["event.action"] == "condition.breached" and line["condition"] == name


def _lines(fleet: OwnFleet) -> list[dict[str, Any]]:
    return log_lines(fleet.layout.folder / "drills" / "haltdrill.log")


def _s(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(str(line["@timestamp"])).timestamp()


def stopped(fleet: OwnFleet, name: str, conditions: str, trigger: Callable[[], None]) -> None:
    """Run a drill until it holds every site and its condition is fine; then have it stopped."""
    running = fleet.processes.start("run", approved(fleet, name, conditions))
    fleet.until_held(running)
    watched(running, fleet, name)
    trigger_s = time.time()
    trigger()
    ended(running, fleet, name, trigger_s)


def test_a_command_that_fails_ends_the_drill(fleet: OwnFleet, tmp_path: Path) -> None:
    """The exit status of an operator's own script releases every site."""
    good = tmp_path / "good"
    good.touch()
    condition = f"stop_when:\n  - name: script\n    command: {{argv: [/usr/bin/test, -e, {good}]}}\n    every_s: 0.5\n"
    stopped(fleet, "script", condition, good.unlink)


def test_a_health_check_that_fails_ends_the_drill(fleet: OwnFleet, outside: Outside) -> None:
    """A service outside that begins to answer 503 releases every site."""
    url = f"http://127.0.0.1:{outside.port}/health"
    condition = f"stop_when:\n  - name: health\n    http: {{url: '{url}'}}\n    every_s: 0.5\n"
    stopped(fleet, "health", condition, lambda: setattr(outside, "well", False))


def test_a_query_of_a_real_prometheus_ends_the_drill(fleet: OwnFleet, outside: Outside, tmp_path: Path) -> None:
    """A metric that Prometheus scrapes and that rises over its threshold releases every site."""
    with running_prometheus(tmp_path, outside.port) as prometheus:
        until(lambda: prometheus.value("outside_errors") == 0.0, "the metric scraped")
        query = f"{{url: 'http://127.0.0.1:{prometheus.port}', query: outside_errors, breach_over: 5}}"
        condition = f"stop_when:\n  - name: errors\n    prometheus: {query}\n    every_s: 0.5\n"
        stopped(fleet, "errors", condition, lambda: setattr(outside, "well", False))


def test_a_server_that_is_gone_counts_as_a_breach_after_its_grace(fleet: OwnFleet) -> None:
    """What nobody can answer ends the drill, too: not at once, and not never."""
    with Outside() as gone:
        url = f"http://127.0.0.1:{gone.port}/health"
        condition = f"stop_when:\n  - name: gone\n    http: {{url: '{url}'}}\n    every_s: 0.5\n    grace_s: 2\n"
        running = fleet.processes.start("run", approved(fleet, "gone", condition))
        fleet.until_held(running)
        watched(running, fleet, "gone")
    trigger_s = time.time()
    ended(running, fleet, "gone", trigger_s)
    assert time.time() - trigger_s > 2


def test_work_that_must_go_on_and_stops_ends_the_drill(fleet: OwnFleet) -> None:
    """While sites only rehearse, their work stands still: the witnesses see it, and the drill is over."""
    condition = "stop_when:\n  - name: work\n    steady: {window_s: 1}\n    every_s: 0.5\n    grace_s: 10\n"
    running = fleet.processes.start("run", approved(fleet, "work", condition, control="standby"))
    watched(running, fleet, "work")
    workload = fleet.workload(fleet.sites[0])
    assert workload is not None
    trigger_s = time.time()
    os.kill(workload, signal.SIGSTOP)
    try:
        until(lambda: any(_breach(one, "work") for one in _lines(fleet)), "a breach")
    finally:
        os.kill(workload, signal.SIGCONT)
    ended(running, fleet, "work", trigger_s, held=False)


def test_a_site_that_refuses_ends_the_drill_for_the_others(fleet: OwnFleet) -> None:
    """One site's owner sets the veto: the other site is released at once, not at the end of the hold."""
    veto = fleet.layout.site(fleet.sites[0]).folder / "veto"
    condition = "stop_when:\n  - name: refused\n    sites: {are: refused, at_most: 0}\n    every_s: 0.5\n"
    plan = approved(fleet, "refused", condition)
    veto.touch()
    try:
        running = fleet.processes.start("run", plan)
        said = running.end().expect(1).said
    finally:
        veto.unlink()
    assert "stop condition refused" in said
    until(fleet.all_work, "every site at work")
