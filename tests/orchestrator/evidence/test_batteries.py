"""Refusal batteries: each order is wrong in just the way that its case says, and no case is left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from orchestrator.core import events as ev
from orchestrator.core.battery import EXPECTED, BatteryCase
from orchestrator.core.grades import Verdict
from orchestrator.core.runs import LATE_CASES
from orchestrator.evidence.findings import VerifyReport
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.journal.chain import decode_record
from orchestrator.runtime.battery import one_approval
from protocols.envelope import Envelope, parse_envelope, seal
from protocols.ids import format_utc
from protocols.messages import Order, Outcome
from protocols.trust import Refused, SiteMemory, admit_order
from tests import kit
from tests.orchestrator.evidence.scenes import DISPATCHER, STRANGER, Edit, Refusal, broken
from tests.orchestrator.recorder import Recorded

Case = BatteryCase
Change = Callable[[Refusal, Order], bytes | None]


@cache
def honest() -> Recorded:
    """The battery as it should be."""
    return Refusal().record()


def check(drill: Recorded) -> VerifyReport:
    """Verify a recorded drill's bundle against its own root."""
    return verify_bundle(drill.bundle, roots=drill.roots)


def first(report: VerifyReport) -> str:
    """Return the first finding."""
    return str(report.findings[0]) if report.findings else "no finding"


def test_an_honest_battery_verifies() -> None:
    """Every site refused every order rightly and worked on, and the envelopes of the battery are counted."""
    report = check(honest())
    assert report.findings == ()
    assert report.result == honest().result
    for site in honest().result.steps[1].sites:
        assert site.result.verdict is Verdict.VERIFIED
        assert {answer.case for answer in site.result.battery} == set(BatteryCase)
        assert all(answer.right for answer in site.result.battery)
    without = sum(count for kind, count in report.counts.events.items() if kind in CARRY_ONE)
    assert report.counts.envelopes == without + len(BatteryCase) + 1  # and the seal


CARRY_ONE = {
    "document.held",
    "challenge.issued",
    "order.issued",
    "release.issued",
    "recall.issued",
    "receipt.received",
    "reading.received",
    "closing.received",
}


def battery_of(drill: Recorded) -> tuple[ev.BatteryOrder, ...]:
    """Return the orders of a recorded battery."""
    events = (decode_record(line, where="").event for line in drill.records)
    return next(event.orders for event in events if isinstance(event, ev.BatteryIssued))


def test_what_the_verifier_calls_a_good_case_is_refused_for_it_by_the_agents_own_gate() -> None:
    """The cases are no invention of the verifier's: `admit_order` gives each its reason."""
    drill = honest()
    warrant = next(
        parse_envelope(envelope)
        for envelope in _documents(drill)
        if parse_envelope(envelope).payload_type.startswith("application/vnd.haltdrill.warrant")
    )
    released = frozenset((warrant.digest, 1, step) for step in (0, 1))
    for order in battery_of(drill):
        memory = SiteMemory(released=released if order.case in LATE_CASES else frozenset())
        approved = warrant if order.warrant == "whole" else _alone(warrant, drill)
        answer = admit_order(
            parse_envelope(order.envelope.encode()),
            approved,
            drill.fleet.site_trust("alpha"),
            memory,
            now_ns=kit.NOW_NS + 3_000_000_000,
        )
        assert isinstance(answer, Refused), order.case
        assert answer.reason is EXPECTED[order.case]


def _documents(drill: Recorded) -> list[bytes]:
    events = (decode_record(line, where="").event for line in drill.records)
    return [event.envelope.encode() for event in events if isinstance(event, ev.DocumentHeld)]


def _alone(warrant: Envelope, drill: Recorded) -> Envelope:
    return parse_envelope(one_approval(warrant.raw, drill.fleet.trust().approvers.keys))


def signed(label: str = DISPATCHER, **changes: object) -> Change:
    """Send an order with other fields, signed by somebody."""
    return lambda _, order: seal(order.model_copy(update=changes), kit.key_of(label))


def left_out(_: Refusal, order: Order) -> None:
    """Send none."""


def stale_nonce(scene: Refusal, order: Order) -> bytes:
    """Send an order with the nonce of the first challenge."""
    return seal(order.model_copy(update={"nonce": scene.drill.nonces[1]}), kit.key_of(DISPATCHER))


KNOWN = "it is signed under the id of a key of this fleet"
NAMES = "it names something else than the refusal step"
BAD_CASES: list[tuple[Case, Change, str]] = [
    (Case.FORGED, signed(), KNOWN),
    (Case.FORGED, signed(kit.operator_label("beta")), KNOWN),
    (Case.FORGED, signed(kit.witness_label("beta", "w2")), KNOWN),
    (Case.FORGED, signed(kit.root_label("board")), KNOWN),
    (Case.FORGED, signed(STRANGER, step=0), NAMES),
    (Case.FORGED, signed(STRANGER, use=2), "it is for use 2"),
    (Case.FORGED, left_out, "it leaves out forged"),
    (Case.TAMPERED, signed(), "its signature is right"),
    (Case.TAMPERED, signed(STRANGER), "it is not under the key id of the drill's dispatcher"),
    (Case.TAMPERED, lambda _, o: broken(seal(o.model_copy(update={"step": 0}), kit.key_of(DISPATCHER))), NAMES),
    (Case.TAMPERED, left_out, "it leaves out tampered"),
    (Case.EXPIRED, signed(expires_at=format_utc(kit.NOW_NS + 20_000_000_000)), "it had not expired"),
    (Case.EXPIRED, signed(issued_at=format_utc(kit.NOW_NS - 600_000_000_000)), "it lives"),
    (Case.EXPIRED, signed(step=0), NAMES),
    (Case.EXPIRED, signed(STRANGER), "it is not under the key id of the drill's dispatcher"),
    (Case.UNDER_THRESHOLD, left_out, "it leaves out under_threshold"),
    (Case.UNDER_THRESHOLD, signed(step=0), NAMES),
    (Case.OTHER_AUDIENCE, signed(site=None), "it names no site, or one that the fleet has"),
    (Case.OTHER_AUDIENCE, signed(site="alpha"), "it names no site, or one that the fleet has"),
    (Case.OTHER_AUDIENCE, signed(rung=1), NAMES),
    (Case.NOT_AN_EXERCISE, signed(status="exercise"), "its status is exercise"),
    (Case.NOT_AN_EXERCISE, signed(site="alpha", status="actual"), "it is for one site only"),
    (Case.SPENT, signed(status="actual"), "its status is actual"),
    (Case.SPENT, signed(step=0), NAMES),
    (Case.SPENT, lambda _, order: broken(seal(order, kit.key_of(DISPATCHER))), "its signature is wrong"),
    (Case.SPENT, stale_nonce, "its nonce was used before"),
    (Case.SPENT, left_out, "it leaves out spent"),
    (Case.REPLAYED, signed(step=0), "it is not, byte for byte, the order of an earlier step"),
    (Case.REPLAYED, left_out, "it leaves out replayed"),
]


@pytest.mark.parametrize(("case", "change", "what"), BAD_CASES)
def test_a_case_that_is_not_what_it_says_is_found_out(case: Case, change: Change, what: str) -> None:
    """A battery that was weaker than it says, or that could have halted something, is no evidence of anything."""
    report = check(Refusal(cases={case: change}).record())
    assert what in first(report), report.findings[:3]
    assert "battery.issued, step 1" in first(report)
    assert what.startswith("it leaves out") or f"case {case}: " in first(report)


@pytest.mark.parametrize(("case", "mark"), [(Case.UNDER_THRESHOLD, "whole"), (Case.FORGED, "one_approval")])
def test_the_warrant_that_goes_with_a_case_is_the_right_one(case: Case, mark: str) -> None:
    """Only the case of too few approvals comes with too few approvals."""
    report = check(Refusal(marks={case: mark}).record())
    assert f"case {case}: the warrant that goes with it has the wrong approvals" in first(report)


def doubled(_: Refusal, event: ev.BatteryIssued) -> ev.BatteryIssued:
    """Send one case twice."""
    return event.model_copy(update={"orders": (*event.orders, event.orders[0])})


def as_order(scene: Refusal, event: ev.BatteryIssued) -> ev.OrderIssued:
    """Give one real order in place of the battery."""
    return ev.OrderIssued(step=1, envelope=seal(scene.order(1), kit.key_of(DISPATCHER)).decode())


def as_battery(scene: Refusal, event: ev.OrderIssued) -> ev.BatteryIssued:
    """Give a battery in place of a step's order."""
    case = ev.BatteryOrder(case=Case.SPENT, envelope=event.envelope)
    return ev.BatteryIssued(step=event.step, orders=(case,))


@pytest.mark.parametrize(
    ("kind", "edit", "what"),
    [
        (ev.BatteryIssued, doubled, "it has two orders of the case forged"),
        (ev.BatteryIssued, as_order, "a refusal step is a battery, and orders nothing"),
        (ev.OrderIssued, as_battery, "its step is no refusal"),
        (ev.BatteryIssued, lambda _, event: event.model_copy(update={"step": 0}), "step 0 is not the one"),
    ],
)
def test_a_battery_belongs_to_a_refusal_step_and_has_each_case_once(kind: type, edit: Edit, what: str) -> None:
    """Where a battery stands, and what it is made of, is not the dispatcher's to choose."""
    assert what in first(check(Refusal(edits={kind: edit}).record()))


class Leaky(Refusal):
    """Sends the spent order before the release: then it is a good order for a step that acts on nothing."""

    def _answers(self, battery: dict[Case, bytes], *, late: bool) -> None:
        if not late:
            super()._answers(battery, late=False)
            super()._answers({Case.SPENT: battery[Case.SPENT]}, late=True)


def test_the_spent_order_is_not_sent_before_its_step_is_released() -> None:
    """What answers it before then shows that it was no spent order yet."""
    report = check(Leaky().record())
    assert "it answers the spent order of a refusal battery" in first(report)


class Unanswered(Refusal):
    """Nobody answers the step before."""

    def receipt(self, site: str, order: Order, outcome: Outcome) -> None:
        """Say nothing."""


def test_what_nobody_answered_is_not_replayed() -> None:
    """The replayed case is demanded exactly where this drill has an order that was answered."""
    assert check(Unanswered(cases={Case.REPLAYED: left_out}).record()).findings == ()
    assert "nobody had answered it before" in first(check(Unanswered().record()))
