"""Valkey servers as an operator sets them up: with users, TLS, replicas and Sentinels."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.support.frozen import freeze
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack import valkey
from tokaut.local_stack.parent_death import die_with_parent


def program_with_tls() -> Path | None:
    """Return a server program of this machine with TLS, such as Debian's redis-server; None if there is none."""
    for name in (os.environ.get("TEST_REDIS_TLS", ""), "valkey-server", "redis-server"):
        if found := shutil.which(name) if name else None:
            words = [found, "--port", "0", "--tls-port", "1"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if "No tls-cert-file configured" in done.stdout:
                return Path(found)
    return None


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS of a server, which then takes no other connections.

    certificate: its certificate and private key, in one file. authority: the certificate that clients trust.
    """

    certificate: Path
    authority: Path

    def lines(self, port: int) -> list[str]:
        """Return the configuration of a Valkey or Redis with TLS, also to its primary, replicas and Sentinels."""
        return [
            "port 0",
            f"tls-port {port}",
            f"tls-cert-file {self.certificate}",
            f"tls-key-file {self.certificate}",
            f"tls-ca-cert-file {self.authority}",
            "tls-auth-clients no",
            "tls-replication yes",
        ]


class Server:
    """A Valkey server with `lines` in its configuration file. Its data survives a kill.

    `enter`: a command prefix that starts the server on another host, whose address is `address`. `tls`: needs a
    `program` with TLS, which the wheel's Valkey has not.
    """

    def __init__(
        self,
        *lines: str,
        sentinel: bool = False,
        program: Path | None = None,
        address: str = "127.0.0.1",
        enter: Sequence[str] = (),
        tls: ServerTls | None = None,
    ) -> None:
        self.tls = tls
        self.folder = Path(tempfile.mkdtemp(prefix="tr-"))
        self.address = address
        self.port = free_port()
        persistence = () if sentinel else ("save ''", "appendonly yes", "maxmemory-policy noeviction")
        self.file = self.folder / "valkey.conf"
        listens = tls.lines(self.port) if tls else [f"port {self.port}"]
        self.file.write_text(
            "\n".join([*listens, f"bind {address}", f"dir {self.folder}", *persistence, *lines]) + "\n"
        )
        command = [str(program or valkey.server_program()), str(self.file), *(["--sentinel"] if sentinel else [])]
        self._command = [*enter, *command]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                die_with_parent(self._command), stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers, f"Valkey does not start; see {self.folder}/log", seconds=20)
        return self

    def freeze(self) -> None:
        """Stop the process with SIGSTOP."""
        assert self._process is not None, "this Valkey is not running"
        freeze(self._process.pid)

    def signal(self, which: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None, "this Valkey is not running"
        self._process.send_signal(which)

    def kill(self) -> None:
        """Kill the process, if it runs."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait(timeout=20)
            self._process = None

    def remove(self) -> None:
        """Kill the process and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    @contextmanager
    def asked(self, user: str | None = None, password: str | None = None) -> Iterator[redis.Redis]:
        """Open a client of the Redis library, without our own code."""
        with redis.Redis(
            self.address, self.port, username=user, password=password, decode_responses=True, **self.client_options()
        ) as client:
            yield client

    def client_options(self) -> dict[str, Any]:
        """Return the options with which a client of the Redis library reaches this server."""
        return {"ssl": True, "ssl_ca_certs": str(self.tls.authority)} if self.tls else {}

    def _answers(self) -> bool:
        try:
            with self._connection() as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _connection(self) -> socket.socket:
        connection = socket.create_connection((self.address, self.port), timeout=1)
        if self.tls is None:
            return connection
        context = ssl.create_default_context(cafile=str(self.tls.authority))
        return context.wrap_socket(connection, server_hostname=self.address)
