"""What an answer means: the status of a health check or of a command, and a result of Prometheus. Pure.

Everything here comes from outside: what is not exactly what it should be says nothing, which is unknown.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.stopping.answers import Answer, State, breach, fine, unknown
from orchestrator.stopping.spec import CommandCheck, HttpCheck, PrometheusQuery
from protocols.phrases import list_text, number_text

SAMPLES_MAX = 1_000
HTTP_OK = 200
_REDIRECTS = range(300, 400)
_NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,5})?|Inf|NaN)", re.ASCII)
_SIGNALS_FROM = 128


class _Outside(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _Sample(_Outside):
    value: Annotated[tuple[float, str], Field(strict=False)]


class _Vector(_Outside):
    kind: Literal["vector"] = Field(alias="resultType")
    result: Annotated[list[_Sample], Field(max_length=SAMPLES_MAX)]


class _Scalar(_Outside):
    kind: Literal["scalar"] = Field(alias="resultType")
    result: Annotated[tuple[float, str], Field(strict=False)]


class _Success(_Outside):
    status: Literal["success"]
    data: Annotated[_Vector | _Scalar, Field(discriminator="kind")]
    warnings: list[str] = []


class _Failure(_Outside):
    status: Literal["error"]
    error: str


def read_status(check: HttpCheck, status: int) -> Answer:
    """Say what the status of a health check means."""
    if status in check.expect:
        return fine(f"it answered {status}")
    if status in _REDIRECTS:
        return unknown(f"it answered {status}, a redirect, and none is followed")
    return breach(f"it answered {status}, not {list_text([str(code) for code in check.expect], 'or')}")


def read_exit(check: CommandCheck, code: int) -> Answer:
    """Say what the exit status of a command means; a negative one is the signal that ended it."""
    if code < 0:
        return unknown(f"it was ended by signal {-code}")
    if code in check.expect:
        return fine(f"it ended with status {code}")
    # What a shell says of a program that it could not run, or that a signal ended, is no answer of the program's.
    hint = f" (signal {code - _SIGNALS_FROM}?)" if code > _SIGNALS_FROM else ""
    return breach(f"it ended with status {code}{hint}, not {list_text([str(one) for one in check.expect], 'or')}")


def read_prometheus(query: PrometheusQuery, status: int, body: bytes) -> Answer:
    """Say what the answer to an instant query means.

    Args:
        query: What was asked.
        status: The status of HTTP.
        body: The whole body.
    """
    if status != HTTP_OK:
        said = _failure(body)
        return unknown(f"Prometheus answered {status}{said}")
    try:
        said_well = _Success.model_validate_json(body)
    except (ValidationError, ValueError, RecursionError):
        return unknown(f"Prometheus answered with what is no vector and no scalar{_failure(body)}")
    if said_well.warnings:
        return unknown(f"Prometheus warns: {said_well.warnings[0]}")
    data = said_well.data
    values = [sample.value[1] for sample in data.result] if isinstance(data, _Vector) else [data.result[1]]
    if not values:
        return unknown("the query yields no number")
    return _worst([_judged(query, value) for value in values])


def _failure(body: bytes) -> str:
    try:
        return f": {_Failure.model_validate_json(body).error}"
    except (ValidationError, ValueError, RecursionError):
        return ""


def _judged(query: PrometheusQuery, text: str) -> Answer:
    if _NUMBER.fullmatch(text) is None:
        return unknown("the query yields what is no number")
    value = float(text)
    shown = number_text(value) if math.isfinite(value) else text
    if query.breach_over is not None and value > query.breach_over:
        return breach(f"the query yields {shown}, over {number_text(query.breach_over)}")
    if query.breach_under is not None and value < query.breach_under:
        return breach(f"the query yields {shown}, under {number_text(query.breach_under)}")
    if not math.isfinite(value):
        return unknown(f"the query yields {text}")
    return fine(f"the query yields {shown}")


def _worst(answers: list[Answer]) -> Answer:
    for state in (State.BREACH, State.UNKNOWN):
        found = [answer for answer in answers if answer.state is state]
        if found:
            more = f" (and {len(found) - 1} more of its {len(answers)} numbers)" if len(found) > 1 else ""
            return Answer(state, f"{found[0].detail}{more}")
    return answers[0]
