"""No verdict says more than is true, as long as witnesses that lie are fewer than the quorum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocols.controls import (
    CensusParams,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SlowdownParams,
    StandbyParams,
    control_of,
)
from protocols.messages import SiteRecord, Step
from tests.simulation.invariants.evidence import Limits, Voices, chains, quiet_limits, zero_peaks
from tests.simulation.invariants.ran import NS, Entry, Found, Ran, Work

_ROUNDING = 2 * NS
"""Two units: a counter shows whole ones."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a drill says of one site in one step, with the times that it is about.

    Attributes:
        number: The step's number.
        result: The result as the journal holds it.
        zero: Epoch and time of the commit of the (last) rung's order; with a lease, of the last licence's expiry.
        begins_ns: From when on it is to be as ordered, true time.
        done_ns: By when it says that the site was as ordered, true time; None when it does not.
        released_ns: When the release was committed, true time; None when never.
        until: Epoch and time of the end of the hold: of the release, or as the warrant says.
        published_ns: When the first publish of the order had ended, true time.
    """

    drill: str
    site: str
    number: int
    step: Step
    params: Params
    result: Mapping[str, Any]
    zero: tuple[int, int]
    begins_ns: int
    done_ns: int | None
    released_ns: int | None
    until: tuple[int, int] | None
    published_ns: int | None
    at_ns: int
    entries: Sequence[Entry]

    @property
    def praised(self) -> bool:
        """Whether it says that the site did as ordered."""
        return self.result["verdict"] in {"verified", "late"}

    @property
    def name(self) -> str:
        """What it is about, for people."""
        return f"{self.drill}, {self.step.name}, {self.site}: {self.result['verdict']} ({self.result['cause']})"


def claims(ran: Ran) -> Iterator[Claim]:
    """Yield what each drill says of each site and step that was ordered, where witnesses' word is worth something."""
    for drill, entries in ran.journals.items():
        warrant = ran.warrant_of(drill)
        for entry in entries:
            if entry.type != "site.judged" or warrant is None:
                continue
            step, site = warrant.steps[entry.event["step"]], entry.event["site"]
            claim = _claim(ran, drill, entries, entry, step)
            if claim is not None and not ran.liars_have_quorum(site, step.quorum):
                yield claim


def _claim(ran: Ran, drill: str, entries: Sequence[Entry], judged: Entry, step: Step) -> Claim | None:
    number, site, result = judged.event["step"], judged.event["site"], judged.event["result"]
    mine = [one for one in entries if one.event.get("step") == number]
    rung = result["rung"]
    kinds = {"order.issued", "battery.issued"} if rung == 0 else {"rung.ordered"}
    ordered = next((one for one in mine if one.type in kinds and _is_rung(one, site, rung)), None)
    if ordered is None:
        return None
    kinds = {"order.published"} if rung == 0 else {"rung.published"}
    published = next((one for one in mine if one.type in kinds and _is_rung(one, site, rung)), None)
    released = next((one for one in mine if one.type == "release.issued"), None)
    if released is None:
        released = next((one for one in entries if one.type == "drill.aborted" and one.seq > ordered.seq), None)
    params = step.rungs[rung].params
    zero, begins_ns = (ordered.epoch, ordered.t_ns), ordered.at_ns
    if isinstance(params, LeaseParams):
        stopped = next((one for one in mine if one.type == "lease.stopped"), None)
        expires = _expiry(entries, ordered, stopped, published, site, params)
        if stopped is None or expires is None:
            return None
        zero, begins_ns = expires, stopped.at_ns
    upper_ns = result["response_upper_ns"]
    done_ns = None if upper_ns is None else ran.true_ns(drill, zero[0], zero[1]) + upper_ns
    return Claim(
        drill=drill,
        site=site,
        number=number,
        step=step,
        params=params,
        result=result,
        zero=zero,
        begins_ns=begins_ns,
        done_ns=done_ns,
        released_ns=None if released is None else released.at_ns,
        until=None if released is None else _until(released, mine, step),
        published_ns=None if published is None else published.at_ns,
        at_ns=judged.at_ns,
        entries=entries,
    )


def _until(released: Entry, mine: Sequence[Entry], step: Step) -> tuple[int, int]:
    first = next((one for one in mine if one.type == "order.issued"), released)
    end_ns = first.t_ns + round(step.hold_s * NS)
    return released.epoch, min(
        released.t_ns, end_ns
    ) if first is not released and first.epoch == released.epoch else released.t_ns


def _is_rung(entry: Entry, site: str, rung: int) -> bool:
    return rung == 0 or (entry.event["site"], entry.event["rung"]) == (site, rung)


def _expiry(
    entries: Sequence[Entry],
    ordered: Entry,
    stopped: Entry | None,
    published: Entry | None,
    site: str,
    params: LeaseParams,
) -> tuple[int, int] | None:
    """Return epoch and time by which the last licence that was given had surely expired."""
    last, pending = None, None
    for entry in entries:
        if entry.seq < ordered.seq or (stopped is not None and entry.seq > stopped.seq):
            continue
        if entry.type == "licence.requested" and entry.event["site"] == site:
            pending = (entry.epoch, entry.event["arrival_ns"])
        elif entry.type == "licence.issued" and entry.event["site"] == site:
            last = pending
    if last is None:
        begun = published or ordered
        last = (begun.epoch, begun.t_ns)
    return last[0], last[1] + round(params.licence_s * NS)


# -- what must be true --------------------------------------------------------------------------------


def true_limits(params: Params, record: SiteRecord) -> Limits | None:
    """Return what truly stands still, or is capped, under a control; None for one that stops no work."""
    match params:
        case PowerCutParams():
            return {rate.signal: rate.quiet_per_s for rate in record.work}
        case SlowdownParams(fraction=fraction):
            return {rate.signal: int(fraction * rate.band_min_per_s) for rate in record.work}
        case _:
            return quiet_limits(params, record)


def was_as_ordered(ran: Ran) -> Iterator[Found]:
    """What is called verified or late had truly been quiet for a dwell that began by the time that is claimed."""
    for claim in claims(ran):
        limits = true_limits(claim.params, ran.fleet.records[claim.site])
        work = ran.works.get(claim.site)
        if not claim.praised or limits is None or work is None:
            continue
        if claim.done_ns is None or claim.released_ns is None:
            yield Found(f"{claim.name}, and by when, or until when, it does not say", claim.at_ns)
            continue
        if not _had_a_dwell(claim, work, limits, claim.done_ns, claim.released_ns):
            yield Found(
                f"{claim.name} by {claim.done_ns / NS:.3f} s, and it truly was active in each dwell begun by then",
                claim.done_ns,
            )


def _had_a_dwell(claim: Claim, work: Work, limits: Limits, done_ns: int, released_ns: int) -> bool:
    dwell_ns, gap_ns = round(claim.step.dwell_s * NS), round(claim.step.max_gap_s * NS)
    allowed = {signal: per_s * (dwell_ns + 2 * gap_ns) + _ROUNDING for signal, per_s in limits.items()}

    def quiet(start: int) -> bool:
        return all(work.grown(signal, start, start + dwell_ns) <= most for signal, most in allowed.items())

    latest = min(done_ns, released_ns - dwell_ns)
    if latest < claim.begins_ns:
        return False
    noted = list(work.between(claim.begins_ns, latest))
    noted += [at - dwell_ns for at in work.between(claim.begins_ns + dwell_ns, latest + dwell_ns)]
    return any(quiet(start) for start in (latest, claim.begins_ns, *reversed(noted)))


def held_to_the_end(ran: Ran) -> Iterator[Found]:
    """What is called held was truly quiet until about the end of the hold."""
    for claim in claims(ran):
        limits = true_limits(claim.params, ran.fleet.records[claim.site])
        work = ran.works.get(claim.site)
        if not claim.praised or not claim.result["held"] or limits is None or work is None:
            continue
        if claim.done_ns is None or claim.released_ns is None:
            continue
        gap_ns = round(claim.step.max_gap_s * NS)
        first_ns = min((one.at_ns for one in claim.entries if one.type == "order.issued"), default=claim.begins_ns)
        end_ns = min(claim.released_ns, max(claim.begins_ns, first_ns) + round(claim.step.hold_s * NS)) - gap_ns
        for signal, per_s in limits.items():
            grown = work.grown(signal, claim.done_ns, end_ns) if end_ns > claim.done_ns else 0
            if grown > per_s * (end_ns - claim.done_ns + 4 * gap_ns) + _ROUNDING:
                yield Found(f"{claim.name}, held, and {grown // NS} of {signal} were done meanwhile", claim.done_ns)


def went_on(ran: Ran) -> Iterator[Found]:
    """What is verified of a control that changes nothing had truly gone on."""
    for claim in claims(ran):
        armed = isinstance(claim.params, DecommissionParams) and claim.params.phase == "arm"
        if not claim.praised or not (armed or isinstance(claim.params, StandbyParams | RefusalParams)):
            continue
        work, record = ran.works.get(claim.site), ran.fleet.records[claim.site]
        if work is None or claim.released_ns is None:
            continue
        dwell_ns, gap_ns = round(claim.step.dwell_s * NS), round(claim.step.max_gap_s * NS)
        end_ns = min(claim.released_ns, claim.begins_ns + round(claim.step.hold_s * NS))
        for rate in record.work:
            grown = work.grown(rate.signal, claim.begins_ns - gap_ns, end_ns)
            if grown + _ROUNDING < rate.band_min_per_s * (end_ns - claim.begins_ns - gap_ns):
                yield Found(f"{claim.name}, and {rate.signal} did not go on", claim.begins_ns)
        for start in work.between(claim.begins_ns, end_ns - dwell_ns - 3 * gap_ns):
            for rate in record.work:
                grown = work.grown(rate.signal, start, start + dwell_ns + 2 * gap_ns)
                if grown + _ROUNDING < rate.band_min_per_s * dwell_ns:
                    yield Found(f"{claim.name}, and its work did not go on at {start / NS:.3f} s", start)
                    return


def was_in_force(ran: Ran) -> Iterator[Found]:
    """What is verified of a cap or a cut of the network truly was in force."""
    for claim in claims(ran):
        if not claim.praised or not isinstance(claim.params, RunCapParams | IsolateParams | PowerCutParams):
            continue
        if claim.done_ns is None or claim.released_ns is None:
            continue
        dwell_ns = round(claim.step.dwell_s * NS)
        spans, since = [], None
        for state in [one for one in ran.truth.states if one.site == claim.site]:
            cut = not state.feed_on if isinstance(claim.params, PowerCutParams) else None
            holds = cut if cut is not None else state.control is control_of(claim.params)
            if holds and since is None:
                since = state.at_ns
            elif not holds and since is not None:
                spans.append((since, state.at_ns))
                since = None
        if since is not None:
            spans.append((since, ran.truth.ended_ns))
        if not any(begin <= claim.done_ns and end - max(begin, claim.begins_ns) >= dwell_ns for begin, end in spans):
            yield Found(f"{claim.name}, and {claim.params.control} was not in force for a dwell", claim.done_ns)


def had_worked_before(ran: Ran) -> Iterator[Found]:
    """What is verified to have halted had truly worked just before it was ordered."""
    for claim in claims(ran):
        limits = true_limits(claim.params, ran.fleet.records[claim.site])
        work = ran.works.get(claim.site)
        if not claim.praised or limits is None or work is None or claim.result["rung"]:
            continue
        gap_ns = round(claim.step.max_gap_s * NS)
        signals = [rate.signal for rate in ran.fleet.records[claim.site].work]
        if all(work.grown(signal, claim.begins_ns - 2 * gap_ns, claim.begins_ns) <= 0 for signal in signals):
            yield Found(f"{claim.name}, and it had not worked before", claim.begins_ns)


def was_within_the_limit(ran: Ran) -> Iterator[Found]:
    """What is called verified was as ordered by the response limit, by the upper bound, on its first rung."""
    for claim in claims(ran):
        upper_ns, limit_s = claim.result["response_upper_ns"], claim.step.response_limit_s
        if claim.result["verdict"] != "verified" or isinstance(claim.params, RefusalParams):
            continue
        if upper_ns is None or upper_ns > round(limit_s * NS) or claim.result["rung"]:
            yield Found(f"{claim.name}, and by when, of {limit_s:g} s, is {upper_ns}", claim.at_ns)


def lower_bound_holds(ran: Ran) -> Iterator[Found]:
    """No site truly halted before the lower bound of its response time."""
    for claim in claims(ran):
        limits = true_limits(claim.params, ran.fleet.records[claim.site])
        work, lower_ns = ran.works.get(claim.site), claim.result["response_lower_ns"]
        # A shutdown is over only when its processes are gone, which its counters do not show.
        if not lower_ns or limits is None or work is None or not isinstance(claim.params, PauseParams):
            continue
        if claim.published_ns is None:
            continue
        until_ns = claim.released_ns or claim.at_ns
        since_ns = claim.published_ns + lower_ns - 1_000_000
        if all(work.least(signal, until_ns) <= work.at(signal, since_ns) for signal in limits):
            yield Found(f"{claim.name}: it had halted before the lower bound of {lower_ns / NS:.3f} s", since_ns)


def came_back(ran: Ran) -> Iterator[Found]:
    """What is said to be back had truly begun to work by then."""
    for claim in claims(ran):
        upper_ns, work = claim.result["restore_upper_ns"], ran.works.get(claim.site)
        gone = isinstance(claim.params, DecommissionParams) and claim.params.phase == "fire"
        if claim.result["verdict"] == "verified" and upper_ns is None and not gone:
            yield Found(f"{claim.name}, and was never said to be back", claim.at_ns)
        if upper_ns is None or claim.released_ns is None or work is None:
            continue
        if isinstance(claim.params, CensusParams | DecommissionParams):
            continue
        signals = [rate.signal for rate in ran.fleet.records[claim.site].work]
        gap_ns = round(claim.step.max_gap_s * NS)
        if all(work.grown(signal, claim.released_ns - gap_ns, claim.released_ns + upper_ns) <= 0 for signal in signals):
            yield Found(
                f"{claim.name}: it is said to be back, and had done nothing by then", claim.released_ns + upper_ns
            )


# -- what the evidence must show ------------------------------------------------------------------------


def a_quorum_showed_it(ran: Ran) -> Iterator[Found]:
    """What is called verified or late a quorum of owners with whole chains showed, with nobody against it."""
    for claim in claims(ran):
        limits = quiet_limits(claim.params, ran.fleet.records[claim.site])
        if not claim.praised or limits is None or claim.result["response_upper_ns"] is None:
            continue
        peaks = zero_peaks(claim.params)
        voices = Voices(ran, claim.drill, claim.site, claim.entries, limits, claim.step, peaks)
        until = claim.until
        epoch = claim.zero[0]
        if until is None:
            yield Found(f"{claim.name}, and its hold never ended", claim.at_ns)
            continue
        # After a restart of the orchestrator only what was shown whole before it counts: no time spans two clocks.
        seen_ns = max(one.t_ns for one in claim.entries if one.epoch == epoch)
        until_ns = until[1] if until[0] == epoch else seen_ns
        begins = claim.begins_ns - ran.truth.epochs.get((claim.drill, epoch), 0)
        shown_ns = voices.common_dwell(epoch, begins, until_ns, final=True)
        if shown_ns is None:
            yield Found(f"{claim.name}, and no quorum of {claim.step.quorum} owners showed it", claim.at_ns)
        elif shown_ns > begins and claim.zero[1] + claim.result["response_upper_ns"] < voices.seen_again(
            epoch, shown_ns
        ):
            yield Found(f"{claim.name}, and earlier than a quorum showed it undisputed", claim.done_ns)
    for claim in claims(ran):
        agreeing = claim.result["agreeing"]
        record = ran.fleet.records[claim.site]
        owners = {one.owner for one in record.witnesses if one.name in agreeing and one.owner != record.owner}
        if claim.praised and not isinstance(claim.params, RefusalParams) and len(owners) < claim.step.quorum:
            yield Found(f"{claim.name} by {len(owners)} owners of {claim.step.quorum}", claim.at_ns)


def a_quorum_saw_it_work_before(ran: Ran) -> Iterator[Found]:
    """Of what is called verified or late a quorum of owners with whole chains saw work just before the order."""
    for claim in claims(ran):
        record = ran.fleet.records[claim.site]
        limits = quiet_limits(claim.params, record)
        first = next((one for one in claim.entries if one.type == "order.issued" and _is_of(one, claim)), None)
        if not claim.praised or limits is None or first is None:
            continue
        busy = {rate.signal: rate.quiet_per_s for rate in record.work}
        voices = Voices(ran, claim.drill, claim.site, claim.entries, busy, claim.step)
        owners = voices.at_work(first.epoch, first.t_ns)
        if len(owners) < claim.step.quorum:
            yield Found(f"{claim.name}, and {len(owners)} owners had seen it work before the order", claim.at_ns)


def _is_of(entry: Entry, claim: Claim) -> bool:
    return bool(entry.event["step"] == claim.number)


def readings_are_in_their_brackets(ran: Ran) -> Iterator[Found]:
    """What an honest witness shows was really the case between the challenge that it quotes and its arrival."""
    for drill, entries in ran.journals.items():
        issued = {one.event["seq"]: one.at_ns for one in entries if one.type == "challenge.issued"}
        for site, work in ran.works.items():
            lying = ran.truth.lying.get(site, frozenset())
            for witness, chain in chains(drill, site, entries).items():
                if witness in lying:
                    continue
                for said in chain.said:
                    arrival_ns = ran.true_ns(drill, *said.arrival)
                    for signal, (_, value) in said.counters.items():
                        least = work.least(signal, issued.get(said.quoted or -1, 0))
                        most = work.most(signal, arrival_ns)
                        if value * NS + _ROUNDING < least:
                            yield Found(
                                f"{drill}: reading {said.seq} of {site}/{witness} quotes challenge {said.quoted}, and "
                                f"shows {signal} as it was before that was issued",
                                arrival_ns,
                            )
                            return
                        if most is not None and value * NS > most + _ROUNDING:
                            yield Found(f"{drill}: {site}/{witness} shows {signal} before it was done", arrival_ns)
                            return


CHECKS = (
    was_as_ordered,
    held_to_the_end,
    went_on,
    was_in_force,
    had_worked_before,
    was_within_the_limit,
    lower_bound_holds,
    came_back,
    a_quorum_showed_it,
    a_quorum_saw_it_work_before,
    readings_are_in_their_brackets,
)
