"""The example plans that a new fleet begins with: short, commented, and valid as they are."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.ids import format_utc, seconds_to_ns

_WINDOW_S = 30 * 86_400
_NS_PER_S = 1_000_000_000

_HEAD = """\
# A haltdrill plan: {what}
# Check it:    haltdrill plan check {file}
# Read it:     haltdrill plan explain {file}
# Approve it:  haltdrill approve {file} --key KEY    (once for each owner it takes)
# Units are in the names of the keys: _s is seconds.

name: {name}
title: {title}

"""

_WINDOW = """
# When it may be run. Any offset will do, but one must be given (Z is UTC).
window:
  not_before: {not_before}
  not_after: {not_after}

challenge_s: 0.5          # witnesses are challenged this often
uses: {uses}                   # how many drills this plan covers
min_between_uses_s: {gap_s}  # least time between the end of one and the next
max_total_held_s: {total_s}     # no site is held longer than this, over all uses

"""


def _moment(wall_ns: int) -> str:
    return format_utc(wall_ns // _NS_PER_S * _NS_PER_S).split(".")[0] + "Z"


def _window(now_ns: int, *, uses: int, gap_s: int, total_s: int) -> str:
    return _WINDOW.format(
        not_before=_moment(now_ns),
        not_after=_moment(now_ns + seconds_to_ns(_WINDOW_S)),
        uses=uses,
        gap_s=gap_s,
        total_s=total_s,
    )


def pause_plan(sites: Sequence[str], now_ns: int) -> str:
    """Return a plan that pauses the named sites.

    Args:
        sites: Their names.
        now_ns: Wall time, nanoseconds: where its window begins.
    """
    listed = "".join(f"    - {site}\n" for site in sites)
    head = _HEAD.format(
        what="pause every site, and see it come back.",
        file="plans/pause.yaml",
        name="pause-all",
        title="Pause all work everywhere and bring it back",
    )
    audience = f"# Whom it is for: sites by name, or by attribute as in shutdown.yaml.\naudience:\n  sites:\n{listed}"
    steps = """\
steps:
  - name: pause
    control: pause        # suspend all work and keep its state in memory
    response_limit_s: 10  # by when each site must be halted, counted from the order
    dwell_s: 3            # how long it must be seen quiet, by all witnesses of the quorum at once
    hold_s: 30            # how long it stays halted; then it restores by itself
    restore_limit_s: 20   # by when it must work again, counted from the release
    quorum: 2             # how many witness owners, other than the site's, must agree
    max_gap_s: 2          # the widest hole in the evidence that is accepted
"""
    return head + audience + _window(now_ns, uses=3, gap_s=60, total_s=120) + steps


def shutdown_plan(regions: Sequence[str], now_ns: int) -> str:
    """Return a plan that shuts down the sites of the first of `regions`.

    Args:
        regions: The regions of the fleet.
        now_ns: Wall time, nanoseconds: where its window begins.
    """
    head = _HEAD.format(
        what="shut down the sites of one region, and see them come back.",
        file="plans/shutdown.yaml",
        name="shutdown-region",
        title="Checkpoint and stop all work of one region and bring it back",
    )
    others = ", ".join(regions)
    audience = (
        f"# Whom it is for: every site whose attributes all match, as the fleet index was at approval.\n"
        f"# Regions of this fleet: {others}\n"
        f"audience:\n  match:\n    region: [{regions[0]}]\n"
    )
    steps = """\
steps:
  - name: shutdown
    control: shutdown     # checkpoint all work, stop it, and keep its state on disk
    grace_s: 5            # how long the work may take to stop before it is killed
    response_limit_s: 15  # by when each site must be halted, counted from the order
    dwell_s: 3            # how long it must be seen quiet, by all witnesses of the quorum at once
    hold_s: 40            # how long it stays halted; then it restores by itself
    restore_limit_s: 30   # by when it must work again, counted from the release
    quorum: 2             # how many witness owners, other than the site's, must agree
    max_gap_s: 2          # the widest hole in the evidence that is accepted
"""
    return head + audience + _window(now_ns, uses=1, gap_s=60, total_s=60) + steps
