"""Hypothesis strategies for messages and the small types that they are made of."""

from __future__ import annotations

from hypothesis import strategies as st

from protocols.controls import (
    CATALOGUE,
    ArmedSite,
    CensusParams,
    Control,
    DecommissionParams,
    IsolateParams,
    LeaseParams,
    Params,
    PauseParams,
    PowerCutParams,
    RefusalParams,
    RunCapParams,
    SelectivePauseParams,
    ShutdownParams,
    SlowdownParams,
    StandbyParams,
    control_of,
)
from protocols.ids import drill_id, format_utc
from protocols.messages import (
    AGENT,
    Abort,
    AttributeMatch,
    Challenge,
    Closing,
    Counter,
    EnforcerEntry,
    Fact,
    FleetIndex,
    IndexEntry,
    KeyRecord,
    Lever,
    LeverInForce,
    Licence,
    LicenceRequest,
    Link,
    Message,
    NamedSites,
    OffLevel,
    Order,
    Outcome,
    OwnedKey,
    Peak,
    Policy,
    Presence,
    Proof,
    Quoted,
    Reading,
    Recall,
    Receipt,
    Release,
    Revocation,
    Role,
    Root,
    Rung,
    SelectedSites,
    SiteRecord,
    Standing,
    Step,
    Threshold,
    Warrant,
    WitnessEntry,
    WorkRate,
)
from protocols.messages.orders import CLIMB_CHALLENGES
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


params: dict[Control, st.SearchStrategy] = {
    Control.STANDBY: st.builds(StandbyParams),
    Control.REFUSAL: st.builds(RefusalParams),
    Control.CENSUS: st.builds(CensusParams),
    Control.SLOWDOWN: st.builds(SlowdownParams, fraction=st.floats(0.001, 0.999)),
    Control.RUN_CAP: st.builds(
        RunCapParams, unit=st.sampled_from(("accelerator_hours", "flop")), limit=st.floats(1e-6, 1e30)
    ),
    Control.SELECTIVE_PAUSE: st.builds(SelectivePauseParams, protected=tuples(names)),
    Control.PAUSE: st.builds(PauseParams),
    Control.LEASE: st.builds(
        LeaseParams, licence_s=st.floats(0.5, 3600), renewed_s=st.floats(0.001, 86_400), partition=st.booleans()
    ),
    Control.ISOLATE: st.builds(IsolateParams),
    Control.SHUTDOWN: st.builds(ShutdownParams, grace_s=st.floats(0, 3600)),
    Control.POWER_CUT: st.builds(PowerCutParams),
    Control.DECOMMISSION: st.one_of(
        st.builds(DecommissionParams, phase=st.just("arm"), armed_for_s=seconds),
        st.builds(
            DecommissionParams,
            phase=st.just("fire"),
            armed=tuples(st.builds(ArmedSite, site=names, nonce=nonces), unique_by=lambda entry: entry.site),
        ),
    ),
}
"""A strategy for the parameters of each control; a test holds it complete."""

any_params = st.one_of(*params.values())
halting = sorted((spec for spec in CATALOGUE.values() if spec.halts), key=lambda spec: spec.severity)


@st.composite
def ladders(draw: st.DrawFn) -> tuple[Params, ...]:
    """Return the parameters of the rungs of a step: one of any control, or several that halt, ever harsher."""
    chosen = draw(st.lists(st.sampled_from(halting), unique=True, max_size=3))
    rising = sorted(chosen, key=lambda spec: spec.severity)
    if not rising:
        return (draw(any_params),)
    return tuple(draw(params[spec.control]) for spec in rising)


@st.composite
def plan_steps(draw: st.DrawFn, *, climb_s: float = 0.0) -> Step:
    """Return a step whose times fit together, with `climb_s` to spare for each climb."""
    first, *rest = draw(ladders())
    dwell_s, limits = draw(seconds), [draw(seconds) for _ in (first, *rest)]
    licensed_s = first.renewed_s + first.licence_s if isinstance(first, LeaseParams) else 0.0
    reach_s = licensed_s + sum(limit + dwell_s for limit in limits) + len(rest) * climb_s
    return Step(
        name=draw(names),
        params=first,
        hold_s=reach_s * 1.001 + draw(seconds),
        response_limit_s=limits[0],
        dwell_s=dwell_s,
        restore_limit_s=draw(seconds),
        quorum=draw(st.integers(1, 16)),
        max_gap_s=dwell_s * draw(st.floats(0.1, 1)),
        ladder=tuple(Rung(params=rung, response_limit_s=limit) for rung, limit in zip(rest, limits[1:], strict=True)),
    )


@st.composite
def warrants(draw: st.DrawFn) -> Warrant:
    """Return a warrant whose window is one."""
    before, after = sorted(draw(st.lists(times, min_size=2, max_size=2, unique=True)))
    matches = st.builds(AttributeMatch, name=names, values=tuples(names))
    challenge_s = draw(seconds)
    steps = draw(tuples(plan_steps(climb_s=CLIMB_CHALLENGES * challenge_s)))
    fires = [step for step in steps if isinstance(step.params, DecommissionParams) and step.params.armed]
    if fires:
        steps = (fires[0],)
    once = any(CATALOGUE[control_of(step.params)].irreversible for step in steps)
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
        steps=steps,
        challenge_s=challenge_s,
        uses=1 if once else draw(uses),
        min_between_uses_s=draw(st.floats(0, 86_400)),
        max_total_held_s=draw(seconds),
        dispatchers=draw(tuples(digests)),
    )


@st.composite
def work_rates(draw: st.DrawFn) -> WorkRate:
    """Return a rate whose bounds are in order."""
    quiet, low, high = sorted(draw(st.lists(int63, min_size=3, max_size=3, unique=True)))
    return WorkRate(
        signal=draw(signal_names),
        quiet_per_s=quiet,
        band_min_per_s=low,
        band_max_per_s=high,
        workload=draw(st.none() | names),
    )


versions = st.integers(1, 2**53)
dated = {"fleet": digests, "issued_at": times, "expires_at": times}
sites = {"fleet": digests, "site": names, "link": links, "at": times}

rung_numbers = st.integers(0, 7)
proofs = st.builds(Proof, step=names, ok=st.booleans(), detail=st.text(max_size=60))


@st.composite
def site_records(draw: st.DrawFn) -> SiteRecord:
    """Return a site record in which no two parties have one name, and no two limits one signal."""
    parties = draw(st.lists(names.filter(lambda name: name != AGENT), min_size=1, max_size=5, unique=True))
    witnesses = draw(st.integers(1, len(parties)))
    work = draw(tuples(work_rates(), unique_by=lambda rate: rate.signal))
    free = signal_names.filter(lambda name: name not in {rate.signal for rate in work})
    levels = st.builds(OffLevel, signal=free, at_most=int63)
    return SiteRecord(
        **{name: draw(of) for name, of in dated.items()},
        site=draw(names),
        record_version=draw(versions),
        index_version=draw(versions),
        owner=draw(names),
        mock=draw(st.booleans()),
        attributes=(),
        agent_keys=draw(tuples(key_records)),
        operator_keys=draw(tuples(key_records)),
        witnesses=tuple(
            WitnessEntry(name=name, owner=draw(names), key=draw(key_records), covers=draw(tuples(signal_names)))
            for name in parties[:witnesses]
        ),
        controls=draw(tuples(st.sampled_from(Control))),
        work=work,
        max_hold_s=draw(seconds),
        max_total_held_s=draw(seconds),
        enforcers=tuple(
            EnforcerEntry(name=name, owner=draw(names), key=draw(key_records)) for name in parties[witnesses:]
        ),
        off_levels=draw(tuples(levels, 0, unique_by=lambda level: level.signal)),
        registry=draw(st.none() | digests),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Return a policy, with a timekeeper or as policies were before there were any."""
    keepers = draw(st.just(()) | tuples(owned_keys))
    return Policy(
        **{name: draw(of) for name, of in dated.items()},
        policy_version=draw(versions),
        approvers=draw(tuples(owned_keys)),
        dispatchers=draw(tuples(owned_keys)),
        thresholds=draw(tuples(st.builds(Threshold, control=st.sampled_from(Control), owners=st.integers(1, 32)))),
        max_clock_skew_s=draw(seconds),
        timekeepers=keepers,
        standing_max_age_s=draw(st.none() | seconds) if keepers else None,
    )


messages: dict[type[Message], st.SearchStrategy] = {
    Root: st.builds(
        Root, fleet=st.none(), root_version=st.just(1), issued_at=times, expires_at=times, threshold=st.just(1),
        keys=tuples(owned_keys), demo=st.booleans(),
    ),
    Policy: policies(),
    Revocation: st.builds(
        Revocation, fleet=digests, warrant=digests, nonce=nonces, issued_at=times, reason=texts,
    ),
    Standing: st.builds(
        Standing, fleet=digests, seq=int63, issued_at=times, policy_version=versions, revoked=tuples(digests, 0),
        levers=tuples(st.builds(LeverInForce, engagement=digests, site=st.none() | names), 0),
    ),
    SiteRecord: site_records(),
    FleetIndex: st.builds(
        FleetIndex, **dated, index_version=versions,
        sites=st.dictionaries(names, digests, max_size=4).map(
            lambda found: tuple(IndexEntry(site=site, record=found[site]) for site in sorted(found))
        ),
    ),
    Warrant: warrants(),
    Order: st.builds(
        Order, fleet=digests, warrant=digests, use=uses, step=steps_numbers, drill=drills, nonce=nonces,
        issued_at=times, expires_at=times, status=names, standing=st.none(), rung=rung_numbers,
        site=st.none() | names,
    ),
    Challenge: st.builds(
        Challenge, fleet=digests, drill=drills, seq=int63, nonce=nonces, issued_at=times, journal_seq=int63,
        journal_head=digests, final=st.booleans(), exercise=st.none() | any_params,
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
        checkpoint=st.none() | digests, by=names, rung=st.none() | rung_numbers, proofs=tuples(proofs, 0),
        armed=st.none() | nonces,
    ),
    Licence: st.builds(Licence, fleet=digests, site=names, order=digests, drill=drills, request=nonces),
    LicenceRequest: st.builds(
        LicenceRequest, fleet=digests, site=names, order=digests, drill=drills, nonce=nonces, at=times
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
