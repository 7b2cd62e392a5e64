"""A whole fleet in memory for tests: keys, root-signed documents, warrants, orders, frames.

Everything is pure and reproducible: keys are derived from labels, times and nonces are arguments
or counted. A test takes a `Fleet`, makes a warrant and an order with it, and changes single fields
with keyword arguments::

    fleet = make_fleet(("alpha", "beta"), now_ns=NOW_NS)
    warrant = fleet.warrant(hold_s=5.0)
    approved = fleet.approve(warrant)                  # by as many owners as it takes
    order = fleet.order(warrant)
    frame = fleet.order_frame(order, approved)         # what travels on topics.orders
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from protocols.controls import Control, PauseParams, ShutdownParams
from protocols.envelope import join_frame, seal
from protocols.ids import digest_of, drill_id, format_utc, seconds_to_ns
from protocols.keys import Signer, record_of, signer_from_private
from protocols.messages import (
    Abort,
    Attribute,
    AttributeMatch,
    Challenge,
    EnforcerEntry,
    FleetIndex,
    IndexEntry,
    KeyRecord,
    Lever,
    Licence,
    NamedSites,
    OffLevel,
    Order,
    OwnedKey,
    Policy,
    Recall,
    Release,
    Revocation,
    Root,
    SelectedSites,
    SiteRecord,
    Standing,
    StapledStanding,
    Step,
    Threshold,
    Warrant,
    WitnessEntry,
    WorkRate,
)
from protocols.topics import Topics
from protocols.trust import FleetTrust, SiteTrust

NOW_NS = 1_795_531_438_000_000_000
"""A wall time to start tests from: 2026-11-24T14:43:58Z."""

DAY_S = 86_400.0
ROOT_OWNERS = ("board", "regulator", "security")
APPROVERS = ("board", "regulator", "safety")
DISPATCHERS = ("control-room",)
WITNESS_OWNERS = ("auditor", "grid", "insurer", "university")
CPU_SIGNAL = "cpu_time_us"
PROCESSES_SIGNAL = "live_processes"


@cache
def key_of(label: str) -> Signer:
    """Return the signer that belongs to `label`, the same one every time."""
    return signer_from_private(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest()))


def private_pem_of(label: str) -> bytes:
    """Return the private key that belongs to `label` as an unencrypted PKCS#8 PEM."""
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(label.encode()).digest())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def public_of(label: str) -> KeyRecord:
    """Return the public key record of the signer that belongs to `label`."""
    return record_of(key_of(label))


def root_label(owner: str) -> str:
    """Return the label of an owner's root key."""
    return f"root/{owner}"


def approver_label(owner: str) -> str:
    """Return the label of an owner's approver key."""
    return f"approver/{owner}"


def dispatcher_label(owner: str) -> str:
    """Return the label of an owner's dispatcher key."""
    return f"dispatcher/{owner}"


def agent_label(site: str) -> str:
    """Return the label of a site's agent key."""
    return f"agent/{site}"


def operator_label(site: str) -> str:
    """Return the label of a site's operator key."""
    return f"operator/{site}"


def witness_label(site: str, name: str) -> str:
    """Return the label of a witness's key."""
    return f"witness/{site}/{name}"


def enforcer_label(site: str, name: str) -> str:
    """Return the label of an enforcer's key."""
    return f"enforcer/{site}/{name}"


@dataclass
class Fleet:
    """A fleet with every key of it.

    Attributes:
        now_ns: Wall time at which the documents are valid and messages are issued by default.
        raw_root: The root's envelope; `raw_policy`, `raw_index` and `raw_records` likewise.
    """

    now_ns: int
    root: Root
    policy: Policy
    index: FleetIndex
    records: Mapping[str, SiteRecord]
    raw_root: bytes
    raw_policy: bytes
    raw_index: bytes
    raw_records: Mapping[str, bytes]
    _nonces: Iterable[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    @property
    def fleet(self) -> str:
        """The fleet's id."""
        return self.root.digest()

    @property
    def topics(self) -> Topics:
        """The fleet's topics."""
        return Topics(self.fleet)

    @property
    def sites(self) -> tuple[str, ...]:
        """All sites, sorted."""
        return tuple(sorted(self.records))

    def trust(self) -> FleetTrust:
        """Open all documents as the orchestrator does."""
        return FleetTrust.open(
            [self.raw_root], self.raw_policy, self.raw_index, self.raw_records.values(), now_ns=self.now_ns
        )

    def site_trust(self, site: str) -> SiteTrust:
        """Open one site's documents as its agent does."""
        return SiteTrust.open([self.raw_root], self.raw_policy, self.raw_records[site], site=site, now_ns=self.now_ns)

    def nonce(self) -> str:
        """Return a nonce that was not used before."""
        return digest_of(f"nonce {next(iter(self._nonces))}".encode())[:32]

    def at(self, offset_s: float = 0.0) -> str:
        """Return the wall time `offset_s` after `now_ns`, as it stands in messages."""
        return format_utc(self.now_ns + seconds_to_ns(offset_s))

    # -- what people and the dispatcher say ------------------------------------------------------

    def step(self, **changes: Any) -> Step:
        """Make a step: a pause of 30 s, unless changed."""
        fields: dict[str, Any] = {
            "name": "halt",
            "params": PauseParams(),
            "hold_s": 30.0,
            "response_limit_s": 5.0,
            "dwell_s": 2.0,
            "restore_limit_s": 10.0,
            "quorum": 2,
            "max_gap_s": 1.0,
        }
        return Step(**(fields | changes))

    def warrant(self, *steps: Step, **changes: Any) -> Warrant:
        """Make a warrant for all sites by name, with one pause step unless steps are given.

        `hold_s` and `params` are passed on to that one step.
        """
        step_changes = {name: changes.pop(name) for name in ("hold_s", "params") if name in changes}
        if "hold_s" in step_changes and step_changes["hold_s"] < 7.0:
            hold_s = step_changes["hold_s"]
            step_changes |= {"response_limit_s": hold_s / 2, "dwell_s": hold_s / 4, "max_gap_s": hold_s / 4}
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "plan": "monthly",
            "title": "Monthly exercise",
            "nonce": self.nonce(),
            "issued_at": self.at(-3600),
            "not_before": self.at(-3600),
            "not_after": self.at(30 * DAY_S),
            "audience": NamedSites(sites=self.sites),
            "steps": steps or (self.step(**step_changes),),
            "challenge_s": 0.25,
            "uses": 10,
            "min_between_uses_s": 0.0,
            "max_total_held_s": 3600.0,
            "dispatchers": tuple(public_of(dispatcher_label(owner)).key_id for owner in DISPATCHERS),
        }
        return Warrant(**(fields | changes))

    def select(self, **values: str | tuple[str, ...]) -> SelectedSites:
        """Make an audience by attributes, against the index held: `fleet.select(region="north")`."""
        match = tuple(
            AttributeMatch(name=name, values=(accepted,) if isinstance(accepted, str) else accepted)
            for name, accepted in values.items()
        )
        return SelectedSites(index_version=self.index.index_version, match=match)

    def approve(self, warrant: Warrant, owners: Iterable[str] = APPROVERS[:2]) -> bytes:
        """Seal a warrant with the approver keys of `owners`."""
        return seal(warrant, *(key_of(approver_label(owner)) for owner in owners))

    def order(self, warrant: Warrant, **changes: Any) -> Order:
        """Make an order for step 0, use 1 of a warrant, valid for a minute."""
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "warrant": warrant.digest(),
            "use": 1,
            "step": 0,
            "drill": drill_id(self.now_ns, warrant.plan, "abcdef"),
            "nonce": self.nonce(),
            "issued_at": self.at(),
            "expires_at": self.at(60),
            "status": "exercise",
            "standing": None,
        }
        return Order(**(fields | changes))

    def rung_order(self, warrant: Warrant, site: str, rung: int, **changes: Any) -> Order:
        """Make the order by which one site climbs to a higher rung of step 0."""
        return self.order(warrant, **({"site": site, "rung": rung} | changes))

    def licence(self, order: Order, site: str, request: str, **changes: Any) -> Licence:
        """Make the licence that answers a request, by its nonce, under a lease order."""
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "site": site,
            "order": order.digest(),
            "drill": order.drill,
            "request": request,
        }
        return Licence(**(fields | changes))

    def dispatch(
        self, message: Order | Challenge | Recall | Release | Abort | Licence, owner: str = DISPATCHERS[0]
    ) -> bytes:
        """Seal a message with a dispatcher's key."""
        return seal(message, key_of(dispatcher_label(owner)))

    def order_frame(self, order: Order, approved: bytes) -> bytes:
        """Return what travels on `topics.orders`: the order sealed by the dispatcher, and its warrant."""
        return join_frame([self.dispatch(order), approved])

    def release(self, order: Order, **changes: Any) -> Release:
        """Make the release of an order."""
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "warrant": order.warrant,
            "use": order.use,
            "step": order.step,
            "drill": order.drill,
            "nonce": self.nonce(),
            "issued_at": self.at(),
        }
        return Release(**(fields | changes))

    def abort(self, order: Order, **changes: Any) -> Abort:
        """Make the abort of an order's whole use."""
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "warrant": order.warrant,
            "use": order.use,
            "nonce": self.nonce(),
            "issued_at": self.at(),
            "reason": "stop condition met",
        }
        return Abort(**(fields | changes))

    def revocation(self, warrant: str, **changes: Any) -> Revocation:
        """Revoke a warrant of a digest."""
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "warrant": warrant,
            "nonce": self.nonce(),
            "issued_at": self.at(),
            "reason": "it was a mistake",
        }
        return Revocation(**(fields | changes))

    def standing(self, **changes: Any) -> Standing:
        """State that everything stands, now."""
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "seq": 100,
            "issued_at": self.at(),
            "policy_version": 1,
            "revoked": (),
            "levers": (),
        }
        return Standing(**(fields | changes))

    def staple(self, standing: Standing, keeper: str = "timekeeper") -> StapledStanding:
        """Seal a statement as a timekeeper does, to be stapled to an order."""
        return StapledStanding(envelope=seal(standing, key_of(keeper)).decode())

    def lever(self, *, site: str | None = None, disengages: str | None = None, **changes: Any) -> Lever:
        """Make an engagement of the lever or, with `disengages`, its lifting."""
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "site": site,
            "engaged": disengages is None,
            "disengages": disengages,
            "nonce": self.nonce(),
            "issued_at": self.at(),
            "reason": "safety first",
        }
        return Lever(**(fields | changes))

    def challenge(self, seq: int, *, drill: str | None = None, final: bool = False, **changes: Any) -> Challenge:
        """Make challenge number `seq` of a drill."""
        fields: dict[str, Any] = {
            "fleet": self.fleet,
            "drill": drill or drill_id(self.now_ns, "monthly", "abcdef"),
            "seq": seq,
            "nonce": self.nonce(),
            "issued_at": self.at(),
            "journal_seq": seq,
            "journal_head": digest_of(f"journal {seq}".encode()),
            "final": final,
        }
        return Challenge(**(fields | changes))

    def recall(self, site: str, witness: str, first: int, last: int, *, drill: str | None = None) -> Recall:
        """Make a recall of a witness's messages `first` to `last`."""
        return Recall(
            fleet=self.fleet,
            drill=drill or drill_id(self.now_ns, "monthly", "abcdef"),
            site=site,
            witness=witness,
            first=first,
            last=last,
            nonce=self.nonce(),
        )


def kept(standing_max_age_s: float | None = 30.0) -> dict[str, Any]:
    """Return what makes a policy one with a timekeeper."""
    keeper = OwnedKey(owner="time-office", key=public_of("timekeeper"))
    return {"timekeepers": (keeper,), "standing_max_age_s": standing_max_age_s}


def witness_names(count: int) -> tuple[str, ...]:
    """Return the names of a site's first `count` witnesses: `w1`, `w2`, ..."""
    return tuple(f"w{number}" for number in range(1, count + 1))


def _owned(owners: Iterable[str], label: Any) -> tuple[OwnedKey, ...]:
    return tuple(OwnedKey(owner=owner, key=public_of(label(owner))) for owner in owners)


def make_fleet(
    sites: Iterable[str] = ("alpha", "beta"),
    *,
    now_ns: int = NOW_NS,
    witnesses: int = 3,
    enforcers: int = 0,
    covers: Iterable[str] = (CPU_SIGNAL, PROCESSES_SIGNAL),
    policy: Mapping[str, Any] | None = None,
    record: Mapping[str, Any] | None = None,
    work: WorkRate | Iterable[WorkRate] | None = None,
    off_levels: Iterable[OffLevel] = (),
    registry: str | None = None,
    per_site: Callable[[str], Mapping[str, Any]] | None = None,
) -> Fleet:
    """Make a fleet whose documents are valid from a day before `now_ns` for a year.

    Args:
        sites: Their names; each has the attribute `region` (`north` for the first, `south` for the rest).
        now_ns: Wall time that everything is made around.
        witnesses: How many witnesses each site has, each of another owner than the site's.
        enforcers: How many enforcers each site has: `e1`, `e2`, ..., of the owner `utility`.
        covers: The signals that every witness covers.
        policy: Fields of the policy to change.
        record: Fields of every site record to change.
        work: The counters that say whether a site works, with the class of work that each counts.
        off_levels: The levels that say that a site is switched off.
        registry: Digest of each site's register of accelerators.
        per_site: Fields of one site's record to change, given its name.

    Controls other than pause and shutdown are for a test to list: `record={"controls": tuple(Control)}`.
    """
    issued_at, expires_at = format_utc(now_ns - seconds_to_ns(DAY_S)), format_utc(now_ns + seconds_to_ns(365 * DAY_S))
    dated = {"issued_at": issued_at, "expires_at": expires_at}
    root_signers = [key_of(root_label(owner)) for owner in ROOT_OWNERS[:2]]
    root = Root(fleet=None, root_version=1, threshold=2, keys=_owned(ROOT_OWNERS, root_label), demo=True, **dated)
    fleet = root.digest()
    policy_fields: dict[str, Any] = {
        "fleet": fleet,
        "policy_version": 1,
        "approvers": _owned(APPROVERS, approver_label),
        "dispatchers": _owned(DISPATCHERS, dispatcher_label),
        "thresholds": (Threshold(control=Control.PAUSE, owners=2), Threshold(control=Control.SHUTDOWN, owners=2)),
        "max_clock_skew_s": 5.0,
        **dated,
    }
    policy_made = Policy(**(policy_fields | dict(policy or {})))
    rate = WorkRate(signal=CPU_SIGNAL, quiet_per_s=20_000, band_min_per_s=100_000, band_max_per_s=4_000_000)
    rates = (work,) if isinstance(work, WorkRate) else tuple(work or (rate,))
    levels = tuple(off_levels)
    records: dict[str, SiteRecord] = {}
    covers = tuple(covers)
    for number, site in enumerate(sites):
        fields: dict[str, Any] = {
            "fleet": fleet,
            "site": site,
            "record_version": 1,
            "index_version": 1,
            "owner": f"owner-{site}",
            "mock": False,
            "attributes": (Attribute(name="region", value="south" if number else "north"),),
            "agent_keys": (public_of(agent_label(site)),),
            "operator_keys": (public_of(operator_label(site)),),
            "witnesses": tuple(
                WitnessEntry(
                    name=name,
                    owner=WITNESS_OWNERS[place % len(WITNESS_OWNERS)],
                    key=public_of(witness_label(site, name)),
                    covers=covers,
                )
                for place, name in enumerate(witness_names(witnesses))
            ),
            "enforcers": tuple(
                EnforcerEntry(name=name, owner="utility", key=public_of(enforcer_label(site, name)))
                for name in (f"e{number}" for number in range(1, enforcers + 1))
            ),
            "controls": (Control.PAUSE, Control.SHUTDOWN),
            "work": rates,
            "off_levels": levels,
            "registry": registry,
            "max_hold_s": 3600.0,
            "max_total_held_s": 7200.0,
            **dated,
        }
        own = per_site(site) if per_site is not None else {}
        records[site] = SiteRecord(**(fields | dict(record or {}) | dict(own)))
    index = FleetIndex(
        fleet=fleet,
        index_version=1,
        sites=tuple(IndexEntry(site=site, record=records[site].digest()) for site in sorted(records)),
        **dated,
    )
    return Fleet(
        now_ns,
        root,
        policy_made,
        index,
        records,
        seal(root, *root_signers),
        seal(policy_made, *root_signers),
        seal(index, *root_signers),
        {site: seal(made, *root_signers) for site, made in records.items()},
    )


__all__ = [
    "APPROVERS",
    "CPU_SIGNAL",
    "DISPATCHERS",
    "NOW_NS",
    "PROCESSES_SIGNAL",
    "ROOT_OWNERS",
    "WITNESS_OWNERS",
    "Fleet",
    "ShutdownParams",
    "agent_label",
    "approver_label",
    "dispatcher_label",
    "enforcer_label",
    "key_of",
    "make_fleet",
    "operator_label",
    "private_pem_of",
    "public_of",
    "root_label",
    "witness_label",
    "witness_names",
]
