"""Makes the orders of a refusal battery: each wrong in one way, and none of them able to halt anything.

All but one name the refusal step itself, which acts on nothing even where it is obeyed. The replayed
one is an order that was meant, of a step that is over and released: its bytes are known to anybody.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from orchestrator.core.battery import BatteryCase
from orchestrator.core.drill import Drill
from orchestrator.core.events import BatteryOrder
from orchestrator.core.inputs import actor_of
from orchestrator.core.runs import StepRun
from orchestrator.runtime.issuer import Issuer
from protocols.controls import Actor
from protocols.envelope import one_form, parse_envelope, seal
from protocols.ids import format_utc, seconds_to_ns
from protocols.messages import Order
from protocols.trust import owners_required

NO_SUCH_SITE = "no-such-site"
ACTUAL = "actual"
LONG_AGO_S = 3600.0
"""How long ago the expired order expired: more than any site's clock may be wrong."""


def battery_orders(issuer: Issuer, drill: Drill, step: int, *, wall_ns: int) -> tuple[BatteryOrder, ...]:
    """Make and sign the battery of a refusal step.

    Args:
        issuer: Signs for the drill.
        drill: Its state, with the steps before.
        step: The refusal step.
        wall_ns: Now.
    """

    def order() -> Order:
        return issuer.draft(step, wall_ns=wall_ns)

    past_ns = wall_ns - seconds_to_ns(LONG_AGO_S)
    expired = issuer.draft(step, wall_ns=past_ns).model_copy(update={"expires_at": format_utc(past_ns + 1_000_000_000)})
    texts = {
        BatteryCase.FORGED: seal(order(), issuer.stranger()).decode(),
        BatteryCase.TAMPERED: _broken(issuer.seal(order())),
        BatteryCase.EXPIRED: issuer.seal(expired),
        BatteryCase.OTHER_AUDIENCE: issuer.seal(order().model_copy(update={"site": NO_SUCH_SITE})),
        BatteryCase.NOT_AN_EXERCISE: issuer.seal(order().model_copy(update={"status": ACTUAL})),
        BatteryCase.SPENT: issuer.seal(order()),
    }
    orders = [BatteryOrder(case=case, envelope=text) for case, text in texts.items()]
    if owners_required(drill.trust.policy, drill.warrant) > 1:
        case = BatteryCase.UNDER_THRESHOLD
        orders.append(BatteryOrder(case=case, envelope=issuer.seal(order()), warrant="one_approval"))
    earlier = next((run for run in reversed(drill.steps[:step]) if _was_answered(drill, run)), None)
    if earlier is not None:
        orders.append(BatteryOrder(case=BatteryCase.REPLAYED, envelope=earlier.order_envelope))
    return tuple(orders)


def _broken(envelope: str) -> str:
    """Return an envelope with one bit of its signature turned."""
    parsed = parse_envelope(envelope.encode())
    ((key_id, signature),) = parsed.signatures
    return one_form(replace(parsed, signatures=((key_id, bytes([signature[0] ^ 1, *signature[1:]])),))).decode()


def _was_answered(drill: Drill, run: StepRun) -> bool:
    """Tell whether an earlier step had an order for agents that at least one of them answered."""
    agents = actor_of(drill.warrant.steps[run.number].params) is Actor.AGENT
    answers = (receipt.order for said in drill.receipts.values() for _, receipt in said)
    return agents and bool(run.order_digest) and run.order_digest in answers


def one_approval(warrant: bytes, approvers: Collection[str]) -> bytes:
    """Return a warrant's envelope with a single one of its approvals.

    Args:
        warrant: The envelope.
        approvers: Ids of the approvers' keys.
    """
    parsed = parse_envelope(warrant)
    kept = next(entry for entry in parsed.signatures if entry[0] in approvers)
    return one_form(replace(parsed, signatures=(kept,)))
