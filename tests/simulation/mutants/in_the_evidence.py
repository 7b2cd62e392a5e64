"""Bugs of witnesses and of judgement: what is believed that was not shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orchestrator.core.drill
import orchestrator.core.grades
import orchestrator.core.halting
import orchestrator.core.judge
import orchestrator.core.quorum
import orchestrator.core.rung
import orchestrator.core.samples
import orchestrator.core.trace
from agents.witness import Witness
from orchestrator.core.causes import Cause
from orchestrator.core.halting import Halting
from orchestrator.core.samples import Instant
from orchestrator.core.trace import Trace
from protocols.envelope import seal
from tests.simulation.mutants.patching import Mutants, Patcher

MUTANTS = Mutants()
_FAR_NS = 30 * 1_000_000_000
_LATE_S = 0.05


@MUTANTS
def sample_before_latching(patcher: Patcher) -> None:
    """A witness takes its sample before it latches the challenge."""

    def make(original: Any) -> Any:
        async def sample(self: Any, challenge: Any) -> Any:
            ahead = self.__dict__.get("_ahead")
            self._ahead = await original(self, challenge)
            return self._ahead if ahead is None else ahead

        return sample

    patcher.replace(Witness, "_sample", make)


@MUTANTS
def witness_speaks_before_appending(patcher: Patcher) -> None:
    """A witness publishes before its message is on its disk."""

    def make(original: Any) -> Any:
        def say(self: Any, message: Any) -> None:
            self._courier.send(self._topic, seal(message, self._parts.signer))
            asyncio.get_running_loop().call_later(_LATE_S, original, self, message)

        return say

    patcher.replace(Witness, "_say", make)


@MUTANTS
def reading_for_an_older_challenge(patcher: Patcher) -> None:
    """A reading is taken for an answer to the newest challenge, whichever it quotes."""

    def make(_: Any) -> Any:
        def later_issue(after: Any, sample: Any, issues: Any) -> Any:
            return max([after, *(issued for issued in issues.values() if issued <= sample.arrival)])

        return later_issue

    patcher.replace(orchestrator.core.trace, "later_issue", make)
    patcher.replace(orchestrator.core.samples, "later_issue", make)


@MUTANTS
def times_across_epochs(patcher: Patcher) -> None:
    """Times of two clock epochs are subtracted."""
    patcher.replace(Instant, "minus", lambda _: lambda self, other: self.ns - other.ns)


@MUTANTS
def silence_is_quiet(patcher: Patcher) -> None:
    """Silence counts as quiet."""

    def make(original: Any) -> Any:
        def quiet_until(self: Any, i: int) -> Any:
            until = original(self, i)
            end = self.run_end(i)
            silent = end == len(self.readings) - 1 or self.before[end + 1].ns - self.after[end].ns > self.max_gap_ns
            return until.plus(_FAR_NS) if silent else until

        return quiet_until

    patcher.replace(Trace, "quiet_until", make)


@MUTANTS
def no_maximum_gap(patcher: Patcher) -> None:
    """The widest gap that evidence may bridge is ignored."""

    def make(original: Any) -> Any:
        def trace(track: Any, wanted: Any, issues: Any, max_gap_ns: int, dwell_ns: int) -> Any:
            return original(track, wanted, issues, max_gap_ns + _FAR_NS, dwell_ns)

        return trace

    patcher.replace(orchestrator.core.judge, "Trace", make)


@MUTANTS
def quorum_less_one(patcher: Patcher) -> None:
    """One owner less than the quorum is enough."""

    def make(original: Any) -> Any:
        return lambda self, quorum: original(self, max(1, quorum - 1))

    patcher.replace(Halting, "agreed", make)


@MUTANTS
def witnesses_not_owners(patcher: Patcher) -> None:
    """The quorum counts witnesses, not owners."""

    def make(original: Any) -> Any:
        def runs(voices: Any, quorum: int, **named: Any) -> Any:
            return original([replace(voice, owner=voice.name) for voice in voices], quorum, **named)

        return runs

    patcher.replace(orchestrator.core.quorum, "runs", make)


def _despite(cause: Cause) -> Any:
    def make(original: Any) -> Any:
        def obstacle(*args: Any) -> Any:
            found = original(*args)
            return None if found is cause else found

        return obstacle

    return make


@MUTANTS
def forked_witness_counts(patcher: Patcher) -> None:
    """A witness whose chain forked counts."""
    patcher.replace(orchestrator.core.judge, "obstacle", _despite(Cause.FORKED))


@MUTANTS
def no_closing_needed(patcher: Patcher) -> None:
    """A witness that gave no closing counts."""
    patcher.replace(orchestrator.core.judge, "obstacle", _despite(Cause.NO_CLOSING))


@MUTANTS
def gaps_in_chains_count(patcher: Patcher) -> None:
    """A witness of whose chain something is missing counts."""
    patcher.replace(orchestrator.core.judge, "obstacle", _despite(Cause.GAP))


@MUTANTS
def dissent_ignored(patcher: Patcher) -> None:
    """Dissent does not matter."""
    patcher.replace(orchestrator.core.quorum, "dissent_on", lambda _: lambda *_: None)
    patcher.replace(orchestrator.core.quorum, "last_word_active", lambda _: lambda *_: None)


@MUTANTS
def halted_too_early(patcher: Patcher) -> None:
    """The response time ends when a challenge was issued, not when its reading arrived."""

    def make(original: Any) -> Any:
        def halted_by(voices: Any, run: Any) -> Any:
            begun = [voice.trace.after[run.starts[voice.name]] for voice in voices if voice.name in run.starts]
            return min([original(voices, run), *begun])

        return halted_by

    patcher.replace(orchestrator.core.quorum, "halted_by", make)


@MUTANTS
def lower_bound_too_late(patcher: Patcher) -> None:
    """The lower bound of the response time is the first sign of quiet, not the last of work."""

    def make(_: Any) -> Any:
        def last_active_by(trace: Any, reading: int, _until: Any) -> Any:
            return trace.before[min(reading + 1, len(trace.before) - 1)] if trace.before else None

        return last_active_by

    patcher.replace(orchestrator.core.quorum, "last_active_by", make)


@MUTANTS
def limit_ignored(patcher: Patcher) -> None:
    """The response limit is not looked at."""
    _in_findings(patcher, late=False)


@MUTANTS
def restored_unseen(patcher: Patcher) -> None:
    """A site that was never seen to come back is verified."""
    _in_findings(patcher, restored=True, restored_late=False)


@MUTANTS
def no_load_needed(patcher: Patcher) -> None:
    """A site that did not work before is verified."""
    patcher.replace(orchestrator.core.rung, "preflight", lambda _: lambda *_: True)


def _in_findings(patcher: Patcher, **changes: Any) -> None:
    def make(original: Any) -> Any:
        return lambda findings: original(replace(findings, **changes))

    patcher.replace(orchestrator.core.rung, "verdict", make)


@MUTANTS
def duplicates_taken(patcher: Patcher) -> None:
    """A message that comes again is taken again."""

    def make(original: Any) -> Any:
        def concern(drill: Any, said: Any, digest: str) -> Any:
            known = digest in drill.seen
            drill.seen.discard(digest)
            try:
                return original(drill, said, digest)
            finally:
                if known:
                    drill.seen.add(digest)

        return concern

    patcher.replace(orchestrator.core.drill, "concern", make)
