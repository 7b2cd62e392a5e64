"""Licences: renewed as long as the warrant says, never after it, and as many as an honest agent needs."""

from __future__ import annotations

import pytest

from orchestrator.core import events as ev
from orchestrator.core.concern import REQUESTS_PER_LICENCE, SPARE_REQUESTS
from orchestrator.core.intents import IssueLicence, ReplayLicence, StopLease
from orchestrator.core.samples import Instant
from protocols.controls import LeaseParams
from protocols.errors import JournalError
from protocols.messages import LicenceRequest, Outcome
from protocols.reasons import Reason
from tests.kit import make_fleet
from tests.orchestrator.core.standing import SITES, S, Standing

LEASE = LeaseParams(licence_s=3.0, renewed_s=6.0)
STEP = make_fleet(("alpha",)).step(params=LEASE, hold_s=40.0)


def leased() -> Standing:
    """Return a drill whose lease was ordered."""
    standing = Standing((STEP,)).ordered()
    for site in SITES:
        standing.hear(standing.answer(site, standing.order, Outcome.ACCEPTED))
    return standing


def grant(standing: Standing, request: LicenceRequest) -> None:
    """Issue the licence that answers a request."""
    licence = standing.fleet.licence(standing.order, request.site, request.nonce)
    standing.apply(ev.LicenceIssued(step=0, site=request.site, envelope="{}"), licence)


def test_a_request_is_answered_once() -> None:
    """Each site's newest request gets its licence, and then nothing is due until it asks again."""
    standing = leased()
    older, newer = standing.request("alpha"), standing.request("alpha")
    assert standing.hear(older) is True
    assert standing.hear(newer) is True
    assert standing.hear(newer) is False
    assert standing.due(1.0) == [IssueLicence("alpha")]
    with pytest.raises(JournalError):
        grant(standing, older)
    standing = leased()
    standing.hear(newer := standing.request("alpha"))
    grant(standing, newer)
    assert IssueLicence("alpha") not in standing.due(1.0)


def test_nothing_is_renewed_after_the_time_that_was_approved() -> None:
    """From then on only the last licence is sent again, once a challenge, and requests are passed over."""
    standing = leased()
    standing.at_s = 2.0
    standing.hear(request := standing.request("alpha"))
    grant(standing, request)
    standing.hear(standing.request("beta"))
    assert StopLease(0) not in standing.due(5.9)
    assert standing.due(6.0) == [StopLease(0)]
    standing.apply(ev.LeaseStopped(step=0))
    assert standing.hear(standing.request("alpha")) is False
    assert ReplayLicence("alpha") in standing.due(6.1)
    assert ReplayLicence("beta") not in standing.due(6.1)
    standing.agenda.pacing.replays_ns = standing.drill.now.ns
    assert ReplayLicence("alpha") not in standing.due(6.1)
    assert ReplayLicence("alpha") in standing.due(6.4)
    with pytest.raises(JournalError):
        grant(standing, standing.request("beta"))


def test_zero_is_when_the_last_licence_had_surely_expired() -> None:
    """That of a site that was licensed counts from its last answered request, another's from the order."""
    standing = leased()
    published = standing.drill.now
    standing.at_s = 4.0
    standing.hear(request := standing.request("alpha"))
    grant(standing, request)
    standing.at_s = 5.0
    standing.hear(standing.request("alpha"))
    assert standing.drill.rung_inputs(0, "alpha", final=False)[0].expires is None
    standing.at_s = 6.0
    standing.apply(ev.LeaseStopped(step=0))
    assert standing.drill.rung_inputs(0, "alpha", final=False)[0].expires == Instant(1, 7 * S)
    assert standing.drill.rung_inputs(0, "beta", final=False)[0].expires == published.plus(3 * S)
    assert standing.drill.rung_inputs(0, "beta", final=False)[0].stopped == Instant(1, 6 * S)


@pytest.mark.parametrize("ended", ["released", "aborted", "another order"])
def test_nobody_is_licensed_when_it_is_not_due(ended: str) -> None:
    """A request after the release, after an abort, or under another order is passed over."""
    standing = leased()
    request = standing.request("alpha")
    if ended == "another order":
        request = standing.request("alpha", order=standing.fleet.order(standing.warrant))
    else:
        getattr(standing, ended)()
    assert standing.hear(request) is False
    assert not [intent for intent in standing.due(1.0) if isinstance(intent, IssueLicence | StopLease)]


def test_one_agent_cannot_fill_the_journal_with_requests() -> None:
    """However fast it asks, only so many requests are taken for each licence's time."""
    standing = leased()
    taken = sum(standing.hear(standing.request("alpha")) is True for _ in range(SPARE_REQUESTS * 3))
    assert taken == SPARE_REQUESTS
    assert standing.hear(standing.request("alpha")) is Reason.MEMORY_FULL
    assert standing.hear(standing.request("beta")) is True
    standing.at_s = 3.0
    standing.apply(ev.InputsIgnored(count=1))
    taken = sum(standing.hear(standing.request("alpha")) is True for _ in range(100))
    assert taken == REQUESTS_PER_LICENCE
