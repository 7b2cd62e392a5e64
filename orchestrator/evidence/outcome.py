"""Recomputes what a drill found: its verdicts, its outcome and its result, and checks that the bundle is whole.

What only the whole journal shows is checked here too: witnesses' clocks, verdicts left out, and what
the receipts of agents and enforcers leave open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill, SiteWitness
from orchestrator.core.grades import SiteStepResult
from orchestrator.core.intake import check_sole
from orchestrator.evidence.bundle import Seal
from orchestrator.evidence.checks.receipts import told_by_receipts
from orchestrator.evidence.checks.spoken import demand
from orchestrator.evidence.clocks import check_clocks
from orchestrator.evidence.findings import Findings
from orchestrator.evidence.result import DrillResult
from orchestrator.evidence.stating import Background, build_result
from orchestrator.journal.chain import Record
from protocols.envelope import open_envelope, parse_envelope
from protocols.errors import HaltdrillError, JournalError
from protocols.ids import digest_of

SHOWN_MAX = 120
"""Most characters of a value that a finding shows."""


@dataclass(slots=True)
class Outcome:
    """The verdicts of one drill, as recomputed.

    Attributes:
        findings: Where failures and notes go.
        judged: By step and site, each verdict that the journal gives.
        result: What the drill found; None while it cannot be computed.
    """

    findings: Findings
    judged: dict[tuple[int, str], SiteStepResult] = field(default_factory=dict)
    result: DrillResult | None = None

    def judge(self, event: ev.SiteJudged, drill: Drill) -> None:
        """Check one verdict.

        Raises:
            JournalError: It is not what the evidence gives.
        """
        key = (event.step, event.site)
        demand(event.step < len(drill.warrant.steps), "the warrant has no such step")
        demand(event.site in drill.audience, "the site is not in the audience")
        demand(key not in self.judged, "a verdict on it was given before")
        computed = drill.judge(event.step, event.site)
        self.judged[key] = computed
        self.findings.verdicts += 1
        if computed != event.result:
            raise JournalError(difference(event.result, computed))

    def finish(
        self,
        line: int,
        drill: Drill,
        background: Background,
        last: Record,
        said_in: Mapping[SiteWitness, Mapping[int, int]],
    ) -> None:
        """Check what only the whole journal shows, and compute the result.

        Args:
            line: The line of the file that the last record stands in.
            drill: The whole drill.
            background: What the result says beside it, but for the end.
            last: The last record.
            said_in: By witness and sequence number, the line that a message stands in.
        """
        for site in drill.audience:
            check_clocks(drill, site, said_in, self.findings)
        self.findings.notes += [note for site in drill.audience for note in told_by_receipts(drill, site)]
        wanted = [(step, site) for step in range(len(drill.warrant.steps)) for site in drill.audience]
        for step, site in wanted:
            if (step, site) not in self.judged:
                self.findings.add(line, f"site {site}, step {step}", "there is no verdict on it")
        if drill.passed is None or not isinstance(last.event, ev.DrillClosed):
            self.findings.add(line, "journal", "the drill does not come to its end")
        if all(key in self.judged for key in wanted):
            full = Background(background.approved_by, background.opened_at, last.at, background.software)
            self.result = build_result(drill, full, self.judged)
            self._check_closed(line, drill, self.result, last)

    def _check_closed(self, line: int, drill: Drill, computed: DrillResult, last: Record) -> None:
        event = last.event
        if isinstance(event, ev.DrillClosed) and (event.passed, event.aborted) != (computed.passed, drill.aborted):
            said = "passed" if event.passed else "not passed"
            self.findings.add(line, f"record {last.seq}, drill.closed", "its outcome is not the evidence's", said)

    def compare(self, number: int, line: bytes) -> None:
        """Compare the result that the bundle states with the computed one.

        Args:
            number: The line of the file.
            line: What it says.
        """
        computed = self.result
        if computed is None or line == computed.encode():
            return  # why it could not be computed is a finding already
        if len(line) > 2 * len(computed.encode()):
            self.findings.add(number, "result", "it is not what the evidence gives", "it is much longer")
            return
        try:
            said = DrillResult.model_validate_json(line)
        except ValueError:
            self.findings.add(number, "result", "it is no result of a version that this program knows")
            return
        self.findings.add(number, "result", "it is not what the evidence gives", difference(said, computed))

    def check_seal(self, number: int, lines: Sequence[bytes], drill: Drill, head: str) -> None:
        """Check the dispatcher's seal over all lines before it.

        Args:
            number: The line of the file.
            lines: All lines, the seal last.
            drill: The drill.
            head: Digest of the last journal record.
        """
        try:
            envelope = parse_envelope(lines[-1])
            check_sole(envelope)
            seal, _ = open_envelope(envelope, Seal, {drill.dispatcher: drill.trust.dispatchers.keys[drill.dispatcher]})
            body = b"\n".join(lines[:-1]) + b"\n"
            demand(seal.fleet == drill.trust.fleet and seal.drill == drill.drill, "it seals another drill")
            demand(seal.lines == len(lines) - 1, f"it seals {seal.lines} lines, there are {len(lines) - 1}")
            demand(seal.journal_head == head, "it seals another journal")
            demand(seal.sha256 == digest_of(body), "the lines before it were changed since")
        except HaltdrillError as error:
            self.findings.add(number, "seal", error.what, error.where)
        else:
            self.findings.envelopes += 1


def difference(said: SiteStepResult | DrillResult, computed: SiteStepResult | DrillResult) -> str:
    """Name the first field that differs, with both values."""
    for name in type(said).model_fields:
        stated, found = getattr(said, name), getattr(computed, name)
        if stated != found:
            return f"{name} is stated as {_short(stated)}, the evidence gives {_short(found)}"
    return "the bytes are not its one encoding"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 3] + "..."
