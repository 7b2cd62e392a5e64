"""The present state of a drill as plain text: for scripts, for screen readers, and where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.core.criteria import told
from orchestrator.logbook.views import DrillView
from orchestrator.watch.panels import curve as cv
from orchestrator.watch.panels.figures import number, sites
from orchestrator.watch.panels.heading import countdown, elapsed_ns, score, silence, state, where
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import clean
from orchestrator.watch.panels.trouble import totals, troubles

TROUBLES_MAX = 50


def once(drill: DrillView, notes: Sequence[str], now_ns: int) -> list[str]:
    """Return the state in lines.

    Args:
        drill: The drill.
        notes: What is to be known of the log.
        now_ns: Wall time, nanoseconds.
    """
    return list(_said(drill, notes, now_ns))


def _said(drill: DrillView, notes: Sequence[str], now_ns: int) -> Iterator[str]:
    word, _ = state(drill)
    yield f"{clean(drill.stated.title)} ({drill.drill})"
    yield f"{word}, {where(drill)}, for {sites(drill.opened.sites)}"
    yield f"{score(drill).sentence}; {countdown(drill, now_ns).sentence}"
    if drill.aborted is not None:
        yield f"aborted: {clean(drill.aborted.reason)}"
    standings = ", ".join(
        f"{number(drill.counts[standing])} {look.word}"
        for standing, look in reversed(LOOKS.items())
        if drill.counts[standing] > 0
    )
    yield f"Sites: {standings or 'none'}"
    step = drill.step.stated
    if told(step.params).timed and drill.step.ordered is not None:
        found = cv.of(
            drill.halts(drill.running),
            drill.opened.sites,
            step.response_limit_ns,
            elapsed_ns(drill, now_ns),
            told(step.params).proved,
        )
        yield f"Response: {cv.summary(found)}; {cv.quantiles(found)}"
    yield from _troubles(drill)
    yield from (f"Note: {note}" for note in [*notes, silence(drill, now_ns)] if note)


def _troubles(drill: DrillView) -> Iterator[str]:
    found = troubles(drill)
    loud, failed = totals(found)
    if not found:
        yield "Trouble: none"
        return
    yield f"Trouble: {sites(loud)} loud, {number(failed)} failing otherwise"
    for one in found[:TROUBLES_MAX]:
        word = "climbed" if one.climbed else LOOKS[one.standing].word
        step = f" in step {one.step + 1}" if one.step is not None else ""
        yield f"  {one.site}: {word.upper() if one.loud else word}{step}: {one.sentence}"
    if len(found) > TROUBLES_MAX:
        yield f"  and {number(len(found) - TROUBLES_MAX)} more"
