"""What the readings in a journal show, worked out anew and as plainly as possible: brackets, spans of quiet, dissent.

Quadratic, short, and without any of the product's own code for it: two ways to the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from protocols.controls import (
    DecommissionParams,
    LeaseParams,
    Params,
    PauseParams,
    SelectivePauseParams,
    ShutdownParams,
)
from protocols.messages import SiteRecord, Step
from protocols.signals import DEVICES, LIVE_PROCESSES
from tests.simulation.invariants.ran import NS, Entry, Ran
from tests.simulation.invariants.signed import Signed, take_apart

Limits = Mapping[str, int]
"""Counters, and the rate of each (units per second) under which it counts as quiet."""


def quiet_limits(params: Params, record: SiteRecord) -> Limits | None:
    """Return what must stand still under a control that halts; None for a control that does not."""
    match params:
        case PauseParams() | LeaseParams() | ShutdownParams():
            return {rate.signal: rate.quiet_per_s for rate in record.work}
        case DecommissionParams(phase="fire"):
            return {rate.signal: rate.quiet_per_s for rate in record.work}
        case SelectivePauseParams(protected=protected):
            return {
                rate.signal: rate.quiet_per_s
                for rate in record.work
                if rate.workload is not None and rate.workload not in protected
            }
        case _:
            return None


def zero_peaks(params: Params) -> tuple[str, ...]:
    """Return the peaks that must be shown as zero under a control that halts."""
    match params:
        case ShutdownParams():
            return (LIVE_PROCESSES,)
        case DecommissionParams(phase="fire"):
            return (DEVICES,)
        case _:
            return ()


@dataclass(slots=True)
class Said:
    """One message of a witness.

    Attributes:
        after: Epoch and time of the newest challenge that it or one before it quotes.
        before: Epoch and time of the first arrival of it or of one after it.
    """

    seq: int
    prev: str
    digest: str
    closing: bool
    quoted: int | None
    arrival: tuple[int, int]
    counters: dict[str, tuple[str, int]] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    first: int = 0
    last: int = 0
    after: tuple[int, int] = (-1, 0)
    before: tuple[int, int] = (-1, 0)


@dataclass(slots=True)
class Chain:
    """What one witness said in a drill, in the order of its chain.

    Attributes:
        forked: Whether two messages bear one number, or a link does not fit.
        closed: Whether its closing is here, with everything that it claims.
        gap: Whether something is missing in between.
    """

    said: list[Said]
    forked: bool
    closed: bool
    gap: bool


def _said(signed: Signed, drill: str, arrival: tuple[int, int]) -> Said:
    fields = signed.fields
    quotes = fields["quotes"]
    said = Said(
        seq=fields["link"]["seq"],
        prev=fields["link"]["prev"],
        digest=signed.digest,
        closing=signed.kind == "closing",
        quoted=quotes["seq"] if quotes["drill"] == drill else None,
        arrival=arrival,
    )
    for signal in fields.get("signals", ()):
        if signal["kind"] == "counter":
            said.counters[signal["name"]] = (signal["epoch"], signal["value"])
        elif signal["kind"] == "peak":
            said.peaks[signal["name"]] = signal["value"]
    said.first, said.last = fields.get("first", 0), fields.get("last", 0)
    return said


def chains(drill: str, site: str, entries: Sequence[Entry]) -> dict[str, Chain]:
    """Return the chain of each witness of a site, as far as some records of a journal hold it."""
    issued = {one.event["seq"]: (one.epoch, one.t_ns) for one in entries if one.type == "challenge.issued"}
    heard: dict[str, dict[int, Said]] = {}
    forked: set[str] = set()
    for entry in entries:
        if entry.type not in {"reading.received", "closing.received"} or entry.event["site"] != site:
            continue
        signed = take_apart(entry.event["envelope"].encode())
        if signed is None:
            continue
        witness, said = entry.event["witness"], _said(signed, drill, (entry.epoch, entry.event["arrival_ns"]))
        known = heard.setdefault(witness, {}).setdefault(said.seq, said)
        if known.digest != said.digest:
            forked.add(witness)
        known.arrival = min(known.arrival, said.arrival)
    return {name: _chain(list(by_seq.values()), issued, name in forked) for name, by_seq in heard.items()}


def _chain(said: list[Said], issued: Mapping[int, tuple[int, int]], forked: bool) -> Chain:
    said.sort(key=lambda one: one.seq)
    gap = False
    for one, other in pairwise(said):
        gap = gap or other.seq != one.seq + 1
        forked = forked or (other.seq == one.seq + 1 and other.prev != one.digest)
    after = (-1, 0)
    for one in said:
        after = max(after, issued.get(one.quoted if one.quoted is not None else -1, (-1, 0)))
        one.after = after
    before = said[-1].arrival
    for one in reversed(said):
        before = min(before, one.arrival)
        one.before = before
    numbers = {one.seq for one in said}
    closings = [one for one in said if one.closing]
    closed = any(one.first <= one.last < one.seq and set(range(one.first, one.seq + 1)) <= numbers for one in closings)
    return Chain([one for one in said if not one.closing], forked, closed, gap)


class Voices:
    """The witnesses of a site by some records of a drill's journal, under what must be quiet.

    Args:
        ran: The run.
        drill: The drill.
        site: The site.
        entries: The records to believe.
        limits: What must be quiet.
        step: The step, for dwell, gap and quorum.
        peaks: What must be shown as zero.
    """

    def __init__(
        self,
        ran: Ran,
        drill: str,
        site: str,
        entries: Sequence[Entry],
        limits: Limits,
        step: Step,
        peaks: Sequence[str] = (),
    ) -> None:
        record = ran.fleet.records[site]
        self._owners = {one.name: one.owner for one in record.witnesses if one.owner != record.owner}
        self.chains = {name: chain for name, chain in chains(drill, site, entries).items() if name in self._owners}
        self._limits, self._peaks, self._quorum = limits, tuple(peaks), step.quorum
        self._dwell_ns, self._gap_ns = round(step.dwell_s * NS), round(step.max_gap_s * NS)

    def may_agree(self, name: str, *, final: bool) -> bool:
        """Tell whether a witness's chain is whole, and at the end closed."""
        chain = self.chains[name]
        return not chain.forked and not chain.gap and (chain.closed or not final)

    def at_work(self, epoch: int, at_ns: int) -> frozenset[str]:
        """Return the owners of whole and closed chains whose last word by a moment is that something was at work."""
        owners = set()
        for name, chain in self.chains.items():
            taken = [one for one in chain.said if one.before[0] == epoch and one.before[1] <= at_ns]
            if len(taken) < 2 or not self.may_agree(name, final=True):
                continue
            one, last = taken[-2:]
            recent = last.after[0] == epoch and at_ns - last.after[1] <= self._gap_ns
            shared = one.counters.keys() & last.counters.keys()
            if recent and any(last.counters[signal][1] > one.counters[signal][1] for signal in shared):
                owners.add(self._owners[name])
        return frozenset(owners)

    def seen_again(self, epoch: int, since_ns: int) -> int:
        """Return by when any whole chain has a reading that was surely taken after a moment; that moment if none has.

        The response time ends no earlier: a halt just after the reading that a quiet run starts with would not show.
        """
        ends = [
            next((one.before[1] for one in chain.said if one.after[0] == epoch and one.after[1] >= since_ns), since_ns)
            for name, chain in self.chains.items()
            if self.may_agree(name, final=True)
        ]
        return min(ends, default=since_ns)

    def common_dwell(
        self, epoch: int, since_ns: int, until_ns: int, *, dissent: bool = True, final: bool = False
    ) -> int | None:
        """Return the start of a span of a dwell in which a quorum of owners shows quiet, by the latest if none says no.

        Args:
            epoch: The clock epoch that all of it must lie in.
            since_ns: The earliest start.
            until_ns: The latest end.
            dissent: Whether a single witness that proves work in it spoils it.
            final: Whether only witnesses with a closing count.
        """
        spans = {name: list(self._spans(name, epoch)) for name in self.chains if self.may_agree(name, final=final)}
        starts = {since_ns} | {start for listed in spans.values() for start, _ in listed if start >= since_ns}
        for start in sorted(starts):
            end = start + self._dwell_ns
            if end > until_ns:
                return None
            owners = {
                self._owners[name]
                for name, listed in spans.items()
                if any(begin <= start and end <= quiet for begin, quiet in listed)
            }
            if len(owners) >= self._quorum and not (dissent and self._denied(epoch, start, end, until_ns)):
                return start
        return None

    def _spans(self, name: str, epoch: int) -> Iterator[tuple[int, int]]:
        """Yield from when until when a witness shows quiet: from each reading as far as it goes."""
        said = self.chains[name].said
        for i, first in enumerate(said):
            if first.before[0] != epoch or not self._shows(first):
                continue
            reached = None
            for k in range(i + 1, len(said)):
                one, other = said[k - 1], said[k]
                gap_ns = other.before[1] - one.after[1]
                if one.after[0] != epoch or other.before[0] != epoch or gap_ns > self._gap_ns:
                    break
                if not self._shows(other) or not self._quiet(first, other) or self._active(one, other):
                    break
                if any(other.peaks.get(peak, 1) > 0 for peak in self._peaks):
                    break
                reached = other.after[1]
            if reached is not None:
                yield first.before[1], reached

    def _shows(self, one: Said) -> bool:
        return all(signal in one.counters for signal in self._limits)

    def _quiet(self, first: Said, other: Said) -> bool:
        span_ns = other.after[1] - first.before[1]
        for signal, per_s in self._limits.items():
            (epoch, value), (now, grown) = first.counters[signal], other.counters[signal]
            if epoch != now or grown < value:
                return False
            if span_ns > 0 and (grown - value) * NS > per_s * span_ns:
                return False
        return True

    def _active(self, one: Said, other: Said) -> bool:
        longest_ns = other.before[1] - one.after[1]
        for signal, per_s in self._limits.items():
            if signal not in one.counters or signal not in other.counters:
                continue
            (epoch, value), (now, grown) = one.counters[signal], other.counters[signal]
            if epoch == now and (grown - value) * NS > per_s * longest_ns:
                return True
        return False

    def _denied(self, epoch: int, start: int, end: int, until_ns: int) -> bool:
        """Tell whether any witness proves work that lies surely in a span, or begins there."""
        for chain in self.chains.values():
            for one, other in pairwise(chain.said):
                inside = one.after[0] == epoch == other.before[0] and start <= one.after[1] < end
                if inside and other.before[1] <= until_ns and self._active(one, other):
                    return True
        return False
