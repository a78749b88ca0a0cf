"""The servers of tests/support and the network guard."""

import socket

import psycopg
import pytest

from tests.conftest import LONGEST_FIRST, TESTS
from tests.support.network_guard import OutgoingRefused, is_here
from tests.support.postgres import Postgres, binaries


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "2001:db8::1"])
def test_a_test_cannot_leave_this_machine(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as line, pytest.raises(OutgoingRefused):
        line.connect((host, 80))


def test_a_test_cannot_ask_for_a_name() -> None:
    with pytest.raises(OutgoingRefused):
        socket.getaddrinfo("example.org", 443)


HERE = ["127.0.0.1", "::1", "localhost", None]
ELSEWHERE = ["169.254.169.254", "::ffff:192.0.2.1", "10.0.0.1", "localhost.example.org"]


@pytest.mark.parametrize(("host", "here"), [(h, True) for h in HERE] + [(h, False) for h in ELSEWHERE])
def test_what_is_this_machine(host: str | None, here: bool) -> None:
    assert is_here(host) is here


@pytest.mark.slow
def test_postgresql_keeps_its_data_over_a_crash() -> None:
    """Use a separate server: after a crash it reads all its databases, and the shared server has hundreds."""
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL binaries")
    server = Postgres(found).start()
    try:
        with psycopg.connect(server.administration) as connection:
            connection.execute("CREATE TABLE kept (word text)")
            connection.execute("INSERT INTO kept VALUES ('lukaotem')")
        server.kill()
        server.start()
        with psycopg.connect(server.administration) as connection:
            assert connection.execute("SELECT word FROM kept").fetchone() == ("lukaotem",)
    finally:
        server.remove()


@pytest.mark.slow
def test_a_database_for_tests_is_utf8(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT getdatabaseencoding()").fetchone() == ("UTF8",)


def test_what_is_begun_first_is_there() -> None:
    assert [name for name in LONGEST_FIRST.read_text().split() if not (TESTS / name).is_file()] == []
