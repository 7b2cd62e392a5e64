"""Agents whose gate fails, and devices that outlive their decommissioning: what a battery and a census make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from agents import admission
from orchestrator.core.battery import BatteryCase
from orchestrator.core.grades import Verdict
from protocols.controls import (
    Actor,
    ArmedSite,
    DecommissionParams,
    RefusalParams,
    RunCapParams,
)
from protocols.envelope import Envelope
from protocols.messages import Order, Warrant
from protocols.mock_config import Fault
from protocols.reasons import Reason
from protocols.trust import Accepted, Noted, Refused, SiteTrust, admit_order
from protocols.trust.admission import Admission
from tests.simulation import bent_sites
from tests.simulation.bent_parties import bend_agent, halt
from tests.simulation.flawed import HONEST, Flaw, checked, flawed_sites, word
from tests.simulation.harness import Played, Simulation, names, step_of
from tests.virtual import run_virtual

BATTERY = 1
"""The step that is a battery; the one before it left an order that can be replayed."""

Slip = Callable[[Refused, Order, Warrant], Admission]


def obeys(reason: Reason, *, step: int = BATTERY) -> Slip:
    """Return a gate's slip: an order that is to be refused for this reason is obeyed."""

    def slip(refused: Refused, order: Order, warrant: Warrant) -> Admission:
        if (refused.reason, order.step) != (reason, step):
            return refused
        asked = warrant.steps[order.step]
        return Accepted(order, refused.digest, warrant, asked, asked.rungs[0], 1_000_000_000, 0, frozenset({"nobody"}))

    return slip


def _confuses(refused: Refused, order: Order, warrant: Warrant) -> Admission:
    return Refused(Reason.EXPIRED, "it is always too late", refused.order, refused.digest)


def _ignores(refused: Refused, order: Order, warrant: Warrant) -> Admission:
    silent = refused.reason is Reason.NOT_IN_AUDIENCE
    return Noted(order, refused.digest, warrant, matters=False, now_ns=0) if silent else refused


CASES: dict[str, Slip] = {
    "forged": obeys(Reason.UNKNOWN_KEY),
    "tampered": obeys(Reason.BAD_SIGNATURE),
    "expired": obeys(Reason.EXPIRED),
    "under_threshold": obeys(Reason.UNDER_THRESHOLD),
    "other_audience": obeys(Reason.NOT_IN_AUDIENCE),
    "not_an_exercise": obeys(Reason.NOT_AN_EXERCISE),
    "spent": obeys(Reason.RELEASED),
    "replayed": obeys(Reason.RELEASED, step=0),
}


def bend_gates(monkeypatch: pytest.MonkeyPatch, slips: Mapping[str, Slip]) -> None:
    """Have the gates of some sites' agents slip on what they are to refuse."""

    def bent(order: Envelope, warrant: Envelope, trust: SiteTrust, *rest: Any, actor: Actor, **more: Any) -> Admission:
        found = admit_order(order, warrant, trust, *rest, actor=actor, **more)
        slip = slips.get(trust.record.site.replace("-", "_"))
        if slip is None or actor is not Actor.AGENT or not isinstance(found, Refused):
            return found
        said = Order.model_validate_json(order.payload), Warrant.model_validate_json(warrant.payload)
        return slip(found, *said)

    monkeypatch.setattr(admission, "admit_order", bent)


def test_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever obeys any one order of the battery, halts on it, mistakes its reason or ignores it, is found."""

    def named(name: str) -> Flaw:
        def nothing(sites: Simulation, site: str) -> None:
            """The flaw is in the site's gate."""

        nothing.__name__ = name
        return nothing

    def halts(sites: Simulation, site: str) -> None:
        def slip(refused: Refused, order: Order, warrant: Warrant) -> Admission:
            if refused.reason is Reason.EXPIRED:
                halt(sites, site)
            return refused

        slips["halts"] = slip

    slips: dict[str, Slip] = CASES | {"confuses": _confuses, "ignores": _ignores}
    assert set(CASES) == {case.value for case in BatteryCase}
    bend_gates(monkeypatch, slips)

    async def scene() -> None:
        async with flawed_sites(*map(named, slips), halts, Fault.DEAF_AGENT) as sites:
            controls = (RunCapParams(), RefusalParams())  # two approvals, so that one is too few
            played = await sites.drill(sites.warrant(*(step_of(sites, params) for params in controls)))
            sites.mend()
            found = checked(played, BATTERY)
            assert {case: found.pop(case) for case in CASES} == dict.fromkeys(CASES, "contradicted (obeyed)")
            assert found == {
                "confuses": "unproven (wrong_reason)",
                "ignores": "unproven (unanswered)",
                "halts": "broken (steady_broken)",
                "deaf_agent": "unproven (silent)",
            }

    run_virtual(scene())


# -- decommission ----------------------------------------------------------------------------------


def fire_of(nonces: Mapping[str, str]) -> DecommissionParams:
    """Return what fires sites that were armed with these nonces."""
    armed = tuple(ArmedSite(site=site, nonce=nonce) for site, nonce in sorted(nonces.items()))
    return DecommissionParams(phase="fire", armed=armed)


async def armed(sites: Simulation) -> dict[str, str]:
    """Arm every site; return the nonces that were signed."""
    arm = step_of(sites, DecommissionParams(phase="arm", armed_for_s=600.0))
    played = await sites.drill(sites.warrant(arm))
    assert played.report.verified
    return {site: result.receipts.armed for site, result in played.results().items() if result.receipts.armed}


async def fired(sites: Simulation, nonces: Mapping[str, str]) -> Played:
    """Fire at every site under a warrant of its own."""
    return await sites.drill(sites.warrant(step_of(sites, fire_of(nonces))))


def test_decommission() -> None:
    """What survives, was moved away or is there again is not gone, and neither is what an agent only claims."""

    async def scene() -> None:
        flaws = (Fault.UNDEAD_DEVICE, Fault.LYING_AGENT, bent_sites.moves_its_devices, bent_sites.rises_again)
        async with flawed_sites(*flaws) as sites:
            played = await fired(sites, await armed(sites))
            sites.mend()
            assert checked(played, 0) == {
                "undead_device": "contradicted (active_after_report)",
                "lying_agent": "contradicted (active_after_report)",
                "moves_its_devices": "contradicted (active_after_report)",
                "rises_again": "broken (came_back)",
            }

    run_virtual(scene())


def test_who_is_not_armed_is_not_fired() -> None:
    """A site that refused to be armed, and one whose nonce is misquoted, refuse to fire; the armed one is gone."""

    async def scene() -> None:
        async with Simulation((HONEST, "misquoted", "unarmed"), vetoes={"unarmed"}) as sites:
            nonces = await armed(sites)
            assert set(nonces) == {HONEST, "misquoted"}
            sites.vetoes.clear()
            played = await fired(sites, nonces | {"misquoted": "0f" * 16, "unarmed": nonces["misquoted"]})
            assert checked(played, 0) == dict.fromkeys(("misquoted", "unarmed"), "refused (refused)")
            refused = {result.receipts.refused for result in played.results().values()}
            assert refused == {None, Reason.NOT_ARMED}
            gone = {site: built.world.devices.destroyed for site, built in sites.sites.items()}
            assert gone == {HONEST: True, "misquoted": False, "unarmed": False}

    run_virtual(scene())


def test_a_warrant_from_before_the_arming_fires_nothing() -> None:
    """Approved before, with nonces that somebody foretold, it is refused everywhere; approved afterwards, it fires."""
    foretold = "5c" * 16

    def foretell(sites: Simulation) -> None:
        for site in sites.sites:
            bend_agent(sites, site, nonce=lambda: foretold)

    async def scene() -> None:
        async with Simulation(names(2), adjust=foretell) as sites:
            fire = fire_of(dict.fromkeys(sites.site_names, foretold))
            early = sites.warrant(step_of(sites, fire))
            await sites.clock.sleep(2)
            assert set((await armed(sites)).values()) == {foretold}
            refused = await sites.drill(early)
            assert {result.receipts.refused for result in refused.results().values()} == {Reason.ARMED_BEFORE}
            assert not any(built.world.devices.destroyed for built in sites.sites.values())
            done = await sites.drill(sites.warrant(step_of(sites, fire)))
            assert {word(result) for result in done.results().values()} == {Verdict.VERIFIED.value}

    run_virtual(scene())
