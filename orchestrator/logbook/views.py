"""What every view shows of drills, folded from the lines of a log and from nothing else: pure.

`LogView.take` is the only thing that changes a view; a live stream and a finished file go through it
alike, line by line. What is new since a reader looked last is found by serial numbers, which rise
with every line: `DrillView.serial`, `SiteView.serial`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

from pydantic import ValidationError

from orchestrator.core.grades import Cause, Grade, SiteStepResult, Verdict
from orchestrator.core.states import Phase
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.stating import DrillStated, Ending, SiteStated, StepStated, assemble
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import LOUD, Standing
from protocols.errors import JournalError
from protocols.logged import Level

TAIL_LINES = 2_000
HISTORY_MAX = 64
"""Most changes that are kept of one site in one step."""

SAID_MAX = 128
"""Most receipts and climbs that are kept of one site."""

Moment = tuple[int, int]
"""A line's clock epoch and offset. Lines come in this order; one that does not came before, and is not taken twice."""

_LOUDNESS = (Standing.CONTRADICTED, Standing.BROKEN, Standing.NOT_RESTORED, Standing.REFUSED)
_FAILED = {Standing.LATE, Standing.UNPROVEN}
_DEBUG = Level.DEBUG
_PROVISIONAL, _FINAL = False, True
_OF_A_STEP = frozenset(model for model in get_args(ln.AnyDrillLine) if "step" in model.model_fields)
"""The lines that are about a step; a file may hold one about a step that its drill has not."""


class Change(NamedTuple):
    """One change of where a site stands, with what the log said then. Not its line, which takes ten times the memory.

    Attributes:
        timestamp: Wall time of its line.
        step: The step that it is about.
        standing: Where the site stands from then on.
        final: Whether it is the verdict.
        lower_ns: It halted no earlier than this after its order; None while unknown.
        upper_ns: And no later than this.
        agreeing: How many of its witnesses see it as ordered; likewise the next two.
    """

    timestamp: str
    step: int
    standing: Standing
    final: bool
    lower_ns: int | None
    upper_ns: int | None
    agreeing: int
    dissenting: int
    unknown: int

    @property
    def counted(self) -> str:
        """What its witnesses saw, in words."""
        return f"{self.agreeing} agree, {self.dissenting} against, {self.unknown} unknown"


@dataclass(slots=True)
class SiteView:
    """One site of a drill, as the newest line says.

    Attributes:
        enlisted: What is known of it from the beginning.
        standing: Where it stands in the running step.
        step: The step that this is about.
        grade: How good the evidence is by now.
        cause: Why a loud or failed standing is what it is.
        rung: The rung that it climbed to.
        response_lower_ns: It halted no earlier than this after its order; None while unknown.
        response_upper_ns: And no later than this.
        total_upper_ns: With an escalation, from the step's own order, at most.
        agreeing: How many of its witnesses see it as ordered; likewise the next two.
        own_word: The last outcome that who acts there reported.
        message: The newest sentence about it.
        history: Every change, oldest first.
        results: Its final results, by step.
        said: What who acts there said, and the rungs that were ordered, oldest first, bounded.
        alarms: By step, the newest line that says that it was loud or failed there, also when the step is over.
        serial: That of the newest line about it.
        changed_at: The moment of the newest change of where it stands.
        heard_at: That of the newest receipt.
    """

    enlisted: ln.Enlisted
    standing: Standing = Standing.WAITING
    step: int = 0
    grade: Grade = Grade.SILENT
    cause: Cause | None = None
    rung: int = 0
    response_lower_ns: int | None = None
    response_upper_ns: int | None = None
    total_upper_ns: int | None = None
    agreeing: int = 0
    dissenting: int = 0
    unknown: int = 0
    own_word: str = ""
    message: str = ""
    history: deque[Change] = field(default_factory=lambda: deque(maxlen=HISTORY_MAX * 12))
    results: dict[int, SiteStepResult] = field(default_factory=dict)
    said: list[ln.Receipt | ln.RungOrdered] = field(default_factory=list)
    alarms: dict[int, ln.Changed | ln.Judged] = field(default_factory=dict)
    serial: int = 0
    changed_at: Moment = (0, 0)
    heard_at: Moment = (0, 0)

    @property
    def site(self) -> str:
        """Its name."""
        return self.enlisted.site

    @property
    def region(self) -> str:
        """Its region, from the tag of that name; empty if it has none."""
        return next((tag.value for tag in self.enlisted.tags if tag.name == "region"), "")

    @property
    def trouble(self) -> int:
        """How loudly it asks to be looked at: 0 for not at all."""
        if self.standing in LOUD:
            return 2 + len(_LOUDNESS) - _LOUDNESS.index(self.standing)
        return 2 if self.standing in _FAILED else 1 if self.rung else 0


@dataclass(slots=True)
class StepView:
    """One step of a drill.

    Attributes:
        stated: What was approved.
        ordered: The line of its order, or of its battery; None while it was not ordered.
        released: The line of its release.
        ended: The line that says that it is over.
    """

    stated: StepStated
    ordered: ln.Ordered | ln.BatteryOrdered | None = None
    released: ln.Released | None = None
    ended: ln.StepEnded | None = None


@dataclass(slots=True)
class DrillView:
    """One drill.

    Attributes:
        opened: The line that opened it: what it is.
        sites: Its sites in the order of its audience.
        steps: Its steps.
        phase: Where it stands.
        running: The number of the running step, or of the last that ran.
        counts: How many sites stand where in the running step.
        aborted: The line of its abort.
        closed: The line of its end.
        rejected: Inputs that arrived and were not to be believed.
        resumed: How often the orchestrator was restarted in it.
        epoch: The newest clock epoch.
        newest: The newest line of it.
        serial: That of the newest line.
        moved_at: The moment of the newest line about the whole drill.
    """

    opened: ln.Opened
    sites: dict[str, SiteView] = field(default_factory=dict)
    steps: list[StepView] = field(default_factory=list)
    phase: Phase = Phase.PREFLIGHT
    running: int = 0
    counts: Counter[Standing] = field(default_factory=Counter)
    aborted: ln.Aborted | None = None
    closed: ln.Closed | None = None
    rejected: int = 0
    resumed: int = 0
    epoch: int = 1
    newest: ln.AnyDrillLine | None = None
    serial: int = 0
    moved_at: Moment = (0, 0)
    rejections: set[tuple[Moment, str]] = field(default_factory=set, repr=False)

    @property
    def drill(self) -> str:
        """Its id."""
        return self.opened.drill

    @property
    def stated(self) -> DrillStated:
        """What it is."""
        return self.opened.stated

    @property
    def step(self) -> StepView:
        """The running step, or the last that ran."""
        return self.steps[self.running]

    def problems(self) -> list[SiteView]:
        """Return the sites that somebody should look at, the loudest first."""
        found = [site for site in self.sites.values() if site.trouble]
        return sorted(found, key=lambda site: (-site.trouble, site.site))

    def halts(self, step: int) -> list[tuple[int, int]]:
        """Return when sites came to be as ordered in a step, each as (earliest, latest) after its order, ns.

        Final where there is a verdict, provisional for the others; sorted by the latest.
        """
        found = []
        for site in self.sites.values():
            result = site.results.get(step)
            if result is not None:
                bounds = (result.response_lower_ns, result.response_upper_ns, result.total_upper_ns)
                seen = result.halted
            else:
                bounds = (site.response_lower_ns, site.response_upper_ns, site.total_upper_ns)
                seen = site.standing.timed and site.step == step
            lower_ns, upper_ns, total_ns = bounds
            if seen and upper_ns is not None:
                latest_ns = upper_ns if total_ns is None else total_ns
                width_ns = max(0, upper_ns - (lower_ns or 0))
                found.append((max(0, latest_ns - width_ns), latest_ns))
        return sorted(found, key=lambda pair: pair[1])

    def result(self) -> DrillResult:
        """Put the drill's result together: what `result.json` holds, from the log alone.

        Raises:
            JournalError: The drill is not over, or lines of it are missing.
        """
        if self.closed is None:
            raise JournalError("it is not over, so it has no result", where=f"drill {self.drill}")
        ending = Ending(
            self.closed.timestamp,
            frozenset(number for number, step in enumerate(self.steps) if step.ordered is not None),
            self.closed.rejected,
            self.aborted is not None,
            self.aborted.reason if self.aborted is not None else "",
        )
        sites = [_stated(site.enlisted) for site in self.sites.values()]
        results = {(step, name): found for name, site in self.sites.items() for step, found in site.results.items()}
        wanted = self.opened.sites * len(self.steps)
        if len(sites) != self.opened.sites or len(results) != wanted:
            raise JournalError(
                f"lines of it are missing: {len(sites)} of {self.opened.sites} sites and "
                f"{len(results)} of {wanted} verdicts are there",
                where=f"drill {self.drill}",
                remedy="a log tells all only at level debug; otherwise take them from its journal: haltdrill export",
            )
        try:
            return assemble(self.stated, sites, results, ending)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise JournalError(
                f"its lines make no result: {place}: {first['msg']}",
                where=f"drill {self.drill}",
                remedy="something else has written to this log; take it from the journal: haltdrill export",
            ) from error


def _stated(line: ln.Enlisted) -> SiteStated:
    return SiteStated(site=line.site, owner=line.owner, mock=line.mock, tolerates=line.tolerates)


class LogView:
    """All drills of a log, and its newest lines.

    Attributes:
        drills: The drills by id, in the order in which they began.
        tail: The newest lines of any drill, oldest first.
        notable: The newest of them without the `debug` ones, which in a large fleet crowd out all others.
        serial: Rises with every line that is taken.
        strays: Lines about a drill, a step or a site whose beginning is not in the log.
    """

    def __init__(self) -> None:
        self.drills: dict[str, DrillView] = {}
        self.tail: deque[ln.AnyDrillLine] = deque(maxlen=TAIL_LINES)
        self.notable: deque[ln.AnyDrillLine] = deque(maxlen=TAIL_LINES)
        self.serial = 0
        self.strays = 0

    @property
    def newest(self) -> DrillView | None:
        """The drill that began last."""
        return next(reversed(self.drills.values()), None)

    def take_all(self, lines: Iterable[ln.AnyDrillLine]) -> None:
        """Take lines one after another."""
        for line in lines:
            self.take(line)

    def take(self, line: ln.AnyDrillLine) -> None:
        """Take one line. A line that comes twice changes nothing more."""
        self.serial += 1
        if not line.restated:
            self.tail.append(line)
            if line.level is not _DEBUG:
                self.notable.append(line)
        kind = type(line)
        if isinstance(line, ln.Opened):
            self._open(line)
        drill = self.drills.get(line.drill)
        if drill is None or (kind in _OF_A_STEP and line.step >= len(drill.steps)):  # type: ignore[union-attr, operator]
            self.strays += 1
            return
        drill.serial, drill.newest = self.serial, line
        self._fold(drill, line)

    def _open(self, line: ln.Opened) -> None:
        known = self.drills.get(line.drill)
        if known is None:
            numbered = enumerate(line.stated.steps)
            if line.stated.steps and all(step.step == number for number, step in numbered):
                self.drills[line.drill] = DrillView(line, steps=[StepView(step) for step in line.stated.steps])
        elif line.stated.steps == known.stated.steps:
            known.opened = line

    def _fold(self, drill: DrillView, line: ln.AnyDrillLine) -> None:
        match line:
            case ln.Changed():  # most lines are these
                site = self._site(drill, line.site)
                if site is not None:
                    self._change(drill, site, line)
            case ln.Receipt() | ln.Judged() | ln.RungOrdered():
                site = self._site(drill, line.site)
                if site is not None:
                    self._of_site(drill, site, line)
            case ln.Enlisted():
                if line.site not in drill.sites:
                    drill.sites[line.site] = SiteView(line, serial=self.serial)
                    drill.counts[Standing.WAITING] += 1
            case ln.Rejected() | ln.Ignored():
                self._reject(drill, line)
            case _:
                self._move(drill, line)

    def _site(self, drill: DrillView, name: str) -> SiteView | None:
        """Return the site that a line is about, which from now on has news."""
        site = drill.sites.get(name)
        if site is None:
            self.strays += 1
        else:
            site.serial = self.serial
        return site

    def _reject(self, drill: DrillView, line: ln.Rejected | ln.Ignored) -> None:
        key = (_moment(line), line.digest if isinstance(line, ln.Rejected) else "")
        if key not in drill.rejections:
            drill.rejections.add(key)
            drill.rejected += line.count if isinstance(line, ln.Ignored) else 1

    def _move(self, drill: DrillView, line: ln.AnyDrillLine) -> None:
        """Take a line about the whole drill, unless it is known already."""
        newer = _moment(line) >= drill.moved_at
        drill.moved_at = max(drill.moved_at, _moment(line))
        match line:
            case ln.Resumed() if line.clock_epoch > drill.epoch:
                drill.resumed, drill.epoch, drill.phase = drill.resumed + 1, line.clock_epoch, line.phase
            case ln.Ordered() | ln.BatteryOrdered() if drill.steps[line.step].ordered is None:
                self._begin(drill, line.step)
                drill.steps[line.step].ordered = line
                drill.phase = Phase.ORDERED
            case ln.Released() if drill.steps[line.step].released is None:
                drill.steps[line.step].released = line
                drill.phase = Phase.RECOVERING
            case ln.Aborted() if drill.aborted is None:
                drill.aborted = line
                drill.phase = Phase.ABORTING
            case ln.StepEnded() if drill.steps[line.step].ended is None:
                self._end(drill, line)
            case ln.Closed() if drill.closed is None:
                drill.closed, drill.phase = line, Phase.CLOSED
                drill.rejected = line.rejected
            case ln.Progress() if newer:
                drill.phase = line.phase
                self._begin(drill, line.step)
            case _:
                pass

    def _of_site(self, drill: DrillView, site: SiteView, line: ln.RungOrdered | ln.Receipt | ln.Judged) -> None:
        match line:
            case ln.Receipt():
                moment = _moment(line)
                if moment > site.heard_at or (moment == site.heard_at and line not in site.said):
                    site.heard_at = moment
                    site.own_word = line.outcome.value if line.by == "agent" else f"{line.by} {line.outcome.value}"
                    _keep(site, line)
            case ln.Judged() if line.step not in site.results:
                self._judge(drill, site, line)
            case ln.RungOrdered() if line.step == drill.running and line.rung > site.rung:
                site.rung, site.message = line.rung, line.message
                _keep(site, line)
            case _:
                pass

    def _change(self, drill: DrillView, site: SiteView, line: ln.Changed) -> None:
        """Take where a site stands, unless it is known already. Two different lines may be of the same moment."""
        moment, step, standing = (line.clock_epoch, line.offset_ns), line.step, line.standing
        lower_ns, upper_ns = line.response_lower_ns, line.response_upper_ns
        agreeing, dissenting, unknown = line.agreeing, line.dissenting, line.unknown
        change = Change(line.timestamp, step, standing, _PROVISIONAL, lower_ns, upper_ns, agreeing, dissenting, unknown)
        if moment < site.changed_at or (moment == site.changed_at and change in site.history):
            return
        site.changed_at = moment
        if step > drill.running:
            self._begin(drill, step)
        self._stand(drill, site, standing)
        site.step, site.grade, site.cause, site.rung = step, line.grade, line.cause, line.rung or 0
        site.agreeing, site.dissenting, site.unknown = agreeing, dissenting, unknown
        if upper_ns is not None or not standing.timed:
            site.response_lower_ns, site.response_upper_ns = lower_ns, upper_ns
            site.total_upper_ns = line.total_upper_ns
        site.message = line.message
        if standing in LOUD:
            site.alarms[step] = line
        site.history.append(change)

    def _judge(self, drill: DrillView, site: SiteView, line: ln.Judged) -> None:
        result = line.result
        site.results[line.step] = result
        if result.passed:
            site.alarms.pop(line.step, None)
        else:
            site.alarms[line.step] = line
        if line.step != drill.running:
            return
        self._stand(drill, site, Standing(line.verdict.value))
        site.step, site.grade, site.cause, site.rung = line.step, result.grade, result.cause, result.rung
        site.agreeing, site.dissenting = len(result.agreeing), len(result.dissenting)
        site.unknown = len(result.unknown)
        site.response_lower_ns, site.response_upper_ns = result.response_lower_ns, result.response_upper_ns
        site.total_upper_ns = result.total_upper_ns
        site.message = line.message
        seen = (site.agreeing, site.dissenting, site.unknown)
        bounds = (result.response_lower_ns, result.response_upper_ns)
        site.history.append(Change(line.timestamp, line.step, site.standing, _FINAL, *bounds, *seen))

    def _stand(self, drill: DrillView, site: SiteView, standing: Standing) -> None:
        drill.counts[site.standing] -= 1
        drill.counts[standing] += 1
        site.standing = standing

    def _begin(self, drill: DrillView, step: int) -> None:
        """Begin a step: every site waits again."""
        if step <= drill.running:
            return
        drill.running = step
        for site in drill.sites.values():
            self._stand(drill, site, Standing.WAITING)
            site.step, site.grade, site.cause, site.rung = step, Grade.SILENT, None, 0
            site.response_lower_ns = site.response_upper_ns = site.total_upper_ns = None
            site.agreeing = site.dissenting = site.unknown = 0
            site.own_word, site.serial = "", self.serial

    def _end(self, drill: DrillView, line: ln.StepEnded) -> None:
        drill.steps[line.step].ended = line
        last = line.step == len(drill.steps) - 1 or drill.aborted is not None
        drill.phase = Phase.CLOSING if last else Phase.PREFLIGHT
        if not last:
            self._begin(drill, line.step + 1)


def _moment(line: ln.AnyDrillLine) -> Moment:
    return line.clock_epoch, line.offset_ns


def _keep(site: SiteView, line: ln.Receipt | ln.RungOrdered) -> None:
    """Keep what was said of a site; when there is much, the oldest half goes."""
    if len(site.said) >= SAID_MAX:
        del site.said[: SAID_MAX // 2]
    site.said.append(line)


def loud(line: ln.AnyDrillLine) -> bool:
    """Tell whether a line is one that a person must not miss."""
    return line.level in {Level.WARNING, Level.ERROR}


def verdict_counts(drill: DrillView) -> Mapping[Verdict, int]:
    """Return how often each verdict was given so far, over all steps."""
    return Counter(result.verdict for site in drill.sites.values() for result in site.results.values())
