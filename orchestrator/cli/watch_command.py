"""`haltdrill watch`: drills in the terminal, live or played again, from their log alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import FleetOption, fleet_folder, run_command
from orchestrator.fleet.layout import CONFIG_NAME
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock

if TYPE_CHECKING:
    from orchestrator.watch.aborting import Abort

SPEED_MIN, SPEED_MAX = 0.01, 10_000.0
_BARE_TERMINALS = {"linux", "dumb", "vt100", "vt220"}
_REPLAY = "Replay"
_EXAMPLE = "Example: haltdrill watch my-fleet/drills/haltdrill.log --replay --speed 10"


def register(app: typer.Typer) -> None:
    """Add this module's command to `app`."""
    app.command("watch", epilog=_EXAMPLE)(watch)


@run_command
def watch(
    log: Annotated[
        Path | None, typer.Argument(metavar="[LOG]", help="The log of a drill. By default the nearest fleet's.")
    ] = None,
    *,
    fleet: FleetOption = None,
    drill: Annotated[
        str | None,
        typer.Option("--drill", metavar="ID", help="The drill, or the beginning of its id. By default the newest."),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Play it from its beginning.", rich_help_panel=_REPLAY)
    ] = False,
    speed: Annotated[
        float, typer.Option(min=SPEED_MIN, max=SPEED_MAX, help="How many times as fast.", rich_help_panel=_REPLAY)
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print the present state as plain text, and exit.")] = False,
) -> None:
    """Watch a drill in the terminal: what stands where, who is in trouble, how long until release.

    It reads nothing but the log, live or finished, and needs neither mouse nor colour. Press ? for the
    keys. Where standard output is no terminal, the present state is printed once.
    """
    from orchestrator.watch.reading import check_log  # noqa: PLC0415 - only what this command needs

    path = log if log is not None else _log_of_fleet(fleet)
    check_log(path)
    if once or not (sys.stdout.isatty() and sys.stdin.isatty()):
        _print_once(path, drill)
        return
    _show(path, fleet, drill, speed if replay else None)


def _log_of_fleet(fleet: Path | None) -> Path:
    from orchestrator.cli.log_files import log_to_read  # noqa: PLC0415 - heavy, and only where no log is given

    return log_to_read(None, fleet)


def _print_once(path: Path, drill: str | None) -> None:
    from orchestrator.watch.panels import choosing  # noqa: PLC0415 - only what this command needs
    from orchestrator.watch.panels.once import once  # noqa: PLC0415 - likewise
    from orchestrator.watch.reading import read_view  # noqa: PLC0415 - likewise

    view, wrong = read_view(path)
    shown = choosing.choose(view, drill)
    if shown is None and drill is not None:
        raise choosing.missing(view.drills, drill, str(path))
    if shown is None:
        typer.echo("no drill in this log yet")
        for note in wrong:
            typer.echo(f"Note: {note}")
        return
    for line in once(shown, wrong, SystemClock().wall_ns()):
        typer.echo(line)


def _show(path: Path, fleet: Path | None, drill: str | None, speed: float | None) -> None:
    """Run the terminal view.

    Raises:
        ConfigError: Its library is not installed.
    """
    from orchestrator.watch.reading import unhurried_collector  # noqa: PLC0415 - only what this command needs

    try:
        with unhurried_collector():
            from orchestrator.watch.app import WatchApp  # noqa: PLC0415 - needs the extra
            from orchestrator.watch.theme import Palette  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"this needs {error.name}, which is not installed",
            where="haltdrill watch",
            remedy="pip install 'haltdrill[watch]', or give --once for plain text",
        ) from None
    # Whoever reads over a slow line wants changes, not movements.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    app = WatchApp(
        path,
        _abort(path, fleet),
        drill=drill,
        replay_speed=speed,
        braille=_has_braille(),
        palette=Palette.FULL if _has_colours() else Palette.SIXTEEN,
    )
    app.run(mouse=False)


def _has_braille() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower() and os.environ.get("TERM", "") not in _BARE_TERMINALS


def _has_colours() -> bool:
    """Tell whether the terminal has more than its sixteen colours, as its variables say."""
    term = os.environ.get("TERM", "")
    return bool(os.environ.get("COLORTERM")) or any(word in term for word in ("256color", "direct", "kitty"))


def _abort(log: Path, fleet: Path | None) -> Abort:
    """Return how a drill of the log is aborted: through its fleet, if that is to be found here."""
    from orchestrator.watch.aborting import Abort  # noqa: PLC0415 - needs the extra

    async def send(drill: str, reason: str) -> tuple[str, ...]:
        from orchestrator.cli.aborting import send_abort  # noqa: PLC0415 - heavy, and hardly ever needed

        return (await send_abort(_fleet_of(log, fleet), drill, reason)).sentences

    def why_not() -> str:
        try:
            _fleet_of(log, fleet)
        except ConfigError:
            return "it needs the fleet: start with --fleet DIR, or use haltdrill abort"
        return ""

    return Abort(send, why_not)


def _fleet_of(log: Path, fleet: Path | None) -> Path:
    """Return the fleet's folder: the one given, the one of a demo beside its log, or the nearest above it or here.

    Raises:
        ConfigError: There is none.
    """
    beside = log.absolute().parent / "fleet"
    if fleet is None and (beside / CONFIG_NAME).is_file():
        return beside
    return fleet_folder(fleet, log)


alone = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)
"""This command by itself, which is there sooner than all of them."""
register(alone)
