"""Says in words what a warrant allows, for those who are asked to approve it.

Plain text and pure: what a person reads before signing is tested like everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import assert_never

from protocols.controls import CATALOGUE, PauseParams, ShutdownParams, control_of
from protocols.ids import parse_utc
from protocols.messages import NamedSites, SelectedSites, Step, Warrant
from protocols.trust import FleetTrust, audience_of, owners_required

_WIDTH = 96
_LABEL = 14
_UNITS = ((86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"))


def duration_text(seconds: float) -> str:
    """Write a duration as people say it, exactly: `90 s`, `2 hours`, `1 hour 30 minutes`."""
    if seconds < 120 or seconds != int(seconds):  # noqa: PLR2004 - under two minutes people think in seconds
        return f"{seconds:.9g} s"
    rest = int(seconds)
    parts = []
    for size, one, many in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    if rest:
        parts.append(f"{rest} s")
    return " ".join(parts)


def time_text(utc: str) -> str:
    """Write a time of the wire for people: `2026-11-24 09:00:00 UTC`."""
    parse_utc(utc)
    whole, fraction = utc.removesuffix("Z").split(".")
    rest = fraction.rstrip("0")
    return f"{whole.replace('T', ' ')}{'.' + rest if rest else ''} UTC"


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
    lines = [f"Plan {warrant.plan}: {_clean(warrant.title)}", ""]
    if fleet.root.root.demo:
        lines += _item("Note", "a demo fleet: all of its keys were made in one place")
    lines += _item("Fleet", warrant.fleet)
    lines += _item("Sites", _sites(warrant, sites, fleet))
    for number, step in enumerate(warrant.steps, 1):
        lines += _item(f"Step {number}", _step(step, warrant))
    lines += _item("How often", _uses(warrant))
    lines += _item(
        "At most",
        f"each site is held {duration_text(sum(step.hold_s for step in warrant.steps))} in one drill "
        f"and {duration_text(warrant.max_total_held_s)} in all",
    )
    lines += _item("Window", f"from {time_text(warrant.not_before)} until {time_text(warrant.not_after)}")
    lines += _item("Ordered by", _dispatchers(warrant, fleet))
    lines += _item("To stop it", "any single approver or dispatcher: haltdrill abort")
    return "\n".join([*lines, *approval_lines(warrant, fleet, approved_by)])


def approval_lines(warrant: Warrant, fleet: FleetTrust, approved_by: Sequence[str]) -> list[str]:
    """Say who approved a warrant, and how many owners it still takes."""
    required = owners_required(fleet.policy, warrant)
    owners = sorted(set(approved_by))
    others = sorted(set(fleet.approvers.owners.values()) - set(owners))
    missing = max(0, required - len(owners))
    said = f"by {', '.join(owners)}" if owners else "by nobody yet"
    lines = _item("Approved", f"{said} ({len(owners)} of the {required} owners it takes)")
    if missing:
        count = "1 more owner" if missing == 1 else f"{missing} more owners"
        return lines + _item("Missing", f"{count}, any of: {', '.join(others)}")
    return lines + _item("Missing", "nobody: it can be run")


def _item(label: str, text: str) -> list[str]:
    lines = [
        piece
        for paragraph in text.split("\n")
        for piece in wrap(paragraph, _WIDTH - _LABEL, break_long_words=False, break_on_hyphens=False) or [""]
    ]
    return [f"{label if number == 0 else '':<{_LABEL}}{line}" for number, line in enumerate(lines)]


def _clean(text: str) -> str:
    """Escape whatever a terminal would not show as it is."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


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


def _params(params: PauseParams | ShutdownParams) -> str:
    match params:
        case PauseParams():
            return ""
        case ShutdownParams(grace_s=grace_s):
            return f"; what has not stopped after {duration_text(grace_s)} is killed"
        case _:
            assert_never(params)


def _step(step: Step, warrant: Warrant) -> str:
    spec = CATALOGUE[control_of(step.params)]
    last = (
        "This cannot be undone."
        if spec.irreversible
        else f"Must be back at work within {duration_text(step.restore_limit_s)}."
    )
    name = step.name if step.name == spec.control.value else f"{step.name} ({spec.control.value})"
    return (
        f"{name}: {spec.summary}{_params(step.params)}.\n"
        f"Held for {duration_text(step.hold_s)} at most, then each site restores by itself. {last}\n"
        f"Passes if halted within {duration_text(step.response_limit_s)} and then seen quiet for "
        f"{duration_text(step.dwell_s)} by witnesses of {step.quorum} owners, who are challenged every "
        f"{duration_text(warrant.challenge_s)}."
    )


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
