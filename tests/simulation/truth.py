"""What really happened in a simulated run, as no party in it can know: invariants are held against it.

The stage writes it while the run goes on; `tests.simulation.invariants` reads it. Times are of the one
true clock, nanoseconds from the run's start. Nothing here is taken from what a party says of itself.

On virtual time much happens at one instant, so everything also carries `n`, its place among all that
the truth holds: the stage counts it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from protocols.controls import Control, Params

Deed = Literal["apply", "restore"]


@dataclass(frozen=True, slots=True)
class Acted:
    """A call of a driver or an actuator by a party, at the moment it was made.

    Attributes:
        at_ns: When.
        site: Where.
        by: `agent`, or the enforcer's name.
        deed: What was called.
        params: What was to be applied; None for a restore.
        order: Digest of the order that the party's memory names as live at that moment, if any.
        durable: Whether that memory was on the party's disk (synced) by then.
        n: Its place among everything.
    """

    at_ns: int
    site: str
    by: str
    deed: Deed
    params: Params | None = None
    order: str | None = None
    durable: bool = True
    n: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What a site really is, from a moment on, until the next of the same site.

    Attributes:
        at_ns: From when on.
        site: Which.
        control: The control in force by its agent's doing (the commanded one, settled or not).
        feed_on: Whether its feed is on.
        destroyed: Whether its accelerators are gone for good.
        n: Its place among everything.
    """

    at_ns: int
    site: str
    control: Control | None
    feed_on: bool
    destroyed: bool
    n: int = 0

    @property
    def as_always(self) -> bool:
        """Whether nothing is in force."""
        return self.control is None and self.feed_on and not self.destroyed


@dataclass(frozen=True, slots=True)
class Work:
    """True counters of a site at a moment, in billionths of their units, whoever looks or not.

    They are noted at every change of state, at every reading, and at least every quarter of a second.
    """

    at_ns: int
    site: str
    done: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it was handed to the broker.

    Attributes:
        by: The client that published it: `orchestrator`, `site/party`, or another name for a stranger.
        n: Its place among everything.
    """

    at_ns: int
    by: str
    topic: str
    payload: bytes
    n: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that a party's program took from its connection (so not while it was deaf or down).

    Attributes:
        who: `orchestrator`, or `site/party`.
        retained: Whether the broker had kept it.
        n: Its place among everything.
    """

    at_ns: int
    who: str
    topic: str
    payload: bytes
    retained: bool = False
    n: int = 0


@dataclass(frozen=True, slots=True)
class Synced:
    """A party's durable bytes grew (or were replaced as one).

    Attributes:
        by: `orchestrator`, or site/party.
        data: What was made durable.
            Of the orchestrator: the lines of one append, joined by line ends.
        whole: Whether it replaces everything that was there.
        n: Its place among everything.
    """

    at_ns: int
    by: str
    data: bytes
    whole: bool = False
    n: int = 0


@dataclass(frozen=True, slots=True)
class Struck:
    """Something that the simulation did: a crash, a restart, a partition, a jump of a clock.

    Attributes:
        kind: `crash`, `restart`, `cut`, `heal`, `broker-stop`, `broker-start`, `clock`, `fault`, `mend`,
            `veto`, `unveto`, ...
        whom: The party (`orchestrator`, `site/party`) or, for a fault, a mend or a veto, the site.
        detail: For people. Of a fault and a mend, the `Fault`'s value.
        n: Its place among everything.
    """

    at_ns: int
    kind: str
    whom: str
    detail: str = ""
    n: int = 0


@dataclass
class Truth:
    """Everything of one run.

    Attributes:
        lying: By site, the witnesses whose probes or chains were made to lie.
        holding_bound_s: How long after the end of a hold every site is back, whoever crashes.
        journals: Each drill's journal as its store holds it at the end, by drill.
        ended_ns: When the run ended.
        closed: Whether every drill that was begun was closed.
        trouble: Errors that no program may have: tracebacks, tasks that ended by themselves.
        heard: What agents, enforcers and witnesses took from their connections.
        skew_ns: By `site/party`, the least and the most that its wall clock was ahead of the true one.
            Who is not named was never wrong.
        drift_ppm: The most that any site's clock ran fast or slow, drifting faults included.
        epochs: By drill and clock epoch, what to add to the journal's times to get true ones. Of an
            epoch that is not named, nothing. The orchestrator's clock must begin anew with an epoch.
        kept: The largest number of things that a party's program was seen to keep, by `who/what`:
            `.../inbox` (messages that wait), `.../receipts`, `.../refusals`, `orchestrator/rejected`, ...
    """

    acted: list[Acted] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    synced: list[Synced] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    lying: dict[str, frozenset[str]] = field(default_factory=dict)
    holding_bound_s: float = 0.0
    journals: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    ended_ns: int = 0
    closed: bool = False
    trouble: list[str] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    skew_ns: dict[str, tuple[int, int]] = field(default_factory=dict)
    drift_ppm: int = 0
    epochs: dict[tuple[str, int], int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that was broken.

    Attributes:
        invariant: Its name: the module and function that checks it.
        what: What happened, for people.
        at_ns: When, if that is known.
    """

    invariant: str
    what: str
    at_ns: int | None = None
