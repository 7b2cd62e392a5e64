"""What the benchmarks share: children that report, CPU and memory from the kernel, tables."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.runtime.leash import Leash

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT_S = 120.0
_LINE_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a table.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: Its unit.
        floor: The floor of the same run, in the same unit; none where there is no such thing.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the floor it is."""
        return None if not self.floor else self.value / self.floor


@dataclass(slots=True)
class Table:
    """What one benchmark found.

    Attributes:
        note: What the floor is, and what the figures leave out.
    """

    name: str
    note: str
    rows: list[Row] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, floor: float | None = None) -> None:
        """Add a row."""
        self.rows.append(Row(name, value, unit, floor))

    def text(self) -> str:
        """Return the table as it is printed."""
        lines = [f"== {self.name}", *(f"   {line}" for line in self.note.splitlines())]
        width = max(len(row.name) for row in self.rows)
        lines.append(f"   {'':<{width}} {'measured':>10} {'floor':>10} {'ratio':>7}  unit")
        for row in self.rows:
            floor = "" if row.floor is None else _short(row.floor)
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            lines.append(f"   {row.name:<{width}} {_short(row.value):>10} {floor:>10} {ratio:>7}  {row.unit}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return the table as it is written with `--json`."""
        rows = [
            {"name": row.name, "value": row.value, "unit": row.unit, "floor": row.floor, "ratio": row.ratio}
            for row in self.rows
        ]
        return {"benchmark": self.name, "note": self.note, "rows": rows}


def _short(value: float) -> str:
    return f"{value:.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.3g}"


class Child:
    """A process of a benchmark that says `ready`, obeys a word on its stdin, and reports in JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def report(self) -> dict[str, Any]:
        """Return the next line that it writes, decoded."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended without a report")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def tell(self, word: str = "go") -> None:
        """Write one line to its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())

    async def end(self) -> None:
        """Let it end: its stdin is closed, and it is killed if that is not enough."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def child(leash: Leash, module: str, arguments: Mapping[str, Any]) -> AsyncIterator[Child]:
    """Start `python -m MODULE ARGUMENTS-IN-JSON` on the leash, and see it end."""
    process = await leash.spawn(
        [sys.executable, "-m", module, json.dumps(arguments)],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    started = Child(process, module)
    try:
        yield started
    finally:
        await started.end()


def say(found: Mapping[str, Any]) -> None:
    """Report to the parent."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


async def wait_for_word() -> str:
    """Return the next word from the parent; an empty one when it is gone."""
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return line.strip()


def status_kb(pid: int | str, name: str) -> int:
    """Return one figure of `/proc/PID/status`, in kB (`VmRSS`, `VmHWM`)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)


def pss_kb(pid: int) -> int:
    """Return the proportional set size of a process, in kB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise LookupError("Pss")


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, round(share * (len(ranked) - 1)))]
