"""`haltdrill serve` tells people: a real drill, a real receiver, and proofs that grow old."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from tests.e2e.fleets import running_fleet
from tests.e2e.processes import until
from tests.e2e.test_serve import approved, due_soon, serving

SERVICE = """\
notify: hooks.yaml
overdue_after_s: 2
"""

HOOKS = """\
gather_s: 1
retry:
  attempts: 2
  first_s: 0.1
hooks:
  - name: kept
    command:
      argv: [/usr/bin/tee, -a, {told}]
  - name: nobody
    on: [started]
    webhook:
      url: http://127.0.0.1:1/drills
"""


def notices(path: Path) -> list[dict[str, Any]]:
    """Return what a command was told so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_people_are_told_of_a_scheduled_drill_and_of_proofs_that_are_too_old(tmp_path: Path) -> None:
    """Start, end and overdue proofs arrive as they happen; a receiver that is gone is said and costs nothing."""
    with running_fleet(tmp_path, "mosquitto") as fleet:
        told = tmp_path / "told.jsonl"
        for example in fleet.layout.plans.glob("*.yaml"):
            example.unlink()
        plan = approved(fleet, "told")
        (fleet.layout.plans / "service.yaml").write_text(SERVICE)
        hooks = fleet.layout.plans / "hooks.yaml"
        hooks.write_text(HOOKS.format(told=told))
        tried = fleet.processes.run("notify", "test", hooks).expect(1)
        assert "kept: told" in tried.out
        assert "nobody: not told: http://127.0.0.1:1/drills could not be reached" in tried.out
        until(fleet.all_work, "every site at work")
        (fleet.layout.plans / "broken.yaml").write_text("name: broken\n")
        service = serving(fleet)
        until(lambda: "serving" in service.said(), "serving")
        # Also what is said before the notifier is up is told; and its own file is no plan.
        until(lambda: "attention" in {told["kind"] for told in notices(told)}, "the wrong plan told")
        (wrong,) = [one["summary"] for one in notices(told) if one["kind"] == "attention"]
        assert wrong.startswith("Plan cannot be used")
        assert "broken.yaml" in wrong
        assert "hooks.yaml" not in service.said()
        (fleet.layout.plans / "broken.yaml").unlink()
        log = fleet.layout.folder / "drills" / "haltdrill.log"
        until(lambda: '"notify.started"' in log.read_text(), "the notifier follows")
        due_soon(plan, service)
        until(lambda: {"started", "ended"} <= {told["kind"] for told in notices(told)}, "the drill told")
        until(lambda: "overdue" in {told["kind"] for told in notices(told)}, "old proofs told")
        ended = next(one for one in notices(told) if one["kind"] == "ended")
        assert ended["passed"] is True
        assert ended["plan"] == "told"
        overdue = next(one for one in notices(told) if one["kind"] == "overdue")
        assert {cell["site"] for cell in overdue["sites"]} <= set(fleet.sites)
        until(lambda: '"notify.failed"' in log.read_text(), "the receiver that is gone is said")
        notifier = _notifier_of(service.pid)
        os.kill(notifier, signal.SIGKILL)
        until(lambda: log.read_text().count('"notify.started"') > 1, "the notifier is started again")
        service.signal(signal.SIGTERM)
        service.end().expect(0)
        assert [one["kind"] for one in notices(told)].count("ended") == 1


def _notifier_of(service: int) -> int:
    """Return the process that a service has tell people."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == service and b"notify" in words:
                return int(entry.name)
    raise AssertionError("the service has no notifier")
