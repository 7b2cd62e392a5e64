"""What a running drill shows of itself: how many sites stand badly, and whether protected work goes on.

Both are read from what the witnesses signed, by the same rules by which sites are judged.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.core import events as ev
from orchestrator.core import quorum as q
from orchestrator.core.criterion import Criterion, steady
from orchestrator.core.drill import Drill
from orchestrator.core.live import Live
from orchestrator.core.samples import Instant
from orchestrator.core.trace import Trace
from orchestrator.stopping.answers import Answer, State, breach, fine, unknown
from orchestrator.stopping.spec import CountedSites, SitesAre, SteadyWork
from protocols.ids import seconds_to_ns
from protocols.messages import Message, SiteRecord, WorkRate
from protocols.phrases import duration_text, list_text, number_text

SITES_PER_TURN = 128
"""Most sites that are judged in one turn of the drill's loop: a large fleet's take turns."""

SITES_NAMED = 5


class Drilling(Protocol):
    """A drill that runs, as far as its stop conditions need to know it. `runtime.loop.Runtime` is one."""

    drill: Drill
    live: Live

    @property
    def drill_id(self) -> str:
        """The drill's id, also before its first event."""
        ...

    def abort(self, reason: str) -> None:
        """Stop the drill early: every site is released."""
        ...

    def now(self) -> Instant:
        """Return the time of the clock that the drill is measured by."""
        ...

    def watch(self, observer: Callable[[ev.Stamped, Message | None], None], turned: Callable[[], None]) -> None:
        """Tell of each event, and at the end of each turn of the loop."""
        ...


def rates_of(record: SiteRecord, workload: str | None) -> tuple[WorkRate, ...]:
    """Return the counters of a class of work at a site; None stands for all work together."""
    return tuple(rate for rate in record.work if rate.workload == workload)


@dataclass
class SitesSeen:
    """Which sites stand badly, kept up to date turn by turn. What a site once was in a drill it stays.

    Attributes:
        drilling: The drill.
        found: By verdict, the sites that were found to be it.
    """

    drilling: Drilling
    found: dict[SitesAre, set[str]] = field(default_factory=lambda: {word: set() for word in SitesAre})
    _next: int = 0

    def look(self, *, whole: bool) -> None:
        """Judge some sites again, or the whole audience: at the end of a step, since the next begins afresh."""
        sites, live = self.drilling.drill.audience, self.drilling.live
        count = len(sites) if whole else min(len(sites), SITES_PER_TURN)
        for place in range(self._next, self._next + count):
            site = sites[place % len(sites)]
            result = live.result(site)
            if result is not None and result.verdict.value in set(SitesAre):
                self.found[SitesAre(result.verdict.value)].add(site)
        self._next = (self._next + count) % len(sites) if sites else 0

    def answer(self, counted: CountedSites) -> Answer:
        """Say whether too many sites are what is counted."""
        total, bad = len(self.drilling.drill.audience), sorted(self.found[counted.are])
        word = counted.are.value.replace("_", " ")
        allowed = counted.allowed(total)
        said = f"{len(bad)} of {total} sites {'is' if len(bad) == 1 else 'are'} {word}"
        if len(bad) > allowed:
            named = list_text(bad) if len(bad) <= SITES_NAMED else f"{', '.join(bad[:SITES_NAMED])}, …"
            return breach(f"{said}, and at most {number_text(allowed)} may be: {named}")
        trouble = self.drilling.live.trouble
        return unknown("the broker does not take what is said to the sites") if trouble else fine(said)


@dataclass
class WorkSeen:
    """Whether a class of work goes on, by the witnesses of each site that has it.

    One witness that proves its rate out of its band is enough for a breach, as one dissent is against a
    halt. That all is well takes a quorum of owners, of whom each proves it, and lately.

    Attributes:
        drilling: The drill.
        steady: What is watched.
    """

    drilling: Drilling
    steady: SteadyWork
    _traces: dict[tuple[str, str], Trace] = field(default_factory=dict)

    @property
    def sites(self) -> list[str]:
        """The sites of the drill that have it and are meant."""
        drill = self.drilling.drill
        wanted = drill.audience if self.steady.sites is None else sorted({*self.steady.sites} & {*drill.audience})
        return [site for site in wanted if rates_of(drill.trust.records[site], self.steady.workload)]

    def answer(self) -> Answer:
        """Say whether it goes on everywhere."""
        sites, doubtful = self.sites, []
        for site in sites:
            found = self._at(site)
            if found.state is State.BREACH:
                return found
            if found.state is State.UNKNOWN:
                doubtful.append(found)
        if not self.drilling.drill.audience:
            return unknown("the drill has not begun")
        if doubtful:
            more = f" (and at {len(doubtful) - 1} more sites)" if len(doubtful) > 1 else ""
            return unknown(f"{doubtful[0].detail}{more}")
        return fine(f"{self._called()} is in its load band at {len(sites)} sites")

    def _called(self) -> str:
        return "work" if self.steady.workload is None else f"work of class {self.steady.workload}"

    def _at(self, site: str) -> Answer:
        record = self.drilling.drill.trust.records[site]
        rates = rates_of(record, self.steady.workload)
        sure: set[str] = set()
        for name, owner in self._witnesses(record, rates):
            trace = self._trace(record, name, rates)
            trace.update()
            if trace.breaches:
                return breach(
                    f"{self._called()} left its load band at {site}, as witness {name} saw over "
                    f"{duration_text(self.steady.window_s)}"
                )
            if self._in_band(trace, rates):
                sure.add(owner)
        quorum = max(step.quorum for step in self.drilling.drill.warrant.steps)
        if len(sure) >= quorum:
            return fine()
        return unknown(f"{len(sure)} of {quorum} witness owners show {self._called()} in its load band at {site}")

    def _witnesses(self, record: SiteRecord, rates: tuple[WorkRate, ...]) -> Iterator[tuple[str, str]]:
        """Yield those that can see it, and are not the site's own."""
        signals = {rate.signal for rate in rates}
        for entry in record.witnesses:
            if entry.owner != record.owner and signals <= set(entry.covers):
                yield entry.name, entry.owner

    def _trace(self, record: SiteRecord, witness: str, rates: tuple[WorkRate, ...]) -> Trace:
        drill, key = self.drilling.drill, (record.site, witness)
        if key not in self._traces:
            self._traces[key] = Trace(
                drill.tracks[key],
                Criterion(bands=steady(rates), work=rates, goes_on=True),
                drill.issued,
                self._max_gap_ns,
                seconds_to_ns(self.steady.window_s),
            )
        return self._traces[key]

    @property
    def _max_gap_ns(self) -> int:
        return seconds_to_ns(max(step.max_gap_s for step in self.drilling.drill.warrant.steps))

    def _in_band(self, trace: Trace, rates: tuple[WorkRate, ...]) -> bool:
        """Tell whether its rate over the last window surely lies in its band, and the last reading is fresh."""
        last = len(trace.readings) - 1
        if last < 1 or trace.track.forked or trace.dishonest:
            return False
        start = bisect_right(trace.before, trace.after[last].plus(-trace.dwell_ns)) - 1
        age_ns = self.drilling.now().minus(trace.after[last])
        fresh = age_ns is not None and age_ns <= trace.max_gap_ns
        return fresh and start >= 0 and q.connected(trace, start, last) and q.in_band(trace, start, last, rates)
