"""What a simulated run is made to bear: a bad network, machines whose clocks are wrong, witnesses that lie."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from agents.probes.base import Probe
from protocols.clock import Clock
from protocols.messages import Challenge, Counter, Signal
from tests.kit import NOW_NS

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network does to each message. Messages overtake each other, as each is delayed by itself.

    Attributes:
        loss: The share that is lost.
        twice: The share that comes twice.
        delay_s: The most that a message takes.
    """

    loss: float = 0.0
    twice: float = 0.0
    delay_s: float = 0.01


class MachineClock:
    """The clock of one machine, since one boot.

    Args:
        true: The true clock.
        boot: Which boot of all machines this is; each has its own id, and its boot clock begins anew.
        skew_ns: How far its wall clock is ahead.
        drift_ppm: How much its boot clock is fast, in millionths.

    Attributes:
        skew_ns: May be changed at any time: the wall clock then jumps.
    """

    def __init__(self, true: Clock, boot: int, *, skew_ns: int = 0, drift_ppm: int = 0) -> None:
        self._true, self._since_ns, self._drift_ppm = true, true.boot_ns(), drift_ppm
        self.skew_ns = skew_ns
        self.boot_id = f"00000000-0000-4000-8000-{boot:012x}"

    def wall_ns(self) -> int:
        """Return the wall time as this machine has it."""
        return NOW_NS + self._true.boot_ns() + self.skew_ns

    def boot_ns(self) -> int:
        """Return the time since this boot, as this machine measures it."""
        elapsed_ns = self._true.boot_ns() - self._since_ns
        return elapsed_ns + elapsed_ns * self._drift_ppm // 1_000_000

    def sleep(self, duration_s: float) -> Coroutine[Any, Any, None]:
        """Wait, by this machine's clock."""
        return self._true.sleep(duration_s / (1 + self._drift_ppm / 1e6))


class Liar:
    """A probe that shows steady work, or none, from a moment on, whatever the site does.

    Args:
        honest: What really looks.
        per_s: How much of each signal it claims to see grow in a second.
        active: Whether it claims work; else it claims that nothing moves.
        since_ns: From when on it lies, by the true clock.
        for_ns: How long; then it goes on from there by what is really done. None: for ever.

    Attributes:
        since_ns: May be set as long as it is ahead.
    """

    def __init__(
        self,
        honest: Probe,
        per_s: dict[str, int],
        *,
        active: bool,
        since_ns: int,
        clock: Clock,
        for_ns: int | None = None,
    ) -> None:
        self._honest, self._per_s, self._active, self._clock = honest, per_s, active, clock
        self.since_ns, self._for_ns = since_ns, for_ns
        self._last: dict[str, int] = {}
        self._ahead: dict[str, int] = {}

    def sample(self, challenge: Challenge) -> tuple[Signal, ...]:
        """Look, and say something else."""
        return tuple(self._bent(signal) for signal in self._honest.sample(challenge))

    def _bent(self, signal: Signal) -> Signal:
        if not isinstance(signal, Counter):
            return signal
        lied_ns = self._clock.boot_ns() - self.since_ns
        if lied_ns < 0:
            self._last[signal.name] = signal.value
            return signal
        if self._for_ns is not None and lied_ns > self._for_ns:
            shown = signal.value + self._ahead.get(signal.name, 0)
        else:
            grown = self._per_s.get(signal.name, 0) * lied_ns // NS if self._active else 0
            shown = self._last.get(signal.name, signal.value) + grown
            self._ahead[signal.name] = shown - signal.value
        return signal.model_copy(update={"value": shown})
