"""A brute-force model of a site and its witnesses: what truly happened, and what was sent.

All true times are milliseconds; the counter is in microseconds of work, so a load at full speed
adds exactly 1,000 units a millisecond and nothing is rounded unless a quantum asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from orchestrator.core.judge import ReceiptSeen, StepInputs
from orchestrator.core.samples import Instant, Sample, Track
from protocols.controls import PauseParams, ShutdownParams
from protocols.messages import KeyRecord, Outcome, SiteRecord, Step, WitnessEntry, WorkRate

MS = 1_000_000
FULL_PER_MS = 1_000
CPU = "cpu_time_us"
PROCESSES = "live_processes"
DIGEST = "0" * 64
WHEN = "2026-11-24T13:43:58.000000000Z"


def at(ms: float, epoch: int = 1) -> Instant:
    """Return the instant `ms` milliseconds into a clock epoch."""
    return Instant(epoch, round(ms * MS))


def digest(text: str) -> str:
    """Return a digest for a made-up message."""
    return sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Load:
    """True work: full speed in the [start, stop) intervals, and `background_per_ms` all the time."""

    on: tuple[tuple[int, int], ...]
    background_per_ms: int = 0

    def work(self, until_ms: int) -> int:
        """Return the true cumulative work at a time."""
        busy = sum(max(0, min(stop, until_ms) - start) for start, stop in self.on if start < until_ms)
        return busy * FULL_PER_MS + max(0, until_ms) * self.background_per_ms

    def last_on_before(self, until_ms: float) -> int:
        """Return when the load was last on before a time (0 when never)."""
        return max((min(stop, int(until_ms)) for start, stop in self.on if start < until_ms), default=0)

    def busy_in(self, start_ms: int, stop_ms: int) -> bool:
        """Return whether the load was on at any moment strictly between."""
        return any(max(start, start_ms) < min(stop, stop_ms) for start, stop in self.on)


@dataclass(frozen=True)
class Shot:
    """One sample: when it was truly taken, its latency each way, and what became of it."""

    at_ms: int
    delay_ms: int = 2
    lost: bool = False
    refilled_ms: int | None = None


@dataclass
class Witness:
    """One witness: honest if its load is the site's."""

    name: str
    owner: str
    load: Load
    shots: Sequence[Shot]
    latch_ms: int = 2
    deaf_to: frozenset[int] = frozenset()
    quantum: int = 1
    epoch_changes_ms: tuple[int, ...] = ()
    covers: tuple[str, ...] = (CPU, PROCESSES)
    closes: bool = True

    def messages(self, challenges: Sequence[int], close_ms: int) -> list[tuple[Instant | None, Sample, str, str]]:
        """Return (arrival or None when lost for good, sample, prev, digest) in chain order."""
        result: list[tuple[Instant | None, Sample, str, str]] = []
        prev = DIGEST
        last_ms = 0
        shots = [(shot, False) for shot in sorted(self.shots, key=lambda shot: shot.at_ms)]
        if self.closes:
            shots.append((Shot(close_ms), True))
        for seq, (shot, closing) in enumerate(shots, start=1):
            heard = [k for k, issued in enumerate(challenges, start=1) if issued + self.latch_ms <= shot.at_ms]
            heard = [k for k in heard if k not in self.deaf_to]
            arrival_ms = shot.refilled_ms if shot.lost else shot.at_ms + shot.delay_ms
            arrival = None if arrival_ms is None else at(max(arrival_ms, shot.at_ms + shot.delay_ms))
            resets = sum(change <= shot.at_ms for change in self.epoch_changes_ms)
            count = self.load.work(shot.at_ms) // self.quantum * self.quantum
            sample = Sample(
                seq=seq,
                quoted=heard[-1] if heard else None,
                arrival=arrival or at(0),
                counters={} if closing else {CPU: (f"e{resets}", count)},
                peaks={} if closing else {PROCESSES: int(self.load.busy_in(last_ms - 1, shot.at_ms + 1))},
                link_only=closing,
            )
            own = digest(f"{self.name} {seq} {sample}")
            result.append((arrival, sample, prev, own))
            prev, last_ms = own, shot.at_ms
        return result


@dataclass
class World:
    """A whole step as it truly happened. Change a field, then take `inputs()`."""

    load: Load
    witnesses: list[Witness]
    challenges: list[int]
    preflight_ms: int = 0
    ordered_ms: int = 2_000
    published_ms: int = 2_001
    released_ms: int | None = 6_000
    ended_ms: int = 9_500
    close_ms: int = 9_400
    receipts: list[tuple[Outcome, int]] = field(
        default_factory=lambda: [(Outcome.ACCEPTED, 2_010), (Outcome.HALTED, 2_400), (Outcome.RESTORED, 6_300)]
    )
    report: dict[str, Any] = field(default_factory=dict)
    site_owner: str = "site-owner"
    eps_per_s: int = 0
    band: tuple[int, int] = (300_000, 1_100_000)
    quorum: int = 2
    response_limit_s: float = 2.0
    dwell_s: float = 1.0
    max_gap_s: float = 0.6
    hold_s: float = 4.0
    restore_limit_s: float = 1.5
    params: PauseParams | ShutdownParams = field(default_factory=PauseParams)
    aborted: bool = False
    live: bool = False

    def record(self) -> SiteRecord:
        """Return the site record."""
        low, high = self.band
        return SiteRecord.model_validate(
            {
                "fleet": DIGEST,
                "site": "site-1",
                "record_version": 1,
                "index_version": 1,
                "issued_at": WHEN,
                "expires_at": WHEN,
                "owner": self.site_owner,
                "mock": False,
                "attributes": (),
                "agent_keys": (KeyRecord(public=digest("agent")),),
                "operator_keys": (),
                "witnesses": tuple(
                    WitnessEntry(name=w.name, owner=w.owner, key=KeyRecord(public=digest(w.name)), covers=w.covers)
                    for w in self.witnesses
                ),
                "controls": ("pause", "shutdown"),
                "work": (WorkRate(signal=CPU, quiet_per_s=self.eps_per_s, band_min_per_s=low, band_max_per_s=high),),
                "max_hold_s": 60.0,
                "max_total_held_s": 600.0,
            },
            strict=False,
        )

    def step(self) -> Step:
        """Return the step."""
        return Step(
            name="step",
            params=self.params,
            hold_s=self.hold_s,
            response_limit_s=self.response_limit_s,
            dwell_s=self.dwell_s,
            restore_limit_s=self.restore_limit_s,
            quorum=self.quorum,
            max_gap_s=self.max_gap_s,
        )

    def arrivals(self) -> list[tuple[Instant, str, Sample, str, str]]:
        """Return every message that ever arrived, by arrival: (arrival, witness, sample, prev, digest)."""
        return sorted(
            (
                (arrival, witness.name, sample, prev, own)
                for witness in self.witnesses
                for arrival, sample, prev, own in witness.messages(self.challenges, self.close_ms)
                if arrival is not None
            ),
            key=lambda item: (item[0], item[1], item[2].seq),
        )

    def inputs(self, until_ms: int | None = None) -> StepInputs:
        """Return what the judge is given, at the end or live at `until_ms`."""
        now = at(self.ended_ms if until_ms is None else until_ms)
        tracks = {witness.name: Track() for witness in self.witnesses}
        for arrival, name, sample, prev, own in self.arrivals():
            if arrival <= now:
                tracks[name].add(sample, prev, own)
        return self.around(tracks, now, live=self.live or until_ms is not None)

    def around(self, tracks: dict[str, Track], now: Instant, *, live: bool) -> StepInputs:
        """Return the inputs with these tracks as known at `now`."""
        released = at(self.released_ms) if self.released_ms is not None else None
        released = released if released is not None and released <= now else None
        closed = frozenset(
            witness.name
            for witness in self.witnesses
            if witness.closes and tracks[witness.name].holds(1, len(witness.shots) + 1)
        )
        return StepInputs(
            record=self.record(),
            step=self.step(),
            tracks=tracks,
            issues={k: at(ms) for k, ms in enumerate(self.challenges, start=1)},
            preflight_from=at(self.preflight_ms),
            ordered=at(self.ordered_ms),
            published=at(self.published_ms),
            released=released,
            release_published=released.plus(MS) if released is not None else None,
            ended=now,
            receipts=tuple(
                ReceiptSeen(kind, at(ms), **(self.report if kind is Outcome.HALTED else {}))
                for kind, ms in self.receipts
                if at(ms) <= now
            ),
            closed=None if live else closed,
            aborted=self.aborted,
        )

    def with_witness(self, witness: Witness) -> World:
        """Return the same world with one witness more."""
        return replace(self, witnesses=[*self.witnesses, witness])


ON_OFF_ON = Load(((0, 2_300), (6_200, 10_000)))
"""Works, halts 300 ms after the order, and is back 200 ms after the release."""


def regular(name: str, owner: str, load: Load = ON_OFF_ON, *, offset_ms: int = 20, **more: object) -> Witness:
    """Return a witness that samples every 200 ms."""
    shots = [Shot(ms + offset_ms) for ms in range(0, 9_300, 200)]
    return Witness(name, owner, load, shots, **more)  # type: ignore[arg-type]


def usual(load: Load = ON_OFF_ON) -> World:
    """Return a world in which all goes well: three honest witnesses of three owners, quorum 2."""
    witnesses = [
        regular("w1", "owner-1", load),
        regular("w2", "owner-2", load, offset_ms=30),
        regular("w3", "owner-3", load, offset_ms=45),
    ]
    return World(load=load, witnesses=witnesses, challenges=list(range(0, 9_300, 200)))
