"""The Typer application. A command's module is imported only when it is called: some take a second."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from orchestrator.cli.common import EXIT_CODES_HELP

_HELP = f"""Order compute sites to pause or shut down, and prove with independent witnesses how fast each
one really halted, and that it came back.

Start with `haltdrill demo`, or make a fleet of your own with `haltdrill init DIR`. At a site,
run `haltdrill agent` and `haltdrill witness`; each has its own `--help`.

{EXIT_CODES_HELP}"""

_MODULES: dict[str, tuple[str, ...]] = {
    "demo_command": ("demo",),
    "fleet_commands": ("init", "approve", "plan"),
    "drill_commands": ("run", "resume", "abort", "drills", "export"),
    "lever_command": ("lever", "revoke"),
    "evidence_commands": ("verify", "report"),
    "coverage_command": ("coverage",),
    "dashboard_command": ("dashboard",),
    "metrics_command": ("metrics",),
    "notify_command": ("notify",),
    "serve_command": ("serve", "warrants"),
    "draws_command": ("draws",),
    "tabletop_command": ("tabletop",),
    "site_commands": ("agent", "witness", "enforcer", "mocksite"),
    "timekeeper_command": ("timekeeper",),
    "watch_command": ("watch",),
}
"""The modules of this package that register commands, in the order of the help, and which."""


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


def _options(
    *,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the application for a command line: with the one command that it calls, or else with all of them."""
    app = typer.Typer(
        name="haltdrill",
        help=_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    called = arguments[0] if arguments else ""
    wanted = [module for module, commands in _MODULES.items() if called in commands] or list(_MODULES)
    for module in wanted:
        import_module(f"orchestrator.cli.{module}").register(app)
    return app
