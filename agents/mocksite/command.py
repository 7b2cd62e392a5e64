"""What a simulated site's control plane is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.controls import Params


@dataclass(frozen=True, slots=True)
class Command:
    """What the site's control plane was told.

    Attributes:
        params: The control.
        clock: The clock that all accelerators are throttled to, as a part of the full one.
    """

    params: Params
    clock: float = 1.0
