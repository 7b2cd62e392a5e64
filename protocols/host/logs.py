"""Logs: JSON lines with stable event names, a readable rendering on a terminal, and no secrets.

An event is a dotted name that never changes (`order.issued`); everything else is a field. Every line
of JSON begins with `@timestamp` (RFC 3339, UTC, nanoseconds), `log.level`, `event.action`, `service.name`
(the program) and `message`, which are names of the Elastic Common Schema; deploy/observability/EVENTS.md
lists every event.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from protocols.clock import Clock
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.ids import format_utc

__all__ = ["FilteringBoundLogger", "bound", "close", "configure", "get_logger", "redact", "reopen"]

REDACTED = "[redacted]"

_LEVELS = ("debug", "info", "warning", "error", "critical")
_SECRET_NAME = re.compile(
    r"(?i)(^|[_.-])(key|keys|private|secret|passphrase|password|passwd|token|pem)$|private|secret"
)
_PUBLIC_NAME = re.compile(r"(?i)public")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_MAX_DEPTH = 8


class _File:
    """A log file without a buffer of its own, so that a line that failed cannot come up again later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._torn = False

    def reopen(self) -> None:
        try:
            fresh = self._path.open("ab", buffering=0)
        except OSError:
            return  # better into the old one than nowhere
        self._file.close()
        self._file, self._torn = fresh, False

    def write(self, text: str) -> None:
        data = text.encode(errors="backslashreplace")
        # After a line that the disk took in part, the next one begins on a line of its own.
        data = b"\n" + data if self._torn else data
        written = self._file.write(data)
        self._torn = written != len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return self._file.isatty()

    def close(self) -> None:
        self._file.close()


class _Sink:
    """Where log lines go. A full disk or a reader that went away costs lines, and nothing else."""

    def __init__(self, stream: TextIO | _File) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._lost += 1
        else:
            self._lost = 0

    def flush(self) -> None:
        """Do nothing: every line was flushed when it was written."""

    def isatty(self) -> bool:
        return self._stream.isatty()

    def tell_losses(self, _logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Have the next line say how many before it could not be written."""
        if self._lost:
            fields["lines_lost"] = self._lost
        return fields


_opened: list[_File] = []


def configure(
    program: str,
    *,
    path: Path | None = None,
    level: str = "info",
    json: bool | None = None,
    clock: Clock | None = None,
) -> None:
    """Set up logging for this process, once, at its start.

    Args:
        program: What the process is, such as `agent`; a field of every line.
        path: A file to append to instead of writing to stderr.
        level: The least level that is written: debug, info, warning, error or critical.
        json: JSON lines (true), a rendering for people (false), or whichever fits the output.
        clock: Where the timestamps come from; the system's clock if not given.

    Raises:
        ConfigError: There is no such level, or the file cannot be opened.
    """
    if level not in _LEVELS:
        raise ConfigError(f"there is no log level {level!r}", remedy=f"one of {', '.join(_LEVELS)}")
    close()
    sink = _Sink(sys.stderr if path is None else _open(path))
    as_json = json if json is not None else not sink.isatty()
    structlog.configure(
        processors=[
            _stamp(program, clock or SystemClock()),
            sink.tell_losses,
            structlog.processors.add_log_level,
            structlog.contextvars.merge_contextvars,
            _traceback if as_json else _error_line,
            redact,
            *_rendering(as_json=as_json, colors=sink.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", sink)),
        cache_logger_on_first_use=False,
    )


def get_logger(**fields: object) -> FilteringBoundLogger:
    """Return a logger that adds `fields` to every line."""
    return cast("FilteringBoundLogger", structlog.get_logger(**fields))


def close() -> None:
    """Close the log file, if there is one; what is logged afterwards goes to stderr."""
    structlog.reset_defaults()
    while _opened:
        _opened.pop().close()


def reopen() -> None:
    """Open the log file anew, after it was rotated: lines go to its path again. Where that fails, to the old one."""
    for file in _opened:
        file.reopen()


def bound(**fields: object) -> AbstractContextManager[None]:
    """Add `fields` to every line that is written inside, by whichever logger, also in threads started there."""
    return structlog.contextvars.bound_contextvars(**fields)


def _open(path: Path) -> _File:
    try:
        _opened.append(_File(path))
        return _opened[-1]
    except OSError as error:
        raise ConfigError(f"the log cannot be opened: {error.strerror}", where=str(path)) from error


def _stamp(program: str, clock: Clock) -> Processor:
    def stamp(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        fields.setdefault("timestamp", format_utc(clock.wall_ns()))
        fields["program"] = program
        return fields

    return stamp


_traceback = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def _error_line(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put an exception's last line in place of its traceback, which helps nobody at a terminal."""
    given = fields.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    if error is not None:
        fields["error"] = f"{type(error).__name__}: {error}"
    return fields


def _rendering(*, as_json: bool, colors: bool) -> list[Processor]:
    if as_json:
        return [_in_order, structlog.processors.JSONRenderer(sort_keys=False, default=str)]
    return [_printable, structlog.dev.ConsoleRenderer(colors=colors)]


def _printable(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show what a terminal would act upon: reasons and topics come from outside."""
    return {name: plain(value) if isinstance(value, str) else value for name, value in fields.items()}


def plain(text: str) -> str:
    """Return text with every character that is not printable as an escape."""
    return text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


STANDARD_NAMES = {
    "timestamp": "@timestamp",
    "level": "log.level",
    "event": "event.action",
    "program": "service.name",
    "message": "message",
}
"""What a field is called inside, and in a line: a name of the Elastic Common Schema 8."""


def _in_order(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put what every line has first, under its standard name; a line that was given no sentence gets one."""
    event = str(fields.get("event", ""))
    said = fields.get("message") or fields.get("detail")
    fields["message"] = said if isinstance(said, str) and said else event.replace(".", " ").replace("_", " ")
    return {standard: fields[name] for name, standard in STANDARD_NAMES.items() if name in fields} | {
        name: value for name, value in fields.items() if name not in STANDARD_NAMES
    }


def redact(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out of a log line whatever could be key material.

    Values of fields named like a secret go, and private keys in PEM wherever they stand. Ids and
    public keys stay (`key_id`, `public_key`), because a reader needs them.
    """
    return {name: _clean(name, value, 0) for name, value in fields.items()}


def _clean(name: str, value: Any, depth: int) -> Any:
    secret = _SECRET_NAME.search(name) and not _PUBLIC_NAME.search(name)
    if secret or depth > _MAX_DEPTH:
        return REDACTED
    match value:
        case None | bool() | int() | float():
            return value
        case bytes() | bytearray() | memoryview():
            return f"[{len(value)} bytes]"
        case Mapping():
            return {_PEM.sub(REDACTED, str(key)): _clean(str(key), item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean("", item, depth + 1) for item in value]
        case _:
            return _PEM.sub(REDACTED, str(value))
