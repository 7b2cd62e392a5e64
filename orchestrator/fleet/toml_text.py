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
        model: A model of scalars, lists, and tables of those; tables in a list are written in line.
        title: A comment for the first line.

    Raises:
        ConfigError: A value holds what TOML cannot (a control character that has no escape).
    """
    lines = [f"# {title}"]
    _table(model.model_dump(mode="json", exclude_none=True), (), lines)
    return "\n".join(lines) + "\n"


def _table(fields: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    lines += [f"{_key(name)} = {_value(value)}" for name, value in fields.items() if not isinstance(value, Mapping)]
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            inner = (*path, name)
            lines += ["", f"[{'.'.join(_key(part) for part in inner)}]"]
            _table(value, inner, lines)


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
        case dict():
            return f"{{ {', '.join(f'{_key(name)} = {_value(item)}' for name, item in value.items())} }}"
        case _:
            raise ConfigError(f"TOML has no form for a {type(value).__name__}")


def _string(text: str) -> str:
    """Write a basic string: JSON's escapes are TOML's, except for DEL and lone surrogates."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ConfigError("a text is not valid Unicode and cannot be written as TOML")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
