"""The seam between a witness and what it looks through."""

from __future__ import annotations

from typing import Protocol

from protocols.messages import Challenge, Signal


class Probe(Protocol):
    """Observes one site. Calls are synchronous, may block, and come from one thread at a time."""

    def sample(self, challenge: Challenge) -> tuple[Signal, ...]:
        """Look now, and return every signal of this probe.

        Args:
            challenge: What asks for it. Its nonce is fresh, and `exercise` says what to try (which
                runs to submit, which canaries to send); it authorises nothing.

        Returns:
            The signals, each name once. Counters are cumulative since their epoch, peaks cover the
            time since the sample before.

        Raises:
            ProbeError: The observation could not be made; the next may be.
        """
        ...
