"""CPU time of a whole command, from the kernel's accounts."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from orchestrator.runtime.leash import Leash


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def cpu_of_command(leash: Leash, *arguments: str, cwd: Path) -> float:
    """Return the CPU seconds of `haltdrill ARGUMENTS`, which must succeed.

    Nothing else that this process started may end meanwhile.
    """
    before_s = _children_s()
    argv = [sys.executable, "-m", "orchestrator.entry", *arguments]
    process = await leash.spawn(argv, cwd=cwd, stdout=asyncio.subprocess.DEVNULL)
    code = await process.wait()
    if code:
        raise RuntimeError(f"haltdrill {arguments[0]} ended with {code}")
    return _children_s() - before_s
