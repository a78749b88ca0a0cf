"""The only way out by HTTP. One exchange is one look-up, one connection, one request, 20 seconds at most.

`requests` limits each read and never the whole: a head that came one byte at a time held a call for 18 s under a limit
of 1 s. So a watchdog cuts the line. The line goes to the very address that was judged; there is no second look-up.
The adapter is used without a session: a session would read a redirect's whole body before it says that it is one.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from workers.addresses import Target, is_public

HEADERS = {
    "User-Agent": "Tokaut",  # no version: it would say which faults we have
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
LARGEST_REPLY = 64 * 1024
ADDRESSES = 3  # of one name that are tried

Resolve = Callable[[str, int], Iterable[str]]


class NoAnswer(Exception):
    """No status came. `why` is a class of failure; `sent`: the other end may have got the request all the same."""

    def __init__(self, why: str, *, sent: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds. `rest`: for what follows the head of a reply, where only the status counts."""

    resolve: float = 3
    connect: float = 3
    read: float = 10
    whole: float = 20
    rest: float = 2


@dataclass(frozen=True, slots=True)
class Reply:
    """The body is cut at 64 KiB and empty where it broke off; it is never logged."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def look_up(host: str, port: int) -> list[str]:
    """All addresses of a name, as the system's resolver gives them. Raises OSError."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


class Client:
    """Safe to use from several threads: nothing is kept from one call to the next but the TLS settings."""

    def __init__(self, *, ca_file: str | None = None, resolve: Resolve = look_up, limits: Limits | None = None) -> None:
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._resolve = resolve
        self._limits = limits or Limits()

    def post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Whatever answers with a status is a reply: no redirect is followed, no cookie kept. Raises NoAnswer."""
        line = Line(self._judged(target), self._limits.connect, Watchdog(self._limits.whole))
        adapter = Pinned(self._tls, line)
        try:
            request = requests.Request("POST", target.url, headers=HEADERS | dict(headers), data=body).prepare()
            limits = (self._limits.connect, self._limits.read)
            response = adapter.send(request, stream=True, timeout=limits, verify=True)
            line.watchdog.no_longer_than(self._limits.rest)
            return Reply(response.status_code, response.headers, _read(response.raw))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            why = "timeout" if line.watchdog.fired else _why(error)
            raise NoAnswer(why, sent=line.opened and why != "tls") from None
        finally:
            line.watchdog.stop()
            adapter.close()

    def _judged(self, target: Target) -> list[str]:
        found = _within(self._limits.resolve, lambda: list(self._resolve(target.host, target.port)))
        if not found:
            raise NoAnswer("dns")
        if not target.listed and not all(is_public(address) for address in found):
            raise NoAnswer("private_address")  # one bad address refuses the name
        return found


class Watchdog:
    """Cuts the line when the time is over. It holds a second handle of the socket, so it need not know about TLS."""

    def __init__(self, seconds: float) -> None:
        self.fired = False
        self._line: socket.socket | None = None
        self._lock = threading.Lock()
        self._timers: list[threading.Timer] = []
        self.no_longer_than(seconds)

    def no_longer_than(self, seconds: float) -> None:
        """From now on; where less is left, it stays less."""
        timer = threading.Timer(seconds, self._fire)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def hold(self, line: socket.socket) -> None:
        with self._lock:
            self._line = socket.socket(fileno=os.dup(line.fileno()))
        if self.fired:
            self._fire()

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        with self._lock:
            if self._line is not None:
                self._line.close()
                self._line = None

    def _fire(self) -> None:
        with self._lock:
            self.fired = True
            if self._line is not None:
                with suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)


class Line:
    """Opens one connection to the addresses that were judged, in their order."""

    def __init__(self, addresses: list[str], seconds: float, watchdog: Watchdog) -> None:
        self.watchdog = watchdog
        self.opened = False
        self._addresses = addresses[:ADDRESSES]
        self._seconds = seconds

    def open(self, port: int) -> socket.socket:
        """Raises OSError of the last address."""
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


class _Plain(HTTPConnection):
    def __init__(self, *args: Any, line: Line, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._line = line

    def _new_conn(self) -> socket.socket:
        return _open(self, self._line)


class _Secure(HTTPSConnection):
    """The name stays the host's: certificate, SNI and Host header go by it, only the line goes to the address."""

    def __init__(self, *args: Any, line: Line, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._line = line

    def _new_conn(self) -> socket.socket:
        return _open(self, self._line)


def _open(connection: HTTPConnection, line: Line) -> socket.socket:
    try:
        return line.open(connection.port or 0)
    except OSError:
        raise NewConnectionError(connection, "no connection") from None


class Pinned(HTTPAdapter):
    """One line, one TLS context that always verifies."""

    def __init__(self, tls: ssl.SSLContext, line: Line) -> None:
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
        pool.ConnectionCls = _Secure if pool.scheme == "https" else _Plain
        pool.conn_kw["line"] = self._line
        return pool


def _read(reply: BaseHTTPResponse) -> bytes:
    try:
        return reply.read(LARGEST_REPLY, decode_content=False)
    except (HTTPError, OSError, ValueError):
        return b""


def _why(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "tls"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "timeout"
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return "not_reached" if isinstance(reason, NewConnectionError) else "reset"


def _within(seconds: float, resolve: Callable[[], list[str]]) -> list[str]:
    """The system's resolver has no time limit of its own; one that hangs leaves a thread behind until it gives up."""
    found: list[str] = []

    def run() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(resolve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return [] if thread.is_alive() else found
