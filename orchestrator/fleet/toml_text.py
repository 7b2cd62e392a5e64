"""Writes a configuration model as the TOML that people will edit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from protocols.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def toml_text(model: BaseModel, title: str) -> str:
    """Write `model` as TOML: scalars first, then its tables. Fields that are none are left out.

    Args:
        model: A model of scalars, lists of scalars, tables of those, and lists of such tables.
        title: A comment for the first line.

    Raises:
        ConfigError: A value holds what TOML cannot (a control character that has no escape).
    """
    lines = [f"# {title}"]
    _table(model.model_dump(mode="json", exclude_none=True), (), lines)
    return "\n".join(lines) + "\n"


def _table(fields: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    inner = {name: _tables(value) for name, value in fields.items()}
    lines += [f"{_key(name)} = {_value(value)}" for name, value in fields.items() if inner[name] is None]
    for name, tables in inner.items():
        for table in tables or ():
            here = (*path, name)
            head = ".".join(_key(part) for part in here)
            lines += ["", f"[[{head}]]" if isinstance(fields[name], list) else f"[{head}]"]
            _table(table, here, lines)


def _tables(value: Any) -> list[Mapping[str, Any]] | None:
    """Return the tables that a value is written as, or None for what stands on a line of its own."""
    if isinstance(value, Mapping):
        return [value] if value else []
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        return value
    return None


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _string(value)
        case list():
            return f"[{', '.join(_value(item) for item in value)}]"
        case _:
            raise ConfigError(f"TOML has no form for a {type(value).__name__}")


def _string(text: str) -> str:
    """Write a basic string: JSON's escapes are TOML's, except for DEL and lone surrogates."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ConfigError("a text is not valid Unicode and cannot be written as TOML")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
