"""Whatever is killed while a site is held, the site comes back on time, and no process is left behind."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from protocols.messages import Order, Outcome
from tests.brokers import RealBroker
from tests.e2e.demos import Demo
from tests.e2e.disks import small_disk
from tests.e2e.processes import Processes, eventually, stands_still, until, works
from tests.e2e.site import ControlRoom, Site

BOUND_S = 2.5
"""How much later than its hold's end a site may be back; a restarted agent needs a part of it to start."""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts processes that do not outlive the test."""
    with Processes(tmp_path) as started:
        yield started


@pytest.fixture
async def room(broker: RealBroker, processes: Processes, tmp_path: Path) -> AsyncIterator[ControlRoom]:
    """One agent with its workload at work, over each broker."""
    async with ControlRoom(Site(tmp_path / "site", processes, broker.config)) as control_room:
        await control_room.start_agent()
        await control_room.until_working()
        yield control_room


async def hold(room: ControlRoom, hold_s: float) -> tuple[Order, float]:
    """Have the site held; return the order and when its hold ends, by our own clock, at the latest."""
    order, frame = room.honest(hold_s=hold_s)
    digest = await room.send_order(frame)
    await room.answer(digest, Outcome.ACCEPTED)
    ends_s = time.monotonic() + hold_s
    await room.answer(digest, Outcome.HALTED)
    assert stands_still(room.site.workload)
    return order, ends_s


async def back_on_time(room: ControlRoom, ends_s: float) -> None:
    """Wait until the workload works; fail if that is before its hold's end, or much later."""
    await eventually(lambda: works(room.site.workload), "the site at work", ends_s + BOUND_S - time.monotonic())
    # The agent accepted a little before we heard of it.
    assert time.monotonic() > ends_s - 0.5


async def test_a_killed_agent_restores_on_time_after_its_restart(room: ControlRoom) -> None:
    """An agent killed with SIGKILL in the hold keeps the site held when it is back, and ends the hold on time."""
    workload = room.site.workload
    order, ends_s = await hold(room, 3.5)
    room.site.kill()
    assert stands_still(workload), "the site is held on without its agent"
    await room.start_agent()
    assert time.monotonic() < ends_s
    assert stands_still(workload), "the site is held on by the agent that came back"
    await back_on_time(room, ends_s)
    assert room.site.workload == workload
    restored = await room.answer(order.digest(), Outcome.RESTORED)
    assert restored.detail.startswith("hold end")


async def test_a_killed_agent_restores_without_any_broker(room: ControlRoom, broker: RealBroker) -> None:
    """An agent that comes back after its hold, with no broker to be found, restores its site at once."""
    order, ends_s = await hold(room, 1.0)
    room.site.kill()
    await broker.kill()
    await eventually(lambda: time.monotonic() > ends_s, "the end of the hold")
    assert stands_still(room.site.workload)
    room.site.start()
    await eventually(lambda: works(room.site.workload), "the site at work", 5.0)
    await broker.restart()
    await room.answer_asked_again(order, Outcome.RESTORED)


async def test_a_broker_killed_in_the_hold_neither_ends_nor_prolongs_it(room: ControlRoom, broker: RealBroker) -> None:
    """Losing contact restores nothing early, and the hold ends on time; the receipt follows when the broker is back."""
    order, ends_s = await hold(room, 2.5)
    await broker.kill()
    await back_on_time(room, ends_s)
    assert not room.answers(order.digest(), Outcome.RESTORED)
    await broker.restart()
    await room.answer_asked_again(order, Outcome.RESTORED)


async def test_an_agent_asked_to_stop_restores_its_site_first(room: ControlRoom) -> None:
    """SIGTERM in the hold ends it at once: restored, told, and only then exit code 0; the workload runs on."""
    workload = room.site.workload
    order, ends_s = await hold(room, 20.0)
    assert room.site.stop() == 0
    assert time.monotonic() < ends_s - 10.0
    await eventually(lambda: works(workload), "the site at work")
    restored = await room.answer(order.digest(), Outcome.RESTORED)
    assert restored.detail.startswith("agent stopping")


async def test_a_full_disk_neither_kills_the_agent_nor_prolongs_the_hold(
    broker: RealBroker, processes: Processes, tmp_path: Path
) -> None:
    """An agent that can write neither its memory nor its log restores on time, halts nothing more, and tells later."""
    with small_disk(tmp_path / "site") as disk:
        async with ControlRoom(Site(disk.folder, processes, broker.config)) as room:
            await room.start_agent()
            await room.until_working()
            order, ends_s = await hold(room, 2.0)
            disk.fill(room.site.agent)
            await back_on_time(room, ends_s)
            _, frame = room.honest(hold_s=2.0)
            other = await room.send_order(frame)
            await eventually(lambda: time.monotonic() > ends_s + 1.0, "time to obey")
            # The acceptance may have fitted into the last page; the driver's own mark does not.
            assert not room.answers(other, Outcome.HALTED)
            assert works(room.site.workload)
            assert room.site.agent.runs
            disk.free()
            if disk.mounted:
                await room.answer(order.digest(), Outcome.RESTORED)
            processes.end()


# -- the demo ------------------------------------------------------------------------------------------


def test_a_killed_demo_leaves_no_process_behind(processes: Processes, tmp_path: Path) -> None:
    """SIGKILL in the hold ends broker, agents, witnesses and workloads too, also those that are stopped."""
    demo = Demo.start(processes, tmp_path / "out", "--sites", "2")
    demo.until_held()
    assert len(processes.pids("demo")) > 2 * 4
    demo.running.kill()
    until(lambda: not processes.pids("demo"), "every process of the demo gone", 10.0)


def test_an_interrupted_demo_restores_every_site_and_leaves_its_evidence(processes: Processes, tmp_path: Path) -> None:
    """Ctrl-C in the hold aborts: sites work again long before their hold's end, and report and bundle are written."""
    demo = Demo.start(processes, tmp_path / "out", "--sites", "2", "--json")
    demo.until_held()
    demo.running.signal(signal.SIGINT)
    until(demo.all_work, "every site at work", 4.0)
    result = demo.running.end().expect(1).json()
    assert result["aborted"]
    assert not result["passed"]
    assert demo.bundle.stat().st_size > 0
    assert (demo.bundle.parent / "report.html").stat().st_size > 0
    demo.verify().expect(0)
    assert not processes.pids("demo")
