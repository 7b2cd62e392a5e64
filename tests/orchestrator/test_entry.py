"""The command's entry: one line for each error, the right exit code, and no needless imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import entry
from protocols.errors import ConfigError, StoreError


@pytest.mark.parametrize(
    ("error", "code"), [(ConfigError("is wrong", where="file, line 3"), 2), (StoreError("is full", where="disk"), 3)]
)
def test_an_error_is_one_line_and_its_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever types the command sees what is wrong and where, never a traceback."""

    def fail(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr(entry, "_dispatch", fail)
    assert entry.main([]) == code
    assert capsys.readouterr().err == f"error: {error}\n"
    monkeypatch.setenv(entry.DEBUG_VARIABLE, "1")
    with pytest.raises(type(error)):
        entry.main([])


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Control-C ends the command with 130 and no noise."""

    def interrupt(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_dispatch", interrupt)
    assert entry.main([]) == entry.EXIT_INTERRUPTED
    assert capsys.readouterr().err == ""


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """At a site, where only agents are installed, other commands say what is missing."""
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in [name for name in sys.modules if name.startswith("orchestrator.cli")]:
        monkeypatch.delitem(sys.modules, name)
    assert entry.main(["demo"]) == ConfigError.exit_code
    assert "haltdrill[orchestrator]" in capsys.readouterr().err


def test_an_agent_imports_nothing_of_the_orchestrator() -> None:
    """What a site runs stays small: neither Typer, Rich, YAML nor a database."""
    code = (
        "import sys; from orchestrator import entry; code = entry.main(['agent', '--config', 'no-such-file'])\n"
        "heavy = {'typer', 'ruamel', 'sqlite3', 'orchestrator.cli', 'orchestrator.core'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "2 []\n"


def test_a_witness_holds_none_of_the_code_that_acts() -> None:
    """A witness that shares code with the actuator is not one, in its process either."""
    code = (
        "import sys; from orchestrator import entry; entry.main(['witness', '--config', 'no-such-file'])\n"
        "print([name for name in sys.modules if name.startswith(('agents.drivers', 'agents.agent', 'agents.actuate'))])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "[]\n"


def test_an_enforcer_holds_none_of_the_drivers_and_probes() -> None:
    """What cuts a site off from outside must not fail for the reason that its agent fails."""
    code = (
        "import sys; from orchestrator import entry; entry.main(['enforcer', '--config', 'no-such-file'])\n"
        "shared = ('agents.drivers', 'agents.probes', 'agents.mocksite', 'agents.run_agent', 'orchestrator.cli')\n"
        "print('agents.actuators.cutoff' in sys.modules, [name for name in sys.modules if name.startswith(shared)])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "True []\n"


def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A script that logs to a full disk gets "could not run", never 1, which means that a drill did not pass."""
    argv = [sys.executable, "-m", "orchestrator.entry", "init", str(tmp_path / "fleet"), "--sites", "1"]
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert told.returncode == StoreError.exit_code
    assert told.stderr == "error: standard output: cannot be written: No space left on device\n"


def test_a_closed_standard_output_is_no_trouble(tmp_path: Path) -> None:
    """Started by a supervisor that closes it, a command works, and no file of ours gets its number."""
    argv = [sys.executable, "-m", "orchestrator.entry", "init", str(tmp_path / "fleet"), "--sites", "1"]
    told = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *argv], stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert (tmp_path / "fleet" / "haltdrill.toml").exists()
