"""The agent benchmark: memory and start-up of an idle agent and an idle witness, beside bare imports."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from orchestrator.runtime.leash import Leash
from tests.benchmarks.measure import Table, pss_kb, status_kb
from tests.benchmarks.site import RealSite, stop
from tests.brokers import Nats

_FLOOR = """\
import aiomqtt, pydantic, structlog, securesystemslib.dsse, securesystemslib.signer
from cryptography.hazmat.primitives.asymmetric import ed25519
import sys
sys.stdout.write("imported\\n")
sys.stdout.flush()
sys.stdin.read()
"""


_MODELS = "from pydantic import BaseModel\n"
"""What any use of pydantic loads: `import pydantic` alone loads next to nothing of it."""


async def _floor(leash: Leash, code: str = _FLOOR) -> tuple[float, float, float]:
    """Return the RSS and PSS in MB of a process that only imports, and the seconds that it takes."""
    began_s = time.monotonic()
    process = await leash.spawn(
        [sys.executable, "-c", code], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    took_s = time.monotonic() - began_s
    sizes = status_kb(process.pid, "VmRSS") / 1024, pss_kb(process.pid) / 1024
    process.stdin.close()
    await process.wait()
    return *sizes, took_s


async def _program(leash: Leash, site: RealSite, role: str) -> tuple[float, float, float]:
    process, took_s = await site.start(leash, role)
    sizes = status_kb(process.pid, "VmRSS") / 1024, pss_kb(process.pid) / 1024
    await stop(process)
    return *sizes, took_s


def _middle(found: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    rss, pss, took_s = (median(column) for column in zip(*found, strict=True))
    return rss, pss, took_s


async def run(*, rounds: int = 5) -> Table:
    """Run the benchmark."""
    found: dict[str, list[tuple[float, float, float]]] = {"floor": [], "models": [], "agent": [], "witness": []}
    with Leash() as leash, tempfile.TemporaryDirectory(prefix="haltdrill-bench-") as folder:
        async with Nats() as broker:
            site = RealSite(Path(folder), broker.config, time.time_ns())
            for _ in range(rounds):
                found["floor"].append(await _floor(leash))
                found["models"].append(await _floor(leash, _MODELS + _FLOOR))
                for role in ("agent", "witness"):
                    found[role].append(await _program(leash, site, role))
    table = Table(
        f"agent (idle, connected; median of {rounds})",
        "Floor: a process that only imports aiomqtt, pydantic, structlog, cryptography's Ed25519 and\n"
        "securesystemslib. Start-up: from the spawn until it has said that it is there, over the broker;\n"
        "the floor's until the imports are done. An agent has by then also started its workload.",
    )
    floor = _middle(found["floor"])
    for role in ("agent", "witness"):
        for name, value, least, unit in zip(
            ("resident memory", "proportional set size", "start-up"),
            _middle(found[role]),
            floor,
            ("MB", "MB", "s"),
            strict=True,
        ):
            table.add(f"{role}: {name}", value, unit, least)
    models = _middle(found["models"])
    table.add("the floor with pydantic's BaseModel: resident memory", models[0], "MB", floor[0])
    table.add("the floor with pydantic's BaseModel: start-up", models[2], "s", floor[2])
    return table
