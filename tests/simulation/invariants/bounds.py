"""A drill always ends, and costs each site, and everybody's memory, a bounded amount."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from protocols.limits import INBOX_MAX_MESSAGES, TOMBSTONES_MAX
from protocols.messages import Warrant
from tests.simulation.invariants.ran import NS, Found, Ran

CLOSING_S = 10.0
SPARE_S = 15.0
PER_SECOND_MAX = 12.0
"""Most messages a second in the long run that any party publishes, beside what challenges ask of it."""

BURST_MAX = 400
KEPT_MAX = {
    "inbox": INBOX_MAX_MESSAGES,
    "receipts": 512,
    "refusals": 256,
    "tombstones": 3 * TOMBSTONES_MAX,
    "rejected": 1_001,
    "waiting": 1_000,
    "pending": 16,
}
"""Most things of each kind that a program keeps."""


def nothing_is_wrong_with_us(ran: Ran) -> Iterator[Found]:
    """No program ends by itself, or with a traceback."""
    for trouble in ran.truth.trouble:
        yield Found(trouble)


def _longest_s(warrant: Warrant) -> float:
    """Return how long a drill of a warrant takes at most: watching, holding, coming back, and last words."""
    total_s = CLOSING_S + SPARE_S
    for step in warrant.steps:
        extra_s = 4 * warrant.challenge_s
        back_s = max(step.restore_limit_s, step.response_limit_s) + step.dwell_s
        total_s += max(step.restore_limit_s, step.dwell_s) + max(step.hold_s, step.reach_s) + back_s + extra_s
    return total_s


def drills_end(ran: Ran) -> Iterator[Found]:
    """From its opening to its close a drill takes a time that follows from its warrant, crashes apart."""
    for drill, entries in ran.journals.items():
        warrant = ran.warrant_of(drill)
        if not entries or warrant is None:
            continue
        begun_ns = entries[0].at_ns
        ended_ns = entries[-1].at_ns if entries[-1].type == "drill.closed" else ran.truth.ended_ns
        again = len({one.epoch for one in entries})
        downs = [(down, up) for down, up in ran.downs.get("orchestrator", ()) if up > begun_ns and down < ended_ns]
        down_ns = sum(up - down for down, up in downs)
        most_ns = round(_longest_s(warrant) * again * NS) + down_ns
        if ended_ns - begun_ns > most_ns:
            yield Found(
                f"{drill} took {(ended_ns - begun_ns) / NS:.0f} s, and should have ended after {most_ns / NS:.0f} s",
                begun_ns + most_ns,
            )


def nobody_talks_too_much(ran: Ran) -> Iterator[Found]:
    """What each party publishes grows with the challenges and the time, not with what strangers do."""
    said: Counter[str] = Counter(sent.by for sent in ran.truth.sent)
    challenges = sum(one.type == "challenge.issued" for entries in ran.journals.values() for one in entries)
    elapsed_s = ran.truth.ended_ns / NS
    sites = len(ran.fleet.records)
    for who, count in said.items():
        if who == "orchestrator":
            most = BURST_MAX + 3 * challenges + PER_SECOND_MAX * elapsed_s * (1 + sites)
        elif who.partition("/")[0] in ran.fleet.records and "/" in who:
            most = BURST_MAX + 4 * challenges + PER_SECOND_MAX * elapsed_s
        else:
            continue
        if count > most:
            yield Found(f"{who} published {count} messages in {elapsed_s:.0f} s and {challenges} challenges")


def orders_are_not_hurried(ran: Ran) -> Iterator[Found]:
    """The same order or stop goes out about once a second, not more often."""
    times: dict[tuple[str, bytes], list[int]] = {}
    topics = {ran.topics.orders, ran.topics.stops, *(ran.topics.site_orders(site) for site in ran.fleet.records)}
    for sent in ran.truth.sent:
        if sent.by == "orchestrator" and sent.topic in topics:
            times.setdefault((sent.topic, sent.payload), []).append(sent.at_ns)
    for (topic, _), at in times.items():
        for i in range(len(at) - 5):
            if at[i + 5] - at[i] < 2 * NS:
                yield Found(f"six times the same on {topic} within two seconds", at[i])
                return


def memory_is_bounded(ran: Ran) -> Iterator[Found]:
    """No program keeps more of anything than it says."""
    for place, count in ran.truth.kept.items():
        what = place.rpartition("/")[2]
        if count > KEPT_MAX.get(what, count):
            yield Found(f"{place}: {count} were kept, {KEPT_MAX[what]} at most should be")


CHECKS = (
    nothing_is_wrong_with_us,
    drills_end,
    nobody_talks_too_much,
    orders_are_not_hurried,
    memory_is_bounded,
)
