"""Whoever writes a configuration file is told the line, the key and what was meant."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from orchestrator.fleet.yaml_model import read_model
from orchestrator.fleet.yaml_tree import parse_yaml
from protocols.errors import ConfigError
from protocols.ids import Name
from protocols.messages.base import Part


class Web(Part):
    """A hook by HTTP."""

    kind: Literal["web"]
    url: str


class Mail(Part):
    """A hook by mail."""

    kind: Literal["mail"]
    address: str
    copies: tuple[str, ...] = ()


class Limits(Part):
    """Two numbers that must be in order."""

    low: int
    high: int

    @model_validator(mode="after")
    def _ordered(self) -> Limits:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class File(Part):
    """A configuration file."""

    name: Name
    mode: Literal["slow", "fast"] = "slow"
    limits: Limits | None = None
    hooks: Annotated[tuple[Annotated[Web | Mail, Field(discriminator="kind")], ...], Field(max_length=3)] = ()
    shares: Annotated[dict[Name, Annotated[float, Field(le=1)]], Field(default_factory=dict)]


GOOD = """\
name: night
mode: fast
limits:
  low: 1
  high: 2
hooks:
  - kind: web
    url: here
  - kind: mail
    address: there
    copies: [one]
shares:
  eu-north: 0.5
"""


def read(text: str) -> File:
    """Read the file that these tests write."""
    return read_model(parse_yaml(text.encode(), "x.yaml"), File)


def test_a_right_file_is_read() -> None:
    """What is written stands in the model."""
    found = read(GOOD)
    assert found.hooks[1] == Mail(kind="mail", address="there", copies=("one",))
    assert found.limits == Limits(low=1, high=2)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("mode: fast", "mode: fats", ["line 2, column 7", "mode must be 'slow' or 'fast'", "did you mean fast?"]),
        ("mode: fast", "moed: fast", ["line 2, column 1", "moed is no known key here", "did you mean mode?"]),
        ("name: night", "nmae: night", ["line 1, column 1", "nmae", "did you mean name?"]),
        ("name: night\n", "", ["line 1, column 1", "name is missing"]),
        ("  low: 1", "  low: 3", ["line 4, column 3", "limits low must not be above high"]),
        ("  low: 1", "  low: one", ["line 4, column 8", "limits.low must be a valid integer"]),
        ("  low: 1\n", "", ["line 4, column 3", "limits.low is missing"]),
        (
            "kind: web",
            "kind: wbe",
            ["line 7, column 11", "kind must be one of: web, mail", "did you mean web?"],
        ),
        ("  - kind: web\n    url", "  - url", ["line 7", "hooks[0].kind is missing"]),
        ("    url: here", "    address: here", ["line 8, column 5", "hooks[0].address is no known key", "kind, url"]),
        ("    url: here", "    url: 5", ["line 8, column 10", "hooks[0].url must be text", "put it in quotes"]),
        ("    url: here", "    url:", ["line 8", "hooks[0].url has no value"]),
        ("copies: [one]", "copies: [one, 2]", ["line 11, column 19", "hooks[1].copies[1] must be text"]),
        ("eu-north: 0.5", "eu-north: 1.5", ["line 13, column 13", "shares.eu-north must be less than or equal to 1"]),
        ("eu-north: 0.5", "EU: 0.5", ["line 13", "must be a name of lower-case letters"]),
        (GOOD, "- a\n", ["line 1, column 1", "must be a mapping"]),
    ],
)
def test_each_slip_is_named_with_its_line(old: str, new: str, words: list[str]) -> None:
    """Line, column, key, what is right, and what was probably meant."""
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        read(GOOD.replace(old, new, 1))
    for word in words:
        assert word in str(caught.value)


def test_several_slips_are_counted() -> None:
    """The first in the file is named, and nobody believes that it was the only one."""
    with pytest.raises(ConfigError, match=r"mode must be .*; and 2 more"):
        read(GOOD.replace("fast", "fats").replace("low: 1", "low: x").replace("0.5", "7"))


def test_what_no_word_explains_is_told_all_the_same() -> None:
    """An error of the model as a whole has a place too."""
    with pytest.raises(ConfigError, match="hooks"):
        read("name: a\nhooks: 5\n")
    with pytest.raises(ValidationError):
        File.model_validate({})
