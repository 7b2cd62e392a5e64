"""Makes one site of a new fleet: keys, the signed record, and what agent, witnesses and enforcers start from."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.fleet.create_files import new_key, private_dirs, put, write_text
from orchestrator.fleet.create_work import Work, process_work, simulated_work
from orchestrator.fleet.layout import EnforcerLayout, PartyLayout, SiteLayout, WitnessLayout
from orchestrator.fleet.spec import EnforcerSpec, SiteSpec, WitnessSpec
from orchestrator.fleet.toml_text import toml_text
from protocols.config import AgentConfig, BrokerConfig, EnforcerConfig, FeedActuatorConfig, WitnessConfig
from protocols.keys import Signer, record_of
from protocols.messages import Attribute, EnforcerEntry, Message, SiteRecord, WitnessEntry
from protocols.mock_config import MockConfig

_SECRET_BYTES = 16


@dataclass(frozen=True, slots=True)
class Issuer:
    """What all sites of a new fleet share.

    Attributes:
        fleet: The fleet's id.
        issued_at: When their records are issued.
        expires_at: When these expire.
        broker: Where the broker is.
        root: The chain of roots, as a file.
        policy: The policy, as a file.
        seal: Signs a document with as many root keys as it takes.
    """

    fleet: str
    issued_at: str
    expires_at: str
    broker: BrokerConfig
    root: bytes
    policy: bytes
    seal: Callable[[Message], bytes]


def make_site(spec: SiteSpec, at: SiteLayout, final: SiteLayout, issuer: Issuer) -> tuple[str, bytes]:
    """Make one site.

    Args:
        spec: What it is to be.
        at: Where it is being built.
        final: Where it will lie, as its files speak of it.
        issuer: What it shares with the others.

    Returns:
        The digest of its record, and the record's envelope.
    """
    return _Maker(spec, at, final, issuer).make()


class _Maker:
    def __init__(self, spec: SiteSpec, at: SiteLayout, final: SiteLayout, issuer: Issuer) -> None:
        self._spec = spec
        self._at = at
        self._final = final
        self._issuer = issuer
        self._owner = spec.owner or f"{spec.name}-operator"
        self._mock = _mock_config(spec, final)
        self._work: Work = (
            process_work(spec, final, issuer.fleet) if self._mock is None else simulated_work(self._mock, final)
        )

    def make(self) -> tuple[str, bytes]:
        at = self._at
        private_dirs(at.folder, at.state, at.work)
        agent, operator = new_key(at.agent_key), new_key(at.operator_key)
        witnesses = [(witness, self._party_key(at.witness(witness.name))) for witness in self._spec.witnesses]
        enforcers = [(enforcer, self._party_key(at.enforcer(enforcer.name))) for enforcer in self._enforcers]
        record = self._record(agent, operator, witnesses, enforcers)
        raw = self._issuer.seal(record)
        self._copy_documents(at, raw)
        write_text(at.config, toml_text(self._agent_config(), f"haltdrill: the agent of site {self._spec.name}."))
        if self._mock is not None:
            write_text(at.mock, toml_text(self._mock, f"haltdrill: what is simulated at site {self._spec.name}."))
        for witness, _ in witnesses:
            self._make_witness(witness, raw)
        for enforcer, _ in enforcers:
            self._make_enforcer(enforcer, raw)
        return record.digest(), raw

    @property
    def _enforcers(self) -> tuple[EnforcerSpec, ...]:
        return () if self._mock is None else self._spec.enforcers

    @staticmethod
    def _party_key(place: WitnessLayout | EnforcerLayout) -> Signer:
        private_dirs(place.folder, place.state)
        return new_key(place.key)

    def _copy_documents(self, party: PartyLayout, record: bytes) -> None:
        for path, raw in ((party.root, self._issuer.root), (party.policy, self._issuer.policy), (party.record, record)):
            put(path, raw)
        if self._work.register is not None:
            put(party.register, self._work.register)

    def _record(
        self,
        agent: Signer,
        operator: Signer,
        witnesses: list[tuple[WitnessSpec, Signer]],
        enforcers: list[tuple[EnforcerSpec, Signer]],
    ) -> SiteRecord:
        spec, work = self._spec, self._work
        return SiteRecord(
            fleet=self._issuer.fleet,
            site=spec.name,
            record_version=1,
            index_version=1,
            issued_at=self._issuer.issued_at,
            expires_at=self._issuer.expires_at,
            owner=self._owner,
            mock=self._mock is not None,
            attributes=(Attribute(name="region", value=spec.region),),
            agent_keys=(record_of(agent),),
            operator_keys=(record_of(operator),),
            witnesses=tuple(
                WitnessEntry(name=entry.name, owner=entry.owner, key=record_of(signer), covers=work.covers)
                for entry, signer in witnesses
            ),
            controls=work.controls,
            work=work.rates,
            max_hold_s=spec.max_hold_s,
            max_total_held_s=spec.max_total_held_s,
            enforcers=tuple(
                EnforcerEntry(name=entry.name, owner=entry.owner, key=record_of(signer)) for entry, signer in enforcers
            ),
            off_levels=work.off_levels,
            registry=work.registry,
        )

    def _agent_config(self) -> AgentConfig:
        final = self._final
        return AgentConfig(
            site=self._spec.name,
            broker=self._issuer.broker,
            root=final.root.name,
            policy=final.policy.name,
            record=final.record.name,
            key=final.agent_key.name,
            state=final.state.name,
            veto=final.veto.name,
            driver=self._work.driver,
            lie=self._spec.lie,
        )

    def _make_witness(self, witness: WitnessSpec, record: bytes) -> None:
        place, final = self._at.witness(witness.name), self._final.witness(witness.name)
        self._copy_documents(place, record)
        config = WitnessConfig(
            site=self._spec.name,
            name=witness.name,
            broker=self._issuer.broker,
            root=final.root.name,
            policy=final.policy.name,
            record=final.record.name,
            key=final.key.name,
            state=final.state.name,
            probe=self._work.probe,
        )
        title = f"haltdrill: witness {witness.name} of site {self._spec.name}, owned by {witness.owner}."
        write_text(place.config, toml_text(config, title))

    def _make_enforcer(self, enforcer: EnforcerSpec, record: bytes) -> None:
        place, final = self._at.enforcer(enforcer.name), self._final.enforcer(enforcer.name)
        self._copy_documents(place, record)
        config = EnforcerConfig(
            site=self._spec.name,
            name=enforcer.name,
            broker=self._issuer.broker,
            root=final.root.name,
            policy=final.policy.name,
            record=final.record.name,
            key=final.key.name,
            state=final.state.name,
            veto=final.veto.name,
            actuator=FeedActuatorConfig(file=f"../{self._final.feed.name}"),
        )
        title = f"haltdrill: enforcer {enforcer.name} of site {self._spec.name}, owned by {enforcer.owner}."
        write_text(place.config, toml_text(config, title))


def _mock_config(spec: SiteSpec, final: SiteLayout) -> MockConfig | None:
    if spec.simulated is None:
        return None
    return MockConfig(
        site=spec.name,
        seed=spec.simulated.seed,
        device_secret=secrets.token_hex(_SECRET_BYTES),
        feed=final.feed.name,
        accelerators=spec.simulated.accelerators,
        jobs=spec.simulated.jobs,
        power=spec.simulated.power,
        timing=spec.simulated.timing,
        faults=spec.simulated.faults,
        fault_timing=spec.simulated.fault_timing,
    )
