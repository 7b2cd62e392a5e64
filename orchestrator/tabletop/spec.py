"""Scenario files: what a tabletop exercise is made of, as strict models (terms of HSEEP and NIST SP 800-84).

Drills stand in a scenario as in a plan, but for what the exercise adds itself: name, window and uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from orchestrator.core.states import Phase
from orchestrator.fleet.plan import Moment
from orchestrator.logbook.standing import Standing
from orchestrator.stopping.spec import StopConditions
from protocols.controls import Control
from protocols.ids import Name, Seconds, SiteId
from protocols.limits import STEPS_MAX
from protocols.messages.base import Part
from protocols.messages.orders import Step
from protocols.mock_config import Fault

SITES_MAX = 10_000

Prose = Annotated[str, Field(min_length=1, max_length=4_000)]
Line = Annotated[str, Field(min_length=1, max_length=300)]
Moment_s = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Role(Part):
    """Somebody whom a player plays.

    Attributes:
        name: What it is called in the file.
        title: What people call it.
        brief: What its player must know at the start.
        sees_drill: Whether its dashboard shows the drill; others see only what they are told.
    """

    name: Name
    title: Line
    brief: Prose
    sees_drill: bool = True


class Objective(Part):
    """What the exercise is to find out.

    Attributes:
        name: What it is called in the file.
        text: The objective, as a sentence.
        critical: Whether the exercise fails without it.
    """

    name: Name
    text: Line
    critical: bool = False


class SiteGroup(Part):
    """Simulated sites that are alike.

    Attributes:
        region: Their region; also how their names begin.
        count: How many there are.
        owner: Who owns them all; by default each has an operator of its own.
        accelerators: How many each has.
        faults: What is wrong with them from the start.
        first_with_faults: How many of them have these faults; by default all.
    """

    region: Name
    count: Annotated[int, Field(ge=1, le=SITES_MAX)]
    owner: Name | None = None
    accelerators: Annotated[int, Field(ge=6, le=64)] = 6
    faults: tuple[Annotated[Fault, Field(strict=False)], ...] = ()
    first_with_faults: Annotated[int, Field(ge=0, le=SITES_MAX)] | None = None


class FleetPart(Part):
    """The simulated fleet.

    Attributes:
        groups: Its sites.
        witnesses: How many witnesses each has, each of another owner.
        approvers: The owners who approve.
        threshold: How many of them a drill takes; the harshest controls take what the policy's defaults say.
        seed: All chance follows from it.
    """

    groups: Annotated[tuple[SiteGroup, ...], Field(min_length=1, max_length=64)]
    witnesses: Annotated[int, Field(ge=2, le=5)] = 2
    approvers: Annotated[tuple[Name, ...], Field(min_length=2, max_length=9)] = (
        "safety-board",
        "operations",
        "regulator",
    )
    threshold: Annotated[int, Field(ge=1, le=9)] = 2
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1

    @model_validator(mode="after")
    def _consistent(self) -> FleetPart:
        if self.threshold > len(set(self.approvers)):
            raise ValueError("threshold is over the number of approvers")
        if sum(group.count for group in self.groups) > SITES_MAX:
            raise ValueError(f"at most {SITES_MAX} sites")
        regions = [group.region for group in self.groups]
        if len(set(regions)) != len(regions):
            raise ValueError("two groups are of one region")
        return self


class Drill(Part):
    """A drill that the exercise may begin.

    Attributes:
        name: What it is called in the file.
        title: What it is for.
        regions: At the sites of which regions; by default at all.
        sites: At which sites; by default at all of those regions.
        challenge_s: Time between two challenges to the witnesses.
        approved_by: Who has approved it before the exercise begins; by default as many as it takes.
        steps: What happens, as in a plan.
        stop_when: What ends it early, as in a plan; only what it sees of itself, since nothing outside is there.
    """

    name: Name
    title: Line
    regions: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    sites: Annotated[tuple[SiteId, ...], Field(min_length=1)] | None = None
    challenge_s: Seconds = 5.0
    approved_by: tuple[Name, ...] | None = None
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=STEPS_MAX)]
    stop_when: StopConditions = ()


class Where(Part):
    """Sites that an effect is on; by default all.

    Attributes:
        regions: Those of these regions.
        sites: These.
        first: Only the first so many of them.
    """

    regions: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    sites: Annotated[tuple[SiteId, ...], Field(min_length=1)] | None = None
    first: Annotated[int, Field(ge=1)] | None = None


class FaultEffect(Where):
    """A fault comes, or goes.

    Attributes:
        kind: The fault.
        on: Whether it comes.
        witness: The one witness whose instruments or clock have it, counted from 1; none is the site itself.
    """

    kind: Annotated[Fault, Field(strict=False)]
    on: bool = True
    witness: Annotated[int, Field(ge=1, le=5)] | None = None


class Switch(StrEnum):
    """What may happen to the broker."""

    DOWN = "down"
    UP = "up"


class Effect(Part):
    """One thing that happens to the mock world, or that a decision brings about. Exactly one is given.

    Attributes:
        fault: A fault of simulated sites comes or goes.
        cut: Sites are cut off from the broker.
        heal: They are reached again.
        broker: The broker dies, or comes back.
        veto: The operators of sites refuse everything from now on.
        unveto: They no longer do.
        steal_key: A thief has the dispatcher's key, and orders every site to shut down.
        unreachable: An approver can no longer be reached.
        reachable: They can be, again.
        approve: An approver approves a drill, if they can be reached: `drill` and `owner`.
        begin: A drill begins, if it is approved.
        abort: The running drills are aborted.
        lever: An approver engages the safety lever.
        revoke: An approver revokes the warrant of a drill.
        extend_s: The exercise's end is put off.
    """

    fault: FaultEffect | None = None
    cut: Where | None = None
    heal: Where | None = None
    broker: Annotated[Switch, Field(strict=False)] | None = None
    veto: Where | None = None
    unveto: Where | None = None
    steal_key: bool | None = None
    unreachable: Name | None = None
    reachable: Name | None = None
    approve: Approval | None = None
    begin: Name | None = None
    abort: Line | None = None
    lever: Name | None = None
    revoke: Approval | None = None
    extend_s: Seconds | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Effect:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one effect in each entry of the list")
        return self


class Approval(Part):
    """An approver's word on a drill.

    Attributes:
        drill: The drill.
        owner: The approver.
    """

    drill: Name
    owner: Name


class SitesAre(Part):
    """So many sites of the running drill stand so.

    Attributes:
        are: Where they stand.
        at_least: How many.
    """

    are: Annotated[tuple[Annotated[Standing, Field(strict=False)], ...], Field(min_length=1)]
    at_least: Annotated[int, Field(ge=1)] = 1


class Decided(Part):
    """A decision was taken so.

    Attributes:
        decision: The decision.
        option: The option; by default any.
    """

    decision: Name
    option: Name | None = None


class When(Part):
    """A condition on the exercise. What is given must all hold; then `after_s` more.

    Attributes:
        drill: A drill has come to `phase`, or has begun.
        phase: The phase that it has come to, or is past.
        sites: So many sites stand so.
        decided: A decision was taken.
        injected: An inject was given.
        after_s: How long it must hold before it counts.
    """

    drill: Name | None = None
    phase: Annotated[Phase, Field(strict=False)] | None = None
    sites: SitesAre | None = None
    decided: Decided | None = None
    injected: Name | None = None
    after_s: Moment_s = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> When:
        if self.phase is not None and self.drill is None:
            raise ValueError("a phase is that of a drill: name the drill")
        if all(one is None for one in (self.drill, self.sites, self.decided, self.injected)):
            raise ValueError("give one of drill, sites, decided and injected")
        return self


class Timed(Part):
    """What the master scenario events list has in common: when it comes.

    Attributes:
        at_s: At that time of the exercise.
        when: When a condition holds for the first time.
        by_hand: When the facilitator wants it; unattended at `at_s`, or not at all.
    """

    at_s: Moment_s | None = None
    when: When | None = None
    by_hand: bool = False

    @model_validator(mode="after")
    def _timed(self) -> Timed:
        if self.at_s is not None and self.when is not None:
            raise ValueError("give at_s or when, not both")
        if self.at_s is None and self.when is None and not self.by_hand:
            raise ValueError("give at_s, when or by_hand: true")
        return self


class Inject(Timed):
    """Something that players are told, and that may happen to the mock world.

    Attributes:
        name: What it is called in the file.
        to: The roles that are told; none tells nobody.
        text: What they are told.
        expected: What they are expected to do about it; only the facilitator sees that.
        effects: What happens to the mock world.
    """

    name: Name
    to: tuple[Name, ...] = ()
    text: Prose
    expected: Line | None = None
    effects: tuple[Effect, ...] = ()


class Option(Part):
    """One way to decide.

    Attributes:
        name: What it is called in the file.
        text: What the player chooses.
        effects: What it brings about.
        expected: Whether this is what a well-prepared player does.
        means: What it shows, for the report.
    """

    name: Name
    text: Line
    effects: tuple[Effect, ...] = ()
    expected: bool = False
    means: Line | None = None


class Decision(Timed):
    """A decision that a role must take.

    Attributes:
        name: What it is called in the file.
        to: The role that takes it.
        question: What is to be decided.
        within_s: How long there is; then `otherwise` counts.
        options: The ways to decide; exactly one is expected.
        otherwise: The option that not deciding amounts to.
        objective: The objective that it shows something of.
    """

    name: Name
    to: Name
    question: Prose
    within_s: Seconds
    options: Annotated[tuple[Option, ...], Field(min_length=2, max_length=8)]
    otherwise: Name
    objective: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Decision:
        names = [option.name for option in self.options]
        if len(set(names)) != len(names):
            raise ValueError("two options have one name")
        if self.otherwise not in names:
            raise ValueError(f"otherwise must be one of: {', '.join(names)}")
        if sum(option.expected for option in self.options) != 1:
            raise ValueError("exactly one option must have expected: true")
        return self

    def option(self, name: str) -> Option:
        """Return the option of a name."""
        return next(option for option in self.options if option.name == name)

    @property
    def expected(self) -> Option:
        """What a well-prepared player does."""
        return next(option for option in self.options if option.expected)


class DrillCame(Part):
    """How a drill came out, as evidence for an objective.

    Attributes:
        drill: The drill.
        verified_share: At least this share of its sites is verified in every step.
        aborted: Whether it was aborted.
        named: So many sites at least have one of these verdicts: they were found out.
        verdicts: These verdicts.
    """

    drill: Name
    verified_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    aborted: bool | None = None
    named: Annotated[int, Field(ge=1)] | None = None
    verdicts: tuple[Annotated[Standing, Field(strict=False)], ...] = ()


class Question(Part):
    """An evaluation question, tied to an objective. Without evidence of its own, the evaluator answers it.

    Attributes:
        objective: The objective.
        text: The question.
        decided: It is answered with yes if a decision was taken so,
        within_s: and within so long.
        came: It is answered with yes if a drill came out so.
        control: It is answered with yes if that control was exercised at all.
    """

    objective: Name
    text: Line
    decided: Decided | None = None
    within_s: Seconds | None = None
    came: DrillCame | None = None
    control: Annotated[Control, Field(strict=False)] | None = None


class Scenario(Part):
    """A tabletop exercise.

    Attributes:
        name: Its name.
        title: Its title.
        lesson: The one hard lesson that it teaches.
        situation: What everybody is told at the start.
        minutes: How long it takes people to play.
        starts_at: When it pretends to begin, with an offset.
        ends_at_s: When it ends by itself, in the exercise's time.
        roles: Who plays.
        objectives: What it is to find out.
        fleet: The simulated fleet.
        drills: The drills that may begin.
        injects: The master scenario events list.
        decisions: The decision points.
        questions: What the evaluator asks.
        hot_wash: Questions for the talk right afterwards.
    """

    name: Name
    title: Line
    lesson: Line
    situation: Prose
    minutes: Annotated[int, Field(ge=5, le=480)] = 60
    starts_at: Moment
    ends_at_s: Seconds
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=16)]
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=16)]
    fleet: FleetPart
    drills: Annotated[tuple[Drill, ...], Field(min_length=1, max_length=8)]
    injects: Annotated[tuple[Inject, ...], Field(min_length=1, max_length=200)]
    decisions: Annotated[tuple[Decision, ...], Field(min_length=1, max_length=50)]
    questions: Annotated[tuple[Question, ...], Field(max_length=100)] = ()
    hot_wash: tuple[Line, ...] = (
        "What did you know when you decided, and what did you believe?",
        "What would you have needed to decide earlier?",
        "Whom did you not call?",
    )

    def drill(self, name: str) -> Drill:
        """Return the drill of a name."""
        return next(drill for drill in self.drills if drill.name == name)

    def effects(self) -> Iterable[tuple[tuple[str | int, ...], Effect]]:
        """Yield every effect, with its place in the file."""
        for number, inject in enumerate(self.injects):
            for place, effect in enumerate(inject.effects):
                yield ("injects", number, "effects", place), effect
        for number, decision in enumerate(self.decisions):
            for other, option in enumerate(decision.options):
                for place, effect in enumerate(option.effects):
                    yield ("decisions", number, "options", other, "effects", place), effect


Effect.model_rebuild()
