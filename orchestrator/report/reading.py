"""Reads what a report needs out of a journal: the drill itself, the one before it, and the sites' regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.core import events as ev
from orchestrator.core.events import DocumentKind
from orchestrator.evidence.bundle import result_of
from orchestrator.evidence.result import DrillResult
from orchestrator.journal.base import DrillSummary, JournalStore
from orchestrator.journal.chain import decode_record
from orchestrator.report.context import Context
from protocols.envelope import parse_envelope
from protocols.errors import JournalError, UntrustedInput
from protocols.messages import SiteRecord, Warrant

REGION = "region"
"""The attribute of a site's record that says where it is."""

_NONE_BEFORE = "No earlier drill of this plan came to its end in this journal, so there is nothing to compare with."


def documents_of(lines: Iterable[bytes]) -> Iterator[ev.DocumentHeld]:
    """Yield the documents that open a journal or the records of a bundle, unchecked.

    Raises:
        JournalError: A line is no record.
    """
    for line in lines:
        event = decode_record(line, where="journal").event
        if not isinstance(event, ev.DocumentHeld):
            return
        yield event


def regions_of(lines: Iterable[bytes]) -> dict[str, str]:
    """Return the regions of the sites whose records open a journal.

    The records' signatures are not checked here: whoever calls has folded or verified the same lines.

    Raises:
        JournalError: A line is no record.
        UntrustedInput: A document is no envelope or no site record.
    """
    regions: dict[str, str] = {}
    for held in documents_of(lines):
        if held.kind is DocumentKind.SITE_RECORD:
            record = SiteRecord.decode(parse_envelope(held.envelope.encode()).payload)
            tags = {tag.name: tag.value for tag in record.attributes}
            if REGION in tags:
                regions[record.site] = tags[REGION]
    return regions


def read_closed(store: JournalStore, drill: str, *, alone: bool = False) -> tuple[DrillResult, Context]:
    """Return the result of a closed drill with what its report says beside.

    Args:
        store: The journal.
        drill: The drill.
        alone: Whether to leave the drill before it out.

    Raises:
        JournalError: There is no such drill, it is not closed, or its journal is damaged.
    """
    result = result_of(store.lines(drill))
    regions = regions_of(store.lines(drill))
    if alone:
        return result, Context(regions=regions)
    previous, why_none = previous_of(store, result)
    return result, Context(previous, why_none, regions)


def previous_of(store: JournalStore, result: DrillResult) -> tuple[DrillResult | None, str]:
    """Return the last closed drill of the same plan and fleet before a drill; or why there is none.

    An earlier drill that can't be read is no reason to withhold the report of this one.

    Raises:
        JournalError: The store cannot be read.
    """
    listed = store.drills()
    names = [known.drill for known in listed]
    earlier = listed[: names.index(result.drill)] if result.drill in names else listed
    for known in reversed(earlier):
        if not (known.closed and known.opened):
            continue
        try:
            if _plan_of(store, known, result) != result.plan:
                continue
            found = result_of(store.lines(known.drill))
        except (JournalError, UntrustedInput) as error:
            return None, f"The drill before this one, {known.drill}, could not be read: {error}."
        if found.fleet == result.fleet:
            return found, ""
    return None, _NONE_BEFORE


def _plan_of(store: JournalStore, known: DrillSummary, result: DrillResult) -> str:
    """Return the plan of a drill, from its warrant alone."""
    if known.warrant == result.warrant:
        return result.plan
    for held in documents_of(store.lines(known.drill)):
        if held.kind is DocumentKind.WARRANT:
            return Warrant.decode(parse_envelope(held.envelope.encode()).payload).plan
    return ""
