"""Hypothesis strategies for messages and the small types that they are made of."""

from __future__ import annotations

from hypothesis import strategies as st

from protocols.controls import Control, PauseParams, ShutdownParams
from protocols.ids import drill_id, format_utc
from protocols.messages import (
    Abort,
    AttributeMatch,
    Challenge,
    Closing,
    Counter,
    Fact,
    FleetIndex,
    IndexEntry,
    KeyRecord,
    Lever,
    Link,
    Message,
    NamedSites,
    Order,
    Outcome,
    OwnedKey,
    Peak,
    Policy,
    Presence,
    Quoted,
    Reading,
    Recall,
    Receipt,
    Release,
    Role,
    Root,
    SelectedSites,
    SiteRecord,
    Step,
    Threshold,
    Warrant,
    WitnessEntry,
    WorkRate,
)
from protocols.reasons import Reason

MAX_NS = 253_402_300_800 * 10**9

names = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\Z")
signal_names = st.from_regex(r"\A[a-z][a-z0-9_]{0,20}\Z")
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
nonces = st.binary(min_size=16, max_size=16).map(bytes.hex)
int63 = st.integers(0, 2**63 - 1)
times = st.integers(0, MAX_NS - 1).map(format_utc)
seconds = st.floats(0.001, 86_400, allow_nan=False)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
uses = st.integers(1, 100_000)
steps_numbers = st.integers(0, 31)
boots = st.uuids().map(str)
drills = st.builds(drill_id, st.integers(0, MAX_NS - 1), names, nonces)
key_records = st.builds(KeyRecord, public=digests)
owned_keys = st.builds(OwnedKey, owner=names, key=key_records)
links = st.builds(Link, seq=int63, prev=digests, boot_id=boots, boot_ns=int63)
quotes = st.builds(Quoted, drill=drills, seq=int63, nonce=nonces, digest=digests)
signals = st.one_of(
    st.builds(Counter, name=signal_names, epoch=st.from_regex(r"\A[0-9a-zA-Z.:-]{1,20}\Z"), value=int63),
    st.builds(Peak, name=signal_names, value=int63),
    st.builds(Fact, name=signal_names, value=st.text(max_size=60), digest=st.none() | digests),
)


def tuples(of: st.SearchStrategy, smallest: int = 1, largest: int = 3, **more: object) -> st.SearchStrategy:
    """Return tuples of a strategy."""
    return st.lists(of, min_size=smallest, max_size=largest, **more).map(tuple)


@st.composite
def plan_steps(draw: st.DrawFn) -> Step:
    """Return a step whose times fit together."""
    dwell_s, response_s = draw(seconds), draw(seconds)
    return Step(
        name=draw(names),
        params=draw(st.builds(PauseParams) | st.builds(ShutdownParams, grace_s=st.floats(0, 3600))),
        hold_s=response_s + dwell_s + draw(seconds),
        response_limit_s=response_s,
        dwell_s=dwell_s,
        restore_limit_s=draw(seconds),
        quorum=draw(st.integers(1, 16)),
        max_gap_s=dwell_s * draw(st.floats(0.1, 1)),
    )


@st.composite
def warrants(draw: st.DrawFn) -> Warrant:
    """Return a warrant whose window is one."""
    before, after = sorted(draw(st.lists(times, min_size=2, max_size=2, unique=True)))
    matches = st.builds(AttributeMatch, name=names, values=tuples(names))
    return Warrant(
        fleet=draw(digests),
        plan=draw(names),
        title=draw(texts),
        nonce=draw(nonces),
        issued_at=draw(times),
        not_before=before,
        not_after=after,
        audience=draw(
            st.builds(NamedSites, sites=tuples(names))
            | st.builds(SelectedSites, index_version=st.integers(1, 2**53), match=tuples(matches))
        ),
        steps=draw(tuples(plan_steps())),
        challenge_s=draw(seconds),
        uses=draw(uses),
        min_between_uses_s=draw(st.floats(0, 86_400)),
        max_total_held_s=draw(seconds),
        dispatchers=draw(tuples(digests)),
    )


@st.composite
def work_rates(draw: st.DrawFn) -> WorkRate:
    """Return a rate whose bounds are in order."""
    quiet, low, high = sorted(draw(st.lists(int63, min_size=3, max_size=3, unique=True)))
    return WorkRate(signal=draw(signal_names), quiet_per_s=quiet, band_min_per_s=low, band_max_per_s=high)


versions = st.integers(1, 2**53)
dated = {"fleet": digests, "issued_at": times, "expires_at": times}
sites = {"fleet": digests, "site": names, "link": links, "at": times}

messages: dict[type[Message], st.SearchStrategy] = {
    Root: st.builds(
        Root, fleet=st.none(), root_version=st.just(1), issued_at=times, expires_at=times, threshold=st.just(1),
        keys=tuples(owned_keys), demo=st.booleans(),
    ),
    Policy: st.builds(
        Policy, **dated, policy_version=versions, approvers=tuples(owned_keys), dispatchers=tuples(owned_keys),
        thresholds=tuples(st.builds(Threshold, control=st.sampled_from(Control), owners=st.integers(1, 32))),
        max_clock_skew_s=seconds,
    ),
    SiteRecord: st.builds(
        SiteRecord, **dated, site=names, record_version=versions, index_version=versions, owner=names,
        mock=st.booleans(), attributes=st.just(()), agent_keys=tuples(key_records), operator_keys=tuples(key_records),
        witnesses=tuples(
            st.builds(WitnessEntry, name=names, owner=names, key=key_records, covers=tuples(signal_names)),
            unique_by=lambda witness: witness.name,
        ),
        controls=tuples(st.sampled_from(Control)), work=tuples(work_rates()), max_hold_s=seconds,
        max_total_held_s=seconds,
    ),
    FleetIndex: st.builds(
        FleetIndex, **dated, index_version=versions,
        sites=st.dictionaries(names, digests, max_size=4).map(
            lambda found: tuple(IndexEntry(site=site, record=found[site]) for site in sorted(found))
        ),
    ),
    Warrant: warrants(),
    Order: st.builds(
        Order, fleet=digests, warrant=digests, use=uses, step=steps_numbers, drill=drills, nonce=nonces,
        issued_at=times, expires_at=times, status=names, standing=st.none(),
    ),
    Challenge: st.builds(
        Challenge, fleet=digests, drill=drills, seq=int63, nonce=nonces, issued_at=times, journal_seq=int63,
        journal_head=digests, final=st.booleans(),
    ),
    Recall: st.builds(
        Recall, fleet=digests, drill=drills, site=names, witness=names, first=int63, last=int63, nonce=nonces
    ),
    Release: st.builds(
        Release, fleet=digests, warrant=digests, use=uses, step=steps_numbers, drill=drills, nonce=nonces,
        issued_at=times,
    ),
    Abort: st.builds(Abort, fleet=digests, warrant=digests, use=uses, nonce=nonces, issued_at=times, reason=texts),
    Lever: st.builds(
        Lever, fleet=digests, site=st.none() | names, engaged=st.just(True), disengages=st.none(), nonce=nonces,
        issued_at=times, reason=texts,
    ),
    Receipt: st.builds(
        Receipt, **sites, order=digests, drill=st.none() | drills, use=st.none() | uses,
        step=st.none() | steps_numbers, outcome=st.sampled_from(Outcome),
        reason=st.none() | st.sampled_from(Reason), detail=st.text(max_size=60), elapsed_ns=int63,
        checkpoint=st.none() | digests,
    ),
    Reading: st.builds(Reading, **sites, witness=names, quotes=quotes, signals=tuples(signals, 0)),
    Closing: st.builds(Closing, **sites, witness=names, quotes=quotes, first=int63, last=int63),
    Presence: st.builds(
        Presence, fleet=digests, site=names, role=st.sampled_from(Role), name=names, store=nonces, last_seq=int63,
        last_digest=digests, boot_id=boots, at=times, software=texts,
    ),
}  # fmt: skip
"""A strategy for each kind of message; a test holds it complete."""

any_message = st.one_of(*messages.values())
