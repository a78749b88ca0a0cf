"""Senders who mean harm: bodies that nobody wants, and very many connections that send nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from serving import Server
from serving.answering import Said
from serving.shares import Shares
from serving.stepped import UNPROVEN, Steps
from tests.support.wait import until

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PLACES = 32
HEAD = b"POST /%s HTTP/1.1\r\nHost: here\r\nContent-Length: 200\r\n\r\n"


class Neighbour:
    """Nobody is asked."""

    number = -1
    waits = False

    def start(self, _: Any) -> None:
        return

    def hear(self) -> list[Any]:
        return []

    flush = hear


class App:
    """Wants no body at `/wrong`, and has a signature checked at `/signed`."""

    exchange = Neighbour()

    def __init__(self) -> None:
        self.stuck = threading.Event()

    def body_limit(self, environ: WSGIEnvironment) -> int:
        return 0 if environ["PATH_INFO"] == "/wrong" else 1000

    def steps(self, environ: WSGIEnvironment) -> Steps:
        path = environ["PATH_INFO"]
        if path == "/signed":
            yield UNPROVEN
            self.stuck.wait(30)
        yield ()
        return said("404 Not Found" if path == "/wrong" else "200 OK")

    def finish(self, steps: Steps, wanted: Any) -> Said:
        try:
            while True:
                steps.send(None if wanted is None else [])
        except StopIteration as end:
            answer: Said = end.value
            return answer


def said(status: str) -> Said:
    return status, [("Content-Length", "2")], b"ok"


@contextmanager
def serving(listener: socket.socket, app: App, threads: int = 2) -> Iterator[Server]:
    server = Server(
        app,  # type: ignore[arg-type]
        [listener],
        threads=threads,
        most_body=1000,
        most_lines=PLACES,
        share=Shares().of(0),
        failed=lambda: None,
        refused=lambda: None,
    )
    server.start()
    over = threading.Event()
    looking = threading.Thread(target=lambda: [server.look() for _ in iter(lambda: over.wait(0.1), True)])
    looking.start()
    try:
        yield server
    finally:
        over.set()
        looking.join()
        app.stuck.set()
        server.stop()
        until(lambda: not server.is_busy, "a connection is never closed", 30)


def asked(listener: socket.socket, source: str = "127.0.0.9") -> bytes:
    with socket.create_connection(listener.getsockname(), timeout=20, source_address=(source, 0)) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        return line.recv(1000)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is cut for being slow as long as a test lasts: what is tried is what happens before that."""
    monkeypatch.setattr("serving.lines.REQUEST_WITHIN", 120)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("end", ["Content-Length: 200", "Transfer-Encoding: chunked", "Content-Length: 999999"])
def test_a_body_that_is_not_wanted_is_not_waited_for(end: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, serving(listener, App()):
        with socket.create_connection(listener.getsockname(), timeout=20) as line:
            line.sendall(HEAD.replace(b"Content-Length: 200", end.encode()) % b"wrong")
            assert line.recv(1000).startswith(b"HTTP/1.1 404 ")
        with socket.create_connection(listener.getsockname(), timeout=20) as line:
            line.sendall(HEAD % b"right")
            line.sendall(b"x" * 200)
            assert line.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("patient")
def test_nobody_who_expects_to_go_on_is_told_so_in_vain() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, serving(listener, App()):
        for path, first in ((b"wrong", b"HTTP/1.1 404 "), (b"right", b"HTTP/1.1 100 ")):
            with socket.create_connection(listener.getsockname(), timeout=20) as line:
                line.sendall((HEAD % path).replace(b"Host", b"Expect: 100-continue\r\nHost"))
                assert line.recv(1000).startswith(first)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(
    "sent", [b"", b"POST / HTTP/1.1\r\nX-Slow: ", HEAD % b"right" + b"x"], ids=["idle", "head", "body"]
)
def test_one_address_does_not_hold_all_places(sent: bytes) -> None:
    with ExitStack() as held, socket.create_server(("127.0.0.1", 0)) as listener, serving(listener, App()):
        for _ in range(3 * PLACES):
            line = held.enter_context(
                socket.create_connection(listener.getsockname(), timeout=20, source_address=("127.0.0.2", 0))
            )
            with suppress(OSError):
                line.sendall(sent)
        assert asked(listener).startswith(b"HTTP/1.1 200 ")


def test_a_flood_of_forgeries_takes_no_thread_from_others() -> None:
    app = App()
    with ExitStack() as held, socket.create_server(("127.0.0.1", 0)) as listener, serving(listener, app):
        forged = []
        for _ in range(8):
            line = held.enter_context(socket.create_connection(listener.getsockname(), timeout=30))
            line.sendall(HEAD % b"signed" + b"x" * 200)
            forged.append(line)
        assert asked(listener).startswith(b"HTTP/1.1 200 ")
        app.stuck.set()
        assert {line.recv(1000)[:13] for line in forged} == {b"HTTP/1.1 200 "}
