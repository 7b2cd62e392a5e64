"""The root-signed documents: root, policy, site record, fleet index. Together: the fleet."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from protocols.controls import Control
from protocols.ids import Digest, Int63, Name, Owner, Seconds, SignalName, SiteId, UtcTime, digest_of
from protocols.messages.base import Message, Part

AGENT = "agent"
"""What the agent of a site is called wherever parties have names."""

Version = Annotated[int, Field(ge=1, le=2**53)]


class KeyRecord(Part):
    """A public key. Its id is derived, never stated.

    Attributes:
        scheme: The signature scheme; version 1 knows Ed25519 (RFC 8032).
        public: The raw public key in lower-case hex.
    """

    scheme: Literal["ed25519"] = "ed25519"
    public: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def key_id(self) -> str:
        """SHA-256 over the scheme, a NUL and the raw key, in hex."""
        return digest_of(self.scheme.encode() + b"\0" + bytes.fromhex(self.public))


class OwnedKey(Part):
    """A key and the owner who answers for it; thresholds count owners."""

    owner: Owner
    key: KeyRecord


class Root(Message):
    """The fleet's trust anchor: who signs everything else, and how many of them it takes.

    The fleet's id is the digest of root version 1, so that one carries no fleet id itself.

    Attributes:
        demo: Whether all keys were made in one place; every report says so.
    """

    KIND: ClassVar[str] = "root"
    version: Literal[1] = 1
    fleet: Digest | None
    root_version: Version
    issued_at: UtcTime
    expires_at: UtcTime
    threshold: Annotated[int, Field(ge=1, le=32)]
    keys: Annotated[tuple[OwnedKey, ...], Field(min_length=1, max_length=32)]
    demo: bool

    @model_validator(mode="after")
    def _consistent(self) -> Root:
        if (self.fleet is None) != (self.root_version == 1):
            raise ValueError("exactly root version 1 has no fleet id")
        if self.threshold > len({entry.owner for entry in self.keys}):
            raise ValueError("the threshold is larger than the number of owners")
        return self


class Threshold(Part):
    """How many distinct owners must approve a control."""

    control: Control
    owners: Annotated[int, Field(ge=1, le=32)]


class Policy(Message):
    """Who may approve, who may dispatch, and how many owners each control takes.

    Attributes:
        max_clock_skew_s: How far an order's issue time may lie ahead of a site's clock.
        timekeepers: Keys that state what still counts; the orchestrator holds none of them.
        standing_max_age_s: How old the statement that an order carries may be; null where none is needed.
    """

    KIND: ClassVar[str] = "policy"
    version: Literal[1] = 1
    fleet: Digest
    policy_version: Version
    issued_at: UtcTime
    expires_at: UtcTime
    approvers: Annotated[tuple[OwnedKey, ...], Field(min_length=1, max_length=64)]
    dispatchers: Annotated[tuple[OwnedKey, ...], Field(min_length=1, max_length=64)]
    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=64)]
    max_clock_skew_s: Seconds
    timekeepers: Annotated[tuple[OwnedKey, ...], Field(max_length=8)] = ()
    standing_max_age_s: Seconds | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        if self.standing_max_age_s is not None and not self.timekeepers:
            raise ValueError("standing_max_age_s needs a timekeeper's key")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_used(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what policies did not have from the beginning, so that an older one keeps its one encoding."""
        fields: dict[str, Any] = serialize(self)
        unused = {"timekeepers": not self.timekeepers, "standing_max_age_s": self.standing_max_age_s is None}
        return {name: value for name, value in fields.items() if not unused.get(name, False)}


class Attribute(Part):
    """One tag of a site, such as region = eu-north."""

    name: Name
    value: Name


class WorkRate(Part):
    """What a cumulative counter does at this site, in units of the counter per second.

    Attributes:
        signal: The counter, such as `cpu_time_us`.
        workload: The class of work that it counts, such as `evals`; null counts all work together.
        quiet_per_s: The absolute rate at or under which the site counts as quiet (epsilon).
        band_min_per_s: The least rate of steady state.
        band_max_per_s: The greatest rate of steady state.
    """

    signal: SignalName
    quiet_per_s: Int63
    band_min_per_s: Int63
    band_max_per_s: Int63
    workload: Name | None = None

    @model_validator(mode="after")
    def _consistent(self) -> WorkRate:
        if not self.quiet_per_s < self.band_min_per_s <= self.band_max_per_s:
            raise ValueError("must hold: quiet_per_s < band_min_per_s <= band_max_per_s")
        return self


class WitnessEntry(Part):
    """A witness of a site: its key, who owns it, and the signals it covers."""

    name: Name
    owner: Owner
    key: KeyRecord
    covers: Annotated[tuple[SignalName, ...], Field(min_length=1, max_length=64)]


class EnforcerEntry(Part):
    """An enforcer of a site: outside of it, with its own key, and who owns it."""

    name: Name
    owner: Owner
    key: KeyRecord


class OffLevel(Part):
    """A level at or under which the site counts as switched off, such as `power_w` and its standby draw."""

    signal: SignalName
    at_most: Int63


class SiteRecord(Message):
    """Everything that is agreed about one site.

    Attributes:
        index_version: The fleet index in which this record first appeared. A warrant approved
            against an older index does not select this site by attribute.
        owner: Whose site it is; witnesses of this owner never count.
        operator_keys: Keys that may engage the safety lever for this site.
        work: The counters that say whether it works, with their bands.
        max_hold_s: Longest single hold.
        max_total_held_s: Longest time held under one warrant.
        mock: Whether it is a mock site.
        enforcers: Who may cut it off from outside; witnesses that they own never count for that.
        off_levels: The levels that say that it is switched off.
        registry: Digest of its register of accelerators, against which a census is taken; null
            where there is none.
    """

    KIND: ClassVar[str] = "site-record"
    version: Literal[1] = 1
    fleet: Digest
    site: SiteId
    record_version: Version
    index_version: Version
    issued_at: UtcTime
    expires_at: UtcTime
    owner: Owner
    mock: bool
    attributes: Annotated[tuple[Attribute, ...], Field(max_length=32)]
    agent_keys: Annotated[tuple[KeyRecord, ...], Field(min_length=1, max_length=8)]
    operator_keys: Annotated[tuple[KeyRecord, ...], Field(max_length=8)]
    witnesses: Annotated[tuple[WitnessEntry, ...], Field(min_length=1, max_length=16)]
    controls: Annotated[tuple[Control, ...], Field(min_length=1, max_length=32)]
    work: Annotated[tuple[WorkRate, ...], Field(min_length=1, max_length=16)]
    max_hold_s: Seconds
    max_total_held_s: Seconds
    enforcers: Annotated[tuple[EnforcerEntry, ...], Field(max_length=4)] = ()
    off_levels: Annotated[tuple[OffLevel, ...], Field(max_length=4)] = ()
    registry: Digest | None = None

    @model_validator(mode="after")
    def _consistent(self) -> SiteRecord:
        names = [witness.name for witness in self.witnesses] + [enforcer.name for enforcer in self.enforcers]
        if len(set(names)) != len(names):
            raise ValueError("two witnesses or enforcers have one name")
        if AGENT in names:
            raise ValueError(f"no witness or enforcer may be called {AGENT}")
        signals = [rate.signal for rate in self.work] + [level.signal for level in self.off_levels]
        if len(set(signals)) != len(signals):
            raise ValueError("one signal is given twice")
        tags = [attribute.name for attribute in self.attributes]
        if len(set(tags)) != len(tags):
            raise ValueError("one attribute is given twice")
        return self


class IndexEntry(Part):
    """One site and the digest of its current record."""

    site: SiteId
    record: Digest


class FleetIndex(Message):
    """Every site of the fleet, sorted by name, each with the digest of its record."""

    KIND: ClassVar[str] = "fleet-index"
    version: Literal[1] = 1
    fleet: Digest
    index_version: Version
    issued_at: UtcTime
    expires_at: UtcTime
    sites: Annotated[tuple[IndexEntry, ...], Field(max_length=100_000)]

    @model_validator(mode="after")
    def _consistent(self) -> FleetIndex:
        names = [entry.site for entry in self.sites]
        if names != sorted(set(names)):
            raise ValueError("sites must be sorted by name, each once")
        return self
