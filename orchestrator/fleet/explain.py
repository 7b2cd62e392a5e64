"""Says in words what a warrant allows, for those who are asked to approve it.

Plain text and pure: what a person reads before signing is tested like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from orchestrator.fleet.explain_controls import cutting, ordered, passes, undoing
from orchestrator.fleet.explain_text import clean, item, owners_text, time_text
from protocols.controls import CATALOGUE, control_of
from protocols.messages import NamedSites, SelectedSites, Step, Warrant
from protocols.messages.orders import CLIMB_CHALLENGES
from protocols.phrases import duration_text
from protocols.trust import FleetTrust, audience_of, owners_required


def explain_warrant(warrant: Warrant, fleet: FleetTrust, approved_by: Sequence[str] = ()) -> str:
    """Say in words what a warrant allows, at which sites, and whose approval it still needs.

    Args:
        warrant: The warrant.
        fleet: The fleet it is for.
        approved_by: The owners who approved it already.

    Returns:
        Lines of text without any control characters but the line breaks.

    Raises:
        TrustError: Its audience does not fit the fleet.
    """
    sites = audience_of(warrant, fleet.index, fleet.records)
    lines = [f"Plan {warrant.plan}: {clean(warrant.title)}", ""]
    if fleet.root.root.demo:
        lines += item("Note", "a demo fleet: all of its keys were made in one place")
    lines += item("Fleet", warrant.fleet)
    lines += item("Sites", _sites(warrant, sites, fleet))
    for number, step in enumerate(warrant.steps, 1):
        lines += item(f"Step {number}", _step(step, fleet, sites))
    lines += item("Witnesses", f"are challenged every {duration_text(warrant.challenge_s)}")
    lines += item("How often", _uses(warrant))
    lines += item(
        "At most",
        f"each site is held {duration_text(sum(step.hold_s for step in warrant.steps))} in one drill "
        f"and {duration_text(warrant.max_total_held_s)} in all",
    )
    lines += item("Window", f"from {time_text(warrant.not_before)} until {time_text(warrant.not_after)}")
    lines += item("Ordered by", _dispatchers(warrant, fleet))
    lines += item("Takes", _takes(warrant, fleet))
    lines += item("To stop it", "any single approver or dispatcher: haltdrill abort")
    return "\n".join([*lines, *approval_lines(warrant, fleet, approved_by)])


def approval_lines(warrant: Warrant, fleet: FleetTrust, approved_by: Sequence[str]) -> list[str]:
    """Say who approved a warrant, and how many owners it still takes."""
    required = owners_required(fleet.policy, warrant)
    owners = sorted(set(approved_by))
    others = sorted(set(fleet.approvers.owners.values()) - set(owners))
    missing = max(0, required - len(owners))
    said = f"by {', '.join(owners)}" if owners else "by nobody yet"
    lines = item("Approved", f"{said} ({len(owners)} of the {required} owners it takes)")
    if missing:
        count = "1 more owner" if missing == 1 else f"{missing} more owners"
        return lines + item("Missing", f"{count}, any of: {', '.join(others)}")
    return lines + item("Missing", "nobody: it can be run")


def _sites(warrant: Warrant, sites: Sequence[str], fleet: FleetTrust) -> str:
    mocks = sum(fleet.records[site].mock for site in sites)
    which = f"{len(sites)} of {len(fleet.records)}: {', '.join(sites)}"
    mock = f" ({mocks} of them mock sites)" if mocks else ""
    match warrant.audience:
        case NamedSites():
            return f"{which}{mock}\nnamed one by one"
        case SelectedSites(index_version=version, match=wanted):
            rule = " and ".join(f"{entry.name} is {' or '.join(entry.values)}" for entry in wanted)
            return f"{which}{mock}\nall whose {rule}, as of fleet index {version}; sites tagged later are not included"
        case _:
            assert_never(warrant.audience)


def _step(step: Step, fleet: FleetTrust, sites: Sequence[str]) -> str:
    control = control_of(step.params)
    name = control.value if step.name == control.replace("_", "-") else f"{step.name} ({control.value})"
    lines = [
        f"{name}: {ordered(step.params)}.",
        passes(step.params, step, step.response_limit_s),
        undoing(step),
        *_ladder(step),
        cutting(step, [fleet.records[site] for site in sites]),
    ]
    return "\n".join(line for line in lines if line)


def _ladder(step: Step) -> list[str]:
    """Say what happens to a site that does not halt: a numbered line for each rung."""
    if not step.ladder:
        return []
    wait = f"limit, {duration_text(step.dwell_s)} of dwell and {CLIMB_CHALLENGES} challenges"
    rungs = []
    for number, rung in enumerate(step.rungs, 1):
        control = control_of(rung.params)
        limit = duration_text(rung.response_limit_s)
        what = f"{control}, within {limit}" if number == 1 else f"{control}: {ordered(rung.params)}. Within {limit}"
        rungs.append(f"{number}. {what}")
    rule = (
        "A site that does not halt (it is late, refuses, says nothing or is contradicted) climbs this ladder by "
        f"itself, a rung at a time, each after its {wait}. A site that a quorum saw quiet never climbs."
    )
    return [rule, *rungs, "A site that climbed did not pass, whatever halts it in the end."]


def _takes(warrant: Warrant, fleet: FleetTrust) -> str:
    """Say how many owners must approve, and which control asks for so many."""
    required = owners_required(fleet.policy, warrant)
    stated = {entry.control: entry.owners for entry in fleet.policy.thresholds}
    controls = {control_of(rung.params) for step in warrant.steps for rung in step.rungs}
    asking = [control for control in controls if stated.get(control, CATALOGUE[control].default_threshold) == required]
    worst = max(asking, key=lambda control: CATALOGUE[control].severity)
    return f"the approval of {owners_text(required)}, because of {worst}"


def _uses(warrant: Warrant) -> str:
    if warrant.uses == 1:
        return "one drill"
    return f"{warrant.uses} drills, at least {duration_text(warrant.min_between_uses_s)} apart"


def _dispatchers(warrant: Warrant, fleet: FleetTrust) -> str:
    named = [
        f"{fleet.dispatchers.owners[key_id]} (key {key_id[:12]})"
        if key_id in fleet.dispatchers.owners
        else f"a key that the policy does not know (key {key_id[:12]})"
        for key_id in warrant.dispatchers
    ]
    return ", ".join(named)
