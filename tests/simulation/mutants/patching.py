"""How a bug is planted: a piece of the real code is replaced for a while, and how often it is then run is counted."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class Patcher:
    """Replaces attributes of modules and classes, and puts everything back.

    Attributes:
        hits: How often what was planted has been run.
    """

    def __init__(self) -> None:
        self.hits = 0
        self._before: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put what `make` makes of a function or method in its place.

        Args:
            owner: The module that looks the function up, or the class.
            name: What it is called there.
            make: Given the original (a plain function, also of a class method), returns the mutant.

        Raises:
            AttributeError: There is no such thing there.
            TypeError: It is no function.
        """
        original = owner.__dict__.get(name) if inspect.isclass(owner) else getattr(owner, name, None)
        if original is None:
            raise AttributeError(f"{owner!r} has no {name} of its own to be replaced")
        wrapper = type(original) if isinstance(original, classmethod | staticmethod) else None
        plain = original.__func__ if isinstance(original, classmethod | staticmethod) else original
        if not callable(plain):
            raise TypeError(f"{name} of {owner!r} is no function")
        counted = self._counted(make(plain), plain)
        self._before.append((owner, name, original))
        setattr(owner, name, counted if wrapper is None else wrapper(counted))

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Give a constant another value.

        Raises:
            AttributeError: There is none of that name.
        """
        self._before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def _counted(self, mutant: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def run(*args: Any, **named: Any) -> Any:
            self.hits += 1
            return mutant(*args, **named)

        return run

    def undo(self) -> None:
        """Put everything back."""
        while self._before:
            owner, name, original = self._before.pop()
            setattr(owner, name, original)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug.

    Attributes:
        name: What it is called, in a few words with dashes.
        what: What it is, in a line.
        plant: Plants it.
    """

    name: str
    what: str
    plant: Callable[[Patcher], None]

    @contextmanager
    def planted(self) -> Iterator[Patcher]:
        """Have the bug for a while."""
        patcher = Patcher()
        try:
            self.plant(patcher)
            yield patcher
        finally:
            patcher.undo()


class Mutants:
    """A list of bugs that functions add themselves to."""

    def __init__(self) -> None:
        self.listed: list[Mutant] = []

    def __call__(self, plant: Callable[[Patcher], None]) -> Callable[[Patcher], None]:
        """List a planting function: its name becomes the bug's, and its docstring says what that is."""
        what = (plant.__doc__ or "").rstrip(".")
        self.listed.append(Mutant(plant.__name__.replace("_", "-"), what[:1].lower() + what[1:], plant))
        return plant
