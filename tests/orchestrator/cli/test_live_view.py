"""What the live view says of a running drill, without a terminal."""

from __future__ import annotations

from rich.console import Console

from orchestrator.cli.live_view import DASH, interval, render, row_of
from orchestrator.core import events as ev
from orchestrator.core.states import Phase
from protocols.messages import Message
from tests.kit import make_fleet
from tests.orchestrator.runtime.scripted import Script, Stage
from tests.virtual import run_virtual


def test_intervals_are_shown_as_such() -> None:
    """A response time is never shown as one number, and an unknown one never as zero."""
    assert interval(410_000_000, 660_000_000) == f"0.41{DASH}0.66 s"
    assert interval(None, None) == DASH
    assert interval(5, None) == DASH


def test_each_phase_says_where_each_site_stands() -> None:
    """Capitals only for what witnesses proved; a lie is loud while the drill still runs."""
    fleet = make_fleet(("alpha", "beta"))
    stage = Stage(fleet, {"beta": Script(lies=True)})
    seen: dict[Phase, set[tuple[str, str]]] = {}

    def note(_stamped: ev.Stamped, _said: Message | None) -> None:
        drill, live = stage.running.drill, stage.running.live
        for site in drill.audience:
            seen.setdefault(drill.phase, set()).add((site, row_of(drill, live, site).state))

    run_virtual(stage.play(fleet.warrant(hold_s=12.0), observers=[note]))
    assert ("alpha", "AT WORK") in seen[Phase.PREFLIGHT]
    assert ("alpha", "HALTED") in seen[Phase.ORDERED]
    assert ("alpha", "BACK AT WORK") in seen[Phase.RECOVERING]
    assert ("beta", "CONTRADICTED") in seen[Phase.ORDERED]
    assert ("beta", "HALTED") not in seen[Phase.ORDERED]


def test_it_fits_eighty_columns() -> None:
    """At 80 columns no row of the view is cut or wrapped."""
    fleet = make_fleet(("eu-north-1", "us-east-2"))
    stage = Stage(fleet, {"us-east-2": Script(lies=True)})
    drawn: list[str] = []

    def note(stamped: ev.Stamped, _said: Message | None) -> None:
        if isinstance(stamped.event, ev.ReleaseIssued):
            console = Console(width=80)
            with console.capture() as captured:
                console.print(render(stage.running.drill, stage.running.live, stage.running.now()))
            drawn.append(captured.get())

    run_virtual(stage.play(fleet.warrant(hold_s=12.0), observers=[note]))
    lines = drawn[0].splitlines()
    assert any("us-east-2" in line and "CONTRADICTED" in line and "says halted" in line for line in lines)
    assert not any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines)
