"""Clocks: the system's, and the one that tests turn by hand."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import pytest

from protocols.host.clock import ManualClock, SystemClock


def test_the_system_clock_is_the_kernels() -> None:
    """Boot id, boot time and wall time are those that the kernel tells everyone."""
    clock = SystemClock()
    assert re.fullmatch(r"[0-9a-f-]{36}", clock.boot_id)
    assert clock.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert time.clock_gettime_ns(time.CLOCK_BOOTTIME) - clock.boot_ns() < 10**9
    assert abs(time.time_ns() - clock.wall_ns()) < 10**9
    first = clock.boot_ns()
    assert clock.boot_ns() >= first


async def test_sleepers_wake_in_order_of_their_time() -> None:
    """Advancing wakes who is due, the earliest first, and nobody else."""
    clock = ManualClock(wall_ns=0, boot_ns=0)
    woken: list[str] = []

    async def sleep(name: str, duration_s: float) -> None:
        await clock.sleep(duration_s)
        woken.append(name)

    tasks = [asyncio.create_task(sleep(name, due)) for name, due in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("z", 9.0))]
    await asyncio.sleep(0)
    assert clock.sleepers == 4
    clock.advance(3.0)
    await asyncio.gather(*tasks[:3])
    assert woken == ["a", "b", "c"]
    assert (clock.wall_ns(), clock.boot_ns(), clock.sleepers) == (3 * 10**9, 3 * 10**9, 1)
    tasks[3].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[3]
    assert clock.sleepers == 0
    clock.advance(10.0)


async def test_the_wall_clock_jumps_alone() -> None:
    """Setting the wall clock wakes nobody and moves no boot time."""
    clock = ManualClock(wall_ns=5, boot_ns=7)
    task = asyncio.create_task(clock.sleep(1.0))
    await asyncio.sleep(0)
    clock.set_wall(10**18)
    await asyncio.sleep(0)
    assert (clock.wall_ns(), clock.boot_ns(), task.done()) == (10**18, 7, False)
    clock.reboot("11111111-0000-4000-8000-000000000000")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (clock.boot_id, clock.boot_ns()) == ("11111111-0000-4000-8000-000000000000", 0)
