"""Who is in trouble, the loudest first, each with its sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.grades import Cause
from orchestrator.core.wording import why
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import STANDING_MEANING, Standing
from orchestrator.logbook.views import DrillView, SiteView
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import Line, Role, Span, clean, fit, pad, width_of

SITE_WIDTH_MAX = 24
WORD_WIDTH = 13


@dataclass(frozen=True, slots=True)
class Trouble:
    """One site that somebody should look at.

    Attributes:
        standing: Where it stands, or stood in a step that is over.
        sentence: What that means, without the site's name.
        step: The step that it is about, if that is not the running one.
        climbed: Whether it only climbed its ladder.
    """

    site: str
    standing: Standing
    sentence: str
    step: int | None = None
    climbed: bool = False

    @property
    def loud(self) -> bool:
        """Whether it is among the loudest."""
        return self.standing.loud

    @property
    def rank(self) -> int:
        """How much it asks to be looked at."""
        return 0 if self.climbed else LOOKS[self.standing].rank


def troubles(drill: DrillView) -> list[Trouble]:
    """Return every site in trouble, the loudest first, also those of steps that are over."""
    found = []
    for site in drill.sites.values():
        if not site.trouble and not site.alarms:
            continue
        now = _present(drill, site)
        if now is not None:
            found.append(now)
        found += [_past(site, step, line) for step, line in site.alarms.items() if step != drill.running]
    return sorted(found, key=lambda one: (-one.rank, one.step is not None, one.site))


def totals(found: Sequence[Trouble]) -> tuple[int, int]:
    """Return how many sites are loud, and how many others fail."""
    loud = {one.site for one in found if one.loud}
    return len(loud), len({one.site for one in found if not one.climbed} - loud)


def _present(drill: DrillView, site: SiteView) -> Trouble | None:
    if not site.trouble:
        return None
    climbed = site.trouble == 1
    line = site.alarms.get(drill.running)
    if climbed or line is None:
        return Trouble(site.site, site.standing, _climb(site), climbed=climbed)
    return Trouble(site.site, site.standing, sentence(line))


def _climb(site: SiteView) -> str:
    """Return the newest sentence about its climb, or else about the site."""
    climbs = [line for line in site.said if isinstance(line, ln.RungOrdered)]
    return _without(site.site, climbs[-1].message if climbs else site.message)


def _past(site: SiteView, step: int, line: ln.Changed | ln.Judged) -> Trouble:
    return Trouble(site.site, standing_of(line), sentence(line), step)


def standing_of(line: ln.Changed | ln.Judged) -> Standing:
    """Return what a line says of where a site stands."""
    return line.standing if isinstance(line, ln.Changed) else Standing(line.verdict.value)


def sentence(line: ln.Changed | ln.Judged) -> str:
    """Say what a loud or failed standing means, without the site's name and the standing."""
    if isinstance(line, ln.Judged):
        head = f"{line.verdict.replace('_', ' ').capitalize()}: "
        return _without(line.site, line.message).removeprefix(head)
    cause: Cause | None = line.cause
    said = why(cause, line.control) if cause is not None else STANDING_MEANING[line.standing]
    against = f" ({line.dissenting} of its witnesses against)" if line.dissenting else ""
    return f"{said}{against}"


def _without(site: str, message: str) -> str:
    return clean(message).removeprefix(f"{site}: ").removeprefix(f"{site} ")


def panel(found: Sequence[Trouble], width: int, height: int, first: int = 0, chosen: int | None = None) -> list[Line]:
    """Return the lines of the panel.

    Args:
        found: The sites in trouble, the loudest first.
        width: Cells.
        height: Lines.
        first: The first of them to be shown.
        chosen: The one that the cursor is on.
    """
    if height < 1:
        return []
    if not found:
        return [fit((Span(" nothing so far", Role.DIM),), width), *[()] * (height - 1)]
    site_width = min(SITE_WIDTH_MAX, max(width_of(one.site) for one in found[first : first + height]))
    lines = [_row(one, width, site_width, chosen=chosen == first + row) for row, one in _window(found, first, height)]
    return [*lines, *[()] * (height - len(lines))]


def _window(found: Sequence[Trouble], first: int, height: int) -> list[tuple[int, Trouble]]:
    return list(enumerate(found[first : first + height]))


def _row(one: Trouble, width: int, site_width: int, *, chosen: bool) -> Line:
    look = LOOKS[one.standing]
    role = Role.GOING if one.climbed else look.role
    word = "climbed" if one.climbed else look.word.upper() if one.loud else look.word
    step = f"in step {one.step + 1}: " if one.step is not None else ""
    line = (
        Span(f" {look.letter} ", role, reverse=True),
        Span(" "),
        Span(pad(one.site, site_width), Role.STRONG, reverse=chosen),
        Span(" "),
        Span(pad(word, WORD_WIDTH), role),
        Span(f"{step}{one.sentence}"),
    )
    return fit(line, width)
