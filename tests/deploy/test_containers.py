"""compose.yaml, started: a report arrives, and each process has few rights. `make container` runs it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.containers import Containers
from tests.support.wait import until

# Builds images and starts a dozen containers: not in `make test`.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.xdist_group("containers"),
    pytest.mark.skipif(os.environ.get("CONTAINER") != "1", reason="make container"),
]
LARGEST = 250_000_000
ACCOUNTS = {"web-1": 10001, "web-2": 10001, "urgent": 10002, "standard": 10002, "clock": 10002, "console": 10003}
CONNECT = """
import socket, sys
for name in sys.argv[1:]:
    host, _, port = name.partition(":")
    try:
        socket.create_connection((host, int(port)), 3).close()
        print(name)
    except OSError:
        pass
"""
PLACES = ("postgresql:5432", "valkey:6379", "console:8100", "drill-hotline:8300", "nginx:443")


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    with tempfile.TemporaryDirectory(prefix="tk-") as folder:
        made = Containers(Path(folder))
        made.build()
        with made.up():
            yield made


def drilled(containers: Containers) -> str:
    """Wait until the drill has ended successfully, and return its output."""
    until(lambda: containers.status("drill").startswith("exited"), "the drill does not end", seconds=120)
    said = containers.log("drill")
    assert containers.status("drill").split() == ["exited", "0"], said
    return said


def arrived(containers: Containers) -> int:
    """Return the number of reports that the hotline has accepted."""
    return containers.inside("drill-hotline", "cat", "/outside/received.jsonl").count('"report.created"')


def test_a_report_arrives(containers: Containers) -> None:
    said = drilled(containers)
    assert "DRILL Sent." in said
    assert re.search(r"Pikinini Helpline has report\.created [0-9.]+ s later; its signature is good:", said)


def test_the_image_is_small(containers: Containers) -> None:
    assert containers.bytes_of_the_image() <= LARGEST


@pytest.mark.parametrize("service", ACCOUNTS)
def test_each_process_may_do_little(containers: Containers, service: str) -> None:
    status = dict(re.findall(r"^(\w+):\s*(.*)$", containers.inside(service, "cat", "/proc/1/status"), re.MULTILINE))
    assert status["Uid"].split() == [str(ACCOUNTS[service])] * 4
    assert (status["CapEff"], status["CapBnd"]) == ("0" * 16, "0" * 16)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    written = containers.inside(
        service, "sh", "-c", "for f in /x /etc/x /opt/tokaut/x; do touch $f 2>&1 && echo $f; done; :"
    )
    assert written.count("Read-only file system") == 3


@pytest.mark.parametrize("service", ACCOUNTS)
def test_web_has_no_key_that_opens_a_report(containers: Containers, service: str) -> None:
    found = containers.inside(service, "sh", "-c", "find / -xdev -name '*.key'; find /etc/tokaut -name '*.key'").split()
    assert bool(found) == (not service.startswith("web"))
    names = set(containers.inside(service, "find", "/etc/tokaut", "-type", "f", "-printf", "%f\n").split())
    assert ({"session_key", "store_key"} <= names) == service.startswith("web")
    assert "owner" not in containers.inside(service, "sh", "-c", "cat /etc/tokaut/database*")


@pytest.mark.parametrize(
    ("service", "reached"),
    {
        "web-1": ("postgresql:5432", "valkey:6379"),
        "urgent": ("postgresql:5432", "valkey:6379", "drill-hotline:8300"),
        "console": ("postgresql:5432", "console:8100", "nginx:443"),
    }.items(),
)
def test_each_process_reaches_what_it_needs(containers: Containers, service: str, reached: tuple[str, ...]) -> None:
    assert tuple(containers.inside(service, "python", "-c", CONNECT, *PLACES).split()) == reached


def test_check_finds_no_fault(containers: Containers) -> None:
    said = containers.inside("clock", "tokaut", "check", "--worker")
    assert "Nothing is wrong for training mode." in said


def test_a_report_is_sent_while_one_web_is_stopped_and_the_database_away(containers: Containers) -> None:
    drilled(containers)
    containers.run("podman", "stop", "--time", "25", containers.name("web-1"))
    containers.run("podman", "stop", "--time", "60", containers.name("postgresql"))
    containers.run("podman", "start", containers.name("drill"))
    until(lambda: containers.log("drill").count("DRILL Sent.") == 2, "not sent without the database", seconds=60)
    containers.run("podman", "start", containers.name("postgresql"))
    containers.inside("web-2", "python", "-m", "tokaut.spool_wait", "60")
    until(lambda: containers.status("drill").startswith("exited"), "the drill does not end", seconds=120)
    containers.run("podman", "start", containers.name("web-1"))
    until(lambda: arrived(containers) >= 2, "the spooled report at its hotline", seconds=60)
