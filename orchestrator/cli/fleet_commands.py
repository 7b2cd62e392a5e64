"""Commands that make a fleet and approve its plans: `init`, `approve`. All work offline."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.common import (
    ExitCode,
    FleetOption,
    JsonFlag,
    confirmed,
    fleet_folder,
    placed,
    print_json,
    run_command,
)
from orchestrator.cli.plan_commands import NONCE_BYTES, PlanArgument, plan_app
from orchestrator.fleet.approve import Approval, prepare_approval
from orchestrator.fleet.create import create_fleet
from orchestrator.fleet.explain import approval_lines
from orchestrator.fleet.load import load_documents
from orchestrator.fleet.plan import load_plan
from orchestrator.fleet.plan_waves import waves_of
from orchestrator.fleet.spec import DEFAULT_PORT, FleetSpec, example_sites, mock_sites
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import read_private_key
from protocols.trust import FleetTrust

TIMEKEEPER_OWNER = "time-office"
SITES = 5
_SITES_MAX = 1_000


def register(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command("init", epilog="Example: haltdrill init my-fleet --sites 5")(init)
    app.command(
        "approve",
        epilog="Example: haltdrill approve plans/pause.yaml --key keys/approver-regulator.key",
    )(approve)
    app.add_typer(plan_app, name="plan")


@run_command
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    *,
    sites: Annotated[
        int | None,
        typer.Option(min=0, max=_SITES_MAX, help=f"How many example sites of real processes; {SITES} without --mock."),
    ] = None,
    mock: Annotated[
        int, typer.Option("--mock", min=0, max=_SITES_MAX, help="How many simulated sites, which do all controls.")
    ] = 0,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The broker's port on this machine.")] = DEFAULT_PORT,
    timekeeper: Annotated[
        bool, typer.Option("--timekeeper", help="Make a timekeeper, whose fresh statement every order must carry.")
    ] = False,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Make a fleet to start from: keys, signed documents, configuration and example plans.

    Private keys are written 0600 and nothing is ever overwritten. All keys are made in this one
    place, so the fleet is marked a demo, and every report says so.
    """
    wanted = sites if sites is not None else 0 if mock else SITES
    if wanted + mock == 0:
        raise ConfigError("a fleet has one site at least", where="--sites", remedy="ask for one, real or --mock")
    owner = TIMEKEEPER_OWNER if timekeeper else None
    spec = FleetSpec(sites=(*example_sites(wanted), *mock_sites(mock)), port=port, timekeeper_owner=owner)
    layout = create_fleet(folder, spec, SystemClock().wall_ns())
    fleet = layout.fleet_id.read_text("ascii").strip()
    plan = layout.plans / "pause.yaml"
    keys = [layout.approver_key(owner) for owner in spec.approvers]
    if as_json:
        print_json(
            {
                "folder": str(layout.folder),
                "fleet": fleet,
                "sites": [site.name for site in spec.sites],
                "plans": [str(path) for path in sorted(layout.plans.glob("*.yaml"))],
                "approver_keys": {owner: str(layout.approver_key(owner)) for owner in spec.approvers},
            }
        )
        return ExitCode.PASSED
    kinds = [f"{wanted} sites of real processes"] * bool(wanted) + [f"{mock} simulated sites"] * bool(mock)
    typer.echo(f"Made a demo fleet of {' and '.join(kinds)} in {folder}")
    typer.echo(f"Fleet id   {fleet}")
    typer.echo("\nNext, two owners approve the example plan:")
    for key in keys[:2]:
        typer.echo(f"  haltdrill approve {_short(plan, folder)} --key {_short(key, folder)}")
    if mock:
        typer.echo("\nThen run what the simulated sites consist of, beside the drill:")
        typer.echo(f"  haltdrill mocksite --sites {_short(layout.sites, folder)}")
    return ExitCode.PASSED


def _short(path: Path, folder: Path) -> Path:
    """Return `path` as the person named its folder."""
    return folder / path.relative_to(folder.absolute())


@run_command
def approve(
    plan: PlanArgument,
    *,
    key: Annotated[Path, typer.Option(metavar="KEY", help="The owner's private key.", show_default=False)],
    fleet: FleetOption = None,
    warrant: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The warrant's file. By default PLAN's name with .warrant.json."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Add one owner's approval to a plan's warrant, offline.

    Shows in words what is being approved, and asks. The first approval makes the warrant; each
    later one signs only if the plan still says the same.
    """
    now_ns = SystemClock().wall_ns()
    source = load_plan(plan)
    trust = load_documents(fleet_folder(fleet, plan), now_ns).trust
    signer = read_private_key(key)
    waves = waves_of(source, plan, trust, now_ns=now_ns)
    if warrant is not None and source.plan.waves:
        raise ConfigError("cannot be given for a plan in waves", where="--warrant", remedy="each wave has its own file")
    with placed("key", key):
        approvals = [
            prepare_approval(wave.source, trust, signer, warrant or wave.warrant, nonce=_nonce, now_ns=now_ns)
            for wave in waves
        ]
    if not as_json or not yes:
        typer.echo("\n\n".join(approval.text for approval in approvals), err=as_json)
    if not all(approval.already for approval in approvals):
        what = "this" if len(approvals) == 1 else f"these {len(approvals)} waves"
        if not confirmed(f"\nApprove {what} as {approvals[0].owner}?", yes=yes):
            typer.echo("Not approved; nothing was changed.", err=True)
            return ExitCode.USAGE
        for approval in approvals:
            approval.write()
    _say_approved(approvals, trust, as_json=as_json)
    return ExitCode.PASSED


def _nonce() -> str:
    return secrets.token_hex(NONCE_BYTES)


def _say_approved(approvals: Sequence[Approval], trust: FleetTrust, *, as_json: bool) -> None:
    if as_json:
        documents = [_approved(approval) for approval in approvals]
        print_json(documents[0] if len(documents) == 1 else {"waves": documents})
        return
    for approval in approvals:
        done = f"{approval.owner} had approved this before; the warrant is unchanged"
        typer.echo(f"\n{done if approval.already else 'Approved'}: {approval.path}")
        for line in approval_lines(approval.warrant, trust, approval.approved_by):
            typer.echo(line)


def _approved(approval: Approval) -> dict[str, Any]:
    return {
        "warrant": str(approval.path),
        "digest": approval.warrant.digest(),
        "owner": approval.owner,
        "already": approval.already,
        "approved_by": list(approval.approved_by),
        "required": approval.required,
        "missing": approval.missing,
    }
