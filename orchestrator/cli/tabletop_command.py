"""`haltdrill tabletop`: exercises on simulated sites that drive the real code."""

from __future__ import annotations

import shutil
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orchestrator.cli.common import ExitCode, JsonFlag, print_json, run_command
from orchestrator.cli.screen import Screen
from orchestrator.cli.tabletop_console import facilitated
from orchestrator.tabletop.after import AfterAction, after_action, results_of
from orchestrator.tabletop.after_html import render_page
from orchestrator.tabletop.after_markdown import clock, render_markdown
from orchestrator.tabletop.assess import RATING_WORDS
from orchestrator.tabletop.director import Script
from orchestrator.tabletop.load import load_scenario, scenario_schema, site_names
from orchestrator.tabletop.playing import Played, play
from orchestrator.tabletop.spec import Decision, Inject, Scenario
from orchestrator.tabletop.sweep import RUNS_MAX, as_csv, parse_vary, sweep
from orchestrator.tabletop.sweep_page import render_sweep
from protocols.errors import ConfigError
from protocols.host.files import write_atomic
from protocols.host.logs import configure

tabletop_app = typer.Typer(no_args_is_help=True, help="Exercises on simulated sites, for the people who decide.")

ScenarioArgument = Annotated[Path, typer.Argument(metavar="SCENARIO", help="The scenario's file.", show_default=False)]
SeedOption = Annotated[int | None, typer.Option(min=0, help="Chance of this run; the scenario's own by default.")]
OutOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where report and record go. By default a folder named after it.")
]


class ReportForm(StrEnum):
    """How the after-action report is written."""

    HTML = "html"
    MARKDOWN = "markdown"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.add_typer(tabletop_app, name="tabletop")


@tabletop_app.command("check", epilog="Example: haltdrill tabletop check scenario.yaml")
@run_command
def check(scenario: ScenarioArgument) -> None:
    """Check a scenario, and say in words what would be played. What is wrong is named with its line."""
    found = load_scenario(scenario)
    for line in _told(found):
        typer.echo(line)


def _told(scenario: Scenario) -> list[str]:
    width = min(100, shutil.get_terminal_size().columns)
    sites = sum(1 for _ in site_names(scenario))
    head = [
        f"{scenario.title}: {scenario.minutes} minutes for people, {clock(scenario.ends_at_s)} in the exercise's time",
        *textwrap.wrap(f"Lesson: {scenario.lesson}", width),
        f"Sites: {sites}, in {', '.join(group.region for group in scenario.fleet.groups)}",
        f"Roles: {', '.join(role.title for role in scenario.roles)}",
        f"Drills: {', '.join(drill.title for drill in scenario.drills)}",
        "",
    ]
    every: list[Inject | Decision] = [*scenario.injects, *scenario.decisions]
    lines = []
    for one in sorted(every, key=lambda one: (one.at_s is None, one.at_s or 0.0)):
        when = clock(one.at_s) if one.at_s is not None else "on condition" if one.when else "by hand"
        kind = "decision" if isinstance(one, Decision) else "inject"
        lines.append(f"{when:>12}  {kind:8}  {one.name}")
    return [*head, *lines]


@tabletop_app.command("schema", epilog="Example: haltdrill tabletop schema > scenario.schema.json")
@run_command
def schema() -> None:
    """Print the JSON Schema of scenarios, for an editor that checks while you type."""
    print_json(scenario_schema())


@tabletop_app.command("run", epilog="Example: haltdrill tabletop run scenario.yaml --unattended")
@run_command
def run(
    scenario: ScenarioArgument,
    *,
    unattended: Annotated[
        bool, typer.Option("--unattended", help="Nobody plays: every decision is taken as expected, without waiting.")
    ] = False,
    decide: Annotated[
        list[str] | None,
        typer.Option("--decide", metavar="DECISION=OPTION", help="Unattended: decide this one so instead."),
    ] = None,
    seed: SeedOption = None,
    pace: Annotated[float, typer.Option(min=0.1, max=600, help="How many times faster than life it goes.")] = 1.0,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Play a scenario: the real orchestrator, agents and witnesses, on a clock that the facilitator owns.

    In the terminal the facilitator gives injects, takes down decisions and comments, and lets time stand still, run
    or jump. Afterwards there is an after-action report.
    """
    found = load_scenario(scenario)
    folder = out or Path(f"{found.name}-after-action")
    _check_out(folder)
    folder.mkdir(parents=True, exist_ok=True)
    configure("tabletop", path=folder / "parties.log", level="info", json=True)
    if unattended:
        played = play(found, players=Script(_answers(found, decide or [])), seed=seed)
    else:
        if decide:
            raise ConfigError("is for --unattended: at the console you decide as it comes", where="--decide")
        played = facilitated(found, seed=seed, pace=pace, screen=Screen())
    report = after_action(played)
    _write(played, report, folder)
    if as_json:
        print_json(report.model_dump(mode="json"))
        return
    _say(report, folder)


def _check_out(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or (folder / "record.jsonl").exists()):
        raise ConfigError(
            "is there already, and nothing is ever overwritten", where=str(folder), remedy="name another with --out"
        )


def _answers(scenario: Scenario, given: list[str]) -> dict[str, str]:
    answers: dict[str, str] = {}
    for text in given:
        name, _, option = text.partition("=")
        decision = next((one for one in scenario.decisions if one.name == name), None)
        if decision is None or option not in {one.name for one in decision.options}:
            known = ", ".join(f"{one.name}={'|'.join(o.name for o in one.options)}" for one in scenario.decisions)
            raise ConfigError(f"{text!r} is no decision with an option", where="--decide", remedy=f"there is {known}")
        answers[name] = option
    return answers


def _write(played: Played, report: AfterAction, folder: Path) -> None:
    write_atomic(folder / "record.jsonl", played.record.encode())
    write_atomic(folder / "report.json", report.model_dump_json(indent=1).encode() + b"\n")
    write_atomic(folder / "report.md", render_markdown(report).encode())
    write_atomic(folder / "report.html", render_page(report, results_of(played)).encode())


def _say(report: AfterAction, folder: Path) -> None:
    for objective in report.assessment.objectives:
        words = "not rated" if objective.rating is None else f"{objective.rating}, {RATING_WORDS[objective.rating]}"
        typer.echo(f"{words}: {objective.text}")
    for drill in report.drills:
        counts = ", ".join(f"{count} {word.replace('_', ' ')}" for word, count in drill.verdicts.items())
        typer.echo(f"Drill {drill.name}: {counts or 'never began'}{', aborted' if drill.aborted else ''}")
    typer.echo(f"Record    {report.head}")
    typer.echo(f"Report    {folder / 'report.html'}")


@tabletop_app.command("sweep", epilog="Example: haltdrill tabletop sweep s.yaml --vary detection_delay=5..120")
@run_command
def sweep_command(
    scenario: ScenarioArgument,
    *,
    vary: Annotated[list[str], typer.Option("--vary", metavar="NAME=A..B", help="What is varied; may be given again.")],
    runs: Annotated[int, typer.Option(min=1, max=RUNS_MAX, help="How many runs in all.")] = 60,
    jobs: Annotated[int | None, typer.Option(min=1, max=256, help="Processes; as many as there are cores.")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The results, as CSV; the plots lie beside it.")] = Path(
        "sweep.csv"
    ),
) -> ExitCode:
    """Play a scenario many times over parameters and seeds, unattended, and plot how the outcome depends on them."""
    found = load_scenario(scenario)
    varied = [parse_vary(text) for text in vary]
    screen = Screen(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("playing", total=runs)

        def told(done: int, every: int) -> None:
            progress.update(task, completed=done, total=every)

        rows = sweep(found, varied, runs=runs, jobs=jobs, told=told)
    write_atomic(out, as_csv(rows).encode())
    page = out.with_suffix(".html")
    write_atomic(page, render_sweep(found, rows).encode())
    typer.echo(f"{len(rows)} runs: {out}, {page}")
    return ExitCode.PASSED
