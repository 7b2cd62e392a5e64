"""Drills made up for the matrix, without journals: whole fleets of results in a line each."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from orchestrator.core.coverage import Coverage, Exercise
from orchestrator.core.grades import CAUSE_TEXT, Cause, Verdict
from orchestrator.core.matrix import DrillDone, SiteKey, build_coverage
from protocols.controls import Control
from protocols.ids import digest_of, drill_id
from protocols.messages import Attribute, SiteRecord
from tests import kit

DAY_NS = 86_400_000_000_000
S_NS = 1_000_000_000
FLEET = "ab" * 32
NOW_NS = kit.NOW_NS
CAUSES: dict[Verdict, Cause | None] = {
    Verdict.VERIFIED: None,
    Verdict.LATE: Cause.OVER_LIMIT,
    Verdict.UNPROVEN: Cause.NO_QUORUM,
    Verdict.REFUSED: Cause.REFUSED,
    Verdict.NOT_RESTORED: Cause.NOT_SEEN_BACK,
    Verdict.BROKEN: Cause.ACTIVE_IN_HOLD,
    Verdict.CONTRADICTED: Cause.ACTIVE_AFTER_REPORT,
}


def record(
    site: str, *, controls: Iterable[Control] = tuple(Control), region: str = "north", **changes: Any
) -> SiteRecord:
    """Make a site record."""
    base = kit.make_fleet((site,)).records[site]
    fields = {
        "controls": tuple(controls),
        "attributes": (Attribute(name="region", value=region), Attribute(name="tier", value="a")),
        "mock": True,
    }
    return base.model_copy(update=fields | changes)


def exercise(control: Control = Control.PAUSE, verdict: Verdict = Verdict.VERIFIED, **changes: Any) -> Exercise:
    """Make an exercise: verified in 2 to 3 s of 30 s, now, unless changed; `ago_d` sets its age in days."""
    at_ns = NOW_NS - round(changes.pop("ago_d", 0) * DAY_NS)
    cause = CAUSES[verdict]
    halted = verdict in {Verdict.VERIFIED, Verdict.LATE, Verdict.NOT_RESTORED}
    fields: dict[str, Any] = {
        "control": control,
        "drill": drill_id(at_ns, "monthly", digest_of(f"{control}{verdict}{changes}".encode())),
        "plan": "monthly",
        "title": "Monthly exercise",
        "step": 0,
        "step_name": "halt",
        "rung": 0,
        "at_ns": at_ns,
        "aborted": False,
        "verdict": verdict,
        "cause": cause,
        "said": f"{verdict.capitalize()}: {CAUSE_TEXT[cause]}." if cause else "Verified.",
        "response_lower_ns": 2 * S_NS if halted else None,
        "response_upper_ns": 3 * S_NS if halted else None,
        "response_limit_ns": 30 * S_NS,
        "phase": "fire" if control is Control.DECOMMISSION else None,
    }
    return Exercise(**(fields | changes))


def drill(site: str, done: Exercise, **changes: Any) -> DrillDone:
    """Make the drill that one exercise at one site was."""
    fields: dict[str, Any] = {
        "fleet": FLEET,
        "demo": False,
        "drill": done.drill,
        "digest": digest_of(done.model_dump_json().encode()),
        "opened_ns": done.at_ns,
        "aborted": done.aborted,
        "records": {},
        "exercises": {site: (done,)},
    }
    return DrillDone(**(fields | changes))


def matrix(roster: Iterable[SiteRecord], drills: Iterable[DrillDone], **changes: Any) -> Coverage:
    """Compute a matrix as of now, with 90 days allowed."""
    sites: dict[SiteKey, SiteRecord] = {(FLEET, made.site): made for made in roster}
    return build_coverage(sites, list(drills), **({"now_ns": NOW_NS, "max_age_ns": 90 * DAY_NS} | changes))


def motley(seed: int = 7, sites: int = 20) -> Coverage:
    """Make a fleet of many sites with every control, every verdict, all ages and every trend."""
    chance = random.Random(seed)
    regions = ("eu-north", "us-east", "ap-south", "sa-west")
    names = [f"{regions[number % 4]}-{number // 4 + 1}" for number in range(sites)]
    roster = [record(name, region=name[:-2], mock=number % 3 == 0) for number, name in enumerate(names)]
    verdicts = [Verdict.VERIFIED] * 30 + list(Verdict)
    limits = {control: chance.choice([20, 30, 45, 60]) * S_NS for control in Control}
    drills: list[DrillDone] = []
    for name in names:
        for control in Control:
            if chance.random() < 0.06:
                continue
            for ago_d in (chance.uniform(40, 200), chance.choice([0.01, 0.3, 3, 12, 40, 95])):
                lower = chance.choice([0.01, 0.4, 2.1, 12.0]) * chance.uniform(1, 1.6)
                verdict = chance.choice(verdicts)
                changes: dict[str, Any] = {"ago_d": ago_d, "response_limit_ns": limits[control]}
                if verdict is Verdict.VERIFIED:
                    changes |= {
                        "response_lower_ns": round(lower * S_NS),
                        "response_upper_ns": round((lower + 0.4) * S_NS),
                    }
                if control is Control.DECOMMISSION and chance.random() < 0.5:
                    changes["phase"] = "arm"
                if chance.random() < 0.02:
                    changes["aborted"] = True
                drills.append(drill(name, exercise(control, verdict, **changes)))
    return matrix(roster, drills, open_drills=1)
