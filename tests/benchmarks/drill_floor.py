"""The floor of a drill: bare aiomqtt receives the same frames, and bare Ed25519 verifies each one.

Nothing is parsed, decided, kept or answered: what is to be verified was taken apart before.
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiomqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.benchmarks.drill_parts import Scale, all_signed_parts, read_frames
from tests.benchmarks.measure import say, wait_for_word


async def main(scale: Scale) -> None:
    """Receive and verify all recorded frames once, and report."""
    fleet = scale.fleet()
    records = fleet.records.values()
    listed = [key for record in records for key in (*record.agent_keys, *(entry.key for entry in record.witnesses))]
    keys = {key.key_id: Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public)) for key in listed}
    checks = []
    for _topic, payload in read_frames(scale.frames):
        key_id, signature, pae, _ = all_signed_parts(payload)[0]
        checks.append((keys[key_id], signature, pae))
    async with aiomqtt.Client("127.0.0.1", scale.port, identifier="floor") as client:
        for topic_filter in fleet.topics.orchestrator_filters():
            await client.subscribe(topic_filter)
        say({"ready": True})
        await wait_for_word()
        before_ns, began_ns = time.process_time_ns(), time.monotonic_ns()
        waiting = iter(checks)
        left = len(checks)
        async for _message in client.messages:
            key, signature, pae = next(waiting)
            key.verify(signature, pae)
            left -= 1
            if not left:
                break
        spent_s, took_s = (time.process_time_ns() - before_ns) / 1e9, (time.monotonic_ns() - began_ns) / 1e9
    say({"messages": len(checks), "cpu_s": spent_s, "wall_s": took_s})


if __name__ == "__main__":
    asyncio.run(main(Scale.read(sys.argv[1])))
