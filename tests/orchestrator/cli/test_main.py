"""Commands are imported only when they are called; every one of them is there."""

from __future__ import annotations

import pytest
import typer
from typer.main import get_command

from orchestrator.cli.main import _MODULES, app_for


def names(app: typer.Typer) -> set[str]:
    """Return the commands that an application has."""
    return set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_help_shows_every_command_that_a_module_registers() -> None:
    """The table of commands is what the modules register, or a command could not be called."""
    assert names(app_for(["--help"])) == {name for commands in _MODULES.values() for name in commands}


@pytest.mark.parametrize("module", _MODULES)
def test_a_command_imports_its_own_module_alone(module: str) -> None:
    """A command line has the commands of one module, so that it starts fast."""
    for command in _MODULES[module]:
        assert names(app_for([command, "x"])) == set(_MODULES[module])


def test_an_unknown_command_is_looked_up_among_all() -> None:
    """So that the error can say which one was meant."""
    assert len(names(app_for(["demmo"]))) > 20
