"""Trust in documents: root, policy, site record and fleet index.

The rules are TUF's (The Update Framework specification, section 5.3): a document is taken only if a
threshold of distinct owners of the root already held signed it, it is for this fleet, it has not
expired, and it is not older than the one held. A new root is also signed by its own threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from protocols.envelope import Envelope, open_envelope, parse_envelope
from protocols.errors import TrustError
from protocols.ids import parse_utc
from protocols.keys import PublicKey
from protocols.limits import DOCUMENT_MAX_BYTES
from protocols.messages import FleetIndex, KeyRecord, OwnedKey, Policy, Root, SiteRecord
from protocols.reasons import TEXT, Reason

Document = TypeVar("Document", Policy, SiteRecord, FleetIndex)

CLOCK_SKEW_DOCUMENT_NS = 300 * 1_000_000_000
"""How far a document's issue time may lie ahead of our clock: it is a signed lower bound of now."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Loaded public keys with the owner who answers for each.

    Attributes:
        keys: Loaded keys by key id.
        owners: Owner by key id.
    """

    keys: Mapping[str, PublicKey]
    owners: Mapping[str, str]

    @classmethod
    def of(cls, entries: Iterable[OwnedKey]) -> KeySet:
        """Load the keys of `entries`."""
        listed = tuple(entries)
        return cls(
            {entry.key.key_id: PublicKey.load(entry.key) for entry in listed},
            {entry.key.key_id: entry.owner for entry in listed},
        )

    @classmethod
    def unowned(cls, records: Iterable[KeyRecord], owner: str) -> KeySet:
        """Load keys that all belong to one `owner`."""
        return cls.of(OwnedKey(owner=owner, key=record) for record in records)

    def owners_of(self, key_ids: Iterable[str]) -> frozenset[str]:
        """Return the distinct owners of those of `key_ids` that are in this set."""
        return frozenset(self.owners[key_id] for key_id in key_ids if key_id in self.owners)


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """A root whose whole chain from version 1 was checked.

    Attributes:
        root: The newest root.
        fleet: The fleet's id: the digest of root version 1.
        signers: The root's keys.
    """

    root: Root
    fleet: str
    signers: KeySet


def _refuse(reason: Reason, where: str, detail: str = "") -> TrustError:
    return TrustError(reason, detail or TEXT[reason], where=where)


def _meets_threshold(envelope: Envelope, signers: KeySet, threshold: int, where: str) -> None:
    _, signed_by = open_envelope(envelope, Root, signers.keys)
    owners = signers.owners_of(signed_by)
    if len(owners) < threshold:
        raise _refuse(Reason.UNDER_THRESHOLD, where, f"signed by {len(owners)} of {threshold} root owners")


def open_roots(chain: Sequence[bytes], *, now_ns: int, fleet: str | None = None) -> TrustedRoot:
    """Check a chain of roots, version 1 first, and return the newest.

    Only the newest must not have expired. The caller must have version 1 (or at least its digest,
    `fleet`) from a place it trusts: everything else follows from that.

    Args:
        chain: Envelopes of root versions 1, 2, ... without a gap.
        now_ns: Wall time, nanoseconds.
        fleet: The fleet id that version 1 must have, if the caller knows it.

    Raises:
        TrustError: The chain is not one, or its end has expired.
        EnvelopeError: A member is no envelope.
        MessageError: A payload is no root.
    """
    if not chain:
        raise _refuse(Reason.MALFORMED, "root", "there is no root in the file")
    fleet_id, held = _open_root(chain[0], 1)
    if fleet is not None and fleet != fleet_id:
        raise _refuse(Reason.WRONG_FLEET, "root version 1", "it is not the one that this fleet id names")
    for version, raw in enumerate(chain[1:], start=2):
        _, newer = _open_root(raw, version)
        _meets_threshold(
            parse_envelope(raw), KeySet.of(held.keys), held.threshold, f"root version {version}, by its predecessor"
        )
        if newer.fleet != fleet_id:
            raise _refuse(Reason.WRONG_FLEET, f"root version {version}")
        held = newer
    _check_times(held, now_ns, f"root version {held.root_version}")
    return TrustedRoot(held, fleet_id, KeySet.of(held.keys))


def _open_root(raw: bytes, version: int) -> tuple[str, Root]:
    """Open one root that its own threshold signed, and return its digest and itself."""
    where = f"root version {version}"
    envelope = parse_envelope(raw)
    if envelope.payload_type != Root.payload_type():
        raise _refuse(Reason.WRONG_TYPE, where)
    claimed = Root.decode(envelope.payload)
    if claimed.root_version != version:
        raise _refuse(Reason.NOT_NEWER, where, f"expected version {version}, found {claimed.root_version}")
    _meets_threshold(envelope, KeySet.of(claimed.keys), claimed.threshold, where)
    return envelope.digest, claimed


def _check_times(document: Root | Policy | SiteRecord | FleetIndex, now_ns: int, where: str) -> None:
    if parse_utc(document.expires_at) <= now_ns:
        raise _refuse(Reason.DOCUMENT_EXPIRED, where, f"expired at {document.expires_at}")
    if parse_utc(document.issued_at) > now_ns + CLOCK_SKEW_DOCUMENT_NS:
        raise _refuse(Reason.NOT_YET_VALID, where, f"issued at {document.issued_at}, which is in the future here")


def version_of(document: Policy | SiteRecord | FleetIndex) -> int:
    """Return a document's own version number."""
    match document:
        case Policy():
            return document.policy_version
        case SiteRecord():
            return document.record_version
        case FleetIndex():
            return document.index_version


def open_document(
    raw: bytes, kind: type[Document], root: TrustedRoot, *, now_ns: int, held_version: int = 0
) -> Document:
    """Take a policy, a site record or a fleet index, if the root's threshold signed it.

    Args:
        raw: The envelope.
        kind: The document that is expected.
        root: The root already held.
        now_ns: Wall time, nanoseconds.
        held_version: The version already held; an older one is refused.

    Raises:
        TrustError: Under threshold, for another fleet, expired, or older than the one held.
        EnvelopeError: No envelope.
        MessageError: Not that document.
    """
    envelope = parse_envelope(raw, max_bytes=DOCUMENT_MAX_BYTES)
    document, signed_by = open_envelope(envelope, kind, root.signers.keys)
    where = kind.KIND
    owners = root.signers.owners_of(signed_by)
    if len(owners) < root.root.threshold:
        raise _refuse(
            Reason.UNDER_THRESHOLD, where, f"signed by {len(owners)} of the {root.root.threshold} root owners it takes"
        )
    if document.fleet != root.fleet:
        raise _refuse(Reason.WRONG_FLEET, where)
    _check_times(document, now_ns, where)
    if version_of(document) < held_version:
        raise _refuse(Reason.NOT_NEWER, where, f"version {version_of(document)} is older than {held_version}, held")
    return document


def check_roles(root: Root, policy: Policy, records: Iterable[SiteRecord]) -> None:
    """Check that every key has one role, at one site.

    Raises:
        TrustError: `wrong_role`, naming both places.
    """
    seen: dict[str, str] = {}

    def claim(key: KeyRecord, place: str) -> None:
        other = seen.setdefault(key.key_id, place)
        if other != place:
            raise _refuse(Reason.WRONG_ROLE, place, f"the same key is also {other}")

    for entry in root.keys:
        claim(entry.key, f"root key of {entry.owner}")
    for entry in policy.approvers:
        claim(entry.key, f"approver key of {entry.owner}")
    for entry in policy.dispatchers:
        claim(entry.key, f"dispatcher key of {entry.owner}")
    for entry in policy.timekeepers:
        claim(entry.key, f"timekeeper key of {entry.owner}")
    for record in records:
        for key in record.agent_keys:
            claim(key, f"agent key of site {record.site}")
        for key in record.operator_keys:
            claim(key, f"operator key of site {record.site}")
        for witness in record.witnesses:
            claim(witness.key, f"key of witness {witness.name} of site {record.site}")
        for enforcer in record.enforcers:
            claim(enforcer.key, f"key of enforcer {enforcer.name} of site {record.site}")


@dataclass(frozen=True, slots=True)
class SiteTrust:
    """What one site holds: root, policy and its own record, never the whole fleet."""

    root: TrustedRoot
    policy: Policy
    record: SiteRecord
    approvers: KeySet
    dispatchers: KeySet
    operators: KeySet
    timekeepers: KeySet

    @classmethod
    def open(cls, roots: Sequence[bytes], policy: bytes, record: bytes, *, site: str, now_ns: int) -> SiteTrust:
        """Check and load the three documents.

        Raises:
            TrustError: One of them is not to be trusted, or the record is another site's.
            EnvelopeError: One of them is no envelope.
            MessageError: One of them is something else.
        """
        root = open_roots(roots, now_ns=now_ns)
        policy_held = open_document(policy, Policy, root, now_ns=now_ns)
        record_held = open_document(record, SiteRecord, root, now_ns=now_ns)
        if record_held.site != site:
            raise _refuse(Reason.WRONG_SITE, "site-record", f"it is the record of {record_held.site}, not of {site}")
        check_roles(root.root, policy_held, [record_held])
        return cls.of(root, policy_held, record_held)

    @classmethod
    def of(cls, root: TrustedRoot, policy: Policy, record: SiteRecord) -> SiteTrust:
        """Load the keys of documents that were checked already."""
        return cls(
            root,
            policy,
            record,
            KeySet.of(policy.approvers),
            KeySet.of(policy.dispatchers),
            KeySet.unowned(record.operator_keys, record.owner),
            KeySet.of(policy.timekeepers),
        )

    @property
    def fleet(self) -> str:
        """The fleet's id."""
        return self.root.fleet


@dataclass(frozen=True, slots=True)
class FleetTrust:
    """What the orchestrator and the verifier hold: the whole fleet, checked.

    Attributes:
        records: Every site's record, by site, each with the digest that the index demands.
        agents: The keys that speak for each site.
        witnesses: The key of each witness, by site and witness name.
        enforcers: The key of each enforcer, by site and enforcer name.
    """

    root: TrustedRoot
    policy: Policy
    index: FleetIndex
    records: Mapping[str, SiteRecord]
    approvers: KeySet
    dispatchers: KeySet
    agents: Mapping[str, Mapping[str, PublicKey]]
    witnesses: Mapping[tuple[str, str], Mapping[str, PublicKey]]
    enforcers: Mapping[tuple[str, str], Mapping[str, PublicKey]]
    timekeepers: KeySet

    @property
    def fleet(self) -> str:
        """The fleet's id."""
        return self.root.fleet

    def site(self, site: str) -> SiteTrust:
        """Return the part that `site` holds."""
        return SiteTrust.of(self.root, self.policy, self.records[site])

    @classmethod
    def open(
        cls,
        roots: Sequence[bytes],
        policy: bytes,
        index: bytes,
        records: Iterable[bytes],
        *,
        now_ns: int,
        fleet: str | None = None,
    ) -> FleetTrust:
        """Check and load a fleet: the records must be exactly those that the index lists.

        Raises:
            TrustError: Something in it is not to be trusted; it says what.
            EnvelopeError: Something in it is no envelope.
            MessageError: Something in it is another document.
        """
        root = open_roots(roots, now_ns=now_ns, fleet=fleet)
        policy_held = open_document(policy, Policy, root, now_ns=now_ns)
        index_held = open_document(index, FleetIndex, root, now_ns=now_ns)
        demanded = {entry.site: entry.record for entry in index_held.sites}
        held: dict[str, SiteRecord] = {}
        for raw in records:
            record = open_document(raw, SiteRecord, root, now_ns=now_ns)
            if demanded.get(record.site) != record.digest() or record.site in held:
                raise _refuse(
                    Reason.NOT_NEWER, f"site-record of {record.site}", "it is not the one that the fleet index lists"
                )
            held[record.site] = record
        missing = sorted(set(demanded) - set(held))
        if missing:
            raise _refuse(Reason.MALFORMED, "fleet-index", f"there is no site record for {', '.join(missing[:5])}")
        check_roles(root.root, policy_held, held.values())
        return cls(
            root,
            policy_held,
            index_held,
            held,
            KeySet.of(policy_held.approvers),
            KeySet.of(policy_held.dispatchers),
            {site: {key.key_id: PublicKey.load(key) for key in record.agent_keys} for site, record in held.items()},
            {
                (site, witness.name): {witness.key.key_id: PublicKey.load(witness.key)}
                for site, record in held.items()
                for witness in record.witnesses
            },
            {
                (site, enforcer.name): {enforcer.key.key_id: PublicKey.load(enforcer.key)}
                for site, record in held.items()
                for enforcer in record.enforcers
            },
            KeySet.of(policy_held.timekeepers),
        )
