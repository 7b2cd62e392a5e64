"""Power: what the site draws, its UPS, and meters that sample. Time is an argument throughout."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agents.mocksite.chance import signed_unit
from agents.mocksite.jobs import NS_PER_S, Job
from protocols.mock_config import MockConfig

SAMPLES_KEPT = 1024


def draw_w(config: MockConfig, jobs: tuple[Job, ...], clocks: tuple[float, ...], devices: int) -> float:
    """Return what a powered site draws, in watts.

    Args:
        config: The site.
        jobs: Its jobs.
        clocks: The rate of each job.
        devices: How many accelerators there are.
    """
    chips = config.accelerators
    idle_w = chips.tdp_w * chips.idle_fraction
    span_w = chips.tdp_w - idle_w
    active_w = sum(
        span_w * job.config.accelerators * float(clock**chips.power_exponent)
        for job, clock in zip(jobs, clocks, strict=True)
        if job.alive and clock > 0
    )
    return devices * (idle_w + config.power.host_w) + active_w


class SampledPower:
    """True power at the moments when a meter samples, every `meter_interval_s`.

    Args:
        interval_s: Between two samples.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_ns = round(interval_s * NS_PER_S)
        self._samples: deque[tuple[int, float]] = deque(maxlen=SAMPLES_KEPT)

    def record(self, from_ns: int, to_ns: int, power_w: Callable[[float], float]) -> None:
        """Sample a span, its end included.

        Args:
            from_ns: Begin of the span.
            to_ns: End of it.
            power_w: Power so many seconds after the begin.
        """
        first = from_ns // self._interval_ns + 1
        last = to_ns // self._interval_ns
        for number in range(max(first, last - SAMPLES_KEPT + 1), last + 1):
            at_s = (number * self._interval_ns - from_ns) / NS_PER_S
            self._samples.append((number, power_w(at_s)))

    def first(self, now_ns: int, power_w: float) -> None:
        """Take the sample that a meter shows before the first whole interval."""
        self._samples.append((now_ns // self._interval_ns, power_w))

    def since(self, number: int) -> tuple[tuple[int, float], ...]:
        """Return the samples after sample `number`, and always the newest, which the display still shows."""
        newer = [sample for sample in self._samples if sample[0] > number]
        return tuple(newer) or (self._samples[-1],)


class Meter:
    """One meter: its own error on each sample, and the peak since it was last read.

    Args:
        samples: What it samples.
        seed: Makes its errors.
        name: Whose meter it is; each has errors of its own.
        noise: Its largest relative error.
    """

    def __init__(self, samples: SampledPower, *, seed: int, name: str, noise: float) -> None:
        self._samples = samples
        self._seed = seed
        self._name = name
        self._noise = noise
        self._read_to = -1

    def peak_w(self) -> int:
        """Return the largest sample since the last reading, whole watts."""
        samples = self._samples.since(self._read_to)
        self._read_to = samples[-1][0]
        return max(
            round(power_w * (1 + self._noise * signed_unit(self._seed, self._name, number)))
            for number, power_w in samples
        )
