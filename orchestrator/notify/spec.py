"""The file of hooks: whom to tell, of what, and how.

What is secret stands in files of its own that only their owner can read, never in this one.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from orchestrator.fleet.yaml_model import load_model
from orchestrator.notify.notices import NoticeKind
from orchestrator.stopping.spec import split_url
from protocols.config import PathText
from protocols.ids import Name
from protocols.messages.base import Part

HOOKS_MAX = 32
URL_MAX_CHARS = 2_048
ADDRESS_MAX_CHARS = 254
"""RFC 5321, section 4.5.3.1.3: a path has at most 256 octets, its angle brackets among them."""

_SPECIAL = set(' ,;<>"()\\')
"""What an address could only hold in quotes, or what would make two of it."""

DEFAULT_KINDS = (
    NoticeKind.STARTED,
    NoticeKind.LOUD,
    NoticeKind.STOPPED,
    NoticeKind.ENDED,
    NoticeKind.OVERDUE,
    NoticeKind.ATTENTION,
)


class WebhookFormat(StrEnum):
    """What a webhook's body looks like: our own documented notice, or what a known service takes."""

    HALTDRILL = "haltdrill"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    ALERTMANAGER = "alertmanager"


def checked_url(url: str) -> str:
    """Check where a webhook goes.

    Raises:
        ValueError: It is no URL, holds a password, or others could read along.
    """
    parts = split_url(url)
    if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://, for it is not on this machine: others could read it on the way")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_address(address: str) -> str:
    local, at, domain = address.rpartition("@")
    if not (at and local and domain and address.isascii() and address.isprintable()) or set(address) & set(
        ' ,;<>"()\\'
    ):
        raise ValueError("must be one plain mail address, such as on-call@example.org")
    return address


HookUrl = Annotated[str, Field(min_length=1, max_length=URL_MAX_CHARS), AfterValidator(checked_url)]
Address = Annotated[str, Field(max_length=ADDRESS_MAX_CHARS), AfterValidator(_checked_address)]
Timeout = Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]
Word = Annotated[str, Field(min_length=1, max_length=4_096)]


class WebhookSpec(Part):
    """A POST to a URL.

    Attributes:
        url: Where to; https, unless it is this machine. Give `url_file` instead where the URL is itself the secret,
            as Slack's is.
        url_file: A file that only its owner can read, holding the URL.
        format: What the body looks like.
        secret_file: A file that only its owner can read, holding the secret that signs each request; as the Standard
            Webhooks specification has it, `whsec_` and base64.
        token_file: A file that only its owner can read, whose content is sent as a bearer token.
        routing_key_file: A file that only its owner can read, holding PagerDuty's routing key.
        timeout_s: How long one try may take.
    """

    url: HookUrl | None = None
    url_file: PathText | None = None
    format: Annotated[WebhookFormat, Field(strict=False)] = WebhookFormat.HALTDRILL
    secret_file: PathText | None = None
    token_file: PathText | None = None
    routing_key_file: PathText | None = None
    timeout_s: Timeout = 10.0

    @model_validator(mode="after")
    def _consistent(self) -> WebhookSpec:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("give url or url_file, and not both")
        if (self.format is WebhookFormat.PAGERDUTY) != (self.routing_key_file is not None):
            raise ValueError("routing_key_file goes with format: pagerduty, which needs it")
        return self


class EmailSpec(Part):
    """A mail, by SMTP (RFC 5321).

    Attributes:
        host: The server that takes it.
        port: Its port: 587 with STARTTLS, 465 with TLS from the start.
        security: How the connection is protected; `none` only to this machine.
        username: The name to log in with; none logs in as nobody.
        password_file: A file that only its owner can read, holding the password.
        sender: From whom.
        to: To whom.
        timeout_s: How long one try may take.
    """

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,255}$")]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    password_file: PathText | None = None
    sender: Address
    to: Annotated[tuple[Address, ...], Field(min_length=1, max_length=32)]
    timeout_s: Timeout = 20.0

    @model_validator(mode="after")
    def _consistent(self) -> EmailSpec:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together")
        if self.security == "none" and not _is_loopback(self.host):
            raise ValueError("security: none is for a server on this machine only: others could read the mail")
        return self


class CommandSpec(Part):
    """A command that gets the notice as JSON on its standard input.

    Attributes:
        argv: The program, by its whole path, and its arguments; no shell.
        timeout_s: How long it may take; then it is killed, with all that it started.
    """

    argv: Annotated[tuple[Word, ...], Field(min_length=1, max_length=64)]
    timeout_s: Timeout = 20.0

    @model_validator(mode="after")
    def _consistent(self) -> CommandSpec:
        if not self.argv[0].startswith("/"):
            raise ValueError("the program must be given by its whole path, from /")
        return self


class HookSpec(Part):
    """Somebody to tell. Exactly one of the three ways is given.

    Attributes:
        name: What it is called, in the log.
        on: Of what it is told; by default of everything.
        plans: Of which plans; by default of all. What is about no plan is always told.
        webhook: Tell it by a webhook.
        email: Tell it by mail.
        command: Tell it by running a command.
    """

    name: Name
    on: Annotated[tuple[Annotated[NoticeKind, Field(strict=False)], ...], Field(min_length=1)] = DEFAULT_KINDS
    plans: Annotated[tuple[Name, ...], Field(min_length=1, max_length=256)] | None = None
    webhook: WebhookSpec | None = None
    email: EmailSpec | None = None
    command: CommandSpec | None = None

    @model_validator(mode="after")
    def _consistent(self) -> HookSpec:
        if sum(way is not None for way in (self.webhook, self.email, self.command)) != 1:
            raise ValueError("give one of webhook, email and command")
        return self

    @property
    def way(self) -> WebhookSpec | EmailSpec | CommandSpec:
        """How it is told."""
        found = self.webhook or self.email or self.command
        assert found is not None  # noqa: S101 - one is given
        return found


class RetrySpec(Part):
    """What happens when somebody cannot be told.

    Attributes:
        attempts: How often it is tried in all; then it is given up, and that is logged as an error.
        first_s: The wait after the first try; each one doubles, and is spread.
        max_s: The longest wait, also where a server asks for more.
    """

    attempts: Annotated[int, Field(ge=1, le=100)] = 8
    first_s: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = 1.0
    max_s: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = 120.0


class HooksFile(Part):
    """Whom to tell of drills. Paths in it are from its own folder.

    Attributes:
        hooks: Each of them.
        gather_s: After a first notice about loud sites, how long further ones of the same drill are gathered.
        retry: What happens when somebody cannot be told.
    """

    hooks: Annotated[tuple[HookSpec, ...], Field(min_length=1, max_length=HOOKS_MAX)]
    gather_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 30.0
    retry: RetrySpec = RetrySpec()

    @model_validator(mode="after")
    def _consistent(self) -> HooksFile:
        names = [hook.name for hook in self.hooks]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            raise ValueError(f"two hooks are named {doubled}")
        return self


def load_hooks(path: Path) -> HooksFile:
    """Read a file of hooks.

    Raises:
        ConfigError: It is missing or wrong; the line is named.
    """
    return load_model(path, HooksFile)
