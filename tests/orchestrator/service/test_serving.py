"""The service's loop on virtual time: drills as they are due, once each, whatever happens to the service."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.core.grades import Verdict
from orchestrator.runtime.notes import AnyNote, open_notebook
from orchestrator.schedule import notes as n
from orchestrator.schedule.spec import Misfire, Schedule
from orchestrator.service.serving import Service
from protocols.errors import JournalError
from protocols.ids import format_utc, parse_utc
from protocols.messages.orders import NamedSites
from tests.kit import NOW_NS, Fleet, make_fleet
from tests.orchestrator.service.programmes import PlannedWarrant, TestProgramme, planned
from tests.orchestrator.service.stage import ServiceStage
from tests.virtual import run_virtual

HOUR_S = 3_600.0
HALF_HOURLY = Schedule(cron="*/30 * * * *", timezone="Europe/Berlin")
HOURLY = Schedule(cron="0 * * * *", timezone="UTC")


def only(fleet: Fleet, site: str, schedule: Schedule, **changes: object) -> PlannedWarrant:
    """Plan a short pause at one site."""
    warrant = fleet.warrant(hold_s=8.0, plan=f"only-{site}", audience=NamedSites(sites=(site,)), uses=50)
    return planned(fleet, schedule, warrant, **changes)


def notes_of(stage: ServiceStage) -> list[tuple[AnyNote, int]]:
    """Return every note of a journal, with its time."""
    found: list[tuple[AnyNote, int]] = []
    open_notebook(stage.store, stage.clock, lambda note, at_ns: found.append((note, at_ns)))
    return found


def starts_of(stage: ServiceStage) -> list[tuple[str, float]]:
    """Return every drill that was opened: its occurrence, and how long after it was due, seconds."""
    starts = [(note, at_ns) for note, at_ns in notes_of(stage) if isinstance(note, n.Started)]
    return [(str(note.of), (at_ns - note.of.nominal_ns) / 1e9) for note, at_ns in starts]


async def served(service: Service, until: Callable[[], Awaitable[None]]) -> None:
    """Run a service while `until` goes on, then have it end in order."""
    task = asyncio.create_task(service.run())
    waiter = asyncio.ensure_future(until())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    service.end()
    await task


def test_drills_run_as_they_are_due() -> None:
    """Two plans with schedules of their own run for three hours: each run on time, once, and verified."""
    stage = ServiceStage(make_fleet(("alpha", "beta")))

    async def play() -> None:
        async with stage.sites_running():
            plans = [only(stage.fleet, "alpha", HOURLY), only(stage.fleet, "beta", HALF_HOURLY)]
            await served(Service(TestProgramme(stage.means(), plans)), lambda: stage.clock.sleep(3 * HOUR_S))
        ends = [note for note, _ in notes_of(stage) if isinstance(note, n.Ended)]
        assert Counter(end.of.plan for end in ends) == {"only-alpha": 3, "only-beta": 6}
        assert all(end.verdicts == {Verdict.VERIFIED: 1} for end in ends)
        starts = starts_of(stage)
        assert len({name for name, _ in starts}) == len(starts) == 9
        assert all(0 <= late_s < 5 for _, late_s in starts)
        assert all(drill.closed for drill in stage.store.drills())

    run_virtual(play(), idle_cycles=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_service_that_is_killed_anywhere_runs_everything_once(seed: int) -> None:
    """Killed at random moments and started again: no run is doubled, none is lost, and every drill is closed."""
    stage, chance = ServiceStage(make_fleet(("alpha", "beta"))), random.Random(seed)

    async def play() -> None:
        async with stage.sites_running():
            plans = [
                only(stage.fleet, "alpha", HALF_HOURLY, misfire=Misfire.RUN_ONCE, grace_s=300.0),
                only(stage.fleet, "beta", HALF_HOURLY, misfire=Misfire.RUN_ONCE, grace_s=300.0),
            ]
            until_ns = stage.clock.boot_ns() + round(1.5 * HOUR_S * 1e9)
            while stage.clock.boot_ns() < until_ns:
                life = asyncio.create_task(Service(TestProgramme(stage.means(), plans)).run())
                to_due_s = 1_800 - (stage.clock.wall_ns() / 1e9) % 1_800
                await asyncio.wait({life}, timeout=to_due_s + chance.uniform(-1.0, 30.0))
                life.cancel()
                await asyncio.wait({life})
                await stage.clock.sleep(chance.uniform(0.0, 20.0))
            await served(Service(TestProgramme(stage.means(), plans)), lambda: stage.clock.sleep(120.0))
        begun = [str(note.of) for note, _ in notes_of(stage) if isinstance(note, n.Started)]
        assert len(begun) == len(set(begun))
        settled = {str(note.of) for note, _ in notes_of(stage) if isinstance(note, n.Ended | n.Skipped)}
        first_ns = next(at_ns for note, at_ns in notes_of(stage) if isinstance(note, n.PlanAdopted))
        due = [NOW_NS // 1_800_000_000_000 * 1_800_000_000_000 + k * 1_800_000_000_000 for k in range(1, 8)]
        last_ns = stage.clock.wall_ns() - 90 * 10**9
        expected = {
            f"only-{site}@{format_utc(at_ns)[:19]}Z"
            for site in ("alpha", "beta")
            for at_ns in due
            if first_ns < at_ns < last_ns
        }
        assert settled >= expected
        drills = stage.store.drills()
        assert all(drill.closed for drill in drills)
        assert len(drills) == len({(drill.warrant, drill.use) for drill in drills})

    run_virtual(play(), idle_cycles=0)


def test_it_drains_when_told_to_end_and_aborts_when_told_twice() -> None:
    """Told to end it finishes what goes on; told again the sites are released at once, and the drill says why."""

    async def play(twice: bool) -> ServiceStage:
        stage = ServiceStage(make_fleet(("alpha",)))
        async with stage.sites_running():
            service = Service(TestProgramme(stage.means(), [only(stage.fleet, "alpha", HOURLY)]))
            task = asyncio.create_task(service.run())
            while not (service.jobs and any(job.drill for job in service.jobs.going)):
                await stage.clock.sleep(1.0)
            await stage.clock.sleep(4.0)
            service.end()
            if twice:
                service.end()
            await task
        return stage

    for twice, aborted in ((False, 0), (True, 1)):
        stage = run_virtual(play(twice), idle_cycles=0)
        (drill,) = stage.store.drills()
        assert drill.closed
        assert sum(b'"type":"drill.aborted"' in line for line in stage.store.lines(drill.drill)) == aborted


def test_a_service_that_lost_its_lead_says_nothing_more() -> None:
    """When another process leads, the drill is left where it is, to be taken up, and nothing is published."""
    stage = ServiceStage(make_fleet(("alpha",)))

    async def play() -> None:
        async with stage.sites_running():
            service = Service(TestProgramme(stage.means(), [only(stage.fleet, "alpha", HOURLY)]))
            task = asyncio.create_task(service.run())
            while not (service.jobs and any(job.drill for job in service.jobs.going)):
                await stage.clock.sleep(1.0)
            service.lose("another leads")
            with pytest.raises(JournalError, match="another leads"):
                await task
            (drill,) = stage.store.drills()
            before = list(stage.store.lines(drill.drill))
            await stage.clock.sleep(60.0)
            assert list(stage.store.lines(drill.drill)) == before
            successor = Service(TestProgramme(stage.means(), [only(stage.fleet, "alpha", HOURLY)]))
            await served(successor, lambda: stage.clock.sleep(60.0))
        assert all(drill.closed for drill in stage.store.drills())

    run_virtual(play(), idle_cycles=0)


def test_what_is_held_off_waits_and_is_then_skipped_loudly() -> None:
    """With the lever engaged nothing starts; each run is accounted for, and once it is lifted the next one runs."""
    stage = ServiceStage(make_fleet(("alpha",)))

    async def play() -> None:
        async with stage.sites_running():
            programme = TestProgramme(stage.means(), [only(stage.fleet, "alpha", HALF_HOURLY)])
            programme.held_off = "the lever is engaged"
            service = Service(programme)

            async def lift() -> None:
                await stage.clock.sleep(HOUR_S)
                programme.held_off = ""
                service.wake()
                await stage.clock.sleep(HOUR_S / 2)

            await served(service, lift)
        skipped = [note for note, _ in notes_of(stage) if isinstance(note, n.Skipped)]
        assert [note.reason for note in skipped] == [n.Hindrance.HELD_OFF] * 2
        assert len(starts_of(stage)) == 1

    run_virtual(play(), idle_cycles=0)


def test_a_sigh_up_reads_everything_anew_before_the_next_decision() -> None:
    """What is reloaded counts at once, and a drill that goes on is not disturbed."""
    stage = ServiceStage(make_fleet(("alpha", "beta")))

    async def play() -> None:
        async with stage.sites_running():
            programme = TestProgramme(stage.means(), [only(stage.fleet, "alpha", HALF_HOURLY)])
            service = Service(programme)

            async def change() -> None:
                while not (service.jobs and any(job.drill for job in service.jobs.going)):
                    await stage.clock.sleep(1.0)
                programme.plans = [only(stage.fleet, "beta", HALF_HOURLY)]
                service.reload()
                await stage.clock.sleep(HOUR_S / 2 + 60)

            await served(service, change)
        assert programme.reloads == 1
        ends = [note for note, _ in notes_of(stage) if isinstance(note, n.Ended)]
        assert [end.verdicts for end in ends] == [{Verdict.VERIFIED: 1}] * len(ends)
        assert {end.of.plan for end in ends} == {"only-alpha", "only-beta"}
        assert parse_utc(ends[0].of.nominal) < parse_utc(ends[-1].of.nominal)

    run_virtual(play(), idle_cycles=0)
