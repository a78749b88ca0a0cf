"""Confine tests to this machine: any other connection or name lookup from a test process fails the test."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

NAMES = {None, "", "localhost", b"localhost"}


class OutgoingRefused(BaseException):
    """A test tried to reach another machine. A BaseException, so that no `except Exception` hides it."""


def install() -> None:
    """Install the guard for the rest of this process; an audit hook cannot be removed."""
    sys.addaudithook(_check)


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # AF_UNIX: a path
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    else:
        return
    if not is_here(host):
        raise OutgoingRefused(
            f"{event} to {host!r}: tests reach nothing but this machine; use a server of tests/support"
        )


def is_here(host: Any) -> bool:
    """Return whether a host, as passed to the socket module, is this machine."""
    if host in NAMES:
        return True
    try:
        text = host.decode() if isinstance(host, bytes) else str(host)
        address = ipaddress.ip_address(text.split("%")[0])
    except (UnicodeDecodeError, ValueError):
        return False
    return address.is_loopback or address.is_unspecified
