"""Checks a refusal battery: that each order is wrong in just the way that its case says, and in nothing else.

A case that is weaker than it says would pass a site that has never refused anything; and an order
that named another step could halt a site which obeys it. Cases that were possible must be there.
"""

from __future__ import annotations

from orchestrator.core import events as ev
from orchestrator.core.battery import BatteryCase
from orchestrator.core.drill import Drill
from orchestrator.core.inputs import actor_of
from orchestrator.core.intake import check_sole
from orchestrator.core.runs import StepRun
from orchestrator.evidence.checks.spoken import Place, Spoken, demand, lives
from protocols.controls import Actor, RefusalParams
from protocols.envelope import Envelope, parse_envelope
from protocols.errors import HaltdrillError, JournalError
from protocols.ids import parse_utc
from protocols.messages import Order
from protocols.trust import FleetTrust, owners_required

_ALWAYS = frozenset(BatteryCase) - {BatteryCase.UNDER_THRESHOLD, BatteryCase.REPLAYED}


def check_battery(event: ev.BatteryIssued, spoken: Spoken, place: Place) -> None:
    """Check a refusal step's battery.

    Raises:
        JournalError: A case is missing, doubled, or not what it says.
        UntrustedInput: The dispatcher did not sign what it should have.
    """
    drill = spoken.drill
    demand(event.step == drill.step.number, f"step {event.step} is not the one that is running")
    demand(isinstance(drill.warrant.steps[event.step].params, RefusalParams), "its step is no refusal")
    cases = [order.case for order in event.orders]
    doubled = sorted({case for case in cases if cases.count(case) > 1})
    demand(not doubled, f"it has two orders of the case {', '.join(doubled)}")
    missing = sorted(_possible(drill) - set(cases))
    demand(not missing, f"it leaves out {', '.join(missing)}, which could have been tried")
    for order in event.orders:
        try:
            _check_case(order, spoken, place, event.step)
        except HaltdrillError as error:
            raise JournalError(f"case {order.case}: {error.what}", where=error.where) from error


def _possible(drill: Drill) -> frozenset[BatteryCase]:
    """Return the cases that this drill could try at this step."""
    found = set(_ALWAYS)
    if owners_required(drill.trust.policy, drill.warrant) > 1:
        found.add(BatteryCase.UNDER_THRESHOLD)
    if any(_answered(drill, run) for run in drill.steps[:-1]):
        found.add(BatteryCase.REPLAYED)
    return frozenset(found)


def _answered(drill: Drill, run: StepRun) -> bool:
    """Tell whether a step had an order for agents that at least one of them answered."""
    agents = actor_of(drill.warrant.steps[run.number].params) is Actor.AGENT
    said = (receipt.order for receipts in drill.receipts.values() for _, receipt in receipts)
    return agents and bool(run.order_digest) and run.order_digest in said


def _check_case(order: ev.BatteryOrder, spoken: Spoken, place: Place, step: int) -> None:
    case = order.case
    alone = order.warrant == "one_approval"
    demand(alone == (case is BatteryCase.UNDER_THRESHOLD), "the warrant that goes with it has the wrong approvals")
    if case is BatteryCase.REPLAYED:
        _check_replayed(order, spoken)
        return
    if case is BatteryCase.UNDER_THRESHOLD:
        required = owners_required(spoken.drill.trust.policy, spoken.drill.warrant)
        demand(required > 1, "a single approval meets the threshold, so obeying it would be right")
    envelope = parse_envelope(order.envelope.encode())
    check_sole(envelope)
    demand(envelope.payload_type == Order.payload_type(), "it is no order")
    said = Order.decode(envelope.payload)
    demand(said.step == step and said.rung == 0, "it names something else than the refusal step: obeyed, it could halt")
    _check_signer(case, envelope, spoken)
    _check_fields(case, said, spoken, place)


def _check_replayed(order: ev.BatteryOrder, spoken: Spoken) -> None:
    drill = spoken.drill
    earlier = [run for run in drill.steps[:-1] if run.order_envelope == order.envelope and run.order_digest]
    demand(bool(earlier), "it is not, byte for byte, the order of an earlier step of this drill")
    demand(any(_answered(drill, run) for run in earlier), "nobody had answered it before")


def _check_signer(case: BatteryCase, envelope: Envelope, spoken: Spoken) -> None:
    drill = spoken.drill
    (key_id, signature), *_ = envelope.signatures
    if case is BatteryCase.FORGED:
        demand(key_id not in _known_keys(drill.trust), "it is signed under the id of a key of this fleet")
        return
    demand(key_id == drill.dispatcher, "it is not under the key id of the drill's dispatcher")
    right = spoken.dispatcher[drill.dispatcher].verifies(signature, envelope.pae())
    if case is BatteryCase.TAMPERED:
        demand(not right, "its signature is right, so obeying it would be right")
    else:
        demand(right, "its signature is wrong, so it is refused for that and not for what its case says")


def _check_fields(case: BatteryCase, said: Order, spoken: Spoken, place: Place) -> None:
    spoken.fresh(said.fleet, said.nonce)
    spoken.of_this_use(said)
    spoken.of_this_drill(said.drill)
    demand(said.standing is None, "it carries a standing statement")
    lives(said)
    if case is BatteryCase.EXPIRED:
        demand(parse_utc(said.expires_at) <= place.wall_ns, "it had not expired when it was issued")
    else:
        spoken.timely(said.issued_at, place)
        demand(parse_utc(said.expires_at) > place.wall_ns, "it had expired when it was issued")
    exercise = said.status == "exercise"
    demand(exercise == (case is not BatteryCase.NOT_AN_EXERCISE), f"its status is {said.status}")
    if case is BatteryCase.OTHER_AUDIENCE:
        elsewhere = said.site is not None and said.site not in spoken.drill.trust.records
        demand(elsewhere, "it names no site, or one that the fleet has")
    else:
        demand(said.site is None, "it is for one site only")


def _known_keys(trust: FleetTrust) -> frozenset[str]:
    """Return the id of every key that speaks anywhere in the fleet."""
    records = trust.records.values()
    return frozenset(
        [
            *trust.root.signers.keys,
            *trust.approvers.keys,
            *trust.dispatchers.keys,
            *(key_id for keys in trust.agents.values() for key_id in keys),
            *(key_id for keys in trust.witnesses.values() for key_id in keys),
            *(key_id for keys in trust.enforcers.values() for key_id in keys),
            *(key.key_id for record in records for key in record.operator_keys),
        ]
    )
