"""The result of one step at one site, as journals, bundles and reports hold it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from orchestrator.core.battery import CaseAnswer
from orchestrator.core.causes import Cause
from protocols.controls import Control
from protocols.ids import Digest, Int63, Name, Nonce, SignalName
from protocols.messages import Part, Proof
from protocols.messages.orders import RungNumber
from protocols.reasons import Reason


class Grade(StrEnum):
    """How good the evidence is that the site halted, from worst to best."""

    SILENT = "silent"
    ACCEPTED = "accepted"
    SELF_REPORTED = "self_reported"
    CORROBORATED = "corroborated"
    WITNESSED = "witnessed"
    HELD = "held"


class Verdict(StrEnum):
    """What the drill found of one site, from best to worst."""

    VERIFIED = "verified"
    LATE = "late"
    UNPROVEN = "unproven"
    REFUSED = "refused"
    NOT_RESTORED = "not_restored"
    BROKEN = "broken"
    CONTRADICTED = "contradicted"


class ReceiptSummary(Part):
    """When the first receipt of each kind arrived, after the order; the actor's own account only.

    Attributes:
        accepted_ns: Nanoseconds from the order to the arrival of `accepted`.
        halted_ns: The same for `halted`.
        restored_ns: The same for `restored`.
        refused: Why it refused, if it did.
        failed: Why its driver failed, if it did.
        proofs: What it exercised of the way there and back.
        checkpoint: Digest of the checkpoint that it left on disk.
        armed: The nonce that it was armed with.
    """

    accepted_ns: int | None = None
    halted_ns: int | None = None
    restored_ns: int | None = None
    refused: Reason | None = None
    failed: Reason | None = None
    proofs: tuple[Proof, ...] = ()
    checkpoint: Digest | None = None
    armed: Nonce | None = None


class SignalSeen(Part):
    """Something that a witness said and that people must read: what was wrong, or what was to be listed.

    Attributes:
        witness: Which of the site's witnesses.
        signal: The signal's name.
        value: What the fact said; of a rate that left its band, the word of what that means.
    """

    witness: Name
    signal: SignalName
    value: Annotated[str, Field(max_length=120)]


class RungResult(Part):
    """What one rung of a ladder did at one site.

    Attributes:
        rung: Its number, from 0.
        control: What was exercised on it.
        verdict: What was found of it.
        cause: Why that is no better; null when it is `verified`.
        response_lower_ns: The site halted no earlier than this after the rung's own order; null if not seen halted.
        response_upper_ns: And no later than this.
        response_limit_s: The rung's own limit.
        why_next: Why the site climbed to the next rung; null for the last.
    """

    rung: RungNumber
    control: Control
    verdict: Verdict
    cause: Cause | None
    response_lower_ns: Int63 | None
    response_upper_ns: Int63 | None
    response_limit_s: float
    why_next: Cause | None = None


class SiteStepResult(Part):
    """What one step of a drill found of one site. Stored in journals and bundles.

    Attributes:
        grade: How good the evidence is that what was ordered was done.
        verdict: What follows from it.
        cause: Why the verdict is no better; null when it is `verified`.
        response_lower_ns: The site halted no earlier than this after the order; with a lease, after
            its last licence had expired.
        response_upper_ns: And no later than this; null when it was not witnessed halted, so that
            its response time is right-censored.
        restore_lower_ns: It was back no earlier than this after the release; null when not back.
        restore_upper_ns: And no later than this.
        dwell_ns: How long the agreeing witnesses all saw it as ordered, within the hold.
        agreeing: Witnesses that saw it as ordered over the common span.
        dissenting: Witnesses that saw it otherwise, against that.
        unknown: The other witnesses of its record.
        preflight_ok: Whether a quorum saw its load in band before the order.
        held: Whether that was proven without a break to the end of the hold.
        receipts: The own account of who acted.
        control: What was exercised: of the last rung that the site climbed to.
        rung: That rung; the response time is its own.
        rungs: With an escalation, every rung that was ordered, in order; else empty.
        total_upper_ns: With an escalation, from the step's own order to the halt, at most.
        battery: How it answered each order of a refusal battery.
        seen: What witnesses saw that was wrong, by name, and what the control lists.
    """

    grade: Grade
    verdict: Verdict
    cause: Cause | None
    response_lower_ns: Int63 | None
    response_upper_ns: Int63 | None
    restore_lower_ns: Int63 | None
    restore_upper_ns: Int63 | None
    dwell_ns: Int63 | None
    agreeing: tuple[str, ...]
    dissenting: tuple[str, ...]
    unknown: tuple[str, ...]
    preflight_ok: bool
    held: bool
    receipts: ReceiptSummary
    control: Control = Control.PAUSE
    rung: RungNumber = 0
    rungs: tuple[RungResult, ...] = ()
    total_upper_ns: Int63 | None = None
    battery: tuple[CaseAnswer, ...] = ()
    seen: tuple[SignalSeen, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the site did all that the step asked, with evidence."""
        return self.verdict is Verdict.VERIFIED

    @property
    def halted(self) -> bool:
        """Whether witnesses saw it as ordered: receipts alone never count."""
        return self.grade in {Grade.WITNESSED, Grade.HELD}
