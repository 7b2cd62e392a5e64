"""Loads a fleet's folder: every document checked against the root, every error naming its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from orchestrator.fleet.config import OrchestratorConfig
from orchestrator.fleet.layout import DocumentsLayout, FleetLayout
from protocols.envelope import parse_envelope
from protocols.errors import ConfigError, EnvelopeError, MessageError, TrustError, UntrustedInput
from protocols.host.files import read_bytes, read_toml
from protocols.messages import FleetIndex, Policy, SiteRecord
from protocols.trust import FleetTrust, open_document, open_roots

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FleetDocuments:
    """The root-signed documents of a fleet, checked, with the bytes they came in.

    Attributes:
        trust: What they mean.
        roots: The envelopes of the roots, version 1 first.
        policy: The policy's envelope.
        index: The fleet index's envelope.
        records: The envelope of each site's record, by site.
    """

    trust: FleetTrust
    roots: tuple[bytes, ...]
    policy: bytes
    index: bytes
    records: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class LoadedFleet:
    """A fleet's folder, loaded.

    Attributes:
        folder: The folder.
        config: The orchestrator's configuration, with absolute paths.
        documents: The root-signed documents.
    """

    folder: Path
    config: OrchestratorConfig
    documents: FleetDocuments

    @property
    def trust(self) -> FleetTrust:
        """What the documents mean."""
        return self.documents.trust


def load_config(folder: Path) -> OrchestratorConfig:
    """Load `haltdrill.toml` of a fleet's folder, with absolute paths.

    Raises:
        ConfigError: It is missing or wrong.
    """
    layout = FleetLayout(folder.absolute())
    if not layout.config.exists():
        raise ConfigError(
            f"there is no {layout.config.name} in it", where=str(folder), remedy="make a fleet with: haltdrill init DIR"
        )
    return read_toml(layout.config, OrchestratorConfig).under(layout.folder)


def load_fleet(folder: Path, now_ns: int) -> LoadedFleet:
    """Load the configuration and the documents of a fleet's folder.

    Args:
        folder: The folder that has `haltdrill.toml`.
        now_ns: Wall time, nanoseconds.

    Raises:
        ConfigError: A file is missing or wrong.
        UntrustedInput: A document is not to be trusted; the file is named.
    """
    config = load_config(folder)
    return LoadedFleet(folder.absolute(), config, load_documents(Path(config.fleet), now_ns))


def read_roots(path: Path) -> tuple[bytes, ...]:
    """Read a chain of roots: one envelope a line.

    Raises:
        ConfigError: The file is missing or unreadable.
    """
    return tuple(line for line in read_bytes(path).splitlines() if line)


def load_documents(folder: Path, now_ns: int, *, fleet: str | None = None) -> FleetDocuments:
    """Load the root-signed documents of a fleet: all that an approver needs.

    Args:
        folder: The folder that has `root.json`, or a fleet's folder that has it under `fleet/`.
        now_ns: Wall time, nanoseconds.
        fleet: The fleet id that root version 1 must have, if the caller knows it.

    Raises:
        ConfigError: A file is missing or unreadable.
        UntrustedInput: A document is not to be trusted; the file is named.
    """
    layout = _documents_layout(folder)
    roots = read_roots(layout.root)
    policy = read_bytes(layout.policy)
    index = read_bytes(layout.index)
    files = {path: read_bytes(path) for path in sorted(layout.sites.glob("*.json"))}
    try:
        trust = FleetTrust.open(roots, policy, index, files.values(), now_ns=now_ns, fleet=fleet)
    except UntrustedInput as error:
        _blame(layout, roots, policy, index, files, now_ns, fleet)
        raise _named(error, layout.folder) from None
    # Records are known by what they say, and the names of their files must not say otherwise.
    records: dict[str, bytes] = {}
    for site in trust.records:
        path = layout.record(site)
        if path not in files or parse_envelope(files[path]).digest != trust.records[site].digest():
            raise ConfigError(f"does not hold the record of site {site}", where=str(path))
        records[site] = files[path]
    return FleetDocuments(trust, roots, policy, index, records)


def _documents_layout(folder: Path) -> DocumentsLayout:
    if (folder / "root.json").exists():
        return DocumentsLayout(folder)
    nested = FleetLayout(folder).documents
    if nested.root.exists():
        return nested
    raise ConfigError(
        "holds no fleet: there is no root.json in it",
        where=str(folder),
        remedy="name the fleet's folder with --fleet DIR, or make one with: haltdrill init DIR",
    )


def _blame(
    layout: DocumentsLayout,
    roots: tuple[bytes, ...],
    policy: bytes,
    index: bytes,
    files: Mapping[Path, bytes],
    now_ns: int,
    fleet: str | None,
) -> None:
    """Find the file that is at fault, when one is, and raise its error with its name."""
    root = _try(layout.root, lambda: open_roots(roots, now_ns=now_ns, fleet=fleet))
    _try(layout.policy, lambda: open_document(policy, Policy, root, now_ns=now_ns))
    held = _try(layout.index, lambda: open_document(index, FleetIndex, root, now_ns=now_ns))
    demanded = {entry.site: entry.record for entry in held.sites}
    for path, raw in files.items():
        record = _try(path, lambda raw=raw: open_document(raw, SiteRecord, root, now_ns=now_ns))  # type: ignore[misc]
        if demanded.get(record.site) != record.digest():
            raise ConfigError(
                f"is not the record of site {record.site} that the fleet index lists",
                where=str(path),
                remedy="take record and index from the same release of the fleet",
            )


def _try(path: Path, attempt: Callable[[], T]) -> T:
    try:
        return attempt()
    except UntrustedInput as error:
        raise _named(error, path) from None


def _named(error: UntrustedInput, path: Path) -> UntrustedInput:
    """Return the same error with the file's name before its place."""
    where = f"{path}: {error.where}" if error.where else str(path)
    match error:
        case TrustError():
            return TrustError(error.reason, error.what, where=where, remedy=error.remedy)
        case EnvelopeError():
            return EnvelopeError(error.what, where=where, remedy=error.remedy)
        case MessageError():
            return MessageError(error.what, where=where, remedy=error.remedy)
        case _:
            return UntrustedInput(error.what, where=where, remedy=error.remedy)
