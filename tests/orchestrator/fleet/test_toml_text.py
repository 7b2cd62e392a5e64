"""Configuration files as people edit them: what is written is what is read back."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from orchestrator.fleet.toml_text import toml_text
from protocols.errors import ConfigError
from protocols.mock_config import Fault, FaultConfig, JobConfig, MockConfig


class Inner(BaseModel):
    """A table."""

    words: tuple[str, ...] = ()
    table: dict[str, str] = {}


class Outer(BaseModel):
    """All that a configuration may hold."""

    text: str
    number: float
    flag: bool
    nothing: str | None = None
    inner: Inner
    listed: tuple[Inner, ...] = ()


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_inner = st.builds(Inner, words=st.lists(_text, max_size=3).map(tuple), table=st.dictionaries(_text, _text, max_size=3))


@given(
    st.builds(Outer, text=_text, number=st.floats(allow_nan=False), inner=_inner, listed=st.lists(_inner, max_size=3))
)
def test_what_is_written_is_what_is_read(model: Outer) -> None:
    """Any text, number, table and list of tables survives the way through the file."""
    assert Outer.model_validate(tomllib.loads(toml_text(model, "a title"))) == model


def test_a_simulated_sites_jobs_are_a_table_each() -> None:
    """A person who adds a job to mock.toml finds one under another, not all in one line."""
    config = MockConfig(site="alpha", device_secret="0" * 32, faults=(FaultConfig(kind=Fault.SLOW, witness="lab"),))
    text = toml_text(config, "a site")
    assert text.count("[[jobs]]") == len(config.jobs)
    assert max(map(len, text.splitlines())) < 80
    read = MockConfig.model_validate_json(
        MockConfig.model_validate(tomllib.loads(text), strict=False).model_dump_json()
    )
    assert read == config
    assert all(isinstance(job, JobConfig) for job in read.jobs)


def test_what_is_no_text_is_refused() -> None:
    """A lone surrogate, which no TOML file can hold, is one error and not half a file."""
    with pytest.raises(ConfigError, match="not valid Unicode"):
        toml_text(Outer(text="\ud800", number=1, flag=True, inner=Inner()), "a title")
