"""Approving a plan, offline: one owner's signature at a time on one warrant.

The first approval compiles the plan; every later one compiles it again and signs only if the result
is the warrant that is there. So each owner signs the plan that they read, not what somebody sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.fleet.explain import explain_warrant
from orchestrator.fleet.plan import PlanFile
from orchestrator.fleet.plan_check import all_dispatchers, check_plan, compile_plan, same_but_for_issue
from protocols.envelope import Envelope, add_signature, open_envelope, parse_envelope, seal
from protocols.errors import ConfigError, TrustError, UntrustedInput
from protocols.host.files import read_bytes, write_atomic
from protocols.ids import parse_utc
from protocols.keys import Signer
from protocols.limits import ENVELOPE_MAX_BYTES
from protocols.messages import Warrant
from protocols.reasons import Reason
from protocols.trust import FleetTrust, owners_required


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval that is ready to be given, and has not been written.

    Attributes:
        path: The warrant's file.
        warrant: What is approved.
        owner: Who approves.
        already: Whether that owner approved it before: then nothing is to be written.
        approved_by: The owners who have approved it, this one included.
        required: How many it takes.
        text: What is being approved, in words, as it stands without this approval.
        envelope: The new content of the file.
        replaces: Its present content; none when there is no file.
    """

    path: Path
    warrant: Warrant
    owner: str
    already: bool
    approved_by: tuple[str, ...]
    required: int
    text: str
    envelope: bytes
    replaces: bytes | None

    @property
    def missing(self) -> int:
        """How many owners it still takes after this approval."""
        return max(0, self.required - len(self.approved_by))

    def write(self) -> None:
        """Write the warrant's file as a whole.

        Raises:
            ConfigError: It cannot be written, or changed since it was read; it is left as it is.
        """
        if self.already:
            return
        present = read_bytes(self.path, max_bytes=ENVELOPE_MAX_BYTES) if self.path.exists() else None
        if present != self.replaces:
            raise ConfigError(
                "was changed by somebody else meanwhile", where=str(self.path), remedy="approve it once more"
            )
        write_atomic(self.path, self.envelope)


def warrant_path(plan: Path) -> Path:
    """Return where a plan's warrant lies unless told otherwise: `pause.yaml` has `pause.warrant.json`."""
    return plan.with_name(f"{plan.stem}.warrant.json")


def prepare_approval(
    source: PlanFile, fleet: FleetTrust, signer: Signer, path: Path, *, nonce: Callable[[], str], now_ns: int
) -> Approval:
    """Check everything about one owner's approval of a plan, and make it ready to be written.

    Args:
        source: The plan as that owner reads it.
        fleet: The fleet it is for.
        signer: The owner's key.
        path: The warrant's file, which may not exist yet.
        nonce: Makes 32 unpredictable hex digits, for a first approval.
        now_ns: Wall time, nanoseconds.

    Raises:
        ConfigError: The plan does not fit the fleet or the warrant, or the key is no approver's.
        UntrustedInput: The warrant's file holds something else, or a signature that is wrong.
    """
    key_id = signer.public_key.keyid
    owner = fleet.approvers.owners.get(key_id)
    if owner is None:
        owners = ", ".join(sorted(set(fleet.approvers.owners.values())))
        raise ConfigError(
            f"this key ({key_id[:12]}) is no approver's of this fleet", where="key", remedy=f"approvers are: {owners}"
        )
    check_plan(source, fleet, now_ns=now_ns)
    if not path.exists():
        warrant = compile_plan(source.plan, fleet, dispatchers=all_dispatchers(fleet), nonce=nonce(), now_ns=now_ns)
        return _approval(path, warrant, owner, (), fleet, seal(warrant, signer), None)
    raw = read_bytes(path, max_bytes=ENVELOPE_MAX_BYTES)
    envelope, warrant, approved_by = open_warrant(raw, fleet, str(path))
    check_same(source, warrant, fleet, path, now_ns)
    if owner in approved_by:
        return _approval(path, warrant, owner, approved_by, fleet, raw, raw)
    return _approval(path, warrant, owner, approved_by, fleet, add_signature(envelope, signer), raw)


def _approval(
    path: Path,
    warrant: Warrant,
    owner: str,
    before: tuple[str, ...],
    fleet: FleetTrust,
    envelope: bytes,
    replaces: bytes | None,
) -> Approval:
    return Approval(
        path=path,
        warrant=warrant,
        owner=owner,
        already=owner in before,
        approved_by=tuple(sorted({*before, owner})),
        required=owners_required(fleet.policy, warrant),
        text=explain_warrant(warrant, fleet, before),
        envelope=envelope,
        replaces=replaces,
    )


def open_warrant(raw: bytes, fleet: FleetTrust, name: str) -> tuple[Envelope, Warrant, tuple[str, ...]]:
    """Open a warrant that may still be under its threshold.

    Args:
        raw: The file's content.
        fleet: The fleet it must be for.
        name: What to call it in messages.

    Returns:
        Its envelope, the warrant, and the owners who approved it so far, sorted.

    Raises:
        UntrustedInput: It is no warrant of this fleet, or a signature on it is wrong.
    """
    try:
        envelope = parse_envelope(raw)
        warrant, signed_by = open_envelope(envelope, Warrant, fleet.approvers.keys)
    except UntrustedInput as error:
        reason = error.reason if isinstance(error, TrustError) else Reason.MALFORMED
        raise TrustError(
            reason, f"is no warrant to sign: {error.what}", where=name, remedy="ask for the original, or begin anew"
        ) from None
    if warrant.fleet != fleet.fleet:
        raise TrustError(Reason.WRONG_FLEET, "is a warrant for another fleet", where=name)
    strangers = {key_id for key_id, _ in envelope.signatures} - signed_by
    if strangers:
        raise TrustError(
            Reason.UNKNOWN_KEY,
            f"is signed by a key that is no approver's ({sorted(strangers)[0][:12]})",
            where=name,
            remedy="ask for the original, or begin anew",
        )
    return envelope, warrant, tuple(sorted(fleet.approvers.owners_of(signed_by)))


def check_same(source: PlanFile, warrant: Warrant, fleet: FleetTrust, path: Path, now_ns: int) -> None:
    """Check that a plan still says what its warrant says.

    Raises:
        ConfigError: They differ, or the warrant is from the future.
    """
    expected = compile_plan(source.plan, fleet, dispatchers=all_dispatchers(fleet), nonce=warrant.nonce, now_ns=now_ns)
    differing = same_but_for_issue(expected, warrant)
    if differing:
        raise ConfigError(
            f"is another plan than {source.tree.name}: they differ in {', '.join(differing)}",
            where=str(path),
            remedy="approve the plan as it was, or remove the warrant and have every owner approve anew",
        )
    skew_ns = 300 * 1_000_000_000
    if parse_utc(warrant.issued_at) > now_ns + skew_ns:
        raise ConfigError(
            f"was issued at {warrant.issued_at}, which is in the future here",
            where=str(path),
            remedy="set this machine's clock",
        )
