"""Writes the plan that fires a decommission, from the nonces with which the sites of a drill were armed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocols.ids import format_utc

_NS_PER_S = 1_000_000_000

_PLAN = """\
# A haltdrill plan: destroy the compute of the mock sites that were armed in drill
# {drill}. THIS CANNOT BE UNDONE.
# Check it:    haltdrill plan check {file}
# Read it:     haltdrill plan explain {file}
# Approve it:  haltdrill approve {file} --key KEY    (once for each owner it takes)
# It must be approved anew, and fired while the sites are armed: the window ends when that does.

name: decommission-fire
title: Destroy the compute of {count} for good
audience:
  sites:
{sites}window:
  not_before: {not_before}
  not_after: {not_after}

challenge_s: {challenge_s:g}
uses: 1
min_between_uses_s: 0
max_total_held_s: {hold_s:g}

steps:
  - name: decommission
    control: decommission
    phase: fire
    armed:                # the nonce that the agent of each site signed when it was armed
{armed}    response_limit_s: {limit_s:g}
    dwell_s: {dwell_s:g}
    hold_s: {hold_s:g}
    restore_limit_s: {restore_limit_s:g}
    quorum: {quorum}
    max_gap_s: {max_gap_s:g}
"""


@dataclass(frozen=True, slots=True)
class Arming:
    """A drill in which sites were armed.

    Attributes:
        drill: Its id.
        nonces: The nonce of each site that is armed.
        until_ns: Until when they surely are, wall time, nanoseconds.
        quorum: How many witness owners had to agree there.
        challenge_s: How often witnesses were challenged.
        limit_s: Its response limit.
        dwell_s: Its dwell.
        hold_s: Its hold.
        restore_limit_s: Its restore limit.
        max_gap_s: The widest hole in the evidence that was accepted.
    """

    drill: str
    nonces: Mapping[str, str]
    until_ns: int
    quorum: int
    challenge_s: float
    limit_s: float
    dwell_s: float
    hold_s: float
    restore_limit_s: float
    max_gap_s: float


def fire_plan(arming: Arming, file: str, now_ns: int) -> str:
    """Return the plan that fires what a drill armed, as YAML, with that drill's own times and quorum.

    Args:
        arming: What was armed.
        file: How to call the plan's file in it.
        now_ns: Wall time, nanoseconds: where its window begins.
    """
    sites = sorted(arming.nonces)
    return _PLAN.format(
        drill=arming.drill,
        file=file,
        count="one armed mock site" if len(sites) == 1 else f"{len(sites)} armed mock sites",
        sites="".join(f"    - {site}\n" for site in sites),
        armed="".join(f'      - site: {site}\n        nonce: "{arming.nonces[site]}"\n' for site in sites),
        not_before=_moment(now_ns),
        not_after=_moment(arming.until_ns),
        challenge_s=arming.challenge_s,
        limit_s=arming.limit_s,
        dwell_s=arming.dwell_s,
        hold_s=arming.hold_s,
        restore_limit_s=arming.restore_limit_s,
        quorum=arming.quorum,
        max_gap_s=arming.max_gap_s,
    )


def _moment(wall_ns: int) -> str:
    return format_utc(wall_ns // _NS_PER_S * _NS_PER_S).split(".")[0] + "Z"
