"""The accelerators themselves: where each one sits, and what it answers a nonce with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agents.mocksite.faults import Faults
from protocols.mock_config import Fault, MockConfig, device_name, device_private

SMUGGLED = "acc-smuggled"
_NONCES_KEPT = 4


def answer_statement(nonce: str, device: str) -> bytes:
    """Return what a device signs to answer a nonce."""
    return f"haltdrill census answer\n{nonce}\n{device}\n".encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out of one slot.

    Attributes:
        slot: Where the answer came from; the backplane says so, not the device.
        device: Who the answer claims to be from.
        signature: Over `answer_statement`, by the device's key.
    """

    slot: int
    device: str
    signature: bytes


class Devices:
    """The accelerators of one site.

    Args:
        config: The site.
        faults: What is wrong with it.
        destroyed: Whether they were destroyed before.

    Attributes:
        destroyed: Whether they were destroyed.
        on_destroyed: Called just before they are.
    """

    def __init__(self, config: MockConfig, faults: Faults, *, destroyed: bool) -> None:
        self._config = config
        self._faults = faults
        self._keys: dict[str, Ed25519PrivateKey] = {}
        self._answers: OrderedDict[tuple[str, tuple[tuple[str, ...], ...]], tuple[Answer, ...]] = OrderedDict()
        self.destroyed = destroyed
        self.on_destroyed: Callable[[], None] = lambda: None

    def destroy(self) -> None:
        """Destroy them, for good."""
        if not self.destroyed:
            self.on_destroyed()
            self.destroyed = True

    @property
    def count(self) -> int:
        """How many are physically there."""
        return len(self._slots())

    def answers(self, nonce: str, *, powered: bool) -> tuple[Answer, ...]:
        """Ask every slot, and return what came out of each."""
        slots = self._slots() if powered else ()
        known = self._answers.get((nonce, slots))
        if known is None:
            known = tuple(
                Answer(slot, device, self._key(device).sign(answer_statement(nonce, device)))
                for slot, devices in enumerate(slots)
                for device in devices
            )
            self._answers[nonce, slots] = known
            while len(self._answers) > _NONCES_KEPT:
                self._answers.popitem(last=False)
        return known

    def _slots(self) -> tuple[tuple[str, ...], ...]:
        """Return which names answer from each slot that holds a device."""
        names = [device_name(number) for number in range(self._config.accelerators.count)]
        if self.destroyed:
            return ((names[0],),) if self._faults.has(Fault.UNDEAD_DEVICE) else ()
        slots = [(name,) for name in names]
        if self._faults.has(Fault.MISSING_DEVICE):
            del slots[-1]
        doubled: list[tuple[str, ...]] = list(slots)
        if self._faults.has(Fault.DOUBLED_ANSWER):
            doubled = [(names[0], names[1]), *slots[2:]]
        if self._faults.has(Fault.SMUGGLED_DEVICE):
            doubled.append((SMUGGLED,))
        return tuple(doubled)

    def _key(self, device: str) -> Ed25519PrivateKey:
        if device not in self._keys:
            self._keys[device] = device_private(self._config, device)
        return self._keys[device]
