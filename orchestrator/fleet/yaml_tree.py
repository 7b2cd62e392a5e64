"""YAML as plain data with a place for everything in it.

Only the parser of ruamel.yaml is used, never its loaders: nothing that a file says makes an object.
What people do not need in a plan is refused: aliases, tags, several documents, doubled keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from protocols.errors import ConfigError

YAML_MAX_BYTES = 256 * 1024
"""Largest file that is parsed (a thousand named sites fit several times)."""

_DEPTH_MAX = 12
_VALUES_MAX = 20_000
_NUMBER_MAX_CHARS = 32

_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}

Scalar = str | int | float | bool | None
Value = Scalar | tuple["Value", ...] | dict[str, "Value"]
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, both numbers from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class YamlTree:
    """A parsed file.

    Attributes:
        name: What the file is called in messages.
        value: Its content: mappings as dicts, sequences as tuples.
        places: Where each value begins, by its path.
        key_places: Where each mapping key stands, by the path of its value.
    """

    name: str
    value: Value
    places: dict[KeyPath, Place]
    key_places: dict[KeyPath, Place]

    def place(self, path: KeyPath, *, key: bool = False) -> Place:
        """Return the place of `path`, or of the nearest thing around it that is there.

        Args:
            path: The path of a value.
            key: Prefer the place of the key to that of the value.
        """
        place = self.key_places.get(path) if key else None
        while place is None and path:
            place = self.places.get(path)
            path = path[:-1]
        return place or self.places.get((), Place(1, 1))

    def where(self, path: KeyPath, *, key: bool = False) -> str:
        """Name the file, line and column of what `place` finds."""
        place = self.place(path, key=key)
        return f"{self.name}, line {place.line}, column {place.column}"


def path_text(path: KeyPath) -> str:
    """Write a path as people do: `steps[0].hold_s`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{_readable(part)}" if text else _readable(part)
    return text


def _readable(key: str) -> str:
    """Show a key as it is, unless that would play tricks on a terminal."""
    return key[:60] if key.isprintable() else ascii(key[:60])[1:-1]


def parse_yaml(data: bytes, name: str) -> YamlTree:
    """Parse one YAML document.

    Args:
        data: The file's bytes.
        name: What to call the file in messages.

    Raises:
        ConfigError: It is too large, no YAML, or uses what is refused here; the line is named.
    """
    if len(data) > YAML_MAX_BYTES:
        raise ConfigError(f"is larger than the limit of {YAML_MAX_BYTES} bytes", where=name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", where=f"{name}, line {line}") from None
    builder = _Builder(name, _events(text, name))
    value = builder.document()
    return YamlTree(name, value, builder.places, builder.key_places)


def _events(text: str, name: str) -> Iterator[Any]:
    """Yield the parser's events; whatever it raises on hostile text becomes one clear error."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        problem = " ".join(str(error.problem or error.context or "cannot be parsed").split())[:200]
        began = error.context_mark
        since = f", in what began in line {began.line + 1}" if began and mark and began.line != mark.line else ""
        raise ConfigError(f"is not YAML: {problem}{since}", where=place) from None
    except Exception as error:  # the parser is not ours and the text is anybody's
        problem = " ".join(str(getattr(error, "reason", error)).split())[:200]
        position = getattr(error, "position", None)
        place = f"{name}, line {text.count(chr(10), 0, position) + 1}" if isinstance(position, int) else name
        raise ConfigError(f"is not YAML: {problem}", where=place) from error


@dataclass
class _Builder:
    """Builds plain data from events, with a bound on depth."""

    name: str
    events: Iterator[Any]
    places: dict[KeyPath, Place] = field(default_factory=dict)
    key_places: dict[KeyPath, Place] = field(default_factory=dict)

    count: int = 0

    def document(self) -> Value:
        value: Value = None
        documents = 0
        for event in self.events:
            match event:
                case StreamStartEvent() | StreamEndEvent() | DocumentEndEvent():
                    continue
                case DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise self._error(event, "a second document begins here; one file holds one")
                case _:
                    value = self._value(event, ())
        if documents == 0:
            raise ConfigError("is empty", where=self.name)
        return value

    def _value(self, event: Any, path: KeyPath) -> Value:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise self._error(event, "anchors and aliases (& and *) are not allowed", "write the value out")
        if event.tag is not None:
            raise self._error(event, "tags (!) are not allowed", "remove the tag")
        self.count += 1
        if self.count > _VALUES_MAX:
            raise self._error(event, f"holds more than {_VALUES_MAX} values")
        if len(path) > _DEPTH_MAX:
            raise self._error(event, f"is nested more than {_DEPTH_MAX} levels deep")
        self.places[path] = _place(event)
        match event:
            case ScalarEvent():
                return self._scalar(event)
            case SequenceStartEvent():
                return self._sequence(path)
            case MappingStartEvent():
                return self._mapping(path)
            case _:
                raise self._error(event, "is not YAML that can be read here")

    def _sequence(self, path: KeyPath) -> tuple[Value, ...]:
        items: list[Value] = []
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            items.append(self._value(event, (*path, len(items))))
        return tuple(items)

    def _mapping(self, path: KeyPath) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            if not isinstance(event, ScalarEvent) or event.tag is not None or event.anchor is not None:
                raise self._error(event, "a key must be plain text")
            key = event.value
            if key in fields:
                first = self.key_places[(*path, key)]
                raise self._error(event, f"{_readable(key)} stands here a second time, first in line {first.line}")
            self.key_places[(*path, key)] = _place(event)
            fields[key] = self._value(next(self.events), (*path, key))
            if fields[key] is None:  # an empty value "begins" at the next token, often lines below
                self.places[*path, key] = self.key_places[*path, key]
        return fields

    def _scalar(self, event: Any) -> Scalar:
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        is_int = _INT.fullmatch(text) is not None
        if not is_int and _FLOAT.fullmatch(text) is None:
            return text
        if len(text) > _NUMBER_MAX_CHARS:
            raise self._error(event, f"a number of more than {_NUMBER_MAX_CHARS} characters")
        return int(text) if is_int else float(text)

    def _error(self, event: Any, what: str, remedy: str = "") -> ConfigError:
        place = _place(event)
        return ConfigError(what, where=f"{self.name}, line {place.line}, column {place.column}", remedy=remedy)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)
