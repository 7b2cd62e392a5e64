"""Writes a drill's log while it runs: a line for each event, and one whenever a site comes to stand elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from orchestrator.core import events as ev
from orchestrator.core.grades import SiteStepResult
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from orchestrator.journal.base import JournalStore
from orchestrator.journal.chain import ChainReader, stamped_of
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import Standing, standing
from orchestrator.logbook.telling import Teller
from orchestrator.runtime.loop import Runtime
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import seconds_to_ns
from protocols.logged import Level
from protocols.messages import Message

SITES_PER_TURN = 128
"""Most sites that are looked at again in one turn of the loop: a large fleet's take turns."""

PROGRESS_S = 5.0

CHANGES_MAX = 32
"""Most changes of one site in one step that are told as they come; a site that flaps is then told of at intervals."""

FLAPPING_S = 60.0
"""The interval."""

_WATCHED = {Phase.PREFLIGHT, Phase.ORDERED, Phase.RECOVERING, Phase.ABORTING}
_NUMBERS = {Level.DEBUG: 10, Level.INFO: 20, Level.WARNING: 30, Level.ERROR: 40}


def logbook(log: FilteringBoundLogger, store: JournalStore) -> Callable[[Runtime], None]:
    """Return what has a runtime's log written: for `Conductor.watched`."""

    def watched(runtime: Runtime) -> None:
        reader = ChainReader(runtime.drill.drill)
        # Also of one that was closed already: the lines of its end may be what the crash took.
        resumed = runtime.drill.phase is not Phase.OPENING
        past = (stamped_of(reader.read(line)) for line in store.lines(runtime.drill.drill)) if resumed else ()
        LogbookWriter(runtime, log).attach(past)

    return watched


class LogbookWriter:
    """Watches one runtime.

    Args:
        runtime: The drill's runtime, before it runs.
        log: Where lines go.
    """

    def __init__(self, runtime: Runtime, log: FilteringBoundLogger) -> None:
        self._runtime = runtime
        self._drill = runtime.drill
        self._log = log
        self._teller = Teller(runtime.drill)
        self._dirty: dict[str, None] = {}
        self._stands: dict[str, Standing] = {}
        self._counts: Counter[Standing] = Counter()
        self._changes: Counter[str] = Counter()
        self._later: dict[str, Instant] = {}
        self._phase = Phase.OPENING
        self._step = -1
        self._told = self._fresh = False
        self._progress_at: Instant | None = None

    def attach(self, past: Iterable[ev.Stamped] = ()) -> None:
        """Begin to write.

        Args:
            past: What the journal holds of the drill already, if it was resumed: it is stated again,
                since the lines of it may have been lost with the process that wrote them.
        """
        self._teller.restating = True
        for stamped in past:
            self._event(stamped, None)
        self._teller.restating = False
        self._runtime.watch(self._event, self._turned)

    def _event(self, stamped: ev.Stamped, said: Message | None) -> None:
        for line in self._teller.tell(stamped, said):
            self._write(line)
        match stamped.event:
            case ev.ReceiptReceived(site=site) | ev.ReadingReceived(site=site) | ev.RungOrdered(site=site):
                self._dirty.setdefault(site)
            case _:
                pass

    def _turned(self) -> None:
        """Look again at the sites of which something was heard, and say which of them stand elsewhere now."""
        phase = self._drill.phase
        if phase not in _WATCHED:
            self._phase = phase
            return
        number = self._drill.step.number
        if number != self._step:
            self._begin(phase, number)
            return  # what is live is still of the step before, until the next turn
        if phase is not self._phase:
            self._begin(phase, number)
        changed = False
        for site in tuple(islice(self._dirty, SITES_PER_TURN)):
            del self._dirty[site]
            changed = self._look(site) or changed
        self._wake()
        self._told = self._told and not changed
        self._progress()

    def _begin(self, phase: Phase, number: int) -> None:
        """Begin a phase: every site is looked at again, and in a new step as if for the first time."""
        self._told, self._fresh = False, True
        self._dirty.update(dict.fromkeys(self._drill.audience))
        if number != self._step:
            self._stands.clear()
            self._counts.clear()
            self._changes.clear()
            self._later.clear()
        self._phase, self._step = phase, number

    def _wake(self) -> None:
        """Look again at the sites that flap and whose time has come."""
        now = self._runtime.now()
        for site, at in tuple(self._later.items()):
            since_ns = now.minus(at)
            if since_ns is None or since_ns >= seconds_to_ns(FLAPPING_S):
                del self._later[site]
                self._dirty.setdefault(site)

    def _look(self, site: str) -> bool:
        result = self._runtime.live.result(site)
        stands = standing(self._drill, self._runtime.live, site, result)
        before = self._stands.get(site)
        if stands is before or (before is None and stands is Standing.WAITING):
            return False
        if site in self._later and not stands.loud:
            return False
        self._changes[site] += 1
        if self._changes[site] >= CHANGES_MAX:
            self._later[site] = self._runtime.now()
        self._stands[site] = stands
        self._counts[stands] += 1
        if before is not None:
            self._counts[before] -= 1
        level = Level.DEBUG if not stands.loud else Level.WARNING if stands is Standing.REFUSED else Level.ERROR
        if result is not None and self._enabled(level):
            self._write(self._changed(site, stands, result, level))
        return True

    def _changed(self, site: str, stands: Standing, result: SiteStepResult, level: Level) -> ln.Changed:
        number = self._drill.step.number
        often = f", and changes so often that it is told every {FLAPPING_S:g} s" if site in self._later else ""
        return ln.Changed(
            **self._now(level, f"{site}: {stands.replace('_', ' ')}{often}"),
            **self._teller.step(number, site, result.rung),
            action="site.changed",
            site=site,
            standing=stands,
            grade=result.grade,
            cause=result.cause if stands.loud else None,
            rung=result.rung or None,
            response_lower_ns=result.response_lower_ns if stands.timed else None,
            response_upper_ns=result.response_upper_ns if stands.timed else None,
            total_upper_ns=result.total_upper_ns if stands.timed else None,
            agreeing=len(result.agreeing),
            dissenting=len(result.dissenting),
            unknown=len(result.unknown),
        )

    def _progress(self) -> None:
        """Say how the fleet stands: at once after a change of phase, else now and again if something changed."""
        now = self._runtime.now()
        since_ns = None if self._progress_at is None else now.minus(self._progress_at)
        due = since_ns is None or since_ns >= seconds_to_ns(PROGRESS_S) or (self._fresh and not self._dirty)
        if self._told or not self._counts.total() or not due:
            return
        self._told, self._fresh, self._progress_at = True, False, now
        found = self._counts + Counter({Standing.WAITING: len(self._drill.audience) - self._counts.total()})
        counts = tuple(ln.Count(standing=word, sites=found[word]) for word in Standing if found[word])
        words = ", ".join(f"{one.sites} {one.standing.replace('_', ' ')}" for one in counts)
        self._write(
            ln.Progress(
                **self._now(Level.INFO, f"{self._phase}: {words}"),
                **self._teller.step(self._drill.step.number),
                action="drill.progress",
                phase=self._phase,
                counts=counts,
            )
        )

    def _now(self, level: Level, message: str) -> dict[str, Any]:
        now = self._runtime.now()
        return self._teller.at(now.epoch, now.ns, self._runtime.wall_ns())(level, message)

    def _enabled(self, level: Level) -> bool:
        return self._log.is_enabled_for(_NUMBERS[level])

    def _write(self, line: ln.AnyDrillLine) -> None:
        if not self._enabled(line.level):
            return
        fields = line.model_dump(mode="json", by_alias=True, exclude={"level", "action", "program", "lines_lost"})
        fields["timestamp"] = fields.pop("@timestamp")
        if not line.restated:
            del fields["restated"]
        shown = {name: value for name, value in fields.items() if value is not None}
        getattr(self._log, line.level.value)(line.action, **shown)
