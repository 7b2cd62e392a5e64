"""Reads a simulated site's folder: `mock.toml`, and the ordinary configurations of its parties.

::

    SITE/
    ├── mock.toml                       what is simulated
    ├── agent.toml                      driver.kind = "mock"
    ├── witness-<name>/witness.toml     probe.kind = "mock"
    └── enforcer-<name>/enforcer.toml   actuator.kind = "feed", on the feed of mock.toml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from agents.mocksite.driver import MockDriver
from agents.startup import open_signer, open_trust
from protocols.clock import Clock
from protocols.config import (
    AgentConfig,
    BrokerConfig,
    EnforcerConfig,
    FeedActuatorConfig,
    MockDriverConfig,
    MockProbeConfig,
    WitnessConfig,
)
from protocols.controls import CATALOGUE, Actor, Control
from protocols.errors import ConfigError
from protocols.host.files import read_bytes, read_toml
from protocols.ids import digest_of
from protocols.keys import Signer
from protocols.messages import AGENT, KeyRecord, SiteRecord
from protocols.mock_config import MockConfig, Register
from protocols.trust import SiteTrust

MOCK_NAME = "mock.toml"
DESTROYED_NAME = "destroyed"
_REGISTER_MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PartyFolder:
    """What agent, witnesses and enforcers each have of their own.

    Attributes:
        trust: Its copy of the documents.
        signer: Its key.
        broker: Where it connects to.
        state: The folder of what it remembers.
        store: The file of its memory in there.
        veto: Where its local veto would lie.
    """

    trust: SiteTrust
    signer: Signer
    broker: BrokerConfig
    state: Path
    store: str
    veto: Path | None = None


@dataclass(frozen=True, slots=True)
class WitnessFolder:
    """A witness's own, and its instruments."""

    party: PartyFolder
    probe: MockProbeConfig
    register: Register | None


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """A whole simulated site, read and checked.

    Attributes:
        config: What is simulated.
        feed: The file of its power feed.
        agent: What the agent has.
        witnesses: What each witness has, by name.
        enforcers: What each enforcer has that is to run here, by name.
    """

    config: MockConfig
    feed: Path | None
    agent: PartyFolder
    witnesses: Mapping[str, WitnessFolder]
    enforcers: Mapping[str, PartyFolder]

    @property
    def destroyed(self) -> Path:
        """The file that says that its accelerators were destroyed."""
        return self.agent.state / DESTROYED_NAME

    @property
    def parties(self) -> Mapping[str, PartyFolder]:
        """Everybody's own, by name."""
        witnesses = {name: entry.party for name, entry in self.witnesses.items()}
        return {AGENT: self.agent, **witnesses, **self.enforcers}


def find_sites(folder: Path) -> tuple[Path, ...]:
    """Return the folders in `folder` that hold a simulated site, sorted.

    Raises:
        ConfigError: It cannot be looked into, or there is none.
    """
    try:
        found = tuple(sorted(path.parent for path in folder.glob(f"*/{MOCK_NAME}")))
    except OSError as error:
        raise ConfigError(f"cannot be looked into: {error.strerror}", where=str(folder)) from error
    if not found:
        raise ConfigError(f"no folder in it holds a {MOCK_NAME}", where=str(folder))
    return found


def read_site(folder: Path, clock: Clock, *, with_enforcers: bool) -> SiteFolder:
    """Read and check a site's folder.

    Args:
        folder: The folder.
        clock: Says whether documents are valid now.
        with_enforcers: Whether its enforcers are to run here too.

    Raises:
        ConfigError: Something is missing or does not fit together.
        UntrustedInput: A document is not to be trusted.
    """
    return _Reader(folder, clock).read(with_enforcers=with_enforcers)


class _Reader:
    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder.resolve()
        self._clock = clock
        self._config = read_toml(folder / MOCK_NAME, MockConfig)
        self._feed = None if self._config.feed is None else (self._folder / self._config.feed).resolve()

    def read(self, *, with_enforcers: bool) -> SiteFolder:
        agent = self._agent()
        witnesses = dict(self._witness(path) for path in self._parties("witness"))
        enforcers = dict(self._enforcer(path) for path in self._parties("enforcer")) if with_enforcers else {}
        if not witnesses:
            raise ConfigError("no witness has a folder here", where=str(self._folder))
        return SiteFolder(self._config, self._feed, agent, witnesses, enforcers)

    def _parties(self, kind: str) -> list[Path]:
        return sorted(self._folder.glob(f"{kind}-*/{kind}.toml"))

    def _agent(self) -> PartyFolder:
        path = self._folder / "agent.toml"
        config = read_toml(path, AgentConfig)
        if not isinstance(config.driver, MockDriverConfig):
            raise ConfigError('a simulated site\'s agent has driver.kind = "mock"', where=str(path))
        trust = self._trust(config, path)
        record = trust.record
        if not record.mock:
            raise ConfigError("the site record does not say that it is a mock site", where=str(path))
        missing = sorted(set(record.controls) - MockDriver.actions - _enforced(record))
        if missing:
            raise ConfigError(
                f"the site record lists the control {missing[0]}, which nobody here does", where=str(path)
            )
        listed = record.agent_keys
        veto = path.parent / config.veto
        return self._party(config, trust, path, listed, f"agent of site {config.site}", "agent.jsonl", veto)

    def _witness(self, path: Path) -> tuple[str, WitnessFolder]:
        config = read_toml(path, WitnessConfig)
        if not isinstance(config.probe, MockProbeConfig):
            raise ConfigError('a simulated site\'s witness has probe.kind = "mock"', where=str(path))
        trust = self._trust(config, path)
        listed = [entry.key for entry in trust.record.witnesses if entry.name == config.name]
        what = f"witness {config.name} of site {config.site}"
        party = self._party(config, trust, path, listed, what, "witness.jsonl", None)
        register = None
        if config.probe.registry is not None:
            register = _register(path.parent / config.probe.registry, trust.record)
        return config.name, WitnessFolder(party, config.probe, register)

    def _enforcer(self, path: Path) -> tuple[str, PartyFolder]:
        config = read_toml(path, EnforcerConfig)
        actuator = config.actuator
        if not isinstance(actuator, FeedActuatorConfig) or (path.parent / actuator.file).resolve() != self._feed:
            raise ConfigError(
                f"does not switch the feed that {MOCK_NAME} names",
                where=str(path),
                remedy="or leave it to haltdrill enforcer, with --no-enforcers here",
            )
        trust = self._trust(config, path)
        listed = [entry.key for entry in trust.record.enforcers if entry.name == config.name]
        what = f"enforcer {config.name} of site {config.site}"
        veto = None if config.veto is None else path.parent / config.veto
        return config.name, self._party(config, trust, path, listed, what, "enforcer.jsonl", veto)

    def _trust(self, config: AgentConfig | WitnessConfig | EnforcerConfig, path: Path) -> SiteTrust:
        if config.site != self._config.site:
            raise ConfigError(f"is for site {config.site}, and {MOCK_NAME} for {self._config.site}", where=str(path))
        return open_trust(config, path.parent, self._clock)

    @staticmethod
    def _party(
        config: AgentConfig | WitnessConfig | EnforcerConfig,
        trust: SiteTrust,
        path: Path,
        listed: tuple[KeyRecord, ...] | list[KeyRecord],
        what: str,
        store: str,
        veto: Path | None,
    ) -> PartyFolder:
        if not listed:
            raise ConfigError(f"the site record has no {what}", where=str(path))
        signer = open_signer(path.parent / config.key, listed, what)
        return PartyFolder(trust, signer, config.broker, path.parent / config.state, store, veto)


def _enforced(record: SiteRecord) -> frozenset[Control]:
    """Return what the site's enforcers do."""
    controls = (control for control, spec in CATALOGUE.items() if spec.actor is Actor.ENFORCER)
    return frozenset(controls if record.enforcers else ())


def _register(path: Path, record: SiteRecord) -> Register:
    data = read_bytes(path, max_bytes=_REGISTER_MAX_BYTES)
    if digest_of(data) != record.registry:
        raise ConfigError("is not the register whose digest stands in the site record", where=str(path))
    try:
        return Register.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ConfigError(f"is no register of accelerators: {first['msg']}", where=str(path)) from None
