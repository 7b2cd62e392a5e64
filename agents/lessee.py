"""Asks for the licences of the lease order that is live, and leaves the connection when that says so."""

from __future__ import annotations

from collections.abc import Callable

from agents.courier import Courier, Ration
from agents.lease import LicenceKeeper
from agents.reconcile import elapsed_ns, in_force
from agents.state import AgentState, HeldEntry, Moment
from protocols.clock import Clock
from protocols.controls import LeaseParams
from protocols.envelope import parse_envelope, seal
from protocols.errors import EnvelopeError, MessageError, TrustError
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import Signer
from protocols.messages import LicenceRequest
from protocols.topics import Topics
from protocols.trust import SiteTrust, check_licence

ASKS_PER_LICENCE = 3
"""How often a licence is asked for while one lasts, so that two may be lost."""


class Lessee:
    """The agent's part in a lease.

    Args:
        trust: The documents that the site holds.
        signer: The agent's key.
        courier: Carries the requests.
        clock: The clock.
        log: Where licences that are ignored are told.
        nonce: Makes a fresh nonce.
    """

    def __init__(
        self,
        trust: SiteTrust,
        signer: Signer,
        courier: Courier,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        nonce: Callable[[], str],
    ) -> None:
        self._trust = trust
        self._signer = signer
        self._courier = courier
        self._clock = clock
        self._log = log
        self._nonce = nonce
        self._topic = Topics(trust.fleet).agent(trust.record.site)
        self._keeper: LicenceKeeper | None = None
        self._ask_at_ns = 0
        self._ignored = Ration(clock, burst=20, per_s=1.0)

    def licensed(self, state: AgentState) -> bool:
        """Tell whether a licence is in force for the order that is live; called from any thread."""
        keeper, live = self._keeper, state.live
        if keeper is None or live is None or live.accepted.order != keeper.order:
            return False
        return keeper.licensed(self._clock.boot_ns())

    def turn(self, state: AgentState, moment: Moment) -> float | None:
        """Do what the lease asks for now: ask, leave, or come back.

        Returns:
            In how many seconds there is something to do again, or None without a lease.
        """
        entry = in_force(state, moment)
        params = None if entry is None else entry.accepted.params
        if entry is None or not isinstance(params, LeaseParams):
            self._keeper = None
            self._stay(state, moment)
            return None
        keeper = self._keeper_of(entry, params, moment)
        away_in_ns = self._stay(state, moment)
        if entry.lapsed:
            return away_in_ns / 1e9 if away_in_ns else None
        if self._courier.away:
            # Nobody can be asked, and the last licence still runs out to the moment.
            return max(keeper.until_ns - moment.boot_ns, 0) / 1e9
        if moment.boot_ns >= self._ask_at_ns:
            self._ask(entry, keeper, moment)
            self._ask_at_ns = moment.boot_ns + seconds_to_ns(params.licence_s) // ASKS_PER_LICENCE
        due_ns = min(self._ask_at_ns, max(keeper.until_ns, moment.boot_ns)) - moment.boot_ns
        return min(due_ns, away_in_ns or due_ns) / 1e9

    def _keeper_of(self, entry: HeldEntry, params: LeaseParams, moment: Moment) -> LicenceKeeper:
        accepted = entry.accepted
        if self._keeper is None or self._keeper.order != accepted.order:
            licence_ns = seconds_to_ns(params.licence_s)
            same_boot = accepted.boot_id == moment.boot_id
            free_until_ns = accepted.boot_ns + licence_ns if same_boot else 0
            self._keeper = LicenceKeeper(accepted.order, licence_ns=licence_ns, until_ns=free_until_ns)
            self._ask_at_ns = moment.boot_ns
        return self._keeper

    def _ask(self, entry: HeldEntry, keeper: LicenceKeeper, moment: Moment) -> None:
        nonce = self._nonce()
        request = LicenceRequest(
            fleet=self._trust.fleet,
            site=self._trust.record.site,
            order=entry.accepted.order,
            drill=entry.accepted.drill,
            nonce=nonce,
            at=format_utc(moment.wall_ns),
        )
        keeper.ask(nonce, moment.boot_ns)
        self._courier.send(self._topic, seal(request, self._signer))

    def _stay(self, state: AgentState, moment: Moment) -> int | None:
        """Leave or come back as the live order says; return in how many nanoseconds to leave, if ever."""
        live = state.live
        params = None if live is None else live.accepted.params
        if live is None or not isinstance(params, LeaseParams) or not params.partition:
            if self._courier.away:
                self._courier.come_back()
            return None
        left_ns = seconds_to_ns(params.renewed_s) - elapsed_ns(live.accepted, state, moment)
        # Away until it is restored; but what was ended before it left does not make it leave.
        if left_ns <= 0 and live.cause is None and not self._courier.away:
            self._courier.leave()
        return left_ns if left_ns > 0 else None

    def take(self, raw: bytes, state: AgentState, moment: Moment) -> None:
        """Take a licence. One that is for anything else than the lease order in force is ignored."""
        try:
            licence = check_licence(parse_envelope(raw), self._trust.dispatchers, self._trust.fleet)
        except (EnvelopeError, MessageError, TrustError) as error:
            self._ignore(str(error))
            return
        entry, keeper = in_force(state, moment), self._keeper
        if entry is None or keeper is None or keeper.order != entry.accepted.order:
            self._ignore("there is no lease to prolong", order=licence.order)
        elif (licence.site, licence.order, licence.drill) != (
            self._trust.record.site,
            keeper.order,
            entry.accepted.drill,
        ):
            self._ignore("it is for another site, order or drill", order=licence.order)
        elif not keeper.accept(licence.request, moment.boot_ns):
            self._ignore("it was used, came too late, or was never asked for", order=licence.order)

    def _ignore(self, detail: str, **fields: str) -> None:
        if self._ignored.take():
            self._log.warning("agent.licence.ignored", detail=detail, **fields)
