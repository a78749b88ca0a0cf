"""The only HTTP client of the workers. A request takes 20 s at most, and goes only to a checked address.

The name is resolved for each request, all its addresses are checked, and the connection goes to one of these; the name
is not resolved again. No redirect is followed, no cookie and no proxy is used.

A client with `max_idle` uses a connection again, if the name still leads to its address: a handshake costs more than
the rest of a delivery. The other end may close it at any time; then the request is sent once more over a new one.
Therefore such a client may send only requests that may arrive twice, under one idempotency key. A connection is kept
only after a success whose end is beyond doubt: what follows on it would count as the answer to the next request.
"""

from __future__ import annotations

import functools
import http.client
import io
import re
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from urllib3 import HTTPHeaderDict
from urllib3.util import Url, parse_url

from runtime.deadline import DeadlineExceeded, DeadlinePool
from workers.failures import NetworkFailure
from workers.network.allowlist import DEFAULT_PORTS, Target, is_public
from workers.network.deadline_socket import DeadlineSocket, dial

HEADERS = {
    "User-Agent": "Tokaut",  # without a version, which would reveal the bugs of this release
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
MAX_RESPONSE_BYTES = MAX_HEAD_BYTES = 64 * 1024
MAX_INTERIM = 20  # interim responses to one request
MAX_HEADERS = 100  # lines of a head that the library reads; further headers are left out, and the connection is closed
KEEP_SECONDS = 4.0  # an idle connection; common servers close one after five seconds or more
MAX_RESOLVING = 32  # names resolved at once by one client, including those for which the resolver hangs

_FIELD = re.compile(rb"[^\s:]+:")  # at other lines servers and libraries disagree: they may hide a length

Resolver = Callable[[str, int], Iterable[str]]


class _FinalResponse(http.client.HTTPResponse):
    """The final response to a request, with a complete head.

    The library takes each interim response (103 Early Hints) but 100 for the final one, accepts a head that breaks off,
    and refuses one with many headers.
    """

    is_well_formed = False  # each line of the head is a header

    def begin(self) -> None:
        """Read the head. Raises RemoteDisconnected if it breaks off."""
        fp = self.fp
        head: Any = io.BytesIO(_read_final_head(fp))
        self.is_well_formed = all(_FIELD.match(line) for line in head.getvalue().splitlines()[1:-1])
        self.fp = head
        try:
            super().begin()
        finally:
            self.fp = fp if self.fp is head else self.fp

    @property
    def has_clear_end(self) -> bool:
        """Return whether both ends agree where this response ends, and that another may follow."""
        lengths = self.headers.get_all("Content-Length", [])
        encodings = [encoding.strip().lower() for encoding in self.headers.get_all("Transfer-Encoding", [])]
        options = ",".join(self.headers.get_all("Connection", [])).lower()
        if not self.is_well_formed or self.version != 11 or "close" in options:
            return False
        if self.status == HTTPStatus.NO_CONTENT:
            return not encodings and lengths in ([], ["0"])
        if encodings:
            return encodings == ["chunked"] and not lengths
        return len(lengths) == 1 and lengths[0].isascii() and lengths[0].isdigit()


def _read_final_head(fp: Any) -> bytes:
    """Read heads until one that is not of an interim response, and return it. Raises HTTPException, OSError."""
    for _ in range(MAX_INTERIM + 1):
        lines = _read_head(fp)
        if not re.match(rb"HTTP/\S+\s+1(?!01)\d\d\s", lines[0]):  # after a 101 another protocol would follow
            if len(lines) > MAX_HEADERS:  # the status stands
                lines[MAX_HEADERS - 2 :] = [b"Connection: close\r\n", b"\r\n"]
            return b"".join(lines)
    raise http.client.HTTPException("too many interim responses")


def _read_head(fp: Any) -> list[bytes]:
    """Read the lines of one head. Raises HTTPException if it is none, is too long or breaks off, and OSError."""
    lines: list[bytes] = []
    size = 0
    while not lines or lines[-1] not in (b"\r\n", b"\n"):
        line = fp.readline(MAX_HEAD_BYTES + 1)
        size += len(line)
        if size > MAX_HEAD_BYTES:
            raise http.client.LineTooLong("head")
        if not line.endswith(b"\n"):
            raise http.client.RemoteDisconnected("the connection ended within the headers")
        if not lines and not line.startswith(b"HTTP/"):
            raise http.client.BadStatusLine(line.decode("iso-8859-1"))
        lines.append(line)
    return lines


class NoResponse(Exception):
    """The request got no status. `reason`: class of failure; `sent`: the server may have received it all the same."""

    def __init__(self, reason: NetworkFailure, *, sent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """Limits in seconds. `drain`: for the rest of a response after its headers, as only its status counts."""

    resolve: float = 3
    connect: float = 3
    read: float = 10
    total: float = 20
    drain: float = 2


@dataclass(frozen=True, slots=True)
class ClientResponse:
    """A response. Its body is never logged.

    `body`: cut at `max_bytes` bytes (64 KiB by default); empty if the connection broke while it was read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def resolve_host(host: str, port: int) -> list[str]:
    """Return all addresses of a name from the system's resolver. Raises OSError."""
    return list(
        dict.fromkeys(str(resolved[4][0]) for resolved in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    )


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@functools.cache
def _public_tls_context() -> ssl.SSLContext:
    """Return the TLS settings that trust the authorities of this system, which take 30 ms to read."""
    return _tls_context(None)


class HttpClient:
    """Sends requests. Thread-safe: requests share the TLS settings and the idle connections.

    `max_idle`: how many idle connections are kept; only for requests that may arrive twice.
    """

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        resolve: Resolver = resolve_host,
        limits: HttpTimeouts | None = None,
        max_idle: int = 0,
    ) -> None:
        self._tls = _tls_context(ca_file) if ca_file else _public_tls_context()
        self._resolve = resolve
        self._resolving = DeadlinePool(MAX_RESOLVING)
        self._limits = limits or HttpTimeouts()
        self._idle = _IdleConnections(max_idle)
        weakref.finalize(self, self._idle.close)

    def post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> ClientResponse:
        """Send a POST request. Raises NoResponse if no status came."""
        return self.call("POST", target, body, headers)

    def call(
        self,
        method: str,
        target: Target,
        body: bytes,
        headers: Mapping[str, str],
        *,
        max_bytes: int = MAX_RESPONSE_BYTES,
    ) -> ClientResponse:
        """Send a request and return the response with any status. Raises NoResponse if no status came.

        No redirect is followed and no cookie is stored. `max_bytes`: bytes of the body that are read.
        """
        deadline = time.monotonic() + self._limits.total
        addresses = allowed_addresses(
            target.host, target.port, self._resolve, self._limits.resolve, listed=target.listed, pool=self._resolving
        )
        idle_connection = self._idle.take((target.scheme, target.host, target.port), addresses)
        request = _Request(method, target, body, {**HEADERS, **self._idle.headers, **headers}, max_bytes, deadline)
        if idle_connection is not None:
            try:
                return self._answer(idle_connection, request)
            except NoResponse as error:
                if error.reason == "timeout":  # otherwise it was closed while it was idle
                    raise
        return self._answer(_Connection((target.scheme, target.host, target.port), addresses), request)

    def _answer(self, connection: _Connection, request: _Request) -> ClientResponse:
        is_done = False
        try:
            response = connection.ask(request, self._tls, self._limits)
            connection.socket.deadline = min(request.deadline, time.monotonic() + self._limits.drain)
            headers = HTTPHeaderDict(response.getheaders())
            body, is_whole = _read(response, request.max_bytes)
            is_done = is_whole and connection.is_done(response)
            return ClientResponse(response.status, headers, body)
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise NoResponse(connection.why(error), sent=connection.is_used) from None
        finally:
            if not (is_done and self._idle.store(connection)):
                connection.close()


@dataclass(frozen=True, slots=True, repr=False)
class _Request:
    """A request. `deadline`: in monotonic seconds."""

    method: str
    target: Target
    body: bytes
    headers: Mapping[str, str]
    max_bytes: int
    deadline: float


Server = tuple[str, str, int]  # scheme, host, port


@dataclass(slots=True, eq=False)
class _Connection:
    """A connection to one of the addresses that were checked; it is opened by its first request."""

    server: Server
    addresses: list[str]
    idle_since: float = 0.0
    is_used: bool = False  # the writing of a request has begun; before, a handshake may have failed
    _socket: DeadlineSocket | None = None
    _http: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._http = http.client.HTTPConnection(self.server[1], self.server[2])
        self._http.response_class = _FinalResponse
        self._http.auto_open = 0  # otherwise it would connect by itself, without TLS and to an unchecked address

    @property
    def socket(self) -> DeadlineSocket:
        """Return the open connection."""
        if self._socket is None:
            raise LookupError("the connection is not open")
        return self._socket

    def ask(self, request: _Request, tls: ssl.SSLContext, limits: HttpTimeouts) -> _FinalResponse:
        """Send a request and read the headers of its response. Raises OSError, HTTPException, ValueError."""
        url = parse_url(request.target.url)
        if self._socket is None:
            self._open(request, tls, limits)
        self.socket.deadline = request.deadline
        headers = {"Host": _host(url), **request.headers}
        self.is_used = True
        self._http.request(request.method, url.request_uri, request.body or None, headers)
        response: Any = self._http.getresponse()
        return cast(_FinalResponse, response)

    def _open(self, request: _Request, tls: ssl.SSLContext, limits: HttpTimeouts) -> None:
        connection = dial(self.addresses, self.server[2], deadline=request.deadline, step=limits.connect)
        self._socket = connection
        sock: Any = connection
        self._http.sock = sock
        if self.server[0] == "https":
            connection.start_tls(tls, self.server[1])
        connection.step = limits.read

    def why(self, error: Exception) -> NetworkFailure:
        """Return the class of a failure."""
        if self._socket is None:
            return "not_reached"
        if self._socket.is_overdue or isinstance(error, TimeoutError):
            return "timeout"
        return failure_class(error)

    def is_done(self, response: _FinalResponse) -> bool:
        """Return whether a response was read to its end, and nothing of it can be taken for the next one.

        A server that reports an error may not have read the request, and would answer its rest.
        """
        is_success = HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES
        return is_success and response.isclosed() and not response.will_close and response.has_clear_end

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
        if self._socket is not None:
            self._socket.end()


def failure_class(error: Exception) -> NetworkFailure:
    """Return the class of a failure before the deadline. A connection that breaks off says nothing of a certificate."""
    is_broken = getattr(error, "errno", None) in (ssl.SSL_ERROR_EOF, ssl.SSL_ERROR_SYSCALL)
    return "tls" if isinstance(error, ssl.SSLError) and not is_broken else "reset"


class _IdleConnections:
    """At most `max_idle` idle connections; the most recently used one is used first."""

    def __init__(self, max_idle: int) -> None:
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self.headers = {} if max_idle else {"Connection": "close"}

    def take(self, server: Server, addresses: list[str]) -> _Connection | None:
        """Return a connection to this server that leads to one of these addresses, and close those that are too old.

        A connection with data to read is closed too: the server has ended it, or sent data without a request.
        """
        oldest = time.monotonic() - KEEP_SECONDS
        with self._lock:
            stale = [each for each in self._idle if each.idle_since < oldest]
            self._idle = [each for each in self._idle if each.idle_since >= oldest]
            chosen = None
            for each in reversed([each for each in self._idle if each.server == server]):
                self._idle.remove(each)
                if each.socket.address in addresses and each.socket.is_quiet():
                    chosen = each
                    break
                stale.append(each)
        for each in stale:
            each.close()
        return chosen

    def store(self, connection: _Connection) -> bool:
        """Store a connection for the next request. Returns False if there is no room."""
        connection.idle_since = time.monotonic()
        with self._lock:
            if len(self._idle) >= self._max_idle:
                return False
            self._idle.append(connection)
        return True

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            each.close()


def _host(url: Url) -> str:
    """Return the value of the header Host."""
    is_default = url.port in (None, DEFAULT_PORTS.get(url.scheme or ""))
    return str(url.host) if is_default else f"{url.host}:{url.port}"


def allowed_addresses(
    host: str, port: int, resolve: Resolver, seconds: float, *, listed: bool, pool: DeadlinePool | None = None
) -> list[str]:
    """Resolve a name to the addresses that may be called.

    `listed`: private ones are allowed too. `pool`: threads for the system's resolver, which has no deadline.

    Raises NoResponse if the name does not resolve within `seconds`, or if an address is not allowed.
    """
    try:
        resolved = (pool or DeadlinePool(1)).within(seconds, lambda: list(resolve(host, port)))
    except (DeadlineExceeded, OSError, UnicodeError):
        raise NoResponse("dns") from None
    if not resolved:
        raise NoResponse("dns")
    if not listed and not all(is_public(address) for address in resolved):
        raise NoResponse("private_address")  # one private address rules out the name
    return resolved


def _read(response: http.client.HTTPResponse, max_bytes: int) -> tuple[bytes, bool]:
    """Return the body, and whether it could be read; otherwise it is empty."""
    try:
        return response.read(max_bytes), True
    except (http.client.HTTPException, OSError, ValueError):
        return b"", False
