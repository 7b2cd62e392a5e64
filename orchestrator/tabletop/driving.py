"""Runs the drills of an exercise with the real orchestrator, on the exercise's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

from orchestrator.core.drill import Drill as DrillState
from orchestrator.core.states import Phase
from orchestrator.evidence.bundle import result_of
from orchestrator.evidence.result import DrillResult
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.logbook.standing import Standing, standing
from orchestrator.runtime.loop import Runtime
from orchestrator.runtime.opening import open_drill
from orchestrator.stopping.guard import guarding
from orchestrator.tabletop.load import audience_names
from orchestrator.tabletop.spec import Drill, Scenario
from orchestrator.tabletop.world import MockFleet
from protocols.controls import ShutdownParams
from protocols.envelope import add_signature, join_frame, parse_envelope, seal
from protocols.errors import HaltdrillError
from protocols.ids import format_utc, seconds_to_ns
from protocols.messages import Lever, Order, Revocation, Step, Warrant
from protocols.messages.orders import NamedSites
from protocols.transport.memory import MemoryTransport
from protocols.trust import owners_for_steps

ORCHESTRATOR = "orchestrator"
USES = 1
GATHER_S, TICK_S = 0.2, 0.5
"""Nothing that is measured waits for these; a thousand sites' readings come in a few turns."""

WINDOW_S = 7 * 86_400.0

PHASES = tuple(Phase)
_WORST = tuple(Standing)


@dataclass(slots=True)
class Driven:
    """A drill of the exercise.

    Attributes:
        spec: As the scenario has it.
        warrant: What is approved.
        raw: The same, with the approvals so far.
        approved_by: Who has approved it.
        runtime: What runs it, once it has begun.
        task: Its task.
        state: Its last state, once it is over.
        lines: Its journal, once it is over.
        revoked: Whether its warrant was revoked.
    """

    spec: Drill
    warrant: Warrant
    raw: bytes
    approved_by: list[str]
    runtime: Runtime | None = None
    task: asyncio.Task[None] | None = None
    state: DrillState | None = None
    lines: tuple[bytes, ...] = ()
    revoked: bool = False

    @property
    def phase(self) -> Phase | None:
        """Where it stands; None if it has not begun."""
        if self.state is not None:
            return Phase.CLOSED
        return None if self.runtime is None else self.runtime.drill.phase

    def reached(self, phase: Phase) -> bool:
        """Tell whether it has come to a phase, or is past it."""
        here = self.phase
        return here is not None and PHASES.index(here) >= PHASES.index(phase)

    def standings(self) -> dict[str, Standing]:
        """Return where each of its sites stands; nothing before it has begun."""
        if self.state is not None:
            return worst_of(self.state)
        if self.runtime is None:
            return {}
        drill, live = self.runtime.drill, self.runtime.live
        return {site: standing(drill, live, site, live.result(site)) for site in drill.audience}

    def result(self) -> DrillResult | None:
        """Return its result, once it is over."""
        return result_of(self.lines) if self.lines else None


def worst_of(state: DrillState) -> dict[str, Standing]:
    """Return the worst verdict of each site over all steps of a closed drill."""
    found: dict[str, Standing] = {}
    for (_, site), result in state.results.items():
        verdict = Standing(result.verdict.value)
        if site not in found or _WORST.index(verdict) > _WORST.index(found[site]):
            found[site] = verdict
    return found


@dataclass(slots=True)
class Drills:
    """The drills of an exercise.

    Attributes:
        scenario: The scenario.
        fleet: The mock fleet.
        began: Told when a drill was opened: its name and id.
        ended: Told when one is over.
    """

    scenario: Scenario
    fleet: MockFleet
    began: Callable[[Driven], None]
    ended: Callable[[Driven], None]
    all: dict[str, Driven] = field(default_factory=dict)
    store: SqliteJournal = field(default_factory=lambda: SqliteJournal(None))
    failures: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Make what is to be approved, and the approvals that there are from the start."""
        for spec in self.scenario.drills:
            warrant = self._warrant(spec)
            driven = Driven(spec, warrant, b"", [])
            self.all[spec.name] = driven
            required = self.required(driven)
            owners = self.scenario.fleet.approvers[:required] if spec.approved_by is None else spec.approved_by
            for owner in owners:
                self.approve(spec.name, owner)

    def _warrant(self, spec: Drill) -> Warrant:
        now_ns, steps = self.fleet.clock.wall_ns(), spec.steps
        held_s = sum(step.hold_s + step.restore_limit_s for step in steps)
        return Warrant(
            fleet=self.fleet.documents.trust.fleet,
            plan=spec.name,
            title=spec.title,
            nonce=self.fleet.keys.nonce(),
            issued_at=format_utc(now_ns),
            not_before=format_utc(now_ns),
            not_after=format_utc(now_ns + seconds_to_ns(WINDOW_S)),
            audience=NamedSites(sites=audience_names(self.scenario, spec)),
            steps=steps,
            challenge_s=spec.challenge_s,
            uses=USES,
            min_between_uses_s=0.0,
            max_total_held_s=held_s,
            dispatchers=(self.fleet.keys("dispatcher").public_key.keyid,),
        )

    def required(self, driven: Driven) -> int:
        """Return how many owners a drill takes."""
        return owners_for_steps(self.fleet.documents.trust.policy, driven.spec.steps)

    def approve(self, name: str, owner: str) -> None:
        """Add an owner's approval."""
        driven, signer = self.all[name], self.fleet.keys(f"approver {owner}")
        if owner in driven.approved_by:
            return
        if driven.raw:
            driven.raw = add_signature(parse_envelope(driven.raw), signer)
        else:
            driven.raw = seal(driven.warrant, signer)
        driven.approved_by.append(owner)

    def begin(self, name: str) -> str:
        """Begin a drill; return why it cannot, empty if it does."""
        driven = self.all[name]
        if driven.runtime is not None or driven.state is not None:
            return "it was begun before, and its one use is spent"
        missing = self.required(driven) - len(driven.approved_by)
        if missing > 0:
            return f"{missing} more owners must approve it first"
        if not driven.spec.sites and not self.fleet.sites:
            return "there are no sites"
        try:
            opened = open_drill(
                self.fleet.documents,
                driven.raw,
                self.fleet.keys("dispatcher"),
                self.store,
                nonce=self.fleet.keys.nonce,
                wall_ns=self.fleet.clock.wall_ns(),
            )
        except HaltdrillError as error:
            return str(error)
        stranger = self.fleet.keys(f"stranger {self.fleet.keys.nonce()}")
        opened = replace(opened, issuer=replace(opened.issuer, stranger=lambda: stranger))
        transport = self.fleet.transport(f"{ORCHESTRATOR}/{name}", self.fleet.topics.orchestrator_filters())
        driven.runtime = Runtime(
            opened, self.store, transport, self.fleet.clock, tick_s=TICK_S, gather_s=GATHER_S, threads=0
        )
        driven.task = asyncio.create_task(self._run(driven, transport), name=f"drill {name}")
        return ""

    async def _run(self, driven: Driven, transport: MemoryTransport) -> None:
        runtime = driven.runtime
        assert runtime is not None  # noqa: S101 - it was just made
        self.began(driven)
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(transport)
                if driven.spec.stop_when:
                    beside = guarding(driven.spec.stop_when, self.fleet.clock, self.fleet.log)
                    await stack.enter_async_context(beside(runtime))
                driven.state = await runtime.run()
        except HaltdrillError as error:
            self.failures.append(f"drill {driven.spec.name}: {error}")
            return
        driven.lines = tuple(self.store.lines(driven.state.drill))
        self.ended(driven)

    @property
    def going(self) -> list[Driven]:
        """The drills that go on."""
        return [one for one in self.all.values() if one.task is not None and not one.task.done()]

    def abort(self, reason: str) -> bool:
        """Abort every drill that goes on; tell whether there was one."""
        for one in self.going:
            assert one.runtime is not None  # noqa: S101 - it goes on
            one.runtime.abort(reason)
        return bool(self.going)

    async def finish(self) -> None:
        """Wait until every drill that goes on is over."""
        for one in self.going:
            assert one.task is not None  # noqa: S101 - it goes on
            await one.task

    # -- what people and thieves say, over the broker as in life ------------------------------------------

    def say(self, envelope: bytes) -> None:
        """Publish a stop to everybody."""
        self.fleet.broker.route(self.fleet.topics.stops, envelope)

    def lever(self, owner: str, reason: str) -> None:
        """Engage the safety lever with an approver's key."""
        lever = Lever(
            fleet=self.fleet.documents.trust.fleet,
            site=None,
            engaged=True,
            disengages=None,
            nonce=self.fleet.keys.nonce(),
            issued_at=format_utc(self.fleet.clock.wall_ns()),
            reason=reason,
        )
        self.say(seal(lever, self.fleet.keys(f"approver {owner}")))
        self.abort(f"the safety lever: {reason}")

    def revoke(self, name: str, owner: str, reason: str) -> None:
        """Revoke a drill's warrant with an approver's key."""
        driven = self.all[name]
        revocation = Revocation(
            fleet=self.fleet.documents.trust.fleet,
            warrant=driven.warrant.digest(),
            nonce=self.fleet.keys.nonce(),
            issued_at=format_utc(self.fleet.clock.wall_ns()),
            reason=reason,
        )
        self.say(seal(revocation, self.fleet.keys(f"approver {owner}")))
        driven.revoked = True
        if driven in self.going and driven.runtime is not None:
            driven.runtime.abort(f"its warrant was revoked: {reason}")

    def steal_key(self) -> None:
        """Have a thief order every site to shut down, with the dispatcher's key and nobody's approval."""
        trust, keys, clock = self.fleet.documents.trust, self.fleet.keys, self.fleet.clock
        step = Step(
            name="stolen",
            params=ShutdownParams(grace_s=0.0),
            response_limit_s=60.0,
            dwell_s=10.0,
            hold_s=3_600.0,
            restore_limit_s=60.0,
            quorum=1,
            max_gap_s=10.0,
        )
        now_ns = clock.wall_ns()
        warrant = Warrant(
            fleet=trust.fleet,
            plan="stolen",
            title="A thief's",
            nonce=keys.nonce(),
            issued_at=format_utc(now_ns),
            not_before=format_utc(now_ns - seconds_to_ns(60)),
            not_after=format_utc(now_ns + seconds_to_ns(3_600)),
            audience=NamedSites(sites=tuple(sorted(trust.records))),
            steps=(step,),
            challenge_s=5.0,
            uses=1,
            min_between_uses_s=0.0,
            max_total_held_s=7_200.0,
            dispatchers=(keys("dispatcher").public_key.keyid,),
        )
        thief = keys("dispatcher")
        approved = seal(warrant, thief)
        order = Order(
            fleet=trust.fleet,
            warrant=parse_envelope(approved).digest,
            use=1,
            step=0,
            drill="20000101t000000z-stolen-000000",
            nonce=keys.nonce(),
            issued_at=format_utc(now_ns),
            expires_at=format_utc(now_ns + seconds_to_ns(60)),
            status="exercise",
        )
        frame = join_frame([seal(order, thief), approved])
        self.fleet.broker.route(self.fleet.topics.orders, frame)
