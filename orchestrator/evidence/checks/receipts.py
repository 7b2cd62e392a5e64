"""Checks receipts: that each is its sender's, answers an order of this drill, and could have come by then.

An enforcer may act on a rung only when it has itself seen the rung before, at least that rung's limit
ago. Its own signed account shows whether it did. What an account leaves open is a note and no
failure: it is the sender's, and the evidence of the others stands without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core import events as ev
from orchestrator.core.battery import BatteryCase
from orchestrator.core.drill import Drill
from orchestrator.core.intake import open_receipt
from orchestrator.core.samples import Instant
from orchestrator.evidence.checks.spoken import demand
from protocols.envelope import parse_envelope
from protocols.ids import seconds_to_ns
from protocols.messages import AGENT, Outcome, Receipt
from protocols.trust import FleetTrust


def open_as_sender(text: str, trust: FleetTrust, site: str) -> Receipt:
    """Open a receipt of whoever of a site's agent and enforcers has the key that it is signed under.

    Raises:
        TrustError: It is not theirs, names another of them, or is of another fleet or site.
        MessageError: It is no receipt.
    """
    envelope = parse_envelope(text.encode())
    signed_under = {key_id for key_id, _ in envelope.signatures}
    enforcers = (entry.name for entry in trust.records[site].enforcers if entry.key.key_id in signed_under)
    return open_receipt(envelope, trust, site, next(enforcers, AGENT))


def check_receipt(said: Receipt, drill: Drill, event: ev.ReceiptReceived, arrival: Instant) -> None:
    """Check that a receipt could have come when its record says.

    Raises:
        JournalError: It answers no order, or one that nobody could have seen by then.
    """
    order = drill.orders.get(said.order)
    demand(order is not None, "it answers no order of this drill")
    if order is None:
        return
    demand(order.site in {None, event.site}, f"it answers an order for site {order.site}")
    demand(arrival >= order.ordered, "it arrived before the order was given")
    if order.case is BatteryCase.SPENT:
        released = drill.steps[order.step].released
        demand(
            released is not None and arrival >= released,
            "it answers the spent order of a refusal battery, which may not be sent before the release",
        )


def told_by_receipts(drill: Drill, site: str) -> Iterator[str]:
    """Yield what the receipts of a site's agent and enforcers leave open, for people."""
    by_sender: dict[str, list[Receipt]] = {}
    for _, receipt in drill.receipts.get(site, ()):
        by_sender.setdefault(receipt.by, []).append(receipt)
    for who, receipts in by_sender.items():
        sender = "its agent" if who == AGENT else f"enforcer {who}"
        yield from _left_out(site, sender, receipts)
        if who != AGENT:
            yield from _cut_too_soon(drill, site, sender, receipts)


def _left_out(site: str, sender: str, receipts: list[Receipt]) -> Iterator[str]:
    """Say how many receipts were signed between those that are here.

    They may answer anybody, so this is no failure; but one that reported a halt may be among them.
    """
    numbers = {receipt.link.seq for receipt in receipts}
    missing = max(numbers) - min(numbers) + 1 - len(numbers)
    if missing:
        yield f"site {site}: {sender} signed {missing} more between the receipts that are here"


def _cut_too_soon(drill: Drill, site: str, sender: str, receipts: list[Receipt]) -> Iterator[str]:
    """Say where an enforcer's own account does not show that it waited out the rung before."""
    noted = {receipt.order: receipt for receipt in receipts if receipt.outcome is Outcome.NOTED}
    for receipt in receipts:
        order = drill.orders.get(receipt.order)
        if receipt.outcome is not Outcome.HALTED or order is None or not order.rung:
            continue
        run, below = drill.steps[order.step], order.rung - 1
        climb = run.rung(site, below)
        before = noted.get(climb.digest if climb is not None else run.order_digest)
        what = f"site {site}: {sender} acted on rung {order.rung} of step {order.step}"
        if before is None or before.link.seq > receipt.link.seq:
            yield f"{what}, and no receipt here shows that it had seen rung {below}, as it must have"
            continue
        limit_ns = seconds_to_ns(drill.warrant.steps[order.step].rungs[below].response_limit_s)
        waited_ns = receipt.link.boot_ns - before.link.boot_ns
        if receipt.link.boot_id == before.link.boot_id and waited_ns < limit_ns:
            yield f"{what} {waited_ns / 1e9:.3f} s after it had seen rung {below}, of {limit_ns / 1e9:.3f} s"
