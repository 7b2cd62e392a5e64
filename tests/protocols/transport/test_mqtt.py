"""The MQTT adapter's own care for the library underneath."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from protocols.host.clock import SystemClock
from protocols.transport.mqtt import MqttTransport
from tests.brokers import Mosquitto


async def test_a_connection_that_breaks_as_it_is_written_to_leaves_no_watch(mosquitto: Mosquitto) -> None:
    """A program whose broker is killed as it publishes goes on: nothing waits on a socket that is closed."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    transport = MqttTransport(mosquitto.config, [], clock=SystemClock(), client_id="breaks")
    async with transport:
        client = transport._client
        assert client is not None
        paho = client._client
        with socket.socket() as other:
            # aiomqtt asks for a wait on the socket, and within the same step of the loop it is closed.
            await transport.publish("haltdrill/test", b"x" * 100)
            paho._call_socket_register_write()
            number = paho.socket().fileno()
            paho._sock_close()
            # What takes its number over is not the client's to be waited on.
            other.connect((mosquitto.config.host, mosquitto.config.port))
            assert other.fileno() > 0
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert number not in {key.fd for key in loop._selector.get_map().values() if key.data[1] is not None}
    assert complaints == []
