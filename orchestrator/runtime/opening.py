"""Opens a drill: everything that must be right before anything is ordered is checked here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.core import events as ev
from orchestrator.core.drill import Drill
from orchestrator.fleet.load import FleetDocuments
from orchestrator.fleet.plan_site import obstacle
from orchestrator.journal.base import JournalStore
from orchestrator.journal.chain import ChainWriter
from orchestrator.runtime.issuer import Issuer
from protocols.envelope import parse_envelope
from protocols.errors import ConfigError, TrustError
from protocols.ids import drill_id, parse_utc
from protocols.keys import Signer
from protocols.messages import Warrant
from protocols.trust import FleetTrust, audience_of, check_warrant

SOFTWARE = "haltdrill orchestrator 0.1.0"


@dataclass(frozen=True, slots=True)
class Opened:
    """A drill that may begin, or go on after a restart.

    Attributes:
        drill: Its state so far: in phase `opening`, or as its journal gives it.
        events: What is to be appended before anything is done.
        issuer: Signs what it says.
        warrant: The warrant's envelope.
        opened_ns: When it was opened, wall time.
        chain: The journal's chain so far.
        epoch: The clock epoch that begins now.
    """

    drill: Drill
    events: tuple[ev.Event, ...]
    issuer: Issuer
    warrant: str
    opened_ns: int
    chain: ChainWriter
    epoch: int = 1


def documents_held(documents: FleetDocuments, warrant: bytes) -> list[ev.Event]:
    """Return the events that write the documents down."""
    kinds: list[tuple[ev.DocumentKind, Sequence[bytes]]] = [
        (ev.DocumentKind.ROOT, documents.roots),
        (ev.DocumentKind.POLICY, [documents.policy]),
        (ev.DocumentKind.FLEET_INDEX, [documents.index]),
        (ev.DocumentKind.SITE_RECORD, [documents.records[site] for site in sorted(documents.records)]),
        (ev.DocumentKind.WARRANT, [warrant]),
    ]
    return [ev.DocumentHeld(kind=kind, envelope=raw.decode().strip()) for kind, listed in kinds for raw in listed]


def check_can_do(warrant: Warrant, audience: Sequence[str], trust: FleetTrust) -> None:
    """Check that every site can do what every step and every rung asks, and that its witnesses can see it.

    A halt that could only fail, or that nobody could prove, is not ordered.

    Raises:
        ConfigError: Something stands in the way at some site; it says what.
    """
    for step in warrant.steps:
        for site in audience:
            record = trust.records[site]
            if step.hold_s > record.max_hold_s:
                raise ConfigError(
                    f"a hold of {step.hold_s:g} s is over the {record.max_hold_s:g} s that the site allows",
                    where=f"site {site}, step {step.name}",
                    remedy="have a plan with a shorter hold approved",
                )
            for number, rung in enumerate(step.rungs):
                found = obstacle(rung.params, record, step.quorum)
                if found is not None:
                    place = f"site {site}, step {step.name}" + (f", rung {number}" if number else "")
                    raise ConfigError(found.what, where=place, remedy=found.remedy)


def check_may_open(
    documents: FleetDocuments, warrant_raw: bytes, signer: Signer, store: JournalStore, *, wall_ns: int
) -> tuple[str, Warrant, tuple[str, ...]]:
    """Check everything that can be known of a warrant before anybody is spoken to.

    Returns:
        The warrant's digest, the warrant, and the sites that it is for.

    Raises:
        TrustError: The warrant is not approved, not for this dispatcher, or outside its window.
        ConfigError: Its uses are spent, or at a site it could not be done or not be witnessed.
        EnvelopeError: It is no envelope.
        JournalError: The journal cannot be read.
    """
    trust = documents.trust
    envelope = parse_envelope(warrant_raw.strip())
    warrant, _ = check_warrant(envelope, trust.policy, trust.approvers, trust.fleet)
    key_id = signer.public_key.keyid
    if key_id not in trust.dispatchers.keys or key_id not in warrant.dispatchers:
        raise TrustError(
            "dispatcher_not_named",
            "this dispatcher key is not one that the policy and the warrant name",
            where="warrant",
            remedy="use a dispatcher key that it names, or have a new warrant approved",
        )
    if not parse_utc(warrant.not_before) <= wall_ns < parse_utc(warrant.not_after):
        raise TrustError(
            "outside_window",
            f"now is outside its window, {warrant.not_before} to {warrant.not_after}",
            where="warrant",
            remedy="wait for the window, or approve the plan again with another one",
        )
    audience = audience_of(warrant, trust.index, trust.records)
    check_can_do(warrant, audience, trust)
    _check_uses(store, envelope.digest, warrant)
    return envelope.digest, warrant, audience


def open_drill(
    documents: FleetDocuments,
    warrant_raw: bytes,
    signer: Signer,
    store: JournalStore,
    *,
    nonce: Callable[[], str],
    wall_ns: int,
) -> Opened:
    """Check a warrant against the fleet and reserve its next use.

    Raises:
        TrustError: The warrant is not approved, not for this dispatcher, or outside its window.
        ConfigError: Its uses are spent, or at a site it could not be done or not be witnessed.
        EnvelopeError: It is no envelope.
        JournalError: The journal cannot be written.
    """
    digest, warrant, audience = check_may_open(documents, warrant_raw, signer, store, wall_ns=wall_ns)
    chance = nonce()
    drill = drill_id(wall_ns, warrant.plan, chance)
    use = store.open_drill(drill, digest)
    events = [
        *documents_held(documents, warrant_raw),
        ev.DrillOpened(
            drill=drill,
            warrant=digest,
            use=use,
            audience=audience,
            dispatcher=signer.public_key.keyid,
            software=SOFTWARE,
        ),
    ]
    issuer = Issuer(signer, nonce, warrant, digest, drill, use)
    return Opened(
        Drill(documents.trust, warrant),
        tuple(events),
        issuer,
        warrant_raw.decode().strip(),
        wall_ns,
        ChainWriter(drill),
    )


def _check_uses(store: JournalStore, warrant_digest: str, warrant: Warrant) -> None:
    used = sum(1 for drill in store.drills() if drill.warrant == warrant_digest)
    if used >= warrant.uses:
        raise ConfigError(
            f"all {warrant.uses} uses of this warrant are spent",
            where="warrant",
            remedy="have a new warrant approved: delete its file and approve the plan again",
        )
