"""Nothing happens at a site that was not approved: who, what, where, when, how often and how long.

Everything is worked out anew from the warrants and orders as they went over the wire, with the
policy's own numbers; the truth says what was done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from protocols.controls import CATALOGUE, Actor, DecommissionParams, LeaseParams, Params, control_of
from protocols.ids import parse_utc
from protocols.limits import ORDER_LIFETIME_MAX_S
from protocols.messages import NamedSites, SiteRecord, Warrant
from tests.simulation.invariants.ran import NS, Accept, Found, Ordered, Ran
from tests.simulation.truth import Acted

LATE_NS = 1_500_000_000
"""How long a driver that was at work when something ended may still be asked: it looks again every so often."""

CLOCK_BACK_NS = 11 * NS
"""Most that a hold is prolonged by a clock that was set back across a reboot."""

_ROUNDING_NS = 2_000_000


def party_of(acted: Acted) -> str:
    """Return who acted, as parties are called."""
    return f"{acted.site}/{acted.by}"


def applied(ran: Ran) -> Iterator[tuple[Acted, Ordered]]:
    """Yield every deed that an order was named for which went over the wire."""
    for acted in ran.truth.acted:
        ordered = ran.order_of.get(acted.order or "")
        if acted.deed == "apply" and ordered is not None:
            yield acted, ordered


def accepted(ran: Ran) -> Iterator[tuple[Accept, Ordered]]:
    """Yield every acceptance (not what was only seen) of an order that went over the wire."""
    for accept in ran.accepts:
        ordered = ran.order_of.get(accept.order)
        if accept.acts and ordered is not None:
            yield accept, ordered


def has_an_order(ran: Ran) -> Iterator[Found]:
    """Nothing is applied without an order that went over the wire before, nor accepted."""
    for acted in ran.truth.acted:
        if acted.deed != "apply":
            continue
        ordered = ran.order_of.get(acted.order or "")
        if ordered is None:
            yield Found(f"{party_of(acted)} applied {_name(acted.params)}, and nobody ordered that", acted.at_ns)
        elif not any(one.digest == acted.order and one.at_ns <= acted.at_ns for one in ran.orders_at(party_of(acted))):
            yield Found(f"{party_of(acted)} applied an order that had not reached it", acted.at_ns)
    for accept in ran.accepts:
        if accept.order not in ran.order_of:
            yield Found(f"{accept.party} accepted an order that nobody published", accept.at_ns)


def was_approved(ran: Ran) -> Iterator[Found]:
    """Behind all that is accepted stand enough distinct owners of the policy, and a dispatcher of the warrant."""
    for accept, _ in accepted(ran):
        came = [one for one in ran.orders_at(accept.party) if one.digest == accept.order and one.n <= accept.n]
        if not any(_approved(ran, one) for one in came):
            best = max((len(one.owners) for one in came), default=0)
            yield Found(
                f"{accept.party} accepted an order whose warrant no threshold of owners had approved ({best} had), "
                "or that no dispatcher of it had signed",
                accept.at_ns,
            )


def _approved(ran: Ran, one: Ordered) -> bool:
    warrant = one.warrant
    if warrant is None or one.order.fleet != ran.fleet.fleet or warrant.fleet != ran.fleet.fleet:
        return False
    return len(one.owners) >= ran.required(warrant) and bool(one.dispatchers & set(warrant.dispatchers))


def was_for_this(ran: Ran) -> Iterator[Found]:
    """What is accepted is for this site, this step, a use and a rung that there are, and a control it supports."""
    for accept, ordered in accepted(ran):
        site = accept.party.partition("/")[0]
        wrong = _out_of_scope(ordered, ran.fleet.records[site])
        if wrong:
            yield Found(f"{accept.party} accepted an order though {wrong}", accept.at_ns)


def _out_of_scope(ordered: Ordered, record: SiteRecord) -> str:
    order, warrant, step = ordered.order, ordered.warrant, ordered.step
    if warrant is None or step is None:
        return "its warrant has no such step"
    if not 0 <= order.rung < len(step.rungs):
        return "its step has no such rung"
    control = control_of(step.rungs[order.rung].params)
    lifetime_ns = parse_utc(order.expires_at) - parse_utc(order.issued_at)
    reasons = {
        "the site is not in the audience": not _in_audience(warrant, record),
        f"it is for {order.site}": order.site not in {None, record.site},
        "a rung above the first is for one site": (order.rung == 0) != (order.site is None),
        f"there are {warrant.uses} uses": order.use > warrant.uses,
        f"the site does not do {control}": control not in record.controls,
        "the site is no mock": CATALOGUE[control].mock_only and not record.mock,
        "its hold is over the site's limit": step.hold_s > record.max_hold_s,
        "it is no exercise": order.status != "exercise" or order.standing is not None,
        "it lives too long": not 0 < lifetime_ns <= ORDER_LIFETIME_MAX_S * NS,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _in_audience(warrant: Warrant, record: SiteRecord) -> bool:
    audience = warrant.audience
    if isinstance(audience, NamedSites):
        return record.site in audience.sites
    tags = {tag.name: tag.value for tag in record.attributes}
    matches = all(tags.get(wanted.name) in wanted.values for wanted in audience.match)
    return matches and record.index_version <= audience.index_version


def has_own_parameters(ran: Ran) -> Iterator[Found]:
    """What is applied has exactly the parameters of the warrant's rung, and is that party's to apply."""
    for acted, ordered in applied(ran):
        step = ordered.step
        if step is None or ordered.order.rung >= len(step.rungs):
            continue
        wanted = step.rungs[ordered.order.rung].params
        if acted.params != wanted and not _superseded(ran, acted, ordered):
            yield Found(f"{party_of(acted)} applied {acted.params!r}, and the warrant says {wanted!r}", acted.at_ns)
        actor = CATALOGUE[control_of(wanted)].actor
        if (acted.by == "agent") != (actor is Actor.AGENT):
            yield Found(f"{party_of(acted)} applied {wanted.control}, which is the {actor}'s", acted.at_ns)


def _superseded(ran: Ran, acted: Acted, ordered: Ordered) -> bool:
    """Tell whether this is a lower rung at which the driver was still at work when a higher one took its place."""
    step = ordered.step
    began = [one.at_ns for one in ran.accepts if one.party == party_of(acted) and one.order == ordered.digest]
    lower = [] if step is None else [rung.params for rung in step.rungs[: ordered.order.rung]]
    return acted.params in lower and any(acted.at_ns <= at_ns + LATE_NS for at_ns in began)


def was_in_time(ran: Ran) -> Iterator[Found]:
    """What is accepted is inside its warrant's window and not expired, by the best that the party's clock can say."""
    skew_allowed_ns = round(ran.fleet.policy.max_clock_skew_s * NS)
    for accept, ordered in accepted(ran):
        warrant, order = ordered.warrant, ordered.order
        if warrant is None:
            continue
        least, most = ran.skew_ns(accept.party)
        early_ns = ran.wall_ns(accept.at_ns) + least - _ROUNDING_NS
        late_ns = ran.wall_ns(accept.at_ns) + most + _ROUNDING_NS
        if late_ns < parse_utc(warrant.not_before) or early_ns >= parse_utc(warrant.not_after):
            yield Found(f"{accept.party} accepted an order outside its warrant's window", accept.at_ns)
        if early_ns >= parse_utc(order.expires_at):
            yield Found(f"{accept.party} accepted an order that had expired", accept.at_ns)
        if parse_utc(order.issued_at) > late_ns + skew_allowed_ns:
            yield Found(f"{accept.party} accepted an order from the future", accept.at_ns)


def was_once(ran: Ran) -> Iterator[Found]:
    """Each rung of each step of each use is accepted once by a party, and never another order for it."""
    seen: dict[tuple[str, object], Accept] = {}
    for accept in ran.accepts:
        before = seen.setdefault((accept.party, accept.key), accept)
        if before is not accept:
            same = "the same order" if before.order == accept.order else "another order"
            yield Found(
                f"{accept.party} accepted step {accept.key[2]}, use {accept.key[1]}, rung {accept.key[3]} "
                f"a second time ({same})",
                accept.at_ns,
            )


def was_while_it_held(ran: Ran) -> Iterator[Found]:
    """Nothing is applied once the hold of its step is over, counted from its first rung there."""
    begun: dict[tuple[str, object], int] = {}
    for accept in ran.accepts:
        begun.setdefault((accept.party, accept.key[:3]), accept.at_ns)
    for acted, ordered in applied(ran):
        party, step = party_of(acted), ordered.step
        since_ns = begun.get((party, ordered.key[:3]))
        if step is None or since_ns is None:
            continue
        until_ns = since_ns + ran.longest_ns(step.hold_s) + LATE_NS + min(ran.spread_ns(party), CLOCK_BACK_NS)
        if acted.at_ns > until_ns:
            yield Found(f"{party} applied an order after its hold had ended", acted.at_ns)


def was_not_stopped(ran: Ran) -> Iterator[Found]:
    """Nothing is accepted, or applied for long, once a stop of any kind that forbids it was heard."""
    for accept, _ in accepted(ran):
        for stop, until_ns in ran.stopped(accept.party, accept.key):
            if stop.n < accept.n and stop.at_ns < accept.at_ns < until_ns:
                yield Found(f"{accept.party} accepted an order that a {stop.kind} forbade", accept.at_ns)
    for acted, ordered in applied(ran):
        for stop, until_ns in ran.stopped(party_of(acted), ordered.key):
            if stop.at_ns + LATE_NS < acted.at_ns < until_ns:
                yield Found(f"{party_of(acted)} applied an order that a {stop.kind} had ended", acted.at_ns)


def was_not_vetoed(ran: Ran) -> Iterator[Found]:
    """Nothing is accepted or applied by an agent while its operator's veto is set."""
    for accept, _ in accepted(ran):
        site, _, by = accept.party.partition("/")
        for begin, end in ran.faults.get((site, "veto"), ()) if by == "agent" else ():
            if begin < accept.at_ns < end:
                yield Found(f"{accept.party} accepted an order against its operator's veto", accept.at_ns)
    for acted, _ in applied(ran):
        for begin, end in ran.faults.get((acted.site, "veto"), ()) if acted.by == "agent" else ():
            if begin + LATE_NS < acted.at_ns < end:
                yield Found(f"{party_of(acted)} acted against its operator's veto", acted.at_ns)


def kept_the_gap(ran: Ran) -> Iterator[Found]:
    """Between the end of a use at a site and the next one lies the least time that the warrant says."""
    for accept, ordered in accepted(ran):
        warrant = ordered.warrant
        if warrant is None:
            continue
        for before in ran.accepts:
            other = before.acts and before.party == accept.party and before.key[0] == accept.key[0]
            if not other or before.n >= accept.n or before.key[1] == accept.key[1]:
                continue
            ended_ns = before.ended_ns if before.ended_ns is not None else before.at_ns
            least_ns = ran.shortest_ns(warrant.min_between_uses_s) - ran.spread_ns(accept.party) - _ROUNDING_NS
            if accept.at_ns < ended_ns + least_ns:
                yield Found(
                    f"{accept.party} began use {accept.key[1]} {(accept.at_ns - ended_ns) / NS:.3f} s after use "
                    f"{before.key[1]}, and {warrant.min_between_uses_s:g} s must lie between",
                    accept.at_ns,
                )


def kept_the_total(ran: Ran) -> Iterator[Found]:
    """A warrant holds a site no longer in all than it says, and than the site allows."""
    held_ns: dict[tuple[str, str], int] = defaultdict(int)
    begun: set[tuple[str, object]] = set()
    for accept, ordered in sorted(accepted(ran), key=lambda pair: pair[0].n):
        warrant, step = ordered.warrant, ordered.step
        if warrant is None or step is None:
            continue
        place = (accept.party, accept.key[0])
        record = ran.fleet.records[accept.party.partition("/")[0]]
        allowed_ns = min(warrant.max_total_held_s, record.max_total_held_s) * NS
        slack_ns = (1 + len(begun)) * (ran.longest_ns(1.0) - ran.shortest_ns(1.0) + _ROUNDING_NS)
        slack_ns += len(begun) * ran.spread_ns(accept.party)
        first = (accept.party, accept.key[:3]) not in begun
        if first and held_ns[place] * (1 - ran.truth.drift_ppm / 1e6) + step.hold_s * NS > allowed_ns + slack_ns:
            yield Found(
                f"{accept.party} accepted {step.hold_s:g} s more after {held_ns[place] / NS:.1f} s of "
                f"{allowed_ns / NS:g} s in all",
                accept.at_ns,
            )
        begun.add((accept.party, accept.key[:3]))
        if accept.ended_ns is not None:
            held_ns[place] += accept.ended_ns - accept.at_ns


def lapsed_with_its_licence(ran: Ran) -> Iterator[Found]:
    """Under a lease a site stands still as soon as its last licence, counted from its request, has run out."""
    for accept, ordered in accepted(ran):
        step = ordered.step
        params = None if step is None else step.rungs[ordered.order.rung].params
        if step is None or not isinstance(params, LeaseParams):
            continue
        site = accept.party.partition("/")[0]
        licence_ns = ran.longest_ns(params.licence_s)
        free_until_ns = accept.at_ns + licence_ns
        asked = _requests(ran, accept)
        answered = _licences(ran, accept)
        for nonce, at_ns in sorted(asked.items(), key=lambda pair: pair[1]):
            came_ns = min((at for said, at in answered if said == nonce), default=None)
            if came_ns is not None and came_ns <= free_until_ns:
                free_until_ns = max(free_until_ns, at_ns + licence_ns)
        end_ns = min(
            [
                accept.at_ns + ran.shortest_ns(step.hold_s),
                *(stop.at_ns for stop, _ in ran.stopped(accept.party, accept.key)),
                *(begin for begin, _ in ran.faults.get((site, "veto"), ())),
                *([accept.ended_ns] if accept.ended_ns is not None else []),
                ran.truth.ended_ns,
            ]
        )
        due_ns = ran.due(free_until_ns, _LAPSE_NS, ran.downs.get(accept.party, ()))
        deeds = [one.at_ns for one in ran.truth.acted if one.order == accept.order and party_of(one) == accept.party]
        if due_ns < end_ns and not any(at_ns <= due_ns for at_ns in deeds):
            yield Found(
                f"{accept.party} worked on under a lease after its last licence had run out at "
                f"{free_until_ns / NS:.3f} s",
                due_ns,
            )


_LAPSE_NS = 200_000_000


def _requests(ran: Ran, accept: Accept) -> dict[str, int]:
    """Return when each nonce was first sent, under one lease order."""
    asked: dict[str, int] = {}
    topic = ran.topics.agent(accept.party.partition("/")[0])
    for sent in ran.truth.sent:
        if sent.topic == topic and sent.by == accept.party:
            for signed in ran.frame(sent.payload):
                if signed.kind == "licence-request" and signed.fields["order"] == accept.order:
                    asked.setdefault(signed.fields["nonce"], sent.at_ns)
    return asked


def _licences(ran: Ran, accept: Accept) -> list[tuple[str, int]]:
    """Return the nonces of the valid licences that came, and when."""
    topic = ran.topics.licences(accept.party.partition("/")[0])
    came = []
    for one in ran.truth.heard:
        if one.topic == topic and one.who == accept.party:
            came += [
                (str(signed.fields["request"]), one.at_ns)
                for signed in ran.frame(one.payload)
                if signed.kind == "licence" and ran.dispatchers.ids(signed) and signed.fields["order"] == accept.order
            ]
    return came


def was_armed(ran: Ran) -> Iterator[Found]:
    """Nothing is destroyed that its agent had not signed to be armed for, with the nonce that the warrant quotes."""
    for accept, ordered in accepted(ran):
        step = ordered.step
        params = None if step is None else step.rungs[ordered.order.rung].params
        if not isinstance(params, DecommissionParams) or params.phase != "fire":
            continue
        site = accept.party.partition("/")[0]
        armed = [
            event["nonce"]
            for _, n, party, body in ran.written
            if party == accept.party and n < accept.n
            for event in body["events"]
            if event.get("kind") == "site_armed"
        ]
        if params.nonce_for(site) not in armed[-1:]:
            yield Found(f"{accept.party} was fired without the nonce that it was armed with last", accept.at_ns)


def _name(params: Params | None) -> str:
    return "nothing" if params is None else params.control


CHECKS = (
    has_an_order,
    was_approved,
    was_for_this,
    has_own_parameters,
    was_in_time,
    was_once,
    was_while_it_held,
    was_not_stopped,
    was_not_vetoed,
    kept_the_gap,
    kept_the_total,
    lapsed_with_its_licence,
    was_armed,
)
