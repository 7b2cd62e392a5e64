"""The `haltdrill` command: hands over to the agent, the witness, the enforcer, or everything else.

It imports nothing heavy itself, so that an agent at a site pays for nothing that it does not use.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from protocols.errors import ConfigError, HaltdrillError

EXIT_INTERRUPTED = 130
DEBUG_VARIABLE = "HALTDRILL_DEBUG"

_EXTRA = {"typer", "rich", "ruamel", "click"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `haltdrill` and return its exit code.

    Args:
        argv: The arguments after the command's name; those of the process if None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_streams()
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except HaltdrillError as error:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            raise
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code


def _open_streams() -> None:
    """Make standard streams that can be written to: the null device takes the place of a closed one.

    Otherwise a file of ours would get its number, and children would write into it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)  # the lowest free number: the one that was closed
            setattr(sys, name, os.fdopen(null, "r" if descriptor == 0 else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no character for a dash shows a question mark; nothing ends for it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _dispatch(arguments: list[str]) -> int:
    match arguments:
        case ["agent", *rest]:
            from agents.cli import main_agent  # noqa: PLC0415 - only what this program needs

            return main_agent(rest)
        case ["witness", *rest]:
            from agents.cli import main_witness  # noqa: PLC0415 - only what this program needs

            return main_witness(rest)
        case ["enforcer", *rest]:
            from agents.cli import main_enforcer  # noqa: PLC0415 - only what this program needs

            return main_enforcer(rest)
        case ["mocksite", *rest]:
            from agents.cli import main_mocksite  # noqa: PLC0415 - only what this program needs

            return main_mocksite(rest)
        case _:
            return _orchestrator(arguments)


def _orchestrator(arguments: list[str]) -> int:
    try:
        match arguments:
            case ["watch", *rest]:
                # It is to be there at once, so it doesn't wait for what the other commands need.
                from orchestrator.cli.watch_command import alone as app  # noqa: PLC0415 - needs the extra

                name, arguments = "haltdrill watch", rest
            case ["dashboard", *rest]:
                from orchestrator.cli.dashboard_command import alone as app  # noqa: PLC0415 - likewise

                name, arguments = "haltdrill dashboard", rest
            case _:
                from orchestrator.cli.main import app_for  # noqa: PLC0415 - needs the extra

                app, name = app_for(arguments), "haltdrill"
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise ConfigError(
            f"this command needs {error.name}, which is not installed",
            remedy="pip install 'haltdrill[orchestrator]'; only agent, witness and enforcer work without",
        ) from None
    result = app(args=arguments, prog_name=name, standalone_mode=True)
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
