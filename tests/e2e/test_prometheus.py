"""Debian's Prometheus scrapes `haltdrill metrics` beside a drill that runs, with the rules that operators copy."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.components import require
from tests.e2e.demos import Demo
from tests.e2e.processes import Processes, log_lines, until

RULES = Path(__file__).parents[2] / "deploy/observability/prometheus"
CONFIG = """
global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }}
rule_files: [{rules}/recording.rules.yml, {rules}/alerts.rules.yml]
scrape_configs:
  - job_name: haltdrill
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
"""


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **query: str) -> Any:
        """Return the data of an answer of its API; None while it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with closing(connection):
            try:
                connection.request("GET", f"/api/v1/{path}?{urlencode(query)}")
                return json.load(connection.getresponse()).get("data")
            except (OSError, http.client.HTTPException, ValueError):
                return None

    def value(self, query: str) -> float | None:
        """Return the one value that a query has now."""
        found = self.get("query", query=query)
        return float(found["result"][0]["value"][1]) if found and found["result"] else None

    def firing(self) -> dict[str, dict[str, Any]]:
        """Return the alerts that fire now, by name."""
        found = self.get("alerts") or {"alerts": []}
        return {one["labels"]["alertname"]: one for one in found["alerts"] if one["state"] == "firing"}


@contextmanager
def running_prometheus(folder: Path, target: int) -> Iterator[Prometheus]:
    """Run Prometheus with our rules on one target."""
    program = require("prometheus", package="prometheus")
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(rules=RULES, port=target))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "config.file": config,
        "storage.tsdb.path": folder / "tsdb",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    with (folder / "prometheus.err").open("wb") as said:
        given = [program, *(f"--{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(given, stdout=said, stderr=said, cwd=folder)
        try:
            yield Prometheus(port)
        finally:
            process.terminate()
            process.wait(20)


def _exporter(processes: Processes, log: Path) -> int:
    """Start `haltdrill metrics` on a log, and return its port."""
    running = processes.start("metrics", log, "--follow", "--port", "0")
    until(lambda: not running.runs or "Serving" in running.said(), "the exporter serving")
    found = re.search(r"Serving http://127\.0\.0\.1:(\d+)/metrics", running.said())
    assert found is not None, running.said()
    return int(found[1])


def test_a_lying_site_sets_off_the_alert_while_the_drill_runs(tmp_path: Path) -> None:
    """Whoever is on call is paged for a lie within seconds of its line, by the rules as they are shipped, by name."""
    with Processes(tmp_path) as processes:
        demo = Demo.start(processes, tmp_path / "demo", "--lying-site", "--sites", "2")
        log = demo.out / "haltdrill.log"
        until(log.exists, "the demo's log")
        with running_prometheus(tmp_path, _exporter(processes, log)) as prometheus:
            until(lambda: prometheus.value("haltdrill_drill_running") == 1, "the drill seen running")
            until(lambda: "HaltdrillSiteContradicted" in prometheus.firing(), "the alert firing")
            assert demo.running.runs, "the alert came only after the drill"
            alert = prometheus.firing()["HaltdrillSiteContradicted"]
            (drill,) = {line["drill"] for line in log_lines(log) if "drill" in line}
            loud = next(line["site"] for line in log_lines(log) if line.get("standing") == "contradicted")
            assert alert["labels"]["drill"] == drill
            assert f"sites: {loud}." in alert["annotations"]["description"]
            assert prometheus.value("drill:haltdrill_halted:ratio") is not None
            assert [rule for rule in _wrong_rules(prometheus) if rule["lastError"]] == []
            assert "error" not in str(alert["annotations"]).casefold()


def _wrong_rules(prometheus: Prometheus) -> list[dict[str, Any]]:
    """Return the rules that could not be evaluated."""
    groups = prometheus.get("rules")["groups"]
    return [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]
