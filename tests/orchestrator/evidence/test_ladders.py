"""Ladders and enforcers: every climb is recomputed, and nobody speaks for somebody else."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from orchestrator.core import events as ev
from orchestrator.core.grades import Cause, Verdict
from orchestrator.evidence.findings import VerifyReport
from orchestrator.evidence.verifier import verify_bundle
from protocols.controls import Control, SlowdownParams
from protocols.envelope import seal
from protocols.ids import format_utc
from protocols.messages import Challenge, Order, Outcome, Receipt
from tests import kit
from tests.orchestrator.evidence.scenes import Edit, Ladder, payload_of, resigned
from tests.orchestrator.evidence.tamper import verdicts
from tests.orchestrator.recorder import Recorded

ZEROS = "0" * 64
LATE = format_utc(kit.NOW_NS - 60_000_000_000)
NOBODY = "signed by no key that may speak here"


@cache
def honest() -> Recorded:
    """The ladder as it should be."""
    return Ladder().record()


def check(drill: Recorded) -> VerifyReport:
    """Verify a recorded drill's bundle against its own root."""
    return verify_bundle(drill.bundle, roots=drill.roots)


def first(report: VerifyReport) -> str:
    """Return the first finding."""
    return str(report.findings[0]) if report.findings else "no finding"


def test_an_honest_climb_verifies_and_names_every_rung() -> None:
    """A site that climbed to the top of its ladder is late, each rung has its own times, and nobody else climbed."""
    report = check(honest())
    assert report.findings == ()
    assert report.result == honest().result
    by_site = {site.site: site for site in honest().result.steps[0].sites}
    climbed = by_site["beta"].result
    assert (climbed.verdict, climbed.cause) == (Verdict.LATE, Cause.ESCALATED)
    assert [rung.control for rung in climbed.rungs] == [Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT]
    assert climbed.rungs[-1].verdict is Verdict.VERIFIED
    assert climbed.total_upper_ns > climbed.rungs[-1].response_upper_ns
    assert by_site["alpha"].result.rungs == ()
    assert verdicts(honest().result)[0, "alpha"] is Verdict.VERIFIED
    assert not any("enforcer" in note for note in report.notes)


def test_the_result_states_the_ladder_and_who_may_lie_on_each_rung() -> None:
    """A reader sees what could have been ordered, and what each rung's witnesses tolerate."""
    step = honest().result.steps[0]
    assert [(rung.rung, rung.params.control) for rung in step.ladder] == [(1, "shutdown"), (2, "power_cut")]
    for site in step.sites:
        assert len(site.ladder_tolerates) == 3
        assert site.tolerates == site.ladder_tolerates[site.result.rung]


def on_rung(number: int, change: Edit) -> dict[type, Edit]:
    """Edit the order of one rung only."""
    return {ev.RungOrdered: lambda scene, event: change(scene, event) if event.rung == number else event}


def signed_again(**changes: Any) -> Edit:
    """Make an edit that signs a rung's order again with other fields."""
    return lambda _, event: resigned(event, Order, **changes)


def moved(**changes: Any) -> Edit:
    """Make an edit in which the record says the same as the order that was signed again."""
    return lambda _, event: resigned(event, Order, **changes).model_copy(update=changes)


def doubled(scene: Ladder, event: ev.RungOrdered) -> list[ev.RungOrdered]:
    """Order the same rung of the same site twice."""
    return [event, resigned(event, Order, nonce=scene.nonce())]


CLIMBS = [
    (signed_again(rung=2), "it orders another rung or site than its record says"),
    (signed_again(site="alpha"), "it orders another rung or site than its record says"),
    (moved(rung=2), "it orders rung 2, the site's next is 1"),
    (moved(rung=3), "it orders rung 3, the warrant's ladder ends at 2"),
    (moved(site="gamma"), "the site is not in the audience"),
    (moved(step=1), "step 1 is not the one that is running"),
    (doubled, "it orders rung 1, the site's next is 2"),
    (signed_again(step=1), "it orders step 1, its record says 0"),
    (signed_again(use=2), "it is for use 2"),
    (signed_again(warrant=ZEROS), "it names another warrant"),
    (signed_again(fleet=ZEROS), "it is for another fleet"),
    (signed_again(drill="20261124t144358z-monthly-000000"), "it is for another drill"),
    (signed_again(status="actual"), "it is no exercise"),
    (signed_again(issued_at=LATE), "from its record's time"),
    (signed_again(expires_at=format_utc(kit.NOW_NS + 300_000_000_000)), "it lives"),
    (lambda _, event: resigned(event, Order, label="stranger"), NOBODY),
    (lambda _, event: resigned(event, Order, label=kit.approver_label("board")), NOBODY),
    (lambda _, event: event.model_copy(update={"why": Cause.DISSENT}), "its record says dissent, the evidence gives"),
]


@pytest.mark.parametrize(("change", "what"), CLIMBS)
def test_a_rung_that_the_warrant_or_the_evidence_does_not_call_for_is_found_out(change: Edit, what: str) -> None:
    """A dispatcher can choose neither rung nor site nor time nor reason, whatever it signs and seals."""
    report = check(Ladder(edits=on_rung(1, change)).record())
    assert what in first(report), report.findings[:3]
    assert "rung.ordered, step" in first(report)


class Hasty(Ladder):
    """Gives the rung before less than its limit."""

    def climbs_after_s(self) -> float:
        return 0.3


class Spiteful(Ladder):
    """Has a site climb that had halted."""

    def climbing(self) -> str:
        return "alpha"


def test_a_rung_gets_its_time() -> None:
    """By the journal's own times no rung is ordered before the limit of the one before has passed."""
    assert "rung 0 was given 0." in first(check(Hasty().record()))


def test_a_site_that_complied_never_climbs() -> None:
    """Once a quorum saw it quiet nothing calls for a harsher rung, and an order for it is a finding."""
    assert "nothing called for it" in first(check(Spiteful().record()))


def after_the_end(scene: Ladder, event: ev.ReleaseIssued) -> list[ev.Event]:
    """Order a rung once more, after the release."""
    order, text = scene.made(scene.order(0, rung=1, site="alpha"))
    return [event, ev.RungOrdered(step=0, site="alpha", rung=order.rung, why=Cause.SILENT, envelope=text)]


def test_no_rung_is_ordered_after_the_release() -> None:
    """Once the step is released nobody is escalated any more."""
    assert "the step was over" in first(check(Ladder(edits={ev.ReleaseIssued: after_the_end}).record()))


@pytest.mark.parametrize(
    ("edits", "what"),
    [
        ({ev.RungPublished: lambda _, event: [event, event]}, "first publish ended before already"),
        (
            {ev.RungPublished: lambda _, event: event.model_copy(update={"site": "alpha"})},
            "was not ordered at this site",
        ),
        ({ev.OrderIssued: lambda _, event: resigned(event, Order, rung=1)}, "a step's own order is for rung 0"),
        ({ev.OrderIssued: lambda _, event: resigned(event, Order, site="beta")}, "a step's own order is for rung 0"),
        (
            {ev.ChallengeIssued: lambda _, event: resigned(event, Challenge, exercise=SlowdownParams())},
            "it has witnesses try another control",
        ),
        (
            {ev.ChallengeIssued: lambda _, event: resigned(event, Challenge, exercise=None)},
            "it has witnesses try another control",
        ),
    ],
)
def test_publishes_own_orders_and_challenges_are_held_to_the_ladder(edits: dict[type, Edit], what: str) -> None:
    """What goes with a ladder is checked like the rungs themselves."""
    assert what in first(check(Ladder(edits=edits).record()))


# -- receipts ------------------------------------------------------------------------------------


def of_enforcer(change: Edit) -> dict[type, Edit]:
    """Edit what beta's enforcer says."""

    def edit(scene: Ladder, event: ev.ReceiptReceived) -> Any:
        mine = event.site == "beta" and '"by":"e1"' in payload_of(event.envelope)
        return change(scene, event) if mine else event

    return {ev.ReceiptReceived: edit}


ENFORCER = kit.enforcer_label("beta", "e1")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda _, event: resigned(event, Receipt, label=ENFORCER, by="agent"), "it speaks for somebody else"),
        (lambda _, event: resigned(event, Receipt, label=ENFORCER, by="e2"), "it speaks for somebody else"),
        (lambda _, event: resigned(event, Receipt, label=kit.agent_label("beta")), "it speaks for somebody else"),
        (lambda _, event: resigned(event, Receipt, label=kit.enforcer_label("alpha", "e1")), NOBODY),
        (lambda _, event: resigned(event, Receipt, label=kit.witness_label("beta", "w1")), NOBODY),
        (lambda _, event: resigned(event, Receipt, label=ENFORCER, order=ZEROS), "it answers no order of this drill"),
        (lambda _, event: event.model_copy(update={"arrival_ns": 0}), "it arrived before the order was given"),
    ],
)
def test_an_enforcers_receipt_is_its_own(change: Edit, what: str) -> None:
    """It verifies under the key that the site's record gives to the enforcer it names, and under no other."""
    assert what in first(check(Ladder(edits=of_enforcer(change)).record()))


def elsewhere(scene: Ladder, event: ev.RungPublished) -> Any:
    """Have another site's agent answer a rung's order."""
    if event.rung != 1:
        return event
    order = scene.drill.step.rung("beta", 1)
    sender = scene.agents["alpha"]
    template = next(receipt for _, receipt in scene.drill.receipts["alpha"] if receipt.by == "agent")
    said = template.model_copy(update={"order": order.digest, "rung": 1, "link": sender.link(scene.t_ns)})
    text = seal(said, kit.key_of(sender.label)).decode()
    return [event, ev.ReceiptReceived(site="alpha", arrival_ns=scene.claimed(scene.t_ns), envelope=text)]


def test_nobody_answers_another_sites_rung() -> None:
    """A rung is ordered at one site, so only that site's agent and enforcers can answer it."""
    report = check(Ladder(edits={ev.RungPublished: elsewhere}).record())
    assert "it answers an order for site beta" in first(report)


class Blind(Ladder):
    """The enforcer cuts without having said that it saw the rungs before."""

    deaf_enforcer = True


class Sudden(Ladder):
    """The enforcer sees the shutdown's order only just before it cuts."""

    def noted(self, site: str, digest: str, rung: int) -> None:
        if rung != 1:
            super().noted(site, digest, rung)

    def before_cut(self, site: str) -> None:
        order = self.drill.step.rung(site, 1)
        self.said(self.enforcers[site], site, order.digest, Outcome.NOTED, by="e1", rung=1)


@pytest.mark.parametrize(
    ("scene", "what"),
    [(Blind, "no receipt here shows that it had seen rung 1"), (Sudden, "s after it had seen rung 1, of 0.400 s")],
)
def test_an_enforcer_that_cut_too_soon_by_its_own_account_is_noted(scene: type[Ladder], what: str) -> None:
    """It is the enforcer that broke its rule, so the evidence stands and the reader is told."""
    report = check(scene().record())
    assert report.verified, report.findings[:3]
    assert any("site beta: enforcer e1 acted on rung 2 of step 0" in note and what in note for note in report.notes)
