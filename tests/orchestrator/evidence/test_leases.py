"""Leases: each licence answers its own request, none comes after the end of renewal, and times are the journal's."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from orchestrator.core import events as ev
from orchestrator.core.grades import Verdict
from orchestrator.evidence.findings import VerifyReport
from orchestrator.evidence.verifier import verify_bundle
from protocols.envelope import seal
from protocols.messages import Licence, LicenceRequest
from tests import kit
from tests.orchestrator.evidence.scenes import DISPATCHER, Edit, Lease, resigned
from tests.orchestrator.recorder import Recorded

ZEROS = "0" * 64
NOBODY = "signed by no key that may speak here"
OTHER_DRILL = "20261124t144358z-monthly-000000"


@cache
def honest() -> Recorded:
    """The lease as it should be."""
    return Lease().record()


def check(drill: Recorded) -> VerifyReport:
    """Verify a recorded drill's bundle against its own root."""
    return verify_bundle(drill.bundle, roots=drill.roots)


def first(report: VerifyReport) -> str:
    """Return the first finding."""
    return str(report.findings[0]) if report.findings else "no finding"


def test_an_honest_lease_verifies() -> None:
    """Each site halted when its last licence had run out, and requests and licences are in the evidence."""
    report = check(honest())
    assert report.findings == ()
    assert report.result == honest().result
    assert {site.result.verdict for site in honest().result.steps[0].sites} == {Verdict.VERIFIED}
    assert report.counts.events["licence.issued"] == report.counts.events["licence.requested"] > 4


def licence(**changes: Any) -> dict[type, Edit]:
    """Sign licences with other fields."""
    return {ev.LicenceIssued: lambda _, event: resigned(event, Licence, **changes)}


def request(label: str = "", **changes: Any) -> dict[type, Edit]:
    """Sign requests with other fields, or by somebody else."""
    return {
        ev.LicenceRequested: lambda _, event: resigned(
            event, LicenceRequest, label=label or kit.agent_label(event.site), **changes
        )
    }


def renewed_after_stop(scene: Lease, event: ev.LeaseStopped) -> list[ev.Event]:
    """Ask in time, and answer once renewal had stopped."""
    order = scene.drill.step.order_digest
    said = LicenceRequest(
        fleet=scene.fleet.fleet, site="alpha", order=order, drill=scene.drill.drill, nonce="ab" * 16, at=kit_at(scene)
    )
    asked = ev.LicenceRequested(
        site="alpha",
        arrival_ns=scene.claimed(scene.t_ns),
        envelope=seal(said, kit.key_of(kit.agent_label("alpha"))).decode(),
    )
    made = Licence(fleet=said.fleet, site="alpha", order=order, drill=said.drill, request=said.nonce)
    issued = ev.LicenceIssued(step=0, site="alpha", envelope=seal(made, kit.key_of(DISPATCHER)).decode())
    return [asked, event, issued]


def left_out(_scene: Lease, _event: ev.Event) -> list[ev.Event]:
    """Keep an event out of the journal."""
    return []


def kit_at(scene: Lease) -> str:
    """Return now as it stands in messages."""
    return kit.format_utc(scene.wall_ns)


BAD = [
    (licence(request="ab" * 16), "it quotes no request that the site's agent signed before it"),
    (licence(site="beta"), "it is for another site than its record says"),
    (licence(order=ZEROS), "it is for another order than the running lease's"),
    (licence(drill=OTHER_DRILL), "it is for another drill"),
    (licence(fleet=ZEROS), "it is for another fleet"),
    (licence(label=kit.approver_label("board")), NOBODY),
    ({ev.LicenceIssued: lambda _, event: [event, event]}, "the request that it quotes was answered before"),
    ({ev.LicenceRequested: left_out}, "it quotes no request"),
    ({ev.LicenceIssued: lambda _, event: event.model_copy(update={"step": 1})}, "step 1 is not the one"),
    ({ev.LeaseStopped: renewed_after_stop}, "it was issued after renewal had stopped"),
    ({ev.LeaseStopped: lambda _, event: [event, event]}, "renewal had stopped before already"),
    ({ev.LeaseStopped: lambda _, event: event.model_copy(update={"step": 1})}, "step 1 is not the one"),
    ({ev.LeaseStopped: left_out}, "its lease was renewed to the end"),
    (request(label="stranger"), NOBODY),
    (request(label=kit.agent_label("gamma")), NOBODY),
    (request(site="beta"), "made for another site"),
    (request(order=ZEROS), "it is for another order than the running lease's"),
    (request(drill=OTHER_DRILL), "it is for another drill"),
    (request(nonce="cd" * 16), "its nonce was used before"),
    (
        {ev.LicenceRequested: lambda _, event: event.model_copy(update={"arrival_ns": 0})},
        "it arrived before the order was given",
    ),
    (
        {ev.LicenceRequested: lambda _, event: event.model_copy(update={"arrival_ns": event.arrival_ns + 10**9})},
        "it arrived after it was written down",
    ),
    ({ev.LicenceRequested: lambda _, event: event.model_copy(update={"site": "gamma"})}, "not in the audience"),
]


@pytest.mark.parametrize(("edits", "what"), BAD)
def test_a_licence_that_nothing_calls_for_is_found_out(edits: dict[type, Edit], what: str) -> None:
    """Neither a licence, nor a request, nor the times that the expiry is computed from can be made up."""
    report = check(Lease(edits=edits).record())
    assert any(what in str(finding) for finding in report.findings), report.findings[:3]


class Stingy(Lease):
    """Stops renewing before the time that was approved."""

    renews_s = 0.6


class Generous(Lease):
    """Goes on renewing for longer than was approved."""

    renews_s = 6.5
    hold_s = 10.0


@pytest.mark.parametrize(("scene", "what"), [(Stingy, "renewal lasted 0."), (Generous, "it renews for longer")])
def test_renewal_lasts_as_long_as_was_approved(scene: type[Lease], what: str) -> None:
    """Neither less, so that the site's steady state under a licence is proved, nor so much that it never ends."""
    assert what in first(check(scene().record()))
