"""The only HTTP client of the workers. A request is one name resolution, one connection and at most 20 seconds.

`requests` limits the time of each read and not of the whole: headers that came one byte at a time held a request for 18
s under a limit of 1 s. So a watchdog shuts the connection down. The connection goes to the address that was checked;
the name is not resolved again. The adapter is used without a session, because a session reads the whole body of a
redirect before it reports the redirect.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from workers.network.allowlist import Target, is_public
from workers.network.connection import PinnedAdapter, PinnedConnection, Watchdog

HEADERS = {
    "User-Agent": "Tokaut",  # no version: it would reveal which bugs this release has
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
MAX_RESPONSE_BYTES = 64 * 1024

Resolver = Callable[[str, int], Iterable[str]]


class NoResponse(Exception):
    """The request got no status. `why`: class of failure; `sent`: the server may have received it all the same."""

    def __init__(self, why: str, *, sent: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.sent = sent


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """Limits in seconds. `rest`: for what follows the headers of a response, as only its status counts."""

    resolve: float = 3
    connect: float = 3
    read: float = 10
    whole: float = 20
    rest: float = 2


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
        connection = PinnedConnection(addresses, self._limits.connect, Watchdog(self._limits.whole))
        adapter = PinnedAdapter(self._tls, connection)
        try:
            request = requests.Request(method, target.url, headers=HEADERS | dict(headers), data=body).prepare()
            limits = (self._limits.connect, self._limits.read)
            response = adapter.send(request, stream=True, timeout=limits, verify=True)
            connection.watchdog.shorten_to(self._limits.rest)
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
    resolved = _resolve_within(seconds, lambda: list(resolve(host, port)))
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


def _failure_class(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "tls"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "timeout"
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return "not_reached" if isinstance(reason, NewConnectionError) else "reset"


def _resolve_within(seconds: float, resolve: Callable[[], list[str]]) -> list[str]:
    """Resolve a name with a deadline, which the system's resolver does not have.

    On timeout the thread is abandoned and ends when the resolver gives up. Returns an empty list on any failure.
    """
    resolved: list[str] = []

    def run() -> None:
        with suppress(OSError, UnicodeError):
            resolved.extend(resolve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return [] if thread.is_alive() else resolved
