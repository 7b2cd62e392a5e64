"""The live view of a running drill in a terminal: one row a site, redrawn in place.

What a row says is computed by `row_of`, which needs no terminal, so that it can be tested.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from orchestrator.core.agenda import release_after_s
from orchestrator.core.drill import Drill
from orchestrator.core.grades import SiteStepResult
from orchestrator.core.live import Live
from orchestrator.core.samples import Instant
from orchestrator.core.states import MEANING, Phase
from orchestrator.core.wording import why
from orchestrator.logbook.standing import Standing, params_at, standing
from orchestrator.report.figures import count
from orchestrator.report.wording import name_of, phase_of, told
from orchestrator.runtime.loop import Runtime
from protocols.controls import LeaseParams, control_of
from protocols.ids import seconds_to_ns
from protocols.messages import AGENT, Outcome, Receipt

REDRAW_S = 0.2
DASH = "\N{EN DASH}"
ROWS_MAX = 40

_OWN_WORDS = {
    Outcome.ACCEPTED: "accepted",
    Outcome.REFUSED: "refused",
    Outcome.HALTED: "says done",
    Outcome.FAILED: "says failed",
    Outcome.RESTORED: "says restored",
    Outcome.NOTED: "noted it",
}
_ON_THE_WAY = {
    Standing.ORDERED: "ordered",
    Standing.SELF_REPORTED: "to be proven",
    Standing.CORROBORATED: "nearly proven",
}
_CLIMBED_STYLE = "bold black on yellow"


@dataclass(frozen=True, slots=True)
class Row:
    """What the view says of one site.

    Attributes:
        state: In capitals when witnesses prove it, so that it reads without colour.
        style: The colour it is shown in.
        own: The last word of who acts there; its own account only.
        witnesses: How many witnesses agree, of how many.
        response: The response time as an interval, or where it stands.
        rung: The rung that it climbed to, in capitals; empty while it is on the first.
    """

    site: str
    state: str
    style: str
    own: str
    witnesses: str
    response: str
    rung: str = ""

    @property
    def troubled(self) -> bool:
        """Whether somebody should look at it first."""
        return bool(self.rung) or self.style == "bold red"


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
    timed = result is not None and told(params_at(drill, site)).timed
    return Row(
        site=site,
        state=state,
        style=style,
        own=_own_word(drill, site, result),
        witnesses=f"{agreeing} of {known}",
        response=interval(result.response_lower_ns, result.response_upper_ns) if result and timed else DASH,
        rung=_rung(drill, site),
    )


def _rung(drill: Drill, site: str) -> str:
    top, step = drill.step.top(site), drill.warrant.steps[drill.step.number]
    return f"{top + 1}/{len(step.rungs)} {name_of(control_of(params_at(drill, site))).upper()}" if top else ""


def _own_word(drill: Drill, site: str, result: SiteStepResult | None) -> str:
    """Return the last word of who acts at a site on the running step; of a battery, how much was refused rightly."""
    if result is not None and result.battery:
        return f"{sum(answer.right for answer in result.battery)} of {len(result.battery)} refused"
    said = [receipt for _, receipt in drill.receipts.get(site, ()) if _is_of_step(drill, receipt)]
    if not said:
        return DASH
    last = said[-1]
    word = _OWN_WORDS[last.outcome]
    if last.outcome is Outcome.HALTED and told(params_at(drill, site)).proved == "halted":
        word = "says halted"
    return word if last.by == AGENT else f"{last.by} {word}"


def _is_of_step(drill: Drill, receipt: Receipt) -> bool:
    order = drill.orders.get(receipt.order)
    return order is not None and order.step == drill.step.number and order.case is None


def _state(  # noqa: PLR0911 - one arm each
    drill: Drill, live: Live, site: str, result: SiteStepResult | None
) -> tuple[str, str]:
    """Say where a site stands, in capitals where witnesses prove it, and its colour."""
    stands = standing(drill, live, site, result)
    words = told(params_at(drill, site))
    if stands.loud:
        return name(stands).upper(), "bold red"
    match stands:
        case Standing.WAITING:
            return ("waiting" if result is None else "looking"), "dim"
        case Standing.AT_WORK:
            return "AT WORK", "green"
        case Standing.COMING_BACK:
            return "coming back", "yellow"
        case Standing.BACK:
            return words.back_briefly.upper(), "green"
        case Standing.WITNESSED | Standing.HELD:
            return words.proved.upper(), "bold cyan"
        case Standing.ACCEPTED:
            return words.going, "yellow"
        case Standing.SELF_REPORTED | Standing.CORROBORATED | Standing.ORDERED:
            return _ON_THE_WAY[stands], "yellow"
        case _:
            return name(stands).upper(), "green" if stands is Standing.VERIFIED else "red"


def name(stands: Standing) -> str:
    """Return where a site stands as people read it."""
    return stands.replace("_", " ")


def headline(drill: Drill, now: Instant) -> str:
    """Say in a line what the drill is doing and for how much longer."""
    if not drill.steps:
        return "opening"
    step = drill.warrant.steps[drill.step.number]
    control = phase_of(step.params) + (f", a ladder of {len(step.rungs)}" if step.ladder else "")
    words = f"step {drill.step.number + 1} of {len(drill.warrant.steps)}, {control}: {drill.phase.value}"
    if drill.phase is Phase.ORDERED and drill.step.ordered is not None:
        elapsed_ns = now.minus(drill.step.ordered) or 0
        left_s = max(0.0, (seconds_to_ns(release_after_s(step, drill.warrant.challenge_s)) - elapsed_ns) / 1e9)
        return f"{words}, {elapsed_ns / 1e9:.1f} s since the order, released in {left_s:.1f} s"
    return f"{words} ({MEANING[drill.phase]})"


def particulars(drill: Drill) -> list[str]:
    """Say what else there is to know of the running step: who climbed its ladder, and how its licences stand."""
    if not drill.steps:
        return []
    said = []
    step = drill.warrant.steps[drill.step.number]
    on_rung = Counter(drill.step.top(site) for site in drill.audience)
    for rung in range(len(step.rungs) - 1, 0, -1):
        if on_rung[rung]:
            control = name_of(control_of(step.rungs[rung].params)).upper()
            said.append(f"{count(on_rung[rung], 'site').upper()} ON RUNG {rung + 1} OF {len(step.rungs)}: {control}")
    if isinstance(step.params, LeaseParams) and drill.phase is Phase.ORDERED:
        stopped = drill.step.lease.stopped is not None
        said.append("no licence is renewed any more" if stopped else "licences are still renewed")
    return said


def climbed(drill: Drill) -> dict[tuple[int, str, int], str]:
    """Return each climb of the running step, by step, site and rung, in words."""
    said = {}
    for site, climbs in drill.step.rungs.items() if drill.steps else ():
        step = drill.warrant.steps[drill.step.number]
        for climb in climbs:
            before, after = step.rungs[climb.number - 1].params, step.rungs[climb.number].params
            cause = why(climb.why, control_of(before))
            said[drill.step.number, site, climb.number] = (
                f"{site} CLIMBS to rung {climb.number + 1} of {len(step.rungs)}, {name_of(control_of(after))}: {cause}"
            )
    return said


def render(drill: Drill, live: Live, now: Instant) -> Group:
    """Draw the view once."""
    table = Table(box=None, pad_edge=False, expand=False)
    ladder = bool(drill.steps) and bool(drill.warrant.steps[drill.step.number].ladder)
    for column in ("site", "state", "witnesses", "response", "its own word", *(("rung",) if ladder else ())):
        table.add_column(column, no_wrap=True)
    rows = [row_of(drill, live, site) for site in drill.audience] if drill.steps else []
    if len(rows) > ROWS_MAX:
        rows.sort(key=lambda row: not row.troubled)
    for row in rows[:ROWS_MAX]:
        cells: list[str | Text] = [row.site, Text(row.state, style=row.style), row.witnesses, row.response]
        cells.append(Text(row.own, "dim"))
        if ladder:
            cells.append(Text(row.rung, _CLIMBED_STYLE if row.rung else ""))
        table.add_row(*cells)
    parts: list[Text | Table] = [Text(f"drill {drill.drill}", style="bold"), Text(headline(drill, now))]
    parts += [Text(line, "bold") for line in particulars(drill)]
    parts.append(table)
    if len(rows) > ROWS_MAX:
        parts.append(Text(f"and {len(rows) - ROWS_MAX} more sites", style="dim"))
    if live.trouble:
        parts.append(Text(live.trouble, style="bold red"))
    return Group(*parts)


async def watch(runtime: Runtime, console: Console, *, hint: str) -> None:
    """Redraw until cancelled. On something that is no terminal, say only each change of phase, and each climb."""
    if console.is_terminal:
        with RichLive(console=console, auto_refresh=False, transient=True) as screen:
            while True:
                screen.update(
                    Group(render(runtime.drill, runtime.live, runtime.now()), Text(hint, "dim")), refresh=True
                )
                await asyncio.sleep(REDRAW_S)
    said: tuple[int, Phase] | None = None
    told_climbs: set[tuple[int, str, int]] = set()
    while True:
        drill = runtime.drill
        here = (len(drill.steps), drill.phase)
        if here != said:
            console.print(headline(drill, runtime.now()), highlight=False, soft_wrap=True)
            said = here
        for which, words in climbed(drill).items():
            if which not in told_climbs:
                console.print(words, highlight=False, soft_wrap=True)
                told_climbs.add(which)
        await asyncio.sleep(REDRAW_S)
