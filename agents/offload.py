"""The seam through which blocking calls leave the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Offload(Protocol):
    """Runs a blocking call elsewhere. `asyncio.to_thread` is the real one; a simulation runs it in place."""

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]:
        """Run `call` and return what it returns."""
        ...
