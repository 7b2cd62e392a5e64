"""Figures and words as reports show them. Intervals are rounded outward, never to look better."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.criteria import words_of
from orchestrator.core.grades import Grade, SiteStepResult, Verdict
from orchestrator.evidence.result import DrillResult, StepResult
from orchestrator.report.wording import comes_back, described, name_of, phase_of, told
from protocols.controls import Control, control_of

_NS_PER_MS = 1_000_000
_MS_PER_S = 1_000
_FINE_MS = 100

GRADE_WORDS: dict[Grade, str] = {
    Grade.SILENT: "nothing was heard",
    Grade.ACCEPTED: "the order was accepted",
    Grade.SELF_REPORTED: "only who acted there says that it was done",
    Grade.CORROBORATED: "one witness owner saw it as ordered, too few for a quorum",
    Grade.WITNESSED: "a quorum of witnesses saw it as ordered",
    Grade.HELD: "a quorum of witnesses saw it as ordered to the end of the hold",
}
"""What each grade means, for people; a test holds it complete."""

NOTHING = "\N{EN DASH}"
"""What stands where there is no figure."""


def plain(text: str) -> str:
    """Return text without characters that a reader can't see, such as a reversal of direction."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def plain_lines(lines: Iterable[str]) -> str:
    """Join lines for a terminal, each without anything that the terminal would act upon."""
    return "\n".join(plain(line) for line in lines)


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 site`, `2 sites`, `10,000 sites`."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def when(at: str) -> str:
    """Return a UTC time to the second, for people."""
    return f"{at[:10]} {at[11:19]} UTC"


def span(first: str, last: str) -> str:
    """Return a span of UTC times, for people; the day once if it is the same."""
    if first[:10] == last[:10]:
        return f"{first[:10]}, {first[11:19]} to {last[11:19]} UTC"
    return f"{when(first)} to {when(last)}"


def lower(duration_ns: int) -> str:
    """Return a lower bound in seconds, rounded down."""
    return _digits(duration_ns // _NS_PER_MS, up=False)


def upper(duration_ns: int) -> str:
    """Return an upper bound in seconds, rounded up."""
    return _digits(-(-duration_ns // _NS_PER_MS), up=True)


def _digits(milliseconds: int, *, up: bool) -> str:
    """Write whole milliseconds as seconds: three decimals under 0.1 s, otherwise two."""
    if milliseconds < _FINE_MS:
        return f"{milliseconds / _MS_PER_S:.3f}" if milliseconds else "0"
    hundredths = -(-milliseconds // 10) if up else milliseconds // 10
    return f"{hundredths / 100:.2f}"


def duration(duration_ns: int) -> str:
    """Return an exact duration, such as a limit, in seconds without needless zeros."""
    return f"{duration_ns / (_NS_PER_MS * _MS_PER_S):.3f}".rstrip("0").rstrip(".") + " s"


def interval(lower_ns: int | None, upper_ns: int | None) -> str:
    """Return an interval, two numbers joined by an en dash; only the dash when there is no upper bound."""
    if upper_ns is None:
        return NOTHING
    return f"{lower(lower_ns or 0)}{NOTHING}{upper(upper_ns)} s"


def word(verdict: Verdict | Grade) -> str:
    """Return a verdict or a grade as people read it."""
    return verdict.replace("_", " ")


def control(step: StepResult) -> str:
    """Return a step's control with what its parameters mean, and its ladder: `pause, then shutdown (...)`."""
    return ", then ".join(described(params) for params in (step.params, *(rung.params for rung in step.ladder)))


def control_names(step: StepResult) -> str:
    """Return a step's control without what its parameters mean; its ladder with ` > ` between the rungs."""
    return " > ".join(phase_of(params) for params in (step.params, *(rung.params for rung in step.ladder)))


def goals(step: StepResult) -> str:
    """Say what a step asks of a site, with its times: `halted within 5 s, quiet for 2 s, held 30 s`."""
    told_words = told(step.params)
    said = [
        f"{told_words.goal} within {duration(step.response_limit_ns)}",
        f"{told_words.lasting} for {duration(step.dwell_ns)}",
    ]
    if comes_back(step.params):
        said.append(f"held {duration(step.hold_ns)}")
    return ", ".join(said)


def rung_words(step: StepResult, rung: int) -> str:
    """Return which rung of a step's ladder a site came to: `2 of 3: shutdown`."""
    params = step.params if rung == 0 else step.ladder[rung - 1].params
    return f"{rung + 1} of {len(step.ladder) + 1}: {name_of(control_of(params))}"


def rung_limit_ns(step: StepResult, rung: int) -> int:
    """Return the response limit of one rung of a step."""
    return step.response_limit_ns if rung == 0 else step.ladder[rung - 1].response_limit_ns


def failures(step: StepResult) -> list[tuple[str, SiteStepResult]]:
    """Return the sites of a step that did not pass."""
    return [(site.site, site.result) for site in step.sites if not site.result.passed]


def escalated(step: StepResult) -> list[tuple[str, SiteStepResult]]:
    """Return the sites of a step that climbed its ladder."""
    return [(site.site, site.result) for site in step.sites if site.result.rungs]


def sentence(result: DrillResult) -> str:
    """Say the outcome in one sentence that stands alone."""
    sites = count(result.totals.sites, "site")
    halts = all(told(step.params).proved == words_of(Control.PAUSE).proved for step in result.steps)
    if result.passed:
        one = result.totals.sites == 1
        if halts:
            who = "The site was" if one else f"All {sites} were"
            return f"{who} witnessed halted within the limit, held, and seen back at work."
        controls = "the control" if len(result.steps) == 1 else f"all {len(result.steps)} steps"
        return f"{'The site' if one else f'All {sites}'} passed {controls}, each witnessed as ordered within its limit."
    if result.aborted:
        return f"The drill was aborted, so it proves {'a halt of none of' if halts else 'nothing of'} its {sites}."
    failed = {name for step in result.steps for name, _ in failures(step)}
    if not any(step.ordered for step in result.steps):
        return f"Nothing was ordered at any of the {sites}, so nothing is proved."
    what = "as halted in time, held and recovered" if halts else "in all that was ordered"
    said = f"{len(failed)} of {sites} could not be verified {what}."
    climbed = {name for step in result.steps for name, _ in escalated(step)}
    if climbed:
        said += f" {count(len(climbed), 'site').capitalize()} climbed to a harsher control."
    lied = {name for step in result.steps for name, found in failures(step) if found.verdict is Verdict.CONTRADICTED}
    if lied:
        said += f" Witnesses contradict what {count(len(lied), 'site')} reported."
    return said
