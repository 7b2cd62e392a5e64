"""What each failure means to whoever answers for the fleet, and what to do about it, in a sentence each."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.grades import Cause


@dataclass(frozen=True, slots=True)
class Advice:
    """What is said of a failure.

    Attributes:
        means: What follows from it.
        do: What to do next.
    """

    means: str
    do: str


_NOT_TRIED = "Nothing was asked of the site, so nothing is known of it."
_WITNESSES = "Too little independent evidence reached the drill; the site may have done as ordered or not."
_SIDE_EFFECT = "The control reached further than it may: work that was to go on was harmed."

ADVICE: dict[Cause, Advice] = {
    Cause.NOT_ORDERED: Advice(_NOT_TRIED, "Find out why the step was never reached, and run the drill again."),
    Cause.UNCOVERED: Advice(
        "Nobody watches what this control changes, so no halt could be seen even if there were one.",
        "Give the site witnesses that cover the signals of this control, then have its record signed again.",
    ),
    Cause.ABORTED: Advice(
        "Somebody stopped the exercise before it could show anything.",
        "Settle the reason given for the abort, and run the drill again.",
    ),
    Cause.PENDING: Advice("The step has not ended.", "Wait for its end; this is no verdict yet."),
    Cause.DRIVER_FAILED: Advice(
        "The order arrived and was accepted, and the means to carry it out did not work.",
        "Repair the site's driver with its operator, then rehearse with a standby before the next drill.",
    ),
    Cause.SILENT: Advice(
        "The order may never have arrived. A site that cannot be reached cannot be stopped this way.",
        "Check that the agent runs and reaches the broker; until it answers, plan on another way to stop the site.",
    ),
    Cause.NO_LOAD: Advice(
        "The site was not at work before the order, so its quiet afterwards proves nothing.",
        "Run the drill again while the site carries load, or correct the load band in its record.",
    ),
    Cause.NO_CLOSING: Advice(
        "Witnesses went away before they had given their last word, so what they said may be incomplete.",
        "Find out why they stopped, and run the drill again.",
    ),
    Cause.FORKED: Advice(
        "A witness gave two different accounts under one key. It was restored from a copy, or somebody has its key.",
        "Treat the witness's key as compromised until it is explained; replace it before it counts again.",
    ),
    Cause.DISHONEST: Advice(
        "A witness's own statements cannot all be true.",
        "Take the witness out of the record, and look into it with its owner.",
    ),
    Cause.GAP: Advice(
        "Part of what witnesses saw never arrived. Work may have gone on unseen in the gap.",
        "Look into the witnesses' connection, and run the drill again.",
    ),
    Cause.DISSENT: Advice(
        "Witnesses disagree. One of them saw the site otherwise than ordered, and that is not outvoted.",
        "Compare what the dissenting witness measures with the others before believing either.",
    ),
    Cause.NO_QUORUM: Advice(
        "Witnesses did not see the site as ordered for long enough at the same time. It may not have halted.",
        "Treat the site as not stopped; look at its witnesses' readings with its operator.",
    ),
    Cause.CLOCK_RESTART: Advice(
        "The orchestrator went down in between. Whether the site was in time is lost, and it is nobody's fault there.",
        "Find out why the orchestrator restarted, and run the drill again.",
    ),
    Cause.NOT_RELEASED: Advice(
        "The site was never told to go on. It was to come back by its own timer.",
        "Make sure that the site is back at work, then run the drill again.",
    ),
    Cause.RESTORE_UNPROVEN: Advice(
        "The halt is proved; that the site came back is not.",
        "Make sure that the site is back at work, and repair what kept its witnesses from seeing it.",
    ),
    Cause.REFUSED: Advice(
        "The site did nothing, by a rule or by somebody's decision. The same order would be refused in earnest.",
        "Settle the reason that it gave, in its record, its policy or with its operator.",
    ),
    Cause.RESTORED_LATE: Advice(
        "The site came back, later than agreed. Drills cost it more than was approved.",
        "Find what slows its return; until then plan a longer restore limit or a shorter hold.",
    ),
    Cause.NOT_SEEN_BACK: Advice(
        "The exercise did not undo itself: the site was not seen at work again.",
        "Restore the site by hand now if it is still down, and do not drill it again before the cause is found.",
    ),
    Cause.ACTIVE_IN_HOLD: Advice(
        "The site stopped and then went back to work while it was to stay stopped. A halt that does not last is none.",
        "Find what started the work again: a scheduler, a restart policy, or a person.",
    ),
    Cause.ACTIVE_AFTER_REPORT: Advice(
        "The site's own software said that it had stopped, and it had not. Its word cannot be relied on.",
        "Treat it as an incident: find out whether the report is wrong by fault or by intent, before anything else.",
    ),
    Cause.OVER_LIMIT: Advice(
        "The site does stop, too slowly for what was agreed.",
        "Find where the time goes (the receipts say), or have a longer limit approved on purpose.",
    ),
    Cause.ESCALATED: Advice(
        "The mildest control did not stop the site and a harsher one did.",
        "Repair the first rung: harsher ones cost more, and some cannot be undone.",
    ),
    Cause.NO_REPORT: Advice(
        "Witnesses saw it done, and the site's own account, which this control needs, is missing.",
        "Look into the agent's log at the site.",
    ),
    Cause.NO_CHECKPOINT: Advice(
        "The site stopped without naming what it saved. Work since its last checkpoint may be lost.",
        "Check the site's checkpoints, and its driver's way of writing them.",
    ),
    Cause.NOT_ARMED: Advice(
        "The site cannot be fired: there is no nonce that a second warrant could quote.",
        "Look into the agent's store at the site, and arm it again.",
    ),
    Cause.PROOF_MISSING: Advice(
        "The site left out a part of the rehearsal, so that part is not known to work.",
        "Update the agent or its driver to one that can prove each part.",
    ),
    Cause.PROOF_FAILED: Advice(
        "In earnest the site would not have stopped, or not come back.",
        "Repair the part that is named, and rehearse again.",
    ),
    Cause.OBEYED: Advice(
        "The site acted on an order that it had to refuse. Whoever can write to the broker may be able to stop it.",
        "Treat it as an incident: take the agent out of service until the check that failed is found.",
    ),
    Cause.WRONG_REASON: Advice(
        "The forged order was refused, by another check than the one meant to stop it; that one may not work.",
        "Find which check answered, and why the right one did not.",
    ),
    Cause.UNANSWERED: Advice(
        "The site said nothing to an order that it had to refuse, so nobody knows what it would have done.",
        "Check the agent's connection and log, and repeat the battery.",
    ),
    Cause.STEADY_BROKEN: Advice(_SIDE_EFFECT, "Find out whether the drill or something else disturbed the work."),
    Cause.STEADY_UNPROVEN: Advice(
        _WITNESSES, "Look into the witnesses' readings, and run the drill again while the site carries steady load."
    ),
    Cause.LAPSED_EARLY: Advice(
        "The site stopped although it still held a licence: losing its leash's renewals would stop it too soon.",
        "Check the site's clock and how it receives renewals.",
    ),
    Cause.STARVED: Advice(_SIDE_EFFECT, "Correct what the driver stops, or how low the cap is, before the next drill."),
    Cause.OVER_BAND: Advice(
        "Work that was to go on as before took more than before: what was paused may run on under another name.",
        "Find out which work grew in the protected class.",
    ),
    Cause.CANARY_RUNS: Advice(
        "Work escapes the control by carrying a protected label.", "Make the site check labels, not believe them."
    ),
    Cause.RUN_ADMITTED: Advice(
        "The cap does not hold: a run above it was started.", "Repair admission at the site's scheduler."
    ),
    Cause.RUN_TURNED_AWAY: Advice(
        "The cap stops more than it may: a permitted run was refused.", "Correct the cap at the site's scheduler."
    ),
    Cause.EGRESS_OPEN: Advice(
        "The site could still be reached or reach out; it was not isolated.",
        "Find the path that stayed open, from inside and from outside.",
    ),
    Cause.FEED_ON: Advice(
        "The power controller contradicts the cut. The breaker may not have opened.",
        "Have the feed inspected on site.",
    ),
    Cause.CENSUS_DISAGREES: Advice(
        "Accelerators are missing, unknown or counted twice, so no control is known to reach all of them.",
        "Reconcile the register with what is physically there.",
    ),
    Cause.CAME_BACK: Advice(
        "What was to be gone for good is there again.",
        "Find out who or what brought it back; decommissioning is not finished.",
    ),
}
"""For every cause; a test holds it complete."""

NO_CAUSE = Advice("The result names no cause.", "Look into the evidence bundle.")


def advice(cause: Cause | None) -> Advice:
    """Return what is said of a failure."""
    return NO_CAUSE if cause is None else ADVICE[cause]
