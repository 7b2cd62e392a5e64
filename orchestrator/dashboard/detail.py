"""All that the log says of one site, as JSON holds it: where it stands, its witnesses, and each step as a timeline."""

from __future__ import annotations

from typing import Any

from orchestrator.core.grades import SiteStepResult, explain
from orchestrator.core.wording import why
from orchestrator.dashboard.situation import stamp_ms
from orchestrator.logbook import lines as ln
from orchestrator.logbook.standing import STANDING_MEANING, Standing
from orchestrator.logbook.views import DrillView, SiteView
from orchestrator.watch.panels.heading import control_words
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import clean
from protocols.controls import control_of

_NS_PER_MS = 1_000_000
HAPPENED_MAX = 300


def detail(drill: DrillView, site: SiteView) -> dict[str, Any]:
    """Return what the page shows of one site."""
    known = site.results.get(drill.running)
    return {
        "drill": drill.drill,
        "site": site.site,
        "letter": LOOKS[site.standing].letter,
        "sentence": _sentence(drill, site),
        "grade": site.grade.value.replace("_", " "),
        "owner": site.enlisted.owner,
        "mock": site.enlisted.mock,
        "tags": [[tag.name, tag.value] for tag in site.enlisted.tags],
        "own_word": site.own_word,
        "witnesses": [[name, _stance(name, known)] for name in site.enlisted.witnesses],
        "counted": [site.agreeing, site.dissenting, site.unknown],
        "steps": [_timeline(drill, site, number) for number in range(drill.running + 1)],
        "happened": _happened(site),
    }


def _sentence(drill: DrillView, site: SiteView) -> str:
    """Say why it stands where it does; where there is no reason, what that means."""
    result = site.results.get(site.step)
    if result is not None:
        return clean(explain(result))
    rungs = drill.steps[site.step].stated.rungs
    if site.cause is not None and site.rung < len(rungs):
        said = why(site.cause, control_of(rungs[site.rung]))
        return f"{said[0].upper()}{said[1:]}."
    said = STANDING_MEANING[site.standing]
    return f"{said[0].upper()}{said[1:]}."


def _stance(name: str, result: SiteStepResult | None) -> str:
    """Say what one witness saw; by name that is only known from the verdict on."""
    if result is None:
        return ""
    if name in result.agreeing:
        return "agrees"
    return "saw it otherwise" if name in result.dissenting else "unknown"


def _timeline(drill: DrillView, site: SiteView, number: int) -> dict[str, Any]:
    """Return one step of a site, times in milliseconds after the order.

    `halted` and `back` are brackets: it happened somewhere between the two. `back` counts from the release.
    """
    step, result = drill.steps[number], site.results.get(number)
    ordered_ms = None if step.ordered is None else stamp_ms(step.ordered.timestamp)
    if result is not None:
        halted = _bracket(result.response_lower_ns, result.response_upper_ns, result.total_upper_ns)
        seen = result.halted
    else:
        current = site.step == number
        halted = _bracket(site.response_lower_ns, site.response_upper_ns, site.total_upper_ns) if current else None
        seen = current and site.standing.timed
    return {
        "step": number,
        "name": step.stated.name,
        "control": control_words(step.stated.params),
        "ordered_ms": ordered_ms,
        "limit_ms": step.stated.response_limit_ns / _NS_PER_MS,
        "restore_limit_ms": step.stated.restore_limit_ns / _NS_PER_MS,
        "released_at": _after(step.released, ordered_ms),
        "halted": halted if seen else None,
        "back": None if result is None else _bracket(result.restore_lower_ns, result.restore_upper_ns, None),
        "verdict": None if result is None else result.verdict.value.replace("_", " "),
        "letter": None if result is None else LOOKS[Standing(result.verdict.value)].letter,
        "said": None if result is None else clean(explain(result)),
        "marks": [] if ordered_ms is None else _marks(site, number, ordered_ms),
    }


def _bracket(lower_ns: int | None, upper_ns: int | None, total_ns: int | None) -> list[float] | None:
    """Return a bracket; of a site that climbed, shifted to count from the step's own order."""
    if upper_ns is None:
        return None
    shift_ns = 0 if total_ns is None else total_ns - upper_ns
    return [(max(0, lower_ns or 0) + shift_ns) / _NS_PER_MS, (upper_ns + shift_ns) / _NS_PER_MS]


def _after(line: ln.Released | None, ordered_ms: int | None) -> int | None:
    return None if line is None or ordered_ms is None else stamp_ms(line.timestamp) - ordered_ms


def _marks(site: SiteView, number: int, ordered_ms: int) -> list[list[Any]]:
    """Return when it came to stand elsewhere, and what was said of it: time after the order, kind, words."""
    found: list[list[Any]] = [
        [stamp_ms(change.timestamp) - ordered_ms, LOOKS[change.standing].letter, LOOKS[change.standing].word]
        for change in site.history
        if change.step == number and not change.final
    ]
    found += [[stamp_ms(line.timestamp) - ordered_ms, "", _said(line)] for line in site.said if line.step == number]
    return sorted((one for one in found if one[0] >= 0), key=lambda one: one[0])


def _said(line: ln.Receipt | ln.RungOrdered) -> str:
    if isinstance(line, ln.RungOrdered):
        return f"climbs to rung {line.rung + 1}"
    why = f" ({line.reason.value})" if line.reason is not None else ""
    return f"{line.by} says {line.outcome.value}{why}"


def _happened(site: SiteView) -> list[list[Any]]:
    """Return every change, receipt and climb, oldest first: timestamp, letter, words, more."""
    found: list[list[Any]] = []
    for change in site.history:
        look = LOOKS[change.standing]
        words = (f"verdict: {look.word}", "") if change.final else (look.word, change.counted)
        found.append([change.timestamp, look.letter, *words])
    for said in site.said:
        more = said.message if isinstance(said, ln.RungOrdered) else said.detail
        found.append([said.timestamp, "", _said(said), clean(more)])
    return sorted(found, key=lambda one: str(one[0]))[-HAPPENED_MAX:]
