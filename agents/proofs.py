"""The proofs of a rehearsal that an agent adds to its driver's: its authority, and its memory. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agents.events import OrderAccepted
from agents.state import AgentState
from protocols.limits import PROOFS_MAX, TOMBSTONES_MAX
from protocols.messages import Proof

_DETAIL_MAX_CHARS = 200
_DIGEST_CHARS = 12


def proof(step: str, *, ok: bool, detail: str) -> Proof:
    """Make a proof whose detail fits."""
    return Proof(step=step, ok=ok, detail=detail[:_DETAIL_MAX_CHARS])


def all_hold(proofs: Sequence[Proof]) -> bool:
    """Tell whether something was exercised, and every step of it would have worked."""
    return bool(proofs) and all(one.ok for one in proofs)


def with_own_proofs(proofs: Sequence[Proof], accepted: OrderAccepted, state: AgentState) -> tuple[Proof, ...]:
    """Return the driver's proofs with the agent's own before them.

    Args:
        proofs: What the driver exercised.
        accepted: The order that asked for it.
        state: What the agent remembers.
    """
    own = (_authority(accepted), _replay_record(accepted, state))
    return (*own, *proofs)[:PROOFS_MAX]


def _authority(accepted: OrderAccepted) -> Proof:
    owners = ", ".join(accepted.owners)
    warrant = accepted.key.warrant[:_DIGEST_CHARS]
    # The gate let it through, so it was checked; a record of a version that kept no owners proves less.
    return proof(
        "authority", ok=bool(owners), detail=f"warrant {warrant} was checked here: approved by {owners or 'unknown'}"
    )


def _replay_record(accepted: OrderAccepted, state: AgentState) -> Proof:
    """Prove the memory: the order was written down and read back, and this receipt is one more append."""
    known = state.orders.get(accepted.order_key)
    kept = len(state.orders) + state.tombstones
    ok = known is not None and known.accepted == accepted and kept < TOMBSTONES_MAX
    detail = f"the order is written down as one of {kept} records of at most {TOMBSTONES_MAX}, and this is written next"
    return proof("replay-record", ok=ok, detail=detail)
