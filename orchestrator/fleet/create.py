"""Makes a fleet to start from: keys, signed documents, configuration files and example plans.

It is built beside its place and put there by one rename, so there is either a whole fleet or none.
All keys are made in one place here, which is what the root's `demo` mark says.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from orchestrator.fleet.config import OrchestratorConfig, TimekeeperFile
from orchestrator.fleet.create_files import new_key, private_dirs, put, write_text
from orchestrator.fleet.create_site import Issuer, make_site
from orchestrator.fleet.layout import FleetLayout
from orchestrator.fleet.plan_examples import example_plans
from orchestrator.fleet.spec import FleetSpec
from orchestrator.fleet.toml_text import toml_text
from protocols.config import BrokerConfig
from protocols.controls import CATALOGUE
from protocols.envelope import seal
from protocols.errors import ConfigError
from protocols.ids import format_utc, seconds_to_ns
from protocols.keys import Signer, record_of
from protocols.messages import FleetIndex, IndexEntry, Message, OwnedKey, Policy, Root, Threshold

_DAY_S = 86_400


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
        private_dirs(self._at.keys, self._at.sites)
        for folder in (self._at.documents.folder, self._at.documents.sites, self._at.plans):
            folder.mkdir()
        self._make_root()
        self._make_policy()
        issuer = Issuer(
            self._fleet, self._issued_at, self._expires_at, self._broker, self._root, self._policy, self._seal
        )
        records = {
            site.name: make_site(site, self._at.site(site.name), self._final.site(site.name), issuer)
            for site in self._spec.sites
        }
        for site, (_, raw) in records.items():
            put(self._at.documents.record(site), raw)
        self._make_index({site: digest for site, (digest, _) in records.items()})
        self._copy_documents()
        write_text(self._at.fleet_id, f"{self._fleet}\n")
        config = OrchestratorConfig(broker=self._broker, embedded=self._spec.embedded)
        write_text(self._at.config, toml_text(config, "haltdrill: the orchestrator's configuration."))
        for name, text in example_plans(self._spec.sites, self._now_ns).items():
            write_text(self._at.plans / name, text)

    def _seal(self, document: Message) -> bytes:
        return seal(document, *self._root_signers[: self._spec.root_threshold])

    def _make_root(self) -> None:
        signers = {owner: new_key(self._at.root_key(owner)) for owner in self._spec.root_owners}
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
        put(self._at.documents.root, self._root)

    def _make_policy(self) -> None:
        approvers = {owner: new_key(self._at.approver_key(owner)) for owner in self._spec.approvers}
        dispatcher = new_key(self._at.dispatcher_key)
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
            timekeepers=self._timekeepers(),
            standing_max_age_s=self._spec.standing_max_age_s if self._spec.timekeeper_owner else None,
        )
        self._policy = self._seal(policy)
        put(self._at.documents.policy, self._policy)

    def _timekeepers(self) -> tuple[OwnedKey, ...]:
        owner, at = self._spec.timekeeper_owner, self._at.timekeeper
        if owner is None:
            return ()
        private_dirs(at)
        config = toml_text(TimekeeperFile(broker=self._broker), "haltdrill: the timekeeper's configuration.")
        write_text(at / "timekeeper.toml", config)
        return (OwnedKey(owner=owner, key=record_of(new_key(at / "timekeeper.key"))),)

    def _copy_documents(self) -> None:
        """Give the timekeeper documents of its own: what the orchestrator is told is not its business."""
        if self._spec.timekeeper_owner is not None:
            shutil.copytree(self._at.documents.folder, self._at.timekeeper / "fleet")

    def _make_index(self, records: Mapping[str, str]) -> None:
        index = FleetIndex(
            fleet=self._fleet,
            index_version=1,
            issued_at=self._issued_at,
            expires_at=self._expires_at,
            sites=tuple(IndexEntry(site=site, record=digest) for site, digest in sorted(records.items())),
        )
        put(self._at.documents.index, self._seal(index))
