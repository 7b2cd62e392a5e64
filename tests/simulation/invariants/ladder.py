"""The ladder is climbed only by its rules: each rung after the limit of the one before, and only where that failed."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.invariants.evidence import Voices, quiet_limits
from tests.simulation.invariants.ran import Found, Ran

_ROUNDING_NS = 2_000_000


def waited_for_the_rung_before(ran: Ran) -> Iterator[Found]:
    """Whoever accepts a rung, or remembers it for a later one, took in the rung before, at least its limit ago."""
    for accept in ran.accepts:
        ordered = ran.order_of.get(accept.order)
        if ordered is None:
            continue
        step, order = ordered.step, ordered.order
        if step is None or not 0 < order.rung < len(step.rungs):
            continue
        below = (*ordered.key[:3], order.rung - 1)
        came = [
            one.at_ns
            for one in ran.orders_at(accept.party)
            if one.key == below and one.dispatchers and one.order.site in {None, accept.party.partition("/")[0]}
        ]
        limit_ns = ran.shortest_ns(step.rungs[order.rung - 1].response_limit_s) - _ROUNDING_NS
        first_ns = min(came, default=None)
        if first_ns is None or accept.at_ns - first_ns < limit_ns:
            waited = "never" if first_ns is None else f"{(accept.at_ns - first_ns) / 1e9:.3f} s before"
            yield Found(
                f"{accept.party} accepted rung {order.rung}, and the rung before came there {waited}", accept.at_ns
            )


def climbed_one_by_one(ran: Ran) -> Iterator[Found]:
    """A drill orders a site's rungs one after another, none twice and none that the warrant lacks."""
    for drill, entries in ran.journals.items():
        warrant = ran.warrant_of(drill)
        top: dict[tuple[int, str], int] = {}
        for entry in entries:
            if entry.type != "rung.ordered" or warrant is None:
                continue
            step, site, rung = entry.event["step"], entry.event["site"], entry.event["rung"]
            if rung != top.get((step, site), 0) + 1 or rung > len(warrant.steps[step].ladder):
                yield Found(f"{drill} ordered rung {rung} of {site} after rung {top.get((step, site), 0)}", entry.at_ns)
            top[step, site] = rung


def left_who_complied(ran: Ran) -> Iterator[Found]:
    """A site that a quorum of owners had shown quiet for a whole dwell is not climbed, whatever one says against it."""
    for drill, entries in ran.journals.items():
        warrant = ran.warrant_of(drill)
        if warrant is None:
            continue
        zero: dict[tuple[int, str], tuple[int, int, int]] = {}
        for place, entry in enumerate(entries):
            if entry.type == "order.issued":
                for site in ran.fleet.records:
                    zero[entry.event["step"], site] = (0, entry.epoch, entry.t_ns)
            if entry.type != "rung.ordered":
                continue
            number, site = entry.event["step"], entry.event["site"]
            step = warrant.steps[number]
            rung, epoch, t_ns = zero.get((number, site), (0, -1, 0))
            zero[number, site] = (entry.event["rung"], entry.epoch, entry.t_ns)
            limits = quiet_limits(step.rungs[rung].params, ran.fleet.records[site])
            if limits is None or ran.liars_have_quorum(site, step.quorum) or epoch != entry.epoch:
                continue
            voices = Voices(ran, drill, site, entries[:place], limits, step)
            if voices.common_dwell(epoch, t_ns, entry.t_ns, dissent=False) is not None:
                yield Found(f"{drill} climbed {site}, which a quorum had seen quiet for a whole dwell", entry.at_ns)


CHECKS = (waited_for_the_rung_before, climbed_one_by_one, left_who_complied)
