"""What one drill's journal says for coverage: each exercise with its verdict, times and limit.

The chain, the encoding of every record, the root-signed documents and the warrant's approvals are
checked; the verdicts are taken from the journal. Only `haltdrill verify` computes those again from
what witnesses signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.coverage import SAID_MAX_CHARS, Exercise
from orchestrator.core.grades import RungResult, SiteStepResult, explain
from orchestrator.core.matrix import DrillDone
from orchestrator.core.wording import why
from orchestrator.evidence.fold import Documents
from orchestrator.journal.chain import ChainReader, Record
from protocols.controls import DecommissionParams, control_of
from protocols.errors import JournalError, UntrustedInput
from protocols.ids import parse_utc, seconds_to_ns
from protocols.messages import Warrant
from protocols.trust import FleetTrust


@dataclass(slots=True)
class _Drill:
    """A drill while its journal is read.

    Attributes:
        ordered_ns: When each step was ordered, wall time; and each rung of one site.
    """

    trust: FleetTrust
    warrant: Warrant
    opened: ev.DrillOpened
    opened_ns: int
    ordered_ns: dict[int, int] = field(default_factory=dict)
    climbed_ns: dict[tuple[int, str, int], int] = field(default_factory=dict)
    results: dict[tuple[int, str], SiteStepResult] = field(default_factory=dict)
    aborted: bool = False
    closed: bool = False


def read_drill(lines: Iterable[bytes]) -> DrillDone | None:
    """Read a drill from its journal's lines.

    Returns:
        The drill, or None if it did not come to its end.

    Raises:
        JournalError: The journal is damaged or contradicts itself.
    """
    reader, documents = ChainReader(), Documents()
    drill: _Drill | None = None
    for line in lines:
        record = reader.read(line)
        try:
            if drill is None:
                drill = _open(record, documents)
            else:
                _take(drill, record)
        except UntrustedInput as error:
            raise JournalError(f"its own documents do not hold: {error}", where=_place(record)) from error
    if drill is None or not drill.closed:
        return None
    return _done(drill, reader.head)


def _place(record: Record) -> str:
    return f"journal record {record.seq}"


def _demand(holds: bool, what: str, record: Record) -> None:
    if not holds:
        raise JournalError(what, where=_place(record))


def _open(record: Record, documents: Documents) -> _Drill | None:
    """Collect the documents, and open the drill after them."""
    event = record.event
    if isinstance(event, ev.DocumentHeld):
        documents.take(event)
        return None
    if not isinstance(event, ev.DrillOpened):
        raise JournalError("it does not begin with documents and then the opening", where=_place(record))
    opened_ns = parse_utc(record.at)
    trust = documents.open_fleet(opened_ns)
    warrant, _ = documents.open_warrant(trust)
    _demand(event.drill == record.drill, f"it opens drill {event.drill}", record)
    _demand(event.warrant == warrant.digest(), "it names another warrant than the one held", record)
    unknown = sorted(set(event.audience) - trust.records.keys())
    _demand(not unknown, f"it names sites without a record: {', '.join(unknown[:5])}", record)
    return _Drill(trust, warrant, event, opened_ns)


def _take(drill: _Drill, record: Record) -> None:
    event, at_ns = record.event, parse_utc(record.at)
    _demand(not drill.closed, "it comes after the drill's end", record)
    match event:
        case ev.OrderIssued() | ev.BatteryIssued():
            _demand(event.step < len(drill.warrant.steps), f"the warrant has no step {event.step}", record)
            drill.ordered_ns.setdefault(event.step, at_ns)
        case ev.RungOrdered():
            drill.climbed_ns.setdefault((event.step, event.site, event.rung), at_ns)
        case ev.SiteJudged():
            _judged(drill, event, record)
        case ev.Aborted():
            drill.aborted = True
        case ev.DrillClosed():
            _closed(drill, event, record)
        case _:
            pass


def _judged(drill: _Drill, event: ev.SiteJudged, record: Record) -> None:
    place = (event.step, event.site)
    known = event.step < len(drill.warrant.steps) and event.site in drill.opened.audience
    _demand(known, f"it judges step {event.step} at {event.site}, which the drill does not have", record)
    _demand(place not in drill.results, f"it judges step {event.step} at {event.site} a second time", record)
    rungs = drill.warrant.steps[event.step].rungs
    given = [(found.rung, found.control) for found in event.result.rungs]
    approved = [(number, control_of(rung.params)) for number, rung in enumerate(rungs)]
    stated = event.result.rung < len(rungs) and given == approved[: len(given)]
    _demand(stated, f"step {event.step} at {event.site} is judged on rungs that the warrant does not have", record)
    drill.results[place] = event.result


def _closed(drill: _Drill, event: ev.DrillClosed, record: Record) -> None:
    missing = len(drill.opened.audience) * len(drill.warrant.steps) - len(drill.results)
    _demand(not missing, f"{missing} verdicts are missing", record)
    _demand(event.aborted == drill.aborted, "it says otherwise whether the drill was aborted", record)
    passed = not drill.aborted and all(result.passed for result in drill.results.values())
    _demand(event.passed == passed, "it says otherwise whether the drill passed", record)
    drill.closed = True


def _done(drill: _Drill, head: str) -> DrillDone:
    audience = drill.opened.audience
    return DrillDone(
        fleet=drill.trust.fleet,
        demo=drill.trust.root.root.demo,
        drill=drill.opened.drill,
        digest=head,
        opened_ns=drill.opened_ns,
        aborted=drill.aborted,
        records=dict(drill.trust.records),
        exercises={site: tuple(_exercises(drill, site)) for site in audience},
    )


def _exercises(drill: _Drill, site: str) -> Iterator[Exercise]:
    """Yield what each step exercised at a site; with an escalation, each rung that was ordered."""
    for number in range(len(drill.warrant.steps)):
        result = drill.results[number, site]
        for rung in result.rungs:
            yield _exercise(drill, number, site, rung.rung, rung)
        if not result.rungs:
            yield _exercise(drill, number, site, result.rung, result)


def _exercise(drill: _Drill, number: int, site: str, rung: int, found: SiteStepResult | RungResult) -> Exercise:
    step = drill.warrant.steps[number]
    stated = step.rungs[rung]
    return Exercise(
        control=control_of(stated.params),
        drill=drill.opened.drill,
        plan=drill.warrant.plan,
        title=drill.warrant.title,
        step=number,
        step_name=step.name,
        rung=rung,
        at_ns=drill.climbed_ns.get((number, site, rung), drill.ordered_ns.get(number, drill.opened_ns)),
        aborted=drill.aborted,
        verdict=found.verdict,
        cause=found.cause,
        said=said(found)[:SAID_MAX_CHARS],
        response_lower_ns=found.response_lower_ns,
        response_upper_ns=found.response_upper_ns,
        response_limit_ns=seconds_to_ns(stated.response_limit_s),
        phase=stated.params.phase if isinstance(stated.params, DecommissionParams) else None,
        climbed=isinstance(found, RungResult) and found.why_next is not None,
    )


def said(found: SiteStepResult | RungResult) -> str:
    """Return the verdict as a sentence, with its reason."""
    if isinstance(found, SiteStepResult):
        return explain(found)
    word = found.verdict.replace("_", " ").capitalize()
    return f"{word}: {why(found.cause, found.control)}." if found.cause is not None else f"{word}."
