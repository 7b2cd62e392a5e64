"""The seam between a witness and what it looks through."""

from __future__ import annotations

from typing import Protocol

from protocols.messages.evidence import Signal


class Probe(Protocol):
    """Observes one site. Calls are synchronous, may block, and come from one thread at a time."""

    def sample(self) -> tuple[Signal, ...]:
        """Look now, and return every signal of this probe.

        Returns:
            The signals, each name once. Counters are cumulative since their epoch, peaks cover the
            time since the sample before.

        Raises:
            ProbeError: The observation could not be made; the next may be.
        """
        ...
