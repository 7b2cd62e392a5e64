"""What each panel says, without a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.logbook.standing import Standing
from orchestrator.watch.panels import bar, choosing, curve, heading, notes, once, tail, trouble
from orchestrator.watch.panels.big import big
from orchestrator.watch.panels.detail import detail
from orchestrator.watch.panels.figures import S_NS, duration, interval, left, seconds, stamp_ns
from orchestrator.watch.panels.keys import Playing, bottom, help_page
from orchestrator.watch.panels.looks import LOOKS
from orchestrator.watch.panels.paint import (
    Role,
    Span,
    clean,
    cut,
    fit,
    pad,
    plain,
    span_width,
    title,
    width_of,
    wrapped,
)
from orchestrator.watch.panels.tail import Filter, parse_filter
from protocols.logged import Level
from tests.orchestrator.watch.told import drill_of, lines_of, now_of, text, view_of

WORDS = st.text(max_size=60)


@given(WORDS, st.integers(1, 50))
def test_a_text_takes_the_cells_it_is_given(words: str, width: int) -> None:
    """Whatever a log holds, a line is never wider than its panel, which would break the whole screen."""
    shown = clean(words)
    assert width_of(cut(shown, width)) <= width
    assert width_of(pad(shown, width)) == width
    assert span_width(fit((Span(shown), Span(shown)), width)) == width
    assert all(width_of(line) <= max(2, width) for line in wrapped(shown, width))


@given(WORDS)
def test_nothing_that_a_terminal_acts_upon_is_shown(words: str) -> None:
    """A site's name or sentence may hold an escape sequence, which must not reach the terminal."""
    assert clean(words + "\x1b[2J\u202e").isprintable()


def test_every_standing_has_a_look_of_its_own() -> None:
    """Without colour, the letter alone tells standings apart; a new standing cannot be forgotten."""
    assert set(LOOKS) == set(Standing)
    assert len({look.letter for look in LOOKS.values()}) == len(Standing)
    assert max(LOOKS, key=lambda one: LOOKS[one].rank) is Standing.CONTRADICTED
    assert all((LOOKS[one].role is Role.LOUD) == one.loud for one in Standing)


@pytest.mark.parametrize(
    ("span_ns", "words"),
    [
        (0, "0 s"),
        (59 * S_NS, "59 s"),
        (187 * S_NS, "3:07 min"),
        (3753 * S_NS, "1:02:33 h"),
        (100_000 * S_NS, "1 d 3 h"),
    ],
)
def test_durations_read_at_a_glance(span_ns: int, words: str) -> None:
    """The countdown is the same form that people say it in."""
    assert duration(span_ns) == words


def test_times_are_rounded_to_the_safe_side() -> None:
    """No interval looks better than it is, and a countdown says 0 s only when it is over."""
    assert interval(417_000_000, 661_000_001) == "0.41\N{EN DASH}0.67 s"
    assert interval(None, None) == ""
    assert left(1) == "1 s"
    assert left(-5) == "0 s"
    assert seconds(4 * S_NS) == "4 s"
    assert seconds(900 * S_NS) == "15 min"
    assert stamp_ns("2026-02-31T00:00:00.000000001Z") == 1


@given(st.dictionaries(st.sampled_from(list(Standing)), st.integers(0, 20_000)), st.integers(20, 200))
def test_the_bar_hides_nobody(counts: dict[Standing, int], width: int) -> None:
    """A single site in trouble among ten thousand has a cell of the bar, and the bar is full."""
    found = dict(bar.shares(counts, width))
    present = {one for one, count in counts.items() if count}
    assert set(found) == present
    assert sum(found.values()) == (width if present else 0)
    assert span_width(bar.bar(counts, width)) == width


def test_the_legend_begins_with_who_is_in_trouble() -> None:
    """Where there is no room for all letters, the loud ones are the ones that are explained."""
    counts = {Standing.HELD: 900, Standing.WITNESSED: 5, Standing.CONTRADICTED: 1, Standing.LATE: 2}
    (line,) = bar.legend(counts, 60, 1)
    assert plain(line).startswith("X contradicted 1   L late 2   H held 900")
    assert plain(bar.legend(counts, 30, 1)[0]).rstrip().endswith("\N{HORIZONTAL ELLIPSIS}")


@pytest.mark.parametrize(
    ("until_s", "word", "score", "wait"),
    [
        (5.9, "PREFLIGHT", "100 of 100 at work", "no order yet, watched for"),
        (40, "ORDERED", "halted", "release in"),
        (70, "RECOVERING", "back at work", "all back within"),
        (1e9, "NOT PASSED", "verified", "took 1:28 min"),
    ],
)
def test_the_heading_answers_the_first_questions(until_s: float, word: str, score: str, wait: str) -> None:
    """In each phase it says what runs, how many of how many, who is in trouble and how long still."""
    drill = drill_of(until_s, sites=100, faults=0.05)
    first, second = heading.heading(drill, trouble.totals(trouble.troubles(drill)), now_of(drill), 120)
    assert plain(first).startswith(f" {word} ")
    assert "step 1 of 1: pause, ladder of 3" in plain(first)
    assert score in plain(second)
    assert wait in plain(second)
    assert ("IN TROUBLE" in plain(second)) == (until_s > 6)
    assert all(span_width(line) == 120 for line in (first, second))


def test_a_release_that_does_not_come_is_loud() -> None:
    """An orchestrator that died in a hold is noticed, and the person is told what to do."""
    drill = drill_of(60, sites=10, faults=0.0)
    assert drill.step.ordered is not None
    due_ns = stamp_ns(drill.step.ordered.timestamp) + drill.step.ordered.release_after_ns
    assert heading.countdown(drill, due_ns - 5 * S_NS).sentence == "release in 5 s"
    assert heading.silence(drill, due_ns + S_NS) == ""
    late = heading.countdown(drill, due_ns + 30 * S_NS)
    assert (late.sentence, late.role) == ("RELEASE OVERDUE by 30 s", Role.LOUD)
    assert "haltdrill resume" in heading.silence(drill, due_ns + 30 * S_NS)


def test_an_abort_is_what_the_heading_says() -> None:
    """An aborted drill does not look like one that runs, nor like one that passed."""
    running, over = (drill_of(until_s, sites=20, faults=0.0, abort_at_s=30.0) for until_s in (32, 1e9))
    assert heading.state(running)[0] == "ABORTING"
    assert heading.countdown(running, now_of(running)).words == "all back within"
    assert heading.state(over) == ("ABORTED", Role.LOUD)


def test_large_numbers_are_three_lines_of_one_width() -> None:
    """Big figures stand upright, and a figure without a big form is still there."""
    for value in ("1,234:567,890", "x"):
        assert len({len(row) for row in big(value)}) == 1
    drill = drill_of(40, sites=100, faults=0.05)
    lines = heading.tall(drill, (2, 0), now_of(drill), 150)
    assert "of 100 halted" in text(lines)
    assert "IN TROUBLE" in text(lines)
    assert "to release" in text(lines)
    assert len(heading.tall(drill, (2, 0), now_of(drill), 60)) == 5


def test_the_loudest_come_first_each_with_its_sentence() -> None:
    """Whoever looks sees the worst first and reads what it means, not only a word."""
    drill = drill_of(sites=200, faults=0.05)
    found = trouble.troubles(drill)
    assert found[0].standing is Standing.CONTRADICTED
    assert [one.rank for one in found] == sorted((one.rank for one in found), reverse=True)
    assert "its agent reported a halt while a witness saw it at work" in found[0].sentence
    assert all(one.sentence and one.site not in one.sentence for one in found)
    loud, failed = trouble.totals(found)
    assert (loud, loud + failed) == (sum(one.loud for one in found), len(found))


def test_trouble_while_it_happens_has_a_sentence_too() -> None:
    """Before the verdict, a loud site already says why it is loud; a climb says that it climbed."""
    drill = drill_of(40, sites=200, faults=0.05)
    found = trouble.troubles(drill)
    assert any("3 of its witnesses against" in one.sentence for one in found)
    climbs = [one for one in found if one.climbed]
    assert climbs
    assert "climbs to rung 2" in climbs[0].sentence
    assert found[-1].climbed


def test_trouble_of_a_step_that_is_over_stays_in_sight() -> None:
    """A lie in the first step is not forgotten because the second has begun."""
    drill = drill_of(100, sites=60, faults=0.05, steps=2)
    assert drill.running == 1
    past = [one for one in trouble.troubles(drill) if one.step == 0]
    assert Standing.CONTRADICTED in {one.standing for one in past}
    assert "in step 1: " in text(trouble.panel(past, 120, 5))


def test_nobody_in_trouble_is_said() -> None:
    """An empty panel would leave open whether it is broken."""
    assert "nothing so far" in text(trouble.panel([], 60, 4))


def test_the_curve_counts_what_is_proved_by_the_limit() -> None:
    """Its words agree with the drill's results, and late and unseen sites are not counted as in time."""
    drill = drill_of(sites=100, faults=0.05)
    found = curve.of(drill.halts(0), 100, drill.step.stated.response_limit_ns, None, "halted")
    results = [site.results[0] for site in drill.sites.values()]
    limit_ns = drill.step.stated.response_limit_ns
    wanted = sum(one.halted and (one.response_upper_ns or 0) <= limit_ns for one in results)
    assert curve.summary(found) == f"{wanted} of 100 within 10 s"
    assert "50% by" in curve.quantiles(found)


@pytest.mark.parametrize("braille", [True, False])
@pytest.mark.parametrize(("width", "height"), [(40, 8), (100, 20), (12, 3), (5, 2), (3, 1)])
def test_the_curve_fits_its_panel(width: int, height: int, braille: bool) -> None:
    """At any size it has the limit and both axes, or else its words, and never more lines or cells than there are."""
    found = curve.of([(S_NS * n // 10, S_NS * n // 10 + S_NS) for n in range(50)], 80, 10 * S_NS, None, "halted")
    lines = curve.panel(found, width, height, braille=braille)
    assert len(lines) == height
    assert all(span_width(line) <= width for line in lines if width >= 12)
    if width >= 40:
        assert "limit 10 s" in text(lines)
        assert curve.LIMIT_LINE in text(lines)


def test_the_curve_stops_at_the_present() -> None:
    """While a drill runs, nothing is drawn for the time that has not come."""
    pairs = [(S_NS, 2 * S_NS)] * 5

    def rightmost(elapsed_ns: int | None) -> int:
        top, *_ = curve.panel(curve.of(pairs, 5, 10 * S_NS, elapsed_ns, "halted"), 60, 10)
        return max((at for at, char in enumerate(plain(top)) if "\u2801" <= char <= "\u28ff"), default=0)

    assert 0 < rightmost(4 * S_NS) < rightmost(8 * S_NS) < rightmost(None)


def test_a_filter_is_read_as_it_is_written() -> None:
    """Level, site and words narrow what is shown; what was not understood is said, not ignored."""
    before = Filter()
    assert parse_filter("level:warn", before) == Filter(Level.WARNING)
    assert parse_filter("site:eu Halted", before) == Filter(Level.DEBUG, "eu", ("halted",))
    assert parse_filter("", Filter(Level.ERROR)) == Filter()
    assert "no level 'loud'" in parse_filter("level:loud", before).wrong
    chosen = Filter(Level.WARNING, "eu", ("x",))
    assert parse_filter(chosen.text, before) == chosen


def test_a_filter_lets_through_what_it_says() -> None:
    """A person who looks for one site sees that site's lines and no other's."""
    lines = lines_of(40, sites=60, faults=0.05)
    drill = lines[0].drill
    site = next(line.site for line in lines if getattr(line, "standing", None) is Standing.CONTRADICTED)
    about = list(tail.chosen(reversed(lines), drill, Filter(Level.DEBUG, site)))
    assert about
    assert all(line.site == site for line in about)
    loud = list(tail.chosen(reversed(lines), drill, Filter(Level.ERROR)))
    assert all(line.level is Level.ERROR for line in loud)
    assert not list(tail.chosen(lines, "another", Filter(Level.DEBUG)))
    shown = text(tail.panel(tail.chosen(reversed(lines), drill, Filter(words=("step", "order.issued"))), 80, 3))
    assert "step 1 of 1, pause-1: ordered" in shown


def test_events_are_shown_oldest_first_and_scroll() -> None:
    """The newest line is at the bottom, as in any log; scrolled back, older ones are there."""
    lines = lines_of(40, sites=20)
    now, before = (text(tail.panel(reversed(lines), 200, 3, back)) for back in (0, 3))
    assert now.splitlines()[-1].endswith(lines[-1].message)
    assert before.splitlines()[-1].endswith(lines[-4].message)
    assert "no such line" in text(tail.panel([], 80, 3))


def test_a_site_s_page_holds_all_that_is_known() -> None:
    """Evidence, witnesses by name, receipts, every change and the verdict are in one place."""
    drill = drill_of(sites=100, faults=0.05)
    site = next(one for one in drill.sites.values() if one.standing is Standing.CONTRADICTED)
    page = text(detail(drill, site, 100))
    for words in ("CONTRADICTED", "limit 10 s", "saw it otherwise", "agent says", "accepted", "at work", "the verdict"):
        assert words in page
    assert all(name in page for name in site.enlisted.witnesses)
    assert sum(change.timestamp[11:19] in page for change in site.history) == len(site.history)


def test_a_site_s_page_tells_of_its_climb() -> None:
    """Which rung it is on, and why it climbed, is with the site."""
    drill = drill_of(40, sites=200, faults=0.05)
    site = next(one for one in drill.sites.values() if one.rung)
    page = text(detail(drill, site, 100))
    assert "rung 2 of 3" in page
    assert "climbs" in page


def test_what_is_wrong_with_a_log_is_counted() -> None:
    """Lines that cannot be read are not passed over in silence."""
    one, two = notes.lines_words(1, "line 3: x", 0, 0), notes.lines_words(2, "line 3: \x1b", 3, 1)
    assert one == ["1 line is no line of this version of haltdrill and was left out (line 3: x)"]
    assert len(two) == 3
    assert all(words.isprintable() for words in two)
    assert notes.reading_words(50, 200) == "reading the log: 25%"


def test_a_drill_is_chosen_by_the_beginning_of_its_id() -> None:
    """Nobody types a whole id; without one it is the newest drill."""
    lines = [*lines_of(sites=3, seed=1), *lines_of(sites=3, seed=2, plan="weekly", wall_ns=1_795_800_000 * S_NS)]
    view = view_of(lines)
    first, second = view.drills.values()
    assert choosing.choose(view, None) is second
    assert choosing.choose(view, first.drill[:12]) is first
    assert choosing.choose(view, "nothing") is None
    assert first.drill in str(choosing.missing(view.drills, "nothing", "x.log"))
    assert second.drill in plain(choosing.row(second))


@pytest.mark.parametrize("until_s", [0, 40, 70, 1e9])
def test_once_says_it_all_in_plain_words(until_s: float) -> None:
    """A script or a screen reader gets the state, the figures and each site in trouble, without drawing."""
    drill = drill_of(until_s, sites=100, faults=0.05)
    said = "\n".join(once.once(drill, ["2 lines are wrong"], now_of(drill)))
    assert drill.drill in said
    assert "Note: 2 lines are wrong" in said
    assert ("CONTRADICTED" in said) == (until_s > 30)
    assert said.isascii() or "\N{EN DASH}" in said


def test_the_keys_tell_what_can_be_done() -> None:
    """The line at the bottom greys out an abort that is not possible, and a replay has its own keys."""
    live = bottom(80, may_abort=False, playing=None, many=True)
    assert Span("a", Role.DIM) in live
    assert "d drills" in plain(live)
    playing = Playing(1000.0, paused=True, at="2026-11-26T14:00:50.000000000Z", done=0.5)
    replay = bottom(80, may_abort=False, playing=playing, many=False)
    assert "q quit" in plain(replay)
    assert plain(replay).rstrip().endswith("paused 1000x  14:00:50")
    assert span_width(replay) <= 80


def test_help_explains_each_letter() -> None:
    """A person who sees a letter for the first time finds its meaning with one key."""
    page = text(help_page(78))
    assert all(look.word in page for look in LOOKS.values())
    assert all(span_width(line) <= 78 for line in help_page(78))


def test_a_title_fits_any_width() -> None:
    """A narrow panel loses what stands beside its title, not its title."""
    assert plain(title("Sites", "100 of them", 60)).rstrip("\N{BOX DRAWINGS LIGHT HORIZONTAL} ").endswith("100 of them")
    assert "Sites" in plain(title("Sites", "100 of them", 14))
    assert all(span_width(title("Sites", "x" * 50, width)) == width for width in range(1, 90))
