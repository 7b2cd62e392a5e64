"""Where a site of a running drill stands, in one word: what the live views show and what the log says of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.core.grades import Grade, SiteStepResult, Verdict
from orchestrator.core.states import Phase
from protocols.controls import Params, comes_back

if TYPE_CHECKING:  # views of a log have standings without any of what finds them
    from orchestrator.core.drill import Drill
    from orchestrator.core.live import Live


class Standing(StrEnum):
    """Where a site stands in the running step, from its beginning to its end.

    Until the end it is provisional, except that what is loud stays loud: it is what `Live` finds by now.
    """

    WAITING = "waiting"
    AT_WORK = "at_work"
    ORDERED = "ordered"
    ACCEPTED = "accepted"
    SELF_REPORTED = "self_reported"
    CORROBORATED = "corroborated"
    WITNESSED = "witnessed"
    HELD = "held"
    COMING_BACK = "coming_back"
    BACK = "back"
    VERIFIED = "verified"
    LATE = "late"
    UNPROVEN = "unproven"
    REFUSED = "refused"
    NOT_RESTORED = "not_restored"
    BROKEN = "broken"
    CONTRADICTED = "contradicted"

    # That of a string it is: `Enum` would compute the same in Python, and a log has a hundred thousand of them.
    __hash__ = str.__hash__

    @property
    def loud(self) -> bool:
        """Whether somebody must look at it now."""
        return self in LOUD

    @property
    def halted(self) -> bool:
        """Whether a quorum of witnesses sees it as ordered."""
        return self in _HALTED

    @property
    def timed(self) -> bool:
        """Whether its response time may be known: it was seen as ordered, and may be on its way back."""
        return self in _TIMED


STANDING_MEANING: dict[Standing, str] = {
    Standing.WAITING: "nothing is known of it in this step yet",
    Standing.AT_WORK: "a quorum of witnesses sees its steady state, before the order",
    Standing.ORDERED: "the order was given, and nothing was heard of it",
    Standing.ACCEPTED: "who acts there accepted the order",
    Standing.SELF_REPORTED: "only who acts there says that it was done",
    Standing.CORROBORATED: "one witness owner saw it as ordered, too few for a quorum",
    Standing.WITNESSED: "a quorum of witnesses saw it as ordered",
    Standing.HELD: "a quorum of witnesses saw it as ordered to the end of the hold",
    Standing.COMING_BACK: "the hold is over, and no quorum has seen it back",
    Standing.BACK: "a quorum of witnesses has seen it back",
    Standing.VERIFIED: "final: it did all that was asked, with evidence",
    Standing.LATE: "final: it did, but over its limit, or only on a harsher rung",
    Standing.UNPROVEN: "final: the evidence does not show it",
    Standing.REFUSED: "it refused the order",
    Standing.NOT_RESTORED: "it did not come back in time",
    Standing.BROKEN: "it was active again inside the hold",
    Standing.CONTRADICTED: "who acts there reports what witnesses see to be false",
}
"""What each means, for people; a test holds it complete."""

_HALTED = frozenset({Standing.WITNESSED, Standing.HELD})
_TIMED = _HALTED | {Standing.COMING_BACK, Standing.BACK}
LOUD = frozenset({Standing.REFUSED, Standing.NOT_RESTORED, Standing.BROKEN, Standing.CONTRADICTED})
_LOUD_VERDICTS = {Verdict.REFUSED, Verdict.NOT_RESTORED, Verdict.BROKEN, Verdict.CONTRADICTED}


def params_at(drill: Drill, site: str) -> Params:
    """Return what is exercised at a site now: the control of the highest rung that was ordered there."""
    return drill.warrant.steps[drill.step.number].rungs[drill.step.top(site)].params


def standing(drill: Drill, live: Live, site: str, result: SiteStepResult | None) -> Standing:
    """Say where one site of a running drill stands.

    Args:
        drill: The drill.
        live: Its provisional judgements.
        site: A site of its audience.
        result: What `live` finds of it now.
    """
    if result is None:
        return Standing.WAITING
    if result.verdict in _LOUD_VERDICTS:
        return Standing(result.verdict.value)
    match drill.phase:
        case Phase.PREFLIGHT:
            return Standing.AT_WORK if site in live.steady() else Standing.WAITING
        case Phase.ABORTING if drill.step.ordered is None:
            return Standing.AT_WORK if site in live.steady() else Standing.WAITING
        case Phase.ORDERED | Phase.RECOVERING | Phase.ABORTING:
            return _exercised(drill, live, site, result.grade)
        case _:
            return Standing(result.verdict.value)


def _exercised(drill: Drill, live: Live, site: str, grade: Grade) -> Standing:
    """Say it from the order on; where nothing was changed there is nothing to come back from."""
    if drill.phase is not Phase.ORDERED and comes_back(params_at(drill, site)):
        return Standing.BACK if site in live.back() else Standing.COMING_BACK
    return Standing.ORDERED if grade is Grade.SILENT else Standing(grade.value)
