"""Commands on drills: `run`, `resume`, `abort`, `drills`, `export`."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.common import ExitCode, FleetOption, JsonFlag, fleet_folder, print_json, run_command
from orchestrator.cli.connecting import transport_to
from orchestrator.cli.finishing import Finished, tell, write_files
from orchestrator.cli.plan_commands import PlanArgument
from orchestrator.cli.running import Desk, choose_unfinished, desk, resume_one, run_warrant
from orchestrator.cli.screen import Screen
from orchestrator.fleet.approve import check_same, open_warrant, warrant_path
from orchestrator.fleet.layout import DocumentsLayout
from orchestrator.fleet.load import LoadedFleet, load_config, load_fleet
from orchestrator.fleet.plan import load_plan
from orchestrator.journal.base import DrillSummary
from orchestrator.journal.sqlite import SqliteJournal
from orchestrator.runtime.issuer import make_abort
from protocols.errors import ConfigError, JournalError
from protocols.host.clock import SystemClock
from protocols.host.files import read_bytes, read_private_key
from protocols.host.logs import configure
from protocols.limits import ENVELOPE_MAX_BYTES
from protocols.topics import Topics

ABORT_REPEATS = 5
ABORT_PAUSE_S = 0.5
LOG_NAME = "haltdrill.log"


def register(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command("run", epilog="Example: haltdrill run plans/pause.yaml")(run)
    app.command("resume", epilog="Example: haltdrill resume --fleet my-fleet")(resume)
    app.command("abort", epilog="Example: haltdrill abort --fleet my-fleet --reason 'smoke in hall 2'")(abort)
    app.command("drills")(drills)
    app.command("export", epilog="Example: haltdrill export 20261124t140501z-pause-all-3fa9c1")(export)


@run_command
def run(
    plan: PlanArgument,
    *,
    warrant: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The approved warrant. By default PLAN's name with .warrant.json."),
    ] = None,
    fleet: FleetOption = None,
    wait_s: Annotated[
        float, typer.Option(min=0, max=3600, help="How long to wait for absent agents and witnesses.")
    ] = 10.0,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where log lines go. By default beside the drills.")
    ] = None,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Run a drill: one use of an approved plan.

    Waits for the sites, watches steady state, orders, measures, holds, releases, sees every site
    back, and leaves a report and an evidence bundle that anyone can verify. A drill that a crash
    left unfinished is finished first; if it is one of this plan, that is the run.
    """
    clock = SystemClock()
    source = load_plan(plan)
    folder = fleet_folder(fleet, plan)
    loaded = load_fleet(folder, clock.wall_ns())
    path = warrant or warrant_path(plan)
    raw = _approved(path)
    _, approved, _ = open_warrant(raw, loaded.trust, str(path))
    check_same(source, approved, loaded.trust, path, clock.wall_ns())
    configure("orchestrator", path=_log_path(loaded, log), level="debug", json=True)
    console = Screen(stderr=as_json)
    with desk(loaded, clock, console) as at:
        finished = asyncio.run(run_warrant(at, path, raw, wait_s))
        return _told(at, finished, as_json=as_json)


def _approved(path: Path) -> bytes:
    if not path.exists():
        raise ConfigError(
            "there is no warrant there",
            where=str(path),
            remedy="have the plan approved: haltdrill approve PLAN --key KEY",
        )
    return read_bytes(path, max_bytes=ENVELOPE_MAX_BYTES).strip()


def _log_path(loaded: LoadedFleet, given: Path | None) -> Path:
    path = given or (Path(loaded.config.log) if loaded.config.log else Path(loaded.config.drills) / LOG_NAME)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the folder cannot be made: {error.strerror}", where=str(path.parent)) from error
    return path


@run_command
def resume(
    drill: Annotated[
        str | None, typer.Argument(metavar="DRILL", help="The drill. By default the one that is unfinished.")
    ] = None,
    *,
    fleet: FleetOption = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where log lines go. By default beside the drills.")
    ] = None,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Take up a drill that a crash left unfinished, and run it to its end.

    Sites that are held are released at once. What was not seen meanwhile is unproven; report and
    evidence are written as by `run`.
    """
    clock, console = SystemClock(), Screen(stderr=as_json)
    loaded = load_fleet(fleet_folder(fleet), clock.wall_ns())
    journal = Path(loaded.config.journal)
    if not journal.exists():
        raise JournalError("there is no journal: no drill was run yet", where=str(journal))
    configure("orchestrator", path=_log_path(loaded, log), level="debug", json=True)
    with desk(loaded, clock, console) as at:
        chosen = choose_unfinished(at.store.drills(), drill, str(journal))
        if chosen is None:
            if as_json:
                print_json({"unfinished": []})
            else:
                typer.echo("No drill is unfinished.")
            return ExitCode.PASSED
        finished = asyncio.run(resume_one(at, chosen))
        return _told(at, finished, as_json=as_json)


def _told(at: Desk, finished: Finished, *, as_json: bool) -> ExitCode:
    if as_json:
        print_json(finished.result.model_dump(mode="json"))
    at.tell(finished)
    return finished.exit_code


@run_command
def abort(
    drill: Annotated[
        str | None, typer.Argument(metavar="DRILL", help="The drill. By default the one that is open.")
    ] = None,
    *,
    fleet: FleetOption = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="KEY", help="A dispatcher's or any approver's private key. By default the dispatcher's."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "aborted from the command line",
    as_json: JsonFlag = False,
) -> ExitCode:
    """Stop a drill now: every site is released, at once and for good.

    The abort goes to the sites themselves, so it works when the orchestrator does not. Any single
    approver's key will do.
    """
    clock = SystemClock()
    loaded = load_fleet(fleet_folder(fleet), clock.wall_ns())
    key = key or Path(loaded.config.dispatcher_key)
    signer = read_private_key(key)
    trust = loaded.trust
    if signer.public_key.keyid not in {*trust.dispatchers.keys, *trust.approvers.keys}:
        raise ConfigError("this key is neither a dispatcher's nor an approver's", where=str(key))
    store = SqliteJournal(Path(loaded.config.journal), read_only=True)
    try:
        chosen = _choose(store.drills(), drill, loaded.config.journal)
        _, envelope = make_abort(
            signer, trust.fleet, chosen.warrant, chosen.use, reason, secrets.token_hex(16), clock.wall_ns()
        )
        noted = asyncio.run(_abort(loaded, envelope.encode(), clock, store, chosen.drill))
    finally:
        store.close()
    if as_json:
        print_json({"drill": chosen.drill, "noted_by_orchestrator": noted})
    else:
        typer.echo(f"Sent to every site of {chosen.drill}: restore now, and never again under this use of the warrant.")
        typer.echo(
            "The orchestrator has it in its journal and is watching the sites come back."
            if noted
            else "The orchestrator has not taken note (it may not be running); the sites act on it all the same."
        )
    return ExitCode.PASSED


def _choose(known: list[DrillSummary], wanted: str | None, journal: str) -> DrillSummary:
    candidates = [entry for entry in known if (entry.drill == wanted if wanted else not entry.closed)]
    if not candidates:
        raise ConfigError(
            f"there is no drill {wanted}" if wanted else "no drill is open",
            where=journal,
            remedy="list them with: haltdrill drills",
        )
    return candidates[-1]


async def _abort(loaded: LoadedFleet, envelope: bytes, clock: SystemClock, store: SqliteJournal, drill: str) -> bool:
    """Publish the abort, a few times since anything may be lost, and tell whether it was journalled."""
    topics = Topics(loaded.trust.fleet)
    async with transport_to(loaded.config.broker, [], clock, role="abort") as transport:
        for _ in range(ABORT_REPEATS):
            await transport.publish(topics.stops, envelope)
            await clock.sleep(ABORT_PAUSE_S)
            if any(b'"type":"drill.aborted"' in line for line in store.lines(drill)):
                return True
    return False


@run_command
def drills(*, fleet: FleetOption = None, as_json: JsonFlag = False) -> ExitCode:
    """List the drills of a fleet, oldest first."""
    path = Path(load_config(fleet_folder(fleet)).journal)
    known: list[DrillSummary] = []
    if path.exists():
        store = SqliteJournal(path, read_only=True)
        try:
            known = store.drills()
        finally:
            store.close()
    if as_json:
        print_json(
            {
                "drills": [
                    {"drill": d.drill, "warrant": d.warrant, "use": d.use, "closed": d.closed, "state": d.state}
                    for d in known
                ]
            }
        )
        return ExitCode.PASSED
    for entry in known:
        typer.echo(f"{entry.drill}  use {entry.use}  {entry.state}")
    if not known:
        typer.echo("No drill has been run yet.")
    return ExitCode.PASSED


@run_command
def export(
    drill: Annotated[str, typer.Argument(metavar="DRILL", help="The drill, as `haltdrill drills` lists it.")],
    *,
    fleet: FleetOption = None,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Write a drill's report and evidence bundle again, from the journal.

    For when they were lost, or the disk was full when the drill ended.
    """
    folder = fleet_folder(fleet)
    loaded = load_fleet(folder, SystemClock().wall_ns())
    signer = read_private_key(Path(loaded.config.dispatcher_key))
    store = SqliteJournal(Path(loaded.config.journal), read_only=True)
    try:
        chosen = _choose(store.drills(), drill, loaded.config.journal)
        if not chosen.closed or not chosen.opened:
            what = "was never opened" if chosen.closed else "has not come to its end"
            raise ConfigError(f"it {what}, so there is no evidence of it", where=f"drill {drill}")
        finished = write_files(store, chosen.drill, signer, Path(loaded.config.drills))
    finally:
        store.close()
    if as_json:
        print_json(finished.result.model_dump(mode="json"))
    tell(finished, Screen(stderr=as_json), root=DocumentsLayout(Path(loaded.config.fleet)).root, fleet=folder)
    return finished.exit_code
