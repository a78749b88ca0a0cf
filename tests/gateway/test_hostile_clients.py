"""Hostile clients: unwanted bodies, and very many connections that send nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
from uvicorn import Config, Server

from gateway import asgi, server
from gateway.threads import BlockingPool
from tests.support.wait import until

PLACES = 32
HEAD = b"POST /%s HTTP/1.1\r\nHost: here\r\nContent-Length: 200\r\n\r\n"
CHUNKED = b"POST /right HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"a" * 4096
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Panic(BaseException):
    """A panic of a library in Rust, which is not an Exception."""


def panic() -> None:
    raise Panic


class App:
    """An application that refuses bodies at `/wrong` and waits for a signature check at `/signed`."""

    def __init__(self) -> None:
        self.stuck = threading.Event()
        self.read: list[bytes] = []
        self.blocking = BlockingPool(2)
        self.connections: set[Any] = set()  # the server's set of open connections

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        if scope["path"] == "/wrong":
            await send({"type": "http.response.start", "status": 404, "headers": [(b"connection", b"close")]})
            await send({"type": "http.response.body", "body": b"no"})
            return
        if scope["path"] == "/large":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8000000")]})
            await send({"type": "http.response.body", "body": b"a" * 8_000_000})
            return
        if scope["path"] == "/panic":
            await self.blocking.run(panic)
        with suppress(ConnectionAbortedError):
            body = await asgi._read(receive, 300_000)
            assert body is not None
            self.read.append(body)
            if scope["path"] == "/signed":
                await self.blocking.check(lambda: self.stuck.wait(30))
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def serving(app: Any) -> Iterator[tuple[str, int]]:
    """Serve with the production protocol in a thread; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = Config(app, http=server.HttpProtocol, loop="uvloop", ws="none", lifespan="off", log_config=None)
        serves = Server(config)
        loops: list[asyncio.AbstractEventLoop] = []

        def run() -> None:
            with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
                loops.append(runner.get_loop())
                runner.run(serves.serve(sockets=[listener.dup()]))

        thread = threading.Thread(target=run)
        thread.start()
        until(lambda: serves.started, "it does not start")
        app.connections = serves.server_state.connections
        try:
            yield listener.getsockname()
        finally:
            loops[0].call_soon_threadsafe(lambda: [one.transport.abort() for one in serves.server_state.connections])
            serves.should_exit = True
            thread.join()


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.stuck.set()
    app.blocking.close()


@pytest.fixture
def address(app: App, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """The server's address. Slow clients are not cut here, because the tests cover the time before that."""
    monkeypatch.setattr(server.HttpProtocol.clients, "max_connections", PLACES)
    with serving(app) as address:
        yield address


def connected(address: tuple[str, int], source: str = "127.0.0.9") -> socket.socket:
    return socket.create_connection(address, timeout=60, source_address=(source, 0))


def asked(address: tuple[str, int]) -> bytes:
    with connected(address) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        return one.recv(1000)


def test_who_takes_no_answer_is_cut_after_a_time(app: App, address: tuple[str, int]) -> None:
    with connected(address) as one:
        one.sendall(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        until(lambda: len(app.connections) == 1, "the server does not know of it")
        (known,) = app.connections
        until(lambda: known.cycle is not None and known.is_idle, "it does not answer")
        one.sendall(b"GET /large HTTP/1.1\r\nHost: here\r\n\r\n")
        until(lambda: known.is_answering, "it does not wait")
        assert 0 < known.late_at - time.monotonic() <= server.ABORT_SECONDS
        known.loop.call_soon_threadsafe(known.end_late)
        until(lambda: not app.connections, "it is not cut")


def test_an_empty_line_after_a_body_begins_no_request(app: App, address: tuple[str, int]) -> None:
    with connected(address) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"ok" in one.recv(1000)
        (known,) = app.connections
        one.sendall(b"\r\n")
        one.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"ok" in one.recv(1000)
        one.sendall(b"\r\n")
        known.loop.call_soon_threadsafe(known.end_late)
        one.settimeout(5)
        assert one.recv(1000) == b"", "closed as an idle connection, without an answer that nobody asked for"


def test_who_has_closed_its_own_side_gets_the_answer(app: App, address: tuple[str, int]) -> None:
    with connected(address) as one:
        one.sendall(HEAD % b"signed" + b"x" * 200)
        until(lambda: bool(app.read), "the request does not come in")
        (known,) = app.connections
        one.shutdown(socket.SHUT_WR)
        until(lambda: known._has_ended, "the server does not know of it")
        app.stuck.set()
        assert one.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_request_that_arrived_before_an_idle_connection_is_closed_is_answered(
    app: App, address: tuple[str, int]
) -> None:
    """The event loop was late: when the time of the connection is over, the request is not read yet."""
    is_late, has_arrived = threading.Event(), threading.Event()

    def end_late() -> None:
        is_late.set()
        has_arrived.wait(30)
        known.end_late()

    with connected(address) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"ok" in one.recv(1000)
        (known,) = app.connections
        known.loop.call_soon_threadsafe(end_late)
        assert is_late.wait(30)
        one.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        has_arrived.set()
        answer = one.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200 ") and b"\r\nconnection: close\r\n" in answer
        assert one.recv(1000) == b""


@pytest.mark.parametrize("end", ["Content-Length: 200", "Transfer-Encoding: chunked", "Content-Length: 999999"])
def test_a_body_that_is_not_wanted_is_not_waited_for(address: tuple[str, int], end: str) -> None:
    with connected(address) as one:
        one.sendall(HEAD.replace(b"Content-Length: 200", end.encode()) % b"wrong")
        assert one.recv(1000).startswith(b"HTTP/1.1 404 ")
    with connected(address) as one:
        one.sendall(HEAD % b"right")
        one.sendall(b"x" * 200)
        assert one.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_nobody_who_expects_to_go_on_is_told_so_in_vain(address: tuple[str, int]) -> None:
    for path, first in ((b"wrong", b"HTTP/1.1 404 "), (b"right", b"HTTP/1.1 100 ")):
        with connected(address) as one:
            one.sendall((HEAD % path).replace(b"Host", b"Expect: 100-continue\r\nHost"))
            assert one.recv(1000).startswith(first)


@pytest.mark.parametrize(
    "sent", [b"", b"POST / HTTP/1.1\r\nX-Slow: ", HEAD % b"right" + b"x"], ids=["idle", "head", "body"]
)
def test_one_address_does_not_hold_all_places(address: tuple[str, int], sent: bytes) -> None:
    with ExitStack() as held:
        for _ in range(3 * PLACES):
            one = held.enter_context(connected(address, "127.0.0.2"))
            with suppress(OSError):
                one.sendall(sent)
        assert asked(address).startswith(b"HTTP/1.1 200 ")


def test_a_flood_of_forgeries_takes_no_thread_from_others(app: App, address: tuple[str, int]) -> None:
    with ExitStack() as held:
        forged = []
        for _ in range(8):
            one = held.enter_context(connected(address))
            one.sendall(HEAD % b"signed" + b"x" * 200)
            forged.append(one)
        assert asked(address).startswith(b"HTTP/1.1 200 ")
        app.stuck.set()
        assert {one.recv(1000)[:13] for one in forged} == {b"HTTP/1.1 200 "}


@pytest.mark.rule("X-21")
@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"GET /", PIECE),
        (b"GET / HTTP/1.1\r\nX-Long: ", PIECE),
        (b"GET / HTTP/1.1\r\n", b"X-Many: 1\r\n" * 300),
        (CHUNKED + b"1;lukaotem=", PIECE),
        (CHUNKED + b"0\r\nX-Behind: ", PIECE),
        (CHUNKED + b"0\r\n", b"X-Behind: 1\r\n" * 300),
        (CHUNKED, b"1\r\na\r\n" * 600),
    ],
)
def test_what_stands_beside_a_body_is_read_up_to_a_limit(
    app: App, address: tuple[str, int], begun: bytes, piece: bytes
) -> None:
    with connected(address) as one:
        one.sendall(begun)
        with suppress(ConnectionError):
            for _ in range(2 * server.MAX_OVERHEAD_BYTES // len(piece)):
                one.sendall(piece)
        assert one.recv(1000) == server.BAD_REQUEST_RESPONSE
    assert app.read == []


def test_a_long_body_in_pieces_is_read_whole(app: App, address: tuple[str, int]) -> None:
    with connected(address) as one:
        one.sendall(CHUNKED)
        for _ in range(60):
            one.sendall(b"1000\r\n" + PIECE + b"\r\n")
        one.sendall(b"0\r\n\r\n")
        assert one.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert app.read == [PIECE * 60]


@pytest.mark.rule("B-05")
def test_what_is_no_request_is_counted(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []
    monkeypatch.setattr(server.HttpProtocol, "count_refused", staticmethod(lambda: refused.append("refused")))
    whole = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    for sent in (b"lukaotem\r\n\r\n", whole[:-4], whole):
        with connected(address) as one:
            one.sendall(sent)
            one.shutdown(socket.SHUT_WR)
            assert one.recv(1000).startswith(b"HTTP/1.1 " + (b"200" if sent == whole else b"400"))
    assert refused == ["refused"] * 2


def test_a_fault_of_the_server_itself_costs_a_connection_and_no_more(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_url = server.HttpProtocol.on_url

    def fails(protocol: server.HttpProtocol, url: bytes) -> None:
        if url == b"/lukaotem":
            raise MemoryError
        on_url(protocol, url)

    monkeypatch.setattr(server.HttpProtocol, "on_url", fails)
    for _ in range(2):
        with connected(address) as one:
            one.sendall(b"GET /lukaotem HTTP/1.1\r\n\r\n")
            assert one.recv(100) in (b"", server.BAD_REQUEST_RESPONSE)
    assert asked(address).startswith(b"HTTP/1.1 200 ")


def test_a_panic_costs_a_request_and_no_thread(app: App, address: tuple[str, int]) -> None:
    for _ in range(3):  # more than the application has threads
        with connected(address) as one:
            one.sendall(b"GET /panic HTTP/1.1\r\nHost: here\r\n\r\n")
            assert one.recv(1000).startswith(b"HTTP/1.1 500 ")
    assert asked(address).startswith(b"HTTP/1.1 200 ")
