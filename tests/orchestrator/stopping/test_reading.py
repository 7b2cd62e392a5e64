"""What answers mean, and that no answer from outside can pass for good news by being odd."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.stopping.answers import State
from orchestrator.stopping.reading import read_exit, read_prometheus, read_status
from orchestrator.stopping.spec import CommandCheck, HttpCheck, PrometheusQuery

QUERY = PrometheusQuery(url="http://127.0.0.1:9090", query="up", breach_over=5.0, breach_under=-5.0)


def body(*values: str, kind: str = "vector", **more: Any) -> bytes:
    """Return Prometheus's answer with these values."""
    result: Any = [{"metric": {"job": "x"}, "value": [1.5, value]} for value in values]
    if kind == "scalar":
        result = [1.5, values[0]]
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


@pytest.mark.parametrize(
    ("values", "state"),
    [
        (("5",), State.FINE),
        (("-5", "0.1", "1e-9"), State.FINE),
        (("5.000001",), State.BREACH),
        (("1", "NaN", "1e308"), State.BREACH),
        (("+Inf",), State.BREACH),
        (("-Inf",), State.BREACH),
        (("-5.1",), State.BREACH),
        (("NaN",), State.UNKNOWN),
        (("1", "NaN"), State.UNKNOWN),
        ((), State.UNKNOWN),
        (("",), State.UNKNOWN),
        (("1_0",), State.UNKNOWN),
        (("٣",), State.UNKNOWN),
        ((" 1",), State.UNKNOWN),
        (("0x1",), State.UNKNOWN),
        (("9" * 400,), State.BREACH),
    ],
)
def test_the_worst_of_a_querys_numbers_counts(values: tuple[str, ...], state: State) -> None:
    """One number over the threshold is a breach; no number, and what is no number, is unknown, never fine."""
    assert read_prometheus(QUERY, 200, body(*values)).state is state


def test_a_scalar_is_a_number_too() -> None:
    """A query that yields a scalar is judged by it."""
    assert read_prometheus(QUERY, 200, body("4", kind="scalar")).state is State.FINE
    assert read_prometheus(QUERY, 200, body("6", kind="scalar")).detail == "the query yields 6, over 5"


def test_infinity_on_the_good_side_is_unknown() -> None:
    """A ratio over nothing is infinite, and says nothing: it is no proof that all is well."""
    only_over = PrometheusQuery(url="http://127.0.0.1:9090", query="up", breach_over=5.0)
    assert read_prometheus(only_over, 200, body("-Inf")).state is State.UNKNOWN


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"matrix","result":[]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"value":[1,1]}]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"value":["1"]}]}}',
        b'{"status":"success","data":{"resultType":"scalar","result":[NaN,"1"]}}x',
        b'{"status":"error","error":"parse error"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 60_000,
        b"\xff\xfe",
        b"<html>",
    ],
)
def test_a_malformed_answer_is_unknown(raw: bytes) -> None:
    """What is not exactly an answer of Prometheus with numbers in it says nothing."""
    assert read_prometheus(QUERY, 200, raw).state is State.UNKNOWN


def test_warnings_and_errors_are_unknown_and_said() -> None:
    """A partial result proves nothing; what Prometheus says of it is told to whoever is on call, made printable."""
    assert read_prometheus(QUERY, 200, body("1", warnings=["store is away"])).detail.endswith("store is away")
    found = read_prometheus(QUERY, 400, b'{"status":"error","error":"bad\\u001b[2J query"}')
    assert (found.state, found.detail) == (State.UNKNOWN, r"Prometheus answered 400: bad\x1b[2J query")


@given(
    st.binary(max_size=400)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(["success", "vector", "NaN"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["status", "data", "resultType", "result", "value", "warnings"]), inner)
        ),
        max_leaves=12,
    ).map(lambda made: json.dumps(made).encode()),
    st.integers(100, 999),
)
def test_no_answer_of_prometheus_breaks_the_reader(raw: bytes, status: int) -> None:
    """Any bytes at all give an answer, and only a number within the thresholds is a fine one."""
    found = read_prometheus(QUERY, status, raw)
    if found.state is State.FINE:
        assert status == 200
        assert json.loads(raw)["status"] == "success"


@given(st.floats())
def test_a_number_is_judged_as_python_judges_it(value: float) -> None:
    """Thresholds hold for every float, in the way that Prometheus writes it."""
    text = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))
    state = read_prometheus(QUERY, 200, body(text)).state
    wanted = State.UNKNOWN if math.isnan(value) else State.FINE if -5 <= value <= 5 else State.BREACH
    assert state is wanted


def test_a_health_check_is_its_status() -> None:
    """An expected status is fine, another a breach, and a redirect that nobody follows is unknown."""
    check = HttpCheck(url="https://api.example/health", expect=(200, 204))
    assert read_status(check, 204).state is State.FINE
    assert read_status(check, 503).detail == "it answered 503, not 200 or 204"
    assert read_status(check, 302).state is State.UNKNOWN
    assert read_status(HttpCheck(url="https://a/", expect=(302,)), 302).state is State.FINE


def test_a_command_is_its_exit_status() -> None:
    """An expected status is fine, another a breach; one that a signal ended has not answered."""
    check = CommandCheck(argv=("/bin/check",), expect=(0, 3))
    assert read_exit(check, 3).state is State.FINE
    assert read_exit(check, 1).detail == "it ended with status 1, not 0 or 3"
    assert read_exit(check, 137).state is State.BREACH
    assert read_exit(check, -9).state is State.UNKNOWN
