"""What workers/network/http_client.py and workers/network/smtp_client.py hold a call by: one line to a judged address,
and a watchdog.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import NewConnectionError

MAX_ADDRESSES = 3  # of one name that are tried


class Watchdog:
    """Cuts the line when the time is over. It holds a second handle of the socket, so it need not know about TLS."""

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self._line: socket.socket | None = None
        self._until = time.monotonic() + seconds
        self._stopped = False
        self._changed = threading.Condition()
        threading.Thread(target=self._watch, daemon=True).start()

    def shorten_to(self, seconds: float) -> None:
        """From now on; where less is left, it stays less."""
        with self._changed:
            self._until = min(self._until, time.monotonic() + seconds)
            self._changed.notify()

    def hold(self, line: socket.socket) -> None:
        with self._changed:
            self._line = socket.socket(fileno=os.dup(line.fileno()))
            if self.fired:
                self._cut()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
            if self._line is not None:
                self._line.close()
                self._line = None

    def _watch(self) -> None:
        with self._changed:
            while not self._stopped and (left := self._until - time.monotonic()) > 0:
                self._changed.wait(left)
            if not self._stopped:
                self.fired = True
                self._cut()

    def _cut(self) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)


class PinnedConnection:
    """Opens one connection to the addresses that were judged, in their order."""

    def __init__(self, addresses: list[str], seconds: float, watchdog: Watchdog) -> None:
        self.watchdog = watchdog
        self.opened = False
        self._connections: list[HTTPConnection] = []
        self._addresses = addresses[:MAX_ADDRESSES]
        self._seconds = seconds

    def open(self, connection: HTTPConnection) -> socket.socket:
        """Raises NewConnectionError."""
        self._connections.append(connection)
        try:
            return self.dial(connection.port or 0)
        except OSError:
            raise NewConnectionError(connection, "no connection") from None

    def close(self) -> None:
        """Whatever is left open: a reply that was not read to its end keeps its connection."""
        self.watchdog.stop()
        for connection in self._connections:
            connection.close()

    def dial(self, port: int) -> socket.socket:
        """Raises OSError."""
        fault: OSError = OSError()
        for address in self._addresses:
            try:
                line = socket.create_connection((address, port), self._seconds)
            except OSError as error:
                fault = error
                continue
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.watchdog.hold(line)
            self.opened = True
            return line
        raise fault


class _CompleteHeadResponse(http.client.HTTPResponse):
    """The library takes a head that broke off for a whole one; a hotline that fell over in it has not answered."""

    def begin(self) -> None:
        fp = self.fp
        lines: Any = _HeadReader(fp)
        self.fp = lines
        try:
            super().begin()
        finally:
            self.fp = fp if self.fp is lines else self.fp
        if lines.last not in (b"\r\n", b"\n"):
            lines.close()
            raise http.client.RemoteDisconnected("the head broke off")


class _HeadReader:
    def __init__(self, fp: Any) -> None:
        self.fp = fp
        self.last = b""

    def readline(self, limit: int) -> bytes:
        self.last = self.fp.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fp, name)


class _PinnedHttpConnection(HTTPConnection):
    response_class = _CompleteHeadResponse

    def __init__(self, *args: Any, line: PinnedConnection, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._line = line

    def _new_conn(self) -> socket.socket:
        return self._line.open(self)


class _PinnedHttpsConnection(HTTPSConnection):
    """The name stays the host's: certificate, SNI and Host header go by it, only the line goes to the address."""

    response_class = _CompleteHeadResponse

    def __init__(self, *args: Any, line: PinnedConnection, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._line = line

    def _new_conn(self) -> socket.socket:
        return self._line.open(self)


class PinnedAdapter(HTTPAdapter):
    """One line, one TLS context that always verifies."""

    def __init__(self, tls: ssl.SSLContext, line: PinnedConnection) -> None:
        self._tls = tls
        self._line = line
        super().__init__(max_retries=0)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._tls} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing to set: the context verifies, and the adapter's own settings would weaken or slow it."""

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(request, verify, None, cert)
        if not isinstance(pool, HTTPConnectionPool):
            raise TypeError("a pool that cannot be pinned")
        pool.ConnectionCls = _PinnedHttpsConnection if pool.scheme == "https" else _PinnedHttpConnection
        pool.conn_kw["line"] = self._line
        return pool
