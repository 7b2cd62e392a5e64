"""Documents only ever become newer at a site, across restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.held import HELD_NAME, take_documents
from protocols.errors import StoreError, TrustError
from protocols.trust import SiteTrust
from tests.kit import make_fleet


def trust(policy_version: int = 1, record_version: int = 1) -> SiteTrust:
    """Return a site's documents of the given versions."""
    fleet = make_fleet(("alpha",), policy={"policy_version": policy_version}, record={"record_version": record_version})
    return fleet.site_trust("alpha")


def test_newer_documents_are_taken_and_older_ones_refused(tmp_path: Path) -> None:
    """A policy put back in time is refused, although its signatures are right and it has not expired."""
    state = tmp_path / "state"
    take_documents(state, trust(policy_version=2, record_version=2))
    take_documents(state, trust(policy_version=2, record_version=2))
    take_documents(state, trust(policy_version=3, record_version=2))
    for older in (trust(policy_version=2, record_version=2), trust(policy_version=3, record_version=1)):
        with pytest.raises(TrustError, match="is older than") as caught:
            take_documents(state, older)
        assert caught.value.reason == "not_newer"
    take_documents(state, trust(policy_version=3, record_version=2))


def test_a_site_does_not_change_its_fleet_by_itself(tmp_path: Path) -> None:
    """Documents of another fleet, however well signed, are refused."""
    take_documents(tmp_path, trust())
    other = make_fleet(("alpha",), now_ns=make_fleet(("alpha",)).now_ns + 5).site_trust("alpha")
    with pytest.raises(TrustError) as caught:
        take_documents(tmp_path, other)
    assert caught.value.reason == "wrong_fleet"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"v":1}'])
def test_a_damaged_memory_is_named(tmp_path: Path, content: bytes) -> None:
    """What was held is never guessed."""
    (tmp_path / HELD_NAME).write_bytes(content)
    with pytest.raises(StoreError, match="which documents were held"):
        take_documents(tmp_path, trust())
