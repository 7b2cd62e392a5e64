"""A real PostgreSQL server for tests and benchmarks, from Debian's package, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg

from tests.brokers import free_port
from tests.components import require

_READY_S = 20.0
_USER = "haltdrill"
_UNPRIVILEGED = "postgres"
"""The user that Debian's package makes: the server refuses to be root."""


class Postgres:
    """A server on a unix socket and a loopback port, as an unprivileged user, with synced commits.

    Args:
        password: What its user must say over TCP; none if empty.
    """

    def __init__(self, password: str = "") -> None:
        self._initdb = require("initdb", package="postgresql")
        self._server = require("postgres", package="postgresql")
        self._password = password
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": _UNPRIVILEGED, "group": _UNPRIVILEGED, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.port = 0
        self.folder = Path()

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="haltdrill-postgres-"))
        try:
            if self._as:
                shutil.chown(self.folder, _UNPRIVILEGED, _UNPRIVILEGED)
            secret = self.folder / "password"
            secret.write_text(f"{self._password or 'none'}\n")
            secret.chmod(0o644)
            options = ["--username", _USER, "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
            trusted = ["--auth-local", "trust", "--auth-host", "scram-sha-256" if self._password else "trust"]
            self._run(self._initdb, "-D", self.folder / "data", *options, *trusted, "--pwfile", secret)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, *argv: str | Path) -> None:
        done = subprocess.run(argv, capture_output=True, text=True, cwd="/", check=False, **self._as)
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]} failed: {done.stdout}{done.stderr}")

    @property
    def log(self) -> str:
        """What the server said."""
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """Start it, and wait until it answers; anew on the port that it had."""
        for attempts_left in range(4, -1, -1):
            # Another process may take a port between the look and the start: then look again.
            port = self.port or free_port()
            argv = [self._server, "-D", self.folder / "data", "-k", self.folder, "-p", str(port)]
            settings = ["-c", "listen_addresses=127.0.0.1", "-c", "shared_buffers=16MB", "-c", "max_connections=40"]
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen([*argv, *settings], stdout=log, stderr=log, cwd="/", **self._as)
            if self._answers(port):
                self.port = port
                return
            if not attempts_left:
                raise RuntimeError(f"postgres did not start: {self.log}")

    def _answers(self, port: int) -> bool:
        """Wait until it answers; false if it ended instead."""
        assert self._process is not None
        deadline_s = time.monotonic() + _READY_S
        while self._process.poll() is None:
            try:
                self.admin(port=port).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline_s:
                    self.stop()
                    raise
                time.sleep(0.02)
            else:
                return True
        self._process = None
        return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: by default at once, cutting every connection, and cleanly."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def database(self) -> str:
        """Make an empty database, and return its URL over the unix socket."""
        self._databases += 1
        name = f"journal_{self._databases}"
        with self.admin() as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return f"postgresql://{_USER}@/{name}?host={quote(str(self.folder), safe='')}&port={self.port}"

    def over_tcp(self, url: str) -> str:
        """Return the URL of the same database by TCP, with the password in it."""
        name = url.partition("?")[0].rpartition("/")[2]
        secret = f":{self._password}" if self._password else ""
        return f"postgresql://{_USER}{secret}@127.0.0.1:{self.port}/{name}"

    def admin(self, url: str = "", *, port: int = 0) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect as the superuser, without transactions: to a database, or to the server's own."""
        if url:
            return psycopg.connect(url, autocommit=True)
        address = {"host": str(self.folder), "port": port or self.port, "user": _USER, "dbname": "postgres"}
        return psycopg.connect(**address, autocommit=True)
