"""The only way out by HTTP. One exchange is one look-up, one connection, one request, 20 seconds at most.

`requests` limits each read and never the whole: a head that came one byte at a time held a call for 18 s under a limit
of 1 s. So a watchdog cuts the line. The line goes to the very address that was judged; there is no second look-up.
The adapter is used without a session: a session would read a redirect's whole body before it says that it is one.
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
    "User-Agent": "Tokaut",  # no version: it would say which faults we have
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
MAX_RESPONSE_BYTES = 64 * 1024

Resolver = Callable[[str, int], Iterable[str]]


class NoResponse(Exception):
    """No status came. `why` is a class of failure; `sent`: the other end may have got the request all the same."""

    def __init__(self, why: str, *, sent: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.sent = sent


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """In seconds. `rest`: for what follows the head of a reply, where only the status counts."""

    resolve: float = 3
    connect: float = 3
    read: float = 10
    whole: float = 20
    rest: float = 2


@dataclass(frozen=True, slots=True)
class ClientResponse:
    """The body is cut at 64 KiB, or where the caller says, and empty where it broke off; it is never logged."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a name, as the system's resolver gives them. Raises OSError."""
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


class HttpClient:
    """Safe to use from several threads: nothing is kept from one call to the next but the TLS settings."""

    def __init__(
        self, *, ca_file: Path | None = None, resolve: Resolver = resolve_host, limits: HttpTimeouts | None = None
    ) -> None:
        self._tls = ssl.create_default_context(cafile=ca_file)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._resolve = resolve
        self._limits = limits or HttpTimeouts()

    def post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> ClientResponse:
        """Raises NoAnswer."""
        return self.call("POST", target, body, headers)

    def call(
        self, method: str, target: Target, body: bytes, headers: Mapping[str, str], *, largest: int = MAX_RESPONSE_BYTES
    ) -> ClientResponse:
        """Whatever answers with a status is a reply: no redirect is followed, no cookie kept. Raises NoAnswer."""
        addresses = allowed_addresses(
            target.host, target.port, self._resolve, self._limits.resolve, listed=target.listed
        )
        line = PinnedConnection(addresses, self._limits.connect, Watchdog(self._limits.whole))
        adapter = PinnedAdapter(self._tls, line)
        try:
            request = requests.Request(method, target.url, headers=HEADERS | dict(headers), data=body).prepare()
            limits = (self._limits.connect, self._limits.read)
            response = adapter.send(request, stream=True, timeout=limits, verify=True)
            line.watchdog.shorten_to(self._limits.rest)
            return ClientResponse(response.status_code, response.headers, _read(response.raw, largest))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            why = "timeout" if line.watchdog.fired else _why(error)
            raise NoResponse(why, sent=line.opened and why != "tls") from None
        finally:
            line.close()
            adapter.close()


def allowed_addresses(host: str, port: int, resolve: Resolver, seconds: float, *, listed: bool) -> list[str]:
    """The addresses of a name that we may call; `listed`: whichever there are. Raises NoAnswer."""
    found = _resolve_within(seconds, lambda: list(resolve(host, port)))
    if not found:
        raise NoResponse("dns")
    if not listed and not all(is_public(address) for address in found):
        raise NoResponse("private_address")  # one bad address refuses the name
    return found


def _read(reply: BaseHTTPResponse, largest: int) -> bytes:
    try:
        return reply.read(largest, decode_content=False)
    except (HTTPError, OSError, ValueError):
        return b""


def _why(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "tls"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "timeout"
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return "not_reached" if isinstance(reason, NewConnectionError) else "reset"


def _resolve_within(seconds: float, resolve: Callable[[], list[str]]) -> list[str]:
    """The system's resolver has no time limit of its own; one that hangs leaves a thread behind until it gives up."""
    found: list[str] = []

    def run() -> None:
        with suppress(OSError, UnicodeError):
            found.extend(resolve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    return [] if thread.is_alive() else found
