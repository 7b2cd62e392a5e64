"""Trust in orders: what an agent or an enforcer may act upon, decided at the edge.

`admit_order` is the one gate. It checks from the outside in (who signed, what was approved, for
whom, when, how often) and answers with exactly one reason when it refuses.
"""

from __future__ import annotations

from protocols.controls import CATALOGUE, Actor, DecommissionParams, control_of
from protocols.envelope import Envelope, open_envelope
from protocols.errors import EnvelopeError, MessageError, TrustError
from protocols.ids import parse_utc, seconds_to_ns
from protocols.limits import ORDER_LIFETIME_MAX_S, TOMBSTONES_MAX
from protocols.messages import Order, Rung, SiteRecord, Standing, Step, Warrant
from protocols.reasons import TEXT, Reason
from protocols.trust.admission import Accepted, Admission, Noted, OrderKey, Refused, Repeat, SiteMemory
from protocols.trust.fleet import SiteTrust
from protocols.trust.standing import check_fresh, check_stands, stapled
from protocols.trust.warrants import check_audience, check_warrant


def admit_order(  # noqa: PLR0911 - one for each admission
    order_envelope: Envelope,
    warrant_envelope: Envelope,
    trust: SiteTrust,
    memory: SiteMemory,
    *,
    now_ns: int,
    actor: Actor = Actor.AGENT,
) -> Admission:
    """Decide on an order that arrived with its warrant.

    Args:
        order_envelope: The order, not yet verified.
        warrant_envelope: The warrant that came with it, not yet verified.
        trust: The documents that the site holds.
        memory: What the site remembers.
        now_ns: The site's wall clock. What counts as now is the largest of it, the site's
            high-water mark and the newest threshold-signed issue time, so a clock set back
            revives nothing.
        actor: Who asks. An order for another actor is noted, never acted on.
    """
    digest = order_envelope.digest
    order: Order | None = None
    said: Standing | None = None
    try:
        order, signed_by = open_envelope(order_envelope, Order, trust.dispatchers.keys)
        _check_form(order, trust)
        warrant, owners = _check_authority(order, signed_by, warrant_envelope, trust)
        step, rung = _check_scope(order, warrant, trust.record)
        key = (order.warrant, order.use, order.step, order.rung)
        mine = CATALOGUE[control_of(rung.params)].actor is actor
        now = max(
            now_ns, memory.high_water_ns, *(parse_utc(held.issued_at) for held in (trust.policy, trust.record, warrant))
        )
        if not mine and not _acts_later(step, order.rung, actor):
            return Noted(order, digest, warrant, matters=False, now_ns=now)
        known, seen = memory.orders.get(key), memory.rungs.get(key)
        if known is not None and known.digest == digest and known.live:
            return Repeat(order, digest)
        if any(before is not None and before.digest != digest for before in (known, seen)):
            raise _refusal(Reason.EQUIVOCATION)
        _check_tombstones(key, memory)
        if seen is not None and known is None:
            return Repeat(order, digest)
        if known is not None:
            return Repeat(order, digest) if now < parse_utc(order.expires_at) else _replayed(order, digest)
        _check_documents(trust, now)
        _check_times(order, warrant, now, seconds_to_ns(trust.policy.max_clock_skew_s))
        found = stapled(order, trust.timekeepers, trust.fleet)
        check_fresh(found, trust.policy, now_ns=now, seen_seq=memory.standing_seq)
        said = found
        check_stands(said, order.warrant, (trust.record.site,))
        _check_willing(memory)
        _check_ladder(key, step, memory)
        if not mine:
            return Noted(order, digest, warrant, matters=True, now_ns=now, standing=said)
        _check_armed(warrant, rung, trust.record, memory)
        _check_memory(key, warrant, step, trust.record, memory, now)
        hold_ns = _hold_ns(key, step, memory)
    except (TrustError, MessageError, EnvelopeError) as error:
        reason = Reason(error.reason) if isinstance(error, TrustError) else Reason.MALFORMED
        return Refused(reason, error.what, order, digest, said)
    return Accepted(order, digest, warrant, step, rung, hold_ns, now, owners, said)


def _replayed(order: Order, digest: str) -> Refused:
    return Refused(Reason.REPLAYED, TEXT[Reason.REPLAYED], order, digest)


def _refusal(reason: Reason, detail: str = "") -> TrustError:
    return TrustError(reason, detail or TEXT[reason])


def _check_form(order: Order, trust: SiteTrust) -> None:
    if order.fleet != trust.fleet:
        raise _refusal(Reason.WRONG_FLEET)
    if order.status != "exercise":
        raise _refusal(Reason.NOT_AN_EXERCISE, f"status is {order.status}, haltdrill obeys exercises only")
    if order.site is not None and order.site != trust.record.site:
        raise _refusal(Reason.NOT_IN_AUDIENCE, f"it is for site {order.site} alone")
    if (order.rung == 0) != (order.site is None):
        raise _refusal(Reason.MALFORMED, "rung 0 is for the whole audience, a higher one for one site")
    lifetime_ns = parse_utc(order.expires_at) - parse_utc(order.issued_at)
    if not 0 < lifetime_ns <= seconds_to_ns(ORDER_LIFETIME_MAX_S):
        raise _refusal(Reason.LIFETIME_TOO_LONG, f"an order lives {ORDER_LIFETIME_MAX_S} s at most")


def _check_authority(
    order: Order, signed_by: frozenset[str], warrant_envelope: Envelope, trust: SiteTrust
) -> tuple[Warrant, frozenset[str]]:
    if warrant_envelope.digest != order.warrant:
        raise _refusal(Reason.WARRANT_MISMATCH)
    warrant, owners = check_warrant(warrant_envelope, trust.policy, trust.approvers, trust.fleet)
    if not signed_by & set(warrant.dispatchers):
        raise _refusal(Reason.DISPATCHER_NOT_NAMED)
    return warrant, owners


def _check_scope(order: Order, warrant: Warrant, record: SiteRecord) -> tuple[Step, Rung]:
    check_audience(warrant, record)
    if order.step >= len(warrant.steps):
        raise _refusal(Reason.NO_SUCH_STEP, f"the warrant has {len(warrant.steps)} steps")
    if order.use > warrant.uses:
        raise _refusal(Reason.NO_SUCH_USE, f"the warrant allows {warrant.uses} uses")
    step = warrant.steps[order.step]
    if order.rung >= len(step.rungs):
        raise _refusal(Reason.NO_SUCH_RUNG, f"the step has {len(step.rungs)} rungs")
    rung = step.rungs[order.rung]
    control = control_of(rung.params)
    if control not in record.controls:
        raise _refusal(Reason.CONTROL_NOT_SUPPORTED, f"this site does not do {control}")
    if CATALOGUE[control].mock_only and not record.mock:
        raise _refusal(Reason.NOT_A_MOCK)
    if step.hold_s > record.max_hold_s:
        raise _refusal(Reason.SITE_LIMIT, f"a hold of {step.hold_s:g} s is over this site's {record.max_hold_s:g} s")
    return step, rung


def _acts_later(step: Step, rung: int, actor: Actor) -> bool:
    """Tell whether a later rung of the step's ladder is this actor's."""
    return any(CATALOGUE[control_of(later.params)].actor is actor for later in step.rungs[rung + 1 :])


def _check_documents(trust: SiteTrust, now_ns: int) -> None:
    """Documents were valid when they were opened; a long-running agent must notice that they expire."""
    for document in (trust.root.root, trust.policy, trust.record):
        if parse_utc(document.expires_at) <= now_ns:
            raise _refusal(Reason.DOCUMENT_EXPIRED, f"{document.KIND} expired at {document.expires_at}")


def _check_times(order: Order, warrant: Warrant, now_ns: int, skew_ns: int) -> None:
    if parse_utc(order.issued_at) > now_ns + skew_ns:
        raise _refusal(Reason.NOT_YET_VALID, f"issued at {order.issued_at}")
    if now_ns >= parse_utc(order.expires_at):
        raise _refusal(Reason.EXPIRED, f"expired at {order.expires_at}")
    if not parse_utc(warrant.not_before) <= now_ns < parse_utc(warrant.not_after):
        raise _refusal(Reason.OUTSIDE_WINDOW, f"the window is {warrant.not_before} to {warrant.not_after}")


def _check_tombstones(key: OrderKey, memory: SiteMemory) -> None:
    if key[:2] in memory.aborted:
        raise _refusal(Reason.ABORTED)
    if key[:3] in memory.released:
        raise _refusal(Reason.RELEASED)
    if key[0] in memory.revoked:
        raise _refusal(Reason.REVOKED)


def _check_willing(memory: SiteMemory) -> None:
    if memory.engaged:
        raise _refusal(Reason.LEVER)
    if memory.veto:
        raise _refusal(Reason.VETO)
    known = memory.orders.keys() | memory.rungs.keys()
    if len(known) + len(memory.released) + len(memory.aborted) + len(memory.revoked) >= TOMBSTONES_MAX:
        raise _refusal(Reason.MEMORY_FULL)


def _check_ladder(key: OrderKey, step: Step, memory: SiteMemory) -> None:
    """Check that the rung before was seen here, and that its limit has passed.

    Each rung is checked so, down to the first, by this party's own clock: whoever steals a
    dispatcher's key cannot begin at the top, and cannot hurry.
    """
    below = key[3] - 1
    if below < 0:
        return
    stopped = [held.stopped_by for other, held in memory.orders.items() if other[:3] == key[:3] and held.stopped_by]
    if stopped:
        # A veto or a lever that was taken away since halts the site no second time.
        raise _refusal(stopped[0], f"the {stopped[0]} ended this step here")
    seen = memory.rungs.get((*key[:3], below))
    limit_s = step.rungs[below].response_limit_s
    if seen is None or seen.ago_ns < seconds_to_ns(limit_s):
        raise _refusal(Reason.RUNG_TOO_SOON, f"rung {below} must have been seen here {limit_s:g} s ago")


def _check_armed(warrant: Warrant, rung: Rung, record: SiteRecord, memory: SiteMemory) -> None:
    """Check that a warrant that fires quotes what the site was armed with, and was issued after that."""
    params = rung.params
    if not isinstance(params, DecommissionParams) or params.phase != "fire":
        return
    if memory.armed is None or params.nonce_for(record.site) != memory.armed.nonce:
        raise _refusal(Reason.NOT_ARMED)
    if parse_utc(warrant.issued_at) < memory.armed.at_ns:
        raise _refusal(Reason.ARMED_BEFORE)


def _hold_ns(key: OrderKey, step: Step, memory: SiteMemory) -> int:
    """Return how long an order holds: the step's hold counts from the first of its rungs that was seen here."""
    first_ns = max((seen.ago_ns for other, seen in memory.rungs.items() if other[:3] == key[:3]), default=0)
    left_ns = seconds_to_ns(step.hold_s) - first_ns
    if left_ns <= 0:
        raise _refusal(Reason.EXPIRED, f"the step held for {step.hold_s:g} s, and that is over")
    return left_ns


def _check_memory(
    key: OrderKey, warrant: Warrant, step: Step, record: SiteRecord, memory: SiteMemory, now_ns: int
) -> None:
    # A higher rung takes the place of the one before; nothing else may hold the site.
    if any(held.live and (other[:3] != key[:3] or other[3] > key[3]) for other, held in memory.orders.items()):
        raise _refusal(Reason.BUSY)
    others = {other: held for other, held in memory.orders.items() if other[0] == key[0] and other[:3] != key[:3]}
    earlier_ends = [held.ends_ns for other, held in others.items() if other[1] != key[1]]
    if earlier_ends and now_ns < max(earlier_ends) + seconds_to_ns(warrant.min_between_uses_s):
        raise _refusal(Reason.TOO_SOON, f"uses must be {warrant.min_between_uses_s:g} s apart")
    held_ns = sum(max(0, held.ends_ns - held.accepted_ns) for held in others.values())
    allowed_s = min(warrant.max_total_held_s, record.max_total_held_s)
    if held_ns + seconds_to_ns(step.hold_s) > seconds_to_ns(allowed_s):
        raise _refusal(Reason.TOTAL_HELD, f"the warrant may hold a site {allowed_s:g} s in all")
