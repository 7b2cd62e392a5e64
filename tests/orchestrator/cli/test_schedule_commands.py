"""Commands about plans that run by themselves: check, explain, schema, approve in waves, warrants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.main import app_for
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.plan import load_plan
from orchestrator.fleet.plan_schema import plan_schema, schema_of
from orchestrator.fleet.yaml_tree import parse_yaml
from orchestrator.journal.note_chain import NoteWriter
from orchestrator.logbook import service_lines as sl
from orchestrator.service.config import ServiceConfig
from protocols.ids import digest_of, format_utc
from tests.kit import NOW_NS
from tests.orchestrator.schedule.test_draw_check import BEGIN_NS, drawn

RUNNER = CliRunner()

SCHEDULED = """
schedule:
  cron: '30 2 * * MON-FRI'
  timezone: Europe/Berlin
waves:
  - sites: 1
  - share: 0.3
  - rest: true
"""

FREEZE = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//haltdrill//tests//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20200101
DTEND;VALUE=DATE:20200102
RRULE:FREQ=DAILY
SUMMARY:A freeze that never ends
END:VEVENT
END:VCALENDAR
"""


def invoke(*arguments: str | Path) -> Result:
    """Run a command as a person types it."""
    return CliRunner().invoke(app_for([]), [str(argument) for argument in arguments])


@pytest.fixture
def fleet(tmp_path: Path) -> FleetLayout:
    """A fleet of six simulated sites whose pause is scheduled in waves."""
    layout = FleetLayout(tmp_path / "fleet")
    assert invoke("init", layout.folder, "--sites", "0", "--mock", "6").exit_code == 0
    with (layout.plans / "pause.yaml").open("a") as file:
        file.write(SCHEDULED)
    return layout


def test_check_says_what_will_not_go_as_it_seems(fleet: FleetLayout) -> None:
    """A plan that runs more often than it is approved for is good, and that is said."""
    found = invoke("plan", "check", fleet.plans / "pause.yaml")
    assert found.exit_code == 0
    assert "1 step at 6 of 6 sites in 3 waves" in found.output
    assert "and the warrant covers 3: the rest is skipped" in found.output


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("cron: '30", "cron: '61 1", ["line 41", "schedule.cron"]),
        ("Europe/Berlin", "Europe/Berln", ["line 42", "did you mean Europe/Berlin?"]),
        ("cron: '30 2 * * MON-FRI'", "crn: '30 2 * * MON-FRI'", ["schedule.crn", "did you mean cron?"]),
        ("share: 0.3", "share: 3", ["line 45", "waves[1].share"]),
        ("- rest: true", "- sites: 9", ["the last wave, and only that, must be the rest"]),
        ("sites: 1\n  - share: 0.3", "sites: 6\n  - share: 0.3", ["line", "wave 2 would have no site"]),
        ("  timezone", "  rrule: FREQ=SECONDLY\n  timezone", ["schedule"]),
        ("waves:", "misfire: sometimes\nwaves:", ["misfire", "'run_once' or 'skip'"]),
    ],
)
def test_each_slip_of_a_schedule_is_named_with_its_line(
    fleet: FleetLayout, old: str, new: str, says: Sequence[str]
) -> None:
    """Whoever writes a schedule wrong is told which line it is, and what was probably meant."""
    path = fleet.plans / "pause.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = invoke("plan", "check", path)
    assert found.exit_code == 2
    for words in [*says, "pause.yaml"]:
        assert words in found.stderr


def test_explain_lists_the_next_ten_runs_in_both_times(fleet: FleetLayout) -> None:
    """Each run stands there by the clock of its zone and in UTC; those in a blackout say so."""
    plan = fleet.plans / "pause.yaml"
    found = invoke("plan", "explain", plan)
    assert found.exit_code == 0
    runs = [line for line in found.output.splitlines() if line.endswith(" UTC") and " 02:30:00 " in line]
    assert len(runs) == 10
    assert "1. 1 site: mock-ap-south-1" in found.output
    (fleet.plans / "freeze.ics").write_text(FREEZE)
    (fleet.plans / "service.yaml").write_text("blackouts: [freeze.ics]\n")
    said = json.loads(invoke("plan", "explain", plan, "--json").output)
    assert len(said["next_runs"]) == 10
    assert all(run.endswith("(closed: A freeze that never ends)") for run in said["next_runs"])


def test_a_calendar_that_is_wrong_is_named(fleet: FleetLayout) -> None:
    """A blackout file with a rule that would keep us busy for ever, or that is none, is refused in one line."""
    (fleet.plans / "service.yaml").write_text("blackouts: [freeze.ics]\n")
    for text, says in (
        (FREEZE.replace("FREQ=DAILY", "FREQ=SECONDLY"), "FREQ"),
        (FREEZE.replace("DTSTART;VALUE=DATE:20200101\n", ""), "DTSTART"),
        ("not a calendar", "iCalendar"),
        ("", "iCalendar"),
    ):
        (fleet.plans / "freeze.ics").write_text(text)
        found = invoke("plan", "explain", fleet.plans / "pause.yaml")
        assert found.exit_code == 2, text
        assert "freeze.ics" in found.stderr
        assert says in found.stderr
        assert len(found.stderr.splitlines()) == 1


def test_every_wave_is_approved_by_itself(fleet: FleetLayout) -> None:
    """Approving a plan in waves makes a warrant for each, for its sites only; `warrants` shows them."""
    plan = fleet.plans / "pause.yaml"
    for owner in ("operations", "regulator"):
        found = invoke("approve", plan, "--key", fleet.approver_key(owner), "--yes", "--json")
        assert found.exit_code == 0, found.output
    waves = json.loads(found.stdout)["waves"]
    assert [entry["missing"] for entry in waves] == [0, 0, 0]
    shown = json.loads(invoke("warrants", "--fleet", fleet.folder, "--json").stdout)
    states = {entry["plan"]: entry for entry in shown["warrants"]}
    assert {name: states[name]["state"] for name in states if name.startswith("pause-all")} == {
        "pause-all-w1": "ready",
        "pause-all-w2": "ready",
        "pause-all-w3": "ready",
    }
    assert states["pause-all-w1"]["approved_by"] == ["operations", "regulator"]
    assert any("uses left" in entry["text"] for entry in shown["runs_out"])
    assert "ready" in invoke("warrants", "--fleet", fleet.folder).stdout


def test_a_plan_in_waves_is_run_by_hand_a_wave_at_a_time(fleet: FleetLayout) -> None:
    """Without saying which wave nothing is run, and a wave that is not there is named."""
    plan = fleet.plans / "pause.yaml"
    assert "say which: --wave 1" in invoke("run", plan).stderr
    assert "has no wave 9" in invoke("run", plan, "--wave", "9").stderr


def test_a_changed_plan_needs_its_approval_anew(fleet: FleetLayout) -> None:
    """When a plan runs may change without anybody's approval; what it does may not."""
    plan = fleet.plans / "pause.yaml"
    for owner in ("operations", "regulator"):
        invoke("approve", plan, "--key", fleet.approver_key(owner), "--yes")
    plan.write_text(plan.read_text().replace("30 2 * * MON-FRI", "45 3 * * *"))
    shown = json.loads(invoke("warrants", "--fleet", fleet.folder, "--json").stdout)["warrants"]
    assert {entry["state"] for entry in shown if entry["plan"].startswith("pause-all")} == {"ready"}
    plan.write_text(plan.read_text().replace("hold_s: 30", "hold_s: 29"))
    shown = json.loads(invoke("warrants", "--fleet", fleet.folder, "--json").stdout)["warrants"]
    assert {entry["state"] for entry in shown if entry["plan"].startswith("pause-all")} == {"unusable"}


def yaml_of(path: Path) -> Any:
    """Read a YAML file as an editor's validator sees it."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, tuple | list) else value

    return plain(parse_yaml(path.read_bytes(), path.name).value)


def test_the_schema_takes_what_the_program_takes(fleet: FleetLayout) -> None:
    """Every example plan is good by the schema too, and what the program refuses for its keys the schema refuses."""
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in fleet.plans.glob("*.yaml"):
        load_plan(path)
        assert not list(validator.iter_errors(yaml_of(path))), path
    good = yaml_of(fleet.plans / "pause.yaml")
    for change in (
        {"nmae": "x"},
        {"schedule": {"crn": "0 * * * *", "timezone": "UTC"}},
        {"steps": [{**good["steps"][0], "grace_s": 3}]},
        {"steps": [{**good["steps"][0], "control": "pauze"}]},
        {"waves": [{"part": 1}]},
    ):
        assert list(validator.iter_errors(good | change)), change


def test_the_schemas_are_printed() -> None:
    """Both schemas come out as JSON, ready for an editor."""
    assert json.loads(invoke("plan", "schema").stdout)["title"] == "haltdrill plan"
    service = json.loads(invoke("plan", "schema", "--service").stdout)
    assert service == json.loads(json.dumps(schema_of(ServiceConfig, "haltdrill service.yaml")))


def _chain(path: Path, *, broken: bool = False) -> Path:
    """Write the notes of a fair draw as they are exported."""
    writer, lines = NoteWriter(), []
    for note, at_ns in drawn():
        lines.append(writer.encode(note, wall_ns=at_ns).raw)
    if broken:
        lines[1] = lines[1].replace(b'"within_ms":14400000', b'"within_ms":14400001')
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_anyone_checks_from_exported_notes_that_an_instant_was_drawn_fairly(tmp_path: Path) -> None:
    """Its verdict, its instant and the drill that it became are shown; a changed note breaks the chain."""
    shown = RUNNER.invoke(app_for([]), ["draws", str(_chain(tmp_path / "notes.jsonl"))])
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("fair")
    assert "20261128t070000z-monthly-012345" in shown.output
    changed = RUNNER.invoke(app_for([]), ["draws", str(_chain(tmp_path / "changed.jsonl", broken=True))])
    assert changed.exit_code == 3
    assert "not chained" in changed.stderr


def _drawn_line(commitment: str) -> sl.ScheduleDrawn:
    """Return the line by which a commitment is made known."""
    return sl.ScheduleDrawn(
        timestamp=format_utc(NOW_NS),
        level="info",
        program="orchestrator",
        message="drawn",
        action="schedule.drawn",
        plan="monthly",
        name=f"monthly@{format_utc(BEGIN_NS)[:19]}Z",
        commitment=commitment,
    )


def test_what_somebody_else_saw_must_be_in_the_notes(tmp_path: Path) -> None:
    """A log with another commitment for the same window, or for one that no note has, is found."""
    line = _drawn_line(digest_of(b"another"))
    seen = tmp_path / "seen.log"
    seen.write_text(line.model_dump_json(by_alias=True) + "\n")
    notes = _chain(tmp_path / "notes.jsonl")
    shown = RUNNER.invoke(app_for([]), ["draws", str(notes), "--seen", str(seen), "--json"])
    assert shown.exit_code == 1
    (draw,) = json.loads(shown.output)["draws"]
    assert draw["fairness"] == "unfair"
    assert "written anew" in draw["problems"][0]


def test_a_log_that_shows_nothing_is_no_witness(tmp_path: Path) -> None:
    """A file without any commitment is refused, and a last line without its end is read."""
    notes = _chain(tmp_path / "notes.jsonl")
    shown = RUNNER.invoke(app_for([]), ["draws", str(notes), "--seen", "/etc/hostname"])
    assert shown.exit_code == 2
    assert "holds no commitment" in shown.stderr
    line = _drawn_line(digest_of(b"another")).model_dump_json(by_alias=True)
    (tmp_path / "seen.log").write_text(line)
    assert RUNNER.invoke(app_for([]), ["draws", str(notes), "--seen", str(tmp_path / "seen.log")]).exit_code == 1
