"""The log that a drill writes while it runs: what is in it, at what level, and how much."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from protocols.controls import Control, LeaseParams, RefusalParams, ShutdownParams
from protocols.messages import Rung
from protocols.reasons import Reason
from tests.kit import make_fleet
from tests.orchestrator.logbook.written import Written, run_written
from tests.orchestrator.runtime.scripted import Script, Stage

SILENT = {
    "document.held",
    "challenge.issued",
    "reading.received",
    "closing.received",
    "recall.issued",
    "licence.requested",
    "licence.issued",
}
"""Events without a line: they come by challenge or by reading, and are in the journal."""

ADDED = {"site.enlisted", "site.changed", "drill.progress"}
"""Lines that are no event of the journal."""

OF_AN_ORDER = {"order.issued", "order.published", "release.issued", "release.published", "receipt.received"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Run a drill in which one site refuses."""
    stage = Stage(make_fleet(("alpha", "beta")), {"beta": Script(refuses=True)})
    return run_written(stage, stage.fleet.warrant(hold_s=12.0), tmp_path_factory.mktemp("log") / "log")


@pytest.fixture(scope="module")
def told_of_all(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Run a pause that one site climbs from, then a battery that it obeys in part, then a lease."""
    fleet = make_fleet(("alpha", "beta"), record={"controls": tuple(Control)})
    stage = Stage(fleet, {"beta": Script(fails=True, mends_at=1, gullible=frozenset({Reason.EXPIRED}))})
    rung = Rung(params=ShutdownParams(grace_s=1.0), response_limit_s=4.0)
    steps = (
        fleet.step(hold_s=17.0, ladder=(rung,)),
        fleet.step(name="refuse", params=RefusalParams()),
        fleet.step(name="let-lapse", params=LeaseParams(licence_s=2.0, renewed_s=3.0), hold_s=12.0),
    )
    return run_written(stage, fleet.warrant(*steps), tmp_path_factory.mktemp("log") / "log")


@pytest.mark.parametrize("which", ["told", "told_of_all"])
def test_there_is_a_line_for_each_event(which: str, request: pytest.FixtureRequest) -> None:
    """The log is the journal's shadow, without what comes by the million: the same names, as often."""
    written: Written = request.getfixturevalue(which)
    named = Counter(line["event.action"] for line in written.lines)
    assert {name for name in written.events if name not in named} <= SILENT
    assert {name: count for name, count in named.items() if name not in ADDED} == {
        name: count for name, count in written.events.items() if name not in SILENT
    }
    assert {line["drill"] for line in written.lines} == {written.stage.running.drill.drill}


def test_every_kind_of_step_has_its_lines(told_of_all: Written) -> None:
    """Climbs, batteries and leases are in the log like everything else."""
    wanted = {"rung.ordered", "rung.published", "battery.issued", "lease.stopped"}
    assert wanted <= {line["event.action"] for line in told_of_all.lines}


def test_what_is_about_an_order_names_it(told: Written) -> None:
    """Whoever searches the logs for one order finds its issue, publishing, receipts, release and verdicts."""
    lines = [line for line in told.lines if line["event.action"] in OF_AN_ORDER | {"site.judged"}]
    assert {line["event.action"] for line in lines} == OF_AN_ORDER | {"site.judged"}
    assert len({line["order"] for line in lines}) == 1
    assert {(line["step"], line["control"]) for line in lines} == {(0, "pause")}
    judged = [line for line in lines if line["event.action"] == "site.judged"]
    assert {(line["site"], line["log.level"]) for line in judged} == {("alpha", "debug"), ("beta", "warning")}


def test_no_line_after_the_order_lacks_it(told_of_all: Written) -> None:
    """From its order to its end, every line about a step names the order, and a climbing site's its own rung's."""
    lines = told_of_all.lines
    (climb,) = [line for line in lines if line["event.action"] == "rung.ordered"]
    ordered = next(line for line in lines if line["event.action"] == "order.issued")
    about = [
        line
        for line in lines[lines.index(climb) :]
        if line.get("step") == 0 and line["event.action"] in {"site.changed", "step.ended", "site.judged"}
    ]
    assert {line["order"] for line in about if line.get("site") == "beta"} == {climb["order"]}
    assert {line["order"] for line in about if line.get("site") != "beta"} == {ordered["order"]}


def test_an_escalation_is_loud_and_says_why(told_of_all: Written) -> None:
    """Whoever watches sees at once which site climbs, to what, and what it failed in."""
    (line,) = [line for line in told_of_all.lines if line["event.action"] == "rung.ordered"]
    assert line["log.level"] == "warning"
    assert (line["site"], line["rung"], line["control"], line["why"]) == ("beta", 1, "shutdown", "driver_failed")
    receipts = [line for line in told_of_all.lines if line["event.action"] == "receipt.received" and line.get("rung")]
    assert {(line["site"], line["control"], line["order"]) for line in receipts} == {
        ("beta", "shutdown", line["order"])
    }


def test_obeying_what_must_be_refused_is_an_error_and_refusing_it_is_none(told_of_all: Written) -> None:
    """A battery's refusals fill no screen, and the one acceptance cannot be missed."""
    answers = [line for line in told_of_all.lines if "case" in line]
    assert {line["log.level"] for line in answers if line["outcome"] == "refused"} == {"debug"}
    assert {(line["log.level"], line["case"]) for line in answers if line["outcome"] != "refused"} == {
        ("error", "expired")
    }


def test_progress_counts_every_site(told_of_all: Written) -> None:
    """Whoever reads only the summaries sees the whole fleet in each, also those of which nothing is known."""
    counted = [line["counts"] for line in told_of_all.lines if line["event.action"] == "drill.progress"]
    assert {sum(count["sites"] for count in counts) for counts in counted} == {2}


def test_at_info_there_is_no_line_of_a_site_that_does_well(tmp_path: Path) -> None:
    """The volume at info does not grow with the fleet: what is told of single sites is what went wrong."""
    stage = Stage(make_fleet(("alpha", "beta")), {"beta": Script(lies=True)})
    written = run_written(stage, stage.fleet.warrant(hold_s=12.0), tmp_path / "log", level="info")
    sites = [line for line in written.lines if "site" in line]
    assert {line["site"] for line in sites} == {"beta"}
    assert {line["event.action"] for line in sites} == {"site.changed", "site.judged"}
    assert {line["log.level"] for line in sites} == {"error"}
    assert Counter(line["event.action"] for line in sites)["site.changed"] == 1
