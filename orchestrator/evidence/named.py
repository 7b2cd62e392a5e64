"""Says which item a record is about, so that a finding in it can be looked up."""

from __future__ import annotations

from orchestrator.core import events as ev


def named(event: ev.Event) -> str:
    """Return the event's name and what it is about, as the tail of an item's name."""
    parts = [f", {event.type}"]
    match event:
        case ev.DocumentHeld():
            parts.append(event.kind.replace("_", " "))
        case ev.ChallengeIssued():
            parts.append(f"challenge {event.seq}")
        case ev.RungOrdered() | ev.RungPublished():
            parts.append(f"step {event.step}, site {event.site}, rung {event.rung}")
        case (
            ev.OrderIssued()
            | ev.OrderPublished()
            | ev.BatteryIssued()
            | ev.LeaseStopped()
            | ev.ReleaseIssued()
            | ev.ReleasePublished()
            | ev.StepEnded()
        ):
            parts.append(f"step {event.step}")
        case ev.ReadingReceived() | ev.ClosingReceived() | ev.RecallIssued():
            parts.append(f"site {event.site}, witness {event.witness}")
        case ev.ReceiptReceived() | ev.LicenceRequested():
            parts.append(f"site {event.site}")
        case ev.SiteJudged() | ev.LicenceIssued():
            parts.append(f"step {event.step}, site {event.site}")
        case _:
            pass
    return ", ".join(parts)


def envelopes_in(event: ev.Event) -> int:
    """Return how many signed envelopes an event holds."""
    if isinstance(event, ev.BatteryIssued):
        return len(event.orders)
    return 1 if hasattr(event, "envelope") else 0
