"""What a target is: one way in for bytes from outside, and what must hold whatever they are."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from protocols.errors import HaltdrillError
from tests.hostile.mutation import bend

T = TypeVar("T")

LIMIT_S = 2.0
"""How long one input may take, as a rule: honest ones take milliseconds, and coverage slows them ten times."""

LINE_MAX_CHARS = 2_000
"""How long the one line of an error may be."""


@dataclass(frozen=True, slots=True)
class Target:
    """One way in.

    Attributes:
        name: What it is called on the command line, and the name of its corpus.
        check: Given any bytes: returns, or raises whatever must not happen.
        seeds: Makes good inputs to start from.
        mutate: Changes an input.
        limit_s: How long one input may take.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    mutate: Callable[[bytes, Random], bytes] = bend
    limit_s: float = LIMIT_S

    def run(self, data: bytes) -> None:
        """Check one input, and that it took no longer than it may.

        Raises:
            AssertionError: Something that must hold did not, or it took too long.
        """
        began_s = time.process_time()
        self.check(data)
        took_s = time.process_time() - began_s
        assert took_s <= self.limit_s, f"{len(data)} bytes took {took_s:.1f} s"


def attempt(
    act: Callable[..., T], *given: Any, allowed: type[HaltdrillError] = HaltdrillError, **named: Any
) -> T | None:
    """Do something with bytes from outside; an error of ours, in one line, is None.

    Raises:
        AssertionError: The error is not one clear line.
    """
    try:
        return act(*given, **named)
    except allowed as error:
        refused = error
    line = str(refused)
    assert refused.what, "an error that says nothing"
    assert len(line) <= LINE_MAX_CHARS, f"an error of {len(line)} characters"
    line.encode()  # a lone surrogate would break whoever prints it
    return None


def chosen(data: bytes, known: Sequence[str]) -> tuple[str, bytes]:
    """Split an input into the word in its first line and the rest; any word at all chooses one of `known`."""
    word, _, rest = data.partition(b"\n")
    name = word.decode("ascii", "replace")
    return (name if name in known else known[zlib.crc32(word) % len(known)]), rest


def with_word(word: str, data: bytes) -> bytes:
    """Make an input that `chosen` splits."""
    return word.encode() + b"\n" + data
