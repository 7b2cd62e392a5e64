"""Commands on plans: `plan check`, `plan explain`, `plan fire`. All work offline."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.common import ExitCode, FleetOption, JsonFlag, fleet_folder, print_json, run_command
from orchestrator.evidence.fold import Folded, fold_journal
from orchestrator.fleet.explain import explain_warrant
from orchestrator.fleet.explain_schedule import explain_schedule, runs_text, schedule_warnings
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.load import load_config, load_documents
from orchestrator.fleet.plan import PlanFile, load_plan, parse_plan
from orchestrator.fleet.plan_check import all_dispatchers, check_plan, compile_plan
from orchestrator.fleet.plan_fire import Arming, fire_plan
from orchestrator.fleet.plan_schema import plan_schema, schema_of
from orchestrator.fleet.plan_waves import waves_of
from orchestrator.journal.places import open_store
from orchestrator.journal.urls import shown
from orchestrator.service.config import ServiceConfig
from orchestrator.service.folder import closures_in
from protocols.controls import DecommissionParams
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import write_atomic
from protocols.ids import parse_utc, seconds_to_ns
from protocols.trust import FleetTrust, owners_required

NONCE_BYTES = 16
FIRE_PLAN = "decommission-fire.yaml"

PlanArgument = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, a YAML file.", show_default=False)]

plan_app = typer.Typer(no_args_is_help=True, help="Check a drill plan, say in words what it does, or write one.")


@plan_app.command("check", epilog="Example: haltdrill plan check plans/pause.yaml")
@run_command
def plan_check(plan: PlanArgument, *, fleet: FleetOption = None, as_json: JsonFlag = False) -> ExitCode:
    """Check a plan against the fleet: its keys, its sites, their controls, limits and witnesses.

    The first mistake is named with its line and what would be right.
    """
    now_ns = SystemClock().wall_ns()
    source, trust, sites = _checked(plan, fleet, now_ns)
    waves = waves_of(source, plan, trust, now_ns=now_ns)
    steps = [step.name for step in source.plan.steps]
    warnings = list(schedule_warnings(source.plan, now_ns))
    if as_json:
        said = {"plan": source.plan.name, "ok": True, "sites": list(sites), "steps": steps, "warnings": warnings}
        print_json(said | ({"waves": [list(wave.sites) for wave in waves]} if source.plan.waves else {}))
        return ExitCode.PASSED
    word = "step" if len(steps) == 1 else "steps"
    in_waves = f" in {len(waves)} waves" if source.plan.waves else ""
    typer.echo(f"{plan}: good; {len(steps)} {word} at {len(sites)} of {len(trust.records)} sites{in_waves}")
    for warning in warnings:
        typer.echo(f"{plan}: note: {warning}")
    return ExitCode.PASSED


@plan_app.command("explain", epilog="Example: haltdrill plan explain plans/pause.yaml")
@run_command
def plan_explain(
    plan: PlanArgument,
    *,
    fleet: FleetOption = None,
    service: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder with service.yaml, for blackouts. By default that of PLAN."),
    ] = None,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Say in words what a plan does, to whom, when, with whose approval; and list its next ten runs."""
    now_ns = SystemClock().wall_ns()
    source, trust, sites = _checked(plan, fleet, now_ns)
    nonce = secrets.token_hex(NONCE_BYTES)
    warrant = compile_plan(source.plan, trust, dispatchers=all_dispatchers(trust), nonce=nonce, now_ns=now_ns)
    text = explain_warrant(warrant, trust)
    waves, closures = waves_of(source, plan, trust, now_ns=now_ns), closures_in(service or plan.absolute().parent)
    text = "\n".join(part for part in (text, explain_schedule(source.plan, waves, closures, now_ns)) if part)
    if as_json:
        print_json(
            {
                "plan": source.plan.name,
                "sites": list(sites),
                "owners_required": owners_required(trust.policy, warrant),
                "next_runs": list(runs_text(source.plan, closures, now_ns)),
                "text": text,
            }
        )
    else:
        typer.echo(text)
    return ExitCode.PASSED


@plan_app.command("schema", epilog="Example: haltdrill plan schema > plan.schema.json")
@run_command
def plan_schema_command(
    *,
    service: Annotated[bool, typer.Option("--service", help="That of service.yaml instead.")] = False,
) -> None:
    """Print the JSON Schema of plans, for an editor that checks while you type."""
    print_json(schema_of(ServiceConfig, "haltdrill service.yaml") if service else plan_schema())


def _checked(plan: Path, fleet: Path | None, now_ns: int) -> tuple[PlanFile, FleetTrust, tuple[str, ...]]:
    source = load_plan(plan)
    trust = load_documents(fleet_folder(fleet, plan), now_ns).trust
    return source, trust, check_plan(source, trust, now_ns=now_ns)


@plan_app.command("fire", epilog="Example: haltdrill plan fire 20261124t140501z-all-controls-3fa9c1")
@run_command
def plan_fire(
    drill: Annotated[
        str, typer.Argument(metavar="DRILL", help="The drill that armed, as `haltdrill drills` lists it.")
    ],
    *,
    fleet: FleetOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"The plan to write. By default plans/{FIRE_PLAN} of the fleet."),
    ] = None,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Write the plan that fires a decommission, with the nonces that a drill's sites were armed with.

    It does nothing until it is approved, by as many owners as the policy asks for, and run.
    """
    now_ns = SystemClock().wall_ns()
    folder = fleet_folder(fleet)
    path = out or FleetLayout(folder).plans / FIRE_PLAN
    if path.exists():
        raise ConfigError(
            "is there already, and nothing is ever overwritten", where=str(path), remedy="name another file with --out"
        )
    arming = _arming(_folded(folder, drill), now_ns)
    text = fire_plan(arming, str(path), now_ns).encode()
    check_plan(parse_plan(text, str(path)), load_documents(folder, now_ns).trust, now_ns=now_ns)
    write_atomic(path, text)
    sites = sorted(arming.nonces)
    if as_json:
        print_json({"plan": str(path), "drill": drill, "sites": sites})
        return ExitCode.PASSED
    typer.echo(f"Wrote {path}: fires {len(sites)} armed mock sites, which cannot be undone.")
    typer.echo(f"Read it with: haltdrill plan explain {path}")
    return ExitCode.PASSED


def _folded(folder: Path, drill: str) -> Folded:
    journal = load_config(folder).journal
    store = open_store(journal)
    try:
        known = [entry for entry in store.drills() if entry.drill == drill]
        if not known or not known[0].closed:
            what = "it has not come to its end" if known else f"there is no drill {drill}"
            raise ConfigError(what, where=shown(journal), remedy="list them with: haltdrill drills")
        return fold_journal(store.lines(drill))
    finally:
        store.close()


def _arming(folded: Folded, now_ns: int) -> Arming:
    """Return what a closed drill armed.

    Raises:
        ConfigError: It armed nothing, or what it armed may have expired.
    """
    drill = folded.drill
    where = f"drill {drill.drill}"
    for number, step in enumerate(drill.warrant.steps):
        params = step.params
        if not isinstance(params, DecommissionParams) or params.armed_for_s is None:
            continue
        results = {site: drill.results.get((number, site)) for site in drill.audience}
        nonces = {site: found.receipts.armed for site, found in results.items() if found and found.receipts.armed}
        if not nonces:
            raise ConfigError("no site was armed in it", where=where)
        # Each was armed after the drill was opened, so until then at least every nonce is good.
        until_ns = parse_utc(folded.background.opened_at) + seconds_to_ns(params.armed_for_s)
        if until_ns <= now_ns:
            raise ConfigError("what it armed may have expired by now", where=where, remedy="arm the sites once more")
        return Arming(
            drill=drill.drill,
            nonces=nonces,
            until_ns=until_ns,
            quorum=step.quorum,
            challenge_s=drill.warrant.challenge_s,
            limit_s=step.response_limit_s,
            dwell_s=step.dwell_s,
            hold_s=step.hold_s,
            restore_limit_s=step.restore_limit_s,
            max_gap_s=step.max_gap_s,
        )
    raise ConfigError("has no step that arms a decommission", where=where)
