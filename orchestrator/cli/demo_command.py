"""`haltdrill demo`: a whole drill on real processes of this machine, which all end with it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.cli.common import ExitCode, JsonFlag, print_json, run_command
from orchestrator.cli.conducting import conduct_in_view
from orchestrator.cli.connecting import transport_to
from orchestrator.cli.drill_commands import LOG_NAME
from orchestrator.cli.finishing import Finished, tell, write_files
from orchestrator.cli.screen import Screen
from orchestrator.core.drill import Drill
from orchestrator.demo.plan import demo_plan
from orchestrator.demo.sites import DemoSites
from orchestrator.fleet.approve import prepare_approval, warrant_path
from orchestrator.fleet.create import create_fleet
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.load import LoadedFleet, load_fleet
from orchestrator.fleet.plan import load_plan
from orchestrator.fleet.spec import FleetSpec, example_sites
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.broker import EmbeddedBroker
from orchestrator.runtime.conduct import Conductor
from orchestrator.runtime.leash import Leash
from protocols.controls import Control
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import read_private_key, write_atomic
from protocols.host.logs import configure, get_logger
from protocols.topics import Topics

OUT = Path("drill-out")
APPROVALS = 2
PRESENCE_S = 30.0
_MARK = ".haltdrill-demo"
_OURS = frozenset({_MARK, LOG_NAME, "fleet", "logs", "drills"})
"""What a demo makes in its folder."""


def register(app: typer.Typer) -> None:
    """Add this module's command to `app`."""
    app.command("demo", epilog="Example: haltdrill demo --lying-site")(demo)


@run_command
def demo(
    *,
    sites: Annotated[int, typer.Option(min=1, max=50, help="How many sites.")] = 5,
    controls: Annotated[str, typer.Option(help="Controls to exercise, in order, with commas.")] = "pause",
    lying_site: Annotated[
        bool, typer.Option("--lying-site", help="Let one agent report a halt while its work goes on.")
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where fleet, report and evidence go, in place of an earlier demo's.")
    ] = OUT,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Run a whole drill on this machine: real workloads, agents and witnesses, each a process of its own.

    Every site is seen at work, ordered to halt, witnessed halted, held, released and seen back.
    It ends within a minute and leaves no process behind, however it ends.
    """
    chosen = _controls(controls)
    clock = SystemClock()
    console = Screen(stderr=as_json)
    folder = out.absolute()
    with _cleared(folder):
        finished, layout = asyncio.run(_demo(folder, sites, chosen, clock, console, lying=lying_site))
    shown = _relative(finished)
    if as_json:
        print_json(finished.result.model_dump(mode="json"))
    tell(shown, console, root=_near(layout.documents.root))
    return finished.exit_code


def _controls(text: str) -> list[Control]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = {control.value for control in Control}
    for word in words:
        if word not in known:
            raise ConfigError(
                f"there is no control {word!r}", where="--controls", remedy=f"one of {', '.join(sorted(known))}"
            )
    if not words:
        raise ConfigError("names no control", where="--controls", remedy=f"one of {', '.join(sorted(known))}")
    return [Control(word) for word in words]


@contextlib.contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """Make room for this demo and keep others out of it: only what an earlier demo left is ever removed.

    Raises:
        ConfigError: There is something else, another demo, or the folder cannot be made.
    """
    remedy = "give another folder with --out"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError("is there already and is no demo's", where=str(folder), remedy=remedy)
    try:
        there = {entry.name: entry for entry in folder.iterdir()} if folder.exists() else {}
        others = sorted(there.keys() - _OURS) if _MARK in there else sorted(there)
        if others:
            what = f"is there already, with {others[0]} in it, which no demo made"
            raise ConfigError(what, where=str(folder), remedy=remedy)
        folder.mkdir(parents=True, exist_ok=True)
        mark = (folder / _MARK).open("a")
    except OSError as error:
        raise ConfigError(f"cannot be made ready: {error.strerror}", where=str(folder), remedy=remedy) from error
    with mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "another demo is running there", where=str(folder), remedy="wait for it, or give --out another folder"
            ) from None
        _remove(there[name] for name in sorted(there.keys() - {_MARK}))
        yield


def _remove(entries: Iterable[Path]) -> None:
    for entry in entries:
        try:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        except OSError as error:
            raise ConfigError(f"cannot be removed: {error.strerror}", where=str(entry)) from error


def _near(path: Path) -> Path:
    """Return a path from the current folder, when it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _relative(finished: Finished) -> Finished:
    return replace(finished, bundle=_near(finished.bundle), report=_near(finished.report))


async def _demo(
    folder: Path, count: int, controls: list[Control], clock: SystemClock, console: Console, *, lying: bool
) -> tuple[Finished, FleetLayout]:
    configure("orchestrator", path=folder / LOG_NAME, level="debug", json=True)
    with Leash() as leash:
        async with EmbeddedBroker(leash=leash) as broker:
            console.print(f"broker      nats-server on {broker.config.host}:{broker.config.port}", highlight=False)
            layout, loaded = _make_fleet(folder, count, broker.config.port, clock, lying=lying)
            warrant = _approve(layout, loaded, controls, clock, console)
            parties = DemoSites(leash, layout, folder / "logs")
            await parties.start(loaded.trust, sorted(loaded.trust.records))
            console.print(f"processes   {len(parties.parties)} agents and witnesses started", highlight=False)
            signer = read_private_key(layout.dispatcher_key)
            store = SqliteJournal(Path(loaded.config.journal))
            try:
                drill = await _conduct(loaded, store, parties, warrant, clock, console)
                return write_files(store, drill.drill, signer, folder / "drills"), layout
            finally:
                store.close()


async def _conduct(
    loaded: LoadedFleet, store: SqliteJournal, parties: DemoSites, warrant: bytes, clock: SystemClock, console: Console
) -> Drill:
    filters = Topics(loaded.trust.fleet).orchestrator_filters()
    signer = read_private_key(Path(loaded.config.dispatcher_key))
    async with transport_to(loaded.config.broker, filters, clock, role="orchestrator") as transport:
        conductor = Conductor(loaded.documents, signer, store, transport, clock, get_logger(), presence_s=PRESENCE_S)
        return await conduct_in_view(conductor, warrant, console, beside=parties.watch())


def _make_fleet(
    folder: Path, count: int, port: int, clock: SystemClock, *, lying: bool
) -> tuple[FleetLayout, LoadedFleet]:
    specs = list(example_sites(count))
    if lying:
        specs[-1] = replace(specs[-1], lie=True)
    layout = create_fleet(folder / "fleet", FleetSpec(sites=tuple(specs), port=port), clock.wall_ns())
    return layout, load_fleet(layout.folder, clock.wall_ns())


def _approve(
    layout: FleetLayout, loaded: LoadedFleet, controls: list[Control], clock: SystemClock, console: Console
) -> bytes:
    """Have two owners approve the demo's plan, just as two people would."""
    plan = layout.plans / "demo.yaml"
    write_atomic(plan, demo_plan(sorted(loaded.trust.records), controls, clock.wall_ns()).encode())
    path = warrant_path(plan)
    owners = sorted({entry.owner for entry in loaded.trust.policy.approvers})[:APPROVALS]
    for owner in owners:
        signer = read_private_key(layout.approver_key(owner))
        approval = prepare_approval(
            load_plan(plan), loaded.trust, signer, path, nonce=lambda: secrets.token_hex(16), now_ns=clock.wall_ns()
        )
        approval.write()
    console.print(f"warrant     approved by {' and '.join(owners)}", highlight=False)
    return path.read_bytes().strip()
