"""Whether a verified message belongs into a drill's journal, and how much is taken of each sender.

Whoever holds one good key can sign without end, so everything has a bound here: what is over it is
rejected, and rejections are bounded in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.states import Phase
from protocols.controls import LeaseParams
from protocols.ids import seconds_to_ns
from protocols.messages import Closing, LicenceRequest, Outcome, Reading, Receipt
from protocols.reasons import Reason

if TYPE_CHECKING:
    from orchestrator.core.drill import Drill

READINGS_PER_CHALLENGE = 4
SPARE_READINGS = 1_000
RECEIPTS_PER_RUNG = 64
"""Most that is taken of one witness, and of one agent or enforcer: who speaks more than that only fills
the journal."""
REQUESTS_PER_LICENCE = 8
SPARE_REQUESTS = 16
"""Most requests for a licence that are taken of one agent, for each licence's time since the order."""


def concern(drill: Drill, said: Receipt | LicenceRequest | Reading | Closing, digest: str) -> bool | Reason:
    """Tell whether a verified message belongs into this drill's journal.

    Returns:
        True to take it, False to pass over it quietly (a repeat, or another drill's), or the
        reason why it is not to be believed.
    """
    if digest in drill.seen:
        return False
    match said:
        case Receipt():
            return _answers_us(drill, said)
        case LicenceRequest():
            return _asks_us(drill, said)
        case Reading() | Closing():
            return _witnesses_us(drill, said)


def _answers_us(drill: Drill, said: Receipt) -> bool | Reason:
    order = drill.orders.get(said.order)
    if order is None or said.site not in drill.audience or order.site not in {None, said.site}:
        return False
    if order.case is None and said.drill != drill.drill:
        # A receipt that names no drill answers something whose signature the agent could not check,
        # though it may carry our order's payload: anyone can provoke it, so it is no answer to us.
        return False
    if order.case is not None and said.drill not in {None, drill.drill}:
        return False
    if _refused_before(drill, said):
        return False
    rungs = sum(len(drill.warrant.steps[run.number].rungs) for run in drill.steps)
    full = drill.answers[said.site, said.by] >= RECEIPTS_PER_RUNG * rungs
    return Reason.MEMORY_FULL if full else True


def _refused_before(drill: Drill, said: Receipt) -> bool:
    """Tell whether a refusal only says again, to an order that was published again, what it said before.

    Once the step is released it may be said once more: then it answers what comes after the release.
    """
    if said.outcome is not Outcome.REFUSED:
        return False
    since = drill.step.released or drill.step.preflight_from
    return any(
        (before.order, before.by, before.outcome, before.reason) == (said.order, said.by, said.outcome, said.reason)
        for arrival, before in drill.receipts.get(said.site, ())
        if arrival >= since
    )


def _asks_us(drill: Drill, said: LicenceRequest) -> bool | Reason:
    if drill.phase is not Phase.ORDERED or said.site not in drill.audience or said.drill != drill.drill:
        return False
    run, params = drill.step, drill.warrant.steps[drill.step.number].params
    if not isinstance(params, LeaseParams) or said.order != run.order_digest or run.lease.stopped is not None:
        return False  # once nothing is renewed, asking changes nothing
    elapsed_ns = 0 if run.ordered is None else drill.now.minus(run.ordered) or 0
    licences = elapsed_ns / seconds_to_ns(params.licence_s)
    full = run.lease.asked[said.site] >= SPARE_REQUESTS + REQUESTS_PER_LICENCE * licences
    return Reason.MEMORY_FULL if full else True


def _witnesses_us(drill: Drill, said: Reading | Closing) -> bool | Reason:
    track = drill.tracks.get((said.site, said.witness))
    if track is None:
        return False
    quoted = said.quotes
    if quoted.drill != drill.drill:
        # A link of its chain, which runs across drills: it brackets nothing here, but fills a gap.
        # What is older than the drill is somebody's replay.
        if not track.samples or said.link.seq <= track.samples[0].seq:
            return False
    elif (drill.nonces.get(quoted.seq), drill.challenges.get(quoted.seq)) != (quoted.nonce, quoted.digest):
        return Reason.MALFORMED
    if drill.heard[said.site, said.witness] > SPARE_READINGS + READINGS_PER_CHALLENGE * len(drill.issued):
        return Reason.MEMORY_FULL  # its key is right, but nobody needs to speak that much
    return True
