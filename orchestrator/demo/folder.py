"""The folder of a demo: nobody's files are lost, and no two demos share it."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from protocols.errors import ConfigError

MARK = ".haltdrill-demo"
LOG_NAME = "haltdrill.log"
_OURS = frozenset({MARK, LOG_NAME, "fleet", "logs", "drills"})
"""What a demo makes in its folder."""


@contextlib.contextmanager
def cleared(folder: Path) -> Iterator[None]:
    """Make room for this demo and keep others out of it: only what an earlier demo left is ever removed.

    Raises:
        ConfigError: There is something else, another demo, or the folder cannot be made.
    """
    remedy = "give another folder with --out"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError("is there already and is no demo's", where=str(folder), remedy=remedy)
    try:
        there = {entry.name: entry for entry in folder.iterdir()} if folder.exists() else {}
        others = sorted(there.keys() - _OURS) if MARK in there else sorted(there)
        if others:
            what = f"is there already, with {others[0]} in it, which no demo made"
            raise ConfigError(what, where=str(folder), remedy=remedy)
        folder.mkdir(parents=True, exist_ok=True)
        mark = (folder / MARK).open("a")
    except OSError as error:
        raise ConfigError(f"cannot be made ready: {error.strerror}", where=str(folder), remedy=remedy) from error
    with mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "another demo is running there", where=str(folder), remedy="wait for it, or give --out another folder"
            ) from None
        _remove(there[name] for name in sorted(there.keys() - {MARK}))
        yield


def _remove(entries: Iterable[Path]) -> None:
    for entry in entries:
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        except OSError as error:
            raise ConfigError(f"cannot be removed: {error.strerror}", where=str(entry)) from error
