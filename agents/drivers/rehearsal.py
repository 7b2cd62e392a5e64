"""What of a halt, and of the way back, can be tried while the workload works on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from agents.drivers.enclosure import Enclosure
from agents.drivers.launch import Program
from protocols.errors import DriverError
from protocols.messages import Proof

_DETAIL_MAX_CHARS = 200


def prove(step: str, attempt: Callable[[], str]) -> Proof:
    """Try one step, and say what was seen.

    Args:
        step: What is tried.
        attempt: Returns what was done and seen, or raises why it would not have worked.
    """
    try:
        detail, ok = attempt(), True
    except DriverError as error:
        detail, ok = str(error), False
    except OSError as error:
        detail, ok = f"{error.filename or ''}: {error.strerror}".removeprefix(": "), False
    return Proof(step=step, ok=ok, detail=detail[:_DETAIL_MAX_CHARS])


def something_to_halt(enclosure: Enclosure | None) -> str:
    """Count the live processes.

    Raises:
        DriverError: There are none.
    """
    count = 0 if enclosure is None else enclosure.count()
    if enclosure is None or not count:
        raise DriverError("the workload does not run: there is nothing to halt")
    return f"{count} live processes in its {enclosure.means}"


def may_act(enclosure: Enclosure | None, *, caps: bool) -> str:
    """Check that we may suspend and end every process, and say how we would slow it.

    Args:
        enclosure: The workload.
        caps: Whether it may be asked to slow it.

    Raises:
        DriverError: We may not.
    """
    if enclosure is None:
        raise DriverError("there is no workload")
    how = "" if not caps else ", cap it in turns" if enclosure.quota() is None else ", cap it by cpu.max"
    return f"{enclosure.check_permissions()}{how}"


def way_back(program: Program, state_dir: Path, checkpoint: Path | None) -> str:
    """Check that the workload could be started again where its checkpoint left off.

    Raises:
        DriverError: It could not; the message says why.
        OSError: A file could not be opened.
    """
    program.check()
    for folder in (program.folder, state_dir):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise DriverError("this user may not write here", where=str(folder))
    if program.output.exists():
        # Opened for writing and left alone: the workload's output goes on.
        os.close(os.open(program.output, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK))
    return f"its program, folder and output are there; {_readable(checkpoint)}"


def _readable(checkpoint: Path | None) -> str:
    if checkpoint is None:
        return "no checkpoint is configured"
    try:
        with checkpoint.open("rb") as file:
            file.read(1)
    except FileNotFoundError:
        if not checkpoint.parent.is_dir():
            raise
        return "it has written no checkpoint yet"
    return "its checkpoint can be read"
