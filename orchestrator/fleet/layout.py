"""Where things lie in a fleet's folder, as `haltdrill init` makes it.

::

    DIR/
    ├── haltdrill.toml           the orchestrator's configuration
    ├── fleet-id.txt             the digest of root version 1: what `haltdrill verify` trusts
    ├── fleet/                   the root-signed documents: public, for everybody
    │   ├── root.json            one envelope a line, version 1 first
    │   ├── policy.json
    │   ├── index.json
    │   └── sites/<site>.json
    ├── keys/                    private, 0600; hand each one to its owner
    │   ├── root-<owner>.key
    │   ├── approver-<owner>.key
    │   └── dispatcher.key
    ├── plans/*.yaml             drill plans to start from
    ├── stops/*.json             levers and revocations, one a file, as they were signed
    ├── timekeeper/              what goes to the timekeeper, and never to the orchestrator
    │   ├── timekeeper.toml, timekeeper.key
    │   ├── fleet/               its own copy of the documents
    │   └── state/
    └── sites/<site>/            what goes to the site
        ├── agent.toml, agent.key, operator.key
        ├── root.json, policy.json, record.json
        ├── state/, work/
        ├── mock.toml            a simulated site only: what is simulated
        ├── register.json        a simulated site only: its register of accelerators
        ├── enforcer-<name>/     what goes to the enforcer, and never to the site
        │   ├── enforcer.toml, enforcer.key
        │   ├── root.json, policy.json, record.json
        │   └── state/
        └── witness-<name>/      what goes to the witness, and never to the site
            ├── witness.toml, witness.key
            ├── root.json, policy.json, record.json, register.json
            └── state/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from protocols.errors import ConfigError

CONFIG_NAME = "haltdrill.toml"


@dataclass(frozen=True, slots=True)
class DocumentsLayout:
    """The folder of root-signed documents."""

    folder: Path

    @property
    def root(self) -> Path:
        """The chain of roots, one envelope a line."""
        return self.folder / "root.json"

    @property
    def policy(self) -> Path:
        """The policy."""
        return self.folder / "policy.json"

    @property
    def index(self) -> Path:
        """The fleet index."""
        return self.folder / "index.json"

    @property
    def sites(self) -> Path:
        """The folder of site records."""
        return self.folder / "sites"

    def record(self, site: str) -> Path:
        """The record of one site."""
        return self.sites / f"{site}.json"


@dataclass(frozen=True, slots=True)
class PartyLayout:
    """The folder of one agent, witness or enforcer: its own copy of the documents it needs, and its state."""

    folder: Path

    @property
    def root(self) -> Path:
        """Its copy of the chain of roots."""
        return self.folder / "root.json"

    @property
    def policy(self) -> Path:
        """Its copy of the policy."""
        return self.folder / "policy.json"

    @property
    def record(self) -> Path:
        """Its copy of its site's record."""
        return self.folder / "record.json"

    @property
    def state(self) -> Path:
        """What it remembers."""
        return self.folder / "state"

    @property
    def register(self) -> Path:
        """Its copy of the register of the site's accelerators, where there is one."""
        return self.folder / "register.json"


@dataclass(frozen=True, slots=True)
class WitnessLayout(PartyLayout):
    """The folder of one witness."""

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.folder / "witness.toml"

    @property
    def key(self) -> Path:
        """Its private key."""
        return self.folder / "witness.key"


@dataclass(frozen=True, slots=True)
class EnforcerLayout(PartyLayout):
    """The folder of one enforcer."""

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.folder / "enforcer.toml"

    @property
    def veto(self) -> Path:
        """While this file exists, the enforcer refuses every order."""
        return self.folder / "veto"

    @property
    def key(self) -> Path:
        """Its private key."""
        return self.folder / "enforcer.key"


@dataclass(frozen=True, slots=True)
class SiteLayout(PartyLayout):
    """The folder of one site's agent."""

    @property
    def config(self) -> Path:
        """The agent's configuration."""
        return self.folder / "agent.toml"

    @property
    def agent_key(self) -> Path:
        """The agent's private key."""
        return self.folder / "agent.key"

    @property
    def operator_key(self) -> Path:
        """The site operator's private key, for the safety lever."""
        return self.folder / "operator.key"

    @property
    def veto(self) -> Path:
        """While this file exists, the site refuses every order."""
        return self.folder / "veto"

    @property
    def work(self) -> Path:
        """Where the example workload checkpoints to."""
        return self.folder / "work"

    @property
    def mock(self) -> Path:
        """What is simulated, for a simulated site."""
        return self.folder / "mock.toml"

    @property
    def feed(self) -> Path:
        """The power feed of a simulated site: the file that its enforcer switches."""
        return self.folder / "feed.json"

    def enforcer(self, name: str) -> EnforcerLayout:
        """The folder of one of the site's enforcers."""
        return EnforcerLayout(self.folder / f"enforcer-{name}")

    def witness(self, name: str) -> WitnessLayout:
        """The folder of one of the site's witnesses."""
        return WitnessLayout(self.folder / f"witness-{name}")


@dataclass(frozen=True, slots=True)
class FleetLayout:
    """A whole fleet's folder.

    Attributes:
        folder: The folder, `DIR` above.
    """

    folder: Path

    @property
    def config(self) -> Path:
        """The orchestrator's configuration."""
        return self.folder / CONFIG_NAME

    @property
    def fleet_id(self) -> Path:
        """The fleet's id, as text."""
        return self.folder / "fleet-id.txt"

    @property
    def documents(self) -> DocumentsLayout:
        """The root-signed documents."""
        return DocumentsLayout(self.folder / "fleet")

    @property
    def keys(self) -> Path:
        """The folder of the private keys of people and of the dispatcher."""
        return self.folder / "keys"

    @property
    def dispatcher_key(self) -> Path:
        """The dispatcher's private key."""
        return self.keys / "dispatcher.key"

    @property
    def plans(self) -> Path:
        """The folder of drill plans."""
        return self.folder / "plans"

    @property
    def stops(self) -> Path:
        """The folder of levers and revocations."""
        return self.folder / "stops"

    @property
    def timekeeper(self) -> Path:
        """The folder of the timekeeper."""
        return self.folder / "timekeeper"

    def root_key(self, owner: str) -> Path:
        """An owner's private root key."""
        return self.keys / f"root-{owner}.key"

    def approver_key(self, owner: str) -> Path:
        """An owner's private approver key."""
        return self.keys / f"approver-{owner}.key"

    @property
    def sites(self) -> Path:
        """The folder of the sites' folders."""
        return self.folder / "sites"

    def site(self, site: str) -> SiteLayout:
        """The folder of one site."""
        return SiteLayout(self.sites / site)


def find_fleet(*starts: Path) -> Path:
    """Return the nearest folder with a `haltdrill.toml`, upward from each of `starts` in turn.

    Raises:
        ConfigError: There is none.
    """
    for start in starts:
        here = start.absolute()
        for folder in (here, *here.parents):
            if (folder / CONFIG_NAME).is_file():
                return folder
    raise ConfigError(
        f"there is no {CONFIG_NAME} in {starts[0]} or above it" if starts else f"there is no {CONFIG_NAME}",
        remedy="name the fleet's folder with --fleet DIR, or make one with: haltdrill init DIR",
    )
