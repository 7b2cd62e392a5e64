"""The drill's state machine, as a table. The diagram in ARCHITECTURE.md is generated from it."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a drill stands."""

    OPENING = "opening"
    PREFLIGHT = "preflight"
    ORDERED = "ordered"
    RECOVERING = "recovering"
    ABORTING = "aborting"
    CLOSING = "closing"
    CLOSED = "closed"


MEANING: dict[Phase, str] = {
    Phase.OPENING: "the documents that it leans on are being written down",
    Phase.PREFLIGHT: "witnesses must see each site at work before anything is ordered",
    Phase.ORDERED: "the step is ordered; sites halt and are held",
    Phase.RECOVERING: "the hold is over; witnesses must see each site back at work",
    Phase.ABORTING: "stopped early; nothing but releases is published, recovery is watched",
    Phase.CLOSING: "every witness is asked for its last word",
    Phase.CLOSED: "every verdict is final",
}

TABLE: dict[tuple[Phase, str], Phase] = {
    (Phase.OPENING, "drill.opened"): Phase.PREFLIGHT,
    (Phase.PREFLIGHT, "order.issued"): Phase.ORDERED,
    (Phase.PREFLIGHT, "battery.issued"): Phase.ORDERED,
    (Phase.PREFLIGHT, "drill.aborted"): Phase.ABORTING,
    (Phase.PREFLIGHT, "step.ended"): Phase.PREFLIGHT,
    (Phase.PREFLIGHT, "steps.done"): Phase.CLOSING,
    (Phase.ORDERED, "release.issued"): Phase.RECOVERING,
    (Phase.ORDERED, "drill.aborted"): Phase.ABORTING,
    (Phase.RECOVERING, "step.ended"): Phase.PREFLIGHT,
    (Phase.RECOVERING, "steps.done"): Phase.CLOSING,
    (Phase.RECOVERING, "drill.aborted"): Phase.ABORTING,
    (Phase.ABORTING, "steps.done"): Phase.CLOSING,
    (Phase.CLOSING, "drill.closed"): Phase.CLOSED,
}
"""Phase and what happened -> next phase. `steps.done` is the end of the last step, or of the step in
which the drill was aborted. Everything else leaves the phase as it is, or is not allowed: see `PASSIVE`."""

PASSIVE: dict[str, frozenset[Phase]] = {
    "document.held": frozenset({Phase.OPENING}),
    "drill.resumed": frozenset(Phase) - {Phase.OPENING, Phase.CLOSED},
    "challenge.issued": frozenset(Phase) - {Phase.OPENING, Phase.CLOSED},
    "order.published": frozenset({Phase.ORDERED, Phase.ABORTING}),
    "rung.ordered": frozenset({Phase.ORDERED}),
    "rung.published": frozenset({Phase.ORDERED, Phase.ABORTING}),
    "licence.requested": frozenset({Phase.ORDERED}),
    "licence.issued": frozenset({Phase.ORDERED}),
    "lease.stopped": frozenset({Phase.ORDERED}),
    "release.published": frozenset({Phase.RECOVERING, Phase.ABORTING}),
    "recall.issued": frozenset(Phase) - {Phase.OPENING, Phase.CLOSED},
    "receipt.received": frozenset(Phase) - {Phase.OPENING, Phase.CLOSED},
    "reading.received": frozenset(Phase) - {Phase.OPENING, Phase.CLOSED},
    "closing.received": frozenset(Phase) - {Phase.OPENING, Phase.CLOSED},
    "input.rejected": frozenset(Phase) - {Phase.OPENING, Phase.CLOSED},
    "input.ignored": frozenset(Phase) - {Phase.OPENING, Phase.CLOSED},
    "site.judged": frozenset({Phase.CLOSING}),
}
"""Events that leave the phase as it is, and the phases in which they may come."""


def next_phase(phase: Phase, happened: str) -> Phase | None:
    """Return the phase after `happened`, or None if it may not happen now."""
    moved = TABLE.get((phase, happened))
    if moved is not None:
        return moved
    return phase if phase in PASSIVE.get(happened, frozenset()) else None


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> opening"]
    lines += [f"    {before} --> {after}: {happened}" for (before, happened), after in TABLE.items()]
    lines.append("    closed --> [*]")
    return "\n".join(lines)
