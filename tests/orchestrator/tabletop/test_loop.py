"""The exercise's clock: it jumps, keeps a pace, stands still, and takes orders from the room."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from orchestrator.tabletop.loop import Pace, StuckError, run_exercise


def test_without_a_pace_hours_take_no_time() -> None:
    """Unattended, time jumps from timer to timer."""

    async def main() -> float:
        await asyncio.sleep(7_200)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_exercise(main()) == 7_200
    assert time.monotonic() - began < 5


def test_what_can_never_end_is_a_bug_that_is_said() -> None:
    """An exercise in which everybody waits for somebody else does not hang."""
    with pytest.raises(StuckError):
        run_exercise(asyncio.Event().wait())


def test_time_stands_still_until_the_room_lets_it_go() -> None:
    """Paused, nothing happens; an order is carried out all the same; let go, it ends."""
    pace, seen = Pace(0.0), []
    done = threading.Event()

    async def main() -> None:
        await asyncio.sleep(100)
        seen.append("later")

    def play() -> None:
        run_exercise(main(), pace)
        done.set()

    thread = threading.Thread(target=play)
    thread.start()
    ordered = threading.Event()
    pace.order(lambda: (seen.append("ordered"), ordered.set()))
    assert ordered.wait(10)
    assert seen == ["ordered"]
    pace.jump(50.0)
    assert not done.wait(0.05)
    pace.set(None)
    assert done.wait(10)
    thread.join()
    assert seen == ["ordered", "later"]


def test_at_a_pace_the_exercises_time_follows_the_rooms() -> None:
    """A hundred times as fast as life, ten seconds take at least a tenth of one."""

    async def main() -> None:
        await asyncio.sleep(10)

    began = time.monotonic()
    run_exercise(main(), Pace(100.0))
    assert time.monotonic() - began >= 0.09
