"""Plays a scenario: gives injects when they are due, asks for decisions, brings about what they cause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.core.states import Phase
from orchestrator.tabletop import record as r
from orchestrator.tabletop.driving import Drills, Driven
from orchestrator.tabletop.load import chosen_sites
from orchestrator.tabletop.spec import Decision, Effect, Inject, Option, Scenario, Switch, When
from orchestrator.tabletop.world import MockFleet, witness_names
from protocols.ids import digest_of

LOOK_S = 1.0
"""How often conditions are looked at while something goes on."""

IDLE_LOOK_S = 10.0
REST_AFTER_S = 60.0
SETTLE_S = 2.0
"""How long sites have to be there before the first drill begins."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody decided.

    Attributes:
        option: The option's name.
        by: Who.
        why: What they said to it.
    """

    option: str
    by: str
    why: str = ""


class Players(Protocol):
    """Whoever decides: people at consoles, or a script."""

    async def decide(self, decision: Decision) -> Choice:
        """Decide; it is cancelled when the time for it is over."""
        ...


@dataclass(slots=True)
class Script:
    """Players who do what is expected, or what a script says.

    Attributes:
        answers: The option for each decision that is not to be decided as expected.
        thinks_s: How long each of them thinks.
    """

    answers: Mapping[str, str] = field(default_factory=dict)
    thinks_s: float = 20.0

    async def decide(self, decision: Decision) -> Choice:
        """Decide after having thought for a while."""
        await asyncio.sleep(min(self.thinks_s, 0.8 * decision.within_s))
        option = self.answers.get(decision.name, decision.expected.name)
        return Choice(option, decision.to, "as the script says" if decision.name in self.answers else "as expected")


@dataclass
class Director:
    """One run of a scenario.

    Attributes:
        scenario: The scenario.
        fleet: The mock fleet.
        record: Where everything is entered.
        players: Who decides.
        told: Called with each inject that is given, for those who show it.
    """

    scenario: Scenario
    fleet: MockFleet
    record: r.Record
    players: Players
    told: list[Callable[[Inject], None]] = field(default_factory=list)
    drills: Drills = field(init=False)
    given: dict[str, float] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    _since: dict[str, float] = field(default_factory=dict)
    _deciding: set[asyncio.Task[None]] = field(default_factory=set)
    _ends_s: float = 0.0
    _busy_s: float = 0.0
    _turning: asyncio.Lock = field(default_factory=asyncio.Lock)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.drills = Drills(self.scenario, self.fleet, self._drill_began, self._drill_ended)
        self._ends_s = self.scenario.ends_at_s

    # -- time ---------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """The exercise's time."""
        return self.fleet.clock.boot_ns() / 1e9

    @property
    def _listed(self) -> list[Inject | Decision]:
        """The master scenario events list."""
        return [*self.scenario.injects, *self.scenario.decisions]

    def _enter(self, entry: r.AnyEntry) -> None:
        self.record.enter(entry, self.fleet.clock.wall_ns())

    async def run(self) -> None:
        """Play the scenario to its end."""
        self.drills.prepare()
        listed = self._listed
        due = sorted((one for one in listed if one.at_s is not None), key=lambda one: one.at_s or 0.0)
        pending = [one for one in listed if one.when is not None]
        while not self._over.is_set():
            while due and (due[0].at_s or 0.0) <= self.now_s:
                await self._give(due.pop(0))
            for one in list(pending):
                assert one.when is not None  # noqa: S101 - they were chosen by it
                if self._holds(one.name, one.when):
                    pending.remove(one)
                    await self._give(one)
            if self.now_s >= self._ends_s and not self._deciding:
                break
            await self._rest_if_idle()
            await self._wait(due)
        await self._finish()

    async def _rest_if_idle(self) -> None:
        """Let the sites' parties rest while no drill goes on: a thousand of them, idle, cost more than all else."""
        if self.fleet.awake and not self.drills.going and self.now_s - self._busy_s > REST_AFTER_S:
            async with self._turning:
                await self.fleet.rest()
        elif self.drills.going:
            self._busy_s = self.now_s

    async def _wait(self, due: list[Inject | Decision]) -> None:
        busy = bool(self.drills.going or self._deciding or self._since)
        look_s = LOOK_S if busy else IDLE_LOOK_S
        next_s = min([self._ends_s, *((one.at_s or 0.0) for one in due[:1])])
        left_s = next_s - self.now_s
        wait_s = look_s if left_s <= 0 else min(look_s, left_s)
        self._changed.clear()
        waiting = asyncio.ensure_future(self._changed.wait())
        await asyncio.wait({waiting}, timeout=max(0.001, wait_s))
        waiting.cancel()

    async def _finish(self) -> None:
        for task in self._deciding:
            task.cancel()
        if self.drills.going:
            self._happened("the exercise is over: what goes on is aborted", "the end", done=True)
            self.drills.abort("the exercise is over")
        await self.drills.finish()
        if self.fleet.awake:
            await self.fleet.end()
        for failure in self.drills.failures:
            self._happened(failure, "the drill", done=False)
        self._enter(r.Ended(by=r.TIMEKEEPER if not self._over.is_set() else r.FACILITATOR))

    def end(self) -> None:
        """End the exercise now."""
        self._over.set()
        self._changed.set()

    def comment(self, by: str, text: str) -> None:
        """Take something down that somebody said."""
        self._enter(r.Commented(by=by, text=text))

    def rate(self, by: str, about: str, answer: str) -> None:
        """Take down what the evaluator says of an objective, or to a question."""
        self._enter(r.Rated(about=about, answer=answer, by=by))

    async def give_by_hand(self, name: str) -> bool:
        """Give an inject, or ask a decision, now; tell whether there is one that was not given yet."""
        found = next((one for one in self._listed if one.name == name), None)
        if found is None or name in self.given:
            return False
        await self._give(found)
        return True

    # -- conditions ---------------------------------------------------------------------------------------

    def _holds(self, name: str, when: When) -> bool:
        """Tell whether a condition has held for as long as it must."""
        if not self._holds_now(when):
            self._since.pop(name, None)
            return False
        since = self._since.setdefault(name, self.now_s)
        if self.now_s - since < when.after_s:
            return False
        del self._since[name]
        return True

    def _holds_now(self, when: When) -> bool:
        if when.drill is not None:
            driven = self.drills.all[when.drill]
            if driven.phase is None or (when.phase is not None and not driven.reached(when.phase)):
                return False
        if when.decided is not None:
            option = self.chosen.get(when.decided.decision)
            if option is None or when.decided.option not in {None, option}:
                return False
        if when.injected is not None and when.injected not in self.given:
            return False
        if when.sites is not None:
            wanted = set(when.sites.are)
            meant = [self.drills.all[when.drill]] if when.drill else list(self.drills.all.values())
            found = {site for driven in meant for site, stands in driven.standings().items() if stands in wanted}
            return len(found) >= when.sites.at_least
        return True

    # -- injects and decisions ----------------------------------------------------------------------------

    async def _give(self, one: Inject | Decision) -> None:
        if one.name in self.given:
            return
        self.given[one.name] = self.now_s
        if isinstance(one, Decision):
            self._enter(r.Asked(decision=one.name))
            task = asyncio.create_task(self._decide(one))
            self._deciding.add(task)
            task.add_done_callback(self._decided)
            return
        self._enter(r.Injected(inject=one.name, by=r.FACILITATOR if one.by_hand else r.TIMEKEEPER))
        for told in self.told:
            told(one)
        for effect in one.effects:
            await self._cause(effect, f"inject {one.name}")

    def _decided(self, task: asyncio.Task[None]) -> None:
        self._deciding.discard(task)
        self._changed.set()

    async def _decide(self, decision: Decision) -> None:
        began_s = self.now_s
        try:
            async with asyncio.timeout(decision.within_s):
                choice = await self.players.decide(decision)
        except TimeoutError:
            choice = Choice(decision.otherwise, r.TIMEKEEPER, "nobody decided in time")
        option: Option = decision.option(choice.option)
        self.chosen[decision.name] = option.name
        self._enter(
            r.Chose(
                decision=decision.name,
                option=option.name,
                by=choice.by,
                why=choice.why,
                after_s=round(self.now_s - began_s, 3),
            )
        )
        for effect in option.effects:
            await self._cause(effect, f"decision {decision.name}: {option.name}")

    # -- effects ------------------------------------------------------------------------------------------

    def _happened(self, what: str, cause: str, *, done: bool = True) -> None:
        self._enter(r.Happened(what=what, cause=cause, done=done))

    async def _cause(self, effect: Effect, cause: str) -> None:
        """Bring one effect about, and enter whether that could be done."""
        given = next(name for name in type(effect).model_fields if getattr(effect, name) is not None)
        doers: dict[str, Callable[[Effect, str], Awaitable[None]]] = {
            "fault": self._fault,
            "cut": self._reach,
            "heal": self._reach,
            "broker": self._broker,
            "veto": self._veto,
            "unveto": self._veto,
            "steal_key": self._steal,
            "unreachable": self._people,
            "reachable": self._people,
            "approve": self._approve,
            "begin": self._begin,
            "abort": self._abort,
            "lever": self._lever,
            "revoke": self._revoke,
            "extend_s": self._extend,
        }
        await doers[given](effect, cause)
        self._changed.set()

    async def _wake(self) -> None:
        """Let the sites' parties run, if they rest."""
        self._busy_s = self.now_s
        async with self._turning:
            if not self.fleet.awake:
                self.fleet.wake()
                await asyncio.sleep(SETTLE_S)

    async def _fault(self, effect: Effect, cause: str) -> None:
        await self._wake()
        fault = effect.fault
        assert fault is not None  # noqa: S101 - it was chosen by that
        witness = None if fault.witness is None else witness_names(self.scenario)[fault.witness - 1]
        sites = chosen_sites(self.scenario, fault)
        for site in sites:
            self.fleet.sites[site].world.faults.switch(fault.kind, on=fault.on, witness=witness)
        verb = "comes over" if fault.on else "leaves"
        self._happened(f"the fault {fault.kind} {verb} {_named(sites)}", cause)

    async def _reach(self, effect: Effect, cause: str) -> None:
        await self._wake()
        where = effect.cut or effect.heal
        assert where is not None  # noqa: S101 - it was chosen by that
        sites = chosen_sites(self.scenario, where)
        (self.fleet.cut if effect.cut is not None else self.fleet.heal)(sites)
        self._happened(f"{_named(sites)} {'are cut off' if effect.cut is not None else 'are reached again'}", cause)

    async def _broker(self, effect: Effect, cause: str) -> None:
        if effect.broker is Switch.DOWN:
            self.fleet.broker.stop()
        else:
            self.fleet.broker.start()
        self._happened(f"the broker is {effect.broker}", cause)

    async def _veto(self, effect: Effect, cause: str) -> None:
        where = effect.veto or effect.unveto
        assert where is not None  # noqa: S101 - it was chosen by that
        sites = chosen_sites(self.scenario, where)
        if effect.veto is not None:
            self.fleet.vetoes.update(sites)
        else:
            self.fleet.vetoes.difference_update(sites)
        self._happened(f"{_named(sites)} {'refuse' if effect.veto is not None else 'no longer refuse'} orders", cause)

    async def _steal(self, _effect: Effect, cause: str) -> None:
        await self._wake()
        self.drills.steal_key()
        self._happened("a thief orders every site to shut down, with the dispatcher's key and no approval", cause)

    async def _people(self, effect: Effect, cause: str) -> None:
        owner = effect.unreachable or effect.reachable or ""
        if effect.unreachable is not None:
            self.unreachable.add(owner)
        else:
            self.unreachable.discard(owner)
        self._happened(f"{owner} {'cannot be reached' if effect.unreachable else 'can be reached'}", cause)

    def _answers(self, owner: str, what: str, cause: str) -> bool:
        if owner in self.unreachable:
            self._happened(f"{owner} cannot be reached, and so does not {what}", cause, done=False)
            return False
        return True

    async def _approve(self, effect: Effect, cause: str) -> None:
        word = effect.approve
        assert word is not None  # noqa: S101 - it was chosen by that
        if self._answers(word.owner, f"approve {word.drill}", cause):
            self.drills.approve(word.drill, word.owner)
            self._happened(f"{word.owner} approves {word.drill}", cause)

    async def _begin(self, effect: Effect, cause: str) -> None:
        await self._wake()
        why_not = self.drills.begin(effect.begin or "")
        if why_not:
            self._happened(f"{effect.begin} does not begin: {why_not}", cause, done=False)

    async def _abort(self, effect: Effect, cause: str) -> None:
        done = self.drills.abort(effect.abort or "")
        self._happened("every drill is aborted" if done else "there is no drill to abort", cause, done=done)

    async def _lever(self, effect: Effect, cause: str) -> None:
        await self._wake()
        owner = effect.lever or ""
        if self._answers(owner, "engage the lever", cause):
            self.drills.lever(owner, cause)
            self._happened(f"{owner} engages the safety lever", cause)

    async def _revoke(self, effect: Effect, cause: str) -> None:
        await self._wake()
        word = effect.revoke
        assert word is not None  # noqa: S101 - it was chosen by that
        if self._answers(word.owner, f"revoke {word.drill}", cause):
            self.drills.revoke(word.drill, word.owner, cause)
            self._happened(f"{word.owner} revokes the warrant of {word.drill}", cause)

    async def _extend(self, effect: Effect, cause: str) -> None:
        self._ends_s += effect.extend_s or 0.0
        self._happened(f"the exercise goes on for {effect.extend_s:g} s more", cause)

    # -- drills -------------------------------------------------------------------------------------------

    def _drill_began(self, driven: Driven) -> None:
        assert driven.runtime is not None  # noqa: S101 - it has begun
        self._enter(r.DrillBegan(name=driven.spec.name, drill=driven.runtime.drill_id))
        self._changed.set()

    def _drill_ended(self, driven: Driven) -> None:
        state = driven.state
        assert state is not None  # noqa: S101 - it is over
        counts: dict[str, int] = {}
        for stands in driven.standings().values():
            counts[stands.value] = counts.get(stands.value, 0) + 1
        head = digest_of(driven.lines[-1])
        aborted = driven.runtime.drill.aborted if driven.runtime is not None else None
        self._enter(
            r.DrillEnded(
                name=driven.spec.name,
                drill=state.drill,
                head=head,
                aborted=str(aborted) if aborted else None,
                verdicts=dict(sorted(counts.items())),
            )
        )
        self._changed.set()

    @property
    def phase_of_all(self) -> dict[str, Phase | None]:
        """Where each drill stands."""
        return {name: driven.phase for name, driven in self.drills.all.items()}


def _named(sites: tuple[str, ...]) -> str:
    if len(sites) <= 4:  # noqa: PLR2004 - a line's worth
        return ", ".join(sites) or "no site"
    return f"{', '.join(sites[:3])} and {len(sites) - 3} more sites"
