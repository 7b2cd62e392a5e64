"""What a plan asks of a fleet: whether the fleet can do it, and the warrant that it makes.

A plan that could only fail is refused here, before anybody is asked to approve it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.fleet.plan import Plan, PlanFile
from orchestrator.fleet.plan_kept import work_obstacle
from orchestrator.fleet.plan_site import obstacle
from orchestrator.fleet.yaml_tree import KeyPath
from orchestrator.stopping.spec import SteadyWork
from protocols.controls import CATALOGUE, DecommissionParams, control_of
from protocols.errors import ConfigError, TrustError
from protocols.ids import format_utc, parse_utc
from protocols.limits import ENVELOPE_MAX_BYTES, SIGNATURES_MAX
from protocols.messages import AttributeMatch, NamedSites, SelectedSites, SiteRecord, Step, Warrant
from protocols.messages.orders import CLIMB_CHALLENGES
from protocols.trust import FleetTrust, audience_of, owners_required

_NONCE_ZERO = "0" * 32
_SIGNATURE_BYTES = 200  # key id, signature and their JSON, rounded up
_NS_PER_S = 1_000_000_000


def compile_plan(plan: Plan, fleet: FleetTrust, *, dispatchers: Sequence[str], nonce: str, now_ns: int) -> Warrant:
    """Turn a plan into the warrant that owners approve.

    Args:
        plan: What people wrote.
        fleet: The fleet it is for; a selector is bound to its index version.
        dispatchers: Ids of the keys that may issue orders under it.
        nonce: 32 hex digits that nobody can guess.
        now_ns: Wall time, nanoseconds.
    """
    audience: NamedSites | SelectedSites
    if plan.audience.sites is not None:
        audience = NamedSites(sites=tuple(sorted(plan.audience.sites)))
    else:
        wanted = sorted((plan.audience.match or {}).items())
        audience = SelectedSites(
            index_version=fleet.index.index_version,
            match=tuple(AttributeMatch(name=name, values=tuple(sorted(set(values)))) for name, values in wanted),
        )
    return Warrant(
        fleet=fleet.fleet,
        plan=plan.name,
        title=plan.title,
        nonce=nonce,
        issued_at=format_utc(now_ns),
        not_before=plan.window.not_before,
        not_after=plan.window.not_after,
        audience=audience,
        steps=plan.steps,
        challenge_s=plan.challenge_s,
        uses=plan.uses,
        min_between_uses_s=plan.min_between_uses_s,
        max_total_held_s=plan.max_total_held_s,
        dispatchers=tuple(dispatchers),
    )


def all_dispatchers(fleet: FleetTrust) -> tuple[str, ...]:
    """Return the key ids of all dispatchers of the policy, sorted."""
    return tuple(sorted(entry.key.key_id for entry in fleet.policy.dispatchers))


def check_plan(source: Plan | PlanFile, fleet: FleetTrust, *, now_ns: int) -> tuple[str, ...]:
    """Check that a fleet can do what a plan asks.

    Args:
        source: The plan; with its file, errors name the line.
        fleet: The fleet.
        now_ns: Wall time, nanoseconds.

    Returns:
        The sites of its audience, sorted.

    Raises:
        ConfigError: It cannot; the first reason found is named.
    """
    check = _Check(source, fleet)
    check.rules()
    warrant = compile_plan(check.plan, fleet, dispatchers=all_dispatchers(fleet), nonce=_NONCE_ZERO, now_ns=now_ns)
    check.window(now_ns)
    sites = check.audience(warrant)
    check.sizes(warrant)
    check.owners(warrant)
    check.times()
    check.armed(sites)
    for number, step in enumerate(check.plan.steps):
        for site in sites:
            check.step_at(number, step, fleet.records[site])
    check.totals(fleet.records[site] for site in sites)
    for number, condition in enumerate(check.plan.stop_when):
        if condition.steady is not None:
            check.kept(("stop_when", number, "steady"), condition.steady, sites)
    return sites


class _Check:
    """One plan against one fleet; each method checks one thing and raises."""

    def __init__(self, source: Plan | PlanFile, fleet: FleetTrust) -> None:
        self.file = source if isinstance(source, PlanFile) else None
        self.plan = source.plan if isinstance(source, PlanFile) else source
        self.fleet = fleet

    def error(self, path: KeyPath, what: str, remedy: str = "") -> ConfigError:
        if self.file is not None:
            return self.file.error(path, what, remedy)
        return ConfigError(what, where=f"plan {self.plan.name}", remedy=remedy)

    def window(self, now_ns: int) -> None:
        if parse_utc(self.plan.window.not_after) <= now_ns:
            raise self.error(("window", "not_after"), "is over already", "give the plan a window that is still to come")

    def rules(self) -> None:
        """Check what a warrant demands of all steps together, so that the line can be named."""
        plan = self.plan
        for number, step in enumerate(plan.steps):
            reach_s = step.reach_s + len(step.ladder) * CLIMB_CHALLENGES * plan.challenge_s
            if step.hold_s < reach_s:
                raise self.error(
                    ("steps", number, "hold_s"),
                    f"is {step.hold_s:g} s, but its rungs take {reach_s:g} s: response_limit_s + dwell_s "
                    f"of each, and {CLIMB_CHALLENGES} challenges for each climb",
                    f"make it at least {reach_s:g}",
                )
            if plan.uses > 1 and CATALOGUE[control_of(step.params)].irreversible:
                raise self.error(
                    ("uses",), f"is {plan.uses}, and {control_of(step.params)} is approved for one use only"
                )
            if isinstance(step.params, DecommissionParams) and step.params.armed and len(plan.steps) > 1:
                raise self.error(
                    ("steps", number, "phase"), "a plan that fires does nothing else", "remove the other steps"
                )

    def armed(self, sites: Sequence[str]) -> None:
        """Check that a plan that fires names no site that it does not reach."""
        for number, step in enumerate(self.plan.steps):
            entries = step.params.armed if isinstance(step.params, DecommissionParams) else ()
            for place, entry in enumerate(entries):
                if entry.site not in sites:
                    raise self.error(
                        ("steps", number, "armed", place, "site"), f"site {entry.site} is not in the plan's audience"
                    )

    def audience(self, warrant: Warrant) -> tuple[str, ...]:
        for number, site in enumerate(self.plan.audience.sites or ()):
            if site not in self.fleet.records:
                known = ", ".join(sorted(self.fleet.records)[:8])
                raise self.error(("audience", "sites", number), f"the fleet has no site {site}", f"it has: {known}")
        tags = {tag.name for record in self.fleet.records.values() for tag in record.attributes}
        for name in self.plan.audience.match or ():
            if name not in tags:
                known = ", ".join(sorted(tags)[:8])
                raise self.error(("audience", "match", name), "no site has this attribute", f"they have: {known}")
        try:
            return audience_of(warrant, self.fleet.index, self.fleet.records)
        except TrustError as error:
            raise self.error(("audience",), error.what) from None

    def sizes(self, warrant: Warrant) -> None:
        in_base64 = (len(warrant.encode()) + 2) // 3 * 4
        if in_base64 + SIGNATURES_MAX * _SIGNATURE_BYTES > ENVELOPE_MAX_BYTES:
            raise self.error(
                ("audience",), "names so many sites that the warrant would be too large", "select them with match"
            )

    def owners(self, warrant: Warrant) -> None:
        needed = owners_required(self.fleet.policy, warrant)
        there = len(set(self.fleet.approvers.owners.values()))
        if needed > there:
            raise self.error(
                ("steps",), f"takes the approval of {needed} owners, and the policy names {there}", "change the policy"
            )

    def times(self) -> None:
        plan = self.plan
        for number, step in enumerate(plan.steps):
            if step.max_gap_s < 2 * plan.challenge_s:
                raise self.error(
                    ("steps", number, "max_gap_s"),
                    f"is {step.max_gap_s:g} s, but readings come every challenge_s = {plan.challenge_s:g} s "
                    "and each bracket spans two of them",
                    f"make it at least {2 * plan.challenge_s:g}, or challenge_s smaller",
                )
        total_s = held_in_all_s(plan)
        if total_s > plan.max_total_held_s:
            raise self.error(
                ("max_total_held_s",),
                f"is {plan.max_total_held_s:g} s, but {plan.uses} uses can hold a site {total_s:g} s, "
                "with the time that it takes to come back after each hold but the last",
                f"make it at least {total_s:g}, or have fewer uses or shorter holds",
            )
        window_s = (parse_utc(plan.window.not_after) - parse_utc(plan.window.not_before)) / _NS_PER_S
        needed_s = total_s + (plan.uses - 1) * plan.min_between_uses_s
        if needed_s > window_s:
            raise self.error(
                ("window",),
                f"is {window_s:g} s long, but {plan.uses} uses with their gaps can take {needed_s:g} s",
                "make it longer, or have fewer uses",
            )

    def step_at(self, number: int, step: Step, record: SiteRecord) -> None:
        if step.hold_s > record.max_hold_s:
            raise self.error(
                ("steps", number, "hold_s"),
                f"is {step.hold_s:g} s, over the {record.max_hold_s:g} s that site {record.site} allows",
            )
        for place, rung in enumerate(step.rungs):
            found = obstacle(rung.params, record, step.quorum)
            if found is not None:
                at: KeyPath = ("steps", number)
                if place and found.key != "quorum":
                    at = (*at, "ladder", place - 1)
                raise self.error((*at, found.key), found.what, found.remedy)

    def kept(self, path: KeyPath, steady: SteadyWork, sites: Sequence[str]) -> None:
        """Check that work whose going on is a stop condition is there, is seen, and is not what the plan halts."""
        for place, site in enumerate(steady.sites or ()):
            if site not in sites:
                raise self.error((*path, "sites", place), f"site {site} is not in the plan's audience")
        found = work_obstacle(
            self.plan.steps, steady.workload, [self.fleet.records[site] for site in steady.sites or sites]
        )
        if found is not None:
            raise self.error(path, found.what, found.remedy)

    def totals(self, records: Iterable[SiteRecord]) -> None:
        held_s = held_in_all_s(self.plan)
        for record in records:
            if held_s > record.max_total_held_s:
                raise self.error(
                    ("uses",),
                    f"{self.plan.uses} uses can hold a site {held_s:g} s, over the {record.max_total_held_s:g} s "
                    f"that site {record.site} allows under one warrant",
                    "have fewer uses or shorter holds",
                )


def held_in_all_s(plan: Plan) -> float:
    """Return how long a plan can hold a site until its last hold is over, seconds.

    A site counts as held until it is restored, so that all but the last way back count too: else a site that
    took its time to come back would refuse the next step.
    """
    each_s = sum(step.hold_s + step.restore_limit_s for step in plan.steps)
    return plan.uses * each_s - plan.steps[-1].restore_limit_s


def same_but_for_issue(one: Warrant, other: Warrant) -> list[str]:
    """Return the names of the fields in which two warrants differ, nonce and issue time aside."""
    left: dict[str, Any] = one.model_dump(exclude={"nonce", "issued_at"})
    right: dict[str, Any] = other.model_dump(exclude={"nonce", "issued_at"})
    return [name for name in left if left[name] != right[name]]
