"""`haltdrill coverage`: which site has proved which control, how fast, and how long ago."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.common import ExitCode, FleetOption, fleet_folder, run_command
from orchestrator.cli.screen import Screen
from orchestrator.core.coverage import Coverage
from orchestrator.core.matrix import Wanted, build_coverage
from orchestrator.coverage.ages import parse_age, parse_since
from orchestrator.coverage.formats import CoverageFormat, render
from orchestrator.coverage.sources import Gathered, gather
from orchestrator.coverage.terminal import show
from orchestrator.coverage.words import nothing_to_cover
from protocols.controls import Control
from protocols.errors import ConfigError
from protocols.host.clock import SystemClock
from protocols.host.files import write_atomic

REGION = "region"
_FILTERS = "What is shown"


def register(app: typer.Typer) -> None:
    """Add this module's command to `app`."""
    app.command("coverage", epilog="Example: haltdrill coverage --region eu-north --max-age 30d")(coverage)


@run_command
def coverage(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Fleets' folders, journals (journal.sqlite) or bundles. By default the nearest fleet's folder.",
        ),
    ] = None,
    *,
    fleet: FleetOption = None,
    max_age: Annotated[
        str, typer.Option("--max-age", metavar="AGE", help="The age over which a proof is overdue: 90, 90d, 12h, 2w.")
    ] = "90d",
    region: Annotated[
        list[str] | None,
        typer.Option("--region", metavar="VALUE", help="The same as --tag region=VALUE.", rich_help_panel=_FILTERS),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            metavar="NAME=VALUE",
            help="Sites with this attribute. Of one name, any value will do; of several names, all must hold.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="SITE", help="This site.", rich_help_panel=_FILTERS)
    ] = None,
    control: Annotated[
        list[Control] | None, typer.Option("--control", help="This control.", rich_help_panel=_FILTERS)
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="AGE", help="Only what was done longer ago, or never.", rich_help_panel=_FILTERS
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="DATE|AGE",
            help="Only what was done since: 2026-11-01 (UTC), or 7d.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    form: Annotated[CoverageFormat, typer.Option("--format", help="How it is written.")] = CoverageFormat.TEXT,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to. By default standard output.")] = None,
) -> ExitCode:
    """Show which site has proved which control, how fast, how long ago, and against the time before.

    Computed from the journals of all drills that came to their end. It believes their verdicts: the
    proof of a drill is its bundle, which `haltdrill verify` checks. Exits 0 when everything shown is
    verified and fresh, 4 when something is failing, overdue or was never done.
    """
    now_ns = SystemClock().wall_ns()
    wanted = Wanted(
        tags=_tags(region or (), tag or ()),
        sites=frozenset(site or ()),
        controls=frozenset(control or ()),
        older_than_ns=None if older_than is None else parse_age(older_than, option="--older-than"),
        since_ns=None if since is None else parse_since(since, option="--since", now_ns=now_ns),
    )
    max_age_ns = parse_age(max_age, option="--max-age")
    gathered = gather(_paths(sources, fleet), now_ns)
    _check_known(wanted, gathered)
    made = _built(gathered, wanted, now_ns, max_age_ns)
    _write(made, form, out)
    return ExitCode.PASSED if made.complete else ExitCode.INCOMPLETE


def _paths(sources: Sequence[Path] | None, fleet: Path | None) -> list[Path]:
    given = list(sources or ())
    if fleet is not None or not given:
        given.insert(0, fleet_folder(fleet))
    return given


def _tags(regions: Iterable[str], tags: Iterable[str]) -> dict[str, frozenset[str]]:
    """Read the filters on attributes.

    Raises:
        ConfigError: One is not NAME=VALUE.
    """
    pairs = [(REGION, value) for value in regions]
    for given in tags:
        name, sign, value = given.partition("=")
        if not (name and sign and value):
            raise ConfigError(f"{given!r} is not NAME=VALUE", where="--tag", remedy="as in --tag tier=a")
        pairs.append((name, value))
    return {name: frozenset(value for other, value in pairs if other == name) for name, _ in pairs}


def _check_known(wanted: Wanted, gathered: Gathered) -> None:
    """Check that no filter is a slip of the pen, which would hide everything.

    Raises:
        ConfigError: A site or an attribute's value is nowhere in the fleet.
    """
    roster = gathered.roster()
    unknown = sorted(wanted.sites - {site for _, site in roster})
    if unknown:
        raise ConfigError(f"there is no site {', '.join(unknown)}", where="--site")
    held = {(entry.name, entry.value) for record in roster.values() for entry in record.attributes}
    for name, values in wanted.tags.items():
        missing = sorted(value for value in values if (name, value) not in held)
        if missing:
            known = ", ".join(sorted(value for other, value in held if other == name)[:10])
            raise ConfigError(
                f"no site has {name} {', '.join(missing)}",
                where="--region" if name == REGION else "--tag",
                remedy=f"there is {known}" if known else f"no site has an attribute {name}",
            )


def _built(gathered: Gathered, wanted: Wanted, now_ns: int, max_age_ns: int) -> Coverage:
    """Compute the matrix.

    Raises:
        ConfigError: There is nothing in it that could ever be proved.
    """
    roster, drills = gathered.roster(), list(gathered.drills.values())
    notes, open_drills = gathered.notes, len(gathered.open_drills)

    def build(these: Wanted) -> Coverage:
        return build_coverage(
            roster,
            drills,
            now_ns=now_ns,
            max_age_ns=max_age_ns,
            wanted=these,
            open_drills=open_drills,
            notes=notes,
        )

    # Filters on age may well leave nothing, which is an answer; the others must not.
    nothing = nothing_to_cover(build(Wanted(wanted.tags, wanted.sites, wanted.controls)))
    if nothing is not None:
        raise nothing
    return build(wanted)


def _write(made: Coverage, form: CoverageFormat, out: Path | None) -> None:
    text = render(made, form)
    if text is None and out is None:
        show(made, Screen())
        return
    if text is None:
        raise ConfigError("a terminal's text is not written to a file", where="--out", remedy="give --format as well")
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomic(out, text.encode())
