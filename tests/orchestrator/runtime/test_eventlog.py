"""The orchestrator's log: one line for each journal event, which says what it is about."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import events as ev
from orchestrator.runtime.eventlog import EventLog
from protocols.host.logs import close, configure, get_logger
from protocols.messages import Message
from tests.kit import make_fleet
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.virtual import run_virtual

OF_AN_ORDER = {"order.issued", "order.published", "release.issued", "release.published", "receipt.received"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Run a drill in which one site refuses; return its events by name, and its log lines."""
    path = tmp_path_factory.mktemp("log") / "log"
    stage = Stage(make_fleet(("alpha", "beta")), {"beta": Script(refuses=True)})
    events: Counter[str] = Counter()

    def observe(stamped: ev.Stamped, said: Message | None) -> None:
        assert stage.runtime is not None
        events[stamped.event.type] += 1
        EventLog(stage.runtime.drill, get_logger())(stamped, said)

    configure("orchestrator", path=path, level="debug", json=True)
    try:
        run_virtual(stage.play(stage.fleet.warrant(hold_s=12.0), observers=[observe]))
    finally:
        close()
    return events, [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_there_is_a_line_for_each_event(told: tuple[Counter[str], list[dict[str, Any]]]) -> None:
    """The log is the journal's shadow: the same names, as often, and each with its drill."""
    events, lines = told
    assert Counter(line["event"] for line in lines) == events
    assert len({line["drill"] for line in lines}) == 1


def test_what_is_about_an_order_names_it(told: tuple[Counter[str], list[dict[str, Any]]]) -> None:
    """Whoever searches the logs for one order finds its issue, publishing, receipts, release and verdicts."""
    lines = [line for line in told[1] if line["event"] in OF_AN_ORDER | {"site.judged"}]
    assert {line["event"] for line in lines} == OF_AN_ORDER | {"site.judged"}
    assert len({line["order"] for line in lines}) == 1
    assert {(line["step"], line["control"]) for line in lines} == {(0, "pause")}
    judged = [line for line in lines if line["event"] == "site.judged"]
    assert {(line["site"], line["level"]) for line in judged} == {("alpha", "debug"), ("beta", "warning")}
