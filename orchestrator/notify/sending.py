"""Makes what tells each hook, with what is secret read from its files; and tells by running a command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.notify.delivery import Sender, UndeliveredError
from orchestrator.notify.mail import Mail
from orchestrator.notify.notices import Notice
from orchestrator.notify.signing import read_secret
from orchestrator.notify.spec import CommandSpec, EmailSpec, HooksFile, HookSpec, WebhookSpec, checked_url, load_hooks
from orchestrator.notify.webhook import Webhook
from orchestrator.stopping.commands import environment, exit_status
from orchestrator.stopping.fetching import UnansweredError
from protocols.clock import Clock
from protocols.errors import ConfigError
from protocols.host.files import read_private


def read_hooks(path: Path, clock: Clock) -> tuple[HooksFile, dict[str, Sender]]:
    """Read a file of hooks, and what is secret of them.

    Raises:
        ConfigError: It, or a file that it names, is missing or wrong, or others may read a secret.
    """
    found, folder = load_hooks(path), path.absolute().parent
    return found, {hook.name: sender_for(hook, folder, clock) for hook in found.hooks}


def sender_for(hook: HookSpec, folder: Path, clock: Clock) -> Sender:
    """Make what tells somebody; what is secret is read now.

    Args:
        hook: Whom.
        folder: Where relative paths start.
        clock: The one clock.

    Raises:
        ConfigError: A file with something secret is missing or wrong, or others may read it.
    """
    match hook.way:
        case WebhookSpec() as spec:
            return _webhook(spec, folder, clock)
        case EmailSpec() as spec:
            password = _secret(folder, spec.password_file)
            return Mail(spec, password)
        case CommandSpec() as spec:
            if not os.access(spec.argv[0], os.X_OK):
                raise ConfigError("there is no program that may be run", where=spec.argv[0])
            return Command(spec)


def _secret(folder: Path, name: str | None) -> str:
    """Read a file with something secret; empty if there is none to read."""
    if name is None:
        return ""
    path = folder / name
    try:
        text = read_private(path).decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or " " in text:
        raise ConfigError("must hold one line of printable ASCII without spaces", where=str(path))
    return text


def _webhook(spec: WebhookSpec, folder: Path, clock: Clock) -> Webhook:
    url = spec.url
    if url is None:
        assert spec.url_file is not None  # noqa: S101 - one of the two is given
        url = _secret(folder, spec.url_file)
        try:
            checked_url(url)
        except ValueError as error:
            raise ConfigError(str(error), where=str(folder / spec.url_file)) from None
    secret = _secret(folder, spec.secret_file)
    return Webhook(
        spec,
        url,
        clock,
        secret=read_secret(secret, str(folder / spec.secret_file)) if spec.secret_file else None,
        token=_secret(folder, spec.token_file),
        routing_key=_secret(folder, spec.routing_key_file),
    )


@dataclass(frozen=True, slots=True)
class Command:
    """Runs a command with the notice as JSON on its standard input.

    Attributes:
        spec: As configured.
    """

    spec: CommandSpec

    async def send(self, notice: Notice) -> None:
        """Run it once.

        Raises:
            UndeliveredError: It cannot be run, failed, or did not end in time.
        """
        env = environment(notice.drill or "") | {"HALTDRILL_NOTICE": notice.kind.value}
        given = notice.model_dump_json().encode() + b"\n"
        try:
            status = await exit_status(self.spec.argv, timeout_s=self.spec.timeout_s, env=env, given=given)
        except UnansweredError as error:
            raise UndeliveredError(str(error)) from None
        if status != 0:
            raise UndeliveredError(f"it ended with {status}")
