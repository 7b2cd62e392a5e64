"""The commands init, approve and plan as a person types them: output, exit codes, nothing lost."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from orchestrator.cli.common import ExitCode, guarded
from orchestrator.cli.main import app_for
from orchestrator.fleet.layout import FleetLayout
from protocols.errors import ConfigError, HaltdrillError, WorldError
from protocols.host.logs import close

RUNNER = CliRunner()
HALTDRILL = [sys.executable, "-c", "from orchestrator.entry import main; raise SystemExit(main())"]


def _haltdrill(*arguments: object, stdin: str | None = None) -> Result:
    return RUNNER.invoke(app_for([]), [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def fleet(tmp_path: Path) -> FleetLayout:
    """A fleet that the command made."""
    assert _haltdrill("init", tmp_path / "fleet", "--sites", 2).exit_code == 0
    return FleetLayout(tmp_path / "fleet")


def test_from_init_to_an_approved_warrant(fleet: FleetLayout) -> None:
    """The first five minutes of a new user work as printed, and tell how far they are."""
    plan = fleet.plans / "pause.yaml"
    checked = _haltdrill("plan", "check", plan)
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert "good; 1 step at 2 of 2 sites" in checked.stdout
    assert "suspend all work" in _haltdrill("plan", "explain", plan).stdout
    first = _haltdrill("approve", plan, "--key", fleet.approver_key("regulator"), "--yes")
    assert first.exit_code == 0
    assert "1 more owner, any of: operations, safety-board" in first.stdout
    second = _haltdrill("approve", plan, "--key", fleet.approver_key("operations"), "--yes", "--json")
    said = json.loads(second.stdout)
    assert (said["missing"], said["approved_by"], said["already"]) == (0, ["operations", "regulator"], False)
    assert Path(said["warrant"]) == fleet.plans / "pause.warrant.json"
    again = _haltdrill("approve", plan, "--key", fleet.approver_key("operations"), "--yes")
    assert again.exit_code == 0
    assert "had approved this before; the warrant is unchanged" in again.stdout


def test_init_and_plan_speak_json(tmp_path: Path) -> None:
    """Scripts get one JSON object on standard output and nothing else."""
    made = json.loads(_haltdrill("init", tmp_path / "f", "--sites", 3, "--port", 1999, "--json").stdout)
    assert len(made["sites"]) == 3
    assert len(made["fleet"]) == 64
    assert all(Path(path).is_file() for path in (*made["plans"], *made["approver_keys"].values()))
    assert "port = 1999" in (tmp_path / "f" / "haltdrill.toml").read_text()
    checked = json.loads(_haltdrill("plan", "check", made["plans"][0], "--json").stdout)
    assert checked["ok"]
    assert json.loads(_haltdrill("plan", "explain", made["plans"][0], "--json").stdout)["owners_required"] == 2


def test_init_makes_simulated_sites_alone_or_beside_real_ones(tmp_path: Path) -> None:
    """`--mock N` is a fleet of N simulated sites with plans of their own; with `--sites` both kinds are there."""
    said = _haltdrill("init", tmp_path / "told", "--mock", 2)
    assert "2 simulated sites" in said.stdout
    assert f"haltdrill mocksite --sites {tmp_path / 'told' / 'sites'}" in said.stdout
    mock = json.loads(_haltdrill("init", tmp_path / "mock", "--mock", 2, "--json").stdout)
    assert all(site.startswith("mock-") for site in mock["sites"])
    assert [Path(plan).name for plan in mock["plans"]] == [
        "all-controls.yaml",
        "ladder.yaml",
        "pause.yaml",
        "shutdown.yaml",
    ]
    for plan in mock["plans"]:
        assert _haltdrill("plan", "check", plan).exit_code == 0
    both = json.loads(_haltdrill("init", tmp_path / "both", "--mock", 1, "--sites", 2, "--json").stdout)
    assert len(both["sites"]) == 3
    none = _haltdrill("init", tmp_path / "none", "--sites", 0)
    assert none.exit_code == ExitCode.USAGE
    assert "one site at least" in none.stderr
    assert not (tmp_path / "none").exists()


def test_plan_fire_needs_a_drill_that_armed(fleet: FleetLayout) -> None:
    """Without such a drill there is one line of error and no plan."""
    refused = _haltdrill("plan", "fire", "20261124t140501z-arm-3fa9c1", "--fleet", fleet.folder)
    assert refused.exit_code == ExitCode.NOT_RUN
    assert refused.stderr == f"error: {fleet.folder / 'journal.sqlite'}: there is no journal: no drill was run yet\n"
    assert not (fleet.plans / "decommission-fire.yaml").exists()


def test_init_twice_is_exit_2_and_changes_nothing(fleet: FleetLayout) -> None:
    """A second init at the same place loses no key."""
    before = {path: path.read_bytes() for path in fleet.folder.rglob("*") if path.is_file()}
    again = _haltdrill("init", fleet.folder)
    assert again.exit_code == 2
    assert again.stderr.startswith("error: ")
    assert again.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in fleet.folder.rglob("*") if path.is_file()} == before


def test_approve_asks_and_takes_no_for_an_answer_without_a_terminal(fleet: FleetLayout) -> None:
    """Without --yes nothing is signed where nobody can be asked, even if `y` comes down a pipe."""
    plan = fleet.plans / "pause.yaml"
    result = _haltdrill("approve", plan, "--key", fleet.approver_key("regulator"), stdin="y\n")
    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert "suspend all work" in result.stdout
    assert not (fleet.plans / "pause.warrant.json").exists()


@pytest.mark.parametrize(
    ("answer", "code", "written"), [(b"y\n", 0, True), (b"n\n", 2, False), (b"\n", 2, False), (b"\x04", 130, False)]
)
def test_on_a_terminal_the_answer_decides(fleet: FleetLayout, answer: bytes, code: int, written: bool) -> None:
    """Only a yes signs; no, an empty line and end of file leave everything as it was."""
    master, slave = pty.openpty()
    try:
        os.write(master, answer)
        done = subprocess.run(
            [*HALTDRILL, "approve", fleet.plans / "pause.yaml", "--key", fleet.approver_key("regulator")],
            stdin=slave,
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(master)
        os.close(slave)
    assert b"Traceback" not in done.stderr
    assert b"Approve this as regulator?" in done.stderr
    assert done.returncode == code
    assert (fleet.plans / "pause.warrant.json").exists() is written


def test_a_key_that_others_can_read_is_refused(fleet: FleetLayout) -> None:
    """A private key of mode 0644 signs nothing, and the way out is named."""
    key = fleet.approver_key("regulator")
    key.chmod(0o644)
    result = _haltdrill("approve", fleet.plans / "pause.yaml", "--key", key, "--yes")
    assert result.exit_code == 2
    assert "chmod 600" in result.stderr
    assert not (fleet.plans / "pause.warrant.json").exists()


def test_another_fleets_owner_cannot_approve(fleet: FleetLayout, tmp_path: Path) -> None:
    """An approver of one fleet is a stranger to another, whatever the owner is called."""
    assert _haltdrill("init", tmp_path / "other", "--sites", 2).exit_code == 0
    foreign = FleetLayout(tmp_path / "other").approver_key("regulator")
    result = _haltdrill("approve", fleet.plans / "pause.yaml", "--key", foreign, "--yes")
    assert result.exit_code == 2
    assert "no approver's of this fleet" in result.stderr
    plan = fleet.plans / "pause.yaml"
    assert _haltdrill("approve", plan, "--key", fleet.approver_key("regulator"), "--yes").exit_code == 0
    crossed = _haltdrill("approve", plan, "--key", foreign, "--fleet", tmp_path / "other", "--yes")
    assert crossed.exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["init"],
        ["init", "x", "--sites", "0"],
        ["init", "x", "--port", "70000"],
        ["approve", "plan.yaml"],
        ["plan", "check"],
        ["plan", "check", "no-such-plan.yaml"],
        ["plan", "check", "--fleet", "no-such-folder", __file__],
        ["--nonsense"],
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts tell bad usage from a drill that failed, and no traceback is shown."""
    monkeypatch.chdir(tmp_path)
    result = _haltdrill(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_plan_outside_any_fleet_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who forgot --fleet is told about it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text("a: 1\n")
    assert _haltdrill("plan", "check", "p.yaml").exit_code == 2
    good = tmp_path / "f"
    assert _haltdrill("init", good).exit_code == 0
    plan = tmp_path / "p.yaml"
    plan.write_bytes((good / "plans" / "pause.yaml").read_bytes())
    lost = _haltdrill("plan", "check", "p.yaml")
    assert lost.exit_code == 2
    assert "--fleet DIR" in lost.stderr
    assert _haltdrill("plan", "check", "p.yaml", "--fleet", good).exit_code == 0
    assert _haltdrill("plan", "check", "p.yaml", "--fleet", good / "fleet").exit_code == 0


def test_help_documents_the_exit_codes_and_gives_examples() -> None:
    """The exit codes that scripts rely on can be looked up, and each command shows how it is used."""
    text = _haltdrill("--help").stdout
    for number in ("0:", "1:", "2:", "3:"):
        assert number in text
    assert "--install-completion" in text
    for command in (["init"], ["approve"], ["plan", "check"], ["plan", "explain"], ["plan", "fire"]):
        assert "Example: haltdrill" in " ".join(_haltdrill(*command, "--help").stdout.split())
    assert _haltdrill("--version").stdout.startswith("haltdrill ")


def _raise(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            ConfigError("is wrong", where="x.toml, line 3", remedy="mend it"),
            2,
            "error: x.toml, line 3: is wrong (mend it)\n",
        ),
        (WorldError("the broker is away"), 3, "error: the broker is away\n"),
        (HaltdrillError("two\nlines \x1b[2J"), 3, "error: two lines \\x1b[2J\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_every_error_is_one_line_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """People read one line without terminal escapes; scripts read the code."""
    assert guarded(lambda: _raise(error)) == code
    assert capsys.readouterr().err == said


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """HALTDRILL_DEBUG=1 lets our own error through, and only then; our bugs are never hidden."""
    monkeypatch.setenv("HALTDRILL_DEBUG", "1")
    with pytest.raises(ConfigError):
        guarded(lambda: _raise(ConfigError("x")))
    monkeypatch.setenv("HALTDRILL_DEBUG", "0")
    assert guarded(lambda: _raise(ConfigError("x"))) == ExitCode.USAGE
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 // 0)
    with pytest.raises(typer.Exit):
        guarded(lambda: _raise(typer.Exit(1)))


def test_a_reader_that_goes_away_is_no_error(fleet: FleetLayout) -> None:
    """`haltdrill plan explain PLAN | true` prints no traceback."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as broken:
        done = subprocess.run(
            [*HALTDRILL, "plan", "explain", str(fleet.plans / "pause.yaml")],
            stdout=broken,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.stderr == b""
    assert done.returncode in {0, 1}


def test_an_error_names_the_file_that_the_person_gave(fleet: FleetLayout, tmp_path: Path) -> None:
    """With five keys and four warrants at hand, "this key" and "the warrant" do not say which."""
    plan, wrong = fleet.plans / "pause.yaml", fleet.dispatcher_key
    assert _haltdrill("approve", plan, "--key", wrong, "--yes").stderr.startswith(f"error: {wrong}: this key")
    _haltdrill("approve", plan, "--key", fleet.approver_key("regulator"), "--yes")
    short = _haltdrill("run", plan, "--log", tmp_path / "log")
    close()
    assert short.exit_code == ExitCode.USAGE
    assert short.stderr.startswith(f"error: {fleet.plans / 'pause.warrant.json'}: approved by 1 of the 2")
    journal = fleet.folder / "journal.sqlite"
    assert _haltdrill("abort", "--fleet", fleet.folder).stderr.startswith(f"error: {journal}: no drill is open")


def test_a_plan_that_was_changed_after_its_approval_is_not_run(fleet: FleetLayout) -> None:
    """What runs is what was approved; whoever edits the plan afterwards is told, before anybody is ordered."""
    plan = fleet.plans / "pause.yaml"
    for owner in ("regulator", "operations"):
        _haltdrill("approve", plan, "--key", fleet.approver_key(owner), "--yes")
    plan.write_text(plan.read_text().replace("hold_s: 30", "hold_s: 31"))
    refused = _haltdrill("run", plan)
    assert refused.exit_code == ExitCode.USAGE
    assert "they differ in steps" in refused.stderr
    assert "No drill has been run yet" in _haltdrill("drills", "--fleet", fleet.folder).stdout


def test_a_damaged_journal_says_so(fleet: FleetLayout) -> None:
    """Free space and permissions, the way out of a full disk, are no way out of a file that is rubbish."""
    (fleet.folder / "journal.sqlite").write_bytes(b"rubbish " * 1000)
    told = _haltdrill("drills", "--fleet", fleet.folder)
    assert told.exit_code == ExitCode.NOT_RUN
    assert "file is not a database (restore it from a backup" in told.stderr
