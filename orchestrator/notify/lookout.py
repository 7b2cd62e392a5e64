"""Finds in the lines of a log what people are to be told. Pure: lines in, notices out.

What was told is remembered by drill, so that a log which says it again (after a restart the orchestrator does)
leads to nothing. Loud sites come by the thousand when a fleet misbehaves: the first are told at once, and those of
the next seconds are gathered into one notice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, TypeAdapter

from orchestrator.core.grades import Verdict
from orchestrator.logbook import lines as ln
from orchestrator.logbook import service_lines as sl
from orchestrator.logbook import stopping_lines as st
from orchestrator.logbook.standing import Standing
from orchestrator.notify.notices import SITES_MAX, Notice, NoticeKind, Severity, SiteNoticed, notice_id, one_line
from protocols.ids import DrillId, parse_utc, seconds_to_ns
from protocols.logged import Line

OVER_MAX = 256
"""How many drills that are over are remembered, lest they be told again."""

OPEN_MAX = 256
"""How many drills that are not over are remembered: more only with a log that was made up."""

HOURLY_S, DAILY_S = 3_600.0, 23 * 3_600.0
TOLD_MAX = 512
"""How much that is about no drill is remembered, lest it be told again and again."""

Attention = (
    sl.ScheduleSkipped
    | sl.ScheduleNotStarted
    | sl.ServiceDrillFailed
    | sl.ServiceJournalFailed
    | sl.ServiceStopHeard
    | sl.PlanWrong
    | sl.WarrantRunsOut
    | sl.ServiceReloadFailed
    | sl.ServiceFilesFailed
    | sl.ServiceOverdueFailed
    | sl.ServiceBesideFailed
    | sl.ServiceStopUnkept
    | sl.ServiceStopsUnreadable
)
"""What is about no drill that went wrong, or what keeps drills from happening."""

TELLING_LINES = (
    ln.Opened | ln.Changed | ln.Judged | ln.Aborted | ln.Closed | st.ConditionBreached | sl.CoverageOverdue | Attention
)
TELLING: TypeAdapter[TELLING_LINES] = TypeAdapter(Annotated[TELLING_LINES, Field(discriminator="action")])
"""Reads a line that may lead to a notice."""

_CRITICAL = {Standing.CONTRADICTED, Standing.NOT_RESTORED, Standing.BROKEN}


@dataclass(slots=True)
class Drilled:
    """What is remembered of a drill.

    Attributes:
        fleet: The fleet's id; none where its beginning was not seen.
        plan: Its plan's name; none where its beginning was not seen.
        title: Its title; empty where its beginning was not seen.
        demo: Whether it is a rehearsal.
        loud: The sites that were found loud, each as `step/site`.
        waiting: Those of them that were not told yet.
        told_ns: When loud sites were last told of, monotonic; none if they never were.
        breached: The name of the stop condition that is in breach; empty if none is.
        aborted: Whether it was told that it was aborted.
    """

    fleet: str | None = None
    plan: str | None = None
    title: str = ""
    demo: bool = False
    loud: set[str] = field(default_factory=set)
    waiting: list[SiteNoticed] = field(default_factory=list)
    waiting_total: int = 0
    critical: bool = False
    first_at: str = ""
    told_ns: int | None = None
    breached: str = ""
    aborted: bool = False


@dataclass(slots=True)
class Lookout:
    """Remembers what was told.

    Attributes:
        drills: The drills that are not over.
        over: Those that are, newest last.
        told: When what is about no drill was last told, by its digest, wall time.
    """

    drills: dict[DrillId, Drilled] = field(default_factory=dict)
    over: list[DrillId] = field(default_factory=list)
    told: dict[str, int] = field(default_factory=dict)

    def take(self, line: TELLING_LINES) -> list[Notice]:  # noqa: PLR0911 - one arm each
        """Return what a line leads to at once; loud sites are returned by `gathered`."""
        if isinstance(line, ln.DrillLine | st.ConditionBreached) and line.drill in self.over:
            return []
        match line:
            case ln.Opened():
                return self._opened(line)
            case ln.Changed() if line.standing.loud:
                self._loud(line, line.standing)
            case ln.Judged() if (standing := Standing(line.verdict.value)).loud:
                self._loud(line, standing)
            case st.ConditionBreached(stopping=True):
                self._drill(line.drill).breached = f"{line.condition}: {line.detail}"
            case ln.Aborted():
                return self._aborted(line)
            case ln.Closed():
                return self._closed(line)
            case sl.CoverageOverdue():
                cells = "\0".join(f"{cell.site} {cell.control}" for cell in line.oldest)
                return [self._overdue(line)] if self._fresh(f"overdue {line.overdue} {cells}", line, DAILY_S) else []
            case ln.DrillLine() | st.ConditionBreached():
                pass
            case _:
                about = _about(line)
                key = f"{line.action} {about} {line.detail}"
                return [_attention(line, about)] if self._fresh(key, line, HOURLY_S) else []
        return []

    def _fresh(self, key: str, line: Line, apart_s: float) -> bool:
        """Tell whether the same was not told lately: what fails every few seconds is told once an hour."""
        digest, at_ns = notice_id(key)[:32], parse_utc(line.timestamp)
        before_ns = self.told.get(digest)
        if before_ns is not None and abs(at_ns - before_ns) < seconds_to_ns(apart_s):
            return False
        self.told.pop(digest, None)
        self.told[digest] = at_ns
        while len(self.told) > TOLD_MAX:
            del self.told[next(iter(self.told))]
        return True

    def gathered(self, now_ns: int, gather_ns: int) -> list[Notice]:
        """Return notices of the loud sites whose time has come.

        Args:
            now_ns: Monotonic time.
            gather_ns: The least time between two of them for one drill.
        """
        due = [
            name
            for name, drilled in self.drills.items()
            if drilled.waiting_total and (drilled.told_ns is None or now_ns - drilled.told_ns >= gather_ns)
        ]
        return [self._tell_loud(name, now_ns) for name in due]

    def next_ns(self, gather_ns: int) -> int | None:
        """Return when `gathered` will have something, monotonic; none if nothing waits."""
        waiting = [drilled for drilled in self.drills.values() if drilled.waiting_total]
        return min(((drilled.told_ns or 0) + gather_ns for drilled in waiting), default=None)

    def forget_times(self) -> None:
        """Forget monotonic times: after a restart of this machine they mean nothing."""
        for drilled in self.drills.values():
            drilled.told_ns = None

    def _drill(self, name: DrillId) -> Drilled:
        if name not in self.drills:
            while len(self.drills) >= OPEN_MAX:
                del self.drills[next(iter(self.drills))]
            self.drills[name] = Drilled()
        return self.drills[name]

    def _opened(self, line: ln.Opened) -> list[Notice]:
        if line.drill in self.drills and self.drills[line.drill].title:
            return []
        drilled, stated = self._drill(line.drill), line.stated
        drilled.fleet, drilled.plan, drilled.title, drilled.demo = stated.fleet, stated.plan, stated.title, stated.demo
        steps = ", ".join(step.params.control for step in stated.steps)
        by = f"approved by {', '.join(stated.approved_by)}"
        words = f"Drill started: {stated.title}, at {_sites(line.sites)} ({steps}), {by}"
        return [self._notice(line, NoticeKind.STARTED, Severity.INFO, words, sites_total=line.sites)]

    def _loud(self, line: ln.Changed | ln.Judged, standing: Standing) -> None:
        drilled, key = self._drill(line.drill), f"{line.step}/{line.site}"
        if key in drilled.loud:
            return
        drilled.loud.add(key)
        drilled.first_at = drilled.first_at or line.timestamp
        drilled.critical = drilled.critical or standing in _CRITICAL
        drilled.waiting_total += 1
        if len(drilled.waiting) < SITES_MAX:
            said = one_line(line.message.removeprefix(f"{line.site}: "))
            drilled.waiting.append(
                SiteNoticed(
                    site=line.site,
                    step=line.step,
                    step_name=line.step_name,
                    control=line.control,
                    standing=standing,
                    detail=said,
                )
            )

    def _tell_loud(self, name: DrillId, now_ns: int) -> Notice:
        drilled = self.drills[name]
        first, total = drilled.waiting[0], drilled.waiting_total
        more = "" if total == 1 else f" and {total - 1} more"
        words = f"{first.site}{more}: {first.detail} (drill {drilled.title or name})"
        notice = Notice(
            id=notice_id(NoticeKind.LOUD, name, f"{first.step}/{first.site}"),
            kind=NoticeKind.LOUD,
            severity=Severity.CRITICAL if drilled.critical else Severity.ERROR,
            at=drilled.first_at,
            summary=one_line(words),
            fleet=drilled.fleet,
            drill=name,
            plan=drilled.plan,
            sites=tuple(drilled.waiting),
            sites_total=total,
            demo=drilled.demo,
        )
        drilled.waiting, drilled.waiting_total, drilled.critical, drilled.first_at = [], 0, False, ""
        drilled.told_ns = now_ns
        return notice

    def _aborted(self, line: ln.Aborted) -> list[Notice]:
        drilled = self._drill(line.drill)
        if drilled.aborted:
            return []
        drilled.aborted = True
        why = f"stop condition {drilled.breached}" if drilled.breached else line.reason
        words = f"Drill aborted, every site is released: {drilled.title or line.drill}: {why}"
        return [self._notice(line, NoticeKind.STOPPED, Severity.ERROR, words)]

    def _closed(self, line: ln.Closed) -> list[Notice]:
        drilled = self._drill(line.drill)
        before = [self._tell_loud(line.drill, 0)] if drilled.waiting_total else []
        total = sum(one.count for one in line.verdicts)
        good = sum(one.count for one in line.verdicts if one.verdict is Verdict.VERIFIED)
        word = "passed" if line.passed else "was aborted" if line.aborted else "did not pass"
        others = ", ".join(
            f"{one.count} {_words(one.verdict)}" for one in line.verdicts if one.verdict.value != "verified"
        )
        words = f"Drill {word}: {drilled.title or line.drill}: {good} of {total} verified" + (
            f", {others}" if others else ""
        )
        severity = Severity.INFO if line.passed else Severity.ERROR
        notice = self._notice(line, NoticeKind.ENDED, severity, words, passed=line.passed)
        del self.drills[line.drill]
        self.over = [*self.over, line.drill][-OVER_MAX:]
        return [*before, notice]

    def _overdue(self, line: sl.CoverageOverdue) -> Notice:
        cells = tuple(
            SiteNoticed(site=cell.site, control=cell.control, detail=f"last proved {_days(cell.age_s)} ago")
            for cell in line.oldest[:SITES_MAX]
        )
        return Notice(
            id=notice_id(NoticeKind.OVERDUE, line.timestamp),
            kind=NoticeKind.OVERDUE,
            severity=Severity.WARNING,
            at=line.timestamp,
            summary=one_line(line.message),
            sites=cells,
            sites_total=line.overdue,
        )

    def _notice(
        self,
        line: ln.DrillLine,
        kind: NoticeKind,
        severity: Severity,
        words: str,
        *,
        passed: bool | None = None,
        sites_total: int = 0,
    ) -> Notice:
        drilled = self._drill(line.drill)
        return Notice(
            id=notice_id(kind, line.drill),
            kind=kind,
            severity=severity,
            at=line.timestamp,
            summary=one_line(words),
            fleet=drilled.fleet,
            drill=line.drill,
            plan=drilled.plan,
            passed=passed,
            sites_total=sites_total,
            demo=drilled.demo,
        )


_HEADS: dict[type[Line], str] = {
    sl.ScheduleSkipped: "Scheduled drill skipped",
    sl.ScheduleNotStarted: "Scheduled drill not started",
    sl.ServiceDrillFailed: "Drill failed",
    sl.ServiceJournalFailed: "The journal cannot be used, no drill begins",
    sl.PlanWrong: "Plan cannot be used",
    sl.WarrantRunsOut: "Warrant runs out",
    sl.ServiceReloadFailed: "What was read anew is wrong, the old goes on",
    sl.ServiceFilesFailed: "Report and evidence could not be written",
    sl.ServiceOverdueFailed: "Overdue proofs could not be found out",
    sl.ServiceBesideFailed: "The service is not whole",
    sl.ServiceStopUnkept: "A stop counts only until a restart",
    sl.ServiceStopsUnreadable: "Levers and revocations cannot be read, no drill begins",
}

_MILD = (sl.ScheduleSkipped, sl.ScheduleNotStarted, sl.WarrantRunsOut)


def _about(line: Attention) -> str:
    return getattr(line, "name", None) or getattr(line, "file", None) or getattr(line, "plan", None) or ""


def _attention(line: Attention, about: str) -> Notice:
    head = _HEADS.get(type(line)) or (
        "Safety lever" if getattr(line, "what", "") == "lever" else "A warrant was revoked"
    )
    words = ": ".join(part for part in (head, about, line.detail) if part)
    return Notice(
        id=notice_id(NoticeKind.ATTENTION, line.timestamp, line.action, about, line.detail),
        kind=NoticeKind.ATTENTION,
        severity=Severity.WARNING if isinstance(line, _MILD) else Severity.ERROR,
        at=line.timestamp,
        summary=one_line(words),
        drill=getattr(line, "drill", None),
        plan=getattr(line, "plan", None),
    )


def _sites(count: int) -> str:
    return "1 site" if count == 1 else f"{count} sites"


def _words(verdict: Verdict) -> str:
    return verdict.value.replace("_", " ")


def _days(age_s: float) -> str:
    days = age_s / 86_400
    return f"{days:.0f} days" if days >= 2 else f"{age_s / 3_600:.0f} hours"  # noqa: PLR2004 - less reads better in hours
