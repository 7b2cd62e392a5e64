"""Runs the service as a program: leads or follows, listens to signals, speaks to systemd."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.cli.connecting import broker_for, transport_to
from orchestrator.cli.finishing import write_files
from orchestrator.cli.serving_beside import Notifying, look_for_overdue, unending
from orchestrator.cli.stopping import held_stops
from orchestrator.fleet.load import LoadedFleet, load_fleet
from orchestrator.fleet.plan_book import BookedPlan
from orchestrator.journal.base import Candidate, JournalStore, JournalUnreachable, Leader
from orchestrator.journal.places import candidate, open_store
from orchestrator.journal.shared import SharedStore
from orchestrator.runtime.leash import Leash
from orchestrator.schedule.draw_key import DrawKey
from orchestrator.service.drilling import Beside, Means
from orchestrator.service.folder import FolderProgramme, Read, read_all
from orchestrator.service.serving import LOOK_S, Service
from orchestrator.service.stops import ServiceStops
from orchestrator.stopping.guard import guarding
from protocols.clock import Clock
from protocols.config import BrokerConfig
from protocols.errors import HaltdrillError
from protocols.host.files import read_private, read_private_key, write_private
from protocols.host.logs import FilteringBoundLogger, reopen
from protocols.host.systemd import Notifications
from protocols.topics import Topics
from protocols.transport.base import Transport

FOLLOW_S = 1.0
"""How often a follower looks whether it may lead."""

DRAW_KEY_NAME = "draw.key"


@dataclass(frozen=True, slots=True)
class Post:
    """Where a service stands.

    Attributes:
        fleet: The fleet's folder.
        plans: The folder of its plans.
        lines: The file that log lines go to.
        clock: The one clock.
        log: Where log lines go.
        supervisor: systemd, or nobody.
        told: Takes sentences for the person at the terminal.
    """

    fleet: Path
    plans: Path
    lines: Path
    clock: Clock
    log: FilteringBoundLogger
    supervisor: Notifications
    told: Callable[[str], None]

    def read(self) -> tuple[LoadedFleet, Read]:
        """Read the fleet and its plans.

        Raises:
            HaltdrillError: Something is wrong with what holds for all plans.
        """
        now_ns = self.clock.wall_ns()
        loaded = load_fleet(self.fleet, now_ns)
        return loaded, read_all(loaded.documents, self.plans, now_ns)


async def serve(post: Post) -> None:
    """Serve until told to end: as the one process that writes the fleet's journal, after waiting to be that.

    Raises:
        HaltdrillError: Something that holds for all plans is wrong, or another process took the journal over.
    """
    loaded, _ = post.read()
    ended = asyncio.Event()
    with (
        _signals({signal.SIGTERM: ended.set, signal.SIGINT: ended.set, signal.SIGHUP: lambda: None}),
        closing(candidate(loaded.config.journal, loaded.trust.fleet)) as hopeful,
    ):
        leader = await _lead(post, hopeful, ended)
        if leader is None:
            return
        try:
            # Anew: what was read when it began to follow may be weeks old.
            await _led(post, *post.read(), leader)
        finally:
            leader.release()


async def _lead(post: Post, hopeful: Candidate, ended: asyncio.Event) -> Leader | None:
    """Wait until this process leads; None if it is told to end before."""
    said: str | None = None
    while not ended.is_set():
        try:
            leader = hopeful.lead()
            if leader is not None:
                return leader
            hopeful.oust()
            holder = hopeful.holder() or "another process"
        except JournalUnreachable as error:
            if said is None:
                raise
            holder = str(error)
        if holder != said:
            said = holder
            post.log.info("service.following", detail=holder)
            post.told(f"following   {holder} runs this fleet's drills; this process takes over when it is gone")
            post.supervisor.ready(f"following {holder}")
        post.supervisor.watchdog()
        try:
            async with asyncio.timeout(FOLLOW_S):
                await ended.wait()
        except TimeoutError:
            pass
    return None


async def _led(post: Post, loaded: LoadedFleet, read: Read, leader: Leader) -> None:
    """Serve as the leader."""
    config = loaded.config
    signer = read_private_key(Path(config.dispatcher_key))
    store = SharedStore(leader.store)

    async def finished(drill: str) -> None:
        def write() -> None:
            with closing(open_store(config.journal)) as reader:
                write_files(reader, drill, signer, Path(config.drills))

        try:
            await asyncio.to_thread(write)
        except HaltdrillError as error:
            post.log.error("service.files_failed", drill=drill, detail=str(error))  # noqa: TRY400 - foreseen

    @contextmanager
    def journal() -> Iterator[JournalStore]:
        yield store

    async with AsyncExitStack() as stack:
        leash = stack.enter_context(Leash())
        broker = await stack.enter_async_context(broker_for(config.broker, embedded=config.embedded, leash=leash))
        means = Means(
            documents=loaded.documents,
            signer=signer,
            clock=post.clock,
            log=post.log,
            connect=_connector(broker, loaded, post.clock),
            journal=journal,
            presence_s=read.config.presence_s,
            finished=finished,
        )
        stops = ServiceStops(held_stops(loaded), loaded.trust, post.log)
        programme = FolderProgramme(
            means,
            lambda: post.read()[1],
            read,
            stops,
            lambda now: _draw_key(Path(config.dispatcher_key).with_name(DRAW_KEY_NAME), now),
            lambda booked: _guard(booked, means),
        )
        notifying = Notifying(programme, post.plans, post.lines, leash, post.log, post.clock)
        notifying.check()
        programme.reloaded.append(notifying.reload)
        beside: dict[str, Callable[[Service], Coroutine[Any, Any, None]]] = {
            "stops": partial(_listening, broker, loaded, post, stops),
            "overdue": lambda _service: look_for_overdue(programme, config.journal, post.clock, post.log),
            "notifier": lambda _service: notifying.run(),
        }
        await _run(post, programme, leader, beside)


async def _listening(
    broker: BrokerConfig, loaded: LoadedFleet, post: Post, stops: ServiceStops, service: Service
) -> None:
    """Hear levers and revocations also between drills: each is written down, and counts for the next decision."""
    topics = Topics(loaded.trust.fleet)
    async with transport_to(broker, [topics.stops], post.clock, role="stops") as transport:
        while True:
            for message in await transport.receive(256):
                if stops.hear(message.payload):
                    service.wake()


def _guard(booked: BookedPlan, means: Means) -> Beside | None:
    """Return what looks after the stop conditions of a plan's drills; None if it has none."""
    conditions = booked.plan.stop_when
    return guarding(conditions, means.clock, means.log) if conditions else None


async def _run(
    post: Post,
    programme: FolderProgramme,
    leader: Leader,
    beside: Mapping[str, Callable[[Service], Coroutine[Any, Any, None]]],
) -> None:
    loop = asyncio.get_running_loop()
    watchdog_s = post.supervisor.watchdog_s
    service = Service(
        programme, turned=lambda: _turned(post, service), look_s=min(LOOK_S, watchdog_s / 3 if watchdog_s else LOOK_S)
    )

    def lost() -> None:
        loop.call_soon_threadsafe(service.lose, "another process took this fleet's journal over")

    leader.when_lost(lost)
    plans, scheduled = len(programme.now.book.plans), len(programme.now.book.scheduled)
    post.log.info("service.started", plans=plans, scheduled=scheduled)
    post.told(f"serving     {plans} plans of {post.plans}, {scheduled} of them on a schedule")
    programme.tell_wrong()
    for path, error in programme.now.book.wrong.items():
        post.told(f"wrong       {error if error.where else f'{path}: {error}'}")
    post.supervisor.ready(_status(programme, service))

    def reload() -> None:
        post.supervisor.reloading()
        reopen()
        service.reload()

    def end() -> None:
        post.supervisor.stopping("draining")
        post.told("ending      drills that go on are finished; once more aborts them")
        service.end()

    with _signals({signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: reload}):
        others = [asyncio.create_task(unending(name, what, service, post.log)) for name, what in beside.items()]
        try:
            await service.run()
            post.log.info("service.ended")
        finally:
            for other in others:
                other.cancel()
            await asyncio.gather(*others, return_exceptions=True)


def _turned(post: Post, service: Service) -> None:
    post.supervisor.watchdog()
    assert isinstance(service.programme, FolderProgramme)  # noqa: S101 - it was made above
    post.supervisor.ready(_status(service.programme, service))


def _status(programme: FolderProgramme, service: Service) -> str:
    going = len(service.jobs.going) if service.jobs else 0
    return f"{len(programme.now.book.scheduled)} scheduled plans, {going} drills go on"


def _connector(
    broker: BrokerConfig, loaded: LoadedFleet, clock: Clock
) -> Callable[[str], AbstractAsyncContextManager[Transport]]:
    filters = Topics(loaded.trust.fleet).orchestrator_filters()

    @asynccontextmanager
    async def connect(role: str) -> AsyncIterator[Transport]:
        async with transport_to(broker, filters, clock, role=role) as transport:
            yield transport

    return connect


def _draw_key(path: Path, read: Read) -> DrawKey | None:
    """Return the drawing key; it is made the first time that a plan is unannounced.

    Raises:
        ConfigError: It is there and wrong, or others may read it.
    """
    if path.exists():
        return DrawKey.from_pem(read_private(path), str(path))
    if not any(booked.plan.schedule and booked.plan.schedule.unannounced for booked in read.book.scheduled):
        return None
    made = DrawKey.create()
    write_private(path, made.to_pem())
    return made


@contextmanager
def _signals(handlers: dict[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Have signals handled by the loop, and put back what was there before."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number, former in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, former)
