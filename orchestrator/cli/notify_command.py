"""`haltdrill notify`: tells people of drills by webhook, mail or a command, from the log alone."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.common import ExitCode, FleetOption, run_command
from orchestrator.cli.log_files import log_to_read
from orchestrator.logbook.reader import LineFile
from orchestrator.notify.delivery import Sender, UndeliveredError
from orchestrator.notify.lookout import TELLING, TELLING_LINES
from orchestrator.notify.notices import Notice, NoticeKind, Severity, notice_id
from orchestrator.notify.notifier import Notifier
from orchestrator.notify.outbox import lock_outbox, read_outbox
from orchestrator.notify.sending import read_hooks
from orchestrator.notify.spec import HookSpec
from protocols.clock import Clock
from protocols.errors import ConfigError, HaltdrillError
from protocols.host.clock import SystemClock
from protocols.host.logs import configure, get_logger
from protocols.host.systemd import Notifications
from protocols.ids import format_utc

notify_app = typer.Typer(no_args_is_help=True, help="Tell people of drills: webhooks, mail, commands.")

HooksArgument = Annotated[Path, typer.Argument(metavar="HOOKS", help="The file of hooks.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.add_typer(notify_app, name="notify")


@notify_app.command("check", epilog="Example: haltdrill notify check hooks.yaml")
@run_command
def check(hooks: HooksArgument) -> None:
    """Check a file of hooks, and that what is secret lies where it says. Nobody is told anything."""
    found, _ = read_hooks(hooks, SystemClock())
    for hook in found.hooks:
        typer.echo(f"{hook.name}: {_way(hook)}, of {', '.join(hook.on)}")


@notify_app.command("test", epilog="Example: haltdrill notify test hooks.yaml --hook on-call")
@run_command
def try_hooks(
    hooks: HooksArgument,
    *,
    hook: Annotated[
        list[str] | None, typer.Option("--hook", metavar="NAME", help="Only this one; may be given again.")
    ] = None,
) -> ExitCode:
    """Tell each hook once that this is a test, and say what came of it. Exits 1 if somebody could not be told."""
    found, senders = read_hooks(hooks, SystemClock())
    known = [one.name for one in found.hooks]
    unknown = sorted(set(hook or ()) - set(known))
    if unknown:
        raise ConfigError(f"there is no hook {', '.join(unknown)}", where=str(hooks), remedy=f"of {', '.join(known)}")
    wanted = [name for name in known if not hook or name in hook]
    results = asyncio.run(_test({name: senders[name] for name in wanted}))
    for name, failed in results.items():
        typer.echo(f"{name}: {failed or 'told'}")
    return ExitCode.NOT_PASSED if any(results.values()) else ExitCode.PASSED


async def _test(senders: dict[str, Sender]) -> dict[str, str]:
    at = format_utc(SystemClock().wall_ns())
    notice = Notice(
        id=notice_id(NoticeKind.TEST, at),
        kind=NoticeKind.TEST,
        severity=Severity.INFO,
        at=at,
        summary="This is a test of haltdrill's notices: nothing happened.",
    )

    async def tell(sender: Sender) -> str:
        try:
            await sender.send(notice)
        except UndeliveredError as error:
            return f"not told: {error}"
        return ""

    found = await asyncio.gather(*(tell(sender) for sender in senders.values()))
    return dict(zip(senders, found, strict=True))


@notify_app.command("run", epilog="Example: haltdrill notify run hooks.yaml --fleet my-fleet")
@run_command
def run(
    hooks: HooksArgument,
    followed: Annotated[
        Path | None, typer.Argument(metavar="[LOG]", help="The log to follow. By default the fleet's.")
    ] = None,
    *,
    fleet: FleetOption = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where it keeps what is still to be told. By default beside the log."),
    ] = None,
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="Where log lines go; else standard error.")] = None,
    begin_at: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,
) -> None:
    """Follow the log of drills and tell people, until told to end.

    The first time it begins at the log's end, later where it stopped. Each notice is sent at least once, is tried
    again while it cannot be delivered, and has an id by which whoever gets it twice can tell. `haltdrill serve` runs
    this by itself where its service.yaml names hooks.
    """
    clock, path = SystemClock(), log_to_read(followed, fleet)
    configure("notifier", path=log, level="info", json=True if log is not None else None)
    try:
        notifier, unlock = _made(hooks, path, state or path.with_name(f"{path.name}.notify.json"), begin_at, clock)
    except HaltdrillError as error:
        get_logger().error("notify.cannot", detail=str(error))
        raise
    try:
        asyncio.run(_run(notifier, Notifications(), str(path)))
    finally:
        unlock()
    get_logger().info("notify.ended")


def _made(
    hooks: Path, path: Path, kept: Path, begin_at: int | None, clock: Clock
) -> tuple[Notifier, Callable[[], None]]:
    """Make the notifier, and lock what it keeps.

    Raises:
        HaltdrillError: Its hooks or its state are wrong, or another one is at work on them.
    """
    found, senders = read_hooks(hooks, clock)
    unlock = lock_outbox(kept)
    outbox = read_outbox(kept)
    logger = get_logger()
    lines: LineFile[TELLING_LINES] = LineFile(path, TELLING, TELLING_LINES, to_the_end=True)
    if outbox.mark is not None:
        lines.go_to(outbox.mark)
    elif begin_at is not None:
        lines.begin_at(begin_at)
    else:
        lines.go_to_end()
    outbox.mark = outbox.mark or lines.mark()
    outbox.keep_only(hook.name for hook in found.hooks)
    notifier = Notifier(found, senders, lines, outbox, kept, clock, logger)
    waiting = sum(len(queue) for queue in outbox.waiting.values())
    logger.info("notify.started", hooks=len(found.hooks), waiting=waiting)
    return notifier, unlock


async def _run(notifier: Notifier, supervisor: Notifications, followed: str) -> None:
    def end() -> None:
        supervisor.stopping("ending")
        notifier.end()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    notifier.turned = supervisor.watchdog
    notifier.keep()
    supervisor.ready(f"follows {followed}")
    await notifier.run()


def _way(hook: HookSpec) -> str:
    if hook.webhook is not None:
        signed = "signed" if hook.webhook.secret_file else "not signed"
        return f"a webhook for {hook.webhook.format}, {signed}"
    return f"mail to {', '.join(hook.email.to)}" if hook.email is not None else "a command"
