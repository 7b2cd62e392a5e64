"""Identifiers and times: one text for one value, and nothing loose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from protocols.ids import (
    Digest,
    DrillId,
    Int63,
    KeyId,
    Name,
    Nonce,
    Seconds,
    SignalName,
    UtcTime,
    digest_of,
    drill_id,
    format_utc,
    parse_utc,
    seconds_to_ns,
)
from tests.protocols.strategies import MAX_NS, names, nonces


def accepts(kind: object, value: object) -> bool:
    """Tell whether a type takes a value, strictly."""
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


@given(st.integers(0, MAX_NS - 1))
def test_a_time_survives_its_text(wall_ns: int) -> None:
    """Every nanosecond up to the year 10000 has one text, and that text means that nanosecond."""
    text = format_utc(wall_ns)
    assert parse_utc(text) == wall_ns
    assert accepts(UtcTime, text)


@given(st.integers(0, MAX_NS - 1), st.integers(0, MAX_NS - 1))
def test_texts_sort_like_times(one: int, other: int) -> None:
    """Texts compare as the times do, so that windows may be compared as text."""
    assert (format_utc(one) < format_utc(other)) == (one < other)


@pytest.mark.parametrize("wall_ns", [-1, MAX_NS])
def test_a_time_out_of_range_is_refused(wall_ns: int) -> None:
    """No time is written that could not be read back."""
    with pytest.raises(ValueError, match="out of range"):
        format_utc(wall_ns)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-24T13:43:58Z",
        "2026-11-24T13:43:58.000Z",
        "2026-11-24T13:43:58.0000000000Z",
        "2026-11-24T13:43:58.000000000+00:00",
        "2026-11-24 13:43:58.000000000Z",
        "2026-11-24T13:43:58.000000000z",
        "2026-11-24T13:43:58.000000000Z\n",
        "2026-13-24T13:43:58.000000000Z",
        "2026-02-30T13:43:58.000000000Z",
        "2026-11-24T24:00:00.000000000Z",
        "2026-11-24T13:43:60.000000000Z",
        "1969-12-31T23:59:59.999999999Z",
        "0000-01-01T00:00:00.000000000Z",
        "2026-11-24T13:43:58.00000000\u0660Z",
        "\uff12026-11-24T13:43:58.000000000Z",
    ],
)
def test_other_texts_are_no_times(text: str) -> None:
    """A second spelling of a time would give one meaning two digests."""
    with pytest.raises(ValueError):
        parse_utc(text)
    assert not accepts(UtcTime, text)


@given(st.integers(0, MAX_NS - 1), names, nonces)
def test_every_drill_id_is_one(wall_ns: int, plan: str, nonce: str) -> None:
    """Whatever the plan's name, the id made from it is accepted, and fits topics and paths."""
    made = drill_id(wall_ns, plan, nonce)
    assert accepts(DrillId, made)
    assert not set(made) & set("/.+# ")


@given(st.integers(0, MAX_NS // 10**9 - 2), st.integers(1, 10**6), names, nonces)
def test_drill_ids_sort_by_time(start_s: int, later_s: int, plan: str, nonce: str) -> None:
    """A listing of drills is in the order they were held."""
    then_s = min(start_s + later_s, MAX_NS // 10**9 - 1)
    assert drill_id(start_s * 10**9, plan, nonce)[:16] < drill_id(then_s * 10**9, plan, nonce)[:16]


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "a b", "a\n", "é", "a" * 64, "+", "#"])
def test_a_name_is_a_dns_label(name: str) -> None:
    """Names go into topics, paths and logs, so nothing there can have a meaning of its own."""
    assert not accepts(Name, name)
    assert not accepts(SignalName, name + "$")


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a" * 63])
def test_a_dns_label_is_a_name(name: str) -> None:
    """The longest and the shortest label are fine."""
    assert accepts(Name, name)


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 63 + "\n", "\u0660" * 64])
def test_a_digest_is_64_lower_hex_digits(text: str) -> None:
    """Upper case, other digits or another length would name one thing in two ways."""
    assert not accepts(Digest, text)
    assert not accepts(KeyId, text)
    assert not accepts(Nonce, text[:32] if text.startswith("A") else text)


@pytest.mark.parametrize("value", [True, 1.0, "1", -1, 2**63, None])
def test_a_number_is_a_number(value: object) -> None:
    """Booleans, floats and texts are no integers, and nothing overflows a database column."""
    assert not accepts(Int63, value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan"), 30 * 86_400 + 1.0, "1", True])
def test_a_duration_is_positive_and_finite(value: object) -> None:
    """No hold is endless, none is negative."""
    assert not accepts(Seconds, value)


def test_a_digest_is_sha256() -> None:
    """The empty text's SHA-256 is known to everyone."""
    assert digest_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.integers(0, 10**9))
def test_seconds_convert_without_loss(milliseconds: int) -> None:
    """Durations written with milliseconds are exact in nanoseconds."""
    assert seconds_to_ns(milliseconds / 1000) == milliseconds * 1_000_000
