"""Logs: stable JSON lines, and no key material whatever is passed."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ConfigError
from protocols.host.clock import ManualClock
from protocols.host.files import generate_private_pem
from protocols.host.logs import REDACTED, close, configure, get_logger, redact

pytestmark = pytest.mark.made_up_events

PEM = generate_private_pem().decode()
SECRET_LINE = PEM.splitlines()[1]


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    """Leave structlog as it was."""
    yield
    close()


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the log's lines, each read as JSON."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_its_fields_in_order(tmp_path: Path) -> None:
    """Timestamp, level, event and program come first, then what the caller gives."""
    path = tmp_path / "log"
    configure("agent", path=path, clock=ManualClock(wall_ns=1))
    get_logger(site="alpha").info("order.accepted", drill="d1", step=3)
    [line] = lines(path)
    assert line == {
        "@timestamp": "1970-01-01T00:00:00.000000001Z",
        "log.level": "info",
        "event.action": "order.accepted",
        "service.name": "agent",
        "message": "order accepted",
        "site": "alpha",
        "drill": "d1",
        "step": 3,
    }
    assert list(line)[:5] == ["@timestamp", "log.level", "event.action", "service.name", "message"]


def test_the_level_is_kept(tmp_path: Path) -> None:
    """What is under the level is not written."""
    path = tmp_path / "log"
    configure("agent", path=path, level="warning")
    log = get_logger()
    log.info("quiet.event")
    log.warning("loud.event")
    assert [line["event.action"] for line in lines(path)] == ["loud.event"]


def test_a_log_is_appended_to(tmp_path: Path) -> None:
    """A restart keeps what the run before wrote."""
    path = tmp_path / "log"
    for _ in range(2):
        configure("agent", path=path)
        get_logger().info("agent.started")
    assert len(lines(path)) == 2


def test_one_event_is_one_line(tmp_path: Path) -> None:
    """A line break in a value cannot forge a second line."""
    path = tmp_path / "log"
    configure("agent", path=path)
    get_logger().info("order.refused", detail='x\n{"event.action":"order.accepted"}\u2028')
    assert len(path.read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"key": PEM},
        {"private_key": "abc"},
        {"signing_secret": "abc"},
        {"passphrase": "abc"},
        {"PASSWORD": "abc"},
        {"nested": {"deep": [{"agent_private": "abc"}]}},
        {"note": f"read {PEM} from disk"},
        {"note": f"cut short {PEM[:90]}"},
        {"items": [PEM, (PEM,), {PEM}]},
        {"data": PEM.encode()},
        {"error": ValueError(PEM)},
        {"nested": {PEM: 1}},
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_no_key_is_ever_written(tmp_path: Path, fields: dict[str, Any], as_json: bool) -> None:
    """By its name or by its shape, at any depth, in either rendering: it does not get out."""
    path = tmp_path / "log"
    configure("agent", path=path, json=as_json)
    get_logger(**fields).info("key.loaded")
    get_logger().info(f"event {PEM}")
    try:
        int(PEM)
    except ValueError:
        get_logger().exception("key.failed")
    written = path.read_text()
    assert "key.loaded" in written
    assert "key.failed" in written
    assert SECRET_LINE not in written
    assert SECRET_LINE[:20] not in written
    assert "abc" not in written


def test_what_readers_need_stays(tmp_path: Path) -> None:
    """Ids and public keys are no secrets, and a log without them explains nothing."""
    path = tmp_path / "log"
    configure("agent", path=path)
    get_logger().info("key.loaded", key_id="ab12", public_key="cd34", keyboard="x", monkey="y")
    [line] = lines(path)
    assert (line["key_id"], line["public_key"], line["keyboard"], line["monkey"]) == ("ab12", "cd34", "x", "y")


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(PEM),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), JSON_LIKE, max_size=4))
def test_redacting_finds_every_key(fields: dict[str, Any]) -> None:
    """Wherever a key hides in nested values, it is taken out, and the rest still renders."""
    assert SECRET_LINE not in json.dumps(redact(None, "info", fields))


def test_redacting_ends() -> None:
    """A value that holds itself costs a bounded effort."""
    loop: list[Any] = []
    loop.append(loop)
    assert REDACTED in json.dumps(redact(None, "info", {"loop": loop}))


def test_a_wrong_setting_is_told(tmp_path: Path) -> None:
    """An unknown level and a file that cannot be opened are clear errors."""
    with pytest.raises(ConfigError, match="debug, info"):
        configure("agent", level="loud")
    with pytest.raises(ConfigError, match="cannot be opened"):
        configure("agent", path=tmp_path / "no" / "log")


def test_a_person_gets_a_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The rendering for a terminal is text, not JSON."""
    configure("agent", json=False, clock=ManualClock(wall_ns=0))
    get_logger().info("order.accepted", site="alpha")
    written = capsys.readouterr().err
    assert "order.accepted" in written
    assert "alpha" in written
    assert not written.startswith("{")


@pytest.mark.parametrize("hostile", ["\x1b]0;gone\x07\x1b[2J", "\x9b2J", "one\ntwo", "\u202e"])
def test_nothing_logged_acts_upon_a_terminal(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An abort's reason comes from outside: its escapes are shown, not obeyed."""
    configure("agent", json=False, clock=ManualClock(wall_ns=0))
    get_logger().warning("agent.stop.abort", detail=hostile, listed=[hostile])
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert written.rstrip("\n").isprintable()


def test_stderr_that_is_no_terminal_gets_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Collected by a supervisor, the same call writes JSON lines, and nothing on standard output."""
    configure("agent")
    get_logger().info("order.accepted")
    captured = capsys.readouterr()
    assert json.loads(captured.err)["event.action"] == "order.accepted"
    assert captured.out == ""


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    """Whoever logs never hears of a failed write, and the first line that is written again tells the loss."""
    path = tmp_path / "log"
    configure("agent", path=path)
    log = get_logger()
    log.info("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for a part of the next line only.
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        log.info("torn")
        log.info("lost")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.info("after")
    log.info("whole")
    first, torn, after, whole = path.read_text().splitlines()
    assert json.loads(first)["event.action"] == "before"
    assert len(torn) == 10
    assert (json.loads(after)["event.action"], json.loads(after)["lines_lost"]) == ("after", 2)
    assert (json.loads(whole)["event.action"], "lines_lost" in json.loads(whole)) == ("whole", False)
