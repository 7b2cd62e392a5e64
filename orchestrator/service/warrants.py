"""What is left of a warrant that was approved ahead, and what about it runs out when. Pure.

This only tells. What keeps a service within its warrant is checked elsewhere, each time anew: before a
drill is opened by `runtime.opening`, and at every site by its agent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.fleet.plan import Plan
from protocols.ids import parse_utc, seconds_to_ns
from protocols.messages import Warrant

DAY_NS = 86_400 * 1_000_000_000


class Standing(StrEnum):
    """How a warrant stands, from what ends it for good to what it takes to be used."""

    REVOKED = "revoked"
    ENDED = "ended"
    SPENT = "spent"
    UNUSABLE = "unusable"
    UNAPPROVED = "unapproved"
    NOT_YET = "not_yet"
    READY = "ready"

    @property
    def final(self) -> bool:
        """Whether it can never be used again, so that a new one has to be approved."""
        return self in {Standing.REVOKED, Standing.ENDED, Standing.SPENT}


WORDS = {
    Standing.REVOKED: "revoked",
    Standing.ENDED: "its window is over",
    Standing.SPENT: "every use is spent",
    Standing.UNUSABLE: "is not the plan's",
    Standing.UNAPPROVED: "waits for approval",
    Standing.NOT_YET: "its window has not begun",
    Standing.READY: "ready",
}


@dataclass(frozen=True, slots=True)
class WarrantState:
    """One warrant, and what is left of it.

    Attributes:
        plan: The plan's name.
        digest: The warrant's digest; none while nobody approved anything.
        approved_by: The owners who approved it.
        required: How many owners it takes.
        uses: How many drills it covers.
        used: How many of them are spent.
        held_left_s: How long it may still hold any one site, if every use so far held as long as it could.
        not_before_ns: Where its window begins, wall time.
        not_after_ns: Where its window ends, wall time.
        revoked: Why it was revoked; none if it was not.
        problem: What is wrong with the warrant's file; empty if nothing is.
    """

    plan: str
    digest: str | None
    approved_by: tuple[str, ...]
    required: int
    uses: int
    used: int
    held_left_s: float
    not_before_ns: int
    not_after_ns: int
    revoked: str | None = None
    problem: str = ""

    @property
    def uses_left(self) -> int:
        """How many drills it still covers."""
        return max(0, self.uses - self.used)

    def standing(self, now_ns: int) -> Standing:
        """Return how it stands at a moment of wall time. An approval that is late is none: it is closed by then."""
        if self.revoked is not None:
            return Standing.REVOKED
        if now_ns >= self.not_after_ns:
            return Standing.ENDED
        if self.problem:
            return Standing.UNUSABLE
        if not self.uses_left:
            return Standing.SPENT
        if len(self.approved_by) < self.required:
            return Standing.UNAPPROVED
        return Standing.NOT_YET if now_ns < self.not_before_ns else Standing.READY


def state_of(
    warrant: Warrant, digest: str, approved_by: Sequence[str], required: int, *, used: int, revoked: str | None = None
) -> WarrantState:
    """Say what is left of a warrant.

    Args:
        warrant: The warrant.
        digest: Its digest.
        approved_by: The owners who approved it so far.
        required: How many it takes.
        used: How many drills of it were opened.
        revoked: Why it was revoked; none if it was not.
    """
    # A site is held once in a step, whatever it climbs to.
    longest_s = sum(step.hold_s for step in warrant.steps)
    return WarrantState(
        plan=warrant.plan,
        digest=digest,
        approved_by=tuple(approved_by),
        required=required,
        uses=warrant.uses,
        used=used,
        held_left_s=max(0.0, warrant.max_total_held_s - used * longest_s),
        not_before_ns=parse_utc(warrant.not_before),
        not_after_ns=parse_utc(warrant.not_after),
        revoked=revoked,
    )


def unapproved(plan: Plan, required: int, problem: str = "") -> WarrantState:
    """Say how a plan stands that has no warrant, or none that is its own.

    Args:
        plan: The plan, or a wave of it.
        required: How many owners it takes.
        problem: What is wrong with the file that is there; empty if there is none.
    """
    return WarrantState(
        plan=plan.name,
        digest=None,
        approved_by=(),
        required=required,
        uses=plan.uses,
        used=0,
        held_left_s=plan.max_total_held_s,
        not_before_ns=parse_utc(plan.window.not_before),
        not_after_ns=parse_utc(plan.window.not_after),
        problem=problem,
    )


@dataclass(frozen=True, slots=True)
class RunsOut:
    """Something that runs out soon, or has run out, while a schedule goes on.

    Attributes:
        digest: The warrant; none where nobody approved anything.
        plan: The plan.
        text: What it is, and what to do, in a sentence.
        key: What it is about: while this stays the same it was said.
    """

    digest: str | None
    plan: str
    text: str
    key: str


def warnings_of(state: WarrantState, *, now_ns: int, ahead_s: float, due: Sequence[int]) -> Iterator[RunsOut]:
    """Say what of a scheduled plan's warrant runs out, before it does.

    Args:
        state: The warrant.
        now_ns: Wall time.
        ahead_s: How long before the end of something it is said.
        due: The plan's next moments, wall time, soonest first.
    """
    standing = state.standing(now_ns)
    if standing.final:
        if due:
            yield _warning(state, f"{WORDS[standing]}, and the plan is scheduled: have it approved anew", standing)
        return
    ahead_ns = seconds_to_ns(ahead_s)
    soon = [at for at in due if at < now_ns + ahead_ns]
    if standing is Standing.UNUSABLE and soon:
        yield _warning(state, f"is due soon, and its warrant cannot be used: {state.problem}", standing)
    if standing is Standing.UNAPPROVED and soon:
        missing = state.required - len(state.approved_by)
        more = "one more owner" if missing == 1 else f"{missing} more owners"
        yield _warning(state, f"is due soon and takes {more}: haltdrill approve", f"{standing}-{missing}")
    if len(soon) > state.uses_left:
        yield _warning(
            state,
            f"has {state.uses_left} of {state.uses} uses left and {len(soon)} drills due within"
            f" {_days(ahead_ns)}: have it approved anew before",
            f"uses-{state.uses_left}",
        )
    if state.not_after_ns < now_ns + ahead_ns:
        yield _warning(
            state,
            f"its window ends in {_days(state.not_after_ns - now_ns)}: have it approved anew before",
            "window",
        )


def _warning(state: WarrantState, text: str, key: str) -> RunsOut:
    return RunsOut(state.digest, state.plan, text, key)


def _days(span_ns: int) -> str:
    days = span_ns / DAY_NS
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"  # noqa: PLR2004 - a day or less reads better in hours
