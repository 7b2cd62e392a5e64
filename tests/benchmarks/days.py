"""What ten days of a service with twenty overlapping plans leave behind: memory, descriptors, tasks, threads.

The real service and the real orchestrator on virtual time, a journal on a disk, scripted sites. Every plan is due
every twelve hours, five at a time and the next five a minute later, so that five drills go on at once; two plans share
each site. Sites and their connections are made anew each day, so that what grows is the service's.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.schedule.spec import Schedule
from orchestrator.service.serving import Service
from protocols.messages.orders import NamedSites
from tests.benchmarks.measure import Table
from tests.kit import make_fleet
from tests.orchestrator.service.programmes import PlannedWarrant, TestProgramme, planned
from tests.orchestrator.service.stage import ServiceStage
from tests.virtual import run_virtual

DAY_S = 86_400.0
PLANS = 20
DAYS = 10
HOLD_S = 30.0
AT_ONCE = 5

_NOTE = """\
the first day is the floor: it has everything in memory that there is once
drills: closed, of the number that was due; the journal is on a disk"""


@dataclass(frozen=True, slots=True)
class Left:
    """What there is at one moment.

    Attributes:
        memory_mb: Resident memory.
        descriptors: Open file descriptors.
        tasks: Tasks of the event loop.
        threads: Threads.
    """

    memory_mb: float
    descriptors: int
    tasks: int
    threads: int


def left() -> Left:
    """Look at this process."""
    gc.collect()
    status = Path("/proc/self/status").read_text().splitlines()
    resident_kb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    return Left(
        resident_kb / 1024,
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
        len(asyncio.all_tasks()),
        threading.active_count(),
    )


@dataclass(frozen=True, slots=True)
class Served:
    """What came of it.

    Attributes:
        before: Before the service began.
        days: At the end of each day, while it serves.
        after: After it had ended.
        drills: How many drills there were.
        verified: How many of them passed.
        due: How many were due.
    """

    before: Left
    days: list[Left]
    after: Left
    drills: int
    closed: int
    due: int


def plans_of(stage: ServiceStage, count: int) -> list[PlannedWarrant]:
    """Make plans that overlap."""
    sites, made = stage.fleet.sites, []
    for number in range(count):
        mine = (sites[number % len(sites)], sites[(number + 1) % len(sites)])
        warrant = stage.fleet.warrant(
            plan=f"plan-{number + 1}",
            audience=NamedSites(sites=mine),
            hold_s=HOLD_S,
            uses=100,
            max_total_held_s=100 * 300.0,
            challenge_s=2.0,
        )
        made.append(
            planned(
                stage.fleet, Schedule(cron=f"{number // AT_ONCE} */12 * * *", timezone="UTC"), warrant, grace_s=7_200.0
            )
        )
    return made


def serve_days(folder: Path, *, plans: int = PLANS, days: int = DAYS) -> Served:
    """Run a service for some days of virtual time."""
    stage = ServiceStage(make_fleet(tuple(f"site-{number}" for number in range(1, max(2, plans) + 1))))
    stage.store.close()
    stage.store = SqliteJournal(folder / "journal.sqlite")

    async def play() -> Served:
        found: list[Left] = []
        before = left()
        service = Service(TestProgramme(stage.means(), plans_of(stage, plans)))
        task = asyncio.create_task(service.run())
        # From six in the morning to six: in between nothing is due.
        await stage.clock.sleep(_to_six_s(stage.clock.wall_ns()))
        for _ in range(days):
            async with stage.sites_running():
                await stage.clock.sleep(DAY_S)
            found.append(left())
        service.end()
        await task
        drills = stage.store.drills()
        return Served(before, found, left(), len(drills), sum(drill.closed for drill in drills), 2 * plans * days)

    try:
        return run_virtual(play(), idle_cycles=0)
    finally:
        stage.store.close()


def _to_six_s(wall_ns: int) -> float:
    return (6 * 3_600.0 - wall_ns / 1e9) % DAY_S


async def run(*, plans: int = PLANS, days: int = DAYS) -> Table:
    """Run it, and print what each day left."""
    with tempfile.TemporaryDirectory() as folder:
        served = await asyncio.to_thread(serve_days, Path(folder), plans=plans, days=days)
    first, last = served.days[0], served.days[-1]
    table = Table(f"a service with {plans} overlapping plans for {days} days", _NOTE)
    table.add("drills", served.drills, "drills", served.due)
    table.add("drills not closed", served.drills - served.closed, "drills")
    for number, day in enumerate(served.days, start=1):
        table.add(f"memory after day {number}", day.memory_mb, "MB", first.memory_mb)
    table.add("descriptors after the last day", last.descriptors, "open", first.descriptors)
    table.add("tasks after the last day", last.tasks, "tasks", first.tasks)
    table.add("threads after the last day", last.threads, "threads", first.threads)
    table.add("descriptors after its end", served.after.descriptors, "open", served.before.descriptors)
    table.add("tasks after its end", served.after.tasks, "tasks", served.before.tasks)
    return table
