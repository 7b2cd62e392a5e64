"""Runs a drill in front of a person: the live view, Ctrl-C, and what is left behind at the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from rich.console import Console

from orchestrator.cli.live_view import watch
from orchestrator.core.drill import Drill
from orchestrator.runtime.conduct import Conductor
from orchestrator.runtime.loop import Runtime
from orchestrator.stopping.guard import Guard

T = TypeVar("T")

HINT = "Ctrl-C aborts: every site is released at once"


class _Screen:
    """The live view as a task that starts when the runtime is there."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.runtime: Runtime | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.task = asyncio.create_task(watch(runtime, self.console, hint=HINT))

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task


class _Roll:
    """Says how many agents and witnesses are there: a few times while they come, not each time."""

    STEPS = 4

    def __init__(self, console: Console) -> None:
        self.console = console
        self.said = -1

    def __call__(self, here: int, wanted: int) -> None:
        part = here * self.STEPS // max(1, wanted)
        if part != self.said:
            self.said = part
            self.console.print(f"present     {here} of {wanted} agents and witnesses", highlight=False)


@contextlib.contextmanager
def _signals(screen: _Screen, main: asyncio.Task[Any]) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) abort the drill in order, and the second one leave."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if screen.runtime is None or screen.runtime.drill.aborted:
            main.cancel()
        else:
            screen.console.print("aborting: every site is released now; once more leaves at once", style="bold")
            screen.runtime.abort("interrupted by the operator of the orchestrator")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def conduct_in_view(
    conductor: Conductor,
    warrant: bytes,
    console: Console,
    *,
    beside: Coroutine[Any, Any, None] | None = None,
    guard: Guard | None = None,
) -> Drill:
    """Run a drill with a live view on `console`.

    Args:
        conductor: What it is conducted with.
        warrant: The warrant's envelope.
        console: Where the view is drawn.
        beside: Something that must not end while the drill runs, such as watching its children;
            when it raises, the drill is left and the error is raised.
        guard: Looks after the stop conditions; None if there are none.

    Raises:
        HaltdrillError: The drill could not be opened, or could not go on.
        KeyboardInterrupt: The person left.
    """
    screen = _Screen(console)
    async with AsyncExitStack() as stack:
        conducted = conductor.conduct(warrant, told=_Roll(console), started=_started(screen, guard, stack))
        return await _in_view(conducted, screen, beside)


async def resume_in_view(
    conductor: Conductor, drill: str, console: Console, *, guard: Guard | None = None
) -> Drill | None:
    """Run a drill that was left unfinished to its end, with the same view.

    Args:
        conductor: What it is conducted with.
        drill: The drill.
        console: Where the view is drawn.
        guard: Looks after the stop conditions; None if there are none.

    Returns:
        The drill, or None if it was never opened and is closed as that.

    Raises:
        HaltdrillError: The drill cannot be taken up from here, or could not go on.
        KeyboardInterrupt: The person left.
    """
    screen = _Screen(console)
    async with AsyncExitStack() as stack:
        return await _in_view(conductor.resume(drill, started=_started(screen, guard, stack)), screen, None)


def _started(screen: _Screen, guard: Guard | None, stack: AsyncExitStack) -> Callable[[Runtime], Awaitable[None]]:
    async def started(runtime: Runtime) -> None:
        screen.start(runtime)
        if guard is not None:
            await stack.enter_async_context(guard(runtime))

    return started


async def _in_view(conducted: Coroutine[Any, Any, T], screen: _Screen, beside: Coroutine[Any, Any, None] | None) -> T:
    main = asyncio.create_task(conducted)
    guard = asyncio.create_task(beside) if beside is not None else None
    try:
        with _signals(screen, main):
            waiting = {main} if guard is None else {main, guard}
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if guard is not None and guard in done and not main.done():
                await guard
            return await main
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for task in (main, guard):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in (main, guard) if task is not None), return_exceptions=True)
        await screen.stop()
