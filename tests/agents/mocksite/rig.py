"""A simulated site without its agent: the world, the driver and one witness's probe, on a clock set by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agents.feed import MemoryFeed
from agents.mocksite.driver import MockDriver
from agents.mocksite.offload import NotYet
from agents.mocksite.probe import MockProbe
from agents.mocksite.world import World
from protocols.controls import Params
from protocols.messages import Counter, Fact, Peak, Signal
from protocols.mock_config import Fault, FaultConfig, Look, MockConfig, PowerConfig, register_of, work_rates
from tests import kit

S = 1_000_000_000
SECRET = "5e" * 16


def config_of(*faults: Fault | FaultConfig, site: str = "alpha", **changes: Any) -> MockConfig:
    """Make a simulated site's configuration with faults, and a UPS that lasts two seconds."""
    listed = tuple(FaultConfig(kind=fault) if isinstance(fault, Fault) else fault for fault in faults)
    fields: dict[str, Any] = {"power": PowerConfig(ups_ride_through_s=2.0, boot_s=1.0), "faults": listed}
    return MockConfig(site=site, device_secret=SECRET, **(fields | changes))


class HandClock:
    """A clock that stands still until it is moved."""

    boot_id = "00000000-0000-4000-8000-00000000000b"

    def __init__(self) -> None:
        self.now_ns = 100 * S

    def boot_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return kit.NOW_NS + self.now_ns

    async def sleep(self, duration_s: float) -> None:
        self.now_ns += round(duration_s * S)


class Rig:
    """The world, its driver, and probes by the names of their witnesses."""

    def __init__(self, config: MockConfig | None = None) -> None:
        self.config = config or config_of()
        self.clock = HandClock()
        self.feed = MemoryFeed()
        self.world = World(self.config, now_ns=self.clock.now_ns, feed=self.feed.state)
        self.driver = MockDriver(self.world, work_rates(self.config), self.clock)
        self.fleet = kit.make_fleet(("alpha",))
        self._probes: dict[str, MockProbe] = {}
        self._challenges = 0

    def pass_s(self, seconds: float) -> None:
        """Let time go by; nobody looks."""
        self.clock.now_ns += round(seconds * S)

    def apply(self, params: Params, *, limit_s: float = 60.0) -> float:
        """Apply a control, with the patience of the real offload; return how long it took."""
        return self._patiently(lambda: self.driver.apply(params, lambda: False), limit_s)

    def restore(self, *, limit_s: float = 60.0) -> float:
        """Restore; return how long it took."""
        return self._patiently(self.driver.restore, limit_s)

    def _patiently(self, call: Any, limit_s: float) -> float:
        began_ns = self.clock.now_ns
        while True:
            try:
                call()
            except NotYet as wait:
                self.pass_s(wait.after_s)
                assert self.clock.now_ns - began_ns < limit_s * S, "it is never done"
            else:
                return (self.clock.now_ns - began_ns) / S

    def look(self, exercise: Params | None = None, *, witness: str = "w1") -> Seen:
        """Have a witness answer a challenge."""
        if witness not in self._probes:
            register = register_of(self.config)
            self._probes[witness] = MockProbe(self.world, witness, tuple(Look), register=register, clock=self.clock)
        self._challenges += 1
        challenge = self.fleet.challenge(self._challenges, exercise=exercise)
        return Seen(self._probes[witness].sample(challenge))

    def rates(self, span_s: float = 2.0, *, witness: str = "w1") -> dict[str, float]:
        """Return every counter's rate over the coming span, per second, as a witness sees it."""
        before = self.look(witness=witness).counters
        self.pass_s(span_s)
        after = self.look(witness=witness).counters
        return {name: (after[name] - before[name]) / span_s for name in before}

    def steady(self, *, but: Iterable[str] = ()) -> bool:
        """Tell whether every counter (but some) is in the band of the site's record."""
        rates = self.rates()
        return all(
            rate.band_min_per_s <= rates[rate.signal] <= rate.band_max_per_s
            for rate in work_rates(self.config)
            if rate.signal not in but
        )

    def quiet(self, *, span_s: float = 2.0) -> bool:
        """Tell whether every counter is quiet."""
        rates = self.rates(span_s)
        return all(rates[rate.signal] <= rate.quiet_per_s for rate in work_rates(self.config))


class Seen:
    """What one reading says."""

    def __init__(self, signals: tuple[Signal, ...]) -> None:
        self.counters = {one.name: one.value for one in signals if isinstance(one, Counter)}
        self.peaks = {one.name: one.value for one in signals if isinstance(one, Peak)}
        self.facts = {one.name: one.value for one in signals if isinstance(one, Fact)}
        self.digests = {one.name: one.digest for one in signals if isinstance(one, Fact)}
