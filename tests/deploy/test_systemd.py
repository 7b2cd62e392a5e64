"""The systemd units: systemd has nothing to say against them, and each is as tight as its table states."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components import require

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(path for path in FOLDER.iterdir() if path.suffix in {".service", ".timer"})
SERVICES = [path for path in UNITS if path.suffix == ".service"]


@pytest.fixture(scope="module", autouse=True)
def _systemd() -> None:
    require("systemd-analyze", package="systemd")


def installed(unit: Path, folder: Path) -> Path:
    """Copy a unit, for an instance where it is a template, with a program that is there."""
    program = shutil.which("haltdrill", path=str(Path(sys.executable).parent))
    assert program is not None
    for other in UNITS:
        text = other.read_text().replace("/opt/haltdrill/bin/haltdrill", program)
        (folder / other.name.replace("@.", "@a1.")).write_text(text)
    return folder / unit.name.replace("@.", "@a1.")


def analyze(*arguments: str) -> str:
    """Return what systemd-analyze says."""
    ended = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    """A key that is misspelt or in the wrong section is ignored by systemd, and said only here."""
    said = analyze("verify", "--man=no", str(installed(unit, tmp_path)))
    assert [line for line in said.splitlines() if "haltdrill" in line] == []


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_unit_is_as_tight_as_its_table_states(unit: Path, tmp_path: Path) -> None:
    """The exposure in the README is systemd's own figure."""
    said = analyze("security", "--offline=yes", str(installed(unit, tmp_path)))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found is not None, said
    row = next(line for line in (FOLDER / "README.md").read_text().splitlines() if f"| `{unit.name}`" in line)
    assert row.split("|")[-2].strip() == found[1]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_unit_calls_a_command_that_there_is(unit: Path) -> None:
    """The command line of each unit is one that its program takes."""
    line = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    command, *arguments = line.split()[1:]
    options = [word for word in arguments if word.startswith("--")]
    shown = subprocess.run(
        [sys.executable, "-m", "orchestrator.entry", command, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.returncode == 0
    assert all(option in shown.stdout for option in options), shown.stdout


def test_what_keeps_an_agents_site_safe_is_in_its_unit() -> None:
    """The work outlives the agent, and the agent has time to restore its site."""
    text = (FOLDER / "haltdrill-agent@.service").read_text().splitlines()
    assert {"KillMode=process", "Delegate=yes", "TimeoutStopSec=5min", "Restart=always"} <= set(text)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_program_finds_what_it_needs_in_what_its_unit_leaves_of_proc(unit: Path) -> None:
    """With /proc mounted as the unit has it, the clock and the guard of children work."""
    settings = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
    options = {"invisible": "hidepid=invisible", "default": "hidepid=off"}[settings.get("ProtectProc", "default")]
    options += ",subset=pid" if settings.get("ProcSubset") == "pid" else ""
    needs = (
        "from protocols.host.clock import SystemClock; from orchestrator.runtime.leash_guard import chase;"
        " print(SystemClock().boot_id, chase(b'X=Y'))"
    )
    script = f'mount -t proc -o {options} proc /proc && exec {sys.executable} -c "{needs}"'
    ended = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=FOLDER.parents[1],
    )
    if "Operation not permitted" in ended.stderr and "unshare" in ended.stderr:
        pytest.skip("namespaces may not be made here")
    assert ended.returncode == 0, ended.stderr
    assert "False" in ended.stdout


def test_a_service_that_is_told_to_end_keeps_its_broker_until_its_drills_are_over() -> None:
    """Systemd would else end the broker and the notifier with it."""
    assert "KillMode=mixed" in (FOLDER / "haltdrill.service").read_text().splitlines()
