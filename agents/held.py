"""Which versions of its documents a site holds, remembered across restarts.

Without this, whoever can write the documents' folder could put an older policy back that is still
valid, and with it an approver or dispatcher who was revoked since.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from protocols.errors import StoreError, TrustError
from protocols.host.files import read_bytes, write_atomic
from protocols.ids import Digest
from protocols.messages.base import Part
from protocols.reasons import TEXT, Reason
from protocols.trust import SiteTrust

HELD_NAME = "documents.json"
_MAX_BYTES = 4096

Version = Annotated[int, Field(ge=1)]


class Held(Part):
    """The newest documents that were ever taken."""

    v: Literal[1] = 1
    fleet: Digest
    root_version: Version
    policy_version: Version
    record_version: Version


def take_documents(state: Path, trust: SiteTrust) -> None:
    """Take documents whose signatures were checked, unless newer ones were taken before.

    Args:
        state: The folder of what the site remembers.
        trust: The documents.

    Raises:
        TrustError: One of them is older than what was held, or of another fleet.
        StoreError: What was held cannot be read.
        ConfigError: It cannot be written down that these are held now.
    """
    path = state / HELD_NAME
    now = Held(
        fleet=trust.fleet,
        root_version=trust.root.root.root_version,
        policy_version=trust.policy.policy_version,
        record_version=trust.record.record_version,
    )
    before = _read(path)
    if before is not None:
        _check_newer(before, now, path)
    if before != now:
        state.mkdir(parents=True, exist_ok=True)
        write_atomic(path, now.model_dump_json().encode(), mode=0o600)


def _read(path: Path) -> Held | None:
    if not path.exists():
        return None
    try:
        return Held.model_validate_json(read_bytes(path, max_bytes=_MAX_BYTES))
    except ValidationError:
        raise StoreError(
            "does not say which documents were held",
            where=str(path),
            remedy="see who changed it, and remove it only if the documents beside it are the newest",
        ) from None


def _check_newer(before: Held, now: Held, path: Path) -> None:
    if before.fleet != now.fleet:
        raise TrustError(
            Reason.WRONG_FLEET,
            TEXT[Reason.WRONG_FLEET],
            where=str(path),
            remedy="if this site really joins another fleet, give it a new state folder",
        )
    for name in ("root_version", "policy_version", "record_version"):
        held, given = getattr(before, name), getattr(now, name)
        if given < held:
            raise TrustError(
                Reason.NOT_NEWER,
                f"{name.replace('_', ' ')} {given} is older than {held}, which was held already",
                where=str(path),
                remedy="fetch the fleet's current documents",
            )
