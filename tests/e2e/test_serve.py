"""`haltdrill serve` as a program: it runs what is due, follows, takes over, reloads and drains."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.fleets import DEFAULT_OWNERS, OwnFleet, running_fleet
from tests.e2e.processes import Running, until

SOON_S = 3.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnFleet]:
    """A fleet of two sites over a mosquitto that outlives the service."""
    with running_fleet(tmp_path_factory.mktemp("serve"), "mosquitto") as made:
        until(made.all_work, "every site at work")
        for example in made.layout.plans.glob("*.yaml"):
            example.unlink()
        yield made


def approved(fleet: OwnFleet, name: str, *, owners: int = 2) -> Path:
    """Write a plan and have owners approve it; when it runs is no part of what they approve."""
    plan = fleet.plan(name)
    for owner in DEFAULT_OWNERS[:owners]:
        fleet.approve(plan, owner).expect(0)
    return plan


def due_soon(plan: Path, service: Running) -> None:
    """Put a schedule into a plan by which it is due once, soon, and have the service read it."""
    start = (datetime.now(UTC) + timedelta(seconds=SOON_S)).replace(microsecond=0, tzinfo=None)
    with plan.open("a") as file:
        file.write(f"schedule:\n  rrule: FREQ=YEARLY\n  start: {start.isoformat()}\n  timezone: UTC\n")
    service.signal(signal.SIGHUP)


def serving(fleet: OwnFleet) -> Running:
    """Start a service."""
    return fleet.processes.start("serve", "--fleet", fleet.layout.folder)


def closed(fleet: OwnFleet, count: int) -> bool:
    """Tell whether so many drills came to their end."""
    return [entry["state"] for entry in fleet.drills()] == ["closed"] * count


def evidence_holds(fleet: OwnFleet) -> None:
    """Hold the last drill's evidence to verifying offline."""
    drill = str(fleet.drills()[-1]["drill"])
    bundle = fleet.layout.folder / "drills" / drill / "bundle.jsonl"
    until(bundle.exists, "the evidence written")
    fleet.processes.run("verify", bundle, "--root", fleet.layout.documents.root).expect(0)


def log_of(fleet: OwnFleet) -> str:
    """Return what the service logged."""
    return (fleet.layout.folder / "drills" / "haltdrill.log").read_text()


def test_a_service_runs_reloads_and_drains(fleet: OwnFleet) -> None:
    """What is due is run unattended, also what SIGHUP brings; a wrong plan is named; SIGTERM waits for the end."""
    before = len(fleet.drills())
    first, second = approved(fleet, "first"), approved(fleet, "second")
    (fleet.layout.plans / "broken.yaml").write_text("name: broken\nsteps: 3\n")
    service = serving(fleet)
    until(lambda: "serving" in service.said(), "serving")
    assert "broken.yaml" in service.said()
    warrants = fleet.processes.run("warrants", "--fleet", fleet.layout.folder).expect(0)
    assert "ready" in warrants.out
    assert f"{', '.join(sorted(DEFAULT_OWNERS[:2]))} (2 of 2)" in " ".join(warrants.out.split())
    due_soon(first, service)
    until(fleet.all_still, "the first drill holds")
    (fleet.layout.plans / "broken.yaml").unlink()
    until(lambda: closed(fleet, before + 1), "the first drill closed")
    due_soon(second, service)
    until(fleet.all_still, "the second drill holds")
    service.signal(signal.SIGTERM)
    service.end().expect(0)
    assert closed(fleet, before + 2)
    evidence_holds(fleet)
    until(fleet.all_work, "every site at work")
    used = fleet.processes.run("warrants", "--fleet", fleet.layout.folder, "--json").expect(0).json()["warrants"]
    assert [entry["uses_left"] for entry in used] == [4, 4]


def test_an_approval_that_comes_too_late_is_said_and_nothing_runs(fleet: OwnFleet) -> None:
    """A plan that one owner approved is due, waits, and is said to wait for want of an owner."""
    before = len(fleet.drills())
    late, service = approved(fleet, "late", owners=1), serving(fleet)
    until(lambda: "serving" in service.said(), "serving")
    due_soon(late, service)
    until(lambda: "1 of the 2 owners that it takes approved it" in log_of(fleet), "the wait is logged")
    assert len(fleet.drills()) == before
    service.signal(signal.SIGTERM)
    service.end().expect(0)
    late.unlink()


@pytest.mark.parametrize("journal", ["sqlite", "postgres"])
def test_a_follower_takes_over_when_the_leader_is_killed(
    fleet: OwnFleet, journal: str, request: pytest.FixtureRequest
) -> None:
    """After SIGKILL in the middle of a hold the follower finishes the very drill with evidence that verifies."""
    where = fleet.layout.folder / "journal-2.sqlite"
    if journal == "postgres":
        where = request.getfixturevalue("postgres").database()
    with fleet.configured('journal = "journal.sqlite"', f'journal = "{where}"'):
        plan, leader = approved(fleet, f"taken-{journal}"), serving(fleet)
        until(lambda: "serving" in leader.said(), "the first one serving")
        follower = serving(fleet)
        until(lambda: "following" in follower.said(), "the second one following")
        due_soon(plan, leader)
        until(fleet.all_still, "the drill holds")
        leader.kill()
        killed_s = time.monotonic()
        until(lambda: "serving" in follower.said(), "the follower serving")
        print(f"taken over after {time.monotonic() - killed_s:.2f} s")
        until(lambda: closed(fleet, 1), "the drill closed")
        assert [entry["use"] for entry in fleet.drills()] == [1]
        evidence_holds(fleet)
        until(fleet.all_work, "every site at work")
        follower.signal(signal.SIGTERM)
        follower.end().expect(0)


def test_a_password_of_the_journal_is_nowhere(fleet: OwnFleet) -> None:
    """A database that cannot be reached is named without its password, in one line."""
    with fleet.configured('"journal.sqlite"', '"postgresql://drill:hush-hush@127.0.0.1:1/drills"'):
        ended = fleet.processes.run("serve", "--fleet", fleet.layout.folder)
    assert "hush-hush" not in ended.expect(3).said
    assert "127.0.0.1:1/drills" in ended.one_error()


def test_a_lever_that_reached_nobody_and_a_plan_that_changed_count_for_the_one_that_takes_over(fleet: OwnFleet) -> None:
    """What was read when it began to follow is old: stops in the folder and schedules are read when it leads."""
    with fleet.configured('journal = "journal.sqlite"', 'journal = "journal-3.sqlite"'):
        plan, leader = approved(fleet, "changed"), serving(fleet)
        until(lambda: "serving" in leader.said(), "the first one serving")
        follower = serving(fleet)
        until(lambda: "following" in follower.said(), "the second one following")
        due_soon(plan, follower)
        plan.write_text(plan.read_text().partition("schedule:")[0])
        key = fleet.layout.approver_key(DEFAULT_OWNERS[0])
        engage = ("lever", "engage", "--reason", "smoke", "--key", key, "--fleet", fleet.layout.folder, "--no-wait")
        port = next(line for line in fleet.layout.config.read_text().splitlines() if line.startswith("port"))
        with fleet.configured(port, "port = 1"):
            assert "NOT SENT" in fleet.processes.run(*engage).said
        until(lambda: "service.stop_heard" in log_of(fleet), "the lever seen in the folder", 60)
        leader.kill()
        until(lambda: "serving" in follower.said(), "the follower serving")
        # As many as when the first one began, before the plan had a schedule for a while.
        assert follower.said().splitlines()[1] == leader.said().splitlines()[0]
        follower.signal(signal.SIGTERM)
        follower.end().expect(0)
    for file in fleet.layout.stops.glob("*.json"):
        file.unlink()
