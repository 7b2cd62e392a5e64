"""Commands on evidence: `verify` and `report`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.common import ExitCode, FleetOption, JsonFlag, fleet_folder, print_json, run_command
from orchestrator.cli.evidence_words import told
from orchestrator.evidence.bundle import BUNDLE_MAX_BYTES, claimed_fleet
from orchestrator.evidence.documents import open_anchor
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.verifier import verify_bundle
from orchestrator.fleet.load import load_config, read_roots
from orchestrator.journal.places import open_store
from orchestrator.journal.urls import shown
from orchestrator.report.context import Context
from orchestrator.report.formats import ReportFormat, render
from orchestrator.report.reading import read_closed, regions_of
from orchestrator.report.schema import schema_of
from protocols.errors import ConfigError, HaltdrillError, JournalError
from protocols.host.clock import SystemClock
from protocols.host.files import read_bytes, write_atomic

_HEX_DIGITS = 64


def register(app: typer.Typer) -> None:
    """Add this module's commands to `app`."""
    app.command("verify", epilog="Example: haltdrill verify bundle.jsonl --root root.json")(verify)
    app.command("report", epilog="Example: haltdrill report bundle.jsonl --format html --out report.html")(report)


@run_command
def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The evidence bundle of a drill.")],
    *,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="FILE", help="The fleet's roots, from a source that you trust."),
    ] = None,
    fleet_id: Annotated[
        str | None,
        typer.Option("--fleet-id", metavar="HEX", help="Or the fleet's id: the digest of root version 1."),
    ] = None,
    as_json: JsonFlag = False,
) -> ExitCode:
    """Check a drill's evidence, trusting nothing but the fleet's root. Needs no network.

    Every signature, threshold, chain link and time bracket is checked, and every verdict and figure
    is computed again from what witnesses signed. Exits 0 when the evidence holds, also when the
    drill itself did not pass (which is said); 1 when it does not hold, naming each item that fails.
    """
    if root is None and fleet_id is None:
        raise ConfigError(
            "there is nothing to trust", where="verify", remedy="give --root FILE or --fleet-id HEX, from elsewhere"
        )
    raw = read_bytes(bundle, max_bytes=BUNDLE_MAX_BYTES)
    fleet = _fleet_id(fleet_id)
    roots = _roots(root, fleet) if root is not None else None
    found = verify_bundle(raw, roots=roots, fleet=fleet, now_ns=SystemClock().wall_ns())
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        typer.echo(told(found))
    return ExitCode.PASSED if found.verified else ExitCode.NOT_PASSED


def _roots(path: Path, fleet: str | None) -> tuple[bytes, ...]:
    """Read what is to be trusted. That it cannot be is the caller's mistake, and says nothing of the evidence."""
    roots = read_roots(path)
    try:
        open_anchor(roots, fleet)
    except HaltdrillError as error:
        raise ConfigError(f"it cannot be trusted as a root: {error.what}", where=str(path)) from error
    return roots


def _fleet_id(given: str | None) -> str | None:
    if given is None:
        return None
    fleet = given.strip().lower()
    if len(fleet) != _HEX_DIGITS or set(fleet) - set("0123456789abcdef"):
        raise ConfigError("it must be 64 hex digits: the SHA-256 of root version 1", where="--fleet-id")
    return fleet


@run_command
def report(
    drill: Annotated[
        str | None, typer.Argument(metavar="DRILL|BUNDLE", help="A drill's id, or a bundle's path.", show_default=False)
    ] = None,
    *,
    form: Annotated[
        ReportFormat | None, typer.Option("--format", help="How it is written; html by default.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to. By default standard output.")] = None,
    previous: Annotated[
        str | None,
        typer.Option(
            metavar="DRILL|BUNDLE",
            help="What to compare with. By default the last closed drill of the same plan in the same journal.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Write the schema of --format json (the default) or csv instead.")
    ] = False,
    fleet: FleetOption = None,
) -> None:
    """Write the report of a drill, from the fleet's journal or from a bundle.

    A bundle is recomputed, but believed to be of the fleet that it claims: whether it is, only
    `haltdrill verify` says, with a root that you trust.
    """
    if schema:
        text = schema_of(form or ReportFormat.JSON)
    elif drill is None:
        raise ConfigError("which drill?", where="report", remedy="give a drill's id or a bundle; see: haltdrill drills")
    else:
        result, context = _read(drill, fleet, alone=previous is not None)
        if previous is not None:
            before, _ = _read(previous, fleet, alone=True)
            context = replace(context, previous=_comparable(before, result))
        text = render(result, form or ReportFormat.HTML, context)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomic(out, text.encode())


def _comparable(before: DrillResult, result: DrillResult) -> DrillResult:
    if before.fleet != result.fleet or before.drill == result.drill:
        what = "it is the same drill" if before.drill == result.drill else "it is of another fleet"
        raise ConfigError(f"{what}, so there is nothing to compare", where=f"--previous {before.drill}")
    return before


def _read(drill: str, fleet: Path | None, *, alone: bool) -> tuple[DrillResult, Context]:
    """Read a drill from a bundle or the journal; `alone`: without the one before."""
    path = Path(drill)
    return _from_bundle(path) if path.is_file() else _from_journal(drill, fleet, alone=alone)


def _from_bundle(path: Path) -> tuple[DrillResult, Context]:
    """Return a bundle's result, recomputed. Its own root is believed, so this shows only that it is whole."""
    raw = read_bytes(path, max_bytes=BUNDLE_MAX_BYTES)
    fleet = claimed_fleet(raw)
    if not fleet:
        raise ConfigError("is no evidence bundle", where=str(path))
    found = verify_bundle(raw, fleet=fleet)
    if not found.verified or found.result is None:
        raise ConfigError(
            f"it is no whole bundle: {found.findings[0]}", where=str(path), remedy="see all with: haltdrill verify"
        )
    return found.result, Context(regions=regions_of(raw.split(b"\n")[1:]))


def _from_journal(drill: str, fleet: Path | None, *, alone: bool) -> tuple[DrillResult, Context]:
    if "/" in drill or drill.endswith(".jsonl"):
        raise ConfigError("there is no such file", where=drill)
    journal = load_config(fleet_folder(fleet)).journal
    path = shown(journal)
    store = open_store(journal)
    try:
        if all(known.drill != drill for known in store.drills()):
            raise ConfigError(f"there is no drill {drill}", where=path, remedy="list them with: haltdrill drills")
        return read_closed(store, drill, alone=alone)
    except JournalError as error:
        if path not in error.where:
            error.where = f"{path}, {error.where}"
            error.remedy = error.remedy or "if the drill's bundle was kept elsewhere, verify and report that"
        raise
    finally:
        store.close()
