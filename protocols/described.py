"""What the docstrings of models say of their fields: from it schemas and the pages about them are made. Pure.

They are Google docstrings: a sentence or two, then a section `Attributes:` with `name: what it means`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import cache

from pydantic import BaseModel

_ENTRY = re.compile(r"^(?P<name>[a-z_][a-z0-9_]*): (?P<said>.*)$")
_SECTION = "\n\nAttributes:\n"


def summary(model: type) -> str:
    """Return what a docstring says of a class as a whole, as one paragraph."""
    return " ".join(inspect.cleandoc(model.__doc__ or "").partition(_SECTION)[0].split())


@cache
def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return what is said of each field by its Python name, in the model's own docstring or in one of its bases."""
    said: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            said |= _attributes(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
    return said


def _attributes(text: str) -> dict[str, str]:
    said: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(text.partition(_SECTION)[2]).splitlines():
        entry = _ENTRY.match(line)
        if entry is not None:
            name = entry["name"]
            said[name] = entry["said"].strip()
        elif name and line.startswith(" "):
            said[name] += f" {line.strip()}"
    return said
