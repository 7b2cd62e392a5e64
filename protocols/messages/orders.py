"""What people and the orchestrator say to sites: warrant, order, release, abort, lever, and asks."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from protocols.controls import CATALOGUE, Control, ControlParams, DecommissionParams, LeaseParams, control_of
from protocols.ids import Digest, DrillId, Int63, KeyId, Name, Nonce, Seconds, SiteId, Text, UtcTime
from protocols.limits import AUDIENCE_MAX_SITES, RUNGS_MAX, STEPS_MAX
from protocols.messages.base import Message, Part

StepNumber = Annotated[int, Field(ge=0, lt=STEPS_MAX)]
RungNumber = Annotated[int, Field(ge=0, lt=RUNGS_MAX)]
UseNumber = Annotated[int, Field(ge=1, le=100_000)]


class NamedSites(Part):
    """An audience that names its sites one by one."""

    sites: Annotated[tuple[SiteId, ...], Field(min_length=1, max_length=AUDIENCE_MAX_SITES)]


class AttributeMatch(Part):
    """One attribute and the values of it that are accepted."""

    name: Name
    values: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]


class SelectedSites(Part):
    """An audience by attributes, all of which must hold, against one fleet index version."""

    index_version: Annotated[int, Field(ge=1, le=2**53)]
    match: Annotated[tuple[AttributeMatch, ...], Field(min_length=1, max_length=16)]


CLIMB_CHALLENGES = 3
"""Challenges that may pass, beside limit and dwell, before it is decided that a site climbs to its next rung."""


class Rung(Part):
    """One rung of an escalation ladder: a harsher control, for the sites that the one before did not halt.

    Attributes:
        params: The control and its parameters.
        response_limit_s: By when, after this rung's own order, a site must be halted.
    """

    params: ControlParams
    response_limit_s: Seconds


class Step(Part):
    """One control applied to the audience, with every parameter that matters.

    Attributes:
        name: How people call the step.
        params: The control and its parameters.
        hold_s: How long a site stays halted, from its acceptance of the order. With a ladder: from
            when it accepted (or the enforcer saw) the first rung, whichever it climbs to.
        response_limit_s: By when, after the order, it must be halted (IEC 61511 response time).
        dwell_s: How long quiet must last, on all witnesses of the quorum at once.
        restore_limit_s: By when, after the release, it must be back in steady state.
        quorum: How many distinct witness owners must agree.
        max_gap_s: The widest bracket gap between two readings that evidence may bridge.
        ladder: Harsher rungs, in order, for the sites that do not halt. `params` is rung 0.
    """

    name: Name
    params: ControlParams
    hold_s: Seconds
    response_limit_s: Seconds
    dwell_s: Seconds
    restore_limit_s: Seconds
    quorum: Annotated[int, Field(ge=1, le=16)]
    max_gap_s: Seconds
    ladder: Annotated[tuple[Rung, ...], Field(max_length=RUNGS_MAX - 1)] = ()

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """All rungs, the step's own control first."""
        return (Rung(params=self.params, response_limit_s=self.response_limit_s), *self.ladder)

    @property
    def licensed_s(self) -> float:
        """How long after its order a site may still work under a licence, seconds; 0 without a lease."""
        return self.params.renewed_s + self.params.licence_s if isinstance(self.params, LeaseParams) else 0.0

    @property
    def reach_s(self) -> float:
        """How long after the order the last rung must have halted a site and been witnessed, seconds."""
        return self.licensed_s + sum(rung.response_limit_s + self.dwell_s for rung in self.rungs)

    @model_validator(mode="after")
    def _consistent(self) -> Step:
        if self.hold_s < self.reach_s:
            raise ValueError(_HOLD_TOO_SHORT)
        if self.max_gap_s > self.dwell_s:
            raise ValueError("max_gap_s must not exceed dwell_s")
        if self.ladder:
            controls = [CATALOGUE[control_of(rung.params)] for rung in self.rungs]
            if not all(spec.halts for spec in controls):
                raise ValueError("every rung of a ladder must be a control that halts work")
            if any(low.severity >= high.severity for low, high in pairwise(controls)):
                raise ValueError("every rung of a ladder must be harsher than the one before")
        return self


_HOLD_TOO_SHORT = (
    "hold_s must be at least response_limit_s + dwell_s, summed over all rungs of a ladder, "
    "and with a lease renewed_s + licence_s more"
)


class Warrant(Message):
    """A plan as approved: everything an order may ever cause is in here.

    Attributes:
        plan: The plan's name.
        nonce: Makes two approvals of one plan two warrants.
        challenge_s: Time between two challenges.
        uses: How many drills it covers, numbered from 1.
        min_between_uses_s: Least time at a site between the end of one use and the next.
        max_total_held_s: Longest time it may hold any one site, over all uses.
        dispatchers: Ids of the keys that may issue orders under it.
    """

    KIND: ClassVar[str] = "warrant"
    version: Literal[1] = 1
    fleet: Digest
    plan: Name
    title: Text
    nonce: Nonce
    issued_at: UtcTime
    not_before: UtcTime
    not_after: UtcTime
    audience: NamedSites | SelectedSites
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=STEPS_MAX)]
    challenge_s: Seconds
    uses: UseNumber
    min_between_uses_s: Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)]
    max_total_held_s: Seconds
    dispatchers: Annotated[tuple[KeyId, ...], Field(min_length=1, max_length=16)]

    @model_validator(mode="after")
    def _consistent(self) -> Warrant:
        if self.not_before >= self.not_after:
            raise ValueError("not_before must be before not_after")
        for step in self.steps:
            if step.hold_s < step.reach_s + len(step.ladder) * CLIMB_CHALLENGES * self.challenge_s:
                raise ValueError(f"{_HOLD_TOO_SHORT}; each climb takes {CLIMB_CHALLENGES} challenges more")
        if self.uses > 1 and any(CATALOGUE[control_of(step.params)].irreversible for step in self.steps):
            raise ValueError("what cannot be undone is approved for one use only")
        fires = [step for step in self.steps if isinstance(step.params, DecommissionParams) and step.params.armed]
        if fires and len(self.steps) > 1:
            raise ValueError(f"a plan that fires a {Control.DECOMMISSION} does nothing else")
        return self


class StapledStanding(Part):
    """A timekeeper's statement of freshness and revocations, stapled to an order."""

    envelope: Annotated[str, Field(max_length=16_384)]


class Order(Message):
    """The order itself. It can choose nothing that the warrant did not.

    Attributes:
        rung: The rung of the step's ladder; 0 is the step's own control, for the whole audience.
        site: The one site that climbs to a rung above 0; null for rung 0.
        status: In CAP's terms; agents obey `exercise` and refuse every other word.
        standing: A timekeeper's statement, where the policy asks for one: `protocols.messages.Standing`.
    """

    KIND: ClassVar[str] = "order"
    version: Literal[1] = 1
    fleet: Digest
    warrant: Digest
    use: UseNumber
    step: StepNumber
    drill: DrillId
    nonce: Nonce
    issued_at: UtcTime
    expires_at: UtcTime
    status: Name
    standing: StapledStanding | None = None
    rung: RungNumber = 0
    site: SiteId | None = None


class Challenge(Message):
    """A broadcast nonce that brackets readings in time and has them cosign the journal.

    Attributes:
        seq: Counts the drill's challenges from 1.
        journal_seq: Sequence number of the journal's last record when this was issued.
        journal_head: That record's digest.
        final: Whether the drill is ending: a witness answers with a reading and its closing.
        exercise: The control that is being exercised, or about to be, so that witnesses know what
            to try; null while there is none. It authorises nothing.
    """

    KIND: ClassVar[str] = "challenge"
    version: Literal[1] = 1
    fleet: Digest
    drill: DrillId
    seq: Int63
    nonce: Nonce
    issued_at: UtcTime
    journal_seq: Int63
    journal_head: Digest
    final: bool
    exercise: ControlParams | None = None


class Recall(Message):
    """Asks one witness to send again what the orchestrator misses, from `first` to `last`."""

    KIND: ClassVar[str] = "recall"
    version: Literal[1] = 1
    fleet: Digest
    drill: DrillId
    site: SiteId
    witness: Name
    first: Int63
    last: Int63
    nonce: Nonce


class Release(Message):
    """Ends one step's hold. A tombstone at every agent, also when it overtakes its order."""

    KIND: ClassVar[str] = "release"
    version: Literal[1] = 1
    fleet: Digest
    warrant: Digest
    use: UseNumber
    step: StepNumber
    drill: DrillId
    nonce: Nonce
    issued_at: UtcTime


class Abort(Message):
    """Ends a whole use of a warrant, now and for good. Any single approver may sign it."""

    KIND: ClassVar[str] = "abort"
    version: Literal[1] = 1
    fleet: Digest
    warrant: Digest
    use: UseNumber
    nonce: Nonce
    issued_at: UtcTime
    reason: Text


class Licence(Message):
    """Lets one site work on under its lease order, a little longer.

    It lasts as long as the warrant says, counted from when the agent sent the nonce that is quoted:
    so a licence that is delayed, kept or sent again prolongs nothing.

    Attributes:
        order: Digest of the lease order.
        request: The agent's nonce.
    """

    KIND: ClassVar[str] = "licence"
    version: Literal[1] = 1
    fleet: Digest
    site: SiteId
    order: Digest
    drill: DrillId
    request: Nonce


class Lever(Message):
    """The safety lever: engaged, nothing starts and everything is restored.

    Attributes:
        site: The one site it is for, or null for the whole fleet.
        engaged: True to engage (any single approver, or the site's operator for that site).
        disengages: The digest of the engagement that a disengage lifts (takes a threshold).
    """

    KIND: ClassVar[str] = "lever"
    version: Literal[1] = 1
    fleet: Digest
    site: SiteId | None
    engaged: bool
    disengages: Digest | None
    nonce: Nonce
    issued_at: UtcTime
    reason: Text

    @model_validator(mode="after")
    def _consistent(self) -> Lever:
        if self.engaged != (self.disengages is None):
            raise ValueError("exactly a disengage quotes the engagement it lifts")
        return self
