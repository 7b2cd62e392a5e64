"""What the faces of the matrix say: codes and words for verdicts, trends, ages and times.

Every code reads without colour, and a legend says what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.core.coverage import Cell, Coverage, Exercise, SiteRow, Standing, Trend
from orchestrator.core.grades import Verdict
from orchestrator.report.figures import count, plain
from protocols.controls import Control
from protocols.errors import ConfigError
from protocols.ids import parse_utc

NO_PROOF = (
    "Computed from what the journals say. The proof is each drill's evidence bundle: "
    "haltdrill verify computes every verdict again from what witnesses signed."
)

CODES: dict[Verdict, str] = {
    Verdict.VERIFIED: "ok",
    Verdict.LATE: "LA",
    Verdict.UNPROVEN: "UN",
    Verdict.REFUSED: "RE",
    Verdict.NOT_RESTORED: "NR",
    Verdict.BROKEN: "BR",
    Verdict.CONTRADICTED: "CO",
}
"""Small letters only for what is well; a test holds it complete."""

OVERDUE, NEVER, UNSUPPORTED, ARMED = "OD", "never", "n/a", "ar"

MEANINGS: dict[str, str] = {
    "ok": "verified",
    OVERDUE: "verified but overdue",
    "LA": "late",
    "UN": "unproven",
    "RE": "refused",
    "NR": "not restored",
    "BR": "broken",
    "CO": "contradicted",
    ARMED: "verified but only armed",
    NEVER: "never done",
    UNSUPPORTED: "the site does not list it",
}

TREND_SIGNS: dict[Trend, str] = {
    Trend.FIRST: "",
    Trend.SAME: "=",
    Trend.FASTER: "<",
    Trend.SLOWER: ">",
    Trend.BETTER: "+",
    Trend.WORSE: "-",
}

TREND_WORDS: dict[Trend, str] = {
    Trend.FIRST: "first time",
    Trend.SAME: "same as before",
    Trend.FASTER: "faster than before",
    Trend.SLOWER: "slower than before",
    Trend.BETTER: "better than before",
    Trend.WORSE: "worse than before",
}

STANDING_WORDS: dict[Standing, str] = {
    Standing.FRESH: "verified",
    Standing.OVERDUE: "overdue",
    Standing.FAILING: "failing",
    Standing.NEVER: "never done",
    Standing.UNSUPPORTED: "not listed",
}

NOT_COUNTED = "*"
"""Marks a cell with an exercise that does not count after its last."""

NO_FIGURE = "-"

_BAD = {verdict: rank for rank, verdict in enumerate(Verdict)}
_NS_PER_S = 1_000_000_000
_DAY_S, _HOUR_S, _MINUTE_S = 86_400, 3_600, 60
_YEAR_D, _YEARS_FROM_D = 365, 1_000


def control_words(control: Control) -> str:
    """Return a control as people read it."""
    return control.replace("_", " ")


def verdict_words(exercise: Exercise) -> str:
    """Return an exercise's verdict as people read it; of a decommission, how far it went."""
    word = exercise.verdict.replace("_", " ")
    return word if exercise.phase is None else f"{word} ({'armed only' if exercise.phase == 'arm' else 'fired'})"


def code(cell: Cell) -> str:
    """Return what stands for a cell's state in few letters; one of `MEANINGS`."""
    match cell.standing:
        case Standing.UNSUPPORTED:
            return UNSUPPORTED
        case Standing.NEVER:
            return NEVER
        case Standing.OVERDUE:
            return OVERDUE
        case Standing.FRESH:
            return ARMED if cell.last is not None and cell.last.phase == "arm" else CODES[Verdict.VERIFIED]
        case Standing.FAILING:
            blamed = cell.blamed
            return CODES[blamed.verdict] if blamed is not None else CODES[Verdict.UNPROVEN]


def age(age_ns: int) -> str:
    """Return an age in its largest unit, rounded down: `12d`, `3h`, `3y`."""
    seconds = age_ns // _NS_PER_S
    if seconds >= _YEARS_FROM_D * _DAY_S:
        return f"{seconds // (_DAY_S * _YEAR_D)}y"
    if seconds >= _DAY_S:
        return f"{seconds // _DAY_S}d"
    return f"{seconds // _HOUR_S}h" if seconds >= _HOUR_S else f"{seconds // _MINUTE_S}m"


def age_words(age_ns: int) -> str:
    """Return an age for a sentence: `12 days`."""
    said = age(age_ns)
    noun = {"y": "year", "d": "day", "h": "hour", "m": "minute"}[said[-1]]
    return count(int(said[:-1]), noun)


def seconds_up(duration_ns: int) -> str:
    """Return an upper bound in seconds, short, and never less than it is."""
    for decimals, below_s in ((2, 1), (1, 100)):
        unit_ns = _NS_PER_S // 10**decimals
        units = -(-duration_ns // unit_ns)
        if units * unit_ns < below_s * _NS_PER_S:
            return f"{units * unit_ns / _NS_PER_S:.{decimals}f}"
    return str(-(-duration_ns // _NS_PER_S))


def limit(duration_ns: int) -> str:
    """Return a limit in seconds, exactly."""
    return f"{duration_ns / _NS_PER_S:.3f}".rstrip("0").rstrip(".")


def timing(exercise: Exercise) -> str:
    """Return the response time's upper bound and its limit: `3.3/30`, in seconds."""
    upper_ns = exercise.response_upper_ns
    return f"{NO_FIGURE if upper_ns is None else seconds_up(upper_ns)}/{limit(exercise.response_limit_ns)}"


def site_words(row: SiteRow, fleets: int) -> str:
    """Return how a row is called: with more than one fleet, the start of its fleet's id goes with it."""
    return row.site if fleets == 1 else f"{row.site} ({row.fleet[:6]})"


def fleets_in(coverage: Coverage) -> int:
    """Return how many fleets there are in a matrix."""
    return len({row.fleet for row in coverage.rows})


@dataclass(frozen=True, slots=True)
class Call:
    """Where something has to be done.

    Attributes:
        where: The control and the sites, as `pause at eu-north-1`.
        more: When, and in which drill; or how old. May be empty.
        title: The title of the plan, if it is about one exercise.
    """

    where: str
    more: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Calls:
    """What somebody has to do something about, for one reason.

    Attributes:
        head: What is wrong, in a word or two.
        why: The reason, in a clause; may be empty.
    """

    standing: Standing
    head: str
    why: str
    places: tuple[Call, ...]


SITES_NAMED_MAX = 12


def calls(coverage: Coverage) -> list[Calls]:
    """Return everything that stands out, worst first: what fails by its reason, the rest by control."""
    fleets = fleets_in(coverage)
    cells = [(site_words(row, fleets), cell) for row in coverage.rows for cell in row.cells]
    said = _failing(cells, coverage)
    age_max = age_words(coverage.max_age_ns)
    for standing, head, why in (
        (Standing.OVERDUE, "overdue", f"last verified more than {age_max} ago"),
        (Standing.NEVER, "never done", ""),
    ):
        of_kind = [(site, cell) for site, cell in cells if cell.standing is standing]
        places = tuple(
            _grouped(control, [entry for entry in of_kind if entry[1].control is control])
            for control in coverage.controls
            if any(cell.control is control for _, cell in of_kind)
        )
        if places:
            said.append(Calls(standing, head, why, places))
    return said


def _failing(cells: Iterable[tuple[str, Cell]], coverage: Coverage) -> list[Calls]:
    blamed = [(site, cell, found) for site, cell in cells if (found := cell.blamed) is not None]
    places: dict[tuple[Verdict, str], list[Call]] = {}
    for site, _, found in sorted(blamed, key=lambda entry: -_BAD[entry[2].verdict]):
        ago = age(max(0, parse_utc(coverage.as_of) - found.at_ns))
        armed = {None: "", "arm": " (arming)", "fire": " (firing)"}[found.phase]
        where = f"{control_words(found.control)}{armed} at {site}"
        aborted = ", which was aborted" if found.aborted else ""
        why, detail = _split(reason(found))
        more = f"{ago} ago in {found.drill}{aborted}" + ("" if found.verdict is Verdict.LATE else detail)
        places.setdefault((found.verdict, why), []).append(Call(where, more, plain(found.title)))
    return [
        Calls(Standing.FAILING, verdict.replace("_", " "), why, tuple(listed))
        for (verdict, why), listed in places.items()
    ]


def _split(said: str) -> tuple[str, str]:
    """Part a reason from what is particular to one site, which follows it."""
    end = min((place for mark in (" (", "; ", " [") if (place := said.find(mark)) > 0), default=len(said))
    return said[:end], said[end:]


def reason(exercise: Exercise) -> str:
    """Return why the verdict is no better, without the verdict's own word before it."""
    said = plain(exercise.said).rstrip(".")
    head, colon, why = said.partition(": ")
    return why if colon and head.lower().replace("_", " ") == exercise.verdict.replace("_", " ") else said


def _grouped(control: Control, listed: Sequence[tuple[str, Cell]]) -> Call:
    sites = [site for site, _ in listed]
    more = len(sites) - SITES_NAMED_MAX
    named = ", ".join(sites[:SITES_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
    ages_ns = [cell.age_ns for _, cell in listed if cell.age_ns is not None]
    return Call(f"{control_words(control)} at {named}", f"the oldest {age(max(ages_ns))} ago" if ages_ns else "")


def uncounted(coverage: Coverage) -> list[str]:
    """Say which exercises came after a cell's last and do not count, a line for each drill."""
    fleets = fleets_in(coverage)
    places: dict[tuple[str, str], list[str]] = {}
    for row in coverage.rows:
        for cell in row.cells:
            undone = cell.undone
            if undone is not None and undone is not cell.blamed:
                why = "was aborted" if undone.aborted else f"found no result ({reason(undone)})"
                where = f"{control_words(cell.control)} at {site_words(row, fleets)}"
                places.setdefault((undone.drill, why), []).append(where)
    return [f"{drill} {why}, so this does not count: {', '.join(where)}" for (drill, why), where in places.items()]


def headline(coverage: Coverage) -> str:
    """Say the state of the matrix in one sentence that stands alone."""
    called = [standing for standing in (Standing.FAILING, Standing.OVERDUE, Standing.NEVER) if coverage.total(standing)]
    cells = sum(entry.count for entry in coverage.totals if entry.standing is not Standing.UNSUPPORTED)
    sites = count(len(coverage.rows), "site")
    if not cells:
        return "Nothing is left to show."
    if not called:
        proved = f"all {cells} controls" if cells > 1 else "the one control"
        return f"COMPLETE: {proved} of {sites} verified within the last {age_words(coverage.max_age_ns)}."
    counts = ", ".join(f"{coverage.total(standing)} {STANDING_WORDS[standing]}" for standing in called)
    return f"NOT COMPLETE: {counts}; {coverage.total(Standing.FRESH)} of {cells} proved, at {sites}."


def basis(coverage: Coverage) -> list[str]:
    """Say what the matrix was computed from, and what it is not."""
    left = [f"{number} {word}" for number, word in ((coverage.aborted, "aborted"), (coverage.open, "open")) if number]
    apart = f" ({' and '.join(left)} not counted)" if left else ""
    said = f"From {count(coverage.drills - coverage.aborted, 'drill')}{apart}, as of {_when(coverage.as_of)}."
    demo = ["DEMO FLEET: all of its keys were made in one place."] if coverage.demo else []
    return [*demo, said, *(f"Note: {plain(note)}." for note in coverage.notes), NO_PROOF]


def _when(at: str) -> str:
    return f"{at[:10]} {at[11:16]} UTC"


def nothing_to_cover(coverage: Coverage) -> ConfigError | None:
    """Return the error when no cell could ever be proved, so that nothing passes by being empty."""
    supported = sum(entry.count for entry in coverage.totals if entry.standing is not Standing.UNSUPPORTED)
    if supported:
        return None
    return ConfigError("no site matches, or none lists these controls", where="coverage", remedy="take a filter away")
