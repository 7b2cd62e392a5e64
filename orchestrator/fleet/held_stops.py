"""Levers and revocations that were heard: each is written down before it counts, and counts after a restart.

One file for each message, as it was signed, in a folder of the fleet: whoever starts a drill from it knows them,
whether or not anybody listened when they were sent. What is in the folder is checked like what comes from the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from protocols.envelope import Envelope, parse_envelope
from protocols.errors import ConfigError, TrustError, UntrustedInput
from protocols.host.files import read_bytes, write_atomic
from protocols.limits import ENVELOPE_MAX_BYTES
from protocols.messages import Lever, Revocation
from protocols.reasons import Reason
from protocols.trust import FleetTrust, check_lever, check_revocation
from protocols.trust.fleet import KeySet

FILES_MAX = 10_000
_NO_OPERATORS = KeySet.of(())


@dataclass(frozen=True, slots=True)
class Heard:
    """A stop that is new.

    Attributes:
        said: What was said.
        digest: Its digest: what a disengage quotes.
        unkept: Why it could not be written down; empty if it was. It counts all the same, until a restart.
    """

    said: Lever | Revocation
    digest: str
    unkept: str = ""


def open_stop(raw: bytes, trust: FleetTrust) -> Heard:
    """Open a lever's or a revocation's envelope and check that whoever signed it may say so.

    Raises:
        UntrustedInput: It is something else, or they may not.
    """
    envelope = parse_envelope(raw.strip())
    if envelope.payload_type == Revocation.payload_type():
        return Heard(check_revocation(envelope, trust.approvers, trust.fleet), envelope.digest)
    return Heard(_open_lever(envelope, trust), envelope.digest)


def _open_lever(envelope: Envelope, trust: FleetTrust) -> Lever:
    try:
        return check_lever(envelope, trust.policy, trust.approvers, _NO_OPERATORS, site="", fleet=trust.fleet)
    except TrustError:
        for site in trust.records:
            held = trust.site(site)
            try:
                return check_lever(envelope, held.policy, held.approvers, held.operators, site=site, fleet=trust.fleet)
            except TrustError:
                continue
        raise


@dataclass(slots=True)
class HeldStops:
    """What is stopped.

    Attributes:
        folder: Where the messages lie; it need not exist.
        engaged: The engagements in force, by digest.
        lifted: Engagements that are over for good.
        revocations: Why each warrant was revoked, by its digest.
        wrong: Files of the folder that are not to be believed, and why.
    """

    folder: Path
    engaged: dict[str, Lever] = field(default_factory=dict)
    lifted: set[str] = field(default_factory=set)
    revocations: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, folder: Path, trust: FleetTrust) -> HeldStops:
        """Read the folder.

        Raises:
            ConfigError: It cannot be read.
        """
        held = cls(folder)
        held.refresh(trust)
        return held

    def refresh(self, trust: FleetTrust) -> list[Heard]:
        """Take what lies in the folder since the last time, and return what of that is new.

        Raises:
            ConfigError: It cannot be read.
        """
        new: list[Heard] = []
        for path in _files(self.folder):
            if path.name in self._known:
                continue
            raw = read_bytes(path, max_bytes=ENVELOPE_MAX_BYTES)
            self._known.add(path.name)
            try:
                heard = open_stop(raw, trust)
            except UntrustedInput as error:
                self.wrong[str(path)] = error.what
                continue
            new += [heard] if self._new(heard) else []
            self._take(heard)
        return new

    def hear(self, raw: bytes, trust: FleetTrust) -> Heard | None:
        """Take a message from the network; None if it is nothing of ours, or nothing new.

        It counts at once. Where it cannot be written down, what is returned says so.
        """
        try:
            heard = open_stop(raw, trust)
        except UntrustedInput:
            return None  # releases and aborts are said there too, and so is junk
        if not self._new(heard):
            return None
        try:
            self.keep(raw, heard)
        except ConfigError as error:
            return replace(heard, unkept=str(error))
        return heard

    def keep(self, raw: bytes, heard: Heard) -> None:
        """Have a message count that was checked, and write it down.

        Raises:
            ConfigError: It cannot be written; it counts all the same, until a restart.
        """
        self._take(heard)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot be made: {error.strerror}", where=str(self.folder)) from error
        write_atomic(self.folder / f"{heard.digest}.json", raw.strip())
        self._known.add(f"{heard.digest}.json")

    def _new(self, heard: Heard) -> bool:
        said = heard.said
        if isinstance(said, Revocation):
            return said.warrant not in self.revocations
        if said.disengages is not None:
            return said.disengages not in self.lifted
        return heard.digest not in self.engaged and heard.digest not in self.lifted

    def _take(self, heard: Heard) -> None:
        said = heard.said
        if isinstance(said, Revocation):
            self.revocations.setdefault(said.warrant, said.reason)
        elif said.disengages is not None:
            self.lifted.add(said.disengages)
            self.engaged.pop(said.disengages, None)
        elif heard.digest not in self.lifted:
            self.engaged[heard.digest] = said

    def held_off(self) -> str:
        """Return why nothing may start, in words; empty if it may. A lever of one site holds off only that site."""
        for digest, lever in self.engaged.items():
            if lever.site is None:
                return (
                    f"the safety lever is engaged ({lever.reason}); to lift it: haltdrill lever disengage {digest[:12]}"
                )
        return ""

    def check(self, warrant: str) -> None:
        """Check that nothing stops a drill of a warrant from being started.

        Raises:
            TrustError: The lever is engaged, or the warrant was revoked.
        """
        for digest, lever in self.engaged.items():
            if lever.site is None:
                raise TrustError(
                    Reason.LEVER,
                    f"the safety lever is engaged: {lever.reason}",
                    where="lever",
                    remedy=f"lift it with: haltdrill lever disengage {digest[:12]}",
                )
        why = self.revoked(warrant)
        if why is not None:
            raise TrustError(
                Reason.REVOKED, f"it was revoked: {why}", where="warrant", remedy="have the plan approved anew"
            )

    def sites_held_off(self) -> frozenset[str]:
        """Return the sites whose own lever is engaged."""
        return frozenset(lever.site for lever in self.engaged.values() if lever.site is not None)

    def revoked(self, warrant: str) -> str | None:
        """Return why a warrant was revoked; None if it was not."""
        return self.revocations.get(warrant)

    def find(self, start: str) -> str:
        """Return the digest of the one engagement in force that begins so.

        Raises:
            ConfigError: There is none, or several.
        """
        found = [digest for digest in self.engaged if digest.startswith(start)]
        if len(found) != 1:
            listed = ", ".join(digest[:12] for digest in self.engaged) or "none is in force"
            raise ConfigError(
                f"{len(found)} engagements begin with it" if found else "there is no such engagement",
                where=start,
                remedy=f"in force: {listed}",
            )
        return found[0]


def _files(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except FileNotFoundError:
        return []
    except OSError as error:
        # What cannot be looked at might hold a stop: nobody takes that for nothing.
        raise ConfigError(f"cannot be looked into: {error.strerror}", where=str(folder)) from error
    if len(found) > FILES_MAX:
        raise ConfigError(f"holds {len(found)} messages, over the limit of {FILES_MAX}", where=str(folder))
    return found
