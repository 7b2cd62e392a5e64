"""Notices and hooks for tests."""

from __future__ import annotations

from typing import Any

from orchestrator.notify.notices import Notice, NoticeKind, Severity, notice_id
from protocols.clock import Clock

AT = "2026-11-28T07:00:00.000000000Z"
DRILL = "20261128t070000z-quarterly-012345"


def notice(**changes: Any) -> Notice:
    """Return a notice about a drill."""
    given: dict[str, Any] = {
        "id": notice_id("a", "b"),
        "kind": NoticeKind.LOUD,
        "severity": Severity.CRITICAL,
        "at": AT,
        "summary": "site-7: its witnesses see it work (drill Quarterly)",
        "plan": "quarterly",
    }
    return Notice(**given | changes)


class FixedClock(Clock):
    """A clock that stands."""

    def __init__(self, wall_ns: int = 1_795_849_200_000_000_000) -> None:
        self.now_ns = wall_ns

    def wall_ns(self) -> int:
        return self.now_ns

    def boot_ns(self) -> int:
        return self.now_ns
