"""The programs of sites in the list of commands. They run without this command line and its libraries."""

from __future__ import annotations

import os
import sys

import typer

_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command("agent", context_settings=_PASSED_ON)(agent)
    app.command("witness", context_settings=_PASSED_ON)(witness)
    app.command("enforcer", context_settings=_PASSED_ON)(enforcer)
    app.command("mocksite", context_settings=_PASSED_ON)(mocksite)


def agent(context: typer.Context) -> None:
    """Run a site's agent from its configuration file."""
    _become("agent", context.args)


def witness(context: typer.Context) -> None:
    """Run a witness from its configuration file."""
    _become("witness", context.args)


def enforcer(context: typer.Context) -> None:
    """Run a site's enforcer, which stands outside of it, from its configuration file."""
    _become("enforcer", context.args)


def mocksite(context: typer.Context) -> None:
    """Run simulated sites, with their agents, witnesses and enforcers, in one process."""
    _become("mocksite", context.args)


def _become(role: str, args: list[str]) -> None:
    """Replace this process by the light program: `haltdrill` itself normally goes there directly."""
    os.execv(sys.executable, [sys.executable, "-m", "orchestrator.entry", role, *args])  # noqa: S606 - no shell wanted
