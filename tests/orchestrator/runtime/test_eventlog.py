"""The orchestrator's log: one line for each journal event, which says what it is about."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import events as ev
from orchestrator.runtime.eventlog import EventLog
from protocols.controls import Control, LeaseParams, RefusalParams, ShutdownParams
from protocols.host.logs import close, configure, get_logger
from protocols.messages import Message, Rung, Warrant
from protocols.reasons import Reason
from tests.kit import make_fleet
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.virtual import run_virtual

OF_AN_ORDER = {"order.issued", "order.published", "release.issued", "release.published", "receipt.received"}


Told = tuple[Counter[str], list[dict[str, Any]]]


def log_of(stage: Stage, warrant: Warrant, path: Path) -> Told:
    """Run a drill; return its events by name, and its log lines."""
    events: Counter[str] = Counter()

    def observe(stamped: ev.Stamped, said: Message | None) -> None:
        assert stage.runtime is not None
        events[stamped.event.type] += 1
        EventLog(stage.runtime.drill, get_logger())(stamped, said)

    configure("orchestrator", path=path, level="debug", json=True)
    try:
        run_virtual(stage.play(warrant, observers=[observe]))
    finally:
        close()
    return events, [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run a drill in which one site refuses."""
    stage = Stage(make_fleet(("alpha", "beta")), {"beta": Script(refuses=True)})
    return log_of(stage, stage.fleet.warrant(hold_s=12.0), tmp_path_factory.mktemp("log") / "log")


@pytest.fixture(scope="module")
def told_of_all(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run a pause that one site climbs from, then a battery that it obeys in part, then a lease."""
    fleet = make_fleet(("alpha", "beta"), record={"controls": tuple(Control)})
    stage = Stage(fleet, {"beta": Script(fails=True, mends_at=1, gullible=frozenset({Reason.EXPIRED}))})
    rung = Rung(params=ShutdownParams(grace_s=1.0), response_limit_s=4.0)
    steps = (
        fleet.step(hold_s=17.0, ladder=(rung,)),
        fleet.step(name="refuse", params=RefusalParams()),
        fleet.step(name="let-lapse", params=LeaseParams(licence_s=2.0, renewed_s=3.0), hold_s=12.0),
    )
    return log_of(stage, fleet.warrant(*steps), tmp_path_factory.mktemp("log") / "log")


def test_there_is_a_line_for_each_event(told: Told) -> None:
    """The log is the journal's shadow: the same names, as often, and each with its drill."""
    events, lines = told
    assert Counter(line["event"] for line in lines) == events
    assert len({line["drill"] for line in lines}) == 1


def test_what_is_about_an_order_names_it(told: Told) -> None:
    """Whoever searches the logs for one order finds its issue, publishing, receipts, release and verdicts."""
    lines = [line for line in told[1] if line["event"] in OF_AN_ORDER | {"site.judged"}]
    assert {line["event"] for line in lines} == OF_AN_ORDER | {"site.judged"}
    assert len({line["order"] for line in lines}) == 1
    assert {(line["step"], line["control"]) for line in lines} == {(0, "pause")}
    judged = [line for line in lines if line["event"] == "site.judged"]
    assert {(line["site"], line["level"]) for line in judged} == {("alpha", "debug"), ("beta", "warning")}


def test_every_kind_of_event_has_its_line(told_of_all: Told) -> None:
    """Climbs, batteries and leases are in the log like everything else."""
    events, lines = told_of_all
    assert Counter(line["event"] for line in lines) == events
    wanted = {"rung.ordered", "rung.published", "battery.issued", "licence.requested", "licence.issued"}
    assert wanted | {"lease.stopped"} <= set(events)


def test_an_escalation_is_loud_and_says_why(told_of_all: Told) -> None:
    """Whoever watches sees at once which site climbs, to what, and what it failed in."""
    (line,) = [line for line in told_of_all[1] if line["event"] == "rung.ordered"]
    assert line["level"] == "warning"
    assert (line["site"], line["rung"], line["control"], line["why"]) == ("beta", 1, "shutdown", "driver_failed")
    receipts = [line for line in told_of_all[1] if line["event"] == "receipt.received" and line.get("rung")]
    assert {(line["site"], line["control"], line["order"]) for line in receipts} == {
        ("beta", "shutdown", line["order"])
    }


def test_obeying_what_must_be_refused_is_an_error_and_refusing_it_is_none(told_of_all: Told) -> None:
    """A battery's refusals fill no screen, and the one acceptance cannot be missed."""
    answers = [line for line in told_of_all[1] if "case" in line]
    assert {line["level"] for line in answers if line["outcome"] == "refused"} == {"debug"}
    assert {(line["level"], line["case"]) for line in answers if line["outcome"] != "refused"} == {("error", "expired")}
