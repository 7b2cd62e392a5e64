"""The example plans that a new fleet begins with: short, commented, and valid as they are."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.fleet.plan_steps import Pace, StepText, hold_s, ladder_hold_s, ladder_yaml, step_of, step_yaml
from orchestrator.fleet.spec import SiteSpec
from protocols.controls import CATALOGUE, Control
from protocols.ids import format_utc, seconds_to_ns
from protocols.messages.orders import CLIMB_CHALLENGES

CHALLENGE_S = 0.5

_WINDOW_S = 30 * 86_400
_SPARE_S = 30
_PROTECTED = ("evals", "interpretability", "production-inference", "safety")
_LADDER = (Control.PAUSE, Control.SHUTDOWN, Control.POWER_CUT)
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

challenge_s: {challenge_s:g}          # witnesses are challenged this often
uses: {uses}                   # how many drills this plan covers
min_between_uses_s: {gap_s}  # least time between the end of one and the next
max_total_held_s: {total_s:g}     # no site is held longer than this, over all uses

"""


def _moment(wall_ns: int) -> str:
    return format_utc(wall_ns // _NS_PER_S * _NS_PER_S).split(".")[0] + "Z"


def _window(now_ns: int, *, uses: int, gap_s: int, total_s: float) -> str:
    return _WINDOW.format(
        challenge_s=CHALLENGE_S,
        not_before=_moment(now_ns),
        not_after=_moment(now_ns + seconds_to_ns(_WINDOW_S)),
        uses=uses,
        gap_s=gap_s,
        total_s=total_s,
    )


def example_plans(sites: Sequence[SiteSpec], now_ns: int) -> dict[str, str]:
    """Return the example plans of a new fleet by the names of their files.

    Args:
        sites: The fleet's sites. Plans that only simulated sites can do are for those.
        now_ns: Wall time, nanoseconds: where their windows begin.
    """
    names = sorted(site.name for site in sites)
    regions = sorted({site.region for site in sites})
    plans = {"pause.yaml": pause_plan(names, now_ns), "shutdown.yaml": shutdown_plan(regions, now_ns)}
    simulated = [site for site in sites if site.simulated is not None]
    if not simulated:
        return plans
    mocks = sorted(site.name for site in simulated)
    classes = {job.workload for site in simulated if site.simulated for job in site.simulated.jobs}
    protected = sorted(classes & set(_PROTECTED)) or sorted(classes)[:1]
    return plans | {
        "all-controls.yaml": all_controls_plan(mocks, protected, now_ns),
        "ladder.yaml": ladder_plan(mocks, now_ns),
        "decommission-fire.yaml.template": FIRE_TEMPLATE,
    }


def all_controls_plan(sites: Sequence[str], protected: Sequence[str], now_ns: int) -> str:
    """Return a plan that exercises all twelve controls at simulated sites, mild to harsh; decommission is armed.

    Args:
        sites: Their names.
        protected: The classes of work that a selective pause protects.
        now_ns: Wall time, nanoseconds: where its window begins.
    """
    pace = Pace()
    steps = [step_of(control, pace, protected) for control in sorted(Control, key=_severity)]
    total_s = sum(hold_s(step, pace) + pace.restore_limit_s for step in steps)
    head = _HEAD.format(
        what="exercise every control there is, from mild to harsh.",
        file="plans/all-controls.yaml",
        name="all-controls",
        title="Every control once, and everything back afterwards",
    )
    text = "".join(step_yaml(step, pace) for step in steps)
    return f"{head}{_listed(sites)}{_window(now_ns, uses=1, gap_s=60, total_s=total_s + _SPARE_S)}{_STEPS}{text}"


def ladder_plan(sites: Sequence[str], now_ns: int) -> str:
    """Return a plan whose pause escalates, where it does not work, to a shutdown and to a power cut.

    Args:
        sites: The names of simulated sites, which have an enforcer.
        now_ns: Wall time, nanoseconds: where its window begins.
    """
    pace = Pace()
    rungs: list[StepText] = [step_of(control, pace) for control in _LADDER]
    climb_s = CLIMB_CHALLENGES * CHALLENGE_S
    total_s = ladder_hold_s(rungs, pace, climb_s)
    head = _HEAD.format(
        what="pause every site, and reach for harsher controls where that does not halt it.",
        file="plans/ladder.yaml",
        name="ladder",
        title="Pause, and where that fails shut down, and where that fails cut the power",
    )
    text = ladder_yaml("pause-or-more", rungs, pace, climb_s=climb_s)
    return f"{head}{_listed(sites)}{_window(now_ns, uses=1, gap_s=60, total_s=total_s + _SPARE_S)}{_STEPS}{text}"


def _severity(control: Control) -> int:
    return CATALOGUE[control].severity


def _listed(sites: Sequence[str]) -> str:
    listed = "".join(f"    - {site}\n" for site in sites)
    return f"# Whom it is for: sites by name, or by attribute as in shutdown.yaml.\naudience:\n  sites:\n{listed}"


_STEPS = """\
# Of each step and rung (pause.yaml says what each time means): the control, its own parameters, by when
# it must be so, and for how long it must be seen so. A rung is for the sites that the one before did not halt.
steps:
"""

FIRE_TEMPLATE = """\
# This is no plan yet: it shows what a plan that fires a decommission looks like.
#
# A decommission cannot be undone. It takes two plans, approved one after the other:
#   1. Run a plan that arms, such as plans/all-controls.yaml. Each site's agent signs a nonce.
#   2. Write the plan that fires, with the nonces of that drill, and have it approved anew:
#        haltdrill plan fire DRILL
#      DRILL is the armed drill's id, as `haltdrill drills` lists it. That makes decommission-fire.yaml
#      beside this file: nobody copies nonces by hand.
# It must be approved after the sites were armed, and run before armed_for_s is over.

name: decommission-fire
title: Destroy the compute of the mock sites that are armed
audience:
  sites: [SITE]
window:
  not_before: 2030-01-01T09:00:00Z
  not_after: 2030-01-01T10:00:00Z
challenge_s: 0.5
uses: 1
min_between_uses_s: 0
max_total_held_s: 60
steps:
  - name: decommission
    control: decommission
    phase: fire
    armed:                # one entry for each site of the audience
      - site: SITE
        nonce: "00000000000000000000000000000000"   # the 32 hex digits that the site's agent signed
    response_limit_s: 10
    dwell_s: 3
    hold_s: 18
    restore_limit_s: 30
    quorum: 2
    max_gap_s: 2
"""


def pause_plan(sites: Sequence[str], now_ns: int) -> str:
    """Return a plan that pauses the named sites.

    Args:
        sites: Their names.
        now_ns: Wall time, nanoseconds: where its window begins.
    """
    head = _HEAD.format(
        what="pause every site, and see it come back.",
        file="plans/pause.yaml",
        name="pause-all",
        title="Pause all work everywhere and bring it back",
    )
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
    return head + _listed(sites) + _window(now_ns, uses=3, gap_s=60, total_s=150) + steps


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
