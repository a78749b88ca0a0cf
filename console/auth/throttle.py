"""Limits on login attempts. Nobody can lock a colleague out.

A browser that a person has logged in with has a counter of its own. Strangers who try the name lock only strangers.
"""

from __future__ import annotations

import ipaddress

from flask import Request

from console.auth.cookies import Browser
from reports.crypto import RecordCipher
from reports.store.staff.login_throttle import LoginAttempt, LoginLimit
from runtime.time_units import DAY_SECONDS, MINUTE_SECONDS

NAME_LIMIT = LoginLimit(tries=5, within=DAY_SECONDS, locked=15 * MINUTE_SECONDS, max_locked=DAY_SECONDS)
ADDRESS_LIMIT = LoginLimit(
    tries=20, within=10 * MINUTE_SECONDS, locked=10 * MINUTE_SECONDS, max_locked=60 * MINUTE_SECONDS
)


def name_attempt(cipher: RecordCipher, browser: Browser, name: str) -> LoginAttempt:
    """Return the counter for a login with this name: of this browser if it knows the person, else of the name."""
    if browser.knows(cipher, name):
        return LoginAttempt(cipher.mac("tries", "browser", browser.nonce, name), NAME_LIMIT)
    return LoginAttempt(cipher.mac("tries", "name", name), NAME_LIMIT)


def address_attempt(cipher: RecordCipher, request: Request) -> LoginAttempt:
    """Return the counter for logins from the address of this request."""
    return LoginAttempt(cipher.mac("tries", "address", client_address(request)), ADDRESS_LIMIT)


def session_attempt(cipher: RecordCipher, session_hash: bytes) -> LoginAttempt:
    """Return the counter for passwords on the locked page or in a repeated check, which belong to one session."""
    return LoginAttempt(cipher.mac("tries", "session", session_hash), NAME_LIMIT)


def client_address(request: Request) -> str:
    """Return the address of the browser; the /64 network for IPv6, `unknown` if it is invalid.

    X-Forwarded-For counts only if the proxy runs on this machine.
    """
    peer = request.environ.get("REMOTE_ADDR", "")
    forwarded = request.headers.get("X-Forwarded-For", "")
    try:
        if forwarded and (not peer or ipaddress.ip_address(peer).is_loopback):
            peer = forwarded.rpartition(",")[2].strip()
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
