"""What a drill leaves behind, and how its end is told: files, the result table, the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.common import ExitCode, program_name
from orchestrator.cli.live_view import interval
from orchestrator.core.grades import Verdict, explain
from orchestrator.evidence.bundle import export_bundle
from orchestrator.evidence.result import DrillResult, SiteResult, StepResult
from orchestrator.journal.base import JournalStore
from orchestrator.report.figures import NOTHING, control_names, goals, plain, rung_words
from orchestrator.report.files import write_reports
from orchestrator.report.wording import comes_back, told
from protocols.errors import ConfigError, WorldError
from protocols.keys import Signer

_STYLES = {
    Verdict.VERIFIED: "green",
    Verdict.LATE: "yellow",
    Verdict.UNPROVEN: "yellow",
    Verdict.REFUSED: "red",
    Verdict.NOT_RESTORED: "bold red",
    Verdict.BROKEN: "bold red",
    Verdict.CONTRADICTED: "bold white on red",
}
SITES_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Finished:
    """A drill's end.

    Attributes:
        result: What it found.
        folder: Where its files lie.
        bundle: The evidence.
        report: The report for people.
    """

    result: DrillResult
    folder: Path
    bundle: Path
    report: Path

    @property
    def exit_code(self) -> ExitCode:
        """How the process is to end."""
        return ExitCode.PASSED if self.result.passed else ExitCode.NOT_PASSED


def write_files(store: JournalStore, drill: str, signer: Signer, drills: Path) -> Finished:
    """Write a closed drill's bundle and reports into a folder of its own.

    Raises:
        JournalError: The journal cannot be read.
        WorldError: A file cannot be written.
    """
    folder = drills / drill
    try:
        folder.mkdir(parents=True, exist_ok=True)
        exported = export_bundle(store, drill, signer, folder / "bundle.jsonl")
        report = write_reports(store, drill, folder)
    except (OSError, ConfigError) as error:
        what = f"{error.strerror}" if isinstance(error, OSError) else error.what
        raise WorldError(
            f"the drill is over and whole in the journal, but its files were not written: {what}",
            where=str(folder),
            remedy=f"make room, then: haltdrill export {drill}",
        ) from error
    return Finished(exported.result, folder, exported.path, report)


def step_title(step: StepResult) -> str:
    """Say what a step asked for: its name, its control if the name does not say it, and its times."""
    control = control_names(step)
    spoken = step.name.replace("-", " ")
    named = step.name if spoken == control else control if control.startswith(spoken) else f"{step.name}, {control}"
    return f"{named}: {goals(step)}"


def step_table(step: StepResult) -> Table:
    """Draw one step's results, a row a site; with a ladder, the rung that each came to."""
    table = Table(box=None, pad_edge=False)
    for column in ("site", "verdict", "rung" if step.ladder else "evidence", "response", "back after", "witnesses"):
        table.add_column(column, no_wrap=column != "rung")  # where the terminal is narrow, words wrap and figures stay
    shown = sorted(step.sites, key=lambda entry: entry.result.passed)[:SITES_SHOWN]
    for entry in sorted(shown, key=lambda entry: entry.site):
        table.add_row(*_cells(entry, step))
    return table


def _cells(entry: SiteResult, step: StepResult) -> tuple[str | Text, ...]:
    found = entry.result
    params = step.params if found.rung == 0 else step.ladder[found.rung - 1].params
    witnesses = len(found.agreeing) + len(found.dissenting) + len(found.unknown)
    return (
        entry.site,
        Text(found.verdict.value.replace("_", " "), style=_STYLES[found.verdict]),
        rung_words(step, found.rung) if step.ladder else found.grade.value.replace("_", " "),
        interval(found.response_lower_ns, found.response_upper_ns) if told(params).timed else NOTHING,
        interval(found.restore_lower_ns, found.restore_upper_ns) if comes_back(params) else NOTHING,
        f"{len(found.agreeing)} of {witnesses}",
    )


def tell(finished: Finished, console: Console, *, root: Path, fleet: Path) -> None:
    """Tell a person how the drill ended, and how to check it without trusting us.

    Args:
        finished: The drill's end.
        console: Where to.
        root: The file with the fleet's root, for the command that verifies.
        fleet: The fleet's folder, for the command that goes on from what was armed.
    """
    result = finished.result
    for step in result.steps:
        console.print()
        console.print(step_title(step), style="bold", highlight=False)
        console.print(step_table(step))
        for entry in step.sites:
            if not entry.result.passed:
                console.print(Text(f"{entry.site}: {plain(explain(entry.result))}", style="red"))
        if len(step.sites) > SITES_SHOWN:
            console.print(f"(the first {SITES_SHOWN} of {len(step.sites)} sites; the report has them all)")
    console.print()
    totals = result.totals
    verdict = "PASSED" if result.passed else "DID NOT PASS"
    aborted = f" Aborted: {plain(result.abort_reason)}." if result.aborted else ""
    console.print(
        Text(
            f"{verdict}: {totals.passed} of {totals.judged} verified.{aborted}",
            "bold green" if result.passed else "bold red",
        )
    )
    if any(site.result.receipts.armed for step in result.steps for site in step.sites if site.result.passed):
        console.print("Armed. The plan that fires needs an approval of its own; to write it:")
        command = f"  {program_name()} plan fire {result.drill} --fleet {fleet}"
        console.print(command, soft_wrap=True, highlight=False)
    if result.demo:
        console.print("This is a demo fleet: all its keys were made in one place.", style="dim")
    console.print(f"Report    {finished.report}", soft_wrap=True, highlight=False)
    console.print(f"Evidence  {finished.bundle}", soft_wrap=True, highlight=False)
    console.print("Check it yourself, trusting only the root keys:")
    console.print(f"  {program_name()} verify {finished.bundle} --root {root}", soft_wrap=True, highlight=False)
