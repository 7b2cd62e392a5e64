"""Makes a fleet to start from: keys, signed documents, configuration files and example plans.

It is built beside its place and put there by one rename, so there is either a whole fleet or none.
All keys are made in one place here, which is what the root's `demo` mark says.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from orchestrator.fleet.config import OrchestratorConfig
from orchestrator.fleet.layout import FleetLayout, PartyLayout, SiteLayout
from orchestrator.fleet.plan_examples import pause_plan, shutdown_plan
from orchestrator.fleet.spec import FleetSpec, SiteSpec, WitnessSpec
from orchestrator.fleet.toml_text import toml_text
from protocols.config import AgentConfig, BrokerConfig, ProcessDriverConfig, ProcessProbeConfig, WitnessConfig
from protocols.controls import CATALOGUE, Control
from protocols.envelope import seal
from protocols.errors import ConfigError
from protocols.host.files import generate_private_pem, read_private_key, write_private
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import Signer, record_of
from protocols.messages import (
    Attribute,
    FleetIndex,
    IndexEntry,
    Message,
    OwnedKey,
    Policy,
    Root,
    SiteRecord,
    Threshold,
    WitnessEntry,
    WorkRate,
)
from protocols.signals import LIVE_PROCESSES

CPU_TIME = "cpu_time_us"
MARKER = "HALTDRILL_SITE"
"""The environment variable by which witnesses know a site's work. Its value names the fleet too: two
fleets on one machine, or two demos at once, have sites of the same names."""

_MARKER_FLEET_CHARS = 16

_DAY_S = 86_400
_PRIVATE_DIR = 0o700


def create_fleet(folder: Path, spec: FleetSpec, now_ns: int) -> FleetLayout:
    """Make a fleet in `folder`, which must not exist or be empty.

    Args:
        folder: Where it is to lie.
        spec: What it is to be.
        now_ns: Wall time, nanoseconds: when its documents are issued.

    Returns:
        Where everything lies.

    Raises:
        ConfigError: There is something already, the spec is wrong, or the disk failed; then nothing
            was changed.
    """
    target = folder.absolute()
    _check_vacant(target)
    _check_spec(spec)
    with _built_beside(target) as building:
        _Maker(FleetLayout(building), FleetLayout(target), spec, now_ns).make()
    return FleetLayout(target)


def _check_vacant(target: Path) -> None:
    try:
        vacant = not target.exists() and not target.is_symlink()
        vacant = vacant or (target.is_dir() and not any(target.iterdir()))
    except OSError as error:
        raise ConfigError(f"cannot be looked into: {error.strerror}", where=str(target)) from error
    if not vacant:
        raise ConfigError(
            "is there already, and nothing is ever overwritten", where=str(target), remedy="choose a new folder"
        )


def _check_spec(spec: FleetSpec) -> None:
    names = [site.name for site in spec.sites]
    if not names:
        raise ConfigError("a fleet has one site at least", where="sites")
    for listed, what in ((names, "site"), (spec.approvers, "approver"), (spec.root_owners, "root owner")):
        doubled = [name for name in listed if list(listed).count(name) > 1]
        if doubled:
            raise ConfigError(f"{what} {doubled[0]} is named twice", where="fleet")


@contextmanager
def _built_beside(target: Path) -> Iterator[Path]:
    """Yield a fresh folder on the target's disk; it becomes the target, or nothing remains of it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ConfigError(f"cannot be made: {error.strerror}", where=str(target)) from error
    try:
        yield building
        building.chmod(0o755)
        os.sync()
        building.rename(target)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{place}: {first['msg']}", where=f"{error.title} of the new fleet") from None
    except OSError as error:
        what = (
            "is there already, and nothing is ever overwritten"
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}
            else f"cannot be made: {error.strerror}"
        )
        raise ConfigError(what, where=str(target)) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


class _Maker:
    """Makes one fleet under `at`, whose files speak of it as lying under `final`."""

    def __init__(self, at: FleetLayout, final: FleetLayout, spec: FleetSpec, now_ns: int) -> None:
        self._at = at
        self._final = final
        self._spec = spec
        self._now_ns = now_ns
        self._issued_at = format_utc(now_ns)
        self._expires_at = format_utc(now_ns + seconds_to_ns(spec.validity_days * _DAY_S))
        self._broker = BrokerConfig(host=spec.host, port=spec.port)
        self._root_signers: tuple[Signer, ...] = ()
        self._fleet = ""
        self._root = b""
        self._policy = b""

    def make(self) -> None:
        for folder in (self._at.keys, self._at.folder / "sites"):
            folder.mkdir(mode=_PRIVATE_DIR)
        for folder in (self._at.documents.folder, self._at.documents.sites, self._at.plans):
            folder.mkdir()
        self._make_root()
        self._make_policy()
        records = {site.name: self._make_site(site) for site in self._spec.sites}
        self._make_index(records)
        _write(self._at.fleet_id, f"{self._fleet}\n")
        config = OrchestratorConfig(broker=self._broker, embedded=self._spec.embedded)
        _write(self._at.config, toml_text(config, "haltdrill: the orchestrator's configuration."))
        sites = sorted(records)
        _write(self._at.plans / "pause.yaml", pause_plan(sites, self._now_ns))
        regions = sorted({site.region for site in self._spec.sites})
        _write(self._at.plans / "shutdown.yaml", shutdown_plan(regions, self._now_ns))

    def _seal(self, document: Message) -> bytes:
        return seal(document, *self._root_signers[: self._spec.root_threshold])

    def _make_root(self) -> None:
        signers = {owner: _new_key(self._at.root_key(owner)) for owner in self._spec.root_owners}
        self._root_signers = tuple(signers.values())
        root = Root(
            fleet=None,
            root_version=1,
            issued_at=self._issued_at,
            expires_at=self._expires_at,
            threshold=self._spec.root_threshold,
            keys=tuple(OwnedKey(owner=owner, key=record_of(signer)) for owner, signer in signers.items()),
            demo=self._spec.demo,
        )
        self._fleet = root.digest()
        self._root = self._seal(root) + b"\n"
        _put(self._at.documents.root, self._root)

    def _make_policy(self) -> None:
        approvers = {owner: _new_key(self._at.approver_key(owner)) for owner in self._spec.approvers}
        dispatcher = _new_key(self._at.dispatcher_key)
        policy = Policy(
            fleet=self._fleet,
            policy_version=1,
            issued_at=self._issued_at,
            expires_at=self._expires_at,
            approvers=tuple(OwnedKey(owner=owner, key=record_of(signer)) for owner, signer in approvers.items()),
            dispatchers=(OwnedKey(owner=self._spec.dispatcher_owner, key=record_of(dispatcher)),),
            thresholds=tuple(
                Threshold(control=row.control, owners=row.default_threshold) for row in CATALOGUE.values()
            ),
            max_clock_skew_s=self._spec.max_clock_skew_s,
        )
        self._policy = self._seal(policy)
        _put(self._at.documents.policy, self._policy)

    def _make_index(self, records: Mapping[str, str]) -> None:
        index = FleetIndex(
            fleet=self._fleet,
            index_version=1,
            issued_at=self._issued_at,
            expires_at=self._expires_at,
            sites=tuple(IndexEntry(site=site, record=digest) for site, digest in sorted(records.items())),
        )
        _put(self._at.documents.index, self._seal(index))

    def _make_site(self, site: SiteSpec) -> str:
        """Make one site with its witnesses, and return the digest of its record."""
        at = self._at.site(site.name)
        for folder in (at.folder, at.state, at.work):
            folder.mkdir(mode=_PRIVATE_DIR)
        agent, operator = _new_key(at.agent_key), _new_key(at.operator_key)
        keys: dict[str, Signer] = {}
        for witness in site.witnesses:
            place = at.witness(witness.name)
            for folder in (place.folder, place.state):
                folder.mkdir(mode=_PRIVATE_DIR)
            keys[witness.name] = _new_key(place.key)
        record = self._record(site, agent, operator, keys)
        raw = self._seal(record)
        _put(self._at.documents.record(site.name), raw)
        self._copy_documents(at, raw)
        _write(at.config, toml_text(self._agent_config(site), f"haltdrill: the agent of site {site.name}."))
        for witness in site.witnesses:
            place = at.witness(witness.name)
            self._copy_documents(place, raw)
            title = f"haltdrill: witness {witness.name} of site {site.name}, owned by {witness.owner}."
            _write(place.config, toml_text(self._witness_config(site, witness), title))
        return record.digest()

    def _copy_documents(self, party: PartyLayout, record: bytes) -> None:
        for path, raw in ((party.root, self._root), (party.policy, self._policy), (party.record, record)):
            _put(path, raw)

    def _record(self, site: SiteSpec, agent: Signer, operator: Signer, keys: Mapping[str, Signer]) -> SiteRecord:
        return SiteRecord(
            fleet=self._fleet,
            site=site.name,
            record_version=1,
            index_version=1,
            issued_at=self._issued_at,
            expires_at=self._expires_at,
            owner=site.owner or f"{site.name}-operator",
            mock=site.mock,
            attributes=(Attribute(name="region", value=site.region),),
            agent_keys=(record_of(agent),),
            operator_keys=(record_of(operator),),
            witnesses=tuple(
                WitnessEntry(
                    name=witness.name,
                    owner=witness.owner,
                    key=record_of(keys[witness.name]),
                    covers=(CPU_TIME, LIVE_PROCESSES),
                )
                for witness in site.witnesses
            ),
            controls=tuple(Control),
            work=(
                WorkRate(
                    signal=CPU_TIME,
                    quiet_per_s=site.quiet_per_s,
                    band_min_per_s=site.band_min_per_s,
                    band_max_per_s=site.band_max_per_s,
                ),
            ),
            max_hold_s=site.max_hold_s,
            max_total_held_s=site.max_total_held_s,
        )

    def _agent_config(self, site: SiteSpec) -> AgentConfig:
        final = self._final.site(site.name)
        return AgentConfig(
            site=site.name,
            broker=self._broker,
            root=final.root.name,
            policy=final.policy.name,
            record=final.record.name,
            key=final.agent_key.name,
            state=final.state.name,
            veto=final.veto.name,
            driver=_driver(site, final, self._marked(site)),
            lie=site.lie,
        )

    def _marked(self, site: SiteSpec) -> str:
        """Return the marker's value: unlike any other fleet's site of the same name."""
        return f"{self._fleet[:_MARKER_FLEET_CHARS]}/{site.name}"

    def _witness_config(self, site: SiteSpec, witness: WitnessSpec) -> WitnessConfig:
        final = self._final.site(site.name).witness(witness.name)
        return WitnessConfig(
            site=site.name,
            name=witness.name,
            broker=self._broker,
            root=final.root.name,
            policy=final.policy.name,
            record=final.record.name,
            key=final.key.name,
            state=final.state.name,
            probe=ProcessProbeConfig(environ=f"{MARKER}={self._marked(site)}"),
            cpu_signal=CPU_TIME,
            processes_signal=LIVE_PROCESSES,
        )


def _driver(site: SiteSpec, final: SiteLayout, marked: str) -> ProcessDriverConfig:
    """Return the driver's configuration: the workload given, or the example worker."""
    environment = dict(site.environment)
    argv, checkpoint = site.argv, site.checkpoint
    if argv is None:
        checkpoint = str(final.work / "checkpoint.json")
        argv = (sys.executable, "-m", "agents.worker", "--checkpoint", checkpoint, "--duty", f"{site.duty:g}")
        if site.misbehave is not None:
            argv += ("--misbehave", site.misbehave)
        environment = _import_path() | environment
    return ProcessDriverConfig(
        argv=argv, environment=environment | {MARKER: marked}, checkpoint=checkpoint, cgroup=site.cgroup
    )


def _import_path() -> dict[str, str]:
    """Return what makes `agents` importable from any folder, also in a checkout that is not installed.

    It is only looked up, never imported: the orchestrator does not know the agents' code.
    """
    found = importlib.util.find_spec("agents")
    if found is None or found.origin is None:
        return {}
    return {"PYTHONPATH": str(Path(found.origin).parents[1])}


def _new_key(path: Path) -> Signer:
    write_private(path, generate_private_pem())
    return read_private_key(path)


def _write(path: Path, text: str) -> None:
    _put(path, text.encode())


def _put(path: Path, data: bytes) -> None:
    """Write a new file into the folder that is being built; the disk is made sure of once, for all of it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:
        file.write(data)
