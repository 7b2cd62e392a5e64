"""The lease: licences are renewed until a time that the warrant names, and never after it.

From then on each site's last licence is only sent again. An honest agent gains nothing by that, since a
licence counts from when its request was sent.
"""

from __future__ import annotations

from orchestrator.core.drill import Drill
from orchestrator.core.intents import Intent, IssueLicence, Pacing, ReplayLicence, StopLease, passed
from orchestrator.core.samples import Instant
from orchestrator.core.states import Phase
from protocols.controls import LeaseParams
from protocols.ids import seconds_to_ns


def lease_intents(drill: Drill, pacing: Pacing, now: Instant) -> list[Intent]:
    """Return what is due of the running step's licences."""
    run = drill.step
    params = drill.warrant.steps[run.number].params
    if not isinstance(params, LeaseParams) or drill.phase is not Phase.ORDERED or drill.aborted:
        return []
    if run.lease.stopped is None:
        if passed(now, run.ordered, params.renewed_s):
            return [StopLease(run.number)]
        return [IssueLicence(site) for site in run.lease.pending]
    pause_ns = seconds_to_ns(drill.warrant.challenge_s)
    if pacing.replays_ns is not None and now.ns - pacing.replays_ns < pause_ns:
        return []
    return [ReplayLicence(site) for site in run.lease.issued]
