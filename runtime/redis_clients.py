"""Create all Redis clients: by TCP, by socket, over TLS, or for the server that the Sentinels name.

A server that hangs must cost a reporter little, so no client waits for long, and the library's own defaults (5 s to
answer, ten retries) are never used. Over TLS the certificate is always checked, and its host name too.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any, Final

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import TimeoutError as TooSlow
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from runtime.settings import RedisAddress

TIMEOUT_SECONDS: Final = 0.5
SENTINEL_TIMEOUT_SECONDS: Final = 0.2  # three Sentinels that hang must cost no more time than one server that hangs
MAX_CONNECTIONS: Final = 32  # connections of one process; if none is free, Redis counts as unavailable

# OpenSSL's numbers for faults of a certificate
_UNTRUSTED: Final = {18, 19, 20, 21}
_EXPIRED: Final = 10
_OTHER_NAME: Final = {62, 64}


_SENTINEL: Any = Sentinel  # the library has no types for it


class _Sentinels(_SENTINEL):  # type: ignore[misc]
    """The library's Sentinel client, which also closes a connection once the Sentinel has answered."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        try:
            host_and_port: tuple[str, int] = super().discover_master(service_name)
        finally:
            for sentinel in self.sentinels:
                sentinel.connection_pool.disconnect(inuse_connections=False)
        return host_and_port


def session_client(address: RedisAddress) -> Redis:
    """Return a client for sessions: half a second to connect and to answer, and one retry.

    Each command that it sends may be sent twice.
    """
    retry = Retry(ExponentialWithJitterBackoff(cap=0.1, base=0.02), 1)
    return _client(address, TIMEOUT_SECONDS, retry, max_connections=MAX_CONNECTIONS)


def queue_client(address: RedisAddress, seconds: float = TIMEOUT_SECONDS) -> Redis:
    """Return a client that gives up after `seconds` and never retries: pushing an id twice would make two jobs."""
    return _client(address, seconds, _no_retry())


def _client(address: RedisAddress, seconds: float, retry: Retry, **more: Any) -> Redis:
    limits = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": retry}
    if not address.sentinels:
        return Redis.from_url(address.url, **limits, **_authority(address), **more)
    login = {"username": address.username, "password": address.password, "db": address.database}
    tls = {"ssl": address.is_tls, **_authority(address)}
    client: Redis = _sentinels(address, seconds).master_for(address.master, **limits, **login, **tls, **more)
    return client


def find_master(address: RedisAddress, seconds: float) -> tuple[str, int]:
    """Ask the Sentinels which server leads now. Return its host and port. Raises RedisError."""
    host_and_port: tuple[str, int] = _sentinels(address, seconds).discover_master(address.master)
    return host_and_port


def _sentinels(address: RedisAddress, seconds: float) -> Any:
    limits = {key: min(seconds, SENTINEL_TIMEOUT_SECONDS) for key in ("socket_timeout", "socket_connect_timeout")}
    credentials = {
        "retry": _no_retry(),
        "password": address.sentinel_password,
        "ssl": address.is_tls,
        **_authority(address),
    }
    return _Sentinels(address.sentinels, sentinel_kwargs={**limits, **credentials})


def _authority(address: RedisAddress) -> dict[str, str]:
    return {"ssl_ca_certs": str(address.ca_file)} if address.is_tls and address.ca_file else {}


def describe_error(error: BaseException) -> str:
    """Return for the operator why Redis could not be used, without an address, which may hold a password."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _why_certificate(cause.verify_code)
    for kind, explanation in _WHY:
        if any(isinstance(cause, kind) for cause in chain):
            return explanation
    code = str(error).partition(" ")[0]  # such as MISCONF
    return code if isinstance(error, ResponseError) and code.isalpha() and code.isupper() else type(error).__name__


def is_certificate_fault(error: BaseException) -> bool:
    """Return whether the server answered, and only its certificate was refused."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _why_certificate(code: int) -> str:
    if code in _OTHER_NAME:
        return "its certificate is for another name; write that name in the address, or replace the certificate"
    if code == _EXPIRED:
        return "its certificate has expired; renew it there"
    if code in _UNTRUSTED:
        return (
            "its certificate is signed by an authority that is not trusted here; name that authority in REDIS_CA_FILE"
        )
    return f"its certificate is invalid (OpenSSL says {code})"


_WHY: Final = (
    (ssl.SSLError, "it speaks no TLS that we do; look whether the port is its TLS port"),
    (MasterNotFoundError, "no Sentinel that answers knows a server called REDIS_MASTER"),
    (AuthenticationError, "it refuses the user or the password"),
    (NoPermissionError, "its ACL refuses this user what it needs"),
    (ConnectionRefusedError, "nothing listens there"),
    (FileNotFoundError, "its socket is not there"),
    (TooSlow, "no answer in time; with rediss:// look whether the port is its TLS port"),
)


def _no_retry() -> Retry:
    return Retry(NoBackoff(), 0)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
