"""What a fleet's configuration may name as its journal: a file, or the URL of a PostgreSQL database. Pure."""

from __future__ import annotations

import re

from protocols.errors import ConfigError

_SCHEMES = ("postgresql", "postgres")
_HOSTS = re.compile(
    r"(\[[0-9A-Fa-f:.%]*\]|[^:/,@\[\]?#]*)(:\d+)?(,(\[[0-9A-Fa-f:.%]*\]|[^:/,@\[\]?#]*)(:\d+)?)*(/[^/@?#:]*)?"
)


def is_url(where: str) -> bool:
    """Tell whether a journal is a database's URL, not a file.

    Raises:
        ConfigError: It is the URL of something else.
    """
    scheme, mark, _ = where.partition("://")
    if not mark:
        return False
    if scheme not in _SCHEMES:
        raise ConfigError(
            "a journal is a file or a PostgreSQL database",
            where=f"{scheme}://…",
            remedy="set journal in haltdrill.toml to a path, or to postgresql://USER@HOST/DATABASE",
        )
    return True


def shown(where: str) -> str:
    """Return how to name a journal to people: of a URL user, host and database, and never a password.

    What cannot be told from a password for certain is left out.
    """
    scheme, mark, rest = where.partition("://")
    if not mark:
        return where
    address, _, query = rest.partition("?")
    userinfo, at, hosts = address.rpartition("@")
    if "@" in query or not _HOSTS.fullmatch(hosts):
        return f"{scheme}://…"
    return f"{scheme}://{userinfo.partition(':')[0]}{at}{hosts}"
