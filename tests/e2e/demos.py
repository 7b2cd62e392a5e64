"""A `haltdrill demo` that runs, and what a test looks at while it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.fleet.layout import FleetLayout
from tests.e2e.processes import Ended, Processes, Running, stands_still, until, works


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo.

    Attributes:
        processes: What started it.
        out: Its folder.
        running: Its process.
    """

    processes: Processes
    out: Path
    running: Running

    @classmethod
    def start(cls, processes: Processes, out: Path, *options: str) -> Demo:
        """Start a demo whose processes are marked `demo`."""
        return cls(processes, out, processes.start("demo", "--out", out, *options, marker="demo"))

    @property
    def layout(self) -> FleetLayout:
        """Its fleet."""
        return FleetLayout(self.out / "fleet")

    @property
    def sites(self) -> list[str]:
        """Its sites."""
        return sorted(path.stem for path in self.layout.documents.sites.glob("*.json"))

    @property
    def bundle(self) -> Path:
        """Its evidence."""
        (found,) = (self.out / "drills").glob("*/bundle.jsonl")
        return found

    def workloads(self) -> list[int]:
        """Return the process ids of the workloads that are there."""
        found = (self.processes.worker(self.layout.site(site).folder) for site in self.sites)
        return [pid for pid in found if pid is not None]

    def all_work(self) -> bool:
        """Tell whether every site is at work."""
        pids = self.workloads()
        return bool(pids) and len(pids) == len(self.sites) and all(works(pid) for pid in pids)

    def until_held(self) -> None:
        """Wait until every site worked, and then is halted."""
        until(lambda: self._runs() and self.all_work(), "every site at work")
        until(lambda: self._runs() and all(stands_still(pid) for pid in self.workloads()), "every site held")

    def _runs(self) -> bool:
        assert self.running.runs, self.running.said()[-4000:]
        return True

    def verify(self, *options: str) -> Ended:
        """Verify its evidence with nothing but its root."""
        return self.processes.run("verify", self.bundle, "--root", self.layout.documents.root, *options)
