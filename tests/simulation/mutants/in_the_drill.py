"""Bugs of the orchestrator: what it says too early, too often, or again; whom it climbs; what it forgets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orchestrator.core.agenda
from orchestrator.core import quorum
from orchestrator.core.agenda import Agenda
from orchestrator.core.causes import Cause
from orchestrator.core.halting import Halting
from orchestrator.core.judge import LiveSite
from orchestrator.core.states import Phase
from orchestrator.runtime.loop import Runtime
from protocols.ids import seconds_to_ns
from tests.simulation.mutants.patching import Mutants, Patcher

MUTANTS = Mutants()


@MUTANTS
def publishes_before_appending(patcher: Patcher) -> None:
    """What is to be said is published before it is appended."""

    def make(original: Any) -> Any:
        async def commit(self: Any, turn: Any) -> None:
            early = [outgoing for outgoing in turn.outgoing if outgoing.then is None]
            for outgoing in early:
                await self._transport.publish(outgoing.topic, outgoing.payload)
            turn.outgoing = [outgoing for outgoing in turn.outgoing if outgoing.then is not None]
            await original(self, turn)

        return commit

    patcher.replace(Runtime, "_commit", make)


@MUTANTS
def climbs_on_one_dissent(patcher: Patcher) -> None:
    """A site climbs its ladder on a single dissent."""

    def make(original: Any) -> Any:
        def climb_cause(self: Any, inputs: Any, margin_ns: int) -> Any:
            cause = original(self, inputs, margin_ns)
            if cause is not None or not _overdue(inputs, margin_ns):
                return cause
            voices = self.voices(inputs)
            halting = Halting(inputs, voices, self._wanted(inputs))
            spans = list(halting.agreed(inputs.step.quorum))[:1]
            against = [v for v in voices for span in spans if quorum.dissent_on(v, span, halting.until) is not None]
            return Cause.DISSENT if halting.last_words or against else None

        return climb_cause

    patcher.replace(LiveSite, "climb_cause", make)


@MUTANTS
def climbs_who_complied(patcher: Patcher) -> None:
    """A site that complied climbs its ladder."""

    def make(original: Any) -> Any:
        def climb_cause(self: Any, inputs: Any, margin_ns: int) -> Any:
            cause = original(self, inputs, margin_ns)
            return Cause.NO_QUORUM if cause is None and _overdue(inputs, margin_ns) else cause

        return climb_cause

    patcher.replace(LiveSite, "climb_cause", make)


def _overdue(inputs: Any, margin_ns: int) -> bool:
    ordered, now = inputs.ordered, inputs.ended
    if ordered is None or ordered.epoch != now.epoch or inputs.released is not None or inputs.aborted:
        return False
    limit_ns = seconds_to_ns(inputs.response_limit_s + inputs.step.dwell_s)
    return bool(now.ns - ordered.ns >= limit_ns + margin_ns)


@MUTANTS
def climbs_at_once(patcher: Patcher) -> None:
    """Rungs are ordered without waiting for the limit of the one before."""

    def make(original: Any) -> Any:
        def climb_cause(self: Any, inputs: Any, margin_ns: int) -> Any:
            cause = original(self, replace(inputs, step=inputs.step.model_copy(update={"dwell_s": 1e6})), margin_ns)
            return cause or original(self, inputs, -seconds_to_ns(inputs.step.dwell_s))

        return climb_cause

    patcher.replace(LiveSite, "climb_cause", make)


@MUTANTS
def repeats_without_pause(patcher: Patcher) -> None:
    """Orders and releases are said again in every turn."""
    patcher.replace(orchestrator.core.agenda, "repeat_due", lambda _: lambda *_: True)


@MUTANTS
def goes_on_after_an_abort(patcher: Patcher) -> None:
    """An abort ends nothing: the step goes on."""

    def make(original: Any) -> Any:
        def phase_intents(self: Any, now: Any, wall_ns: int) -> Any:
            run = self.drill.step
            if self.drill.phase is Phase.ABORTING and run.ordered is not None and not run.battery:
                elapsed = now.minus(run.ordered)
                if elapsed is not None and elapsed < seconds_to_ns(self.drill.warrant.steps[run.number].hold_s):
                    return [orchestrator.core.agenda.RepeatOrder()]
            return original(self, now, wall_ns)

        return phase_intents

    patcher.replace(Agenda, "_phase_intents", make)


@MUTANTS
def waits_for_ever(patcher: Patcher) -> None:
    """A drill waits for every witness's last word, for ever."""
    patcher.set(orchestrator.core.agenda, "CLOSING_LIMIT_NS", 10**15)
    patcher.replace(Agenda, "_closing", lambda original: original)
