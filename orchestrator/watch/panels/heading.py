"""What must be seen in two seconds: is it running, how many of how many, who is in trouble, how long still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.criteria import told
from orchestrator.core.grades import SiteStepResult
from orchestrator.core.states import Phase
from orchestrator.logbook.standing import Standing
from orchestrator.logbook.views import DrillView, StepView
from orchestrator.watch.panels.big import HEIGHT as BIG_HEIGHT
from orchestrator.watch.panels.big import big
from orchestrator.watch.panels.figures import S_NS, clock, duration, left, number, stamp_ns
from orchestrator.watch.panels.paint import Line, Role, Span, clean, fit, pad, span_width, spread, width_of
from protocols.controls import Control, DecommissionParams, Params, comes_back, control_of
from protocols.ids import format_utc

GRACE_NS = 3 * S_NS
"""How far a release may be behind before it is called overdue: the challenge that it waits for, and the way to here."""

QUIET_NS = 120 * S_NS
"""After how long without a line that is said; in a long hold it is nothing bad."""

_WIDE, _NARROW = 100, 60


@dataclass(frozen=True, slots=True)
class Countdown:
    """How long something still takes.

    Attributes:
        words: What it is, as in "release in".
        text: The time.
        after: What it is, as it is said after the time.
    """

    words: str
    text: str
    role: Role = Role.STRONG
    after: str = ""

    @property
    def sentence(self) -> str:
        """Both."""
        return f"{self.words} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Score:
    """How many of how many sites are as they should be now.

    Attributes:
        word: What they are: "halted", "at work", "verified".
    """

    done: int
    of: int
    word: str
    role: Role = Role.HALTED

    @property
    def sentence(self) -> str:
        """It in words."""
        return f"{number(self.done)} of {number(self.of)} {self.word}"


def control_words(params: Params) -> str:
    """Return a control as people read it; of a decommission with how far it goes."""
    name = control_of(params).replace("_", " ")
    if isinstance(params, DecommissionParams):
        return f"{name} ({'armed only' if params.phase == 'arm' else 'fired'})"
    return name


def state(drill: DrillView) -> tuple[str, Role]:
    """Return in a word or two what the drill is doing."""
    if drill.closed is not None:
        passed, aborted = drill.closed.passed, drill.closed.aborted
        return ("PASSED", Role.GOOD) if passed else ("ABORTED" if aborted else "NOT PASSED", Role.LOUD)
    match drill.phase:
        case Phase.ORDERED:
            battery = control_of(drill.step.stated.params) is Control.REFUSAL
            return ("REFUSALS" if battery else "ORDERED"), Role.HALTED
        case Phase.RECOVERING:
            return "RECOVERING", Role.GOING
        case Phase.ABORTING:
            return "ABORTING", Role.LOUD
        case Phase.CLOSING | Phase.CLOSED:
            return "CLOSING", Role.GOING
        case _:
            return "PREFLIGHT", Role.GOING


def where(drill: DrillView) -> str:
    """Return the step and what is exercised: `step 1 of 3: pause`; a ladder's rungs with it."""
    step = drill.step.stated
    rungs = f", ladder of {len(step.rungs)}" if step.ladder else ""
    return f"step {drill.running + 1} of {len(drill.steps)}: {control_words(step.params)}{rungs}"


def score(drill: DrillView) -> Score:
    """Return how many sites are as they should be in this phase."""
    counts, of, step = drill.counts, drill.opened.sites, drill.step
    if drill.closed is not None:
        passed = sum(1 for site in drill.sites.values() if _passed(drill, site.results))
        return Score(passed, of, "verified", Role.GOOD if passed == of else Role.BAD)
    words = told(step.stated.params)
    seen = counts[Standing.WITNESSED] + counts[Standing.HELD]
    match drill.phase:
        case Phase.ORDERED:
            return Score(seen, of, words.proved)
        case Phase.RECOVERING | Phase.ABORTING if comes_back(step.stated.params):
            return Score(counts[Standing.BACK], of, words.back_briefly, Role.GOOD)
        case Phase.RECOVERING | Phase.ABORTING:
            return Score(seen, of, words.proved)
        case Phase.CLOSING | Phase.CLOSED:
            judged = sum(1 for site in drill.sites.values() if len(site.results) == len(drill.steps))
            return Score(judged, of, "judged", Role.GOING)
        case _:
            return Score(counts[Standing.AT_WORK], of, "at work", Role.GOOD)


def _passed(drill: DrillView, results: Mapping[int, SiteStepResult]) -> bool:
    return len(results) == len(drill.steps) and all(result.passed for result in results.values())


def countdown(drill: DrillView, now_ns: int) -> Countdown:
    """Return what is waited for and how long still.

    Args:
        drill: The drill.
        now_ns: Wall time, nanoseconds.
    """
    step = drill.step
    if drill.closed is not None:
        took_ns = stamp_ns(drill.closed.timestamp) - stamp_ns(drill.opened.timestamp)
        return Countdown("took", duration(took_ns), Role.TEXT, "from first to last")
    match drill.phase:
        case Phase.ORDERED if step.ordered is not None:
            return _release(step, now_ns, drill.opened.challenge_ns)
        case Phase.RECOVERING if step.released is not None:
            return _back_by(stamp_ns(step.released.timestamp), step, now_ns)
        case Phase.ABORTING if drill.aborted is not None:
            return _back_by(stamp_ns(drill.aborted.timestamp), step, now_ns)
        case Phase.CLOSING | Phase.CLOSED:
            return Countdown("the witnesses' last word is awaited", "", Role.TEXT)
        case _:
            before = drill.steps[drill.running - 1].ended if drill.running else None
            since_ns = stamp_ns((before or drill.opened).timestamp)
            return Countdown(
                "no order yet, watched for", duration(now_ns - since_ns), Role.TEXT, "watched, no order yet"
            )


def _release(step: StepView, now_ns: int, challenge_ns: int) -> Countdown:
    if step.ordered is None:
        return Countdown("", "")
    left_ns = stamp_ns(step.ordered.timestamp) + step.ordered.release_after_ns - now_ns
    if left_ns < -(GRACE_NS + challenge_ns):
        return Countdown("RELEASE OVERDUE by", duration(-left_ns), Role.LOUD, "RELEASE OVERDUE")
    return Countdown("release in", left(left_ns), after="to release")


def _back_by(since_ns: int, step: StepView, now_ns: int) -> Countdown:
    if not comes_back(step.stated.params):
        return Countdown("nothing comes back from this", "", Role.TEXT)
    left_ns = since_ns + step.stated.restore_limit_ns - now_ns
    if left_ns < 0:
        return Countdown("restore limit passed", f"{duration(-left_ns)} ago", Role.BAD, "past the restore limit")
    return Countdown("all back within", left(left_ns), after="left to be back")


def elapsed_ns(drill: DrillView, now_ns: int) -> int | None:
    """Return how long ago the running step was ordered; None if it was not, or is over."""
    step = drill.step
    if step.ordered is None or step.ended is not None or drill.closed is not None:
        return None
    return max(0, now_ns - stamp_ns(step.ordered.timestamp))


def trouble_words(loud: int, failed: int) -> tuple[str, Role]:
    """Return how many sites are in trouble, and how it is to be shown."""
    if loud:
        return f"{number(loud)} IN TROUBLE" + (f", {number(failed)} failing" if failed else ""), Role.LOUD
    return (f"{number(failed)} failing", Role.BAD) if failed else ("nobody in trouble", Role.DIM)


def heading(drill: DrillView, trouble: tuple[int, int], now_ns: int, width: int) -> list[Line]:
    """Return the two lines at the top of the screen.

    Args:
        drill: The drill.
        trouble: How many sites are loud, and how many others fail.
        now_ns: Wall time, nanoseconds.
        width: Cells.
    """
    word, role = state(drill)
    aside = f"use {drill.stated.use} of {drill.stated.uses}   " if width >= _WIDE else ""
    demo = "demo fleet   " if drill.stated.demo and width >= _WIDE else ""
    first = spread(
        (
            Span(f" {word} ", role, reverse=True),
            Span(f"  {where(drill)}", Role.STRONG),
            Span(f"   {clean(drill.stated.title)}", Role.DIM),
        ),
        (Span(f"{demo}{aside}{_when(drill, now_ns)}", Role.DIM),) if width >= _NARROW else (),
        width,
    )
    counted, wait = score(drill), countdown(drill, now_ns)
    said, loud_role = trouble_words(*trouble)
    if width < _WIDE and trouble[0]:
        said, _ = trouble_words(trouble[0], 0)  # the loudest matter most, and the others are in the panel
    bold = Span(f" {number(counted.done)}", counted.role if counted.done else Role.STRONG)
    spans = (
        bold,
        Span(f" of {number(counted.of)} {counted.word}", Role.STRONG),
        Span("   "),
        Span(said, loud_role),
    )
    room = width - span_width(spans) - width_of(wait.sentence)
    right = (Span(wait.sentence, wait.role),) if width >= _NARROW or room > 1 else ()
    return [first, spread(spans, right, width)]


def _when(drill: DrillView, now_ns: int) -> str:
    """Return the time, or of a drill that is over when that was."""
    if drill.closed is None:
        return f"{clock(format_utc(now_ns))} UTC"
    return f"ended {drill.closed.timestamp[:10]} {clock(drill.closed.timestamp)} UTC"


def tall(drill: DrillView, trouble: tuple[int, int], now_ns: int, width: int) -> list[Line]:
    """Return the top of a large screen: the same, with what matters in big numbers."""
    first, second = heading(drill, trouble, now_ns, width)
    counted, wait = score(drill), countdown(drill, now_ns)
    said, role = trouble_words(*trouble)
    figures = [(number(counted.done), f"of {number(counted.of)} {counted.word}", counted.role)]
    if any(trouble):
        figures.append((number(trouble[0] or trouble[1]), said.partition(" ")[2], role))
    if wait.text:
        value, _, unit = wait.text.partition(" ")
        figures.append((value, f"{unit.removesuffix(' ago')} {wait.after}", wait.role))
    blocks = [(big(value), words, shown) for value, words, shown in figures]
    needed = sum(width_of(rows[0]) + width_of(words) + 1 for rows, words, _ in blocks) + 6 * len(blocks)
    if needed > width:
        return [first, (), second, (), ()]
    lines: list[Line] = [first]
    gap = Span(" " * (4 + (width - needed) // (len(blocks) + 1)))
    for row in range(BIG_HEIGHT):
        spans: list[Span] = [Span("  ")]
        for rows, words, shown in blocks:
            caption = words if row == BIG_HEIGHT - 1 else " " * width_of(words)
            spans += [Span(rows[row], shown), Span(f" {caption}", Role.STRONG), gap]
        lines.append(fit(spans, width))
    return [*lines, ()]


def waiting(words: str, width: int) -> list[Line]:
    """Return the two lines at the top while there is no drill to show."""
    return [fit((Span(" NO DRILL YET ", Role.IDLE, reverse=True), Span(f"  {pad(words, width)}")), width), ()]


def silence(drill: DrillView, now_ns: int) -> str:
    """Say that nothing was heard of an open drill for long; empty if that is not so."""
    if drill.closed is not None or drill.newest is None:
        return ""
    quiet_ns = now_ns - stamp_ns(drill.newest.timestamp)
    step = drill.step
    if drill.phase is Phase.ORDERED and step.ordered is not None:
        due_ns = stamp_ns(step.ordered.timestamp) + step.ordered.release_after_ns
        if now_ns - due_ns > GRACE_NS + drill.opened.challenge_ns:
            return "the release is overdue: if the orchestrator died, sites restore by themselves; see haltdrill resume"
        return f"no line for {duration(quiet_ns)}, as in a quiet hold" if quiet_ns > QUIET_NS else ""
    if quiet_ns > QUIET_NS:
        return f"no line for {duration(quiet_ns)}: is the orchestrator still running? see haltdrill resume"
    return ""
