"""Looks after a running drill's stop conditions, from before its first order to the end of its last step.

What the drill itself shows is looked at in the turns of its own loop; whoever is asked outside is asked
by tasks of their own. The first breach wins: the drill is aborted, which stops every order to come and
releases every site, and the reason goes into the journal, the log, the result and the report.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.states import Phase
from orchestrator.stopping.answers import Answer, State, Watched, unknown
from orchestrator.stopping.asking import Ask, asker
from orchestrator.stopping.drilled import Drilling, SitesSeen, WorkSeen
from orchestrator.stopping.spec import CountedSites, SteadyWork, StopCondition, Subject
from protocols.clock import Clock
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import seconds_to_ns
from protocols.limits import TEXT_MAX_CHARS
from protocols.messages import Message

CHANGES_TOLD = 32
"""Most changes between known and unknown of one condition that are told in one drill."""

ANSWER_SLACK_S, FIRST_POLL_S = 1.0, 0.05

Guard = Callable[[Drilling], AbstractAsyncContextManager[None]]
"""Goes on while a drill does; it fits where a service takes what goes on beside its drills."""

Asker = Callable[[Subject, str], Ask | None]


def guarding(
    conditions: Sequence[StopCondition], clock: Clock, log: FilteringBoundLogger, *, asking: Asker = asker
) -> Guard:
    """Return what looks after the stop conditions of one drill after another.

    Args:
        conditions: What a plan says under `stop_when`.
        clock: The one clock.
        log: Where log lines go.
        asking: How those outside are asked.
    """

    @asynccontextmanager
    async def beside(drilling: Drilling) -> AsyncIterator[None]:
        guard = _Guard(drilling, clock, log, [_Condition(one) for one in conditions])
        fresh = drilling.drill.phase is Phase.OPENING
        for condition in guard.conditions:
            condition.begin(clock.boot_ns(), asking(condition.spec.subject, drilling.drill_id))
        log.info("conditions.watched", drill=drilling.drill_id, conditions=[one.name for one in conditions])
        drilling.watch(guard.event, guard.turned)
        tasks = [asyncio.create_task(guard.keep_asking(one)) for one in guard.conditions if one.ask is not None]
        try:
            if fresh:  # one that is taken up may hold sites: that cannot wait
                await guard.first_answers()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return beside


@dataclass
class _Condition:
    """One condition as it stands."""

    spec: StopCondition
    ask: Ask | None = None
    watched: Watched = field(init=False)
    looked_ns: int | None = None
    told: State = State.UNKNOWN
    changes: int = 0

    def begin(self, now_ns: int, ask: Ask | None) -> None:
        self.ask = ask
        due_s = 2 * self.spec.every_s + self.spec.timeout_s + ANSWER_SLACK_S
        self.watched = Watched(self.spec.grace_s, due_s, now_ns)

    def is_due(self, now_ns: int) -> bool:
        """Tell whether it is time to look again at what the drill shows."""
        return self.looked_ns is None or now_ns - self.looked_ns >= seconds_to_ns(self.spec.every_s)


@dataclass
class _Guard:
    """The conditions of one drill."""

    drilling: Drilling
    clock: Clock
    log: FilteringBoundLogger
    conditions: list[_Condition]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    step_ended: bool = False
    sites: SitesSeen = field(init=False)
    works: dict[str, WorkSeen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sites = SitesSeen(self.drilling)
        for condition in self.conditions:
            if condition.spec.steady is not None:
                self.works[condition.spec.name] = WorkSeen(self.drilling, condition.spec.steady)

    # -- asking -----------------------------------------------------------------------------------

    async def keep_asking(self, condition: _Condition) -> None:
        """Ask about one condition, again and again, until there is nothing more to find."""
        ask, spec = condition.ask, condition.spec
        while ask is not None and not self.over.is_set():
            try:
                async with asyncio.timeout(spec.timeout_s + ANSWER_SLACK_S):
                    answer = await ask()
            except TimeoutError:
                answer = unknown(f"no answer within {spec.timeout_s:g} s")
            except Exception as error:  # a bug of ours must not end the watch: what it would have found is unknown
                answer = unknown(f"a bug in haltdrill: {type(error).__name__}: {error}")
            self._take(condition, answer)
            self._act()
            await self.clock.sleep(spec.every_s)

    async def first_answers(self) -> None:
        """Wait until everybody who is asked has said once that all is well: before that nothing is ordered.

        It ends with the grace of whoever does not, which is then a breach.
        """
        while not self.over.is_set() and any(
            one.ask is not None and one.watched.last.state is not State.FINE for one in self.conditions
        ):
            await self.clock.sleep(FIRST_POLL_S)
            self._act()

    # -- what the drill shows -----------------------------------------------------------------------

    def event(self, stamped: ev.Stamped, _said: Message | None) -> None:
        """Take note that a step is over: what it has found of its sites counts before the next begins."""
        self.step_ended = self.step_ended or isinstance(stamped.event, ev.StepEnded)

    def turned(self) -> None:
        """Look at what the drill shows, and act on what was found. Called in each turn of its loop."""
        if self.over.is_set() or self.drilling.drill.phase is Phase.OPENING:
            return
        now_ns, ended = self.clock.boot_ns(), self.step_ended
        self.step_ended = False
        if any(one.spec.sites is not None for one in self.conditions):
            self.sites.look(whole=ended)
        for condition in self.conditions:
            if condition.ask is None and (ended or condition.is_due(now_ns)):
                condition.looked_ns = now_ns
                self._take(condition, self._shown(condition.spec))
        self._act()
        if self.drilling.drill.phase in {Phase.CLOSING, Phase.CLOSED}:
            self.over.set()

    def _shown(self, spec: StopCondition) -> Answer:
        match spec.subject:
            case CountedSites() as counted:
                return self.sites.answer(counted)
            case SteadyWork():
                return self.works[spec.name].answer()
            case _:
                return unknown("nobody was asked")

    # -- acting -------------------------------------------------------------------------------------

    def _take(self, condition: _Condition, answer: Answer) -> None:
        condition.watched.take(answer, self.clock.boot_ns())
        if answer.state is State.BREACH or answer.state is condition.told:
            return
        condition.told = answer.state
        condition.changes += 1
        if condition.changes <= CHANGES_TOLD:
            fields = {"drill": self.drilling.drill_id, "condition": condition.spec.name, "detail": answer.detail}
            if answer.state is State.UNKNOWN:
                self.log.warning("condition.unknown", grace_s=condition.spec.grace_s, **fields)
            else:
                self.log.info("condition.known", **fields)

    def _act(self) -> None:
        """Stop the drill if a condition is in breach; the first one wins, and then nothing more is looked for."""
        for condition in self.conditions:
            found = condition.watched.finding(self.clock.boot_ns())
            if found.state is State.BREACH and not self.over.is_set():
                self.over.set()
                self._breached(condition.spec, found)

    def _breached(self, spec: StopCondition, found: Answer) -> None:
        stopping = self._can_be_stopped()
        self.log.warning(
            "condition.breached",
            drill=self.drilling.drill_id,
            condition=spec.name,
            kind=spec.kind.value,
            detail=found.detail,
            stopping=stopping,
        )
        if stopping:
            self.drilling.abort(reason(spec.name, found.detail))

    def _can_be_stopped(self) -> bool:
        """Tell whether anything is left to stop: an order to come, or a site that is held."""
        drill = self.drilling.drill
        if drill.aborted:
            return False
        last = len(drill.steps) >= len(drill.warrant.steps)
        return drill.phase in {Phase.OPENING, Phase.PREFLIGHT, Phase.ORDERED} or (
            drill.phase is Phase.RECOVERING and not last
        )


def reason(name: str, detail: str) -> str:
    """Say why a drill was stopped, as the abort and the journal have it."""
    return f"stop condition {name}: {detail}"[:TEXT_MAX_CHARS]
