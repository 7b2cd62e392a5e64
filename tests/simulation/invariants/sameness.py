"""What comes twice changes nothing, and what was refused changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.invariants.ran import Found, Ran
from tests.simulation.invariants.signed import take_apart

_EVIDENCE = frozenset({"receipt.received", "reading.received", "closing.received", "licence.requested"})
_ONCE = frozenset(
    {"order_accepted", "rung_seen", "step_released", "use_aborted", "warrant_revoked", "lever_engaged", "order_ended"}
)
_ISSUED = frozenset(
    {"order.issued", "battery.issued", "release.issued", "step.ended", "lease.stopped", "drill.aborted"}
)


def takes_everything_once(ran: Ran) -> Iterator[Found]:
    """A message that arrives again is in no journal a second time."""
    for drill, entries in ran.journals.items():
        seen: set[str] = set()
        for entry in entries:
            if entry.type not in _EVIDENCE:
                continue
            signed = take_apart(entry.event["envelope"].encode())
            if signed is not None and signed.digest in seen:
                yield Found(f"{drill}: record {entry.seq} holds a message that was there before", entry.at_ns)
                return
            if signed is not None:
                seen.add(signed.digest)


def decides_everything_once(ran: Ran) -> Iterator[Found]:
    """A drill orders, releases and ends each step once, also when it is resumed; and opens and closes once."""
    for drill, entries in ran.journals.items():
        seen: set[tuple[str, object]] = set()
        for entry in entries:
            place = (entry.type, entry.event.get("step"))
            if entry.type in _ISSUED | {"drill.opened", "drill.closed"} and place in seen:
                yield Found(f"{drill}: a second {entry.type} of step {entry.event.get('step')}", entry.at_ns)
            seen.add(place)


def one_order_for_each(ran: Ran) -> Iterator[Found]:
    """The orchestrator never signs two orders for one step (and rung, and site) of one drill."""
    seen: dict[object, str] = {}
    batteries = {
        signed.digest
        for entries in ran.journals.values()
        for entry in entries
        if entry.type == "battery.issued"
        for one in entry.event["orders"]
        if (signed := take_apart(one["envelope"].encode())) is not None
    }
    for sent in ran.truth.sent:
        signed = ran.frame(sent.payload)[:1] if sent.by == "orchestrator" else ()
        if not signed or signed[0].kind != "order" or signed[0].digest in batteries:
            continue
        fields = signed[0].fields
        place = (fields["warrant"], fields["use"], fields["step"], fields.get("rung"), fields.get("site"))
        if seen.setdefault(place, signed[0].digest) != signed[0].digest:
            yield Found(
                f"the orchestrator ordered step {fields['step']}, rung {fields.get('rung')} a second time", sent.at_ns
            )
            return


def remembers_everything_once(ran: Ran) -> Iterator[Found]:
    """An order or a stop that comes again is not written down a second time at a site."""
    seen: set[tuple[str, str, str]] = set()
    for at_ns, _, party, body in ran.written:
        for event in body["events"]:
            kind = str(event.get("kind"))
            if kind not in _ONCE:
                continue
            what = event.get("order") or event.get("engagement") or f"{event.get('key') or event.get('warrant')}"
            place = (party, kind, f"{what} {event.get('use', '')}")
            if place in seen:
                yield Found(f"{party} wrote {kind} down a second time", at_ns)
                return
            seen.add(place)


def a_refusal_changes_nothing(ran: Ran) -> Iterator[Found]:
    """What is written down with a refusal is that receipt alone, and an order that was refused was never applied."""
    refused: set[tuple[str, str]] = set()
    for at_ns, _, party, body in ran.written:
        kinds = {event.get("kind") for event in body["events"]}
        turned = [one for one in body["events"] if one.get("kind") == "receipt_issued" and one["outcome"] == "refused"]
        refused |= {(party, one["order"]) for one in turned}
        if turned and kinds & {"order_accepted", "rung_seen"}:
            yield Found(f"{party} refused an order and wrote down that it accepted one", at_ns)
    accepted = {(one.party, one.order) for one in ran.accepts}
    for acted in ran.truth.acted:
        place = (f"{acted.site}/{acted.by}", acted.order or "")
        if acted.deed == "apply" and place in refused and place not in accepted:
            yield Found(f"{place[0]} applied an order that it had refused", acted.at_ns)


CHECKS = (
    takes_everything_once,
    decides_everything_once,
    one_order_for_each,
    remembers_everything_once,
    a_refusal_changes_nothing,
)
