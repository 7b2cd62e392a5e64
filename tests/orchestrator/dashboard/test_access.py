"""Tests of `orchestrator.dashboard.access`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dashboard.access import SESSION_S, TOKEN_MIN_CHARS, Names, Sessions, from_own_page, new_token

TOKEN = "correct-horse-battery-staple"
NOW_S = 1_800_000_000


def test_a_session_holds_until_its_end_and_for_its_token_only() -> None:
    """A session outlives a restart with the same token, ends by itself, and dies with the token."""
    session = Sessions(TOKEN).begin(NOW_S)
    assert Sessions(TOKEN).holds(session, NOW_S)
    assert Sessions(TOKEN).holds(session, NOW_S + SESSION_S - 1)
    assert not Sessions(TOKEN).holds(session, NOW_S + SESSION_S)
    assert not Sessions(TOKEN + "x").holds(session, NOW_S)


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_changed_session_is_none(place: int, char: str) -> None:
    """No byte of a session can be changed, so nobody prolongs one."""
    session = Sessions(TOKEN).begin(NOW_S)
    changed = session[: place % len(session)] + char + session[place % len(session) + 1 :]
    assert Sessions(TOKEN).holds(changed, NOW_S) is (changed == session)


@given(st.text(max_size=80))
def test_whatever_is_sent_as_a_session_is_turned_away(text: str) -> None:
    """Bytes from outside never raise, and are never a session or a token."""
    sessions = Sessions(TOKEN)
    assert not sessions.holds(text, NOW_S)
    assert not sessions.knows(text)
    assert not sessions.proves(sessions.begin(NOW_S), text)


def test_the_proof_of_one_session_is_none_of_another() -> None:
    """What a page shows when it acts is bound to its own session."""
    sessions = Sessions(TOKEN)
    one, other = sessions.begin(NOW_S), sessions.begin(NOW_S)
    assert sessions.proves(one, sessions.proof(one))
    assert not sessions.proves(other, sessions.proof(one))


def test_new_tokens_differ_and_are_long_enough() -> None:
    """A token that nobody gave is one that nobody guesses."""
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(token) >= TOKEN_MIN_CHARS for token in tokens)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8740", True),
        ("localhost", True),
        ("LOCALHOST:9", True),
        ("[::1]:8740", True),
        ("192.168.7.9:8740", True),
        ("console.example", True),
        ("console.example:8740", True),
        ("evil.example", False),
        ("evil.example:8740", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:8740", False),
        ("", False),
        ("[::1", False),
        ("127.0.0.1:x", False),
    ],
)
def test_only_addresses_and_given_names_are_ours(host: str, ours: bool) -> None:
    """A name that someone else pointed here is not believed (DNS rebinding)."""
    assert Names(frozenset({"console.example"})).has(host) is ours


@pytest.mark.parametrize(
    ("origin", "fetch_site", "own"),
    [
        ("http://127.0.0.1:8740", "same-origin", True),
        ("http://127.0.0.1:8740", None, True),
        ("http://127.0.0.1:8740", "cross-site", False),
        ("http://127.0.0.1:8740", "none", False),
        ("https://127.0.0.1:8740", "same-origin", False),
        ("http://127.0.0.1:9999", "same-site", False),
        ("http://evil.example", None, False),
        ("null", None, False),
        (None, "same-origin", False),
    ],
)
def test_only_our_own_pages_change_anything(origin: str | None, fetch_site: str | None, own: bool) -> None:
    """A form on another site, or of another port here, can make nothing happen."""
    assert from_own_page("http", "127.0.0.1:8740", origin, fetch_site) is own
