"""`haltdrill dashboard`: drills on a local web page, from their log alone."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.common import FleetOption, run_command
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import read_bytes

if TYPE_CHECKING:
    from orchestrator.dashboard.aborts import AbortDone, Aborter
    from orchestrator.dashboard.server import Tls

DEFAULT_PORT = 8740
LOOPBACK = "127.0.0.1"
_OTHERS = 0o077
_SERVING = "Serving"
_EXAMPLE = "Example: haltdrill dashboard --fleet my-fleet"
_INSTANCE_BYTES = 4


def register(app: typer.Typer) -> None:
    """Add this module's command to `app`."""
    app.command("dashboard", epilog=_EXAMPLE)(dashboard)


@run_command
def dashboard(
    log: Annotated[
        Path | None, typer.Argument(metavar="[LOG]", help="The log of drills. By default the fleet's.")
    ] = None,
    *,
    fleet: FleetOption = None,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on; others than this machine's own need a token.", rich_help_panel=_SERVING
        ),
    ] = LOOPBACK,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The port; 0 for a free one.", rich_help_panel=_SERVING)
    ] = DEFAULT_PORT,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A file with the token; a new one is made if not given.", rich_help_panel=_SERVING
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name under which browsers may ask for it.", rich_help_panel=_SERVING),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A certificate, PEM: serve HTTPS.", rich_help_panel=_SERVING)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its private key, PEM.", rich_help_panel=_SERVING)
    ] = None,
) -> None:
    """Show drills on a web page, live or past, from their log alone.

    Without --fleet it only shows, and on this machine it asks for no token. With --fleet it can abort a
    drill as `haltdrill abort` would, and then, as with --host, the link that is printed holds a token.
    """
    _check_extra()
    path = log if log is not None else _log_of_fleet(fleet)
    if not path.parent.is_dir():
        raise ConfigError("there is no such folder", where=str(path.parent), remedy="give the log of a drill")
    if path.exists() and not path.is_file():
        raise ConfigError("this is no file", where=str(path), remedy="give the log of a drill")
    address, tls = _checked_host(host), _tls(tls_cert, tls_key)
    guarded = fleet is not None or not address.is_loopback or token_file is not None
    token = _token(token_file) if guarded else None
    asyncio.run(_serve(path, fleet, str(address), port, token, allow_host or (), tls))


def _log_of_fleet(fleet: Path | None) -> Path:
    from orchestrator.cli.log_files import log_to_read  # noqa: PLC0415 - a given log is there sooner without

    return log_to_read(None, fleet)


def _check_extra() -> None:
    """Check that what serves the page is installed.

    Raises:
        ConfigError: It is not.
    """
    try:
        import starlette  # noqa: F401, PLC0415 - only with the extra
        import uvicorn  # noqa: F401, PLC0415 - only with the extra
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{error.name} is not installed", where="dashboard", remedy="pip install 'haltdrill[web]'"
        ) from error


def _checked_host(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address to listen on.

    Raises:
        ConfigError: It is no IP address; a name may mean another address tomorrow.
    """
    try:
        return ipaddress.ip_address(LOOPBACK if host == "localhost" else host)
    except ValueError:
        raise ConfigError(f"{host!r} is no IP address", where="--host", remedy="as in --host 127.0.0.1") from None


def _tls(certificate: Path | None, key: Path | None) -> Tls | None:
    from orchestrator.dashboard.server import Tls  # noqa: PLC0415 - only with the extra

    if (certificate is None) != (key is None):
        raise ConfigError("are given together", where="--tls-cert and --tls-key")
    if certificate is None or key is None:
        return None
    for path in (certificate, key):
        read_bytes(path)
    return Tls(certificate, key)


def _token(path: Path | None) -> str:
    """Return the token that a page is opened with.

    Raises:
        ConfigError: The file's token is too short, or others can read it.
    """
    from orchestrator.dashboard.access import TOKEN_MIN_CHARS, new_token  # noqa: PLC0415 - only with the extra

    if path is None:
        return new_token()
    text = read_bytes(path, max_bytes=512)
    try:
        token = text.decode("ascii").strip()
    except ValueError:
        token = ""
    if len(token) < TOKEN_MIN_CHARS or not token.isprintable() or " " in token:
        raise ConfigError(
            f"holds no token of at least {TOKEN_MIN_CHARS} letters and digits",
            where=str(path),
            remedy=f"make one: (umask 077; openssl rand -hex 24 > {path})",
        )
    if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
        raise ConfigError("others can read this token", where=str(path), remedy=f"chmod 600 {path}")
    return token


def _aborter(fleet: Path) -> Aborter:
    from orchestrator.dashboard.aborts import AbortDone  # noqa: PLC0415 - only with the extra

    async def abort(drill: str, reason: str) -> AbortDone:
        from orchestrator.cli.aborting import send_abort  # noqa: PLC0415 - only where there is something to abort

        # In a loop of its own: reading a large fleet's documents takes a while, and every page waits.
        sent = await asyncio.to_thread(lambda: asyncio.run(send_abort(fleet, drill, reason)))
        return AbortDone(sent.noted, sent.sentences)

    return abort


async def _serve(
    path: Path, fleet: Path | None, host: str, port: int, token: str | None, names: Sequence[str], tls: Tls | None
) -> None:
    from orchestrator.dashboard.access import Names, Sessions  # noqa: PLC0415 - only with the extra
    from orchestrator.dashboard.app import Site  # noqa: PLC0415
    from orchestrator.dashboard.feed import Feed  # noqa: PLC0415
    from orchestrator.dashboard.hub import Hub  # noqa: PLC0415
    from orchestrator.dashboard.server import listen, serve  # noqa: PLC0415

    clock = SystemClock()
    hub = Hub(Feed(path, secrets.token_hex(_INSTANCE_BYTES)), clock)
    with listen(host, port) as taken:
        bound = taken.getsockname()[1]
        site = Site(
            hub,
            clock,
            sessions=None if token is None else Sessions(token),
            aborter=None if fleet is None else _aborter(fleet),
            names=Names(frozenset(name.lower() for name in names)),
            secure=tls is not None,
            cookie=f"haltdrill-{bound}",
        )
        link = _link(host, bound, token, secure=tls is not None)
        await serve(site.app(), hub, taken, tls=tls, ready=lambda: _announce(link, host, tls))


def _link(host: str, port: int, token: str | None, *, secure: bool) -> str:
    shown = {"0.0.0.0": LOOPBACK, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    page = f"{'https' if secure else 'http'}://{shown}:{port}/"
    # After the number sign nothing is ever sent to a server or written to a log of one.
    return page if token is None else f"{page}login#token={token}"


def _announce(link: str, host: str, tls: Tls | None) -> None:
    typer.echo(f"Dashboard  {link}")
    if tls is None and not ipaddress.ip_address(host).is_loopback:
        typer.echo(
            "Without --tls-cert whoever is on the way reads the token and the page; "
            "an ssh tunnel to this machine's own address is safer.",
            err=True,
        )


alone = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)
"""This command by itself, which is there sooner than all of them."""
register(alone)
