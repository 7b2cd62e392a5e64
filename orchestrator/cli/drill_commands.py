"""Commands on drills: `run`, `resume`, `abort`, `drills`, `export`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.aborting import choose_drill, send_abort
from orchestrator.cli.common import ExitCode, FleetOption, JsonFlag, fleet_folder, print_json, run_command
from orchestrator.cli.finishing import Finished, tell, write_files
from orchestrator.cli.lever_command import WaitFlag
from orchestrator.cli.log_files import writable_log
from orchestrator.cli.plan_commands import PlanArgument
from orchestrator.cli.proving import document_of, prove
from orchestrator.cli.proving import tell as tell_back
from orchestrator.cli.running import Desk, choose_unfinished, desk, resume_one, run_warrant
from orchestrator.cli.screen import Screen
from orchestrator.fleet.approve import check_same, open_warrant
from orchestrator.fleet.layout import DocumentsLayout
from orchestrator.fleet.load import load_config, load_fleet
from orchestrator.fleet.plan import load_plan
from orchestrator.fleet.plan_waves import wave_of, waves_of
from orchestrator.journal.base import DrillSummary
from orchestrator.journal.places import open_store, there_is
from orchestrator.journal.urls import shown
from protocols.errors import ConfigError, JournalError
from protocols.host.clock import SystemClock
from protocols.host.files import read_bytes, read_private_key
from protocols.host.logs import configure
from protocols.limits import ENVELOPE_MAX_BYTES


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
    wave: Annotated[
        int | None, typer.Option(min=1, max=16, help="The wave to run, of a plan that has waves.", show_default=False)
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
    chosen = wave_of(waves_of(source, plan, loaded.trust, now_ns=clock.wall_ns()), wave, str(plan))
    path = warrant or chosen.warrant
    raw = _approved(path)
    _, approved, _ = open_warrant(raw, loaded.trust, str(path))
    check_same(chosen.source, approved, loaded.trust, path, clock.wall_ns())
    configure("orchestrator", path=writable_log(loaded.config, log), level="debug", json=True)
    console = Screen(stderr=as_json)
    with desk(loaded, clock, console) as at:
        finished = asyncio.run(run_warrant(at, path, raw, wait_s, source.plan.stop_when))
        return _told(at, finished, as_json=as_json)


def _approved(path: Path) -> bytes:
    if not path.exists():
        raise ConfigError(
            "there is no warrant there",
            where=str(path),
            remedy="have the plan approved: haltdrill approve PLAN --key KEY",
        )
    return read_bytes(path, max_bytes=ENVELOPE_MAX_BYTES).strip()


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
    journal = loaded.config.journal
    if not there_is(journal):
        raise JournalError("there is no journal: no drill was run yet", where=shown(journal))
    configure("orchestrator", path=writable_log(loaded.config, log), level="debug", json=True)
    with desk(loaded, clock, console) as at:
        chosen = choose_unfinished(at.store.drills(), drill, journal)
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
    wait: WaitFlag = True,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Stop a drill now: every site is released, at once and for good.

    The abort goes to the sites themselves, so it works when the orchestrator does not. Any single
    approver's key will do. Then each site's return to steady state is shown, as witnesses saw it; where no
    orchestrator runs the drill, it is ended from here.
    """
    folder = fleet_folder(fleet)
    sent = asyncio.run(send_abort(folder, drill, reason, key=key))
    console = Screen(stderr=as_json)
    for sentence in sent.sentences:
        console.print(sentence, highlight=False)
    loaded = load_fleet(folder, SystemClock().wall_ns())
    if wait:
        configure("orchestrator", path=writable_log(loaded.config, None), level="debug", json=True)
    proofs = prove(loaded, [sent.drill], reason, console) if wait else []
    tell_back(proofs, console)
    if as_json:
        print_json({"drill": sent.drill, "noted_by_orchestrator": sent.noted, "drills": document_of(proofs)})
    return ExitCode.PASSED if all(proof.proved for proof in proofs) else ExitCode.NOT_PASSED


@run_command
def drills(*, fleet: FleetOption = None, as_json: JsonFlag = False) -> ExitCode:
    """List the drills of a fleet, oldest first."""
    journal = load_config(fleet_folder(fleet)).journal
    known: list[DrillSummary] = []
    if there_is(journal):
        store = open_store(journal)
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
    store = open_store(loaded.config.journal)
    try:
        chosen = choose_drill(store.drills(), drill, loaded.config.journal)
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
