"""Checks the documents that a bundle brings against the root that the caller trusts.

They must have been valid when the drill was opened; that they have expired since is only said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core import events as ev
from orchestrator.core.events import DocumentKind
from orchestrator.evidence.checks.spoken import demand
from orchestrator.evidence.fold import Documents
from protocols.envelope import parse_envelope
from protocols.errors import ConfigError
from protocols.ids import parse_utc
from protocols.messages import Root, Warrant
from protocols.trust import FleetTrust, audience_of

_DRILL_TIME_CHARS = len("20261124t140501z")
_DRILL_TAIL_CHARS = len("-3fa9c1")


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the caller trusts.

    Attributes:
        roots: Payload digests of the root versions it holds, version 1 first; may be empty.
        fleet: The fleet's id.
        issued_ns: When each of those roots was issued, wall time.
    """

    roots: tuple[str, ...]
    fleet: str
    issued_ns: tuple[int, ...] = ()

    def open_fleet(self, documents: Documents, now_ns: int) -> FleetTrust:
        """Open a bundle's root-signed documents as of `now_ns`.

        Raises:
            UntrustedInput: One of them is not to be trusted.
            JournalError: One is missing or doubled, or the roots are others than the caller's.
        """
        held = [parse_envelope(raw).digest for raw in documents.held[DocumentKind.ROOT]]
        for version, (ours, theirs) in enumerate(zip(self.roots, held, strict=False), start=1):
            demand(ours == theirs, f"its root version {version} is not the one in the trusted root file")
        # A root that was replaced before the drill speaks for nobody any more: its keys may be why it was.
        replaced = len(self.issued_ns) > len(held) and self.issued_ns[len(held)] <= now_ns
        demand(not replaced, f"its newest root is version {len(held)}, which had been replaced by then")
        return documents.open_fleet(now_ns, self.fleet)


def open_anchor(roots: Sequence[bytes] | None, fleet: str | None) -> Anchor:
    """Read what the caller trusts.

    Raises:
        ConfigError: Neither is given, or they contradict each other.
        EnvelopeError: The root file holds no envelopes.
        MessageError: It holds something else than roots.
    """
    if not roots:
        if not fleet:
            raise ConfigError("there is no root to trust", remedy="give the root file or the fleet id")
        return Anchor((), fleet)
    envelopes = [parse_envelope(raw) for raw in roots]
    digests = tuple(envelope.digest for envelope in envelopes)
    issued_ns = tuple(parse_utc(Root.decode(envelope.payload).issued_at) for envelope in envelopes)
    if fleet is not None and digests[0] != fleet:
        raise ConfigError("the root file is not that of the fleet id")
    return Anchor(digests, digests[0], issued_ns)


def check_opening(event: ev.DrillOpened, trust: FleetTrust, warrant: Warrant, now_ns: int) -> None:
    """Check that the drill that was opened is one that the warrant allows.

    Args:
        event: What the journal says.
        trust: The fleet.
        warrant: The warrant, approved.
        now_ns: Wall time of the opening.

    Raises:
        JournalError: It is not.
        TrustError: The audience names sites that the fleet doesn't have.
    """
    plan = event.drill[_DRILL_TIME_CHARS + 1 : -_DRILL_TAIL_CHARS]
    demand(event.warrant == warrant.digest(), "it names another warrant than the one held")
    demand(plan == warrant.plan[:42].strip("-"), "its drill id names another plan")
    demand(event.use <= warrant.uses, f"it is use {event.use}, the warrant allows {warrant.uses}")
    demand(event.dispatcher in trust.dispatchers.keys, "the policy has no such dispatcher")
    demand(event.dispatcher in warrant.dispatchers, "the warrant does not name its dispatcher")
    inside = parse_utc(warrant.not_before) <= now_ns < parse_utc(warrant.not_after)
    demand(inside, "it was opened outside the warrant's window")
    audience = audience_of(warrant, trust.index, trust.records)
    left_out = sorted(set(audience) - set(event.audience))
    demand(not left_out, f"it leaves out {', '.join(left_out[:5])}, which the warrant's audience matches")
    demand(event.audience == audience, "its audience is not the one that the warrant matches in the fleet index")


def expired_since(trust: FleetTrust, now_ns: int) -> list[str]:
    """Say which documents were valid then and have expired by `now_ns`."""
    dated = [("the root", trust.root.root.expires_at), ("the policy", trust.policy.expires_at)]
    dated.append(("the fleet index", trust.index.expires_at))
    dated += [(f"the record of site {site}", record.expires_at) for site, record in sorted(trust.records.items())]
    return [f"{name} has expired since the drill, at {at}" for name, at in dated if parse_utc(at) <= now_ns]
