"""Figures and words as reports show them. Intervals are rounded outward, never to look better."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.core.grades import Grade, SiteStepResult, Verdict
from orchestrator.evidence.result import DrillResult, StepResult
from protocols.controls import CATALOGUE, control_of

_NS_PER_MS = 1_000_000
_MS_PER_S = 1_000
_FINE_MS = 100

GRADE_WORDS: dict[Grade, str] = {
    Grade.SILENT: "nothing was heard",
    Grade.ACCEPTED: "its agent accepted the order",
    Grade.SELF_REPORTED: "only its own agent says that it halted",
    Grade.CORROBORATED: "one witness owner saw it quiet, too few for a quorum",
    Grade.WITNESSED: "a quorum of witnesses saw it halted",
    Grade.HELD: "a quorum of witnesses saw it halted to the end of the hold",
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
    """Return a number with its noun: `1 site`, `2 sites`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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
    """Return a step's control with its parameters, as `shutdown (grace 10 s)`."""
    params = step.params.model_dump(exclude={"control"})
    said = ", ".join(f"{name.removesuffix('_s')} {value:g} s" for name, value in params.items())
    return f"{step.params.control} ({said})" if said else step.params.control


def asked(step: StepResult) -> str:
    """Say in a clause what a step asked of a site."""
    return CATALOGUE[control_of(step.params)].summary


def failures(step: StepResult) -> list[tuple[str, SiteStepResult]]:
    """Return the sites of a step that did not pass."""
    return [(site.site, site.result) for site in step.sites if not site.result.passed]


def sentence(result: DrillResult) -> str:
    """Say the outcome in one sentence that stands alone."""
    sites = count(result.totals.sites, "site")
    if result.passed:
        all_sites = "The site was" if result.totals.sites == 1 else f"All {sites} were"
        return f"{all_sites} witnessed halted within the limit, held, and seen back at work."
    if result.aborted:
        return f"The drill was aborted, so it proves a halt of none of its {sites}."
    failed = {name for step in result.steps for name, _ in failures(step)}
    if not any(step.ordered for step in result.steps):
        return f"Nothing was ordered at any of the {sites}, so nothing is proved."
    said = f"{len(failed)} of {sites} could not be verified as halted in time, held and recovered."
    lied = {name for step in result.steps for name, found in failures(step) if found.verdict is Verdict.CONTRADICTED}
    if lied:
        said += f" Witnesses contradict what {count(len(lied), 'site')} reported."
    return said
