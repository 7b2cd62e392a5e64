"""The throttler's arithmetic: how much may be used now, and what a family of processes has used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agents.drivers.procfs import ProcessId
from agents.drivers.session import SessionUsage
from agents.drivers.throttle import Allowance

RATE_PER_S = 40_000.0
TURN_S = 0.1
CPUS = 4
LOOKS = st.lists(
    st.tuples(st.integers(1_000_000, 300_000_000), st.floats(0, 1)),  # nanoseconds gone by, share of all CPUs used
    min_size=1,
    max_size=60,
)


@given(LOOKS)
def test_who_works_only_while_something_is_left_keeps_to_the_rate(looks: list[tuple[int, float]]) -> None:
    """Over any stretch no more is used than accrued, one turn's saving, and what one look came too late for."""
    allowance = Allowance(RATE_PER_S, now_ns=0, used_us=0)
    now_ns = used_us = 0
    left_us = 0.0
    stretch_us = stretch_ns = 0
    overshoot_us = 0.0
    for gap_ns, share in looks:
        step_us = int(gap_ns / 1000 * CPUS * share) if left_us > 0 else 0
        overshoot_us = max(overshoot_us, step_us - left_us - RATE_PER_S * gap_ns / 1e9)
        now_ns, used_us = now_ns + gap_ns, used_us + step_us
        if overshoot_us > RATE_PER_S * 0.5:
            return  # a debt beyond half a second is forgiven: see the next test
        stretch_ns, stretch_us = stretch_ns + gap_ns, stretch_us + step_us
        left_us = allowance.account(now_ns, used_us)
        assert stretch_us <= RATE_PER_S * (stretch_ns / 1e9 + TURN_S) + max(0.0, overshoot_us) + 1


@given(st.integers(0, 10**9), st.integers(0, 10**12))
def test_neither_savings_nor_debts_grow_without_end(used_us: int, gap_ns: int) -> None:
    """An idle workload saves up no burst, and one that ran away is not starved for it later."""
    allowance = Allowance(RATE_PER_S, now_ns=0, used_us=0)
    left_us = allowance.account(gap_ns, used_us)
    assert -0.5 * RATE_PER_S <= left_us <= TURN_S * RATE_PER_S
    assert allowance.account(gap_ns + 700_000_000, used_us) > 0


def process(number: int) -> ProcessId:
    """Return some process."""
    return ProcessId(start_ticks=number, pid=number)


def test_a_child_that_ended_is_counted_once() -> None:
    """What was counted while it lived comes again in its parent's account, and only the rest is new."""
    parent, child, usage = process(1), process(2), SessionUsage()
    assert usage.add({parent: (500, 9_000)}) == 0, "what was used before does not count"
    assert usage.add({parent: (600, 9_000), child: (700, 0)}) == 800
    assert usage.add({parent: (600, 10_000), child: None}) == 1_100
    assert usage.add({parent: (650, 10_000), child: None}) == 1_150


def test_a_process_that_comes_later_counts_in_full() -> None:
    """A workload that hops from process to process must not escape its cap."""
    usage = SessionUsage()
    total_us = usage.add({process(1): (1_000, 0)})
    for number in range(2, 6):
        total_us = usage.add({process(number - 1): None, process(number): (1_000, 0)})
    assert total_us == 4_000
