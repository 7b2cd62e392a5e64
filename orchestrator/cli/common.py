"""What all commands share: exit codes, one clear line for an error, and JSON for scripts."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import IO, Annotated, Any, ParamSpec

import typer

from orchestrator.fleet.layout import find_fleet
from protocols.errors import ConfigError, HaltdrillError, WorldError

P = ParamSpec("P")

DEBUG_VARIABLE = "HALTDRILL_DEBUG"


class ExitCode(IntEnum):
    """How a command ends. Scripts may rely on these."""

    PASSED = 0
    NOT_PASSED = 1
    USAGE = 2
    NOT_RUN = 3
    INCOMPLETE = 4
    INTERRUPTED = 130


EXIT_CODES_HELP = """Exit codes:

- 0: passed, or done
- 1: the drill ran and did not pass, or the evidence does not hold
- 2: bad usage, configuration or input
- 3: could not run
- 4: `coverage` shows something that is failing, overdue or was never done
- 130: interrupted
"""

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of text, for scripts.")]
FleetOption = Annotated[
    Path | None,
    typer.Option(
        "--fleet",
        metavar="DIR",
        help="The fleet's folder. By default the nearest one above the plan, or above the current folder.",
    ),
]


def run_command(function: Callable[P, ExitCode | None]) -> Callable[P, None]:
    """Turn a function into a command: its errors become one line and an exit code.

    The function returns its exit code, or None for 0. Set HALTDRILL_DEBUG=1 for tracebacks.
    """

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        raise typer.Exit(int(guarded(lambda: function(*args, **kwargs))))

    return command


def guarded(function: Callable[[], ExitCode | int | None]) -> int:
    """Call a function and return how the process is to end.

    Every error that is raised on purpose becomes one line on standard error; an interrupt and a
    reader that went away are quiet.
    """
    debug = os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}
    code: ExitCode | int | None = None
    try:
        code = function()
        sys.stdout.flush()
    except HaltdrillError as error:
        if debug:
            raise
        print_error(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):  # Abort: the same, or end of file, at a prompt
        if debug:
            raise
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        silence(sys.stdout)  # nobody reads what we print (`| head`): say no more
    except OSError as error:
        if debug:
            raise
        # Adapters say what failed them; what names no file is our own output, to a disk that is full.
        what = error.strerror or str(error)
        if error.filename is None:
            print_error(WorldError(f"cannot be written: {what}", where="standard output"))
        else:
            print_error(WorldError(f"cannot be used: {what}", where=os.fsdecode(error.filename)))
        silence(sys.stdout)
        return ExitCode.NOT_RUN
    return int(ExitCode.PASSED if code is None else code)


def silence(stream: IO[str]) -> None:
    """Drop what a stream could not write, lest the interpreter try again when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def print_error(error: HaltdrillError) -> None:
    """Print an error as one line on standard error, without anything a terminal would act upon."""
    line = " ".join(str(error).split())
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
    typer.echo(f"error: {shown}", err=True)


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON object, in ASCII: nothing in it is acted upon by a terminal.

    That nobody reads it changes nothing about how the command ends.
    """
    try:
        typer.echo(json.dumps(document, indent=2))
    except BrokenPipeError:
        silence(sys.stdout)


def program_name() -> str:
    """Return how this command can be typed here: by its name, or by its path if it isn't on the path."""
    started = Path(sys.argv[0])
    if shutil.which("haltdrill") or started.name != "haltdrill":
        return "haltdrill"
    here = Path.cwd()
    absolute = started.absolute()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def fleet_folder(given: Path | None, *near: Path) -> Path:
    """Return the fleet's folder: the one given, or the nearest above `near` or the current folder.

    Raises:
        ConfigError: There is none.
    """
    if given is not None:
        if not given.is_dir():
            raise ConfigError("there is no such folder", where=str(given))
        return given
    return find_fleet(*(place.absolute().parent for place in near), Path.cwd())


@contextlib.contextmanager
def placed(word: str, path: Path) -> Iterator[None]:
    """Let an error that knows its place only as `word` name the file that the person gave."""
    try:
        yield
    except HaltdrillError as error:
        if error.where == word:
            error.where = str(path)
        raise


def confirmed(question: str, *, yes: bool) -> bool:
    """Ask for a yes on the terminal. Without a terminal only `--yes` will do.

    Raises:
        ConfigError: There is nobody to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(
            "needs a yes, and standard input is no terminal to ask at", where="confirmation", remedy="give --yes"
        )
    return typer.confirm(question, default=False, err=True)
