"""Tests of `orchestrator.cli.dashboard_command`: what is asked of whoever starts it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import dashboard_command
from orchestrator.cli.main import app_for


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """An empty log."""
    path = tmp_path / "x.log"
    path.touch()
    return path


def _refused(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app_for([]), ["dashboard", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_without_the_extra_it_says_what_to_install(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the web libraries gets one clear error."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'haltdrill[web]'" in _refused(log)


def test_a_name_is_no_address(log: Path) -> None:
    """Where it listens is said exactly."""
    assert "is no IP address" in _refused(log, "--host", "example.org")


def test_a_log_in_no_folder_is_a_slip(tmp_path: Path) -> None:
    """A folder that is not there is not waited for."""
    assert "there is no such folder" in _refused(tmp_path / "none" / "x.log")
    assert "this is no file" in _refused(tmp_path)


@pytest.mark.parametrize(("text", "mode", "why"), [("short", 0o600, "no token"), ("x" * 40, 0o644, "others can read")])
def test_a_weak_token_is_refused(log: Path, tmp_path: Path, text: str, mode: int, why: str) -> None:
    """A token that can be guessed, or that others can read, guards nothing."""
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(mode)
    assert why in _refused(log, "--token-file", path)


def test_a_certificate_needs_its_key(log: Path) -> None:
    """Half of what TLS needs is a slip, not a reason to go without."""
    assert "are given together" in _refused(log, "--tls-cert", log)


@pytest.mark.parametrize(
    ("host", "token", "secure", "link"),
    [
        ("127.0.0.1", None, False, "http://127.0.0.1:9/"),
        ("127.0.0.1", "abc", False, "http://127.0.0.1:9/login#token=abc"),
        ("0.0.0.0", "abc", True, "https://127.0.0.1:9/login#token=abc"),  # noqa: S104
        ("::1", None, False, "http://[::1]:9/"),
    ],
)
def test_the_link_keeps_the_token_out_of_requests(host: str, token: str | None, secure: bool, link: str) -> None:
    """The token stands after the number sign, which no browser sends."""
    assert dashboard_command._link(host, 9, token, secure=secure) == link
