"""Leases through the real runtime: licences are renewed, then not, and an old one prolongs nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Cause, Verdict
from orchestrator.evidence.bundle import export_bundle
from orchestrator.evidence.verifier import verify_bundle
from protocols.controls import Control, LeaseParams
from protocols.messages import Message
from tests.kit import DISPATCHERS, dispatcher_label, key_of, make_fleet
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.virtual import run_virtual

LEASE = LeaseParams(licence_s=3.0, renewed_s=6.0)


def play(script: Script) -> tuple[Stage, Drill, list[str]]:
    """Run a lease at two sites, of which the second follows the script; return what was published to it too."""
    fleet = make_fleet(("alpha", "beta"), record={"controls": tuple(Control)})
    stage = Stage(fleet, {"beta": script})
    licences: list[bytes] = []
    route = stage.broker.route

    def watching(topic: str, payload: bytes, *, retain: bool = False) -> None:
        if topic == fleet.topics.licences("alpha"):
            licences.append(payload)
        route(topic, payload, retain=retain)

    stage.broker.route = watching  # type: ignore[method-assign]
    drill = run_virtual(stage.play(fleet.warrant(fleet.step(params=LEASE, hold_s=22.0))))
    return stage, drill, [payload.decode() for payload in licences]


def test_an_honest_site_halts_when_its_last_licence_ends(tmp_path: Path) -> None:
    """It works while it is licensed, though the last licence is played on and on, and is quiet in time."""
    stage, drill, licences = play(Script())
    assert drill.passed
    result = drill.results[0, "beta"]
    assert result.response_upper_ns is not None
    assert result.response_upper_ns < 2_000_000_000  # counted from the last licence's expiry
    assert licences.count(licences[-1]) > 10
    path = tmp_path / "bundle.jsonl"
    export_bundle(stage.store, drill.drill, key_of(dispatcher_label(DISPATCHERS[0])), path)
    assert verify_bundle(path.read_bytes(), fleet=stage.fleet.fleet, now_ns=stage.fleet.now_ns).findings == ()


@pytest.mark.parametrize(
    ("script", "verdict", "cause"),
    [
        (Script(caches_licences=True), Verdict.UNPROVEN, Cause.DISSENT),
        (Script(never_renews=True), Verdict.UNPROVEN, Cause.LAPSED_EARLY),
        (Script(refuses=True), Verdict.REFUSED, Cause.REFUSED),
        (Script(silent=True), Verdict.UNPROVEN, Cause.SILENT),
        (Script(stays_down=True), Verdict.NOT_RESTORED, Cause.NOT_SEEN_BACK),
    ],
    ids=["caches licences", "lapses too early", "refuses", "deaf", "stays down"],
)
def test_each_fault_fails_and_touches_nobody_else(script: Script, verdict: Verdict, cause: Cause) -> None:
    """A licence that is kept and counted again, or a site that did not work while it was licensed, is no pass."""
    _, drill, _ = play(script)
    assert (drill.results[0, "beta"].verdict, drill.results[0, "beta"].cause) == (verdict, cause)
    assert drill.results[0, "alpha"].passed


def test_an_abort_ends_the_licences() -> None:
    """After the abort nothing is renewed and nothing sent again."""
    fleet = make_fleet(("alpha",), record={"controls": tuple(Control)})
    stage, seen, renewed = Stage(fleet), list[str](), asyncio.Event()
    published: list[bool] = []
    route = stage.broker.route

    def watching(topic: str, payload: bytes, *, retain: bool = False) -> None:
        if topic == fleet.topics.licences("alpha"):
            published.append(stage.running.drill.aborted)
        route(topic, payload, retain=retain)

    stage.broker.route = watching  # type: ignore[method-assign]

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        seen.append(stamped.event.type)
        if isinstance(stamped.event, ev.LicenceIssued):
            renewed.set()

    async def stop(stage: Stage) -> None:
        await renewed.wait()
        stage.running.abort("enough")

    drill = run_virtual(
        stage.play(fleet.warrant(fleet.step(params=LEASE, hold_s=22.0)), observers=[note], meanwhile=stop)
    )
    assert drill.aborted
    assert published == [False]
    assert not {"licence.issued", "licence.requested", "lease.stopped"} & set(seen[seen.index("drill.aborted") :])
