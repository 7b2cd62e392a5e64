"""Holds every line that is logged while tests run against the event catalogue, whichever program writes it.

The fixture in tests/conftest.py watches what is rendered as JSON in this process, and reads the log
files that programs of their own leave in the folders of tests. A test of logging itself, with events
of its own, has the marker `made_up_events`.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from orchestrator.logbook.catalogue import problem_of
from protocols.host import logs
from protocols.host.clock import SystemClock

WORKLOAD_LOG = "workload.log"

_wrong: list[str] = []


def check(text: str) -> str:
    """Take note of a line if it is not in the catalogue, or not as it says there."""
    problem = problem_of(text)
    if problem:
        _wrong.append(f"{problem}, in {text.strip()[:400]}")
    return text


def check_file(path: Path) -> None:
    """Check a log file. A last line without an end may have been cut off with its program.

    What a workload prints goes into a log too, and is its own affair.
    """
    if path.name == WORKLOAD_LOG or not path.is_file():
        return
    *whole, _ = path.read_text(errors="replace").split("\n")
    for line in whole:
        if line.startswith("{"):
            check(line)


def _checked(_logger: object, _method: str, text: Any) -> Any:
    return check(text) if isinstance(text, str) else text


@contextmanager
def checking(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check what is rendered meanwhile.

    Raises:
        AssertionError: Something was logged that is not in the catalogue.
    """
    rendering = logs._rendering

    def with_check(*, as_json: bool, colors: bool) -> list[Processor]:
        return [*rendering(as_json=as_json, colors=colors), *([_checked] if as_json else [])]

    _wrong.clear()
    patch.setattr(logs, "_rendering", with_check)
    try:
        yield
    finally:
        found = list(dict.fromkeys(_wrong))
        _wrong.clear()
    assert not found, "these lines are not as the event catalogue says:\n" + "\n".join(found[:10])


def checked_log(program: str, *, level: str = "debug", **fields: object) -> FilteringBoundLogger:
    """Return a logger that writes nowhere, and whose lines are checked like all others."""

    def bare(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return fields | event

    log = structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[
            logs._stamp(program, SystemClock()),
            structlog.processors.add_log_level,
            structlog.contextvars.merge_contextvars,
            bare,
            logs.redact,
            *logs._rendering(as_json=True, colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return cast("FilteringBoundLogger", log)
