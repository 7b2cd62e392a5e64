"""Trust in documents: TUF's rules, and one role for each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocols.envelope import seal
from protocols.errors import TrustError
from protocols.ids import format_utc, seconds_to_ns
from protocols.messages import FleetIndex, IndexEntry, OwnedKey, Policy, Root
from protocols.reasons import TEXT, Reason
from protocols.trust import FleetTrust, SiteTrust, check_roles, open_document, open_roots
from tests.kit import (
    DAY_S,
    NOW_NS,
    ROOT_OWNERS,
    Fleet,
    agent_label,
    key_of,
    make_fleet,
    public_of,
    root_label,
    witness_label,
)

FLEET = make_fleet(("alpha", "beta"))
SIGNERS = [key_of(root_label(owner)) for owner in ROOT_OWNERS]


def reason_of(attempt: Callable[[], Any]) -> str:
    """Return why an attempt is refused."""
    with pytest.raises(TrustError) as caught:
        attempt()
    return caught.value.reason


def second_root(**changes: Any) -> Root:
    """Make root version 2, with one owner's key replaced."""
    keys = (
        OwnedKey(owner=ROOT_OWNERS[0], key=public_of("new root key")),
        *(OwnedKey(owner=owner, key=public_of(root_label(owner))) for owner in ROOT_OWNERS[1:]),
    )
    fields: dict[str, Any] = {
        "fleet": FLEET.fleet,
        "root_version": 2,
        "issued_at": format_utc(NOW_NS - seconds_to_ns(DAY_S)),
        "expires_at": format_utc(NOW_NS + seconds_to_ns(DAY_S)),
        "threshold": 2,
        "keys": keys,
        "demo": True,
    }
    return Root(**(fields | changes))


def test_every_reason_has_its_text() -> None:
    """A refusal without words would be an empty line to a person."""
    assert set(TEXT) == set(Reason)


def test_a_root_chain_is_followed() -> None:
    """A new root is taken when the threshold of the old one and of its own signed it."""
    raw = seal(second_root(), *SIGNERS[1:])
    trusted = open_roots([FLEET.raw_root, raw], now_ns=NOW_NS, fleet=FLEET.fleet)
    assert trusted.root.root_version == 2
    assert trusted.fleet == FLEET.fleet


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        (list, Reason.MALFORMED),
        (lambda: [seal(FLEET.root, SIGNERS[0])], Reason.UNDER_THRESHOLD),
        (lambda: [seal(FLEET.root, key_of("stranger"))], Reason.UNKNOWN_KEY),
        (lambda: [FLEET.raw_root, seal(second_root(), SIGNERS[1])], Reason.UNDER_THRESHOLD),
        # Its own threshold is met, the old root's is not.
        (lambda: [FLEET.raw_root, seal(second_root(), key_of("new root key"), SIGNERS[1])], Reason.UNDER_THRESHOLD),
        # The old root's threshold is met, its own is not.
        (lambda: [FLEET.raw_root, seal(second_root(threshold=3), *SIGNERS[1:])], Reason.UNDER_THRESHOLD),
        (lambda: [FLEET.raw_root, seal(second_root(root_version=3), *SIGNERS[1:])], Reason.NOT_NEWER),
        (lambda: [FLEET.raw_root, seal(second_root(fleet="0" * 64), *SIGNERS[1:])], Reason.WRONG_FLEET),
        (lambda: [FLEET.raw_root, FLEET.raw_root], Reason.NOT_NEWER),
        (lambda: [FLEET.raw_policy], Reason.WRONG_TYPE),
        (
            lambda: [FLEET.raw_root, seal(second_root(expires_at=format_utc(NOW_NS)), *SIGNERS[1:])],
            Reason.DOCUMENT_EXPIRED,
        ),
        (
            lambda: [FLEET.raw_root, seal(second_root(issued_at=format_utc(NOW_NS + 10**12)), *SIGNERS[1:])],
            Reason.NOT_YET_VALID,
        ),
    ],
)
def test_a_broken_root_chain_is_refused(chain: Callable[[], list[bytes]], reason: Reason) -> None:
    """Each way in which a chain of roots can be wrong has its own reason."""
    assert reason_of(lambda: open_roots(chain(), now_ns=NOW_NS)) == reason


def test_another_fleets_root_is_refused() -> None:
    """Whoever knows the fleet's id takes no other root for version 1."""
    assert reason_of(lambda: open_roots([FLEET.raw_root], now_ns=NOW_NS, fleet="0" * 64)) == Reason.WRONG_FLEET


def test_documents_take_the_threshold_of_distinct_owners() -> None:
    """One owner's signature, or two keys of one owner, are one owner."""
    root = open_roots([FLEET.raw_root], now_ns=NOW_NS)
    one = seal(FLEET.policy, SIGNERS[0])
    assert reason_of(lambda: open_document(one, Policy, root, now_ns=NOW_NS)) == Reason.UNDER_THRESHOLD
    twins = Root(
        **(
            FLEET.root.model_dump(exclude={"keys"})
            | {
                "keys": (
                    OwnedKey(owner="board", key=public_of("first")),
                    OwnedKey(owner="board", key=public_of("second")),
                    OwnedKey(owner="security", key=public_of("third")),
                )
            }
        )
    )
    raw = seal(twins, key_of("first"), key_of("third"))
    trusted = open_roots([raw], now_ns=NOW_NS)
    policy = FLEET.policy.model_copy(update={"fleet": trusted.fleet})
    both = seal(policy, key_of("first"), key_of("second"))
    assert reason_of(lambda: open_document(both, Policy, trusted, now_ns=NOW_NS)) == Reason.UNDER_THRESHOLD
    assert open_document(seal(policy, key_of("first"), key_of("third")), Policy, trusted, now_ns=NOW_NS) == policy


@pytest.mark.parametrize(
    ("changes", "held", "reason"),
    [
        ({"fleet": "0" * 64}, 0, Reason.WRONG_FLEET),
        ({"expires_at": format_utc(NOW_NS)}, 0, Reason.DOCUMENT_EXPIRED),
        ({"issued_at": format_utc(NOW_NS + 301 * 10**9)}, 0, Reason.NOT_YET_VALID),
        ({}, 2, Reason.NOT_NEWER),
    ],
)
def test_documents_are_for_this_fleet_in_time_and_not_older(changes: dict[str, Any], held: int, reason: Reason) -> None:
    """A right signature is not enough for a document that is another fleet's, stale, early or old."""
    root = open_roots([FLEET.raw_root], now_ns=NOW_NS)
    raw = seal(FLEET.policy.model_copy(update=changes), *SIGNERS[:2])
    assert reason_of(lambda: open_document(raw, Policy, root, now_ns=NOW_NS, held_version=held)) == reason


def test_a_document_of_another_type_is_refused() -> None:
    """A rightly signed policy is no site record."""
    root = open_roots([FLEET.raw_root], now_ns=NOW_NS)
    assert reason_of(lambda: open_document(FLEET.raw_policy, FleetIndex, root, now_ns=NOW_NS)) == Reason.WRONG_TYPE


@pytest.mark.parametrize(
    "taken",
    [
        agent_label("beta"),
        witness_label("alpha", "w2"),
        root_label("board"),
        "approver/board",
        "dispatcher/control-room",
    ],
)
def test_a_key_has_one_role_at_one_site(taken: str) -> None:
    """A key that speaks in two places is refused, wherever the second place is."""
    first = FLEET.records["alpha"].witnesses[0].model_copy(update={"key": public_of(taken)})
    record = FLEET.records["alpha"].model_copy(update={"witnesses": (first, *FLEET.records["alpha"].witnesses[1:])})
    attempt = lambda: check_roles(FLEET.root, FLEET.policy, [record, FLEET.records["beta"]])  # noqa: E731
    assert reason_of(attempt) == Reason.WRONG_ROLE


def test_the_whole_fleet_is_exactly_what_the_index_lists() -> None:
    """A record that is missing, doubled, or another than the index names, is no fleet."""

    def opened(records: list[bytes], fleet: Fleet = FLEET) -> FleetTrust:
        return FleetTrust.open([fleet.raw_root], fleet.raw_policy, fleet.raw_index, records, now_ns=NOW_NS)

    alpha, beta = FLEET.raw_records["alpha"], FLEET.raw_records["beta"]
    assert set(opened([alpha, beta]).records) == {"alpha", "beta"}
    assert reason_of(lambda: opened([alpha])) == Reason.MALFORMED
    assert reason_of(lambda: opened([alpha, beta, beta])) == Reason.NOT_NEWER
    newer = seal(FLEET.records["beta"].model_copy(update={"record_version": 2}), *SIGNERS[:2])
    assert reason_of(lambda: opened([alpha, newer])) == Reason.NOT_NEWER
    stranger = seal(FLEET.records["beta"].model_copy(update={"site": "gamma"}), *SIGNERS[:2])
    assert reason_of(lambda: opened([alpha, beta, stranger])) == Reason.NOT_NEWER


def test_a_site_takes_its_own_record_only() -> None:
    """The record of another site, though rightly signed, is not this site's."""
    attempt = lambda: SiteTrust.open(  # noqa: E731
        [FLEET.raw_root], FLEET.raw_policy, FLEET.raw_records["beta"], site="alpha", now_ns=NOW_NS
    )
    assert reason_of(attempt) == Reason.WRONG_SITE


def test_an_index_is_sorted_and_names_each_site_once() -> None:
    """Two orders of one index would be two digests of one meaning."""
    entries = tuple(IndexEntry(site=site, record="0" * 64) for site in ("b", "a"))
    with pytest.raises(ValueError, match="sorted"):
        FleetIndex(**(FLEET.index.model_dump(exclude={"sites"}) | {"sites": entries}))
