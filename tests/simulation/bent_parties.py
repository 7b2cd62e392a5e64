"""Agents and enforcers that are wrong in one way each: their own code, with one part bent before they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from agents.acting import Driver
from agents.agent import Agent
from agents.mocksite.offload import NotYet
from agents.mocksite.world import World
from agents.observation import Observation, SiteState, states_under
from protocols.controls import IsolateParams, Params, PauseParams, SlowdownParams
from protocols.messages import Proof
from protocols.transport.base import Inbound, Transport
from tests.simulation.harness import ENFORCER, Simulation


class Bent:
    """A driver some of whose calls are another's.

    Args:
        honest: The driver.
        calls: What is called in place of its own, by name.
    """

    def __init__(self, honest: Driver, **calls: Any) -> None:
        self._honest = honest
        self.__dict__.update(calls)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)


def driver_of(sites: Simulation, site: str) -> Driver:
    """Return the driver of a site's agent."""
    return sites.sites[site].agent._parts.driver


def pretend(honest: Driver, act: Callable[[Any, Callable[[], bool]], str]) -> Bent:
    """Return a driver that acts in its own way, and claims until it restores that it did as ordered."""
    claims: list[SiteState] = []

    def apply(params: Params, cancelled: Callable[[], bool]) -> str:
        done = act(params, cancelled)
        claims.append(states_under(params)[0])
        return done

    def observe() -> Observation:
        seen = honest.observe()
        return replace(seen, state=claims[-1], ours=True) if claims else seen

    def restore() -> str:
        claims.clear()
        return honest.restore()

    return Bent(honest, apply=apply, observe=observe, restore=restore)


def bend_agent(sites: Simulation, site: str, **changes: Any) -> None:
    """Have a site's agent be made of other parts."""
    built = sites.sites[site]
    built.agent = Agent(replace(built.agent._parts, **changes))


def acts_otherwise(sites: Simulation, site: str, other: Callable[[Any], Params]) -> None:
    """Have a site's agent do something else than what was ordered, and claim that it did as ordered."""
    honest = driver_of(sites, site)
    bend_agent(sites, site, driver=pretend(honest, lambda params, cancelled: honest.apply(other(params), cancelled)))


def skips_permissions(sites: Simulation, site: str) -> None:
    """The agent rehearses everything but its permissions."""
    honest = driver_of(sites, site)
    bend_agent(
        sites, site, driver=Bent(honest, rehearse=lambda params: _without(honest.rehearse(params), "permissions"))
    )


def _without(proofs: Sequence[Proof], step: str) -> tuple[Proof, ...]:
    return tuple(proof for proof in proofs if proof.step != step)


def comes_back_at_half(sites: Simulation, site: str) -> None:
    """The agent restores the site and reports it, and one job works at half its rate."""
    honest, world = driver_of(sites, site), sites.sites[site].world

    def restore() -> str:
        done = honest.restore()
        world._jobs[0].jump(0.5)
        return done

    bend_agent(sites, site, driver=Bent(honest, restore=restore))


def halts_late(sites: Simulation, site: str) -> None:
    """The agent begins to halt only six seconds after it should."""
    honest = driver_of(sites, site)
    since: list[int] = []

    def apply(params: Params, cancelled: Callable[[], bool]) -> str:
        since.append(sites.clock.boot_ns())
        if since[-1] - since[0] < 6_000_000_000:
            raise NotYet("in a while", after_s=0.2)
        return honest.apply(params, cancelled)

    bend_agent(sites, site, driver=Bent(honest, apply=apply))


def halts_to_rehearse(sites: Simulation, site: str) -> None:
    """The agent tries its way to a halt by halting."""
    honest = driver_of(sites, site)

    def rehearse(params: Params) -> tuple[Proof, ...]:
        halt(sites, site)
        return honest.rehearse(params)

    bend_agent(sites, site, driver=Bent(honest, rehearse=rehearse))


def halt(sites: Simulation, site: str) -> None:
    """Stop a site's work for a while: its agent finds that it did so without an order, and restores."""
    world = sites.sites[site].world
    world.advance(sites.clock.boot_ns())
    honest = sites.sites[site].agent._parts.driver
    with suppress(NotYet):  # it has begun
        honest.apply(PauseParams(), lambda: False)


def is_too_fast(sites: Simulation, site: str) -> None:
    """The agent slows down to a rate that is a third over the cap."""
    acts_otherwise(sites, site, lambda params: SlowdownParams(fraction=params.fraction * 1.5))


def only_pauses(sites: Simulation, site: str) -> None:
    """The agent pauses in place of whatever was ordered: processes stay."""
    acts_otherwise(sites, site, lambda _: PauseParams())


class CutOff:
    """A transport that carries nothing while its site is isolated.

    Args:
        real: The transport.
        world: The site.
    """

    def __init__(self, real: Transport, world: World) -> None:
        self._real = real
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def __aenter__(self) -> Self:
        await self._real.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._real.__aexit__(exc_type, exc, traceback)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        while isinstance(self._world.in_force, IsolateParams):  # noqa: ASYNC110 - the site tells nobody
            await asyncio.sleep(0.1)
        await self._real.publish(topic, payload, retain=retain)

    async def receive(self, limit: int) -> list[Inbound]:
        return await self._real.receive(limit)


def loses_command_path(sites: Simulation, site: str) -> None:
    """Isolating the site cuts its agent off too: what it says gets out once it is over."""
    connect, world = sites.sites[site].agent._parts.connect, sites.sites[site].world
    bend_agent(sites, site, connect=lambda: CutOff(connect(), world))


def hears_no_licence(sites: Simulation, site: str) -> None:
    """The agent's licences are lost on the way."""
    built = sites.sites[site]
    built.agent._lessee.take = lambda *_: None  # type: ignore[method-assign]


def cuts_nothing(sites: Simulation, site: str) -> None:
    """The enforcer reports a cut, and the feed stays on."""
    honest = sites.sites[site].enforcers[ENFORCER]._parts.driver
    _bend_enforcer(sites, site, pretend(honest, lambda *_: "the feed is off, by its controller's own account"))


def keeps_dark(sites: Simulation, site: str) -> None:
    """The enforcer cuts, reports that the feed is on again, and leaves it off."""
    honest = sites.sites[site].enforcers[ENFORCER]._parts.driver
    claims: list[SiteState] = []

    def restore() -> str:
        claims.append(SiteState.RUNNING)
        return "the feed is on"

    def observe() -> Observation:
        seen = honest.observe()
        return replace(seen, state=claims[-1], ours=False) if claims else seen

    _bend_enforcer(sites, site, Bent(honest, restore=restore, observe=observe))


def _bend_enforcer(sites: Simulation, site: str, driver: Any) -> None:
    built = sites.sites[site]
    built.enforcers = {ENFORCER: Agent(replace(built.enforcers[ENFORCER]._parts, driver=driver))}
