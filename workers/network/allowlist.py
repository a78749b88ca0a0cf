"""The addresses that outgoing requests may use.

They come from the configuration only: never from a report, a response or an SMS.

The host name of a hotline must resolve to public addresses. Otherwise anybody who can change its DNS could direct our
requests into our own network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from reports.countries.validation import DRILL_NAME_HINT, is_drill_name

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Networks that the standard library counts as global although they are not: IPv4-compatible and translated addresses
# (RFC 4291, 2765), documentation (RFC 9637), segment routing (RFC 9602), the AS112 project (RFC 7534, 7535).
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96",
        "::ffff:0:0:0/96",
        "3fff::/20",
        "5f00::/16",
        "2620:4f:8000::/48",
        "2001:4:112::/48",
        "fec0::/10",
        "64:ff9b:1::/48",
        "192.31.196.0/24",
        "192.175.48.0/24",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "0.0.0.0/8",
        "240.0.0.0/4",
    )
)
DEFAULT_PORTS = {"https": 443, "http": 80}


class BadTarget(ValueError):
    """The configured address is not allowed. The message gives the reason, without the address.

    `listing_helps`: the address would be accepted if the operator listed its host:port.
    """

    def __init__(self, why: str, *, listing_helps: bool = False) -> None:
        super().__init__(why)
        self.listing_helps = listing_helps


@dataclass(frozen=True, slots=True)
class Target:
    """A configured and allowed address. `listed`: its host:port may be in a private network."""

    url: str
    scheme: str
    host: str
    port: int
    listed: bool


def parse_target(url: str, listed: Iterable[str] = (), *, live: bool) -> Target:
    """Check a configured address.

    `listed`: each host:port that may be in a private network or use another port than 443.

    Raises BadTarget if it is not allowed.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        raise BadTarget("has a port or a host that cannot be parsed; write https://host[:port]/path") from None
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise BadTarget("is not an https address; use https://")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadTarget("has a user name, a password or a #part; leave them out")
    is_listed = not {f"{host}:{port}", f"[{host}]:{port}"}.isdisjoint(listed)  # an IPv6 address has brackets
    if parts.scheme == "http" and (live or not is_listed):
        raise BadTarget(
            "is plain http; that goes only to a listed private host:port, and never in live mode",
            listing_helps=not live,
        )
    if not is_listed and port != DEFAULT_PORTS["https"]:
        raise BadTarget("has a port other than 443; list host:port where that is meant", listing_helps=True)
    if not is_listed and _is_literal(host):
        raise BadTarget("is a bare address; use the host's name, or list host:port", listing_helps=True)
    return Target(url, parts.scheme, host, port, is_listed)


def parse_hotline_target(url: str, listed: Iterable[str] = (), *, live: bool) -> Target:
    """Check the configured address of a hotline. Raises BadTarget.

    In live mode it must not be one for drills; in other modes it must be one for drills or on this machine (S-40).
    """
    target = parse_target(url, listed, live=live)
    is_drill = is_drill_name(target.host) or _is_this_machine(target.host)
    if live and is_drill:
        raise BadTarget("is for drills; no report of the live service goes there")
    if not live and not is_drill:
        raise BadTarget(f"is not a drill address; outside live mode use a host with {DRILL_NAME_HINT}")
    return target


def is_public(address: str) -> bool:
    """Return whether an address is public. IPv4 addresses embedded in an IPv6 address must be public as well."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return _is_public(parsed) and all(_is_public(inner) for inner in _embedded_ipv4(parsed))


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    return not any(address.version == network.version and address in network for network in _NOT_PUBLIC)


def _embedded_ipv4(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address leads to: NAT64, 6to4, Teredo (server and client)."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    embedded = list(address.teredo or ())
    if address.sixtofour is not None:
        embedded.append(address.sixtofour)
    if address in _NAT64:
        embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return embedded


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Some resolvers read "2130706433" and "0x7f.1" as addresses.
        return host.rpartition(".")[2][:1].isdigit()
    return True


def _is_this_machine(host: str) -> bool:
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
