"""What really happened in a simulated run, as no party in it can know: invariants are held against it.

The stage writes it while the run goes on; `tests.simulation.invariants` reads it. Times are of the one
true clock, nanoseconds from the run's start. Nothing here is taken from what a party says of itself.
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
    """

    at_ns: int
    site: str
    by: str
    deed: Deed
    params: Params | None = None
    order: str | None = None
    durable: bool = True


@dataclass(frozen=True, slots=True)
class State:
    """What a site really is, from a moment on, until the next of the same site.

    Attributes:
        at_ns: From when on.
        site: Which.
        control: The control in force by its agent's doing (the commanded one, settled or not).
        feed_on: Whether its feed is on.
        destroyed: Whether its accelerators are gone for good.
    """

    at_ns: int
    site: str
    control: Control | None
    feed_on: bool
    destroyed: bool

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
        by: The client that published it.
    """

    at_ns: int
    by: str
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Synced:
    """A party's durable bytes grew (or were replaced as one).

    Attributes:
        by: `orchestrator`, or site/party.
        data: What was made durable.
        whole: Whether it replaces everything that was there.
    """

    at_ns: int
    by: str
    data: bytes
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Struck:
    """Something that the simulation did: a crash, a restart, a partition, a jump of a clock.

    Attributes:
        kind: `crash`, `restart`, `cut`, `heal`, `broker-stop`, `broker-start`, `clock`, `fault`, `mend`, ...
        whom: The party or site.
        detail: For people.
    """

    at_ns: int
    kind: str
    whom: str
    detail: str = ""


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
