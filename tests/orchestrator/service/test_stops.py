"""Levers and revocations at the service: from the folder and from the network, kept or not, they count at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.fleet.held_stops import HeldStops
from orchestrator.schedule.spec import Schedule
from orchestrator.service.serving import Service
from orchestrator.service.stops import ServiceStops
from protocols.envelope import parse_envelope, seal
from protocols.host.logs import FilteringBoundLogger
from protocols.messages.orders import NamedSites
from tests import kit
from tests.kit import Fleet, make_fleet
from tests.log_checks import checked_log
from tests.orchestrator.service.programmes import TestProgramme, planned
from tests.orchestrator.service.stage import ServiceStage
from tests.virtual import run_virtual

SIGNER = kit.key_of(kit.approver_label(kit.APPROVERS[0]))


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """A fleet of one site."""
    return make_fleet(("alpha",))


def stops_of(fleet: Fleet, folder: Path) -> ServiceStops:
    """Return what a service knows that begins with this folder."""
    log: FilteringBoundLogger = checked_log("orchestrator")
    return ServiceStops(HeldStops.read(folder, fleet.trust()), fleet.trust(), log)


def lever(fleet: Fleet) -> bytes:
    """Engage the lever."""
    return seal(fleet.lever(reason="smoke"), SIGNER)


def put(folder: Path, raw: bytes) -> None:
    """Write a stop into the folder as the command does that reached no broker."""
    folder.mkdir(exist_ok=True)
    (folder / f"{parse_envelope(raw).digest}.json").write_bytes(raw)


def test_what_a_command_wrote_into_the_folder_counts_for_the_next_decision(fleet: Fleet, tmp_path: Path) -> None:
    """Where nobody could be told, the next start is held off all the same; and a revocation is seen too."""
    stops = stops_of(fleet, tmp_path / "stops")
    stops.refresh()
    assert stops.held_off() == ""
    put(tmp_path / "stops", seal(fleet.revocation("ab" * 32), SIGNER))
    stops.refresh()
    assert stops.stopped("ab" * 32) == "its warrant was revoked: it was a mistake"
    assert stops.stopped("cd" * 32) == ""
    put(tmp_path / "stops", lever(fleet))
    stops.refresh()
    assert "smoke" in stops.held_off()
    assert "smoke" in stops.stopped("")


def test_a_stop_that_cannot_be_written_down_counts_all_the_same(fleet: Fleet, tmp_path: Path) -> None:
    """A full or foreign disk makes nobody deaf: it is an error in the log, and the drill ends."""
    (tmp_path / "file").write_text("in the way")
    stops = stops_of(fleet, tmp_path / "stops")
    stops.held.folder = tmp_path / "file" / "stops"
    assert stops.hear(lever(fleet))
    assert "smoke" in stops.held_off()


def test_where_stops_cannot_be_read_nothing_starts(fleet: Fleet, tmp_path: Path) -> None:
    """What cannot be looked at might hold a stop; once it can be, drills may start again."""
    stops = stops_of(fleet, tmp_path / "stops")
    (tmp_path / "stops").write_text("no folder")
    stops.refresh()
    assert "cannot be read" in stops.held_off()
    assert stops.stopped("") == ""
    (tmp_path / "stops").unlink()
    stops.refresh()
    assert stops.held_off() == ""


def test_a_drill_that_goes_on_is_ended_by_what_lies_in_the_folder() -> None:
    """Also a stop that reached nobody over the network releases every site of the service's drills."""
    stage = ServiceStage(make_fleet(("alpha",)))

    async def play() -> None:
        async with stage.sites_running():
            warrant = stage.fleet.warrant(hold_s=60.0, audience=NamedSites(sites=("alpha",)))
            plan = planned(stage.fleet, Schedule(cron="0 * * * *", timezone="UTC"), warrant)
            programme = TestProgramme(stage.means(), [plan])
            service = Service(programme)
            task = asyncio.create_task(service.run())
            while not (service.jobs and any(job.drill for job in service.jobs.going)):
                await stage.clock.sleep(1.0)
            await stage.clock.sleep(10.0)
            programme.stops[plan.digest] = "its warrant was revoked: wrong hold"
            service.wake()
            await stage.clock.sleep(30.0)
            service.end()
            await task

    run_virtual(play(), idle_cycles=0)
    (drill,) = stage.store.drills()
    assert any(b'"type":"drill.aborted"' in line and b"wrong hold" in line for line in stage.store.lines(drill.drill))
