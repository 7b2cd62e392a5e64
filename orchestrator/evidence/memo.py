"""Remembers what pure functions returned for the same bytes, so that verifying many near-equal bundles is quick.

Each answer is kept under everything it was computed from, so a memory never changes a verdict. An
error is never remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

ENTRIES_MAX = 20_000


class Memo:
    """A bounded memory. One for each thread.

    Args:
        entries_max: Most answers kept; 0 keeps none, which suits the one verification of a file.
    """

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._answers: dict[Hashable, Any] = {}

    def recall(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return what `compute` returned for `key`, which must name all that it depends on."""
        if not self._entries_max:
            return compute()
        if key in self._answers:
            answer: T = self._answers[key]
            return answer
        answer = compute()
        if len(self._answers) < self._entries_max:
            self._answers[key] = answer
        return answer
