"""What is known of the schedules: the fold of the service's notes. Pure.

It stays small however long the service runs: of each plan what is not yet over, and how far it has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from orchestrator.core.results import Verdict
from orchestrator.schedule import notes as n
from orchestrator.schedule.names import Occurrence
from protocols.ids import digest_of, parse_utc


@dataclass(slots=True)
class OpenOccurrence:
    """An occurrence that is not over.

    Attributes:
        of: The occurrence, with the wave that is next, going on, or just ended.
        waiting: Why it waits, as last noted.
        making_up: Whether it was missed, and is to be made up for.
        starting: What was about to be opened, and is not known to have been.
        drill: The drill that was opened for the wave.
        instant_ns: When it was due, once it began.
        failures: How often its drill could not be opened.
        failed_ns: When that was last.
        failed: Why.
        waves: How many waves it has; 0 without. Known once it began.
        ended: The verdicts of the wave that ended last, if the next one has not begun.
        ended_ns: When that was.
    """

    of: Occurrence
    waiting: n.Hindrance | None = None
    detail: str = ""
    making_up: bool = False
    starting: n.Starting | None = None
    drill: str | None = None
    instant_ns: int | None = None
    failures: int = 0
    failed_ns: int | None = None
    failed: str = ""
    waves: int = 0
    ended: Mapping[Verdict, int] | None = None
    ended_ns: int | None = None

    @property
    def live(self) -> bool:
        """Whether a drill of it was, or may have been, opened, and has not ended."""
        return self.starting is not None or self.drill is not None


@dataclass(slots=True)
class PlanState:
    """How far one plan has come.

    Attributes:
        plan: Its name.
        schedule: Digest of the schedule that counts.
        settled_ns: Every occurrence up to here was begun or skipped, or counts for nothing, nominal wall time.
        open: What is not over, by nominal wall time.
        last: What became of the occurrence that was last over, for people.
    """

    plan: str
    schedule: str
    settled_ns: int
    open: dict[int, OpenOccurrence] = field(default_factory=dict)
    last: n.Skipped | n.Ended | None = None

    @property
    def live(self) -> bool:
        """Whether a drill of it was, or may have been, opened, and has not ended."""
        return any(entry.live for entry in self.open.values())


@dataclass(slots=True)
class ScheduleState:
    """Everything that notes say of the schedules.

    Attributes:
        plans: By name.
        draws: Seeds that are committed and not revealed, by plan and nominal wall time.
        draw_key: Id of the key that unannounced instants are drawn with.
        site_ended_ns: When the service's last drill at each site ended, wall time.
        warrant_ended_ns: When the last drill of each warrant ended, wall time.
    """

    plans: dict[str, PlanState] = field(default_factory=dict)
    draws: dict[tuple[str, int], n.DrawCommitted] = field(default_factory=dict)
    draw_key: str | None = None
    site_ended_ns: dict[str, int] = field(default_factory=dict)
    warrant_ended_ns: dict[str, int] = field(default_factory=dict)

    def apply(self, note: n.ScheduleNote, at_ns: int) -> None:
        """Take one note.

        Args:
            note: The note.
            at_ns: When it was written, wall time.
        """
        match note:
            case n.PlanAdopted():
                self._adopt(note, at_ns)
            case n.PlanDropped():
                self.plans.pop(note.plan, None)
                self.draws = {key: draw for key, draw in self.draws.items() if key[0] != note.plan}
            case n.DrawKeyed():
                self.draw_key = digest_of(bytes.fromhex(note.key))
            case n.DrawCommitted():
                self.draws[note.of.plan, note.of.nominal_ns] = note
            case n.DrawRevealed():
                self.draws.pop((note.of.plan, note.of.nominal_ns), None)
            case n.Waiting() | n.Skipped() | n.Starting() | n.Started() | n.NotStarted() | n.Ended():
                self._of_occurrence(note, at_ns)
            case _:
                assert_never(note)

    def _adopt(self, note: n.PlanAdopted, at_ns: int) -> None:
        before = self.plans.get(note.plan)
        # What lies before now counts for nothing; what lies exactly at it does.
        settled_ns = max(at_ns - 1, before.settled_ns if before else 0)
        still = {key: entry for key, entry in before.open.items() if entry.live} if before else {}
        self.plans[note.plan] = PlanState(note.plan, note.schedule, settled_ns, still, before.last if before else None)

    def _of_occurrence(
        self, note: n.Waiting | n.Skipped | n.Starting | n.Started | n.NotStarted | n.Ended, at_ns: int
    ) -> None:
        plan = self.plans.get(note.of.plan)
        if plan is None:
            return  # of a plan that is gone
        key = note.of.nominal_ns
        entry = plan.open.get(key) or OpenOccurrence(note.of)
        plan.open[key] = entry
        match note:
            case n.Waiting():
                entry.of, entry.waiting, entry.detail, entry.making_up = (
                    note.of,
                    note.reason,
                    note.detail,
                    note.making_up,
                )
            case n.Starting():
                entry.of, entry.starting, entry.waves = note.of, note, note.waves
                entry.drill, entry.ended, entry.waiting, entry.detail = None, None, None, ""
                entry.instant_ns = parse_utc(note.instant)
                plan.settled_ns = max(plan.settled_ns, key)
            case n.Started():
                entry.drill = note.drill
            case n.NotStarted():
                entry.starting, entry.drill = None, None
                entry.failures, entry.failed_ns, entry.failed = entry.failures + 1, at_ns, note.reason
            case n.Skipped():
                if note.reason is n.Hindrance.DRAW_LOST:
                    self.draws.pop((note.of.plan, key), None)  # nobody can reveal it any more
                self._over(plan, key, note)
            case n.Ended():
                self._ended(plan, key, entry, note, at_ns)
            case _:
                assert_never(note)

    def _ended(self, plan: PlanState, key: int, entry: OpenOccurrence, note: n.Ended, at_ns: int) -> None:
        for site in note.sites:
            self.site_ended_ns[site] = at_ns
        if entry.starting is not None:
            self.warrant_ended_ns[entry.starting.warrant] = at_ns
        if note.of.wave >= entry.waves:
            self._over(plan, key, note)
            return
        entry.of = note.of.model_copy(update={"wave": note.of.wave + 1})
        entry.starting, entry.drill, entry.waiting, entry.detail, entry.making_up = None, None, None, "", False
        entry.failures, entry.failed_ns, entry.failed = 0, None, ""
        entry.ended, entry.ended_ns = note.verdicts, at_ns

    def _over(self, plan: PlanState, key: int, note: n.Skipped | n.Ended) -> None:
        plan.open.pop(key, None)
        plan.settled_ns = max(plan.settled_ns, key)
        plan.last = note
