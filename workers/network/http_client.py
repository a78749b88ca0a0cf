"""The only HTTP client of the workers: a request is one name resolution, one connection and 20 s at most.

`requests` limits the time of each read and not of the whole: headers that came one byte at a time held a request for 18
s under a limit of 1 s. So a watchdog shuts the connection down. The connection goes to the address that was checked;
the name is not resolved again. The adapter is used without a session, because a session reads the whole body of a
redirect before it reports the redirect.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from runtime.deadline import DeadlineExceeded, DeadlinePool
from workers.failures import NetworkFailure
from workers.network.allowlist import Target, is_public

MAX_ADDRESSES = 3  # addresses of one name that are tried
HEADERS = {
    "User-Agent": "Tokaut",  # no version: it would reveal which bugs this release has
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
MAX_RESPONSE_BYTES = 64 * 1024

Resolver = Callable[[str, int], Iterable[str]]


# One outgoing connection to a checked address, with a deadline.
#
# `http_client` and `smtp_client` share it. It also adapts `requests` and `urllib3` to such a connection.


class Watchdog:
    """Shuts the connection down at the deadline.

    It holds a duplicate of the socket's file descriptor, so that it works below TLS.
    """

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self._line: socket.socket | None = None
        self._deadline = time.monotonic() + seconds
        self._stopped = False
        self._changed = threading.Condition()
        threading.Thread(target=self._watch, daemon=True).start()

    def shorten_to(self, seconds: float) -> None:
        """Move the deadline to `seconds` from now, unless it is sooner already."""
        with self._changed:
            self._deadline = min(self._deadline, time.monotonic() + seconds)
            self._changed.notify()

    def hold(self, line: socket.socket) -> None:
        """Watch this socket. It is shut down at once if the deadline has passed."""
        with self._changed:
            self._line = socket.socket(fileno=os.dup(line.fileno()))
            if self.fired:
                self._shut_down()

    def stop(self) -> None:
        """End the watch and close the duplicated socket; the connection itself stays open."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
            if self._line is not None:
                self._line.close()
                self._line = None

    def _watch(self) -> None:
        with self._changed:
            while not self._stopped and (remaining := self._deadline - time.monotonic()) > 0:
                self._changed.wait(remaining)
            if not self._stopped:
                self.fired = True
                self._shut_down()

    def _shut_down(self) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)


class PinnedConnection:
    """Opens one connection to the checked addresses, in their order."""

    def __init__(self, addresses: list[str], seconds: float, watchdog: Watchdog) -> None:
        self.watchdog = watchdog
        self.opened = False
        self._connections: list[HTTPConnection] = []
        self._addresses = addresses[:MAX_ADDRESSES]
        self._seconds = seconds

    def open(self, connection: HTTPConnection) -> socket.socket:
        """Connect for urllib3. Raises NewConnectionError."""
        self._connections.append(connection)
        try:
            return self.dial(connection.port or 0)
        except OSError:
            raise NewConnectionError(connection, "no connection") from None

    def close(self) -> None:
        """Close all connections. One whose response was not read to the end is still open."""
        self.watchdog.stop()
        for connection in self._connections:
            connection.close()

    def dial(self, port: int) -> socket.socket:
        """Connect to the first address that accepts, and watch the socket. Raises OSError if none does."""
        error_of_last: OSError = OSError()
        for address in self._addresses:
            try:
                line = socket.create_connection((address, port), self._seconds)
            except OSError as error:
                error_of_last = error
                continue
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.watchdog.hold(line)
            self.opened = True
            return line
        raise error_of_last


class _CompleteHeadResponse(http.client.HTTPResponse):
    """A response whose headers must be complete.

    The library accepts headers that break off as complete; a hotline that crashed within them has not answered.
    """

    def begin(self) -> None:
        """Read the headers. Raises RemoteDisconnected if they break off."""
        fp = self.fp
        reader: Any = _HeadReader(fp)
        self.fp = reader
        try:
            super().begin()
        finally:
            self.fp = fp if self.fp is reader else self.fp
        if reader.last not in (b"\r\n", b"\n"):
            reader.close()
            raise http.client.RemoteDisconnected("the connection ended within the headers")


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
    """An HTTPS connection to the checked address.

    The certificate, SNI and the Host header still use the host name.
    """

    response_class = _CompleteHeadResponse

    def __init__(self, *args: Any, line: PinnedConnection, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._line = line

    def _new_conn(self) -> socket.socket:
        return self._line.open(self)


class PinnedAdapter(HTTPAdapter):
    """An adapter for `requests`: one connection, and a TLS context that always verifies."""

    def __init__(self, tls: ssl.SSLContext, line: PinnedConnection) -> None:
        self._tls = tls
        self._line = line
        super().__init__(max_retries=0)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Return the pool's host, and our TLS context instead of the adapter's own."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._tls} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context verifies, and the adapter's own settings would weaken or slow it."""

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """Return a pool whose connections are pinned. Proxies are ignored."""
        pool = super().get_connection_with_tls_context(request, verify, None, cert)
        if not isinstance(pool, HTTPConnectionPool):
            raise TypeError("this kind of pool cannot be pinned to an address")
        pool.ConnectionCls = _PinnedHttpsConnection if pool.scheme == "https" else _PinnedHttpConnection
        pool.conn_kw["line"] = self._line
        return pool


class NoResponse(Exception):
    """The request got no status. `reason`: class of failure; `sent`: the server may have received it all the same."""

    def __init__(self, reason: NetworkFailure, *, sent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """Limits in seconds. `drain`: for what follows the headers of a response, as only its status counts."""

    resolve: float = 3
    connect: float = 3
    read: float = 10
    total: float = 20
    drain: float = 2


@dataclass(frozen=True, slots=True)
class ClientResponse:
    """A response. Its body is never logged.

    `body`: cut at `largest` bytes (64 KiB by default); empty if the connection broke while it was read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def resolve_host(host: str, port: int) -> list[str]:
    """Return all addresses of a name from the system's resolver. Raises OSError."""
    return list(
        dict.fromkeys(str(resolved[4][0]) for resolved in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    )


class HttpClient:
    """Sends requests. Thread-safe: requests share only the TLS settings."""

    def __init__(
        self, *, ca_file: Path | None = None, resolve: Resolver = resolve_host, limits: HttpTimeouts | None = None
    ) -> None:
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._resolve = resolve
        self._limits = limits or HttpTimeouts()

    def post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> ClientResponse:
        """Send a POST request. Raises NoResponse if no status came."""
        return self.call("POST", target, body, headers)

    def call(
        self, method: str, target: Target, body: bytes, headers: Mapping[str, str], *, largest: int = MAX_RESPONSE_BYTES
    ) -> ClientResponse:
        """Send a request and return the response with any status. Raises NoResponse if no status came.

        No redirect is followed and no cookie is stored. `largest`: bytes of the body that are read.
        """
        addresses = allowed_addresses(
            target.host, target.port, self._resolve, self._limits.resolve, listed=target.listed
        )
        connection = PinnedConnection(addresses, self._limits.connect, Watchdog(self._limits.total))
        adapter = PinnedAdapter(self._tls, connection)
        try:
            request = requests.Request(method, target.url, headers=HEADERS | dict(headers), data=body).prepare()
            limits = (self._limits.connect, self._limits.read)
            response = adapter.send(request, stream=True, timeout=limits, verify=True)
            connection.watchdog.shorten_to(self._limits.drain)
            return ClientResponse(response.status_code, response.headers, _read(response.raw, largest))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            why = "timeout" if connection.watchdog.fired else _failure_class(error)
            raise NoResponse(why, sent=connection.opened and why != "tls") from None
        finally:
            connection.close()
            adapter.close()


def allowed_addresses(host: str, port: int, resolve: Resolver, seconds: float, *, listed: bool) -> list[str]:
    """Resolve a name to the addresses that may be called. `listed`: private ones are allowed too.

    Raises NoResponse if the name does not resolve within `seconds`, or if an address is not allowed.
    """
    try:  # the system's resolver has no deadline
        resolved = DeadlinePool(1).within(seconds, lambda: list(resolve(host, port)))
    except (DeadlineExceeded, OSError, UnicodeError):
        raise NoResponse("dns") from None
    if not resolved:
        raise NoResponse("dns")
    if not listed and not all(is_public(address) for address in resolved):
        raise NoResponse("private_address")  # one private address rules out the name
    return resolved


def _read(reply: BaseHTTPResponse, largest: int) -> bytes:
    try:
        return reply.read(largest, decode_content=False)
    except (HTTPError, OSError, ValueError):
        return b""


def _failure_class(error: Exception) -> NetworkFailure:
    if isinstance(error, requests.exceptions.SSLError):
        return "tls"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "timeout"
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return "not_reached" if isinstance(reason, NewConnectionError) else "reset"
