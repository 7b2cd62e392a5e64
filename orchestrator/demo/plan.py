"""The demo's plan: short enough to watch, with the same parts as a real one."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.controls import Control
from protocols.ids import format_utc, seconds_to_ns

_WINDOW_S = 3600

_STEP = """\
  - name: {control}
    control: {control}
{parameters}    response_limit_s: {limit_s:g}
    dwell_s: 2
    hold_s: {hold_s:g}
    restore_limit_s: 10
    quorum: 2
    max_gap_s: 1.5
"""


def demo_plan(sites: Sequence[str], controls: Sequence[Control], now_ns: int) -> str:
    """Return the demo's plan as YAML.

    Args:
        sites: The sites to exercise.
        controls: The controls to exercise, a step each, in this order.
        now_ns: Wall time, nanoseconds: where its window begins.
    """
    listed = "".join(f"    - {site}\n" for site in sites)
    steps = "".join(_step(control) for control in controls)
    return (
        f"name: demo\ntitle: The demo, on real processes of this machine\n"
        f"audience:\n  sites:\n{listed}"
        f"window:\n  not_before: {format_utc(now_ns)}\n"
        f"  not_after: {format_utc(now_ns + seconds_to_ns(_WINDOW_S))}\n"
        f"challenge_s: 0.25\nuses: 1\nmin_between_uses_s: 0\nmax_total_held_s: 120\n"
        f"steps:\n{steps}"
    )


def _step(control: Control) -> str:
    if control is Control.SHUTDOWN:
        return _STEP.format(control=control.value, parameters="    grace_s: 3\n", limit_s=6, hold_s=9)
    return _STEP.format(control=control.value, parameters="", limit_s=4, hold_s=7)
