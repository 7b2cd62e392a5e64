"""What a plan says about when a drill is to be stopped early: `stop_when`, as people write it.

None of it enters the warrant: a condition can only end a drill sooner, and never permits anything.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, model_validator

from protocols.ids import Name, SiteId
from protocols.limits import AUDIENCE_MAX_SITES
from protocols.messages.base import Part

CONDITIONS_MAX = 16
URL_MAX_CHARS = 2_000
STATUS_MIN, STATUS_MAX = 200, 599
EXIT_MAX = 255

_LOOPBACK_NAME = "localhost"


class ConditionKind(StrEnum):
    """What a condition looks at; also the key under which it stands."""

    SITES = "sites"
    STEADY = "steady"
    PROMETHEUS = "prometheus"
    HTTP = "http"
    COMMAND = "command"


CONDITION_KIND_TEXT: dict[ConditionKind, str] = {
    ConditionKind.SITES: "how many sites of the drill are contradicted, refused or not restored",
    ConditionKind.STEADY: "work that must go on, by the readings of its site's witnesses",
    ConditionKind.PROMETHEUS: "a query of Prometheus",
    ConditionKind.HTTP: "the status of a health check",
    ConditionKind.COMMAND: "the exit status of a command",
}
"""What each looks at, for people."""


class SitesAre(StrEnum):
    """What sites can be counted by: the loud verdicts, as far as they are known while the drill runs."""

    CONTRADICTED = "contradicted"
    REFUSED = "refused"
    NOT_RESTORED = "not_restored"


def split_url(url: str) -> SplitResult:
    """Take a URL apart.

    Raises:
        ValueError: It is none that may be asked: http or https, a host, and no password in it.
    """
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("a URL has only printable ASCII characters, and no spaces")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("the URL names no host")
    if "@" in parts.netloc:
        raise ValueError("no name and password may stand in a URL: put a token into a file, and name it in token_file")
    if parts.fragment or "#" in url:
        raise ValueError("nothing is ever sent of what follows a #")
    try:
        port_is_right = parts.port != 0
    except ValueError:
        port_is_right = False
    if not port_is_right:
        raise ValueError("a port is a number from 1 to 65535")
    return parts


def shown_url(url: str) -> str:
    """Write a URL for people, without its query: that may hold what is nobody else's business."""
    parts = split_url(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _is_url(url: str) -> str:
    split_url(url)
    return url


def _is_base(url: str) -> str:
    if "?" in url:
        raise ValueError("has a query already: it is the server's address, and the query goes into query")
    return _is_url(url)


def _is_absolute(path: str) -> str:
    if not path.startswith("/") or not path.isprintable():
        raise ValueError("must be an absolute path: a drill is run from any folder")
    return path


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("no argument can hold a NUL character")
    return text


Url = Annotated[str, Field(max_length=URL_MAX_CHARS), AfterValidator(_is_url)]
BaseUrl = Annotated[str, Field(max_length=URL_MAX_CHARS), AfterValidator(_is_base)]
AbsolutePath = Annotated[str, Field(max_length=1_000), AfterValidator(_is_absolute)]
Timeout = Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class CountedSites(Part):
    """Too many sites of the drill stand badly.

    Attributes:
        are: What is counted.
        at_most: How many sites may be it.
        at_most_share: Which share of the drill's sites may be it.
    """

    are: Annotated[SitesAre, Field(strict=False)]
    at_most: Annotated[int, Field(ge=0, lt=AUDIENCE_MAX_SITES)] | None = None
    at_most_share: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> CountedSites:
        if (self.at_most is None) == (self.at_most_share is None):
            raise ValueError("give either at_most or at_most_share, not both and not neither")
        return self

    def allowed(self, total: int) -> float:
        """Return how many of `total` sites may be it."""
        if self.at_most is not None:
            return self.at_most
        return round((self.at_most_share or 0.0) * total, 9)


class SteadyWork(Part):
    """Work that must go on left its load band, as the site's witnesses see it.

    Attributes:
        workload: The class of work, as the site record names it; none means all work together.
        sites: At which sites; by default at all of the drill that have it.
        window_s: Over how long its rate is taken.
    """

    workload: Name | None = None
    sites: Annotated[tuple[SiteId, ...], Field(min_length=1, max_length=AUDIENCE_MAX_SITES)] | None = None
    window_s: Annotated[float, Field(ge=0.5, le=600, allow_inf_nan=False)] = 5.0


class Asked(Part):
    """What every question to a server has.

    Attributes:
        timeout_s: How long the whole answer may take.
        token_file: A file that only its owner can read, whose content is sent as a bearer token.
    """

    timeout_s: Timeout = 5.0
    token_file: AbsolutePath | None = None


class PrometheusQuery(Asked):
    """A query of Prometheus has a value over or under a threshold.

    Attributes:
        url: The server, such as `http://prometheus:9090`.
        query: The query, in PromQL. It must yield numbers; one bad number of several is enough.
        breach_over: It is a breach when a number is over this.
        breach_under: It is a breach when a number is under this.
    """

    url: BaseUrl
    query: Annotated[str, Field(min_length=1, max_length=URL_MAX_CHARS)]
    breach_over: Finite | None = None
    breach_under: Finite | None = None

    @model_validator(mode="after")
    def _consistent(self) -> PrometheusQuery:
        if self.breach_over is None and self.breach_under is None:
            raise ValueError("give breach_over or breach_under, or both")
        if self.breach_over is not None and self.breach_under is not None and self.breach_over < self.breach_under:
            raise ValueError("breach_over is less than breach_under, so that every number would be a breach")
        _check_token(self.url, self.token_file)
        return self


class HttpCheck(Asked):
    """A health check answers with another status than expected.

    Attributes:
        url: What is asked for, with GET.
        expect: The statuses that are fine.
    """

    url: Url
    expect: Annotated[
        tuple[Annotated[int, Field(ge=STATUS_MIN, le=STATUS_MAX)], ...], Field(min_length=1, max_length=32)
    ] = (200,)

    @model_validator(mode="after")
    def _consistent(self) -> HttpCheck:
        _check_token(self.url, self.token_file)
        return self


class CommandCheck(Part):
    """A command ends with another status than expected.

    Attributes:
        argv: The program, by its absolute path, and its arguments. No shell reads them.
        expect: The statuses that are fine.
        timeout_s: How long it may take. It is then killed, with every process of its session.
    """

    argv: Annotated[
        tuple[Annotated[str, Field(max_length=2_000), AfterValidator(_no_nul)], ...],
        Field(min_length=1, max_length=64),
    ]
    expect: Annotated[tuple[Annotated[int, Field(ge=0, le=EXIT_MAX)], ...], Field(min_length=1, max_length=32)] = (0,)
    timeout_s: Timeout = 10.0

    @model_validator(mode="after")
    def _consistent(self) -> CommandCheck:
        try:
            _is_absolute(self.argv[0])
        except ValueError:
            raise ValueError("argv must begin with a program's absolute path: no PATH is searched") from None
        return self


Subject = CountedSites | SteadyWork | PrometheusQuery | HttpCheck | CommandCheck


class StopCondition(Part):
    """One reason to stop a drill: stop ordering, release everything, and say why.

    Attributes:
        name: What it is called in the log and in the reason of the abort.
        sites: Counts sites of the drill.
        steady: Watches work that must go on.
        prometheus: Asks Prometheus.
        http: Asks a health check.
        command: Runs a command.
        every_s: How often it is looked at.
        grace_s: For how long it may be unknown. After that an unknown answer counts as a breach.
    """

    name: Name
    sites: CountedSites | None = None
    steady: SteadyWork | None = None
    prometheus: PrometheusQuery | None = None
    http: HttpCheck | None = None
    command: CommandCheck | None = None
    every_s: Annotated[float, Field(ge=0.1, le=3_600, allow_inf_nan=False)] = 5.0
    grace_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 30.0

    @model_validator(mode="after")
    def _consistent(self) -> StopCondition:
        if sum(getattr(self, kind.value) is not None for kind in ConditionKind) != 1:
            raise ValueError(f"give exactly one of: {', '.join(ConditionKind)}")
        if self.steady is not None and self.grace_s <= self.steady.window_s:
            raise ValueError(
                f"grace_s must be over window_s, which is {self.steady.window_s:g}: until then nothing can be known"
            )
        return self

    @property
    def kind(self) -> ConditionKind:
        """What it looks at."""
        return next(kind for kind in ConditionKind if getattr(self, kind.value) is not None)

    @property
    def subject(self) -> Subject:
        """What it looks at, with all that is said of that."""
        found: Subject = getattr(self, self.kind.value)
        return found

    @property
    def timeout_s(self) -> float:
        """How long one answer may take; nothing where nobody is asked."""
        match self.subject:
            case Asked(timeout_s=timeout_s) | CommandCheck(timeout_s=timeout_s):
                return timeout_s
            case _:
                return 0.0


def _distinct(conditions: tuple[StopCondition, ...]) -> tuple[StopCondition, ...]:
    names = [condition.name for condition in conditions]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise ValueError(f"two conditions are named {doubled}")
    return conditions


StopConditions = Annotated[tuple[StopCondition, ...], Field(max_length=CONDITIONS_MAX), AfterValidator(_distinct)]

SUBJECTS: dict[ConditionKind, type[Part]] = {
    ConditionKind.SITES: CountedSites,
    ConditionKind.STEADY: SteadyWork,
    ConditionKind.PROMETHEUS: PrometheusQuery,
    ConditionKind.HTTP: HttpCheck,
    ConditionKind.COMMAND: CommandCheck,
}
"""The model of each kind."""


def _check_token(url: str, token_file: str | None) -> None:
    """Refuse to send a token where others could read it on the way."""
    parts = split_url(url)
    if token_file is not None and parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
        raise ValueError("a token is sent over https only, or to this machine itself")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == _LOOPBACK_NAME
