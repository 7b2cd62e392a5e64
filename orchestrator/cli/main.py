"""The Typer application: every group of commands registers itself here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from orchestrator.cli import (
    coverage_command,
    dashboard_command,
    demo_command,
    drill_commands,
    evidence_commands,
    fleet_commands,
    lever_command,
    metrics_command,
    serve_command,
    site_commands,
    timekeeper_command,
    watch_command,
)
from orchestrator.cli.common import EXIT_CODES_HELP

_HELP = f"""Order compute sites to pause or shut down, and prove with independent witnesses how fast each
one really halted, and that it came back.

Start with `haltdrill demo`, or make a fleet of your own with `haltdrill init DIR`. At a site,
run `haltdrill agent` and `haltdrill witness`; each has its own `--help`.

{EXIT_CODES_HELP}"""

app = typer.Typer(
    name="haltdrill",
    help=_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def installed_version() -> str:
    """Return the version of the installed distribution."""
    try:
        return version("haltdrill")
    except PackageNotFoundError:
        return "0+unknown"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"haltdrill {installed_version()}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


demo_command.register(app)
fleet_commands.register(app)
drill_commands.register(app)
lever_command.register(app)
evidence_commands.register(app)
coverage_command.register(app)
dashboard_command.register(app)
metrics_command.register(app)
serve_command.register(app)
site_commands.register(app)
timekeeper_command.register(app)
watch_command.register(app)


def main() -> None:
    """Run the command line."""
    app(prog_name="haltdrill")
