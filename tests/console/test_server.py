"""The console's server in production, without a proxy."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from console import api
from console.app import MAX_BODY_BYTES
from tests.deploy.console_proxy import ConsoleInstallation
from tests.support.wait import until

pytestmark = pytest.mark.slow

POST = "POST {} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"
CALL_BACK = "/hotlines/vu-pikinini/reports/01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a"


@pytest.fixture(scope="module")
def installation() -> Iterator[ConsoleInstallation]:
    place = ConsoleInstallation()
    place.start_console()
    try:
        until(lambda: is_up(place), f"the console does not start: {place.folder}")
        yield place
    finally:
        place.down()


def is_up(installation: ConsoleInstallation) -> bool:
    try:
        return asked(installation, b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").endswith(
            b"ok\n"
        )
    except ConnectionError:
        return False


def asked(installation: ConsoleInstallation, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", installation.port), timeout=60) as one:
        one.sendall(request)
        answer = b""
        while more := one.recv(65536):
            answer += more
    return answer


def chunks(size: int) -> bytes:
    return b"%x\r\n" % size + b"a" * size + b"\r\n0\r\n\r\n"


@pytest.mark.rule("A-43")
def test_it_says_nothing_of_itself(installation: ConsoleInstallation) -> None:
    answer = asked(installation, b"GET /login HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"gunicorn" not in answer
    assert b"\r\nServer: \r\n" in answer  # gunicorn sends the header's name nevertheless


@pytest.mark.parametrize("path", ["/login", CALL_BACK])
def test_a_body_of_more_than_the_limit_is_refused_unread(installation: ConsoleInstallation, path: str) -> None:
    head = POST.format(path) + f"Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n"
    assert asked(installation, head.encode())[9:12] == b"413"


def test_a_body_without_a_length_is_read_up_to_the_limit(installation: ConsoleInstallation) -> None:
    head = (POST.format(CALL_BACK) + CHUNKED).encode()
    assert asked(installation, head + chunks(api.MAX_BODY_BYTES))[9:12] == b"401"
    assert asked(installation, head + chunks(api.MAX_BODY_BYTES + 1))[9:12] == b"413"
