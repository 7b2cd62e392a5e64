"""What the view needs to abort a drill, and what it says before it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.logbook.views import DrillView
from orchestrator.watch.panels.figures import sites

REASON = "aborted from the terminal view"


@dataclass(frozen=True, slots=True)
class Abort:
    """How the drill on the screen can be aborted.

    Attributes:
        send: Aborts a drill, by its id, for a reason; returns what to tell the person.
        why_not: Tells why that cannot be done now; empty if it can. A fleet may come after the view.
    """

    send: Callable[[str, str], Awaitable[tuple[str, ...]]]
    why_not: Callable[[], str] = str


def abort_words(drill: str, count: int, *, again: bool) -> list[str]:
    """Say exactly what an abort does."""
    return [
        "Abort this drill?",
        (
            f"A signed abort goes to {'the site' if count == 1 else f'all {sites(count)}'} of {drill} at once: "
            "each restores now, and never again obeys this use of the warrant."
        ),
        "The drill ends as aborted, and does not pass. This cannot be taken back."
        + (" It was aborted before; this sends it once more." if again else ""),
    ]


def why_no_abort(drill: DrillView | None, abort: Abort, *, replayed: bool) -> str:
    """Say why the drill on the screen cannot be aborted; empty if it can."""
    if replayed:
        return "this is a replay; r goes back to the present"
    if drill is None:
        return "there is no drill to abort"
    if drill.closed is not None:
        return "the drill is over; there is nothing to abort"
    return abort.why_not()
