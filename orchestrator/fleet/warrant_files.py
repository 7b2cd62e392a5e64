"""Warrants in files beside their plans: whether each can be used now, and if not, why not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.fleet.approve import check_same, open_warrant
from orchestrator.fleet.plan_waves import PlanWave
from protocols.errors import HaltdrillError
from protocols.host.files import read_bytes
from protocols.limits import ENVELOPE_MAX_BYTES
from protocols.messages import Warrant
from protocols.trust import FleetTrust, owners_required


@dataclass(frozen=True, slots=True)
class WarrantFile:
    """A warrant as it lies in its file.

    Attributes:
        raw: Its envelope.
        digest: Its digest.
        warrant: The warrant.
        approved_by: The owners who approved it.
        required: How many it takes.
    """

    raw: bytes
    digest: str
    warrant: Warrant
    approved_by: tuple[str, ...]
    required: int

    @property
    def barred(self) -> str:
        """Why it cannot be used, in words; empty if it is approved."""
        missing = self.required - len(self.approved_by)
        return f"{len(self.approved_by)} of the {self.required} owners that it takes approved it" if missing > 0 else ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A warrant that is not there, or that is not the plan's.

    Attributes:
        why: What is wrong.
        missing: Whether there is simply none yet.
    """

    why: str
    missing: bool = False


class WarrantFiles:
    """Reads warrants, each anew only when its file has changed.

    Args:
        fleet: The fleet.
    """

    def __init__(self, fleet: FleetTrust) -> None:
        self._fleet = fleet
        self._read: dict[Path, tuple[tuple[int, int, int], WarrantFile | Unusable]] = {}

    def look(self, wave: PlanWave, now_ns: int) -> WarrantFile | Unusable:
        """Return the warrant of a plan, or of a wave of it.

        Args:
            wave: The plan or wave.
            now_ns: Wall time.
        """
        try:
            status = wave.warrant.stat()
        except OSError:
            return Unusable("nobody approved it yet", missing=True)
        mark = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._read.get(wave.warrant)
        if known is None or known[0] != mark:
            self._read[wave.warrant] = known = (mark, self._open(wave, now_ns))
        return known[1]

    def _open(self, wave: PlanWave, now_ns: int) -> WarrantFile | Unusable:
        try:
            raw = read_bytes(wave.warrant, max_bytes=ENVELOPE_MAX_BYTES).strip()
            envelope, warrant, owners = open_warrant(raw, self._fleet, str(wave.warrant))
            check_same(wave.source, warrant, self._fleet, wave.warrant, now_ns)
        except HaltdrillError as error:
            return Unusable(str(error))
        return WarrantFile(raw, envelope.digest, warrant, owners, owners_required(self._fleet.policy, warrant))
