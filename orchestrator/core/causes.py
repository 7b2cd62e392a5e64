"""Why a verdict is no better than it is: one stable word each, and its sentence for people."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a verdict is no better."""

    NOT_ORDERED = "not_ordered"
    UNCOVERED = "uncovered"
    ABORTED = "aborted"
    PENDING = "pending"
    DRIVER_FAILED = "driver_failed"
    SILENT = "silent"
    NO_LOAD = "no_load"
    NO_CLOSING = "no_closing"
    FORKED = "forked"
    DISHONEST = "dishonest"
    GAP = "gap"
    DISSENT = "dissent"
    NO_QUORUM = "no_quorum"
    CLOCK_RESTART = "clock_restart"
    NOT_RELEASED = "not_released"
    RESTORE_UNPROVEN = "restore_unproven"
    REFUSED = "refused"
    RESTORED_LATE = "restored_late"
    NOT_SEEN_BACK = "not_seen_back"
    ACTIVE_IN_HOLD = "active_in_hold"
    ACTIVE_AFTER_REPORT = "active_after_report"
    OVER_LIMIT = "over_limit"
    ESCALATED = "escalated"
    NO_REPORT = "no_report"
    NO_CHECKPOINT = "no_checkpoint"
    NOT_ARMED = "not_armed"
    PROOF_MISSING = "proof_missing"
    PROOF_FAILED = "proof_failed"
    OBEYED = "obeyed"
    WRONG_REASON = "wrong_reason"
    UNANSWERED = "unanswered"
    STEADY_BROKEN = "steady_broken"
    STEADY_UNPROVEN = "steady_unproven"
    LAPSED_EARLY = "lapsed_early"
    STARVED = "starved"
    OVER_BAND = "over_band"
    CANARY_RUNS = "canary_runs"
    RUN_ADMITTED = "run_admitted"
    RUN_TURNED_AWAY = "run_turned_away"
    EGRESS_OPEN = "egress_open"
    FEED_ON = "feed_on"
    CENSUS_DISAGREES = "census_disagrees"
    CAME_BACK = "came_back"


CAUSE_TEXT: dict[Cause, str] = {
    Cause.NOT_ORDERED: "the order was never given",
    Cause.UNCOVERED: "its witnesses do not cover the signals that this control is judged by",
    Cause.ABORTED: "the drill was aborted",
    Cause.PENDING: "the step is still running",
    Cause.DRIVER_FAILED: "its agent reported that the driver could not act",
    Cause.SILENT: "its agent answered nothing",
    Cause.NO_LOAD: "no quorum of witnesses saw it as it should be, with its load in band, before the order",
    Cause.NO_CLOSING: "too few witnesses closed their account",
    Cause.FORKED: "a witness's chain forked, which leaves no quorum",
    Cause.DISHONEST: "a witness contradicted itself, which leaves no quorum",
    Cause.GAP: "readings are missing that were never filled in",
    Cause.DISSENT: "a witness saw it otherwise than ordered and never saw it as ordered together with the others",
    Cause.NO_QUORUM: "no quorum of witnesses saw it as ordered for the whole dwell at once",
    Cause.CLOCK_RESTART: "the orchestrator restarted in between, so the response time is unknown",
    Cause.NOT_RELEASED: "it was never released",
    Cause.RESTORE_UNPROVEN: "its recovery could not be witnessed",
    Cause.REFUSED: "its agent refused the order",
    Cause.RESTORED_LATE: "it came back after the restore limit",
    Cause.NOT_SEEN_BACK: "it was not seen back in steady state within the restore limit",
    Cause.ACTIVE_IN_HOLD: "it was as ordered for a whole dwell, and then a witness saw work inside the hold",
    Cause.ACTIVE_AFTER_REPORT: "its agent reported a halt while a witness saw it at work",
    Cause.OVER_LIMIT: "it was not as ordered by the response limit",
    Cause.ESCALATED: "it did not do what was ordered first, and climbed its ladder",
    Cause.NO_REPORT: "its agent did not report it done while it was, and that report is part of the proof",
    Cause.NO_CHECKPOINT: "the report of its shutdown names no checkpoint on its disk",
    Cause.NOT_ARMED: "the report of its arming holds no nonce",
    Cause.PROOF_MISSING: "its agent's report lacks a proof that was demanded",
    Cause.PROOF_FAILED: "its agent exercised the path to a halt, and a part of it would not have worked",
    Cause.OBEYED: "it obeyed an order that nobody may obey",
    Cause.WRONG_REASON: "it refused an order of the battery for another reason than the right one",
    Cause.UNANSWERED: "it left an order of the battery unanswered",
    Cause.STEADY_BROKEN: "its steady state broke, though its work was to go on",
    Cause.STEADY_UNPROVEN: "no quorum of witnesses saw its steady state unbroken throughout",
    Cause.LAPSED_EARLY: "its work did not go on while its licence was still renewed",
    Cause.STARVED: "work that was to go on was starved",
    Cause.OVER_BAND: "work that was to go on as before rose over its band",
    Cause.CANARY_RUNS: "a job under a false label went on running",
    Cause.RUN_ADMITTED: "a new run above the cap was started",
    Cause.RUN_TURNED_AWAY: "a new run below the cap was refused",
    Cause.EGRESS_OPEN: "its network egress was still open",
    Cause.FEED_ON: "the power controller itself says that the feed is on",
    Cause.CENSUS_DISAGREES: "what is registered, what answered and what is there do not agree",
    Cause.CAME_BACK: "it was gone, and came back",
}
"""What each cause means, for people; a test holds it complete."""
