"""The demo's fleets: real processes, simulated sites, and simulated sites some of which misbehave on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.demo.plan import UPS_S
from orchestrator.fleet.spec import MockSpec, SiteSpec, example_sites, mock_sites
from protocols.controls import Control
from protocols.mock_config import Fault, FaultConfig, FaultTiming, PowerConfig

BUSY_BAND_MIN_PER_S = 40_000
"""The least CPU time, microseconds per second, of a demo's real site: little, for machines that are busy.

Only a slowdown needs the larger band of the default, or its cap would count as quiet.
"""

_SLOW_S = 60.0
_POWER = PowerConfig(ups_ride_through_s=UPS_S, meter_interval_s=0.25, boot_s=1.0)


@dataclass(frozen=True, slots=True)
class Mischief:
    """What a simulated site does wrong on purpose.

    Attributes:
        words: How people call it.
        fault: The fault of the simulation; None for a site whose operator vetoes.
    """

    words: str
    fault: Fault | None

    @property
    def vetoes(self) -> bool:
        """Whether its operator refuses every order."""
        return self.fault is None

    @property
    def lies(self) -> bool:
        """Whether its agent reports halts that it never makes."""
        return self.fault is Fault.LYING_AGENT


MISCHIEF = (
    Mischief("hears no order", Fault.DEAF_AGENT),
    Mischief("reports halts that it never makes", Fault.LYING_AGENT),
    Mischief("refuses every order (its operator's veto)", None),
    Mischief("takes a minute for everything", Fault.SLOW),
)
"""In the demo of a ladder, the last sites do these, one each."""


def real_sites(count: int, controls: Sequence[Control], *, lying: bool) -> tuple[SiteSpec, ...]:
    """Return sites of real processes.

    Args:
        count: How many.
        controls: What will be exercised.
        lying: Whether the last one's agent reports halts that it does not make.
    """
    specs = list(example_sites(count))
    if Control.SLOWDOWN not in controls:
        specs = [replace(spec, band_min_per_s=BUSY_BAND_MIN_PER_S) for spec in specs]
    if lying:
        specs[-1] = replace(specs[-1], lie=True)
    return tuple(specs)


def simulated_sites(count: int, mischief: Sequence[Mischief] = ()) -> tuple[SiteSpec, ...]:
    """Return simulated sites, of which the last ones misbehave; one behaves at least.

    Args:
        count: How many.
        mischief: What the last ones do wrong, one each.
    """
    honest = max(1, count - len(mischief))
    specs = []
    for number, spec in enumerate(mock_sites(count)):
        wrong = mischief[number - honest].fault if number >= honest else None
        faults = (FaultConfig(kind=wrong),) if wrong is not None else ()
        simulated = MockSpec(seed=number, power=_POWER, faults=faults, fault_timing=FaultTiming(slow_s=_SLOW_S))
        specs.append(replace(spec, simulated=simulated))
    return tuple(specs)


def misbehaving(specs: Sequence[SiteSpec], mischief: Sequence[Mischief]) -> dict[str, Mischief]:
    """Return what each of the last of `specs` does wrong, by its name."""
    honest = max(1, len(specs) - len(mischief))
    return {spec.name: wrong for spec, wrong in zip(specs[honest:], mischief, strict=False)}
