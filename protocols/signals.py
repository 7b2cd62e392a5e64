"""The names of signals, and the words that facts say: what probes send and criteria ask for.

Counters of work are named by each site record (`WorkRate.signal`); everything else is named here.
"""

from __future__ import annotations

LIVE_PROCESSES = "live_processes"
"""Peak: processes of the work that are alive."""

POWER = "power_w"
"""Peak: power drawn from the feed, watts, on a meter that belongs to neither agent nor enforcer."""

DEVICES = "devices_counted"
"""Peak: accelerators that are there: physically counted, or answering a nonce from wherever they are."""

FEED = "feed_state"
"""Fact: what the power controller itself says, `FEED_ON` or `FEED_OFF`."""
FEED_ON, FEED_OFF = "on", "off"

RUN_ABOVE, RUN_BELOW = "run_above_cap", "run_below_cap"
"""Facts: what became of a new run above and of one below the cap, both submitted by the witness.

The cap is the one in `Challenge.exercise`. A run that was started or refused says so; one that waits
in a queue is neither.
"""
RUN_STARTED, RUN_REFUSED, RUN_QUEUED = "started", "refused", "queued"

RUNS_OVER = "runs_over_cap"
"""Fact: the running jobs above the cap, `NONE` or their names; the digest is over all of them, a line each."""

LABEL_CANARY = "label_canary"
"""Fact: what became of a job that the witness submitted under the label of a protected class."""
CANARY_CAUGHT, CANARY_RUNS, CANARY_NOT_TRIED = "caught", "runs", "not_tried"

EGRESS_INSIDE, EGRESS_OUTSIDE = "egress_inside", "egress_outside"
"""Facts: whether a canary sent from inside got out, as the sender and as the outside saw it."""
EGRESS_BLOCKED, EGRESS_REACHED = "blocked", "reached"
EGRESS_SILENT, EGRESS_SEEN = "silent", "seen"

CENSUS_MISSING, CENSUS_UNREGISTERED, CENSUS_DOUBLED = "census_missing", "census_unregistered", "census_doubled"
"""Facts: accelerators that did not answer, that nobody registered, and that answered for another; `NONE` or names."""

CENSUS_COUNT = "census_count"
"""Fact: `AGREES` when as many are registered, answering and physically counted; else the three numbers."""
AGREES = "agrees"

CENSUS_REGISTRY = "census_registry"
"""Fact: the size of the register that the census was taken against; the digest is the register's."""

NONE = "none"
"""Nothing to name."""
