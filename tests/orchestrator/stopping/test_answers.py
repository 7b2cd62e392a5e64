"""From answers to a breach: what is unknown too long, overdue or too late is never taken for good news."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.stopping.answers import DETAIL_MAX_CHARS, State, Watched, breach, clipped, fine, unknown

S = 1_000_000_000


def watched(*, grace_s: float = 3.0, due_s: float = 2.0) -> Watched:
    """Return a condition that began to be watched at time 0."""
    return Watched(grace_s, due_s, 0)


def test_what_never_answers_is_a_breach_after_its_grace() -> None:
    """A condition of which nothing was ever heard stops the drill once its grace is over, and says how long."""
    one = watched()
    assert one.finding(3 * S - 1).state is State.UNKNOWN
    found = one.finding(3 * S)
    assert found.state is State.BREACH
    assert found.detail == "unknown for 3 s, which counts as a breach: no answer yet"


def test_a_fine_answer_begins_the_grace_anew() -> None:
    """Unknown answers count from the first one after a fine one, not from the beginning."""
    one = watched(due_s=100.0)
    one.take(unknown("down"), 1 * S)
    one.take(fine(), 2 * S)
    assert one.finding(4 * S).state is State.FINE
    one.take(unknown("down"), 5 * S)
    one.take(unknown("still down"), 6 * S)
    assert one.finding(8 * S - 1).state is State.UNKNOWN
    assert "still down" in one.finding(8 * S).detail


def test_an_overdue_answer_is_unknown_from_when_it_was_due() -> None:
    """A probe that stops answering does not leave its last good answer standing."""
    one = watched()
    one.take(fine(), 1 * S)
    assert one.finding(3 * S).state is State.FINE
    assert one.finding(3 * S + 1).state is State.UNKNOWN
    assert one.finding(6 * S).state is State.BREACH


def test_without_grace_the_first_unknown_answer_is_a_breach() -> None:
    """A grace of nothing means nothing."""
    one = watched(grace_s=0.0)
    one.take(fine(), 1)
    one.take(unknown("refused"), 2)
    assert one.finding(2).state is State.BREACH


def test_a_breach_is_never_taken_back() -> None:
    """What was in breach once stays so, whatever is answered later."""
    one = watched()
    one.take(breach("bad"), 1)
    one.take(fine(), 2)
    assert one.finding(3) == breach("bad")


@given(st.text())
def test_words_of_others_are_safe_to_print(text: str) -> None:
    """Whatever a server says ends up short and printable in the log and in the reason of an abort."""
    said = clipped(text)
    assert said.isprintable()
    assert len(said) <= DETAIL_MAX_CHARS


@given(
    st.lists(st.tuples(st.integers(0, 3 * S), st.sampled_from([fine(), unknown("?")])), max_size=30),
    st.integers(0, 10 * S),
)
def test_silence_of_a_grace_and_a_due_time_is_always_a_breach(steps: list[tuple[int, object]], more: int) -> None:
    """However answers came before, hearing nothing for due time plus grace is a breach; a fresh fine one is none."""
    one, now = watched(), 0
    for wait, answer in steps:
        now += wait
        one.take(answer, now)  # type: ignore[arg-type]
        if answer == fine():
            assert one.finding(now).state is State.FINE
    assert one.finding(now + 5 * S + more).state is State.BREACH
