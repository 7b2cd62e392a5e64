"""The driver of a simulated site. It shares the world with the probes, and no code of theirs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from agents.mocksite.command import Command
from agents.mocksite.offload import NotYet
from agents.mocksite.world import World
from agents.observation import Observation, SiteState, states_under
from protocols.clock import Clock
from protocols.controls import (
    CATALOGUE,
    Actor,
    DecommissionParams,
    IsolateParams,
    Params,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
)
from protocols.errors import DriverError
from protocols.messages import Proof, WorkRate
from protocols.mock_config import Fault

_MARGIN = 0.9
_OWN_MEANS = (
    SlowdownParams,
    RunCapParams,
    SelectivePauseParams,
    IsolateParams,
    ShutdownParams,
    DecommissionParams,
)
"""The controls that the site has means of its own for. Any other must leave it running, or paused."""
_ALWAYS = frozenset({SiteState.RUNNING, SiteState.PAUSED})


class MockDriver:
    """Acts on a simulated site, all that an agent can be ordered to. It keeps nothing: the world does.

    Args:
        world: The site.
        work: The counters of the site's record, whose bands say what a slowdown is measured by.
        clock: The true clock.
    """

    actions = frozenset(control for control, spec in CATALOGUE.items() if spec.actor is Actor.AGENT)

    def __init__(self, world: World, work: Sequence[WorkRate], clock: Clock) -> None:
        self._world = world
        self._work = tuple(work)
        self._clock = clock

    def start(self) -> None:
        """Attach: the simulated site runs by itself."""
        self._now()

    def observe(self) -> Observation:
        """Return what the scheduler's books say."""
        self._now()
        state = self._world.reported()
        return Observation(state, self._world.ours, _IN_WORDS[state])

    def rehearse(self, params: Params) -> tuple[Proof, ...]:
        """Try the scheduler's rights and the way back, and for a slowdown find the clock; change nothing.

        Raises:
            DriverError: The site has no means for this control.
        """
        _check(params)
        self._now()
        world = self._world
        may = not world.faults.has(Fault.NO_PERMISSION)
        back = not world.faults.has(Fault.NO_RESTORE_PATH)
        proofs = [
            Proof(
                step="permissions",
                ok=may,
                detail="a dry run of the command was " + ("accepted" if may else "refused") + " by the scheduler",
            ),
            Proof(
                step="restore-path",
                ok=back,
                detail="the checkpoint store was read" if back else "the checkpoint store cannot be read",
            ),
            Proof(
                step="power",
                ok=world.powered,
                detail="the site has power" if world.powered else "the site is dark",
            ),
        ]
        if isinstance(params, SlowdownParams):
            clock = self._clock_for(params)
            proofs.append(Proof(step="clock", ok=True, detail=f"{clock:.0%} of the full clock keeps the cap"))
        return tuple(proofs)

    def apply(self, params: Params, cancelled: Callable[[], bool]) -> str:
        """Tell the scheduler, and be done only when its books say so.

        Raises:
            NotYet: It has begun; ask again.
            DriverError: It cannot be done, or was given up; or the site has no means for this control.
        """
        _check(params)
        self._now()
        if cancelled():
            raise DriverError("given up: the order holds no longer")
        if not self._world.powered:
            raise DriverError("the site has no power", where=self._world.config.site)
        command = Command(params, self._clock_for(params) if isinstance(params, SlowdownParams) else 1.0)
        if self._world.command != command:
            self._world.tell(command)
        if not self._world.settled:
            raise NotYet("the scheduler is at it", after_s=self._world.config.timing.poll_s)
        return _IN_WORDS[self._world.reported()]

    def restore(self) -> str:
        """Tell the scheduler to run everything, and be done only when its books say so.

        Raises:
            NotYet: It has begun; ask again.
            DriverError: It cannot be done now.
        """
        self._now()
        world = self._world
        if world.devices.destroyed:
            world.ours = False
            return "the accelerators are destroyed; nothing brings them back"
        if not world.powered:
            raise DriverError("the site has no power", where=world.config.site)
        if world.reported() is SiteState.STOPPED and world.faults.has(Fault.NO_RESTORE_PATH):
            raise DriverError("the checkpoint store cannot be read", where=world.config.site)
        if world.command is not None:
            world.tell(None)
        if not world.settled:
            raise NotYet("the jobs are starting", after_s=world.config.timing.poll_s)
        world.ours = False
        return _IN_WORDS[world.reported()]

    def checkpoint_digest(self) -> str | None:
        """Return the digest of what the jobs saved, or None when one of them lost its state."""
        return self._world.checkpoint_digest()

    def close(self, *, stop_workload: bool) -> None:
        """Let go; the simulated site is not the agent's to end."""
        del stop_workload

    def _now(self) -> None:
        self._world.advance(self._clock.boot_ns())

    def _clock_for(self, params: SlowdownParams) -> float:
        """Return the highest clock step at which no counter is faster than the cap.

        Raises:
            DriverError: No step is slow enough and still leaves work above quiet.
        """
        config = self._world.config
        steps = config.accelerators.clock_steps
        least = math.inf
        for rate in self._work:
            fastest_per_s = config.nominal_per_s(rate.workload) * (1 + config.ripple)
            if fastest_per_s > 0:
                least = min(least, _MARGIN * params.fraction * rate.band_min_per_s / fastest_per_s)
        clock = math.floor(min(least, 1.0) * steps) / steps
        for rate in self._work:
            if config.nominal_per_s(rate.workload) * (1 - config.ripple) * clock <= rate.quiet_per_s:
                raise DriverError(
                    f"no clock step keeps {rate.signal} at {params.fraction:.0%} of its band and above quiet",
                    where=config.site,
                )
        return clock


def _check(params: Params) -> None:
    if not isinstance(params, _OWN_MEANS) and states_under(params)[0] not in _ALWAYS:
        raise DriverError(f"this driver cannot do {params.control}")


_IN_WORDS: dict[SiteState, str] = {
    SiteState.RUNNING: "all jobs run",
    SiteState.SLOWED: "all accelerators are throttled",
    SiteState.CAPPED: "runs above the cap are refused",
    SiteState.SELECTIVE: "all but the protected classes are suspended",
    SiteState.PAUSED: "all jobs are suspended",
    SiteState.ISOLATED: "the egress is cut",
    SiteState.STOPPED: "all jobs have exited",
    SiteState.DARK: "the site has no power",
    SiteState.GONE: "the accelerators are destroyed",
    SiteState.MIXED: "the scheduler is at it",
}
