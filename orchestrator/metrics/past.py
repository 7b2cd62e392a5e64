"""What the drills that are over say of each plan and each control: pure.

It is small, and all that has to be kept of a drill once it is over and no longer the newest.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.core.grades import Verdict
from orchestrator.logbook.views import DrillView
from orchestrator.metrics.families import Families
from orchestrator.metrics.times import seconds, wall_ns
from protocols.controls import Control, control_of


class Outcome(StrEnum):
    """How a drill ended."""

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(slots=True)
class Ends:
    """When something was last done, and last succeeded; wall time."""

    ended_ns: int = 0
    passed_ns: int = 0

    def take(self, at_ns: int, *, passed: bool) -> None:
        """Note one more time."""
        self.ended_ns = max(self.ended_ns, at_ns)
        self.passed_ns = max(self.passed_ns, at_ns if passed else 0)


@dataclass(slots=True)
class SitePast:
    """The newest verdict on a site for one control, and when it was last verified; wall time."""

    verdict: Verdict
    at_ns: int
    verified_ns: int = 0


@dataclass(slots=True)
class ControlPast:
    """One control in all drills."""

    ends: Ends = field(default_factory=Ends)
    sites: dict[str, SitePast] = field(default_factory=dict)


@dataclass(slots=True)
class Past:
    """All drills that are over.

    Attributes:
        outcomes: How often drills of each plan ended how.
        plans: The drills of each plan.
        controls: Each control that was exercised.
    """

    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    plans: dict[str, Ends] = field(default_factory=dict)
    controls: dict[Control, ControlPast] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def take(self, drill: DrillView) -> bool:
        """Take a drill in if it is over; tell whether it was. A drill that comes twice counts once."""
        closed = drill.closed
        if closed is None:
            return False
        at_ns = wall_ns(closed.timestamp)
        if drill.drill in self._taken or at_ns is None:
            return True
        self._taken.add(drill.drill)
        plan = drill.stated.plan
        outcome = Outcome.ABORTED if closed.aborted else Outcome.PASSED if closed.passed else Outcome.FAILED
        self.outcomes[plan, outcome] += 1
        self.plans.setdefault(plan, Ends()).take(at_ns, passed=closed.passed)
        for step in drill.stated.steps:
            self._step(drill, step.step, control_of(step.params), at_ns)
        return True

    def _step(self, drill: DrillView, number: int, control: Control, at_ns: int) -> None:
        past = self.controls.setdefault(control, ControlPast())
        verified = 0
        for name, site in drill.sites.items():
            result = site.results.get(number)
            if result is None:
                continue
            known = past.sites.setdefault(name, SitePast(result.verdict, at_ns))
            if at_ns >= known.at_ns:
                known.verdict, known.at_ns = result.verdict, at_ns
            if result.passed:
                verified += 1
                known.verified_ns = max(known.verified_ns, at_ns)
        past.ends.take(at_ns, passed=verified == drill.opened.sites)

    def expose(self, out: Families) -> None:
        """Add what is known."""
        for plan, ends in self.plans.items():
            for outcome in Outcome:
                out.add("drills_total", self.outcomes[plan, outcome], plan=plan, outcome=outcome)
            out.add("plan_last_drill_timestamp_seconds", seconds(ends.ended_ns), plan=plan)
            out.add("plan_last_success_timestamp_seconds", seconds(ends.passed_ns or None), plan=plan)
        for control, past in self.controls.items():
            _expose_control(control, past, out)


def _expose_control(control: Control, past: ControlPast, out: Families) -> None:
    out.add("control_last_success_timestamp_seconds", seconds(past.ends.passed_ns or None), control=control)
    counts = Counter(site.verdict for site in past.sites.values())
    for verdict in Verdict:
        out.add("control_sites", counts[verdict], control=control, verdict=verdict)
    proofs_ns = [site.verified_ns for site in past.sites.values() if site.verified_ns]
    out.add("control_unproved_sites", len(past.sites) - len(proofs_ns), control=control)
    oldest_ns = min(proofs_ns, default=None)
    out.add("control_oldest_proof_timestamp_seconds", seconds(oldest_ns), control=control)
