"""Addresses that may be called, and addresses that never are."""

from __future__ import annotations

import pytest

from workers.network.allowlist import BadTarget, is_public, parse_target

pytestmark = pytest.mark.rule("X-18")


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "hotline.example",
        "127.0.0.1",
        "0.0.0.7",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.0.10",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:a9fe:a9fe::1",
        "2002:7f00:1::1",
        "2001:0:a9fe:a9fe::1",
        "::127.0.0.1",
        "::a9fe:a9fe",
        "::8.8.8.8",
        "::ffff:0:127.0.0.1",
        "::ffff:0:8.8.8.8",
        "3fff::1",
        "5f00::1",
        "2620:4f:8000::1",
        "2001:4:112::1",
        "192.31.196.1",
        "192.175.48.1",
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("url", ["https://h.example:99999/", "https://h.example:x/", "https://[::1/", "https://[x]/"])
def test_an_address_that_nobody_can_read_is_no_target(url: str) -> None:
    with pytest.raises(BadTarget):
        parse_target(url, live=True)


def test_https_on_its_own_port_needs_no_list() -> None:
    target = parse_target("https://hotline.example/tokaut?desk=1", live=True)
    assert (target.host, target.port, target.listed) == ("hotline.example", 443, False)


@pytest.mark.parametrize(
    ("url", "listed", "live"),
    [
        ("https://hotline.example:8443/x", "hotline.example:8443", True),
        ("https://10.0.0.5/x", "10.0.0.5:443", True),
        ("http://127.0.0.1:9000/x", "127.0.0.1:9000", False),
    ],
)
def test_what_is_listed_exactly_is_called(url: str, listed: str, live: bool) -> None:
    assert parse_target(url, [listed], live=live).listed


@pytest.mark.parametrize(
    ("url", "listed", "live"),
    [
        ("", "", False),
        ("hotline.example", "", False),
        ("ftp://hotline.example/", "", False),
        ("file:///etc/passwd", "", False),
        ("https:///x", "", False),
        ("http://hotline.example/", "", False),
        ("http://127.0.0.1:9000/", "127.0.0.1:9001", False),
        ("http://127.0.0.1:9000/", "127.0.0.1:9000", True),
        ("https://somebody:word@hotline.example/", "", True),
        ("https://hotline.example/#part", "", True),
        ("https://hotline.example:8443/", "", True),
        ("https://8.8.8.8/", "", True),
        ("https://2130706433/", "", True),
        ("https://0x7f.1/", "", True),
        ("https://[::1]/", "", True),
    ],
)
def test_anything_else_is_refused(url: str, listed: str, live: bool) -> None:
    with pytest.raises(BadTarget):
        parse_target(url, [listed], live=live)
