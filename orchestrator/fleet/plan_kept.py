"""What stands in the way of a stop condition on work that must go on: nobody has or sees it, or the plan halts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.criteria import criterion
from orchestrator.stopping.drilled import rates_of
from protocols.controls import Params, control_of
from protocols.messages import SiteRecord, Step


@dataclass(frozen=True, slots=True)
class WorkObstacle:
    """Why nobody could tell that work goes on.

    Attributes:
        what: What is wrong, as a clause.
        remedy: What would help.
    """

    what: str
    remedy: str


def work_obstacle(steps: Sequence[Step], workload: str | None, records: Sequence[SiteRecord]) -> WorkObstacle | None:
    """Return the first thing that stands in the way; None when nothing does.

    Args:
        steps: What the plan does.
        workload: The class of work; None for all work together.
        records: The sites at which it is watched.
    """
    having = [record for record in records if rates_of(record, workload)]
    called = "work that is counted together" if workload is None else f"work of class {workload}"
    if not having:
        classes = sorted({rate.workload for record in records for rate in record.work if rate.workload is not None})
        return WorkObstacle(f"no site has {called}", f"classes there: {', '.join(classes)}" if classes else "")
    quorum = max(step.quorum for step in steps)
    for record in having:
        signals = {rate.signal for rate in rates_of(record, workload)}
        owners = {one.owner for one in record.witnesses if one.owner != record.owner and signals <= {*one.covers}}
        if len(owners) < quorum:
            return WorkObstacle(
                f"{len(owners)} witness owners other than its own see {called} at site {record.site}, "
                f"and the plan's quorum is {quorum}",
                "watch it at other sites",
            )
        for step in steps:
            for rung in step.rungs:
                if not signals <= _kept(rung.params, record):
                    return WorkObstacle(
                        f"step {step.name} halts {called} at site {record.site} by {control_of(rung.params)}",
                        "watch what the plan lets go on, such as a protected class",
                    )
    return None


def _kept(params: Params, record: SiteRecord) -> set[str]:
    """Return the counters whose work a control lets go on as before."""
    wanted = criterion(params, record)
    changed = {name for named in (wanted.quiet, wanted.caps, wanted.watched) for name, _ in named}
    return {rate.signal for rate in wanted.work} - changed
