"""Starts the demo's parties: real ones as a process each, all simulated sites together in one."""

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
    """One running agent or witness, or the process of all simulated sites.

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

    async def start_simulated(self) -> None:
        """Start the one process that has all simulated sites, with their agents, witnesses and enforcers.

        Raises:
            ChildError: It did not start.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        await self._spawn("mocksite", "mocksite", "--sites", str(self.layout.sites))

    async def start(self, trust: FleetTrust, sites: Iterable[str]) -> None:
        """Start the agent and all witnesses of each site of real processes.

        Raises:
            ChildError: One of them did not start.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        for site in sites:
            folder = self.layout.site(site)
            await self._spawn(f"{site} agent", "agent", "--config", str(folder.config))
            for witness in trust.records[site].witnesses:
                config = folder.witness(witness.name).config
                await self._spawn(f"{site} {witness.name}", "witness", "--config", str(config))

    async def _spawn(self, name: str, role: str, *options: str) -> None:
        log = self.logs / f"{name.replace(' ', '-')}.log"
        argv = [sys.executable, "-m", "orchestrator.entry", role, *options, "--log", str(log)]
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
