"""The mock world of an exercise: a fleet's documents and keys from a seed, its simulated sites, and their broker."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agents.feed import MemoryFeed
from agents.mocksite.assembly import EnforcerKit, MockSite, Surroundings, WitnessKit, assemble
from orchestrator.fleet.load import FleetDocuments
from orchestrator.tabletop.load import site_names
from orchestrator.tabletop.loop import ExerciseClock
from orchestrator.tabletop.spec import Scenario, SiteGroup
from protocols.controls import CATALOGUE, Control
from protocols.envelope import seal
from protocols.errors import HaltdrillError
from protocols.host.logs import FilteringBoundLogger
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import Signer, record_of, signer_from_private
from protocols.messages import (
    Attribute,
    EnforcerEntry,
    FleetIndex,
    IndexEntry,
    OwnedKey,
    Policy,
    Root,
    SiteRecord,
    Threshold,
    WitnessEntry,
)
from protocols.mock_config import (
    DEFAULT_JOBS,
    AcceleratorConfig,
    FaultConfig,
    Look,
    MockConfig,
    off_levels,
    register_of,
    signals_of,
    work_rates,
)
from protocols.topics import Topics
from protocols.transport.memory import MemoryBroker, MemoryTransport
from protocols.trust import FleetTrust

DAY_S = 86_400.0
ENFORCER = "feed-control"
WITNESS_OWNERS = ("regulator-lab", "peer-audit", "insurer", "university", "neighbour")
DISPATCHER_OWNER = "control-room"
PULSE_S = 1.0
SOFTWARE = "haltdrill tabletop"


@dataclass(slots=True)
class RamDisk:
    """A disk in memory; a `agents.store.Disk`."""

    where: str = "memory"
    _data: bytearray = field(default_factory=bytearray)

    def read(self) -> bytes:
        """Return everything."""
        return bytes(self._data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`."""
        return bytes(self._data[offset : offset + length])

    def append(self, data: bytes) -> None:
        """Add `data` at the end."""
        self._data += data

    def truncate(self, size_bytes: int) -> None:
        """Cut everything off from `size_bytes` on."""
        del self._data[size_bytes:]

    def replace(self, data: bytes) -> None:
        """Replace everything."""
        self._data = bytearray(data)

    def close(self) -> None:
        """Do nothing."""


class Keys:
    """Every key of an exercise: from its seed, so that one seed is one run. Worth nothing outside of it.

    Args:
        seed: The scenario's name and seed.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._made: dict[str, Signer] = {}
        self._nonces = 0

    def __call__(self, label: str) -> Signer:
        """Return the key of a label."""
        if label not in self._made:
            raw = hashlib.sha256(f"{self._seed}\0{label}".encode()).digest()
            self._made[label] = signer_from_private(Ed25519PrivateKey.from_private_bytes(raw))
        return self._made[label]

    def nonce(self) -> str:
        """Return a nonce that was not used before."""
        self._nonces += 1
        return hashlib.sha256(f"{self._seed}\0nonce {self._nonces}".encode()).hexdigest()[:32]


def config_of(group: SiteGroup, number: int, seed: int) -> MockConfig:
    """Return what is simulated at one site of a group, counted from 1."""
    faulty = group.first_with_faults is None or number <= group.first_with_faults
    jobs = tuple(job.model_copy(update={"accelerators": 1, "state_gb": 8.0}) for job in DEFAULT_JOBS)
    return MockConfig(
        site=f"{group.region}-{number}",
        seed=seed,
        device_secret=hashlib.sha256(f"devices of an exercise {seed}".encode()).hexdigest()[:32],
        accelerators=AcceleratorConfig(count=group.accelerators),
        jobs=jobs,
        faults=tuple(FaultConfig(kind=kind) for kind in group.faults) if faulty else (),
    )


def configs_of(scenario: Scenario) -> dict[str, MockConfig]:
    """Return what is simulated at each site."""
    numbers = iter(range(10_000_000))
    return {
        f"{group.region}-{number}": config_of(group, number, 1_000 * scenario.fleet.seed + next(numbers))
        for group in scenario.fleet.groups
        for number in range(1, group.count + 1)
    }


class FleetMaker:
    """Makes the documents of an exercise's fleet.

    Args:
        scenario: The scenario.
        keys: Its keys.
        configs: Its sites.
        start_ns: When it pretends to begin, wall time.
    """

    def __init__(self, scenario: Scenario, keys: Keys, configs: dict[str, MockConfig], start_ns: int) -> None:
        self._scenario, self._keys, self._configs, self._start_ns = scenario, keys, configs, start_ns
        issued, expires = start_ns - seconds_to_ns(DAY_S), start_ns + seconds_to_ns(365 * DAY_S)
        self._issued_at, self._expires_at = format_utc(issued), format_utc(expires)
        self._signers = [keys(f"root {owner}") for owner in ("root-a", "root-b")]

    def make(self) -> FleetDocuments:
        """Make and sign all of them, and open them as the orchestrator does."""
        root = Root(
            fleet=None,
            root_version=1,
            threshold=2,
            keys=tuple(self._owned(owner, f"root {owner}") for owner in ("root-a", "root-b", "root-c")),
            demo=True,
            issued_at=self._issued_at,
            expires_at=self._expires_at,
        )
        self._fleet = root.digest()
        records = {site: self._record(site) for site in self._configs}
        index = FleetIndex(
            fleet=self._fleet,
            index_version=1,
            sites=tuple(IndexEntry(site=site, record=records[site].digest()) for site in sorted(records)),
            issued_at=self._issued_at,
            expires_at=self._expires_at,
        )
        raw_root, raw_policy, raw_index = (seal(one, *self._signers) for one in (root, self._policy(), index))
        raw = {site: seal(record, *self._signers) for site, record in records.items()}
        trust = FleetTrust.open([raw_root], raw_policy, raw_index, raw.values(), now_ns=self._start_ns)
        return FleetDocuments(trust, (raw_root,), raw_policy, raw_index, raw)

    def _owned(self, owner: str, label: str) -> OwnedKey:
        return OwnedKey(owner=owner, key=record_of(self._keys(label)))

    def _policy(self) -> Policy:
        fleet = self._scenario.fleet
        return Policy(
            fleet=self._fleet,
            policy_version=1,
            approvers=tuple(self._owned(owner, f"approver {owner}") for owner in fleet.approvers),
            dispatchers=(self._owned(DISPATCHER_OWNER, "dispatcher"),),
            thresholds=tuple(
                Threshold(
                    control=row.control,
                    owners=min(len(fleet.approvers), max(fleet.threshold, row.default_threshold)),
                )
                for row in CATALOGUE.values()
            ),
            max_clock_skew_s=5.0,
            issued_at=self._issued_at,
            expires_at=self._expires_at,
        )

    def _record(self, site: str) -> SiteRecord:
        config = self._configs[site]
        group = next(one for one in self._scenario.fleet.groups if one.region == site.rpartition("-")[0])
        return SiteRecord(
            fleet=self._fleet,
            site=site,
            record_version=1,
            index_version=1,
            owner=group.owner or f"{site}-operator",
            mock=True,
            attributes=(Attribute(name="region", value=group.region),),
            agent_keys=(record_of(self._keys(f"agent {site}")),),
            operator_keys=(record_of(self._keys(f"operator {site}")),),
            witnesses=tuple(
                WitnessEntry(
                    name=name,
                    owner=name,
                    key=record_of(self._keys(f"{name} {site}")),
                    covers=tuple(signal for look in Look for signal in signals_of(look, config)),
                )
                for name in witness_names(self._scenario)
            ),
            enforcers=(
                EnforcerEntry(name=ENFORCER, owner="grid-operator", key=record_of(self._keys(f"{ENFORCER} {site}"))),
            ),
            controls=tuple(Control),
            work=work_rates(config),
            off_levels=off_levels(config),
            registry=register_of(config).digest,
            max_hold_s=86_400.0,
            max_total_held_s=10 * 86_400.0,
            issued_at=self._issued_at,
            expires_at=self._expires_at,
        )


def witness_names(scenario: Scenario) -> tuple[str, ...]:
    """Return the witnesses that each site has; each is its own owner."""
    return WITNESS_OWNERS[: scenario.fleet.witnesses]


@dataclass(slots=True)
class MockFleet:
    """The simulated sites, on a broker in memory.

    Attributes:
        scenario: The scenario.
        keys: Every key.
        documents: The fleet's documents.
        clock: The exercise's clock.
        log: Where the parties' log goes.
        broker: The broker.
        sites: The sites, once they run.
        vetoes: The sites whose operator refuses everything.
    """

    scenario: Scenario
    keys: Keys
    documents: FleetDocuments
    configs: dict[str, MockConfig]
    clock: ExerciseClock
    log: FilteringBoundLogger
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    sites: dict[str, MockSite] = field(default_factory=dict)
    vetoes: set[str] = field(default_factory=set)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _running: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def topics(self) -> Topics:
        """The fleet's topics."""
        return Topics(self.documents.trust.fleet)

    def transport(self, client_id: str, filters: Sequence[str]) -> MemoryTransport:
        """Make a connection that is not entered yet."""
        return MemoryTransport(self.broker, filters, clock=self.clock, client_id=client_id)

    @property
    def awake(self) -> bool:
        """Whether the sites' parties run."""
        return bool(self._running)

    def wake(self) -> None:
        """Let the sites' parties run."""
        self._stop = asyncio.Event()
        for site in site_names(self.scenario):
            if site in self.sites:
                self.sites[site].revive()
            else:
                self.sites[site] = self._assemble(site)
        self._running = [asyncio.create_task(site.run(self._stop)) for site in self.sites.values()]

    async def rest(self) -> None:
        """Let the parties end, which restore their sites first; the sites themselves stay as they are."""
        self._stop.set()
        for task in self._running:
            with suppress(HaltdrillError):
                await task
        self._running = []

    async def end(self) -> None:
        """Take every hindrance away, let everybody restore, and stop them."""
        self.broker.start()
        self.vetoes.clear()
        self.heal(tuple(self.sites))
        await self.rest()

    def cut(self, sites: Sequence[str]) -> None:
        """Cut sites off from the broker."""
        for client in self._clients(sites):
            self.broker.cut(client)

    def heal(self, sites: Sequence[str]) -> None:
        """Let sites reach the broker again."""
        for client in self._clients(sites):
            self.broker.heal(client)

    def _clients(self, sites: Sequence[str]) -> Iterator[str]:
        for site in sites:
            yield from (f"{site}/{name}" for name in ("agent", ENFORCER, *witness_names(self.scenario)))

    def _assemble(self, site: str) -> MockSite:
        trust = self.documents.trust.site(site)
        disks: dict[str, RamDisk] = {}

        def connect(who: str, filters: Sequence[str]) -> MemoryTransport:
            return self.transport(f"{site}/{who}", filters)

        around = Surroundings(
            clock=self.clock,
            connect=connect,
            disk=lambda who: disks.setdefault(who, RamDisk(f"{site}/{who}")),
            log=self.log,
            feed=MemoryFeed(),
            software=SOFTWARE,
            new_id=self.keys.nonce,
            nonce=self.keys.nonce,
            pulse_s=PULSE_S,
        )
        return assemble(
            self.configs[site],
            trust,
            around,
            agent=self.keys(f"agent {site}"),
            witnesses={name: WitnessKit(self.keys(f"{name} {site}")) for name in witness_names(self.scenario)},
            enforcers={ENFORCER: EnforcerKit(self.keys(f"{ENFORCER} {site}"))},
            veto=lambda: site in self.vetoes,
        )
