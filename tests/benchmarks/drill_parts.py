"""What the processes of the drill benchmark agree on: its scale, the fleet, and the recorded frames."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from protocols.config import BrokerConfig
from protocols.messages import Warrant
from tests.kit import Fleet, make_fleet

_HEAD = struct.Struct("<HI")


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a drill is benchmarked.

    Attributes:
        port: Where the broker listens on loopback.
        folder: Where the journal and the recorded frames go.
        now_ns: Wall time that the fleet is made around: every process makes the same one.
        connections: How many connections the sites share.
    """

    port: int
    folder: str
    now_ns: int
    sites: int = 200
    connections: int = 4
    challenge_s: float = 1.0
    dwell_s: float = 3.0
    response_limit_s: float = 5.0
    hold_s: float = 10.0

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what a parent passed as the only argument."""
        return cls(**json.loads(text))

    def arguments(self, **changes: Any) -> dict[str, Any]:
        """Return what to pass to a child."""
        return asdict(self) | changes

    @property
    def broker(self) -> BrokerConfig:
        """Where the broker is."""
        return BrokerConfig(port=self.port)

    @property
    def frames(self) -> Path:
        """The file of the frames that the sites sent."""
        return Path(self.folder) / "frames"

    def fleet(self) -> Fleet:
        """Make the fleet: two witnesses at each site, the same keys in every process."""
        names = (f"site-{number:04d}" for number in range(self.sites))
        return make_fleet(names, now_ns=self.now_ns, witnesses=2)

    def warrant(self, fleet: Fleet) -> Warrant:
        """Make the warrant of one pause."""
        step = fleet.step(
            hold_s=self.hold_s,
            response_limit_s=self.response_limit_s,
            dwell_s=self.dwell_s,
            max_gap_s=min(self.dwell_s, 2.5 * self.challenge_s),
        )
        return fleet.warrant(step, challenge_s=self.challenge_s, nonce="0" * 32)


def write_frames(path: Path, frames: Iterable[tuple[str, bytes]]) -> None:
    """Write recorded frames, each with its topic."""
    with path.open("wb") as out:
        for topic, payload in frames:
            out.write(_HEAD.pack(len(topic), len(payload)) + topic.encode() + payload)


def read_frames(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield recorded frames in the order in which they were sent."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        topic_bytes, payload_bytes = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        topic = data[at : at + topic_bytes].decode()
        at += topic_bytes
        yield topic, data[at : at + payload_bytes]
        at += payload_bytes


def all_signed_parts(envelope: bytes) -> list[tuple[str, bytes, bytes, bytes]]:
    """Return key id, signature, signed bytes and payload for each signature of an envelope, by code of its own."""
    fields = json.loads(envelope)
    kind, body = fields["payloadType"].encode(), base64.b64decode(fields["payload"])
    pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    return [(one["keyid"], base64.b64decode(one["sig"]), pae, body) for one in fields["signatures"]]
