"""A connection to a checked address that ends at a deadline, even if the other end hangs.

Python limits the time of each read and write, not their sum: headers that arrived one byte at a time held a request for
18 s under a limit of 1 s. So before each read and write the limit is set to the time left until the deadline.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any

MAX_ADDRESSES = 3  # addresses of one name that are tried


class DeadlineSocket:
    """An open connection. `http.client` and `smtplib` use it as a socket.

    `address`: of the other end. `deadline`: in monotonic seconds. `step`: seconds that one read or write may take.
    """

    def __init__(self, sock: socket.socket, address: str, deadline: float, step: float) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._raw = _RawReader(self)
        self._reader = io.BufferedReader(self._raw)
        self._has_ended = False
        self.address = address
        self.deadline = deadline
        self.step = step

    @property
    def is_overdue(self) -> bool:
        """Return whether the deadline has passed."""
        return time.monotonic() >= self.deadline

    def start_tls(self, tls: ssl.SSLContext, name: str) -> None:
        """Do the handshake, with the certificate of `name`. Raises ssl.SSLError, OSError.

        Unread data from before the handshake is discarded, because an attacker may have injected it (RFC 3207).
        """
        self._limit()
        self._sock = tls.wrap_socket(self._sock, server_hostname=name.rstrip("."))
        self._reader.detach()
        self._reader = io.BufferedReader(self._raw)

    def sendall(self, data: Any) -> None:
        """Send all of `data`. Raises OSError, TimeoutError."""
        unsent = memoryview(data).cast("B")
        while unsent:
            self._limit()
            unsent = unsent[self._sock.send(unsent) :]

    def receive_into(self, buffer: Any) -> int:
        """Receive into `buffer` and return how many bytes; 0 at the end. Raises OSError, TimeoutError."""
        self._limit()
        return self._sock.recv_into(buffer)

    def receive_waiting(self, buffer: Any) -> int | None:
        """Receive data that has already arrived into `buffer`; return None if there is none. Raises OSError."""
        self._sock.settimeout(0)
        try:
            count = self._sock.recv_into(buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        self._has_ended = count == 0
        return count

    def is_quiet(self) -> bool:
        """Return whether the connection is open and nothing waits to be read from it."""
        self._raw.waits = False
        try:
            return not self._reader.peek(1) and not self._has_ended
        except OSError:
            return False
        finally:
            self._raw.waits = True

    def makefile(self, _mode: str = "rb") -> _SharedReader:
        """Return a reader of the connection. All share one buffer, so nothing that was received is lost between two."""
        return _SharedReader(self._reader)

    def close(self) -> None:
        """Do nothing: `http.client` closes a connection before it has read the body. `end` closes it."""

    def end(self) -> None:
        """Close the connection."""
        self._sock.close()

    def _limit(self) -> None:
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the deadline has passed")
        self._sock.settimeout(min(remaining, self.step))


class _RawReader(io.RawIOBase):
    """Reads from the connection. `waits`: whether a read waits for data."""

    def __init__(self, connection: DeadlineSocket) -> None:
        self._connection = connection
        self.waits = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        return self._connection.receive_into(buffer) if self.waits else self._connection.receive_waiting(buffer)


class _SharedReader:
    """A reader that its user may close while the connection stays open."""

    def __init__(self, reader: io.BufferedReader[Any]) -> None:
        self._reader = reader

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def dial(addresses: Sequence[str], port: int, *, deadline: float, step: float) -> DeadlineSocket:
    """Connect to the first address that accepts within `step` seconds. Raises OSError if none does by `deadline`."""
    error_of_last: OSError = OSError()
    for address in addresses[:MAX_ADDRESSES]:
        limit = min(step, deadline - time.monotonic())
        if limit <= 0:
            raise TimeoutError("the deadline has passed")
        try:
            sock = socket.create_connection((address, port), limit)
        except OSError as error:
            error_of_last = error
            continue
        return DeadlineSocket(sock, address, deadline, step)
    raise error_of_last
