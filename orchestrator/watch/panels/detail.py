"""All that the log says of one site."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.grades import SiteStepResult, explain
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import STANDING_MEANING, Standing
from orchestrator.logbook.views import Change, DrillView, SiteView
from orchestrator.watch.panels.figures import clock, interval, seconds
from orchestrator.watch.panels.heading import control_words
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import Line, Role, Span, clean, fit, pad, span_width, wrapped
from orchestrator.watch.panels.trouble import sentence

LABEL_WIDTH = 12


def detail(drill: DrillView, site: SiteView, width: int) -> list[Line]:
    """Return the lines about a site: where it stands and why, its witnesses, its own word, every change."""
    lines = [*_head(drill, site, width), ()]
    lines += [*_witnesses(site, site.results.get(drill.running)), ()]
    if site.results:
        lines += [_section("Verdicts")]
        for step, result in sorted(site.results.items()):
            lines += _verdict(drill, step, result, width)
        lines.append(())
    lines.append(_section("What happened"))
    happened = list(_happened(site, width))
    lines += happened or [(Span("  nothing yet", Role.DIM),)]
    return [line if span_width(line) <= width else fit(line, width) for line in lines]


def _section(words: str) -> Line:
    return (Span(words, Role.STRONG),)


def _field(name: str, *spans: Span) -> Line:
    return (Span(pad(name, LABEL_WIDTH), Role.DIM), *spans)


def _head(drill: DrillView, site: SiteView, width: int) -> Iterator[Line]:
    look, step = LOOKS[site.standing], drill.step.stated
    word = look.word.upper() if site.standing.loud else look.word
    yield _field(
        "stands",
        Span(f" {look.letter} ", look.role, reverse=True),
        Span(f" {word}", look.role),
    )
    alarm = site.alarms.get(drill.running)
    yield from _told("that is", STANDING_MEANING[site.standing] if alarm is None else sentence(alarm), width)
    yield _field("evidence", Span(site.grade.value.replace("_", " ")))
    timed = interval(site.response_lower_ns, site.response_upper_ns) or "not known"
    yield _field("response", Span(timed), Span(f"   limit {seconds(step.response_limit_ns)}", Role.LIMIT))
    rung = f", rung {site.rung + 1} of {len(step.rungs)}" if site.rung and site.rung < len(step.rungs) else ""
    yield _field("step", Span(f"{drill.running + 1} of {len(drill.steps)}: {control_words(step.params)}{rung}"))
    tags = ", ".join(f"{tag.name} {tag.value}" for tag in site.enlisted.tags)
    mock = ", a mock site" if site.enlisted.mock else ""
    yield from _told("owner", f"{site.enlisted.owner}{mock}", width)
    if tags:
        yield from _told("attributes", tags, width)


def _told(name: str, text: str, width: int) -> Iterator[Line]:
    for number, words in enumerate(wrapped(clean(text), width - LABEL_WIDTH)):
        yield _field(name if number == 0 else "", Span(words))


def _witnesses(site: SiteView, result: SiteStepResult | None) -> Iterator[Line]:
    known = site.enlisted.witnesses
    counted = f"{site.agreeing} of {len(known)} agree, {site.dissenting} against, {site.unknown} unknown"
    yield _field("witnesses", Span(counted))
    for name in known:
        word, role = _stance(name, result)
        yield _field("", Span(pad(name, 24)), Span(word, role))


def _stance(name: str, result: SiteStepResult | None) -> tuple[str, Role]:
    """Say what one witness saw; by name that is only known from the verdict on."""
    if result is None:
        return "", Role.DIM
    if name in result.agreeing:
        return "agrees", Role.HALTED
    return ("saw it otherwise", Role.LOUD) if name in result.dissenting else ("unknown", Role.DIM)


def _verdict(drill: DrillView, step: int, result: SiteStepResult, width: int) -> Iterator[Line]:
    look = LOOKS[_standing(result)]
    name = control_words(drill.steps[step].stated.params) if step < len(drill.steps) else ""
    for number, words in enumerate(wrapped(clean(explain(result)), width - 22)):
        head = (Span(f"  {look.letter} ", look.role), Span(pad(f"{step + 1} {name}", 16), Role.DIM))
        yield (*(head if number == 0 else (Span(" " * 20),)), Span(words))
    back = interval(result.restore_lower_ns, result.restore_upper_ns)
    if back:
        yield (Span(" " * 20), Span(f"back after {back}", Role.DIM))


def _standing(result: SiteStepResult) -> Standing:
    return Standing(result.verdict.value)


def _happened(site: SiteView, width: int) -> Iterator[Line]:
    """Yield every change, receipt and climb in the order of their times, each in as many lines as it takes."""
    changes = [(change.timestamp, *_change(change)) for change in site.history]
    said = [(line.timestamp, *_said(line)) for line in site.said]
    for _, head, told in sorted(changes + said, key=lambda entry: entry[0]):
        indent = span_width(head)
        for number, words in enumerate(wrapped(told.text, width - indent)):
            yield (*(head if number == 0 else (Span(" " * indent),)), told._replace(text=words))


def _at(timestamp: str, step: int | None) -> tuple[Span, ...]:
    return (
        Span(f"  {clock(timestamp)}.{timestamp[20:22]} ", Role.DIM),
        Span(pad("" if step is None else f"step {step + 1}", 8), Role.DIM),
    )


def _change(change: Change) -> tuple[Line, Span]:
    """Return the beginning of a line about a change, and what is told of it."""
    look = LOOKS[change.standing]
    timed = interval(change.lower_ns, change.upper_ns)
    seen = f"{timed}, {change.counted}" if timed else change.counted
    more = "the verdict" if change.final else seen
    head = (*_at(change.timestamp, change.step), Span(f"{look.letter} {pad(look.word, 14)}", look.role))
    return head, Span(more, Role.DIM)


def _said(line: ln.Receipt | ln.RungOrdered) -> tuple[Line, Span]:
    """Return the beginning of a line about what was said, and what that was."""
    at = _at(line.timestamp, line.step)
    if isinstance(line, ln.RungOrdered):
        return (*at, Span(f"^ {pad('climbs', 14)}", Role.GOING)), Span(clean(line.message), Role.DIM)
    why = f"{line.reason.value}: " if line.reason is not None else ""
    told = clean(f"{line.outcome.value}  {why}{line.detail}")
    return (*at, Span(f"  {pad(f'{line.by} says', 14)}")), Span(told)
