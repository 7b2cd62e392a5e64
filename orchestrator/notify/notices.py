"""What people are told: one notice, in words and as data."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.logbook.standing import Standing
from protocols.controls import Control
from protocols.ids import Digest, DrillId, Int63, Name, SiteId, UtcTime
from protocols.messages.base import Part
from protocols.messages.orders import StepNumber

SITES_MAX = 20
"""Most sites that one notice names; it says how many there are in all."""

SUMMARY_MAX_CHARS = 300


class NoticeKind(StrEnum):
    """What a notice is about.

    `started`: a drill was opened. `loud`: sites are contradicted, broken, not restored, or refuse. `stopped`: a drill
    was aborted, by a person, a stop condition or the safety lever. `ended`: a drill is over, with its result.
    `overdue`: proofs of controls at sites are older than allowed. `attention`: a scheduled drill did not happen, or
    cannot, or its warrant runs out. `test`: somebody tries the hooks.
    """

    STARTED = "started"
    LOUD = "loud"
    STOPPED = "stopped"
    ENDED = "ended"
    OVERDUE = "overdue"
    ATTENTION = "attention"
    TEST = "test"


class Severity(StrEnum):
    """How much it matters, in PagerDuty's and Alertmanager's words."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class SiteNoticed(Part):
    """A site that a notice is about.

    Attributes:
        site: The site.
        step: The step's number, from 0; none where the notice is about no step.
        step_name: The step's name in the plan.
        control: What is exercised.
        standing: Where the site stands.
        detail: The same in words.
    """

    site: SiteId
    step: StepNumber | None = None
    step_name: Name | None = None
    control: Control
    standing: Annotated[Standing, Field(strict=False)] | None = None
    detail: Annotated[str, Field(max_length=SUMMARY_MAX_CHARS)] = ""


class Notice(Part):
    """One notice. What is sent again has the same id, so that whoever gets it twice can tell.

    Attributes:
        id: What it is known by.
        kind: What it is about.
        severity: How much it matters.
        at: When it happened, RFC 3339 in UTC.
        summary: It in one sentence.
        fleet: The fleet's id; none where it is not known.
        drill: The drill, if it is about one.
        plan: The plan, if it is about one.
        passed: Of a drill that ended: whether every site was verified in every step.
        sites: The first of the sites that it is about.
        sites_total: How many those are in all.
        demo: Whether it is a rehearsal: mock sites, or keys all made in one place.
    """

    type: Literal["haltdrill.notice"] = "haltdrill.notice"
    v: Literal[1] = 1
    id: Digest
    kind: Annotated[NoticeKind, Field(strict=False)]
    severity: Annotated[Severity, Field(strict=False)]
    at: UtcTime
    summary: Annotated[str, Field(max_length=SUMMARY_MAX_CHARS)]
    fleet: Digest | None = None
    drill: DrillId | None = None
    plan: Name | None = None
    passed: bool | None = None
    sites: Annotated[tuple[SiteNoticed, ...], Field(max_length=SITES_MAX)] = ()
    sites_total: Int63 = 0
    demo: bool = False


def notice_id(*about: str) -> str:
    """Return the id of a notice: the same for the same thing, also after a restart."""
    return hashlib.sha256("\0".join(about).encode()).hexdigest()


def one_line(text: str) -> str:
    """Return text as one line of at most `SUMMARY_MAX_CHARS`, with nothing that a terminal or a header acts upon."""
    flat = "".join(char if char.isprintable() else " " for char in text)
    flat = " ".join(flat.split())
    return flat if len(flat) <= SUMMARY_MAX_CHARS else flat[: SUMMARY_MAX_CHARS - 1] + "…"


def in_words(notice: Notice) -> str:
    """Return a notice as plain text of a few lines, for a mail or a chat."""
    lines = [notice.summary, ""]
    for about in notice.sites:
        where = f"{about.site}, {about.step_name or about.control}"
        lines.append(f"- {where}: {about.detail or about.standing or ''}".rstrip(": "))
    if notice.sites_total > len(notice.sites):
        lines.append(f"- and {notice.sites_total - len(notice.sites)} more")
    facts = [("Plan", notice.plan), ("Drill", notice.drill), ("At", notice.at)]
    lines += ["", *(f"{name}: {value}" for name, value in facts if value)]
    if notice.demo:
        lines.append("A rehearsal: mock sites, or keys that were all made in one place.")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"
