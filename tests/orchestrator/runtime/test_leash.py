"""Children die with their owner, however it dies: also stopped, escaped, frozen and respawning ones."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.runtime.leash import MARKER, Leash
from orchestrator.runtime.leash_guard import CGROUP_PREFIX, mounts
from protocols.errors import ChildError

# One of these tests makes processes as fast as the machine can: none of the others beside it.
pytestmark = pytest.mark.xdist_group("leash")

PATIENCE_S = 30.0
REPOSITORY = Path(__file__).parents[3]

# A child that starts one grandchild in a session of its own, which starts a great-grandchild by a
# double fork; each writes its id to a file of the folder it is given.
FAMILY = """
import os, sys, time
folder = sys.argv[1]
def note(name):
    with open(f"{folder}/{name}.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note("escaped")
        time.sleep(600)
    note("session")
    time.sleep(600)
note("child")
time.sleep(600)
"""

# An owner that starts the family and the embedded broker on one leash, and says so.
OWNER = """
import asyncio, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
from orchestrator.runtime.broker import EmbeddedBroker
from orchestrator.runtime.leash import Leash
async def main():
    with Leash() as leash:
        await leash.spawn([sys.executable, "-c", sys.argv[1], sys.argv[2]])
        async with EmbeddedBroker(leash=leash) as broker:
            print(broker.pid, flush=True)
            await asyncio.sleep(600)
asyncio.run(main())
"""

# A child that replaces itself all the time: the parent of each is dead before it is seen.
RESPAWNER = """
import os, time
print("up", flush=True)
while True:
    if os.fork() == 0:
        os.setsid()
        time.sleep(0.002)
        continue
    os._exit(0)
"""

# An owner that has it on a leash. It is the reaper of all that is orphaned below it: hundreds of dead processes would
# else wait for an init that may be slow. Nobody holds the pipe any more when it says that it is closed, which, other
# than a look at processes, cannot miss one.
CHASER = """
import asyncio, contextlib, ctypes, os, subprocess, sys
from orchestrator.runtime.leash import Leash
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
async def main():
    with Leash() as leash:
        child = await leash.spawn([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
        print((await child.stdout.readline()).decode(), flush=True)
    print("left", flush=True)
    await child.communicate()
    print("closed", flush=True)
asyncio.run(main())
with contextlib.suppress(ChildProcessError):
    while True:
        os.waitpid(-1, 0)
"""


def alive(pid: int) -> bool:
    """Tell whether a process still runs; one that only waits to be reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, for a bounded time."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the kernel sets no events
            await asyncio.sleep(0.01)


async def noted(folder: Path, *names: str) -> dict[str, int]:
    """Wait until those processes wrote their ids, and return them."""
    await until(lambda: all((folder / name).exists() for name in names))
    return {name: int((folder / name).read_text()) for name in names}


def marked(nonce: str) -> list[int]:
    """Return the ids of live processes that carry a leash's marker."""
    marker = f"{MARKER}={nonce}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker in (entry / "environ").read_bytes() and alive(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, int]]]:
    """An owner process with the family and the embedded broker on its leash; the ids of them all."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OWNER,
        FAMILY,
        str(tmp_path),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    pids: dict[str, int] = {}
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            pids["broker"] = int(await process.stdout.readline())
        pids |= await noted(tmp_path, "child", "session", "escaped")
        yield process, pids
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        # The pipe's transport is closed by reading it to its end.
        await process.communicate()
        for pid in pids.values():
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_nothing_outlives_its_owner(
    owner: tuple[asyncio.subprocess.Process, dict[str, int]], how: signal.Signals
) -> None:
    """A killed owner takes along a stopped child, a grandchild that left the session, and the broker."""
    process, pids = owner
    assert all(alive(pid) for pid in pids.values())
    os.kill(pids["child"], signal.SIGSTOP)
    os.kill(pids["escaped"], signal.SIGSTOP)
    process.send_signal(how)
    await until(lambda: not any(alive(pid) for pid in pids.values()))


async def test_leaving_the_leash_kills_the_family(tmp_path: Path) -> None:
    """An orderly end leaves no child behind either, and the guard is gone."""
    with Leash() as leash:
        child = await leash.spawn([sys.executable, "-c", FAMILY, str(tmp_path)])
        pids = await noted(tmp_path, "child", "session", "escaped")
        os.kill(pids["session"], signal.SIGSTOP)
        guard = leash._guard
    assert not any(alive(pid) for name, pid in pids.items() if name != "child")
    assert await asyncio.wait_for(child.wait(), PATIENCE_S) == -signal.SIGKILL
    assert guard is not None
    assert guard.returncode == 0


async def test_a_child_that_respawns_all_the_time_dies_too() -> None:
    """Fork, leave the session, exit, again: the guard looks until nothing is left, and nothing is."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHASER, RESPAWNER, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (out.split(), err) == ([b"up", b"left", b"closed"], b"")


async def test_others_are_left_alone(tmp_path: Path) -> None:
    """A process without the marker, and one on another leash, live on."""
    with Leash() as other:
        stranger = await other.spawn([sys.executable, "-c", FAMILY, str(tmp_path)])
        await noted(tmp_path, "child")
        with Leash() as leash:
            child = await leash.spawn([sys.executable, "-c", "import time; time.sleep(600)"])
        assert await asyncio.wait_for(child.wait(), PATIENCE_S) == -signal.SIGKILL
        assert alive(stranger.pid)
    await asyncio.wait_for(stranger.wait(), PATIENCE_S)


async def test_the_guard_ignores_what_a_terminal_sends() -> None:
    """Ctrl-C, hang-up and a polite kill do not blind the guard."""
    with Leash() as leash:
        guard = leash._guard
        assert guard is not None
        assert os.getsid(guard.pid) == guard.pid
        child = await leash.spawn([sys.executable, "-c", "import time; time.sleep(600)"])
        # It has its handlers once it sleeps on the pipe.
        await until(lambda: Path(f"/proc/{guard.pid}/wchan").exists() and _ignores(guard.pid))
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.kill(guard.pid, number)
    assert await asyncio.wait_for(child.wait(), PATIENCE_S) == -signal.SIGKILL


def _ignores(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:"))
    return all(ignored >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM))


async def test_no_child_without_a_guard() -> None:
    """When the guard was killed, nothing more is started that could outlive us."""
    with Leash() as leash:
        guard = leash._guard
        assert guard is not None
        guard.kill()
        guard.wait()
        with pytest.raises(ChildError, match="guard"):
            await leash.spawn([sys.executable, "-c", ""])


async def test_a_program_that_is_not_there_is_named() -> None:
    """A child that cannot start gives one line with its path."""
    with Leash() as leash, pytest.raises(ChildError, match="/nowhere/program: did not start"):
        await leash.spawn(["/nowhere/program"])


@pytest.fixture(params=["v2", "v1"])
def group(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A cgroup of ours: version 2, then the version 1 freezer, where this machine lets us make one."""
    unified, freezer = mounts()
    mount = unified if request.param == "v2" else freezer
    if mount is None:
        pytest.skip(f"no cgroup {request.param} is mounted here")
    folder = mount / f"{CGROUP_PREFIX}test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip(f"this machine lets us make no cgroup {request.param}")
    yield folder
    if folder.exists():
        folder.rmdir()


async def test_a_frozen_child_dies_too(group: Path) -> None:
    """A child in a frozen cgroup of ours is killed, and the cgroup removed."""
    with Leash() as leash:
        child = await leash.spawn([sys.executable, "-c", "import time; time.sleep(600)"])
        (group / "cgroup.procs").write_text(str(child.pid))
        if (group / "cgroup.freeze").exists():
            (group / "cgroup.freeze").write_text("1")
            await until(lambda: "frozen 1" in (group / "cgroup.events").read_text())
        else:
            (group / "freezer.state").write_text("FROZEN")
            await until(lambda: (group / "freezer.state").read_text().strip() == "FROZEN")
    assert await asyncio.wait_for(child.wait(), PATIENCE_S) == -signal.SIGKILL
    await until(lambda: not group.exists())
