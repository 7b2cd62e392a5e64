"""`haltdrill draws`: checks that unannounced instants were drawn fairly, offline and by anyone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.text import Text

from orchestrator.cli.common import ExitCode, FleetOption, JsonFlag, fleet_folder, print_json, run_command
from orchestrator.cli.screen import Screen
from orchestrator.fleet.load import load_config
from orchestrator.journal.note_chain import NoteReader, NoteRecord
from orchestrator.journal.places import open_store, there_is
from orchestrator.logbook import service_lines as sl
from orchestrator.logbook.reader import LineFile
from orchestrator.runtime.notes import AnyNote
from orchestrator.schedule.draw_check import Draw, DrawBook, Fairness, Moment
from protocols.envelope import parse_envelope
from protocols.errors import ConfigError, UntrustedInput
from protocols.host.clock import SystemClock
from protocols.host.files import read_bytes, write_atomic
from protocols.ids import format_utc, parse_utc
from protocols.limits import ENVELOPE_MAX_BYTES
from protocols.messages import Warrant

NOTES_MAX_BYTES = 1 << 30

_STYLES = {Fairness.FAIR: "green", Fairness.PENDING: "dim", Fairness.WITHHELD: "yellow", Fairness.UNFAIR: "bold red"}


def register(app: typer.Typer) -> None:
    """Add this module's command to `app`."""
    app.command("draws", epilog="Example: haltdrill draws notes.jsonl --seen collector.log")(draws)


@run_command
def draws(
    notes: Annotated[
        Path | None, typer.Argument(metavar="[NOTES]", help="Notes that were exported. By default the fleet's own.")
    ] = None,
    *,
    fleet: FleetOption = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the fleet's notes, for others to check.")
    ] = None,
    seen: Annotated[
        list[Path] | None,
        typer.Option(metavar="LOG", help="A log that somebody else kept, whose commitments must be the notes'."),
    ] = None,
    warrant: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A warrant, to see whether the key is older than it.")
    ] = None,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Check afterwards that unannounced drills were drawn fairly: nobody could choose or foresee their instants.

    Each seed must be the one that the noted key gives, be committed to before its window, and give the instant at
    which the drill was begun. Whoever runs the service could write all of its notes anew; a log that somebody else
    kept meanwhile (--seen) shows that they did not. Exits 1 if something does not hold, or a seed was withheld.
    """
    lines = _exported(notes) if notes is not None else _of_fleet(fleet)
    if export is not None:
        write_atomic(export, b"".join(line + b"\n" for line in lines))
    book = DrawBook()
    reader = NoteReader(NoteRecord[AnyNote])
    for line in lines:
        record = reader.read(line)
        book.take(record.note, parse_utc(record.at))
    witnessed = list(_seen(seen or ()))
    found = book.check(SystemClock().wall_ns(), seen=witnessed, issued=_issued(warrant or ()))
    missing = book.missing(witnessed)
    if as_json:
        print_json({"notes": reader.next_seq, "draws": [_document(draw) for draw in found], "missing": missing})
    else:
        _show(found, missing)
    wrong = missing or any(draw.fairness in {Fairness.UNFAIR, Fairness.WITHHELD} for draw in found)
    return ExitCode.NOT_PASSED if wrong else ExitCode.PASSED


def _exported(path: Path) -> list[bytes]:
    data = read_bytes(path, max_bytes=NOTES_MAX_BYTES)
    if data and not data.endswith(b"\n"):
        raise ConfigError("it was cut short: its last line has no end", where=str(path))
    return data.split(b"\n")[:-1]


def _of_fleet(fleet: Path | None) -> list[bytes]:
    journal = load_config(fleet_folder(fleet)).journal
    if not there_is(journal):
        return []
    with closing(open_store(journal)) as store:
        return list(store.notes())


def _seen(logs: Iterable[Path]) -> Iterator[tuple[Moment, str]]:
    reads: TypeAdapter[sl.ScheduleDrawn] = TypeAdapter(sl.ScheduleDrawn)
    for path in logs:
        file = LineFile(path, reads, sl.ScheduleDrawn)
        lines = [line for chunk in file.read_all() for line in chunk]
        lines += file.last()
        if not lines:
            what = "holds no commitment of a draw, and so shows nothing"
            raise ConfigError(what, where=str(path), remedy="give a log with lines of the event schedule.drawn")
        for line in lines:
            yield (line.plan, _nominal_ns(line, path)), line.commitment


def _nominal_ns(line: sl.ScheduleDrawn, path: Path) -> int:
    """Return where the window begins, from the run's name: `plan@2026-12-01T02:30:00Z`."""
    try:
        return parse_utc(line.name.rpartition("@")[2].removesuffix("Z") + ".000000000Z")
    except ValueError:
        raise ConfigError(f"{line.name!r} is no run of a plan", where=str(path)) from None


def _issued(paths: Sequence[Path]) -> dict[str, int]:
    """Return when warrants were issued. Their signatures are not looked at: this only warns."""
    found: dict[str, int] = {}
    for path in paths:
        try:
            envelope = parse_envelope(read_bytes(path, max_bytes=ENVELOPE_MAX_BYTES))
            found[envelope.digest] = parse_utc(Warrant.decode(envelope.payload).issued_at)
        except UntrustedInput as error:
            raise ConfigError(f"is no warrant: {error.what}", where=str(path)) from error
    return found


def _document(draw: Draw) -> dict[str, Any]:
    return {
        "plan": draw.plan,
        "window": [format_utc(at_ns) for at_ns in draw.window_ns],
        "committed_at": format_utc(draw.committed_ns),
        "commitment": draw.commitment,
        "fairness": draw.fairness.value,
        "problems": list(draw.problems),
        "remarks": list(draw.remarks),
        "instant": None if draw.instant_ns is None else format_utc(draw.instant_ns),
        "outcome": draw.outcome,
    }


def _show(found: Sequence[Draw], missing: Sequence[str]) -> None:
    screen = Screen()
    for draw in found:
        window = " to ".join(format_utc(at_ns)[:19] + "Z" for at_ns in draw.window_ns)
        head = Text.assemble((f"{draw.fairness.value:8}", _STYLES[draw.fairness]), f"  {draw.plan}, {window}")
        screen.print(head, soft_wrap=True)
        instant = "not known yet" if draw.instant_ns is None else format_utc(draw.instant_ns)[:23] + "Z"
        screen.print(Text(f"          drawn: {instant}; {draw.outcome}"), soft_wrap=True, highlight=False)
        for problem in draw.problems:
            screen.print(Text(f"          {problem}", style="red"), soft_wrap=True)
        for remark in draw.remarks:
            screen.print(Text(f"          {remark}", style="dim"), soft_wrap=True)
    for line in missing:
        screen.print(Text(line, style="bold red"), soft_wrap=True)
    if not found and not missing:
        screen.print("No instant was ever drawn.")
