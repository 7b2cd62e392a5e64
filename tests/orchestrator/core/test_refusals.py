"""The refusal battery: what is sent when, to whom, and how answers are matched."""

from __future__ import annotations

import pytest

from orchestrator.core import events as ev
from orchestrator.core.battery import EXPECTED, BatteryCase
from orchestrator.core.concern import RECEIPTS_PER_RUNG
from orchestrator.core.intents import EndStep, IssueBattery, IssueRelease, RepeatStop, SendCase
from protocols.controls import RefusalParams
from protocols.messages import Order, Outcome
from protocols.reasons import Reason
from tests.kit import make_fleet
from tests.orchestrator.core.standing import SITES, Standing

STEP = make_fleet(SITES).step(params=RefusalParams())
EARLY = (BatteryCase.FORGED, BatteryCase.EXPIRED)


class Battery(Standing):
    """A drill whose battery was sent: a forged, an expired and a spent order."""

    def __init__(self) -> None:
        super().__init__((STEP,))
        self.orders: dict[BatteryCase, Order] = {
            case: self.fleet.order(self.warrant) for case in (*EARLY, BatteryCase.SPENT)
        }
        cases = tuple(ev.BatteryOrder(case=case, envelope=self.sealed(order)) for case, order in self.orders.items())
        self.apply(ev.BatteryIssued(step=0, orders=cases))
        self.apply(ev.OrderPublished(step=0))
        for case in EARLY:
            self.agenda.pacing.cases[case] = self.drill.now.ns

    def refuse(self, site: str, case: BatteryCase, reason: Reason | None = None) -> bool | Reason:
        """Have a site refuse one of them, with the right reason unless another is given."""
        said = self.answer(
            site, self.orders[case], Outcome.REFUSED, reason or EXPECTED[case], drill=case is not BatteryCase.FORGED
        )
        return self.hear(said)

    def answers(self, site: str) -> dict[BatteryCase, tuple[Reason | None, bool, bool]]:
        """Return how a site answered: reason, whether it obeyed, whether that is right."""
        (inputs,) = self.drill.rung_inputs(0, site, final=False)
        return {answer.case: (answer.refused, answer.obeyed, answer.right) for answer in inputs.battery}


def test_a_refusal_step_sends_its_battery_and_no_order() -> None:
    """There is no order that anybody might accept."""
    standing = Standing((STEP,))
    assert standing.due(5.0) == [IssueBattery(0)]


def test_who_has_not_answered_is_asked_again() -> None:
    """Each order goes again to the sites that owe an answer to it, and to all if all do; late ones wait."""
    battery = Battery()
    battery.refuse("alpha", BatteryCase.FORGED)
    assert battery.due(0.5) == []
    assert battery.due(2.0) == [SendCase(BatteryCase.FORGED, ("beta",)), SendCase(BatteryCase.EXPIRED, None)]
    for site in SITES:
        for case in EARLY:
            battery.refuse(site, case)
    assert battery.due(3.0) == []
    assert battery.due(7.0) == [IssueRelease(0)]


def test_nobody_is_asked_past_the_limit() -> None:
    """An answer has the response limit, and no longer."""
    battery = Battery()
    assert battery.due(4.9) != []
    assert battery.due(5.0) == []


def test_what_only_the_release_makes_wrong_follows_it() -> None:
    """The spent order goes out a challenge after the release, with the release once more before it."""
    battery = Battery()
    battery.at_s = 7.0
    battery.released()
    battery.agenda.pacing.stop_ns = battery.drill.now.ns
    assert battery.due(7.1) == []
    assert battery.due(7.3) == [RepeatStop(), SendCase(BatteryCase.SPENT, None)]
    battery.refuse("alpha", BatteryCase.SPENT)
    assert battery.due(7.4) == [RepeatStop(), SendCase(BatteryCase.SPENT, ("beta",))]
    battery.back = True
    assert EndStep(0, ordered=True) not in battery.due(7.5)
    battery.refuse("beta", BatteryCase.SPENT)
    assert battery.due(7.6) == [EndStep(0, ordered=True)]


def test_a_site_that_never_answers_does_not_hold_the_drill() -> None:
    """The late orders too have the response limit, and then the step ends."""
    battery = Battery()
    battery.at_s = 7.0
    battery.released()
    battery.back = True
    assert battery.due(12.0) == [EndStep(0, ordered=True)]


def test_after_an_abort_nothing_of_the_battery_is_sent() -> None:
    """Nothing but the abort is published, and nobody waits for answers that cannot come."""
    battery = Battery()
    battery.aborted()
    assert not [intent for intent in battery.due(8.0) if isinstance(intent, SendCase)]
    battery.back = True
    assert battery.due(8.1) == [EndStep(0, ordered=True)]


def test_answers_are_matched_by_the_order_and_need_no_drill() -> None:
    """An agent that could not verify an order knows of no drill, and its refusal counts."""
    battery = Battery()
    assert battery.refuse("alpha", BatteryCase.FORGED) is True
    assert battery.refuse("alpha", BatteryCase.EXPIRED, Reason.BUSY) is True
    battery.hear(battery.answer("alpha", battery.orders[BatteryCase.SPENT], Outcome.ACCEPTED))
    assert battery.answers("alpha") == {
        BatteryCase.FORGED: (Reason.UNKNOWN_KEY, False, True),
        BatteryCase.EXPIRED: (Reason.BUSY, False, False),
        BatteryCase.SPENT: (None, True, False),
    }
    assert battery.answers("beta")[BatteryCase.FORGED] == (None, False, False)


def test_an_enforcers_receipt_is_no_answer_to_the_battery() -> None:
    """The battery tests the agent."""
    battery = Battery()
    order = battery.orders[BatteryCase.EXPIRED]
    battery.hear(battery.answer("alpha", order, Outcome.REFUSED, Reason.EXPIRED, by="e1"))
    assert battery.answers("alpha")[BatteryCase.EXPIRED] == (None, False, False)


def test_a_reason_that_anybody_can_provoke_does_not_spoil_the_right_one() -> None:
    """Somebody who breaks the signature of the expired order on the way has not shown that the agent is wrong."""
    battery = Battery()
    battery.hear(
        battery.answer("alpha", battery.orders[BatteryCase.EXPIRED], Outcome.REFUSED, Reason.BAD_SIGNATURE, drill=False)
    )
    assert battery.answers("alpha")[BatteryCase.EXPIRED] == (Reason.BAD_SIGNATURE, False, False)
    battery.refuse("alpha", BatteryCase.EXPIRED)
    assert battery.answers("alpha")[BatteryCase.EXPIRED] == (Reason.EXPIRED, False, True)


def test_obedience_counts_whatever_else_was_said() -> None:
    """A site that accepted one of them, before or after refusing it, has obeyed it."""
    battery = Battery()
    battery.refuse("alpha", BatteryCase.EXPIRED)
    assert battery.hear(battery.answer("alpha", battery.orders[BatteryCase.EXPIRED], Outcome.ACCEPTED)) is True
    assert battery.answers("alpha")[BatteryCase.EXPIRED][1:] == (True, False)


def test_repeats_that_are_answered_again_are_passed_over() -> None:
    """A broadcast repeat, for the sake of others, costs the sites that answered it no room in the journal."""
    battery = Battery()
    battery.refuse("alpha", BatteryCase.FORGED)
    assert {battery.refuse("alpha", BatteryCase.FORGED) for _ in range(RECEIPTS_PER_RUNG * 2)} == {False}
    assert battery.refuse("alpha", BatteryCase.FORGED, Reason.BUSY) is True
    assert battery.refuse("beta", BatteryCase.FORGED) is True
    battery.at_s = 7.0
    battery.released()
    assert [battery.refuse("alpha", BatteryCase.FORGED) for _ in range(3)] == [True, False, False]


def test_receipts_have_a_bound_for_each_who_speaks() -> None:
    """One key of a site does not take the room of another."""
    battery = Battery()
    order = battery.orders[BatteryCase.EXPIRED]
    taken = [battery.hear(battery.answer("alpha", order, Outcome.ACCEPTED)) for _ in range(RECEIPTS_PER_RUNG + 5)]
    assert taken.count(True) == RECEIPTS_PER_RUNG
    assert taken[-1] is Reason.MEMORY_FULL
    assert battery.hear(battery.answer("alpha", order, Outcome.REFUSED, Reason.EXPIRED, by="e1")) is True


@pytest.mark.parametrize("drill", ["ours", "none", "another"])
def test_a_receipt_of_another_drill_is_none_of_ours(drill: str) -> None:
    """The digest matches it, but what it says of its drill must not speak against that."""
    battery = Battery()
    said = battery.answer("alpha", battery.orders[BatteryCase.EXPIRED], Outcome.REFUSED, Reason.EXPIRED)
    named = {"ours": said.drill, "none": None, "another": "20200101t000000z-other-abcdef"}[drill]
    assert battery.hear(said.model_copy(update={"drill": named})) is (drill != "another")
