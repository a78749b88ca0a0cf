"""Valkey servers as an operator sets them up: with users, TLS, replicas and Sentinels."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.support.frozen import freeze
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack import valkey
from tokaut.local_stack.parent_death import die_with_parent


class Server:
    """A Valkey server with `lines` in its configuration file. Its data survives a kill.

    `enter`: a command prefix that starts the server on another host, whose address is `address`.
    """

    def __init__(
        self,
        *lines: str,
        sentinel: bool = False,
        program: Path | None = None,
        address: str = "127.0.0.1",
        enter: Sequence[str] = (),
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tr-"))
        self.address = address
        self.port = free_port()
        persistence = () if sentinel else ("save ''", "appendonly yes", "maxmemory-policy noeviction")
        self.file = self.folder / "valkey.conf"
        self.file.write_text(
            "\n".join([f"port {self.port}", f"bind {address}", f"dir {self.folder}", *persistence, *lines]) + "\n"
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
        with redis.Redis(self.address, self.port, username=user, password=password, decode_responses=True) as client:
            yield client

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.address, self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
