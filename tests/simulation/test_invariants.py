"""Each invariant on runs that were recorded: silent on all of them, and loud once one thing in the truth is changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from orchestrator.runtime.battery import one_approval
from protocols.controls import (
    ArmedSite,
    Control,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    ShutdownParams,
    StandbyParams,
)
from protocols.mock_config import Fault
from tests.simulation.harness import names, step_of
from tests.simulation.invariants import CHECKS, Ran, check, name_of
from tests.simulation.invariants.signed import take_apart
from tests.simulation.recorded import NS, Recording
from tests.simulation.truth import Heard, Sent, State, Struck, Synced, Truth
from tests.virtual import run_virtual

SITE = "site-00"
AGENT = f"{SITE}/agent"

Change = Callable[[Ran], Ran]


def _record(*steps: Sequence[Params], faults: Sequence[Fault] = (), uses: int = 1) -> Ran:
    async def scene() -> Ran:
        async with Recording(names(1), faults={SITE: faults}) as sites:
            listed = [step_of(sites, *step) for step in steps]
            held_s = 2 * uses * sum(step.hold_s for step in listed)
            warrant = sites.warrant(*listed, uses=uses, max_total_held_s=held_s, min_between_uses_s=0.5)
            ran = await sites.ran(*[warrant] * uses)
            sites.mend()
            return ran

    return run_virtual(scene())


def _fired() -> Ran:
    async def scene() -> Ran:
        async with Recording(names(1)) as sites:
            armed = await sites.ran(sites.warrant(step_of(sites, DecommissionParams(phase="arm", armed_for_s=600.0))))
            (judged,) = (one for one in next(iter(armed.journals.values())) if one.type == "site.judged")
            nonce = judged.event["result"]["receipts"]["armed"]
            fire = DecommissionParams(phase="fire", armed=(ArmedSite(site=SITE, nonce=nonce),))
            return await sites.ran(sites.warrant(step_of(sites, fire)))

    return run_virtual(scene())


RUNS: dict[str, Callable[[], Ran]] = {
    "pause": lambda: _record([PauseParams()]),
    "ladder": lambda: _record([PauseParams(), ShutdownParams(grace_s=5.0), PowerCutParams()], faults=[Fault.PARTIAL]),
    "lease": lambda: _record([LeaseParams(licence_s=2.0, renewed_s=2.0)]),
    "others": lambda: _record([StandbyParams()], [IsolateParams()]),
    "uses": lambda: _record([PauseParams()], uses=2),
    "fired": _fired,
}


@cache
def run(name: str) -> Ran:
    """Return a recorded run; each is made once and never changed."""
    return RUNS[name]()


def changed(ran: Ran, **changes: Any) -> Ran:
    """Return a run with some of its truth changed."""
    return Ran(replace(ran.truth, **changes), ran.fleet)


def with_record(ran: Ran, **changes: Any) -> Ran:
    """Return a run whose site's record is another."""
    records = {SITE: ran.fleet.records[SITE].model_copy(update=changes)}
    return Ran(ran.truth, replace(ran.fleet, records=records))  # type: ignore[type-var]


def events(ran: Ran, edit: Callable[[dict[str, Any]], Iterator[dict[str, Any]]]) -> Ran:
    """Return a run whose journals hold other records: `edit` gives none, one or more for each."""
    journals = {
        drill: tuple(json.dumps(new).encode() for line in lines for new in edit(json.loads(line)))
        for drill, lines in ran.truth.journals.items()
    }
    return changed(ran, journals=journals)


def results(ran: Ran, **changes: Any) -> Ran:
    """Return a run whose verdicts say something else."""

    def edit(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if record["event"]["type"] == "site.judged":
            record["event"]["result"] |= changes
        yield record

    return events(ran, edit)


def without(kind: str, place: int = 0) -> Change:
    """Leave out a kind of record, from the one at `place` of them on."""

    def change(ran: Ran) -> Ran:
        count = iter(range(10_000))
        return events(
            ran, lambda record: iter(() if record["event"]["type"] == kind and next(count) >= place else (record,))
        )

    return change


def twice(kind: str) -> Change:
    """Have a kind of record twice."""
    return lambda ran: events(ran, lambda record: iter([record] * (2 if record["event"]["type"] == kind else 1)))


def working(factor: Callable[[int, Ran], float]) -> Change:
    """Have the site truly do work at a share of its rate at each moment."""

    def change(ran: Ran) -> Ran:
        rates = {rate.signal: rate.band_min_per_s for rate in ran.fleet.records[SITE].work}
        done, work, before = dict.fromkeys(rates, 0), [], 0
        for one in ran.truth.work:
            share = factor(one.at_ns, ran)
            done = {name: units + int(rates[name] * share * (one.at_ns - before)) for name, units in done.items()}
            work.append(replace(one, done=done))
            before = one.at_ns
        return changed(ran, work=work)

    return change


def time_of(ran: Ran, kind: str) -> int:
    """Return when the first record of a kind was."""
    return next(one.at_ns for listed in ran.journals.values() for one in listed if one.type == kind)


def acted(**changes: Any) -> Change:
    """Change every deed."""
    return lambda ran: changed(ran, acted=[replace(one, **changes) for one in ran.truth.acted if one.deed == "apply"])


def before_everything(what: str) -> Change:
    """Have the release, or a veto, come before the order was accepted."""

    def change(ran: Ran) -> Ran:
        if what == "veto":
            return changed(ran, struck=[Struck(NS, "veto", SITE)])
        release = next(one for one in ran.truth.sent if one.topic == ran.topics.stops)
        return changed(ran, heard=[Heard(NS, AGENT, release.topic, release.payload, n=1), *ran.truth.heard])

    return change


def of_one_approval(ran: Ran) -> Ran:
    """Have every warrant travel with a single approval."""
    keys = {entry.key.key_id for entry in ran.fleet.policy.approvers}

    def poorer(one: Any) -> Any:
        lines = one.payload.split(b"\n")
        signed = take_apart(lines[-1])
        if signed is None or signed.kind != "warrant":
            return one
        return replace(one, payload=b"\n".join([*lines[:-1], one_approval(lines[-1], keys)]))

    return changed(ran, sent=list(map(poorer, ran.truth.sent)), heard=list(map(poorer, ran.truth.heard)))


def disk(edit: Callable[[Synced], Iterator[Synced]]) -> Change:
    """Change what was made durable."""
    return lambda ran: changed(ran, synced=[new for one in ran.truth.synced for new in edit(one)])


def _later_ended(ran: Ran) -> Ran:
    second = [one for one in ran.accepts if one.acts][1]
    return disk(
        lambda one: iter(
            [replace(one, at_ns=second.at_ns - 1) if b'"order_ended"' in one.data and one.n < second.n else one]
        )
    )(ran)


def _unseen(ran: Ran) -> Ran:
    heard = [one for one in ran.truth.heard if not (one.who.endswith("/e1") and one.topic == ran.topics.orders)]
    return changed(ran, heard=heard)


def _climbed(ran: Ran) -> Ran:
    released = time_of(ran, "release.issued")

    def edit(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if record["t_ns"] == released and record["event"]["type"] == "release.issued":
            climb = {"type": "rung.ordered", "step": 0, "site": SITE, "rung": 1, "why": "dissent", "envelope": "{}"}
            yield record | {"event": climb}
        yield record

    return events(ran, edit)


def _mute(ran: Ran) -> Ran:
    return events(ran, lambda record: iter(() if record["event"].get("witness") == "w1" else (record,)))


def _unwatched(ran: Ran) -> Ran:
    ordered = time_of(ran, "order.issued")
    early = ("reading.received", "closing.received")
    return events(
        ran, lambda record: iter(() if record["event"]["type"] in early and record["t_ns"] < ordered else (record,))
    )


def _unsynced(kind: bytes, by: str) -> Change:
    return disk(lambda one: iter(() if kind in one.data and one.by.endswith(by) else (one,)))


def _sealed(fields: dict[str, Any], payload_type: str) -> bytes:
    payload = base64.b64encode(json.dumps(fields).encode()).decode()
    return json.dumps({"payload": payload, "payloadType": payload_type, "signatures": []}).encode()


def _forked(ran: Ran) -> Ran:
    said = [one for one in ran.truth.sent if one.by.endswith("/w1")]
    other = [take_apart(one.payload) for one in said]
    readings = [one for one in other if one is not None and one.kind == "reading"]
    first, second = readings[:2]
    forged = second.fields | {"link": second.fields["link"] | {"seq": first.fields["link"]["seq"]}}
    payload = _sealed(forged, second.payload_type)
    return changed(ran, sent=[*ran.truth.sent, Sent(ran.truth.ended_ns, f"{SITE}/w1", said[0].topic, payload)])


def _refused_too(ran: Ran) -> Ran:
    receipt = {"kind": "receipt_issued", "outcome": "refused", "order": "0" * 64}

    def edit(one: Synced) -> Iterator[Synced]:
        if b'"order_accepted"' in one.data:
            line = json.loads(one.data)
            line["body"]["events"].append(receipt)
            one = replace(one, data=json.dumps(line).encode() + b"\n")
        yield one

    return disk(edit)(ran)


def _twice_ordered(ran: Ran) -> Ran:
    sent = next(one for one in ran.truth.sent if one.topic == ran.topics.orders)
    signed = take_apart(sent.payload.split(b"\n")[0])
    assert signed is not None
    again = _sealed(dict(signed.fields) | {"nonce": "f" * 32}, signed.payload_type)
    return changed(ran, sent=[*ran.truth.sent, replace(sent, payload=again)])


def _aborted(ran: Ran) -> Ran:
    return disk(lambda one: iter([replace(one, data=one.data.replace(b'"challenge.issued"', b'"drill.aborted"'))]))(ran)


def _never_ended(ran: Ran) -> Ran:
    return changed(_unsynced(b'"order_ended"', "e1")(ran), ended_ns=999 * NS)


def _twice_stopped(ran: Ran) -> Ran:
    return disk(lambda one: iter([one, one] if b"step_released" in one.data else [one]))(ran)


def _held_on(ran: Ran) -> Ran:
    held = next(one for one in ran.truth.states if one.control is Control.PAUSE)
    return changed(ran, states=[held], ended_ns=ran.truth.ended_ns + 3600 * NS)


def _held_on_after_stop(ran: Ran) -> Ran:
    held = next(one for one in ran.truth.states if one.control is Control.PAUSE)
    release = next(one for one in ran.truth.heard if one.who == AGENT and one.topic == ran.topics.stops)
    early = replace(release, at_ns=held.at_ns + NS)
    states = [held, State(held.at_ns + 14 * NS, SITE, None, feed_on=True, destroyed=False)]
    return changed(ran, states=states, heard=[early, *ran.truth.heard], ended_ns=ran.truth.ended_ns + 60 * NS)


def _half_read(ran: Ran) -> Ran:
    first = next(iter(ran.truth.journals))
    return changed(ran, journals={first: ran.truth.journals[first][:-1]})


def _hurried(ran: Ran) -> Ran:
    sent = next(one for one in ran.truth.sent if one.topic == ran.topics.orders)
    return changed(ran, sent=[*ran.truth.sent, *([sent] * 6)])


def _chatty(ran: Ran) -> Ran:
    sent = next(one for one in ran.truth.sent if one.by == AGENT)
    return changed(ran, sent=[*ran.truth.sent, *([sent] * 2_000)])


TAMPERED: list[tuple[str, str, Change]] = [
    ("authority.has_an_order", "pause", acted(order="f" * 64)),
    ("authority.has_an_order", "pause", acted(order=None)),
    ("authority.was_approved", "pause", of_one_approval),
    ("authority.was_for_this", "pause", lambda ran: with_record(ran, controls=(Control.SHUTDOWN,))),
    ("authority.was_for_this", "pause", lambda ran: with_record(ran, max_hold_s=1.0)),
    ("authority.has_own_parameters", "pause", acted(params=ShutdownParams())),
    ("authority.has_own_parameters", "ladder", acted(by="e1")),
    (
        "authority.was_in_time",
        "pause",
        lambda ran: Ran(ran.truth, replace(ran.fleet, now_ns=ran.fleet.now_ns + 40 * 86_400 * NS)),  # type: ignore[type-var]
    ),
    ("authority.was_once", "pause", disk(lambda one: iter([one, replace(one, n=one.n + 1)]))),
    ("authority.was_while_it_held", "pause", acted(at_ns=100 * NS)),
    ("authority.was_not_stopped", "pause", before_everything("release")),
    ("authority.was_not_vetoed", "pause", before_everything("veto")),
    ("authority.kept_the_gap", "uses", _later_ended),
    ("authority.kept_the_total", "uses", lambda ran: with_record(ran, max_total_held_s=15.0)),
    ("authority.lapsed_with_its_licence", "lease", lambda ran: changed(ran, acted=[])),
    ("authority.was_armed", "fired", _unsynced(b'"site_armed"', "agent")),
    ("ladder.waited_for_the_rung_before", "ladder", _unseen),
    ("ladder.climbed_one_by_one", "ladder", lambda ran: events(ran, _skip_first_rung)),
    ("ladder.left_who_complied", "pause", _climbed),
    ("verdicts.was_as_ordered", "pause", working(lambda _, __: 1.0)),
    ("verdicts.held_to_the_end", "pause", working(lambda at, ran: at > time_of(ran, "release.issued") - 4 * NS)),
    ("verdicts.went_on", "others", working(lambda _, __: 0.0)),
    ("verdicts.was_in_force", "others", lambda ran: changed(ran, states=[])),
    ("verdicts.had_worked_before", "pause", working(lambda _, __: 0.0)),
    ("verdicts.was_within_the_limit", "pause", lambda ran: results(ran, response_upper_ns=6 * NS)),
    ("verdicts.lower_bound_holds", "pause", lambda ran: results(ran, response_lower_ns=5 * NS)),
    ("verdicts.came_back", "pause", working(lambda at, ran: at < time_of(ran, "order.issued"))),
    ("verdicts.a_quorum_showed_it", "pause", _mute),
    ("verdicts.a_quorum_showed_it", "pause", lambda ran: results(ran, agreeing=["w1"])),
    ("verdicts.a_quorum_showed_it", "pause", without("closing.received")),
    ("verdicts.a_quorum_showed_it", "pause", lambda ran: results(ran, response_upper_ns=1)),
    ("verdicts.a_quorum_saw_it_work_before", "pause", _mute),
    ("verdicts.a_quorum_saw_it_work_before", "pause", _unwatched),
    ("verdicts.readings_are_in_their_brackets", "pause", working(lambda _, __: 3.0)),
    ("verdicts.readings_are_in_their_brackets", "pause", working(lambda _, __: 0.2)),
    ("restoring.was_back_after_the_hold", "pause", _held_on),
    (
        "restoring.was_back_after_the_hold",
        "pause",
        _unsynced(b"order_accepted", "agent"),
    ),
    ("restoring.was_back_after_a_stop", "pause", _held_on_after_stop),
    (
        "restoring.nothing_is_left",
        "ladder",
        _never_ended,
    ),
    ("journal.is_a_chain", "pause", without("receipt.received")),
    ("journal.lost_nothing", "pause", without("receipt.received")),
    ("journal.appended_before_it_spoke", "pause", _unsynced(b'"order.issued"', "orchestrator")),
    ("journal.ordered_nothing_after_an_abort", "pause", _aborted),
    ("journal.wrote_before_it_answered", "pause", _unsynced(b'"reading"', "w1")),
    ("journal.wrote_before_it_answered", "pause", _unsynced(b'"halted"', "agent")),
    ("journal.wrote_before_it_acted", "pause", acted(n=1)),
    ("journal.wrote_before_it_acted", "pause", acted(durable=False)),
    ("journal.kept_one_chain", "pause", _forked),
    ("journal.says_of_every_site", "pause", _half_read),
    ("journal.says_of_every_site", "others", without("site.judged", 1)),
    ("journal.reads_the_same_again", "pause", lambda ran: results(ran, response_lower_ns=1)),
    ("sameness.takes_everything_once", "pause", twice("receipt.received")),
    ("sameness.decides_everything_once", "pause", twice("release.issued")),
    ("sameness.one_order_for_each", "pause", _twice_ordered),
    (
        "sameness.remembers_everything_once",
        "pause",
        _twice_stopped,
    ),
    ("sameness.a_refusal_changes_nothing", "pause", _refused_too),
    ("bounds.nothing_is_wrong_with_us", "pause", lambda ran: changed(ran, trouble=["Traceback"])),
    ("bounds.drills_end", "pause", lambda ran: changed(_half_read(ran), ended_ns=3600 * NS)),
    ("bounds.nobody_talks_too_much", "pause", _chatty),
    ("bounds.orders_are_not_hurried", "pause", _hurried),
    ("bounds.memory_is_bounded", "pause", lambda ran: changed(ran, kept={f"{AGENT}/refusals": 257})),
]


def _skip_first_rung(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    event = record["event"]
    if event["type"] != "rung.ordered" or event["rung"] != 1:
        yield record


@pytest.mark.parametrize("name", RUNS)
def test_silent_on_a_run_in_which_nothing_is_wrong(name: str) -> None:
    """No invariant complains of a run of the real programs in good order."""
    assert check(run(name)) == []


@pytest.mark.parametrize(("invariant", "name", "change"), TAMPERED, ids=[f"{row[0]}-{row[1]}" for row in TAMPERED])
def test_loud_once_the_truth_is_another(invariant: str, name: str, change: Change) -> None:
    """An invariant fires on a run that breaks it."""
    (one,) = (one for one in CHECKS if name_of(one) == invariant)
    assert check(change(run(name)), (one,))


def test_every_invariant_is_tried() -> None:
    """There is no invariant that no run here breaks."""
    assert {row[0] for row in TAMPERED} == {name_of(one) for one in CHECKS}


def test_lies_of_a_quorum_excuse_a_verdict() -> None:
    """Where as many owners lie as make a quorum, nothing is promised of verdicts; of authority everything still is."""
    ran = working(lambda _, __: 1.0)(run("pause"))
    lying = changed(ran, lying={SITE: frozenset({"w1", "w2"})})
    assert "verdicts.was_as_ordered" in {one.invariant for one in check(ran)}
    assert not [one for one in check(lying) if one.invariant.startswith("verdicts.")]


def test_crash_and_skew_give_time() -> None:
    """A party that was down, and a clock that was wrong, are given the time that they cost, and no more."""
    ran = run("pause")
    late = changed(
        ran,
        states=[
            replace(one, at_ns=one.at_ns + 40 * NS) if one.control is None and one.at_ns > 5 * NS else one
            for one in ran.truth.states
        ],
        ended_ns=ran.truth.ended_ns + 100 * NS,
    )
    fired = {"restoring.was_back_after_the_hold"}
    assert fired <= {one.invariant for one in check(late)}
    down = [Struck(10 * NS, "crash", AGENT), Struck(ran.truth.ended_ns + 30 * NS, "restart", AGENT)]
    assert not fired & {one.invariant for one in check(changed(late, struck=down))}


def test_empty_truth() -> None:
    """A run in which nothing happened breaks nothing but that it was to be closed."""
    ran = run("pause")
    assert {one.invariant for one in check(Ran(Truth(), ran.fleet))} == {"journal.says_of_every_site"}
    assert check(Ran(Truth(closed=True), ran.fleet)) == []


def test_a_violation_says_who_and_when() -> None:
    """What a violation says names the party and the moment."""
    told = check(acted(order="f" * 64)(run("pause")))
    assert any(AGENT in one.what and one.at_ns is not None for one in told)
