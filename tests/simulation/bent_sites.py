"""Simulated sites and instruments that are wrong in one way each that no configured fault covers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agents.mocksite.devices import Answer, Devices
from agents.mocksite.network import Network
from agents.mocksite.probe import MockProbe
from agents.mocksite.scheduler import Scheduler
from protocols.clock import Clock
from protocols.controls import Params, RunCapParams
from protocols.messages import Challenge, Peak, Signal
from protocols.mock_config import Fault, Look, register_of
from protocols.signals import POWER
from tests.simulation.bent_parties import Bent, bend_agent, driver_of
from tests.simulation.harness import Simulation


class Unplugged(MockProbe):
    """A probe whose power meter was taken off the feed: it shows nothing, whatever is drawn."""

    def sample(self, challenge: Challenge) -> tuple[Signal, ...]:
        return tuple(
            signal.model_copy(update={"value": 0}) if isinstance(signal, Peak) and signal.name == POWER else signal
            for signal in super().sample(challenge)
        )


def meters_are_unplugged(sites: Simulation, site: str) -> None:
    """Every power meter of the site shows nothing at all times."""
    world, register = sites.sites[site].world, register_of(sites.configs[site])
    for name in tuple(sites.sites[site].witnesses):
        sites.hire(site, name, Unplugged(world, name, tuple(Look), register=register, clock=sites.clock))


class Generous(Scheduler):
    """A scheduler whose cap is half as high again."""

    def size(self, accelerators: int, hours: float, unit: str) -> float:
        return super().size(accelerators, hours, unit) / 1.5


class Mean(Scheduler):
    """A scheduler whose cap is half as high."""

    def size(self, accelerators: int, hours: float, unit: str) -> float:
        return super().size(accelerators, hours, unit) * 2


def works_behind_the_meter(sites: Simulation, site: str) -> None:
    """Once the feed is off, something feeds the site that no meter sees: it works on."""
    world = sites.sites[site].world
    drawn_w = world._power_w
    world.faults.switch(Fault.UPS_KEEPS_FEEDING, on=True)
    world._power_w = lambda after_s: drawn_w(after_s) if world._feed_on else 0.0  # type: ignore[method-assign]


def caps_too_high(sites: Simulation, site: str) -> None:
    """The cap that is set is half as high again as the one that was ordered."""
    sites.sites[site].world.scheduler.__class__ = Generous


def caps_too_low(sites: Simulation, site: str) -> None:
    """The cap that is set is half of the one that was ordered."""
    sites.sites[site].world.scheduler.__class__ = Mean


def pauses_for_the_cap(sites: Simulation, site: str) -> None:
    """Setting the cap takes the running jobs down for a while."""
    honest = driver_of(sites, site)

    def apply(params: Params, cancelled: Callable[[], bool]) -> str:
        if isinstance(params, RunCapParams):
            for job in sites.sites[site].world._jobs:
                job.jump(0.0)
        return honest.apply(params, cancelled)

    bend_agent(sites, site, driver=Bent(honest, apply=apply))


class Leak(Network):
    """An egress that, isolated, holds everything back, and lets it out a while later.

    Args:
        honest: The path that it takes the place of.
        clock: The true clock.
    """

    LATER_NS = 1_500_000_000

    def __init__(self, honest: Network, clock: Clock) -> None:
        super().__init__(honest._faults)
        self._clock = clock
        self._kept: deque[tuple[int, str]] = deque()

    def send(self, token: str, *, isolated: bool, powered: bool) -> bool:
        if isolated and powered:
            self._kept.append((self._clock.boot_ns() + self.LATER_NS, token))
        return super().send(token, isolated=isolated, powered=powered)

    def seen_outside(self, token: str) -> bool:
        while self._kept and self._kept[0][0] <= self._clock.boot_ns():
            self._outside.append(self._kept.popleft()[1])
        return super().seen_outside(token)


def leaks_later(sites: Simulation, site: str) -> None:
    """What is sent from the isolated site fails for its sender, and gets out a while later."""
    world = sites.sites[site].world
    world.network = Leak(world.network, sites.clock)


def _with_devices(sites: Simulation, site: str, kind: Callable[..., Devices]) -> None:
    world = sites.sites[site].world
    world.devices = kind(world.config, world.faults, destroyed=False)


class Stale(Devices):
    """Accelerators that answer every nonce as they answered the first."""

    first: tuple[Answer, ...] | None = None

    def answers(self, nonce: str, *, powered: bool) -> tuple[Answer, ...]:
        self.first = super().answers(nonce, powered=powered) if self.first is None else self.first
        return self.first


def answers_from_memory(sites: Simulation, site: str) -> None:
    """The accelerators' answers are an earlier census's."""
    _with_devices(sites, site, Stale)


class Moved(Devices):
    """Accelerators that are moved away in place of being destroyed: nobody counts them, and they still answer."""

    def answers(self, nonce: str, *, powered: bool) -> tuple[Answer, ...]:
        there = Devices(self._config, self._faults, destroyed=False)
        return there.answers(nonce, powered=True)


def moves_its_devices(sites: Simulation, site: str) -> None:
    """Fired, the accelerators are carried to the next room, and answer a census from there."""
    _with_devices(sites, site, Moved)


class Phoenix(Devices):
    """Accelerators that are there again a while after they were destroyed."""

    clock: Clock
    away_ns: int = 5_000_000_000
    gone_ns: int | None = None

    def destroy(self) -> None:
        self.gone_ns = self.clock.boot_ns() if self.gone_ns is None else self.gone_ns
        super().destroy()

    @property
    def count(self) -> int:
        if self.gone_ns is not None and self.clock.boot_ns() > self.gone_ns + self.away_ns:
            return self._config.accelerators.count
        return super().count


def rises_again(sites: Simulation, site: str) -> None:
    """Fired, the accelerators are gone for a while, and then there again."""
    _with_devices(sites, site, Phoenix)
    devices = sites.sites[site].world.devices
    assert isinstance(devices, Phoenix)
    devices.clock = sites.clock
