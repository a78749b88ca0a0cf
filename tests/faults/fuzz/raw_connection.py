"""One open connection for any bytes: HTTP libraries refuse to write invalid requests."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

WITHIN = 12.0  # seconds; more than five is a fault in any case
HEAD_ENDS = b"\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """`status` 0: the connection was closed without an answer. `sent`: the request."""

    status: int
    body: bytes
    seconds: float
    sent: bytes
    head: bytes = b""

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode("utf-8", "replace")


class RawConnection:
    """A connection to web."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._rest = b""

    def ask(self, raw: bytes, *, alone: bool = False) -> Answer:
        """Send bytes and return the answer. `alone`: on a new connection, for bytes that may be incomplete."""
        if alone:
            self.close()
        fresh = self._socket is None
        began = time.monotonic()
        head, body = self._exchange(raw)
        if not head and not fresh:  # it was closed while idle
            began = time.monotonic()
            head, body = self._exchange(raw)
        if alone:
            self.close()
        return Answer(int(head.split()[1]) if head else 0, body, time.monotonic() - began, raw, head)

    def close(self) -> None:
        """Close the connection."""
        if self._socket:
            self._socket.close()
        self._socket, self._rest = None, b""

    def _exchange(self, raw: bytes) -> tuple[bytes, bytes]:
        try:
            return self._asked(raw)
        except (OSError, ValueError):
            self.close()
            return b"", b""

    def _asked(self, raw: bytes) -> tuple[bytes, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=WITHIN)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BrokenPipeError, ConnectionResetError):  # a body too large is answered before it is read
            self._socket.sendall(raw)
        head = self._until(lambda arrived_at: HEAD_ENDS in arrived_at).partition(HEAD_ENDS)[0]
        if head.split()[1] == b"100":
            self._rest = self._rest.partition(HEAD_ENDS)[2]
            head = self._until(lambda arrived_at: HEAD_ENDS in arrived_at).partition(HEAD_ENDS)[0]
        size = 0 if raw.startswith(b"HEAD ") else _length(head)
        whole = len(head) + len(HEAD_ENDS) + size
        arrived_at = self._until(lambda arrived_at: len(arrived_at) >= whole)
        self._rest = arrived_at[whole:]
        if b"connection: close" in head.lower():
            self.close()
        return head, arrived_at[len(head) + len(HEAD_ENDS) : whole]

    def _until(self, enough: Callable[[bytes], bool]) -> bytes:
        assert self._socket
        while not enough(self._rest):
            more = self._socket.recv(65536)
            if not more:
                raise OSError("closed")
            self._rest += more
        return self._rest


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
