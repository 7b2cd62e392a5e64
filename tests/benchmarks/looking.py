"""The looking benchmark: what opening the log of a large drill costs, beside reading its lines as bare JSON."""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
from pathlib import Path

from orchestrator.runtime.leash import Leash
from tests.benchmarks.measure import Table
from tests.benchmarks.timing import cpu_of_command
from tests.logs import Scenario, simulate, write_log

SITES = 10_000
_FLOOR = "import json, sys\nfor line in open(sys.argv[1], 'rb'):\n    json.loads(line)"

_PARENT = (
    "import resource, subprocess, sys\n"
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


async def _cpu_of_floor(leash: Leash, log: Path) -> float:
    """Return the CPU seconds of a Python that reads every line as JSON and keeps none."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = await leash.spawn([sys.executable, "-c", _FLOOR, str(log)], cwd=log.parent)
    if await process.wait():
        raise RuntimeError("the floor could not read the log")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def _memory_mb(log: Path) -> float:
    """Return the most memory that the command had: told by a parent of its own, whose only child it is."""
    argv = [sys.executable, "-c", _PARENT, sys.executable, "-m", "orchestrator.entry", "watch", str(log), "--once"]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, cwd=log.parent)
    said, _ = await process.communicate()
    return int(said) / 1024


async def run(sites: int = SITES) -> Table:
    """Open a log in a fresh process, as who looks at a finished drill does, three times; the best counts."""
    note = "CPU seconds of `haltdrill watch LOG --once`, start to end. Floor: `json.loads` of every line, nothing kept."
    with tempfile.TemporaryDirectory(prefix="haltdrill-bench-") as folder, Leash() as leash:
        log = Path(folder) / "haltdrill.log"
        lines = await asyncio.to_thread(lambda: write_log(log, simulate(Scenario(sites=sites, faults=0.01))))
        floor_s = min([await _cpu_of_floor(leash, log) for _ in range(3)])
        took_s = min([await cpu_of_command(leash, "watch", str(log), "--once", cwd=Path(folder)) for _ in range(3)])
        memory_mb = await _memory_mb(log)
        size_mb = log.stat().st_size / 1e6
    table = Table("looking", note)
    table.add(f"opening {sites:,} sites ({size_mb:.0f} MB, {lines:,} lines)", took_s, "s", floor_s)
    table.add("its memory at most", memory_mb, "MB")
    return table
