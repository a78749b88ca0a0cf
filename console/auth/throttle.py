"""How often a password may be tried. Nobody can lock a colleague out: a browser that a person has logged in with before
is counted by itself, so that strangers who try a name lock strangers only.
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
    """What is counted when somebody asks for this name."""
    if browser.knows(cipher, name):
        return LoginAttempt(cipher.mac("tries", "browser", browser.nonce, name), NAME_LIMIT)
    return LoginAttempt(cipher.mac("tries", "name", name), NAME_LIMIT)


def address_attempt(cipher: RecordCipher, request: Request) -> LoginAttempt:
    return LoginAttempt(cipher.mac("tries", "address", client_address(request)), ADDRESS_LIMIT)


def session_attempt(cipher: RecordCipher, session_hash: bytes) -> LoginAttempt:
    """A locked page, or a re-check: whoever sits there tries it for one session."""
    return LoginAttempt(cipher.mac("tries", "session", session_hash), NAME_LIMIT)


def client_address(request: Request) -> str:
    """Of the browser. What a proxy says counts only where the proxy is this machine's; a network's is taken as one."""
    peer = request.environ.get("REMOTE_ADDR", "")
    told = request.headers.get("X-Forwarded-For", "")
    try:
        if told and (not peer or ipaddress.ip_address(peer).is_loopback):
            peer = told.rpartition(",")[2].strip()
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
