"""What is still to be told to whom, kept in a file: a notifier that is killed goes on where it was."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from orchestrator.logbook.reader import Mark
from orchestrator.notify.lookout import Lookout
from orchestrator.notify.notices import Notice
from protocols.errors import ConfigError
from protocols.host.files import read_bytes, write_atomic

QUEUE_MAX = 200
"""Most notices that wait for one hook; then the oldest go."""

STATE_MAX_BYTES = 256 * 1024 * 1024
"""More than 32 hooks with that many notices of 20 sites each."""


@dataclass(slots=True)
class Outbox:
    """The state of a notifier.

    Attributes:
        mark: Up to where the log was read; none if it never was.
        lookout: What is remembered of drills.
        waiting: What waits for each hook, oldest first.
    """

    v: Literal[1] = 1
    mark: Mark | None = None
    lookout: Lookout = field(default_factory=Lookout)
    waiting: dict[str, list[Notice]] = field(default_factory=dict)

    def put(self, hook: str, notice: Notice) -> list[Notice]:
        """Have a notice wait for a hook; return those that had to go for it."""
        queue = self.waiting.setdefault(hook, [])
        queue.append(notice)
        dropped, queue[:] = queue[:-QUEUE_MAX], queue[-QUEUE_MAX:]
        return dropped

    def first(self, hook: str) -> Notice | None:
        """Return what a hook is told next; none if nothing waits."""
        queue = self.waiting.get(hook)
        return queue[0] if queue else None

    def done(self, hook: str, notice: Notice) -> None:
        """Strike a notice that was delivered, or given up."""
        queue = self.waiting.get(hook, [])
        self.waiting[hook] = [other for other in queue if other.id != notice.id]

    def keep_only(self, hooks: Iterable[str]) -> int:
        """Forget what waits for hooks that are no more; return how much that was."""
        known = set(hooks)
        gone = [name for name in self.waiting if name not in known]
        return sum(len(self.waiting.pop(name)) for name in gone)


_OUTBOX: TypeAdapter[Outbox] = TypeAdapter(Outbox)


def lock_outbox(path: Path) -> Callable[[], None]:
    """Keep every other notifier from a state; return what lets go of it. The kernel does however this process ends.

    Raises:
        ConfigError: Another one is at work on it, or it cannot be locked.
    """
    place = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot be locked: {error.strerror}", where=str(path)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        what = "another notifier is at work on it, and everybody would be told twice"
        raise ConfigError(what, where=str(path), remedy="haltdrill serve runs one by itself") from None
    return lambda: os.close(descriptor)


def read_outbox(path: Path) -> Outbox:
    """Read the state of a notifier; a new one if there is none.

    Raises:
        ConfigError: It is there, and is none.
    """
    if not path.exists():
        return Outbox()
    try:
        outbox = _OUTBOX.validate_json(read_bytes(path, max_bytes=STATE_MAX_BYTES))
    except ValidationError:
        raise ConfigError(
            "is not the state of a notifier of this version",
            where=str(path),
            remedy="remove it: notices go on from the end of the log, and what waited is lost",
        ) from None
    # Times in it are those of a clock that may have begun anew since.
    outbox.lookout.forget_times()
    return outbox


def write_outbox(path: Path, outbox: Outbox) -> None:
    """Write the state of a notifier, as a whole.

    Raises:
        OSError: It cannot be written; the old one is still there.
    """
    write_atomic(path, _OUTBOX.dump_json(outbox), mode=0o600)
