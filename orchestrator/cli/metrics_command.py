"""`haltdrill metrics`: Prometheus metrics of drills, computed from their log alone."""

from __future__ import annotations

import ipaddress
import signal
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import FleetOption, run_command
from orchestrator.cli.log_files import log_to_read
from protocols.errors import ConfigError
from protocols.host.files import write_atomic

if TYPE_CHECKING:
    from orchestrator.metrics.source import LogSource

DEFAULT_PORT = 9464
"""OpenTelemetry's default for a Prometheus exporter, so that scrape configurations know it."""

_SERVING = "Serving"


def register(app: typer.Typer) -> None:
    """Add this module's command to `app`."""
    app.command("metrics", epilog="Example: haltdrill metrics --follow --fleet my-fleet")(metrics)


@run_command
def metrics(
    logs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[LOG]...",
            help="Logs of drills: rotated ones first, the last is followed. By default the fleet's.",
        ),
    ] = None,
    *,
    fleet: FleetOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Serve them over HTTP, and follow the last log as it grows.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write them to a file as a whole, for node_exporter's textfile collector."),
    ] = None,
    per_site: Annotated[
        bool, typer.Option("--per-site", help="Series for every site of the newest drill, not only where trouble is.")
    ] = False,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Whoever reaches it may read.", rich_help_panel=_SERVING)
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port; 0 for a free one.", rich_help_panel=_SERVING)
    ] = DEFAULT_PORT,
) -> None:
    """Show drills as Prometheus metrics, from their log alone.

    Without --follow they are printed once. With it they are served at http://127.0.0.1:9464/metrics;
    only to this machine, unless --host says otherwise. deploy/observability has the rules, alerts and
    dashboards for them.
    """
    paths = logs or [log_to_read(None, fleet)]
    if follow and out is not None:
        raise ConfigError("cannot be given together", where="--follow and --out", remedy="give one of them")
    source = _source(paths, per_site=per_site)
    if follow:
        _serve(source, _checked_host(host), port)
    else:
        _print_once(source, out)


def _source(paths: list[Path], *, per_site: bool) -> LogSource:
    """Make what the metrics are computed from.

    Raises:
        ConfigError: The library for it is not installed.
    """
    try:
        from orchestrator.metrics.source import LogSource  # noqa: PLC0415 - only with the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "prometheus_client":
            raise
        raise ConfigError(
            "prometheus_client is not installed", where="metrics", remedy="pip install 'haltdrill[metrics]'"
        ) from error
    return LogSource(paths, version=_version(), per_site=per_site)


def _version() -> str:
    try:
        return version("haltdrill")
    except PackageNotFoundError:
        return "0+unknown"


def _print_once(source: LogSource, out: Path | None) -> None:
    from orchestrator.metrics.exporter import exposition  # noqa: PLC0415 - only with the extra

    text = exposition(source)
    if source.problem is not None:
        raise source.problem
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomic(out, text.encode())


def _checked_host(host: str) -> str:
    """Return the address to listen on.

    Raises:
        ConfigError: It is no IP address; a name may mean another address tomorrow.
    """
    try:
        return str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host))
    except ValueError:
        raise ConfigError(f"{host!r} is no IP address", where="--host", remedy="as in --host 127.0.0.1") from None


def _serve(source: LogSource, host: str, port: int) -> None:
    from orchestrator.metrics.exporter import follow, served  # noqa: PLC0415 - only with the extra

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    source.poll()  # a large log is read before the first scrape, which has a time limit
    with served(source, host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"Serving http://{shown}:{listening}/metrics", err=True)
        if not ipaddress.ip_address(host).is_loopback:
            typer.echo("Whoever reaches this address may read the names of sites and how they do.", err=True)
        follow(source, stop, lambda line: typer.echo(line, err=True))
