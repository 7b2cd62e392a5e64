"""A site whose every signal is a step function of true time, and honest witnesses that sample it.

The usual course: ordered at 2.0 s, as ordered from 2.3 s, released at 6.0 s, as before from 6.2 s,
watched until 9.5 s. Three witnesses of three owners sample every 200 ms, quorum 2, dwell 1 s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from orchestrator.core.battery import CaseAnswer
from orchestrator.core.causes import Cause
from orchestrator.core.judge import ReceiptSeen, StepInputs
from orchestrator.core.samples import Sample, Track
from protocols import signals as s
from protocols.controls import Control, Params
from protocols.messages import (
    EnforcerEntry,
    KeyRecord,
    OffLevel,
    Outcome,
    Rung,
    SiteRecord,
    Step,
    WitnessEntry,
    WorkRate,
)
from tests.orchestrator.core.world import DIGEST, WHEN, at, digest

WORK = "work_all"
TRAIN, EVALS = "work_train", "work_evals"
REGISTER = "a" * 64
FULL = 1_000
"""Units a millisecond of a counter at full speed; the band is 600 to 1,200 a millisecond."""

Steps = tuple[tuple[int, Any], ...]
"""(from ms, value), by rising time."""


def during(exercised: Any, usual: Any, *, start: int = 2_300, stop: int = 6_200) -> Steps:
    """Return a course that is `exercised` from start to stop, and `usual` before and after."""
    return ((0, usual), (start, exercised), (stop, usual))


def always(value: Any) -> Steps:
    """Return a course that never changes."""
    return ((0, value),)


def value_at(steps: Steps, ms: int) -> Any:
    """Return the value at a time."""
    return next(value for start, value in reversed(steps) if start <= ms)


def integral(steps: Steps, until_ms: int) -> int:
    """Return the work done by a time."""
    ends = [start for start, _ in steps[1:]] + [until_ms]
    return round(
        sum(value * max(0, min(end, until_ms) - start) for (start, value), end in zip(steps, ends, strict=True))
    )


def peak(steps: Steps, after_ms: int, until_ms: int) -> int:
    """Return the largest value since a time."""
    inside = [value for start, value in steps if after_ms < start <= until_ms]
    return int(max([value_at(steps, max(0, after_ms)), *inside]))


def rate(signal: str, workload: str | None = None, *, quiet: int = 10_000) -> WorkRate:
    """Return the load band of one counter."""
    return WorkRate(
        signal=signal, quiet_per_s=quiet, band_min_per_s=600_000, band_max_per_s=1_200_000, workload=workload
    )


@dataclass(frozen=True)
class Watcher:
    """A witness: whose it is, when it samples and how long its readings take, ms; each up to `jitter_ms` later."""

    name: str
    owner: str
    offset_ms: int = 20
    delay_ms: int = 2
    sees: Mapping[str, Steps] = field(default_factory=dict)
    covers: frozenset[str] | None = None
    until_ms: int = 9_500
    jitter_ms: int = 0
    seed: int = 0


WATCHERS = (Watcher("w1", "owner-1"), Watcher("w2", "owner-2", 30), Watcher("w3", "owner-3", 45))


@dataclass(frozen=True)
class Scene:
    """One rung as it truly happened. `replace` a field, then take `inputs()`."""

    params: Params
    counters: Mapping[str, Steps] = field(default_factory=lambda: {WORK: during(0, FULL)})
    peaks: Mapping[str, Steps] = field(default_factory=dict)
    facts: Mapping[str, Steps] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=lambda: {s.CENSUS_REGISTRY: REGISTER})
    work: tuple[WorkRate, ...] = (rate(WORK),)
    witnesses: tuple[Watcher, ...] = WATCHERS
    receipts: tuple[tuple[Outcome, int], ...] = ((Outcome.ACCEPTED, 2_010), (Outcome.HALTED, 2_400))
    report: Mapping[str, Any] = field(default_factory=dict)
    battery: tuple[CaseAnswer, ...] = ()
    ladder: tuple[Rung, ...] = ()
    challenge_ms: int = 200
    ordered_ms: int | None = 2_000
    released_ms: int | None = 6_000
    ended_ms: int = 9_500
    stopped_ms: int | None = None
    expires_ms: int | None = None
    climbed_ms: int | None = None
    why_next: Cause | None = None
    rung: int = 0
    limit_s: float = 2.0
    hold_s: float = 30.0
    off_levels: tuple[OffLevel, ...] = ()
    enforcers: tuple[EnforcerEntry, ...] = ()
    live: bool = False

    def record(self) -> SiteRecord:
        """Return the site record."""
        seen = frozenset({*self.counters, *self.peaks, *self.facts})
        return SiteRecord(
            fleet=DIGEST,
            site="site-1",
            record_version=1,
            index_version=1,
            issued_at=WHEN,
            expires_at=WHEN,
            owner="site-owner",
            mock=True,
            attributes=(),
            agent_keys=(KeyRecord(public=digest("agent")),),
            operator_keys=(),
            witnesses=tuple(
                WitnessEntry(
                    name=w.name,
                    owner=w.owner,
                    key=KeyRecord(public=digest(w.name)),
                    covers=tuple(sorted(seen if w.covers is None else w.covers)),
                )
                for w in self.witnesses
            ),
            controls=tuple(Control),
            work=self.work,
            max_hold_s=60.0,
            max_total_held_s=600.0,
            enforcers=self.enforcers,
            off_levels=self.off_levels,
            registry=REGISTER,
        )

    def step(self) -> Step:
        """Return the step."""
        return Step(
            name="step",
            params=self.params,
            hold_s=self.hold_s,
            response_limit_s=self.limit_s,
            dwell_s=1.0,
            restore_limit_s=2.0,
            quorum=2,
            max_gap_s=0.6,
            ladder=self.ladder,
        )

    def track(self, watcher: Watcher) -> Track:
        """Return what one witness said."""
        track, prev, last_ms = Track(), DIGEST, -1
        rng = Random(watcher.seed)
        for seq, due_ms in enumerate(range(watcher.offset_ms, min(watcher.until_ms, self.ended_ms), self.challenge_ms)):
            ms = due_ms + rng.randint(0, watcher.jitter_ms)
            said = {**self.counters, **self.peaks, **self.facts, **watcher.sees}
            sample = Sample(
                seq=seq,
                quoted=(ms - 2) // self.challenge_ms + 1,
                arrival=at(ms + watcher.delay_ms + rng.randint(0, watcher.jitter_ms)),
                counters={name: ("e0", integral(said[name], ms)) for name in self.counters},
                peaks={name: peak(said[name], last_ms, ms) for name in self.peaks},
                facts={name: value for name in self.facts if (value := value_at(said[name], ms)) is not None},
                digests=self.digests,
            )
            own = digest(f"{watcher.name} {seq} {sample}")
            track.add(sample, prev, own)
            prev, last_ms = own, ms
        return track

    def inputs(self) -> StepInputs:
        """Return what the judge is given."""

        def moment(ms: int | None) -> Any:
            return None if ms is None or ms > self.ended_ms else at(ms)

        return StepInputs(
            record=self.record(),
            step=self.step(),
            tracks={watcher.name: self.track(watcher) for watcher in self.witnesses},
            issues={n + 1: at(ms) for n, ms in enumerate(range(0, self.ended_ms, self.challenge_ms))},
            preflight_from=at(0),
            ordered=moment(self.ordered_ms),
            published=None if self.ordered_ms is None else moment(self.ordered_ms + 1),
            released=moment(self.released_ms),
            release_published=None if self.released_ms is None else moment(self.released_ms + 1),
            ended=at(self.ended_ms),
            receipts=tuple(
                ReceiptSeen(kind, at(ms), **(self.report if kind in {Outcome.HALTED, Outcome.FAILED} else {}))
                for kind, ms in self.receipts
                if ms <= self.ended_ms
            ),
            closed=None if self.live else frozenset(watcher.name for watcher in self.witnesses),
            rung=self.rung,
            climbed=moment(self.climbed_ms),
            why_next=self.why_next,
            expires=moment(self.expires_ms),
            stopped=moment(self.stopped_ms),
            battery=self.battery,
        )

    def one_sees(self, **courses: Steps) -> Scene:
        """Return the same with a first witness that sees some signals otherwise."""
        first = replace(self.witnesses[0], sees={**self.witnesses[0].sees, **courses})
        return replace(self, witnesses=(first, *self.witnesses[1:]))

    def seen(self, **courses: Steps) -> Scene:
        """Return the same with other courses of some signals, for all witnesses."""

        def changed(old: Mapping[str, Steps]) -> dict[str, Steps]:
            return {name: courses.get(name, steps) for name, steps in old.items()}

        known: Sequence[str] = [*self.counters, *self.peaks, *self.facts]
        assert set(courses) <= set(known)
        return replace(self, counters=changed(self.counters), peaks=changed(self.peaks), facts=changed(self.facts))
