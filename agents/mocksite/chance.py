"""Chance that repeats itself: numbers that follow from a seed and what they are for. Pure."""

from __future__ import annotations

import hashlib
import math

_PERIODS_S = (3.7, 11.3)


def signed_unit(seed: int, *about: object) -> float:
    """Return a number from -1 to 1 that looks random and is always the same for the same arguments."""
    text = "/".join(str(part) for part in (seed, *about))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**63 - 1


class Ripple:
    """A rate that wanders about 1, and its exact integral: however often one looks, the sum is the same.

    Args:
        seed: Makes the phases.
        name: Whose rate it is.
        amplitude: How far it wanders, at most.
    """

    def __init__(self, seed: int, name: str, amplitude: float) -> None:
        share = amplitude / len(_PERIODS_S)
        self._waves = tuple(
            (share, 2 * math.pi / period_s, math.pi * signed_unit(seed, name, period_s)) for period_s in _PERIODS_S
        )

    def area_s(self, from_s: float, to_s: float) -> float:
        """Return the integral of the rate over a span: the span, more or less the wandering."""
        wander = sum(
            share / omega * (math.cos(omega * from_s + phase) - math.cos(omega * to_s + phase))
            for share, omega, phase in self._waves
        )
        return to_s - from_s + wander
