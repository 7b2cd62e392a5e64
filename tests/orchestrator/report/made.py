"""Drills of any size made by hand, with sites that are fast, late, lying, silent, refusing or not back."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from orchestrator.core.grades import Cause, Grade, ReceiptSummary, SignalSeen, SiteStepResult, Verdict
from orchestrator.evidence.result import DrillResult, SiteResult, ToleranceResult, VerdictCount
from protocols.controls import PauseParams
from protocols.reasons import Reason
from tests.orchestrator.coverage.journals import judged
from tests.orchestrator.report.results import S_NS, drill_of, step

LIMIT_NS = 4 * S_NS
REGIONS = ("ap-south", "eu-north", "eu-west", "us-east")
_NEVER = {
    "response_lower_ns": None,
    "response_upper_ns": None,
    "restore_lower_ns": None,
    "restore_upper_ns": None,
    "dwell_ns": None,
    "held": False,
}
_SAID = ReceiptSummary(accepted_ns=S_NS // 50, halted_ns=S_NS // 5, restored_ns=S_NS)


def quick(lower_ns: int, upper_ns: int) -> SiteStepResult:
    """Make a site that halted between two times; late if that is over the limit."""
    late = upper_ns > LIMIT_NS
    return judged(
        Verdict.LATE if late else Verdict.VERIFIED,
        cause=Cause.OVER_LIMIT if late else None,
        response_lower_ns=lower_ns,
        response_upper_ns=upper_ns,
        receipts=_SAID,
    )


def lying() -> SiteStepResult:
    """Make a site that said it had halted, while two witnesses saw it work."""
    seen = (SignalSeen(witness="w2", signal="cpu_time_us", value="rose"),)
    return judged(
        Verdict.CONTRADICTED,
        **(_NEVER | {"cause": Cause.ACTIVE_AFTER_REPORT, "grade": Grade.SELF_REPORTED, "receipts": _SAID}),
        agreeing=(),
        dissenting=("w1", "w2"),
        seen=seen,
    )


def silent() -> SiteStepResult:
    """Make a site that answered nothing."""
    return judged(
        Verdict.UNPROVEN,
        **(_NEVER | {"cause": Cause.SILENT, "grade": Grade.SILENT}),
        agreeing=(),
        unknown=("w1", "w2"),
    )


def refusing() -> SiteStepResult:
    """Make a site that refused."""
    return judged(
        Verdict.REFUSED,
        **(_NEVER | {"cause": Cause.REFUSED, "grade": Grade.SILENT}),
        receipts=ReceiptSummary(refused=Reason.EXPIRED),
    )


def not_back() -> SiteStepResult:
    """Make a site that halted and never came back."""
    return judged(
        Verdict.NOT_RESTORED, cause=Cause.NOT_SEEN_BACK, restore_lower_ns=None, restore_upper_ns=None, receipts=_SAID
    )


FAULTS: tuple[Callable[[], SiteStepResult], ...] = (lying, silent, refusing, not_back)


def pause_of(results: dict[str, SiteStepResult], **changes: object) -> DrillResult:
    """Make a drill of one pause with these sites."""
    sites = tuple(
        SiteResult(
            site=site,
            owner="owner-of-it",
            mock=False,
            tolerates=ToleranceResult(owners=3, false_quiet=1, absent=1, false_active=0),
            result=result,
        )
        for site, result in results.items()
    )
    made = drill_of(step(0, PauseParams(), {}, name="pause-all", response_limit_ns=LIMIT_NS, sites=sites))
    totals = made.totals.model_copy(
        update={
            "sites": len(sites),
            "verdicts": tuple(
                VerdictCount(verdict=verdict, count=sum(site.result.verdict is verdict for site in sites))
                for verdict in Verdict
            ),
        }
    )
    return made.model_copy(update={"totals": totals, "audience": tuple(results)} | changes)


def fleet_of(count: int, *, seed: int = 1, faulty: float = 0.02) -> tuple[DrillResult, dict[str, str]]:
    """Make a drill of many sites, a share of them faulty, and their regions."""
    random = Random(seed)
    results = {}
    for number in range(count):
        upper_ns = int((0.4 + random.lognormvariate(0, 0.45)) * S_NS)
        lower_ns = max(0, upper_ns - random.randrange(S_NS // 2))
        fault = random.choice(FAULTS) if random.random() < faulty else None
        results[f"site-{number:05d}"] = fault() if fault else quick(lower_ns, upper_ns)
    return pause_of(results), {site: random.choice(REGIONS) for site in results}
