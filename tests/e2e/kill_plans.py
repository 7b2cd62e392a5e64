"""The drills in which programs are killed: short, each of one step, and of four kinds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protocols.ids import format_utc, seconds_to_ns

_TEXT = """\
name: {name}
title: A drill in which programs are killed
audience:
  sites: [{sites}]
window:
  not_before: {not_before}
  not_after: {not_after}
challenge_s: 0.2
uses: 500
min_between_uses_s: 0
max_total_held_s: 80000
steps:
  - name: {name}
    control: {control}
{params}    response_limit_s: {response_s}
    dwell_s: 1.5
    hold_s: {hold_s}
    restore_limit_s: 10
    quorum: 2
    max_gap_s: 1.5
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of drill.

    Attributes:
        control: What is ordered.
        hold_s: For how long.
        params: Lines of its parameters.
        response_s: The response limit.
        real: Whether sites of real processes take part.
        mock: Whether simulated ones do.
    """

    control: str
    hold_s: float
    params: str = ""
    response_s: float = 3.0
    real: bool = True
    mock: bool = False

    @property
    def name(self) -> str:
        """The plan's name."""
        return self.control.replace("_", "-")

    def text(self, sites: Iterable[str], now_ns: int) -> str:
        """Return the plan, whose window is open from now on for half a day."""
        return _TEXT.format(
            name=self.name,
            control=self.control,
            sites=", ".join(sites),
            not_before=format_utc(now_ns - seconds_to_ns(60)),
            not_after=format_utc(now_ns + seconds_to_ns(12 * 3600)),
            params=self.params,
            response_s=self.response_s,
            hold_s=self.hold_s,
        )


KINDS = (
    Kind("pause", 5.0, mock=True),
    Kind("shutdown", 5.0, "    grace_s: 1\n"),
    Kind("lease", 8.0, "    licence_s: 1\n    renewed_s: 2\n"),
    Kind("power_cut", 6.0, response_s=4.0, real=False, mock=True),
)
"""What a campaign runs in turn. The last is the enforcer's, and only simulated sites have one."""

SIMULATED_TIMES = (("ups_ride_through_s = 15.0", "ups_ride_through_s = 0.1"), ("boot_s = 3.0", "boot_s = 0.5"))
"""What a simulated site is made to do faster: its batteries would outlast the hold, and nothing would halt."""
