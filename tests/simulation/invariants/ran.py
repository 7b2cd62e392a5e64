"""What a run left behind, and what follows from it without asking the code under test."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from protocols.controls import CATALOGUE, Control, control_of
from protocols.messages import Order, Policy, SiteRecord, Step, Warrant
from protocols.topics import Topics
from tests.simulation.invariants.signed import Keys, Signed, Verifies, ed25519, frame, take_apart
from tests.simulation.truth import Truth

NS = 1_000_000_000
TAKEN_NS = 50_000_000
"""A party that lives so long after it took a message has written down what it decided on it."""

Key = tuple[str, int, int, int]
"""Warrant, use, step, rung."""


@dataclass(frozen=True, slots=True)
class Found:
    """That an invariant does not hold: what happened and, if that is known, when."""

    what: str
    at_ns: int | None = None


class Documents(Protocol):
    """The documents of the fleet that was drilled: a `tests.kit.Fleet` fits."""

    now_ns: int
    policy: Policy
    records: Mapping[str, SiteRecord]
    raw_root: bytes

    @property
    def fleet(self) -> str:
        """The fleet's id."""
        ...


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order that went over the wire with a warrant.

    Attributes:
        at_ns: When; `n` its place among everything.
        dispatchers: The dispatcher keys of the policy that really signed it.
        owners: The distinct owners of approver keys who really signed the warrant.
    """

    at_ns: int
    n: int
    digest: str
    order: Order
    dispatchers: frozenset[str]
    warrant: Warrant | None
    owners: frozenset[str]

    @property
    def key(self) -> Key:
        """What it orders."""
        return (self.order.warrant, self.order.use, self.order.step, self.order.rung)

    @property
    def step(self) -> Step | None:
        """The step of its warrant, if there is one."""
        steps = () if self.warrant is None else self.warrant.steps
        return steps[self.order.step] if self.order.step < len(steps) else None


@dataclass(slots=True)
class Accept:
    """That a party wrote down that it accepted an order, or saw a rung.

    Attributes:
        at_ns: When it was on its disk; `n` its place among everything.
        party: `site/agent`, or `site/enforcer`.
        acts: Whether it accepted it; else it only saw a rung that is another's.
        ended_ns: When it was on its disk that the order was over.
    """

    at_ns: int
    n: int
    party: str
    order: str
    key: Key
    acts: bool
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """A valid release, abort, revocation or move of the lever that a party took in, and lived to write down."""

    at_ns: int
    n: int
    kind: str
    fields: Mapping[str, Any]
    digest: str

    def forbids(self, key: Key) -> bool:
        """Tell whether it ends (and forbids) an order."""
        says = (self.fields.get("warrant"), self.fields.get("use"), self.fields.get("step"))
        match self.kind:
            case "release":
                return says == key[:3]
            case "abort":
                return says[:2] == key[:2]
            case "revocation":
                return says[0] == key[0]
            case _:
                return bool(self.fields["engaged"])


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of a journal.

    Attributes:
        at_ns: Its true time; `epoch` and `t_ns` as it states them.
    """

    at_ns: int
    epoch: int
    t_ns: int
    seq: int
    event: Mapping[str, Any]

    @property
    def type(self) -> str:
        """The kind of event."""
        return str(self.event["type"])


@dataclass
class Ran:
    """A run.

    Args:
        truth: What really happened.
        fleet: The documents.
        scenario: What was to happen; only for whoever reads a violation.
        verifies: How signatures are checked: Ed25519, unless the run had stand-ins for keys.
    """

    truth: Truth
    fleet: Documents
    scenario: object = None
    verifies: Verifies = field(default=ed25519)

    # -- keys and documents --------------------------------------------------------------------------

    @cached_property
    def topics(self) -> Topics:
        """The fleet's topics."""
        return Topics(self.fleet.fleet)

    @cached_property
    def approvers(self) -> Keys:
        """The approvers of the policy."""
        return Keys([(one.owner, one.key.public) for one in self.fleet.policy.approvers], self.verifies)

    @cached_property
    def dispatchers(self) -> Keys:
        """The dispatchers of the policy."""
        return Keys([(one.owner, one.key.public) for one in self.fleet.policy.dispatchers], self.verifies)

    @cached_property
    def _operators(self) -> Mapping[str, Keys]:
        return {
            site: Keys([(record.owner, key.public) for key in record.operator_keys], self.verifies)
            for site, record in self.fleet.records.items()
        }

    def threshold(self, control: Control) -> int:
        """Return how many owners a control takes."""
        stated = {entry.control: entry.owners for entry in self.fleet.policy.thresholds}
        return stated.get(control, CATALOGUE[control].default_threshold)

    def required(self, warrant: Warrant) -> int:
        """Return how many owners a warrant takes: as many as its harshest rung."""
        return max(self.threshold(control_of(rung.params)) for step in warrant.steps for rung in step.rungs)

    def liars_have_quorum(self, site: str, quorum: int) -> bool:
        """Tell whether so many owners lie at a site that nothing is promised."""
        lying = self.truth.lying.get(site, frozenset())
        owners = {entry.owner for entry in self.fleet.records[site].witnesses if entry.name in lying}
        return len(owners - {self.fleet.records[site].owner}) >= quorum

    # -- clocks and mishaps --------------------------------------------------------------------------

    def wall_ns(self, at_ns: int) -> int:
        """Return the true wall time of a moment."""
        return self.fleet.now_ns + at_ns

    def skew_ns(self, party: str) -> tuple[int, int]:
        """Return the least and the most that a party's wall clock was ahead."""
        return self.truth.skew_ns.get(party, (0, 0))

    def spread_ns(self, party: str) -> int:
        """Return how much two readings of a party's wall clock may be off against each other."""
        least, most = self.skew_ns(party)
        return most - least

    def shortest_ns(self, duration_s: float) -> int:
        """Return how long a time that some site's clock measured truly was at least."""
        return int(duration_s * NS * (1 - self.truth.drift_ppm / (1_000_000 + self.truth.drift_ppm)))

    def longest_ns(self, duration_s: float) -> int:
        """Return how long a time that some site's clock measured truly was at most."""
        return int(duration_s * NS * (1 + self.truth.drift_ppm / 1_000_000))

    @cached_property
    def downs(self) -> Mapping[str, list[tuple[int, int]]]:
        """When each party was down, from the crash to the restart."""
        downs: dict[str, list[tuple[int, int]]] = defaultdict(list)
        since: dict[str, int] = {}
        for struck in self.truth.struck:
            if struck.kind == "crash":
                since.setdefault(struck.whom, struck.at_ns)
            elif struck.kind == "restart" and struck.whom in since:
                downs[struck.whom].append((since.pop(struck.whom), struck.at_ns))
        for whom, at_ns in since.items():
            downs[whom].append((at_ns, self.truth.ended_ns + 1))
        return downs

    def lives(self, party: str, since_ns: int, until_ns: int) -> bool:
        """Tell whether a party was up throughout."""
        return not any(down <= until_ns and up > since_ns for down, up in self.downs.get(party, ()))

    @cached_property
    def faults(self) -> Mapping[tuple[str, str], list[tuple[int, int]]]:
        """When a site had which fault (or veto), from when until when."""
        spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        since: dict[tuple[str, str], int] = {}
        for struck in self.truth.struck:
            if struck.kind in {"fault", "veto"}:
                since.setdefault((struck.whom, struck.detail if struck.kind == "fault" else "veto"), struck.at_ns)
            elif struck.kind in {"mend", "unveto"}:
                name = struck.detail if struck.kind == "mend" else "veto"
                ended = [key for key in since if key[0] == struck.whom and name in {key[1], ""}]
                for key in ended:
                    spans[key].append((since.pop(key), struck.at_ns))
        for key, at_ns in since.items():
            spans[key].append((at_ns, self.truth.ended_ns + 1))
        return spans

    def due(self, since_ns: int, bound_ns: int, *hindrances: Sequence[tuple[int, int]]) -> int:
        """Return by when something must be done that takes `bound_ns` without hindrance."""
        start = since_ns
        for begin, end in sorted(span for listed in hindrances for span in listed):
            if begin < start + bound_ns and end > start:
                start = end
        return start + bound_ns

    @staticmethod
    def frame(payload: bytes) -> tuple[Signed, ...]:
        """Return the envelopes of a transport message."""
        return frame(payload)

    # -- orders --------------------------------------------------------------------------------------

    def _order_topics(self) -> set[str]:
        return {self.topics.orders, *(self.topics.site_orders(site) for site in self.fleet.records)}

    @cached_property
    def _warrants(self) -> dict[tuple[str, frozenset[str]], Warrant | None]:
        return {}

    def _ordered(self, at_ns: int, n: int, payload: bytes) -> Ordered | None:
        envelopes = frame(payload)
        if len(envelopes) < 2 or envelopes[0].kind != "order":
            return None
        try:
            order = Order.model_validate_json(envelopes[0].payload)
        except ValueError:
            return None
        whole, owners = self._warrant_of(envelopes[1], order.warrant)
        return Ordered(at_ns, n, envelopes[0].digest, order, self.dispatchers.ids(envelopes[0]), whole, owners)

    def _warrant_of(self, signed: Signed, digest: str) -> tuple[Warrant | None, frozenset[str]]:
        if signed.kind != "warrant" or signed.digest != digest:
            return None, frozenset()
        owners = self.approvers.owners(signed)
        place = (digest, owners)
        if place not in self._warrants:
            try:
                self._warrants[place] = Warrant.model_validate_json(signed.payload)
            except ValueError:
                self._warrants[place] = None
        return self._warrants[place], owners

    @cached_property
    def sent_orders(self) -> list[Ordered]:
        """Every order that was published, each time."""
        topics = self._order_topics()
        found = (self._ordered(one.at_ns, one.n, one.payload) for one in self.truth.sent if one.topic in topics)
        return [one for one in found if one is not None]

    @cached_property
    def _heard_orders(self) -> Mapping[str, list[Ordered]]:
        topics = self._order_topics()
        heard: dict[str, list[Ordered]] = defaultdict(list)
        for one in self.truth.heard:
            if one.topic in topics and not one.retained:
                ordered = self._ordered(one.at_ns, one.n, one.payload)
                if ordered is not None:
                    heard[one.who].append(ordered)
        return heard

    def orders_at(self, party: str) -> list[Ordered]:
        """Return every order that a party took in; without a record of that, all that were published."""
        return self._heard_orders.get(party, []) if self.truth.heard else self.sent_orders

    @cached_property
    def order_of(self) -> Mapping[str, Ordered]:
        """By digest, each order with the fullest approval that ever went with it."""
        best: dict[str, Ordered] = {}
        for one in self.sent_orders:
            known = best.get(one.digest)
            if known is None or len(one.owners) > len(known.owners) or (one.warrant and not known.warrant):
                best[one.digest] = one
        return best

    # -- disks ---------------------------------------------------------------------------------------

    @cached_property
    def written(self) -> list[tuple[int, int, str, Mapping[str, Any]]]:
        """What agents and enforcers wrote down: when, its place, who, and the record."""
        found = []
        for synced in self.truth.synced:
            if synced.by == "orchestrator" or b'"events":' not in synced.data:
                continue
            for line in synced.data.split(b"\n"):
                body = _loaded(line).get("body")
                if isinstance(body, dict) and isinstance(body.get("events"), list):
                    found.append((synced.at_ns, synced.n, synced.by, body))
        return found

    @cached_property
    def accepts(self) -> list[Accept]:
        """Every order that a party wrote down as accepted, and every rung as seen."""
        found: list[Accept] = []
        live: dict[tuple[str, str], Accept] = {}
        for at_ns, n, party, body in self.written:
            for event in body["events"]:
                if event.get("kind") in {"order_accepted", "rung_seen"}:
                    key = (event["key"]["warrant"], event["key"]["use"], event["key"]["step"], event["rung"])
                    acts = event["kind"] == "order_accepted"
                    accept = Accept(at_ns, n, party, event["order"], key, acts)
                    found.append(accept)
                    if acts:
                        live[party, accept.order] = accept
                elif event.get("kind") == "order_ended" and (party, event["order"]) in live:
                    live[party, event["order"]].ended_ns = at_ns
        return found

    # -- stops ---------------------------------------------------------------------------------------

    @cached_property
    def stops(self) -> Mapping[str, list[Stop]]:
        """By party, every valid stop that it took in and lived to write down."""
        found: dict[str, list[Stop]] = defaultdict(list)
        ill = {struck.whom for struck in self.truth.struck if struck.kind.startswith("disk")}
        for one in self.truth.heard:
            if one.topic != self.topics.stops or one.who in ill:
                continue
            if not self.lives(one.who, one.at_ns, one.at_ns + TAKEN_NS):
                continue
            for signed in frame(one.payload):
                if self._may_stop(signed, one.who.partition("/")[0]):
                    found[one.who].append(Stop(one.at_ns, one.n, signed.kind, signed.fields, signed.digest))
        return found

    def _may_stop(self, signed: Signed, site: str) -> bool:
        fields = signed.fields
        if fields.get("fleet") != self.fleet.fleet:
            return False
        match signed.kind:
            case "release":
                return bool(self.dispatchers.ids(signed))
            case "abort" | "revocation" as kind:
                dispatched = kind == "abort" and self.dispatchers.ids(signed)
                return bool(dispatched or self.approvers.ids(signed))
            case "lever" if fields.get("site") in {None, site}:
                owners = self.approvers.owners(signed)
                if not fields.get("engaged"):
                    return len(owners) >= max(map(self.threshold, Control))
                operated = site in self._operators and fields["site"] == site and self._operators[site].ids(signed)
                return bool(owners or operated)
            case _:
                return False

    def stopped(self, party: str, key: Key) -> Iterator[tuple[Stop, int]]:
        """Yield each stop that a party knew of and that forbids an order, with the time until which it does."""
        known = self.stops.get(party, ())
        lifts = [(one.at_ns, one.fields["disengages"]) for one in known if one.fields.get("disengages")]
        for stop in known:
            if stop.forbids(key):
                lifted = [at for at, what in lifts if what == stop.digest]
                yield stop, min(lifted, default=self.truth.ended_ns + 1)

    # -- journals ------------------------------------------------------------------------------------

    @cached_property
    def journals(self) -> Mapping[str, list[Entry]]:
        """Each drill's journal, read line by line."""
        found = {}
        for drill, lines in self.truth.journals.items():
            records = [_loaded(line) for line in lines]
            found[drill] = [
                Entry(
                    one["t_ns"] + self.truth.epochs.get((drill, one["epoch"]), 0),
                    one["epoch"],
                    one["t_ns"],
                    one["seq"],
                    one["event"],
                )
                for one in records
                if one
            ]
        return found

    def true_ns(self, drill: str, epoch: int, t_ns: int) -> int:
        """Return the true time of a time that a journal states."""
        return t_ns + self.truth.epochs.get((drill, epoch), 0)

    def warrant_of(self, drill: str) -> Warrant | None:
        """Return the warrant that a drill's journal holds."""
        for entry in self.journals[drill]:
            if entry.type == "document.held" and entry.event["kind"] == "warrant":
                signed = take_apart(entry.event["envelope"].encode())
                return None if signed is None else Warrant.model_validate_json(signed.payload)
        return None

    # -- true work -----------------------------------------------------------------------------------

    @cached_property
    def works(self) -> Mapping[str, Work]:
        """By site, its true counters over time."""
        noted: dict[str, Work] = {}
        for one in self.truth.work:
            noted.setdefault(one.site, Work()).note(one.at_ns, one.done)
        return noted


class Work:
    """The true counters of one site, as they grew."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self._done: list[Mapping[str, int]] = []

    def note(self, at_ns: int, done: Mapping[str, int]) -> None:
        """Note them at a moment; moments only ever go forward."""
        if self.times and self.times[-1] == at_ns:
            self._done[-1] = done
        else:
            self.times.append(at_ns)
            self._done.append(done)

    def least(self, signal: str, at_ns: int) -> int:
        """Return what was surely done by a moment, in billionths."""
        place = bisect_right(self.times, at_ns) - 1
        return 0 if place < 0 else self._done[place].get(signal, 0)

    def most(self, signal: str, at_ns: int) -> int | None:
        """Return what was at most done by a moment, in billionths; None when nothing was noted after it."""
        place = bisect_left(self.times, at_ns)
        return self._done[place].get(signal, 0) if place < len(self.times) else None

    def at(self, signal: str, at_ns: int) -> int:
        """Return what was done by a moment, in billionths, evenly between two notes."""
        place = bisect_right(self.times, at_ns)
        if place == 0:
            return self._done[0].get(signal, 0) if self._done else 0
        before = self._done[place - 1].get(signal, 0)
        if place == len(self.times):
            return before
        grown = self._done[place].get(signal, 0) - before
        return before + grown * (at_ns - self.times[place - 1]) // (self.times[place] - self.times[place - 1])

    def grown(self, signal: str, since_ns: int, until_ns: int) -> int:
        """Return how much was done between two moments, in billionths."""
        return self.at(signal, until_ns) - self.at(signal, since_ns)

    def between(self, since_ns: int, until_ns: int) -> Sequence[int]:
        """Return the moments between two moments at which it was noted."""
        return self.times[bisect_left(self.times, since_ns) : bisect_right(self.times, until_ns)]


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
