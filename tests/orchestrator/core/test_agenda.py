"""When an order is published again, and how many witnesses are asked at once."""

from __future__ import annotations

import pytest

from orchestrator.core.agenda import RECALLS_PER_TURN, Agenda
from orchestrator.core.drill import Drill
from orchestrator.core.intents import AskAgain, EndStep, RepeatOrder
from orchestrator.core.runs import StepRun
from orchestrator.core.samples import Instant, Sample, Track
from orchestrator.core.states import Phase
from protocols.controls import ArmedSite, DecommissionParams, Params, PauseParams
from protocols.messages import Link, Outcome, Receipt
from protocols.reasons import Reason
from tests.kit import NOW_NS, make_fleet
from tests.orchestrator.core.standing import Standing

FLEET = make_fleet(("alpha",))
WARRANT = FLEET.warrant()
ORDER = FLEET.order(WARRANT)
S = 1_000_000_000


def ordered(answer: tuple[Outcome, Reason | None] | None) -> Agenda:
    """Return the agenda of a drill whose only site has given this answer to its order."""
    drill = Drill(FLEET.trust(), WARRANT, phase=Phase.ORDERED, drill=ORDER.drill, audience=("alpha",))
    run = StepRun(0, preflight_from=Instant(1, 0), ordered=Instant(1, S), order_digest=ORDER.digest())
    run.order_expires_at = ORDER.expires_at
    drill.steps.append(run)
    if answer is not None:
        outcome, reason = answer
        receipt = Receipt(
            fleet=FLEET.fleet,
            site="alpha",
            link=Link(seq=1, prev="0" * 64, boot_id="0" * 8, boot_ns=0),
            at=FLEET.at(),
            order=ORDER.digest(),
            drill=ORDER.drill,
            use=1,
            step=0,
            outcome=outcome,
            reason=reason,
            detail="",
            elapsed_ns=0,
        )
        drill.receipts["alpha"] = [(Instant(1, S), receipt)]
    return Agenda(drill, lambda: (), lambda: ())


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (None, True),
        ((Outcome.REFUSED, Reason.BUSY), True),
        ((Outcome.REFUSED, Reason.VETO), False),
        ((Outcome.ACCEPTED, None), False),
    ],
    ids=["silent", "still busy", "refused", "accepted"],
)
def test_an_order_is_repeated_until_it_is_answered(answer: tuple[Outcome, Reason | None] | None, again: bool) -> None:
    """Silence, and a site still coming back from the step before, are asked again; an answer is not."""
    assert (RepeatOrder() in ordered(answer).due(Instant(1, 2 * S), NOW_NS)) is again


def test_an_expired_order_is_not_repeated() -> None:
    """Nobody may obey it any more, so publishing it only makes refusals."""
    agenda = ordered(None)
    assert RepeatOrder() in agenda.due(Instant(1, 2 * S), NOW_NS + 60 * S - 1)
    agenda = ordered(None)
    assert RepeatOrder() not in agenda.due(Instant(1, 2 * S), NOW_NS + 60 * S)


def test_one_turn_asks_a_bounded_number_of_witnesses() -> None:
    """A whole fleet with gaps is asked for them bit by bit, and everyone in the end."""
    agenda = ordered(None)
    for number in range(RECALLS_PER_TURN + 10):
        track = Track()
        for seq in (1, 3):
            track.add(Sample(seq, None, Instant(1, seq)), str(seq - 1), str(seq))
        agenda.drill.tracks["alpha", f"x{number}"] = track
    agenda.drill.last_challenge = Instant(1, 2 * S)
    asked: set[str] = set()
    for turn in range(20):
        now = Instant(1, 2 * S + turn * S // 10)
        found = [intent for intent in agenda.due(now, NOW_NS) if isinstance(intent, AskAgain)]
        assert len(found) <= RECALLS_PER_TURN
        assert all((intent.first, intent.last) == (2, 2) for intent in found)
        asked |= {intent.witness for intent in found}
    assert len(asked) == RECALLS_PER_TURN + 10


FIRE = DecommissionParams(phase="fire", armed=(ArmedSite(site="alpha", nonce="0" * 32),))
ARM = DecommissionParams(phase="arm", armed_for_s=60.0)


@pytest.mark.parametrize(("params", "waits"), [(FIRE, False), (ARM, True), (PauseParams(), True)])
def test_nobody_waits_for_what_was_destroyed(params: Params, waits: bool) -> None:
    """A site that was decommissioned never comes back, so the step ends once it was watched for a dwell."""
    step = FLEET.step(params=params)
    standing = Standing((step,)).ordered()
    standing.at_s = 30.0
    standing.released()
    ended = EndStep(0, ordered=True)
    watched_s = step.dwell_s + 2 * standing.warrant.challenge_s
    assert ended not in standing.due(30.0 + watched_s - 0.1)
    assert (ended in standing.due(30.0 + watched_s)) is not waits
    assert ended in standing.due(30.0 + step.restore_limit_s + watched_s)
