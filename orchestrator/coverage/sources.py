"""Where coverage is read from: fleets' folders, journals and evidence bundles, any number of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.core.matrix import DrillDone, Listed, SiteKey, roster_of
from orchestrator.coverage.drills import read_drill
from orchestrator.evidence.bundle import BUNDLE_MAX_BYTES, HEADER_MAX_BYTES, LINES_MIN, Seal, read_header
from orchestrator.fleet.layout import CONFIG_NAME
from orchestrator.fleet.load import load_config, load_documents
from orchestrator.journal.places import open_store, there_is
from orchestrator.journal.urls import shown
from protocols.envelope import parse_envelope
from protocols.errors import ConfigError, JournalError, TrustError, UntrustedInput
from protocols.host.files import read_bytes
from protocols.ids import digest_of
from protocols.messages import SiteRecord
from protocols.reasons import Reason
from protocols.trust import FleetTrust

_SQLITE_MAGIC = b"SQLite format 3\0"
_DAMAGED = "nothing of it was counted; see what is left with: haltdrill verify, on the bundles of its drills"


@dataclass(slots=True)
class Gathered:
    """Everything that the matrix is computed from.

    Attributes:
        drills: The drills that came to their end, by fleet and id.
        open_drills: How many others there are.
        roster: The sites of the fleets' folders, by fleet; where there was no folder to read, nothing.
        notes: What the reader should know of it.
    """

    drills: dict[tuple[str, str], DrillDone] = field(default_factory=dict)
    open_drills: set[str] = field(default_factory=set)
    rosters: dict[str, dict[SiteKey, SiteRecord]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(self, drill: DrillDone) -> None:
        """Take in a drill, once.

        Raises:
            JournalError: It is there already and was another.
        """
        known = self.drills.setdefault((drill.fleet, drill.drill), drill)
        if known.digest != drill.digest:
            raise JournalError(
                "it is not the drill of this id that was read before: one of the two was forged or damaged",
                where=f"drill {drill.drill}",
                remedy="ask haltdrill verify which of them",
            )

    def roster(self) -> dict[SiteKey, Listed]:
        """Return the sites to cover: those of a fleet's folder, else those that its drills leant on."""
        others = [drill for drill in self.drills.values() if drill.fleet not in self.rosters]
        roster = roster_of(others)
        for sites in self.rosters.values():
            roster.update(sites)
        return roster

    def gone(self) -> list[str]:
        """Return the sites that drills were held at and that a fleet's folder no longer lists."""
        listed = self.roster()
        return sorted(
            {site for drill in self.drills.values() for site in drill.exercises} - {site for _, site in listed}
        )


def gather(paths: Sequence[Path], now_ns: int) -> Gathered:
    """Read fleets' folders, journals and bundles.

    Args:
        paths: Each the folder of a fleet, a journal's file or a bundle.
        now_ns: Wall time, nanoseconds.

    Raises:
        ConfigError: One of them is none of these, or a fleet's document is missing.
        UntrustedInput: A fleet's document is not to be trusted.
        JournalError: A journal is damaged; the file and the drill are named.
    """
    gathered = Gathered()
    for path in paths:
        if path.is_dir():
            _folder(path, gathered, now_ns)
        elif read_start(path).startswith(_SQLITE_MAGIC):
            _journal(str(path), gathered)
        else:
            _bundle(path, gathered)
    gone = gathered.gone()
    if gone:
        gathered.notes.append(f"left out, since the fleet no longer lists them: {_some(gone)}")
    return gathered


def gather_fleet(trust: FleetTrust, journal: str) -> Gathered:
    """Read one fleet's drills.

    Args:
        trust: The fleet, whose sites are to be covered.
        journal: Where its drills are; there may be none yet.

    Raises:
        JournalError: The journal cannot be read, or is damaged.
    """
    gathered = Gathered()
    gathered.rosters[trust.fleet] = {(trust.fleet, site): record for site, record in trust.records.items()}
    if there_is(journal):
        _journal(journal, gathered)
    return gathered


def read_start(path: Path) -> bytes:
    """Return how a file begins.

    Raises:
        ConfigError: It is not there, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _folder(path: Path, gathered: Gathered, now_ns: int) -> None:
    if not (path / CONFIG_NAME).exists() and (path / "fleet" / CONFIG_NAME).exists():
        path = path / "fleet"  # where a demo leaves its fleet
    config = load_config(path)
    try:
        trust = load_documents(Path(config.fleet), now_ns).trust
        gathered.rosters[trust.fleet] = {(trust.fleet, site): record for site, record in trust.records.items()}
    except TrustError as error:
        if error.reason != Reason.DOCUMENT_EXPIRED:
            raise
        gathered.notes.append(
            f"the sites are those that drills leant on, for the fleet's own list has expired: {error}"
        )
    if there_is(config.journal):
        _journal(config.journal, gathered)


def _journal(where: str, gathered: Gathered) -> None:
    path = Path(shown(where))
    with closing(open_store(where)) as store:
        for known in store.drills():
            if known.closed and not known.opened:
                continue  # a crash was before its first record: it said nothing to anybody
            with _named(path, known.drill):
                drill = read_drill(store.lines(known.drill))
                if drill is None and known.closed:
                    raise JournalError("its end is missing", where="journal")
                if drill is not None and drill.drill != known.drill:
                    raise JournalError(f"its records are those of drill {drill.drill}", where="journal")
                if drill is None:
                    gathered.open_drills.add(known.drill)
                else:
                    gathered.take(drill)


def _bundle(path: Path, gathered: Gathered) -> None:
    lines = read_bytes(path, max_bytes=BUNDLE_MAX_BYTES).split(b"\n")
    header = read_header(lines[0][: HEADER_MAX_BYTES + 1])
    if header is None:
        raise ConfigError(
            "is neither the folder of a fleet, nor a journal, nor an evidence bundle",
            where=str(path),
            remedy="give the folder with haltdrill.toml, its journal.sqlite, or a bundle.jsonl",
        )
    with _named(path, header.drill):
        drill = read_drill(_records(lines))
        if drill is None or (drill.fleet, drill.drill) != (header.fleet, header.drill):
            raise JournalError("it does not hold the whole drill that it says it does", where="bundle")
        gathered.take(drill)


def _records(lines: Sequence[bytes]) -> Iterable[bytes]:
    """Return the journal's lines of a bundle that is whole by its own seal, whoever made that."""
    if len(lines) <= LINES_MIN or lines[-1]:
        raise JournalError("it was cut short", where="bundle")
    seal = Seal.decode(parse_envelope(lines[-2]).payload)
    body = b"".join(line + b"\n" for line in lines[:-2])
    if (seal.lines, seal.sha256) != (len(lines) - 2, digest_of(body)):
        raise JournalError("it was changed after it was sealed", where="bundle")
    return lines[1:-3]


@contextmanager
def _named(path: Path, drill: str) -> Iterator[None]:
    """Let an error in a journal name its file and its drill."""
    try:
        yield
    except (JournalError, UntrustedInput) as error:
        place = error.where.removeprefix(f"{path}").lstrip(": ,")
        named = f"{path}, drill {drill}" + (f", {place}" if place and place != f"drill {drill}" else "")
        raise JournalError(error.what, where=named, remedy=error.remedy or _DAMAGED) from error


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"  # noqa: PLR2004 - a line's worth
