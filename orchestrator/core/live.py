"""Where every site of a running drill stands: provisional judgements, kept up to date cheaply.

Nothing here is final or journalled. It decides when a step may go on, and feeds the views.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.core.grades import SiteStepResult
from orchestrator.core.judge import LiveSite
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from protocols.ids import seconds_to_ns


class Live:
    """The provisional results of the running step.

    Args:
        drill: The drill that is being folded.

    Attributes:
        results: By site, the newest provisional result of the running step.
        ignored: Rejected inputs past the number that the journal keeps.
        trouble: What is wrong with the connection, for people; empty when nothing is.
    """

    def __init__(self, drill: Drill) -> None:
        self._drill = drill
        self._sites: dict[str, LiveSite] = {}
        self._step = -1
        self._steady: set[str] = set()
        self._back: set[str] = set()
        self._changed: set[str] = set()
        self._judged: Instant | None = None
        self.results: dict[str, SiteStepResult] = {}
        self.ignored = 0
        self.trouble = ""

    def note(self, event: ev.Event) -> None:
        """Take note of an event that was folded in: its site is looked at in the next refresh."""
        match event:
            case ev.ReceiptReceived() | ev.ReadingReceived() | ev.ClosingReceived():
                self._changed.add(event.site)
            case ev.OrderIssued() | ev.ReleaseIssued() | ev.Aborted() | ev.DrillOpened() | ev.StepEnded():
                self._changed.update(self._drill.audience)
            case _:
                pass

    def steady(self) -> frozenset[str]:
        """Return the sites that a quorum sees at work, before the order."""
        return frozenset(self._steady)

    def back(self) -> frozenset[str]:
        """Return the sites that a quorum has seen back at work since the release."""
        return frozenset(self._back)

    def refresh(self, now: Instant) -> None:
        """Judge the sites again that something was heard of, about twice in a challenge."""
        drill = self._drill
        if not drill.steps or drill.phase in {Phase.OPENING, Phase.CLOSED}:
            return
        if self._step != drill.step.number:
            self._step = drill.step.number
            self._sites = {site: LiveSite() for site in drill.audience}
            self._steady.clear()
            self._back.clear()
            self._changed.update(drill.audience)
        elapsed_ns = None if self._judged is None else now.minus(self._judged)
        if elapsed_ns is not None and elapsed_ns < seconds_to_ns(drill.warrant.challenge_s) // 2:
            return
        self._judged = now
        changed = set(drill.audience) if drill.phase is Phase.PREFLIGHT else self._changed
        self._changed = set()
        for site in changed:
            self._judge(site, now)

    def _judge(self, site: str, now: Instant) -> None:
        drill, judge = self._drill, self._sites[site]
        inputs = replace(drill.inputs(self._step, site, final=False), ended=now)
        if drill.phase is Phase.PREFLIGHT:
            (self._steady.add if judge.steady(inputs) else self._steady.discard)(site)
        self.results[site] = result = judge.judge(inputs)
        if result.restore_upper_ns is not None:
            self._back.add(site)
