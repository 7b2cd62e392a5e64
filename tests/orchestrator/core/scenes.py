"""For each control the scene in which an honest site does all that is asked of it."""

from __future__ import annotations

from orchestrator.core.battery import EXPECTED, BatteryCase, CaseAnswer
from protocols import signals as s
from protocols.controls import (
    ArmedSite,
    CensusParams,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
)
from protocols.messages import EnforcerEntry, KeyRecord, OffLevel, Outcome, Proof
from tests.orchestrator.core.scene import EVALS, FULL, TRAIN, WORK, Scene, always, during, rate
from tests.orchestrator.core.world import digest

NONCE = "7" * 32
GOES_ON = {WORK: always(FULL)}
PROOFS = tuple(
    Proof(step=step, ok=True, detail="tried") for step in ("authority", "permissions", "replay-record", "restore-path")
)


def enforcer(owner: str) -> tuple[EnforcerEntry, ...]:
    """Return one enforcer."""
    return (EnforcerEntry(name="feed", owner=owner, key=KeyRecord(public=digest("feed"))),)


STANDBY = Scene(StandbyParams(), counters=GOES_ON, report={"proofs": PROOFS})
REFUSAL = Scene(
    RefusalParams(),
    counters=GOES_ON,
    receipts=(),
    battery=tuple(CaseAnswer(case=case, refused=EXPECTED[case]) for case in BatteryCase),
)
CENSUS = Scene(
    CensusParams(),
    counters=GOES_ON,
    facts={
        s.CENSUS_MISSING: always(s.NONE),
        s.CENSUS_UNREGISTERED: always(s.NONE),
        s.CENSUS_DOUBLED: always(s.NONE),
        s.CENSUS_COUNT: always(s.AGREES),
        s.CENSUS_REGISTRY: always("8"),
    },
)
SLOWDOWN = Scene(SlowdownParams(fraction=0.5), counters={WORK: during(240, FULL)})
RUN_CAP = Scene(
    RunCapParams(),
    counters=GOES_ON,
    facts={
        s.RUN_ABOVE: during(s.RUN_REFUSED, s.RUN_STARTED),
        s.RUN_BELOW: always(s.RUN_STARTED),
        s.RUNS_OVER: always("train-7"),
    },
)
SELECTIVE = Scene(
    SelectivePauseParams(protected=("evals",)),
    counters={WORK: during(FULL, 2 * FULL), TRAIN: during(0, FULL), EVALS: always(FULL)},
    facts={s.LABEL_CANARY: during(s.CANARY_CAUGHT, s.CANARY_NOT_TRIED, start=2_000)},
    work=(rate(WORK), rate(TRAIN, "train"), rate(EVALS, "evals")),
)
PAUSE = Scene(PauseParams())
LEASE = Scene(
    LeaseParams(licence_s=1.0, renewed_s=1.0),
    counters={WORK: during(0, FULL, start=4_100, stop=6_700)},
    receipts=((Outcome.ACCEPTED, 2_010), (Outcome.HALTED, 4_200)),
    stopped_ms=3_000,
    expires_ms=4_000,
    released_ms=6_500,
)
ISOLATE = Scene(
    IsolateParams(),
    counters=GOES_ON,
    facts={
        s.EGRESS_INSIDE: during(s.EGRESS_BLOCKED, s.EGRESS_REACHED),
        s.EGRESS_OUTSIDE: during(s.EGRESS_SILENT, s.EGRESS_SEEN),
    },
)
SHUTDOWN = Scene(ShutdownParams(), peaks={s.LIVE_PROCESSES: during(0, 4)}, report={"checkpoint": "c" * 64})
POWER_CUT = Scene(
    PowerCutParams(),
    peaks={s.POWER: during(3, 900)},
    facts={s.FEED: during(s.FEED_OFF, s.FEED_ON)},
    off_levels=(OffLevel(signal=s.POWER, at_most=10),),
    enforcers=enforcer("utility"),
)
ARM = Scene(DecommissionParams(phase="arm", armed_for_s=60.0), counters=GOES_ON, report={"armed": NONCE})
FIRE = Scene(
    DecommissionParams(phase="fire", armed=(ArmedSite(site="site-1", nonce=NONCE),)),
    counters={WORK: ((0, FULL), (2_300, 0))},
    peaks={s.DEVICES: ((0, 8), (2_300, 0))},
)

HONEST = {
    "standby": STANDBY,
    "refusal": REFUSAL,
    "census": CENSUS,
    "slowdown": SLOWDOWN,
    "run_cap": RUN_CAP,
    "selective_pause": SELECTIVE,
    "pause": PAUSE,
    "lease": LEASE,
    "isolate": ISOLATE,
    "shutdown": SHUTDOWN,
    "power_cut": POWER_CUT,
    "decommission, arm": ARM,
    "decommission, fire": FIRE,
}
