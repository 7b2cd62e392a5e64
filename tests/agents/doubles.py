"""Doubles for the parts of an agent or a witness: disk, driver, probe, and a way to listen in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from agents.observation import Observation, SiteState
from agents.store import Disk
from protocols.controls import Control, Params, acts, control_of
from protocols.envelope import Envelope, open_envelope, split_frame
from protocols.errors import DriverError, ProbeError, StoreError
from protocols.keys import PublicKey
from protocols.messages import Challenge, Counter, Proof, Receipt, Signal
from protocols.transport.base import Inbound
from tests import kit


class MemoryDisk:
    """A disk in memory that can be full, torn or taken over by a second opening."""

    where = "memory"

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.full = False
        self.tear_at: int | None = None
        self.writes = 0

    def read(self) -> bytes:
        return self.data

    def read_at(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]

    def append(self, data: bytes) -> None:
        self.writes += 1
        if self.tear_at is not None:
            self.data += data[: self.tear_at]
            raise StoreError("cannot be written: torn", where=self.where)
        if self.full:
            raise StoreError("cannot be written: no space left", where=self.where)
        self.data += data

    def truncate(self, size_bytes: int) -> None:
        self.data = self.data[:size_bytes]

    def replace(self, data: bytes) -> None:
        if self.full:
            raise StoreError("cannot be rewritten: no space left", where=self.where)
        self.data = data

    def close(self) -> None:
        pass


def _a_disk(disk: MemoryDisk) -> Disk:
    return disk


APPLIED = {
    Control.SLOWDOWN: SiteState.SLOWED,
    Control.RUN_CAP: SiteState.CAPPED,
    Control.SELECTIVE_PAUSE: SiteState.SELECTIVE,
    Control.PAUSE: SiteState.PAUSED,
    Control.LEASE: SiteState.PAUSED,
    Control.ISOLATE: SiteState.ISOLATED,
    Control.SHUTDOWN: SiteState.STOPPED,
    Control.POWER_CUT: SiteState.DARK,
    Control.DECOMMISSION: SiteState.GONE,
}
"""What a site is once a control that acts was applied."""


class FakeDriver:
    """A driver whose workload is a variable; it outlives the agent, as a real workload does.

    Attributes:
        failing: Names of the proofs that do not hold when it is rehearsed.
        fail_rehearse: How many rehearsals cannot even be tried.
    """

    actions = frozenset(Control)

    def __init__(self) -> None:
        self.state = SiteState.STOPPED
        self.ours = False
        self.applied = 0
        self.restored = 0
        self.fail_apply = 0
        self.fail_restore = 0
        self.fail_rehearse = 0
        self.failing: set[str] = set()
        self.rehearsed: list[Params] = []
        self.history: list[SiteState] = []
        self.apply_gate: Callable[[Callable[[], bool]], None] | None = None

    def start(self) -> None:
        if not self.ours:
            self.state = SiteState.RUNNING

    def observe(self) -> Observation:
        return Observation(self.state, self.ours, f"it is {self.state}")

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        if self.fail_rehearse:
            self.fail_rehearse -= 1
            raise DriverError("the actuator does not answer")
        self.rehearsed.append(params)
        steps = ("permissions", "restore-path")
        return tuple(Proof(step=step, ok=step not in self.failing, detail="tried") for step in steps)

    def apply(self, params: Params, cancelled: Callable[[], bool]) -> str:
        assert self.state is not SiteState.GONE
        assert acts(params), "a driver is never asked for what changes nothing"
        self.ours = True
        if self.apply_gate is not None:
            self.apply_gate(cancelled)
        if self.fail_apply:
            self.fail_apply -= 1
            raise DriverError("the actuator jams")
        self.applied += 1
        self.state = APPLIED[control_of(params)]
        self.history.append(self.state)
        return f"done: {self.state}"

    def restore(self) -> str:
        if self.fail_restore:
            self.fail_restore -= 1
            raise DriverError("the actuator jams")
        assert self.state is not SiteState.GONE, "nothing that is gone is restored"
        self.restored += 1
        self.history.append(SiteState.RUNNING)
        self.state, self.ours = SiteState.RUNNING, False
        return "runs again"

    def checkpoint_digest(self) -> str | None:
        return "c" * 64

    def close(self, *, stop_workload: bool) -> None:
        pass


class FakeProbe:
    """A probe that counts its samples; a gate holds a sample back until it is opened."""

    def __init__(self) -> None:
        self.samples = 0
        self.challenges: list[Challenge] = []
        self.fail = False
        self.began = asyncio.Event()
        self.gate: asyncio.Event | None = None

    def sample(self, challenge: Challenge) -> tuple[Signal, ...]:
        self.samples += 1
        self.challenges.append(challenge)
        if self.fail:
            raise ProbeError("cannot look")
        return (Counter(name=kit.CPU_SIGNAL, epoch="e1", value=self.samples),)


def quiet_log() -> structlog.typing.FilteringBoundLogger:
    """Return a logger that goes nowhere."""
    return structlog.wrap_logger(
        structlog.ReturnLogger(), wrapper_class=structlog.make_filtering_bound_logger("critical")
    )


async def until(holds: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    """Wait until `holds()` is true, on the real clock.

    Raises:
        TimeoutError: It did not become true in time.
    """
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - a condition of plain objects has no event
            await asyncio.sleep(0.005)


def envelopes_in(messages: list[Inbound], topic: str) -> list[Envelope]:
    """Return the envelopes that came in on a topic."""
    return [envelope for message in messages if message.topic == topic for envelope in split_frame(message.payload)]


def receipt_of(envelope: Envelope, site: str, label: str | None = None) -> Receipt:
    """Verify and read a receipt of a site's agent, or of whoever has the key that belongs to `label`."""
    key = PublicKey.load(kit.public_of(label or kit.agent_label(site)))
    receipt, _ = open_envelope(envelope, Receipt, {key.key_id: key})
    return receipt
