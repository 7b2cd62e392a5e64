"""Where every site of a running drill stands: provisional judgements, made when somebody asks.

Nothing here is final or journalled. It decides when a step may go on, and feeds the views. A site is
judged again only if something was heard of it since, and only when its result is wanted: with many
sites a judgement of each at every challenge would cost more than all the signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Cause, SiteStepResult
from orchestrator.core.intents import since
from orchestrator.core.judge import LiveSite, StepInputs
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from protocols.ids import seconds_to_ns
from protocols.messages import Outcome
from protocols.messages.orders import CLIMB_CHALLENGES


class Live:
    """The provisional results of the running step.

    Args:
        drill: The drill that is being folded.

    Attributes:
        ignored: Rejected inputs past the number that the journal keeps.
        trouble: What is wrong with the connection, for people; empty when nothing is.
    """

    def __init__(self, drill: Drill) -> None:
        self._drill = drill
        self._now = Instant(1, 0)
        self._step = -1
        self._sites: dict[str, LiveSite] = {}
        self._results: dict[str, SiteStepResult] = {}
        self._stale: set[str] = set()
        self._steady: frozenset[str] = frozenset()
        self._steady_at: Instant | None = None
        self._back: set[str] = set()
        self._back_at: Instant | None = None
        self._climbs_at: Instant | None = None
        self._settled: set[tuple[str, int]] = set()
        self.ignored = 0
        self.trouble = ""

    def note(self, event: ev.Event) -> None:
        """Take note of an event that was folded in: what was found of its site is out of date."""
        match event:
            case ev.ReceiptReceived() | ev.ReadingReceived() | ev.ClosingReceived():
                self._stale.add(event.site)
            case ev.RungOrdered():
                self._stale.add(event.site)
            case (
                ev.OrderIssued()
                | ev.BatteryIssued()
                | ev.LeaseStopped()
                | ev.ReleaseIssued()
                | ev.Aborted()
                | ev.DrillOpened()
                | ev.StepEnded()
            ):
                self._stale.update(self._drill.audience)
                self._steady_at = self._back_at = None
            case _:
                pass

    def refresh(self, now: Instant) -> None:
        """Say what time it is; results are as of then."""
        self._now = now
        drill = self._drill
        if drill.steps and self._step != drill.step.number:
            self._step = drill.step.number
            self._sites = {site: LiveSite() for site in drill.audience}
            self._results.clear()
            self._stale.update(drill.audience)
            self._steady, self._steady_at = frozenset(), None
            self._back, self._back_at = set(), None
            self._climbs_at = None
            self._settled.clear()

    def result(self, site: str) -> SiteStepResult | None:
        """Return where a site of the audience stands in the running step, or None while there is none."""
        if not self._running():
            return self._results.get(site)
        if site in self._stale or site not in self._results:
            self._stale.discard(site)
            rungs = self._rungs(site)
            self._results[site] = found = self._sites[site].judge(rungs)
            if found.restore_upper_ns is not None or (self._restarted() and self._sites[site].back(rungs)):
                self._back.add(site)
        return self._results[site]

    def final(self, number: int, site: str) -> SiteStepResult:
        """Give the final judgement, for the running step on what was read already.

        It is what `Drill.judge` gives (a property test holds live and batch equal), without reading
        every chain again from its start.
        """
        if number != self._step or site not in self._sites:
            return self._drill.judge(number, site)
        return self._sites[site].judge(self._drill.rung_inputs(number, site, final=True))

    def steady(self) -> frozenset[str]:
        """Return the sites that a quorum sees at work before the order, as of half a challenge ago at most."""
        if self._running() and self._drill.phase is Phase.PREFLIGHT and self._due(self._steady_at):
            self._steady_at = self._now
            self._steady = frozenset(
                site for site in self._drill.audience if self._sites[site].steady(self._rungs(site)[0])
            )
        return self._steady

    def back(self) -> frozenset[str]:
        """Return the sites that a quorum has seen back at work since the release, likewise."""
        if self._running() and self._may_be_back() and self._due(self._back_at):
            self._back_at = self._now
            for site in self._drill.audience:
                if site not in self._back:
                    self.result(site)
        return frozenset(self._back)

    def climbs(self) -> Mapping[str, Cause]:
        """Return the sites whose highest rung has failed by now, each with the reason.

        They are looked at every half challenge; in between it returns none.
        """
        found: dict[str, Cause] = {}
        if not self._running() or self._drill.phase is not Phase.ORDERED or not self._due(self._climbs_at):
            return found
        self._climbs_at = self._now
        ladder = self._drill.warrant.steps[self._step].ladder
        for site in self._drill.audience if ladder else ():
            top = self._drill.step.top(site)
            cause = self._climb_cause(site, top) if top < len(ladder) else None
            if cause is not None:
                found[site] = cause
        return found

    def _climb_cause(self, site: str, top: int) -> Cause | None:
        """Return why a site must climb now; each rung is judged once, when its time is up."""
        run, step = self._drill.step, self._drill.warrant.steps[self._step]
        climb = run.rung(site, top)
        elapsed_ns = since(self._now, run.ordered if climb is None else climb.ordered)
        limit_ns = seconds_to_ns(step.rungs[top].response_limit_s)
        margin_ns = seconds_to_ns(CLIMB_CHALLENGES * self._drill.warrant.challenge_s)
        if (site, top) in self._settled or (elapsed_ns is not None and elapsed_ns < limit_ns):
            return None
        rung = self._rungs(site)[-1]
        overdue = elapsed_ns is None or elapsed_ns >= limit_ns + seconds_to_ns(step.dwell_s) + margin_ns
        refused = any(seen.outcome is Outcome.REFUSED for seen in rung.receipts)
        if not overdue and not refused:
            return None
        cause = self._sites[site].climb_cause(rung, margin_ns)
        if cause is None and overdue and elapsed_ns is not None:
            self._settled.add((site, top))  # a quorum saw it as ordered, so it never climbs
        return cause

    def _running(self) -> bool:
        return self._step >= 0 and self._drill.phase not in {Phase.OPENING, Phase.CLOSED}

    def _due(self, last: Instant | None) -> bool:
        elapsed_ns = None if last is None else self._now.minus(last)
        return elapsed_ns is None or elapsed_ns >= seconds_to_ns(self._drill.warrant.challenge_s) // 2

    def _restarted(self) -> bool:
        """Tell whether we restarted since the release, so that no restore time is known of anybody."""
        released = self._drill.step.released
        return released is not None and released.epoch != self._now.epoch

    def _may_be_back(self) -> bool:
        """Tell whether it is long enough since the release: nobody is back before a dwell of work was seen."""
        released = self._drill.step.released
        if released is None:
            return False
        elapsed_ns = self._now.minus(released)
        return elapsed_ns is None or elapsed_ns >= seconds_to_ns(self._drill.warrant.steps[self._step].dwell_s)

    def _rungs(self, site: str) -> tuple[StepInputs, ...]:
        rungs = self._drill.rung_inputs(self._step, site, final=False)
        return tuple(replace(rung, ended=self._now) for rung in rungs)
