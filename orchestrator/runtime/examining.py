"""Verifies what arrives: inline, or under load on threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from orchestrator.core.intake import Heard, Unbelieved, examine
from protocols.transport.base import Inbound
from protocols.trust import FleetTrust

THREADS_FROM = 256
"""Messages of a batch from which threads pay: below, handing the interpreter's lock to and fro costs
more than they gain."""
INLINE_CHUNK = 8
"""Messages verified between two looks at the socket, so that what arrives meanwhile is stamped in time."""
THREAD_CHUNK = 64


class Examiner:
    """Verifies signatures, and writes beside the loop.

    Args:
        trust: The fleet.
        threads: Threads that verify signatures; 0 does everything inline, for a simulation.
    """

    def __init__(self, trust: FleetTrust, threads: int) -> None:
        self._trust = trust
        self._pool = ThreadPoolExecutor(threads, "verify") if threads else None

    async def examine(self, inbound: Sequence[Inbound]) -> list[Heard | Unbelieved]:
        """Verify signatures: under load on threads, since `cryptography` releases the interpreter's lock."""

        def chunk(messages: Sequence[Inbound]) -> list[Heard | Unbelieved]:
            return [
                item
                for message in messages
                for item in examine(message.topic, message.payload, message.arrival_ns, self._trust)
            ]

        if self._pool is None or len(inbound) < THREADS_FROM:
            found: list[Heard | Unbelieved] = []
            for at in range(0, len(inbound), INLINE_CHUNK):
                found += chunk(inbound[at : at + INLINE_CHUNK])
                await asyncio.sleep(0)
            return found
        loop = asyncio.get_running_loop()
        parts = [inbound[at : at + THREAD_CHUNK] for at in range(0, len(inbound), THREAD_CHUNK)]
        done = await asyncio.gather(*(loop.run_in_executor(self._pool, chunk, part) for part in parts))
        return [item for part in done for item in part]

    async def beside(self, write: Callable[[], None]) -> None:
        """Do a blocking write on a thread, so that the socket is looked at meanwhile."""
        if self._pool is None:
            write()
        else:
            await asyncio.get_running_loop().run_in_executor(self._pool, write)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
