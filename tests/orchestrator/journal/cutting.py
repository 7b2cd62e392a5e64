"""A wire to a PostgreSQL server that is cut just when a transaction is to be committed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import Enum

_BYTES = 1 << 16


class Cut(Enum):
    """What becomes of the next commit."""

    NOT = "it is answered"
    BEFORE = "the server never hears of it"
    AFTER = "it is done, and nobody hears of that"
    HUSH = "the server never hears of it, and nobody is told so"


class Wire:
    """Passes on what is said on a loopback port to another one, until it is told to cut.

    Args:
        port: The server's port.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.port: int = self._listening.getsockname()[1]
        self.next = Cut.NOT
        self.cuts = 0
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._server))
                self._ends += [near, far]
                threading.Thread(target=self._there, args=(near, far), daemon=True).start()
                threading.Thread(target=self._back, args=(near, far), daemon=True).start()

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while said := near.recv(_BYTES):
                if b"COMMIT" not in said or self.next is Cut.NOT:
                    far.sendall(said)
                    continue
                self.cuts += 1
                if self.next is Cut.AFTER:
                    far.sendall(said)  # what comes back is the answer, and `_back` cuts
                    continue
                if self.next is Cut.BEFORE:
                    self.next = Cut.NOT
                    break
        if self.next is not Cut.HUSH:
            _end(near, far)

    def _back(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while said := far.recv(_BYTES):
                if self.next is Cut.AFTER and b"COMMIT" in said:
                    self.next = Cut.NOT
                    break
                near.sendall(said)
        _end(near, far)

    def close(self) -> None:
        """Let nothing more pass."""
        self._listening.close()
        _end(*self._ends)


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """Have a wire to a server's port."""
    with closing(Wire(port)) as laid:
        yield laid
