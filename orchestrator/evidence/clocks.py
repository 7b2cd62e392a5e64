"""Finds the witnesses of a bundle whose own clocks do not fit the times that the journal claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.core.clocks import ClockFit
from orchestrator.core.drill import Drill, SiteWitness
from orchestrator.core.samples import Instant, Track
from orchestrator.evidence.findings import Findings


def check_clock(track: Track, issues: Mapping[int, Instant]) -> Iterator[tuple[int, str]]:
    """Yield (sequence number, what is wrong) for each message of a track whose clock doesn't fit.

    Args:
        track: A witness's chain; one that forked has no single clock and is passed over.
        issues: When each challenge was issued.
    """
    if track.forked:
        return
    fit = ClockFit()
    for sample, bracket in zip(track.samples, track.brackets(issues), strict=True):
        wrong = fit.take(*sample.clock, bracket) if sample.clock is not None else ""
        if wrong:
            yield sample.seq, wrong


def check_clocks(drill: Drill, site: str, lines: Mapping[SiteWitness, Mapping[int, int]], findings: Findings) -> None:
    """Look for witnesses of a site whose own clocks do not fit the journal's times.

    Fewer owners than a quorum may lie, so they are only noted: they count for nothing in the
    verdict. As many as a quorum do not, so it is the journal's times that are wrong. The site's own
    owner is none of them, here as everywhere.

    Args:
        drill: The whole drill.
        site: A site of its audience.
        lines: By witness and sequence number, the line of the file that a message stands in.
        findings: Where failures and notes go.
    """
    record = drill.trust.records[site]
    entries = record.witnesses
    misfits = {
        entry.name: found
        for entry in entries
        if (found := list(check_clock(drill.tracks[site, entry.name], drill.issued)))
    }
    owners = {entry.owner for entry in entries if entry.name in misfits} - {record.owner}
    too_many = len(owners) >= min(step.quorum for step in drill.warrant.steps)
    for entry in entries:
        who = f"site {site}, witness {entry.name}"
        if drill.tracks[site, entry.name].forked:
            findings.notes.append(f"{who}: its chain forked; it counts for nothing but its dissent")
        for seq, wrong in misfits.get(entry.name, ()) if too_many else misfits.get(entry.name, [])[:1]:
            line = lines[site, entry.name][seq]
            if too_many:
                findings.add(line, f"{who}, message {seq}", wrong)
            else:
                findings.notes.append(
                    f"{who}, message {seq} (line {line}): {wrong}; it counts for nothing but its dissent"
                )
