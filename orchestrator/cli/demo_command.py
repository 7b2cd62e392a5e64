"""`haltdrill demo`: a whole drill on this machine, of real processes or simulated sites, which all end with it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from orchestrator.cli.common import ExitCode, JsonFlag, print_json, run_command
from orchestrator.cli.conducting import conduct_in_view
from orchestrator.cli.connecting import transport_to
from orchestrator.cli.finishing import Finished, tell, write_files
from orchestrator.cli.screen import Screen
from orchestrator.core.drill import Drill
from orchestrator.demo.folder import LOG_NAME, cleared
from orchestrator.demo.sites import DemoSites
from orchestrator.demo.wanted import ALL, LADDER_SITES, SITES, Wanted, wanted
from orchestrator.evidence.result import DrillResult
from orchestrator.fleet.approve import prepare_approval, warrant_path
from orchestrator.fleet.create import create_fleet
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.load import LoadedFleet, load_fleet
from orchestrator.fleet.plan import load_plan
from orchestrator.fleet.spec import FleetSpec
from orchestrator.journal.base import JournalStore
from orchestrator.journal.places import writing
from orchestrator.logbook.writer import logbook
from orchestrator.runtime.broker import EmbeddedBroker
from orchestrator.runtime.conduct import Conductor
from orchestrator.runtime.leash import Leash
from protocols.host.clock import SystemClock
from protocols.host.files import read_private_key, write_atomic
from protocols.host.logs import configure, get_logger
from protocols.phrases import list_text
from protocols.topics import Topics

OUT = Path("drill-out")
PRESENCE_S = 30.0
_NONCE_BYTES = 16


def register(app: typer.Typer) -> None:
    """Add this module's command to `app`."""
    app.command("demo", epilog="Example: haltdrill demo --lying-site")(demo)


@run_command
def demo(
    *,
    sites: Annotated[
        int | None,
        typer.Option(min=1, max=50, help=f"How many sites; {SITES} if not given, with --ladder {LADDER_SITES}."),
    ] = None,
    controls: Annotated[
        str | None,
        typer.Option(help=f"Controls to exercise, in order, with commas, or {ALL}; a pause if not given."),
    ] = None,
    mock: Annotated[
        bool, typer.Option("--mock", help="Simulated sites, which do all twelve controls, in place of real processes.")
    ] = False,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Show an escalation: simulated sites, of which some misbehave on purpose.")
    ] = False,
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
    Each control takes a quarter of a minute at most, and no process is left behind, however it ends.
    """
    asked = wanted(sites, controls, mock=mock, ladder=ladder, lying=lying_site)
    clock = SystemClock()
    console = Screen(stderr=as_json)
    folder = out.absolute()
    with cleared(folder):
        finished, layout = asyncio.run(_demo(folder, asked, clock, console))
    shown = _relative(finished)
    if as_json:
        print_json(finished.result.model_dump(mode="json"))
    tell(shown, console, root=_near(layout.documents.root), fleet=_near(layout.folder))
    if asked.ladder:
        _tell_ladder(finished.result, asked, console)
    return finished.exit_code


def _tell_ladder(result: DrillResult, asked: Wanted, console: Console) -> None:
    """Say what the ladder did about the sites that misbehaved on purpose; they do not pass, whatever halted them."""
    found = {site.site: site.result for step in result.steps for site in step.sites}
    caught = sorted(site for site in asked.mischief if found[site].halted and found[site].rung > 0)
    wronged = sorted(site for site, one in found.items() if one.rungs and site not in asked.mischief)
    console.print()
    console.print(
        f"{len(caught)} of the {len(asked.mischief)} sites that misbehaved on purpose were halted by a harsher rung, "
        f"and {len(wronged) or 'none'} of the others climbed.",
        soft_wrap=True,
        highlight=False,
    )


def _near(path: Path) -> Path:
    """Return a path from the current folder, when it lies below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _relative(finished: Finished) -> Finished:
    return replace(finished, bundle=_near(finished.bundle), report=_near(finished.report))


async def _demo(folder: Path, asked: Wanted, clock: SystemClock, console: Console) -> tuple[Finished, FleetLayout]:
    configure("orchestrator", path=folder / LOG_NAME, level="debug", json=True)
    with Leash() as leash:
        async with EmbeddedBroker(leash=leash) as broker:
            console.print(f"broker      nats-server on {broker.config.host}:{broker.config.port}", highlight=False)
            layout, loaded = _make_fleet(folder, asked, broker.config.port, clock)
            warrant = _approve(layout, loaded, asked, clock, console)
            parties = DemoSites(leash, layout, folder / "logs")
            await _start(parties, loaded, asked, console)
            signer = read_private_key(layout.dispatcher_key)
            with writing(loaded.config.journal, loaded.trust.fleet) as store:
                drill = await _conduct(loaded, store, parties, warrant, clock, console)
                return write_files(store, drill.drill, signer, folder / "drills"), layout


async def _start(parties: DemoSites, loaded: LoadedFleet, asked: Wanted, console: Console) -> None:
    if not asked.mock:
        await parties.start(loaded.trust, sorted(loaded.trust.records))
        console.print(f"processes   {len(parties.parties)} agents and witnesses started", highlight=False)
        return
    await parties.start_simulated()
    console.print(f"simulated   {len(asked.specs)} sites started, in one process", highlight=False)
    for site, mischief in sorted(asked.mischief.items()):
        console.print(Text(f"on purpose  {site} {mischief.words}", style="yellow"))


async def _conduct(
    loaded: LoadedFleet, store: JournalStore, parties: DemoSites, warrant: bytes, clock: SystemClock, console: Console
) -> Drill:
    filters = Topics(loaded.trust.fleet).orchestrator_filters()
    signer = read_private_key(Path(loaded.config.dispatcher_key))
    async with transport_to(loaded.config.broker, filters, clock, role="orchestrator") as transport:
        log = get_logger()
        conductor = Conductor(
            loaded.documents,
            signer,
            store,
            transport,
            clock,
            log,
            presence_s=PRESENCE_S,
            watched=[logbook(log, store)],
        )
        return await conduct_in_view(conductor, warrant, console, beside=parties.watch())


def _make_fleet(folder: Path, asked: Wanted, port: int, clock: SystemClock) -> tuple[FleetLayout, LoadedFleet]:
    layout = create_fleet(folder / "fleet", FleetSpec(sites=asked.specs, port=port), clock.wall_ns())
    for site, mischief in asked.mischief.items():
        if mischief.vetoes:
            layout.site(site).veto.touch()
    return layout, load_fleet(layout.folder, clock.wall_ns())


def _approve(layout: FleetLayout, loaded: LoadedFleet, asked: Wanted, clock: SystemClock, console: Console) -> bytes:
    """Have as many owners approve the demo's plan as it takes, just as so many people would."""
    plan = layout.plans / "demo.yaml"
    write_atomic(plan, asked.plan(clock.wall_ns()).encode())
    path = warrant_path(plan)
    approved_by: tuple[str, ...] = ()
    for owner in sorted({entry.owner for entry in loaded.trust.policy.approvers}):
        signer = read_private_key(layout.approver_key(owner))
        approval = prepare_approval(load_plan(plan), loaded.trust, signer, path, nonce=_nonce, now_ns=clock.wall_ns())
        approval.write()
        approved_by = approval.approved_by
        if not approval.missing:
            break
    console.print(f"warrant     approved by {list_text(approved_by)}", highlight=False)
    return path.read_bytes().strip()


def _nonce() -> str:
    return secrets.token_hex(_NONCE_BYTES)
