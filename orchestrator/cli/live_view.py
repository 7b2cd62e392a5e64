"""The live view of a running drill in a terminal: one row a site, redrawn in place.

What a row says is computed by `row_of`, which needs no terminal, so that it can be tested.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from orchestrator.core.agenda import release_after_s
from orchestrator.core.drill import Drill
from orchestrator.core.grades import Grade, SiteStepResult, Verdict
from orchestrator.core.live import Live
from orchestrator.core.samples import Instant
from orchestrator.core.states import MEANING, Phase
from orchestrator.runtime.loop import Runtime
from protocols.ids import seconds_to_ns
from protocols.messages import Outcome

REDRAW_S = 0.2
DASH = "\N{EN DASH}"
ROWS_MAX = 40

_AGENT_WORDS = {
    Outcome.ACCEPTED: "accepted",
    Outcome.REFUSED: "refused",
    Outcome.HALTED: "says halted",
    Outcome.FAILED: "says failed",
    Outcome.RESTORED: "says restored",
}
_HALTED = {Grade.WITNESSED, Grade.HELD}
_LOUD = {Verdict.CONTRADICTED, Verdict.BROKEN, Verdict.NOT_RESTORED, Verdict.REFUSED}


@dataclass(frozen=True, slots=True)
class Row:
    """What the view says of one site.

    Attributes:
        state: In capitals when witnesses prove it, so that it reads without colour.
        style: The colour it is shown in.
        agent: The agent's last word; its own account only.
        witnesses: How many witnesses agree, of how many.
        response: The response time as an interval, or where it stands.
    """

    site: str
    state: str
    style: str
    agent: str
    witnesses: str
    response: str


def interval(lower_ns: int | None, upper_ns: int | None) -> str:
    """Write a time as an interval in seconds, or a dash when it is not known."""
    if upper_ns is None:
        return DASH
    return f"{(lower_ns or 0) / 1e9:.2f}{DASH}{upper_ns / 1e9:.2f} s"


def row_of(drill: Drill, live: Live, site: str) -> Row:
    """Say where one site stands."""
    result = live.result(site)
    state, style = _state(drill, live, site, result)
    known = len(drill.trust.records[site].witnesses)
    agreeing = len(result.agreeing) if result else 0
    return Row(
        site=site,
        state=state,
        style=style,
        agent=_agent_word(drill, site),
        witnesses=f"{agreeing} of {known}",
        response=interval(result.response_lower_ns, result.response_upper_ns) if result else DASH,
    )


def _agent_word(drill: Drill, site: str) -> str:
    digest = drill.step.order_digest
    said = [receipt.outcome for _, receipt in drill.receipts.get(site, ()) if receipt.order == digest]
    return _AGENT_WORDS[said[-1]] if said else DASH


def _state(drill: Drill, live: Live, site: str, result: SiteStepResult | None) -> tuple[str, str]:
    if result is None:
        return "waiting", "dim"
    if result.verdict in _LOUD:
        return result.verdict.value.replace("_", " ").upper(), "bold red"
    match drill.phase:
        case Phase.PREFLIGHT:
            return ("AT WORK", "green") if site in live.steady() else ("looking", "dim")
        case Phase.ORDERED:
            return ("HALTED", "bold cyan") if result.grade in _HALTED else (_on_the_way(result.grade), "yellow")
        case Phase.RECOVERING | Phase.ABORTING:
            return ("BACK AT WORK", "green") if site in live.back() else ("coming back", "yellow")
        case _:
            return result.verdict.value.upper(), "green" if result.passed else "red"


def _on_the_way(grade: Grade) -> str:
    return {
        Grade.SILENT: "ordered",
        Grade.ACCEPTED: "halting",
        Grade.SELF_REPORTED: "to be proven",
        Grade.CORROBORATED: "nearly proven",
    }.get(grade, grade.value)


def headline(drill: Drill, now: Instant) -> str:
    """Say in a line what the drill is doing and for how much longer."""
    if not drill.steps:
        return "opening"
    step = drill.warrant.steps[drill.step.number]
    words = f"step {drill.step.number + 1} of {len(drill.warrant.steps)}, {step.params.control}: {drill.phase.value}"
    if drill.phase is Phase.ORDERED and drill.step.ordered is not None:
        elapsed_ns = now.minus(drill.step.ordered) or 0
        left_s = max(0.0, (seconds_to_ns(release_after_s(step, drill.warrant.challenge_s)) - elapsed_ns) / 1e9)
        return f"{words}, {elapsed_ns / 1e9:.1f} s since the order, released in {left_s:.1f} s"
    return f"{words} ({MEANING[drill.phase]})"


def render(drill: Drill, live: Live, now: Instant) -> Group:
    """Draw the view once."""
    table = Table(box=None, pad_edge=False, expand=False)
    for column in ("site", "state", "witnesses", "response", "its agent"):
        table.add_column(column, no_wrap=True)
    for site in drill.audience[:ROWS_MAX]:
        row = row_of(drill, live, site)
        table.add_row(row.site, Text(row.state, style=row.style), row.witnesses, row.response, Text(row.agent, "dim"))
    parts: list[Text | Table] = [Text(f"drill {drill.drill}", style="bold"), Text(headline(drill, now)), table]
    if len(drill.audience) > ROWS_MAX:
        parts.append(Text(f"and {len(drill.audience) - ROWS_MAX} more sites", style="dim"))
    if live.trouble:
        parts.append(Text(live.trouble, style="bold red"))
    return Group(*parts)


async def watch(runtime: Runtime, console: Console, *, hint: str) -> None:
    """Redraw until cancelled. On something that is no terminal, say only each change of phase."""
    if console.is_terminal:
        with RichLive(console=console, auto_refresh=False, transient=True) as screen:
            while True:
                screen.update(
                    Group(render(runtime.drill, runtime.live, runtime.now()), Text(hint, "dim")), refresh=True
                )
                await asyncio.sleep(REDRAW_S)
    said: tuple[int, Phase] | None = None
    while True:
        drill = runtime.drill
        here = (len(drill.steps), drill.phase)
        if here != said:
            console.print(headline(drill, runtime.now()), highlight=False, soft_wrap=True)
            said = here
        await asyncio.sleep(REDRAW_S)
