"""Starts the demo's agents and witnesses, each an operating-system process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.fleet.layout import FleetLayout
from orchestrator.runtime.leash import Leash
from protocols.errors import ChildError
from protocols.trust import FleetTrust

_POLL_S = 0.2


@dataclass(slots=True)
class Party:
    """One running agent or witness.

    Attributes:
        name: Its site, and what it is there.
        log: The file that its log lines go to.
    """

    name: str
    process: asyncio.subprocess.Process
    log: Path


@dataclass(slots=True)
class DemoSites:
    """The processes of all sites of a demo fleet.

    Args:
        leash: What they are put on, so that they die with us.
        layout: The fleet's folder.
        logs: The folder that their logs go to.
    """

    leash: Leash
    layout: FleetLayout
    logs: Path
    parties: list[Party] = field(default_factory=list)

    async def start(self, trust: FleetTrust, sites: Iterable[str]) -> None:
        """Start the agent and all witnesses of each site.

        Raises:
            ChildError: One of them did not start.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        for site in sites:
            folder = self.layout.site(site)
            await self._spawn(f"{site} agent", "agent", folder.config)
            for witness in trust.records[site].witnesses:
                await self._spawn(f"{site} {witness.name}", "witness", folder.witness(witness.name).config)

    async def _spawn(self, name: str, role: str, config: Path) -> None:
        log = self.logs / f"{name.replace(' ', '-')}.log"
        argv = [sys.executable, "-m", "orchestrator.entry", role, "--config", str(config), "--log", str(log)]
        with (self.logs / f"{name.replace(' ', '-')}.err").open("wb") as stderr:
            # One thread of a maths library for each of twenty processes would swamp two cores.
            env = {**os.environ, "OMP_NUM_THREADS": "1"}
            process = await self.leash.spawn(argv, env=env, stdout=stderr, stderr=stderr)
        self.parties.append(Party(name, process, log))

    async def watch(self) -> None:
        """Return never, and raise as soon as one of them is gone.

        Raises:
            ChildError: One of them died; it names the log that says why.
        """
        while True:
            for party in self.parties:
                if party.process.returncode is not None:
                    raise ChildError(
                        f"died with exit status {party.process.returncode}",
                        where=party.name,
                        remedy=f"its log is {party.log}",
                    )
            await asyncio.sleep(_POLL_S)
