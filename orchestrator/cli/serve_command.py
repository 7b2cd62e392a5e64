"""`haltdrill serve` and `haltdrill warrants`: drills that run themselves, and what they may still do."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.common import ExitCode, FleetOption, JsonFlag, fleet_folder, print_json, run_command
from orchestrator.cli.log_files import writable_log
from orchestrator.cli.screen import Screen
from orchestrator.cli.serving import Post, serve
from orchestrator.cli.stopping import held_stops
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.load import load_fleet
from orchestrator.journal.base import DrillSummary
from orchestrator.journal.places import open_store, there_is
from orchestrator.service.folder import due_of, read_all, states_of
from orchestrator.service.warrants import WORDS, RunsOut, Standing, WarrantState, warnings_of
from protocols.host.clock import SystemClock
from protocols.host.logs import configure, get_logger
from protocols.host.systemd import Notifications
from protocols.ids import format_utc
from protocols.phrases import number_text

PlansArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[PLANS]", help="The folder of plans. By default plans/ of the fleet.", show_default=False),
]

_STYLES = {
    Standing.READY: "green",
    Standing.NOT_YET: "dim",
    Standing.UNAPPROVED: "yellow",
    Standing.UNUSABLE: "bold red",
    Standing.SPENT: "red",
    Standing.ENDED: "red",
    Standing.REVOKED: "bold red",
}


def register(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command("serve", epilog="Example: haltdrill serve --fleet my-fleet")(serve_command)
    app.command("warrants", epilog="Example: haltdrill warrants --fleet my-fleet")(warrants)


@run_command
def serve_command(
    plans: PlansArgument = None,
    *,
    fleet: FleetOption = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where log lines go. By default beside the drills.")
    ] = None,
) -> None:
    """Run the drills of a folder of plans as their schedules say, until told to end.

    One process runs a fleet's drills; another one waits, and takes over when the first is gone. A drill that a
    crash left unfinished is finished first. SIGHUP reads plans, warrants and configuration anew; SIGTERM finishes
    what goes on and ends, and sent twice aborts it.
    """
    folder = fleet_folder(fleet, *([plans] if plans is not None else []))
    clock, screen = SystemClock(), Screen(stderr=True)
    loaded = load_fleet(folder, clock.wall_ns())
    lines = writable_log(loaded.config, log)
    configure("orchestrator", path=lines, level="debug", json=True)

    def told(sentence: str) -> None:
        screen.print(Text(sentence), soft_wrap=True, highlight=False)

    post = Post(folder, plans or FleetLayout(folder).plans, lines, clock, get_logger(), Notifications(), told)
    asyncio.run(serve(post))


@run_command
def warrants(plans: PlansArgument = None, *, fleet: FleetOption = None, as_json: JsonFlag = False) -> ExitCode:
    """Show what is left of each warrant, who approved it, and what runs out when.

    A warrant that was approved ahead covers a number of drills in a window. The service can never go beyond it,
    and says so in its log before it runs out.
    """
    folder = fleet_folder(fleet, *([plans] if plans is not None else []))
    now_ns = SystemClock().wall_ns()
    loaded = load_fleet(folder, now_ns)
    read = read_all(loaded.documents, plans or FleetLayout(folder).plans, now_ns)
    drills, stops = _drills(loaded.config.journal), held_stops(loaded)
    states: list[WarrantState] = []
    soon: list[RunsOut] = []
    for booked in read.book.plans.values():
        due = due_of(booked, now_ns, read.config.warn_ahead_s)
        for state in states_of(read, booked, now_ns, drills, stops):
            states.append(state)
            soon += warnings_of(state, now_ns=now_ns, ahead_s=read.config.warn_ahead_s, due=due)
    if as_json:
        print_json(
            {"warrants": [_document(state, now_ns) for state in states], "runs_out": [_said(one) for one in soon]}
        )
        return ExitCode.PASSED
    _show(states, soon, {str(path): str(error) for path, error in read.book.wrong.items()}, now_ns)
    return ExitCode.PASSED


def _drills(journal: str) -> list[DrillSummary]:
    if not there_is(journal):
        return []
    with closing(open_store(journal)) as store:
        return store.drills()


def _show(states: list[WarrantState], soon: list[RunsOut], wrong: dict[str, str], now_ns: int) -> None:
    screen = Screen()
    table = Table(box=None, pad_edge=False)
    for column in ("plan", "state", "uses", "hold", "until", "approved by"):
        table.add_column(column, no_wrap=column != "approved by")
    for state in states:
        standing = state.standing(now_ns)
        table.add_row(
            state.plan,
            Text(WORDS[standing], style=_STYLES[standing]),
            f"{state.uses_left} of {state.uses}",
            f"{number_text(round(state.held_left_s, 1))} s",
            format_utc(state.not_after_ns)[:10],
            f"{', '.join(state.approved_by) or 'nobody'} ({len(state.approved_by)} of {state.required})",
        )
    if states:
        screen.print(table)
        screen.print(Text("uses and hold: what is left of them; until: when the window ends, UTC", style="dim"))
    else:
        screen.print("There are no plans.")
    for one in soon:
        screen.print(Text(f"{one.plan}: {one.text}", style="yellow"), soft_wrap=True)
    for path, error in wrong.items():
        screen.print(Text(error if error.startswith(path) else f"{path}: {error}", style="red"), soft_wrap=True)


def _document(state: WarrantState, now_ns: int) -> dict[str, Any]:
    return {
        "plan": state.plan,
        "warrant": state.digest,
        "state": state.standing(now_ns).value,
        "uses": state.uses,
        "uses_left": state.uses_left,
        "held_left_s": state.held_left_s,
        "not_before": format_utc(state.not_before_ns),
        "not_after": format_utc(state.not_after_ns),
        "approved_by": list(state.approved_by),
        "owners_required": state.required,
        "problem": state.problem or None,
        "revoked": state.revoked,
    }


def _said(one: RunsOut) -> dict[str, Any]:
    return {"plan": one.plan, "warrant": one.digest, "text": one.text}
