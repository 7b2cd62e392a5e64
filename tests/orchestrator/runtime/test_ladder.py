"""Escalation through the real runtime on virtual time: who climbs, how far, and why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.core import events as ev
from orchestrator.core.grades import Cause, Verdict
from orchestrator.core.states import Phase
from orchestrator.evidence.bundle import export_bundle
from orchestrator.evidence.verifier import verify_bundle
from protocols.controls import Control, PowerCutParams, ShutdownParams
from protocols.envelope import split_frame
from protocols.messages import Message, OffLevel, Order, Outcome, Receipt, Rung
from protocols.reasons import Reason
from protocols.signals import FEED, LIVE_PROCESSES, POWER
from tests.kit import APPROVERS, CPU_SIGNAL, DISPATCHERS, Fleet, dispatcher_label, key_of, make_fleet
from tests.orchestrator.runtime.parts import OFF_W
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.virtual import run_virtual

SITES = ("alpha", "beta", "gamma")
LADDER = (
    Rung(params=ShutdownParams(grace_s=1.0), response_limit_s=4.0),
    Rung(params=PowerCutParams(), response_limit_s=4.0),
)


class Seen(list[ev.Event]):
    """Every event of a drill, in order."""

    def __call__(self, stamped: ev.Stamped, _said: Message | None) -> None:
        self.append(stamped.event)

    def climbs(self, site: str) -> list[tuple[int, Cause]]:
        """Return the rungs that a site climbed to, each with the reason."""
        return [(event.rung, event.why) for event in self if isinstance(event, ev.RungOrdered) and event.site == site]


def fleet_with_power(sites: tuple[str, ...] = SITES) -> Fleet:
    """Make a fleet whose sites may be cut off, and are metered."""
    return make_fleet(
        sites,
        enforcers=1,
        covers=(CPU_SIGNAL, LIVE_PROCESSES, POWER, FEED),
        off_levels=(OffLevel(signal=POWER, at_most=OFF_W + 10),),
        record={"controls": tuple(Control)},
    )


MISBEHAVING = {
    "refuses": Script(refuses=True),
    "deaf": Script(silent=True),
    "fails-once": Script(fails=True, mends_at=1),
    "fails": Script(fails=True),
    "lies-once": Script(lies=True, mends_at=1),
    "nobody-there": Script(silent=True, no_enforcer=True),
    "just-in-time": Script(delay_s=4.0),
    "one-blind-witness": Script(blind=frozenset({"w3"})),
    "breaks": Script(resumes_after_s=4.0),
}
HONEST = ("north", "south")


@pytest.fixture(scope="module")
def played() -> tuple[Stage, Seen]:
    """Run a pause of 5 s, with a shutdown and a power cut above it, at sites that misbehave each in its own way."""
    fleet, seen = fleet_with_power((*MISBEHAVING, *HONEST)), Seen()
    stage = Stage(fleet, MISBEHAVING)
    step = fleet.step(hold_s=30.0, ladder=LADDER)
    run_virtual(stage.play(fleet.warrant(step), observers=[seen]))
    return stage, seen


@pytest.mark.parametrize(
    ("site", "climbs", "verdict", "cause"),
    [
        ("refuses", [Cause.REFUSED, Cause.REFUSED], Verdict.LATE, Cause.ESCALATED),
        ("deaf", [Cause.SILENT, Cause.SILENT], Verdict.LATE, Cause.ESCALATED),
        ("fails-once", [Cause.DRIVER_FAILED], Verdict.LATE, Cause.ESCALATED),
        ("fails", [Cause.DRIVER_FAILED, Cause.DRIVER_FAILED], Verdict.LATE, Cause.ESCALATED),
        ("lies-once", [Cause.ACTIVE_AFTER_REPORT], Verdict.CONTRADICTED, Cause.ACTIVE_AFTER_REPORT),
        ("nobody-there", [Cause.SILENT, Cause.SILENT], Verdict.UNPROVEN, Cause.SILENT),
    ],
)
def test_a_site_climbs_for_its_own_cause_and_no_further_than_it_must(
    played: tuple[Stage, Seen], site: str, climbs: list[Cause], verdict: Verdict, cause: Cause
) -> None:
    """Each way to misbehave climbs, up to where it halts or the ladder ends, and is named."""
    stage, seen = played
    assert seen.climbs(site) == list(enumerate(climbs, start=1))
    result = stage.running.drill.results[0, site]
    assert (result.verdict, result.cause) == (verdict, cause)
    assert [rung.why_next for rung in result.rungs] == [*climbs, None]
    assert result.halted is (site != "nobody-there")
    if result.halted:
        assert result.total_upper_ns is not None
        assert result.response_upper_ns is not None
        assert result.response_upper_ns < 4_000_000_000 < result.total_upper_ns


@pytest.mark.parametrize("site", [*HONEST, "just-in-time", "one-blind-witness", "breaks"])
def test_no_site_is_escalated_that_a_quorum_saw_quiet(played: tuple[Stage, Seen], site: str) -> None:
    """Compliance is never cut off, even just in time, against one witness's dissent, or broken later."""
    stage, seen = played
    assert seen.climbs(site) == []
    result = stage.running.drill.results[0, site]
    assert result.passed is (site not in {"one-blind-witness", "breaks"})
    assert result.verdict is not Verdict.BROKEN or site == "breaks"


def test_everybody_is_back_and_the_evidence_holds(played: tuple[Stage, Seen], tmp_path: Path) -> None:
    """Who cut restores; and whoever holds the root alone finds the same of every rung."""
    stage, _ = played
    assert all(site.load.powered and site.load.active for site in stage.sites.values())
    path = tmp_path / "bundle.jsonl"
    export_bundle(stage.store, stage.running.drill.drill, key_of(dispatcher_label(DISPATCHERS[0])), path)
    assert verify_bundle(path.read_bytes(), fleet=stage.fleet.fleet, now_ns=stage.fleet.now_ns).findings == ()


def test_a_power_cut_alone_waits_for_the_enforcer() -> None:
    """A step that only an enforcer acts on asks no agent, and passes on what meter and controller say."""
    fleet = fleet_with_power(("alpha",))
    stage, seen = Stage(fleet, {"alpha": Script(silent=True)}), Seen()
    warrant = fleet.warrant(fleet.step(params=PowerCutParams(), hold_s=12.0))
    drill = run_virtual(stage.play(warrant, observers=[seen]))
    assert drill.results[0, "alpha"].verdict is Verdict.VERIFIED
    assert {receipt.by for _, receipt in drill.receipts["alpha"]} == {"e1"}
    assert stage.sites["alpha"].load.powered


def test_lost_rung_orders_are_sent_again() -> None:
    """The first publish of each rung's order is lost, and the site still ends up cut off in its time."""
    fleet = fleet_with_power(("alpha",))
    stage, seen = Stage(fleet, {"alpha": Script(silent=True)}), Seen()
    lost: set[bytes] = set()
    route = stage.broker.route

    def losing(topic: str, payload: bytes, *, retain: bool = False) -> None:
        if topic == fleet.topics.site_orders("alpha") and payload not in lost:
            lost.add(payload)
            return
        route(topic, payload, retain=retain)

    stage.broker.route = losing  # type: ignore[method-assign]
    drill = run_virtual(stage.play(fleet.warrant(fleet.step(hold_s=30.0, ladder=LADDER)), observers=[seen]))
    assert len(lost) == 2
    assert drill.results[0, "alpha"].cause is Cause.ESCALATED
    assert drill.results[0, "alpha"].halted


def test_an_abort_stops_every_climb() -> None:
    """After the abort no order of any rung leaves, not even again, and the sites go back to work."""
    fleet = fleet_with_power()
    stage, seen = Stage(fleet, {"beta": Script(silent=True)}), Seen()
    climbed = asyncio.Event()
    orders: list[Phase] = []
    route = stage.broker.route

    def watching(topic: str, payload: bytes, *, retain: bool = False) -> None:
        if topic != fleet.topics.stops and split_frame(payload)[0].payload_type == Order.payload_type():
            orders.append(stage.running.drill.phase)
        route(topic, payload, retain=retain)

    stage.broker.route = watching  # type: ignore[method-assign]

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        if isinstance(stamped.event, ev.RungPublished):
            climbed.set()

    async def stop(stage: Stage) -> None:
        await climbed.wait()
        stage.running.abort("enough")

    step = fleet.step(hold_s=30.0, ladder=LADDER)
    drill = run_virtual(stage.play(fleet.warrant(step), observers=[seen, note], meanwhile=stop))
    assert drill.aborted
    assert seen.climbs("beta") == [(1, Cause.SILENT)]
    assert set(orders) == {Phase.ORDERED}
    assert all(site.load.powered and site.load.active for site in stage.sites.values())


def test_a_lone_dispatcher_cannot_begin_at_the_top() -> None:
    """Whoever holds the dispatcher's key and the warrant orders the power cut at once: the enforcer refuses."""
    fleet = fleet_with_power(("alpha",))
    stage = Stage(fleet)
    warrant = fleet.warrant(fleet.step(hold_s=30.0, ladder=LADDER))
    said: list[Receipt] = []
    route = stage.broker.route

    def watching(topic: str, payload: bytes, *, retain: bool = False) -> None:
        if topic == fleet.topics.enforcer("alpha", "e1"):
            said.extend(Receipt.decode(envelope.payload) for envelope in split_frame(payload))
        route(topic, payload, retain=retain)

    stage.broker.route = watching  # type: ignore[method-assign]

    async def begin_at_the_top(stage: Stage) -> None:
        await stage.ordered.wait()
        await asyncio.sleep(0.5)
        order = fleet.rung_order(
            stage.running.drill.warrant,
            "alpha",
            2,
            drill=stage.running.drill.drill,
            issued_at=fleet.at(stage.clock.boot_ns() / 1e9),
            expires_at=fleet.at(stage.clock.boot_ns() / 1e9 + 60),
        )
        stage.broker.route(
            fleet.topics.site_orders("alpha"), fleet.order_frame(order, fleet.approve(warrant, APPROVERS))
        )

    drill = run_virtual(stage.play(warrant, meanwhile=begin_at_the_top))
    assert drill.passed
    assert {(receipt.rung, receipt.outcome, receipt.reason) for receipt in said} == {
        (0, Outcome.NOTED, None),
        (2, Outcome.REFUSED, Reason.RUNG_TOO_SOON),
    }
