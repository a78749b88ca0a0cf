"""The proxy that simulates a bad network: delayed data arrives later, cut connections are cut."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.proxy import Proxy
from tests.support.wait import until


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.server.heard.append(data)  # type: ignore[attr-defined]  # what this server is for
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    heard: list[bytes]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Echo)
    server.heard = []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server.server_address[1]).start()
    yield proxy
    proxy.stop()


@pytest.fixture
def line(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        line.sendall(b"hello")
        assert line.recv(100) == b"hello"
        yield line


def is_silent(line: socket.socket) -> bool:
    line.settimeout(0.2)
    try:
        return not line.recv(100)
    except TimeoutError:
        return True
    finally:
        line.settimeout(5)


def test_a_stall_holds_everything_and_loses_nothing(proxy: Proxy, line: socket.socket, server: Server) -> None:
    proxy.stall()
    line.sendall(b"later")
    assert is_silent(line)
    assert server.heard == [b"hello"]
    proxy.resume()
    assert line.recv(100) == b"later"


def test_replies_alone_can_be_held(proxy: Proxy, line: socket.socket, server: Server) -> None:
    proxy.drop_replies_after(b"COMMIT")
    line.sendall(b"one")
    assert line.recv(100) == b"one"
    line.sendall(b"COM")
    assert line.recv(100) == b"COM"
    line.sendall(b"MIT")
    assert is_silent(line)
    until(lambda: server.heard[-1] == b"MIT", "what was asked does not arrive")


def test_the_answer_to_a_pattern_can_be_lost(proxy: Proxy, line: socket.socket, server: Server) -> None:
    proxy.reset_after(b"COMMIT")
    line.sendall(b"COMMIT")
    with pytest.raises(ConnectionResetError):
        line.recv(100)
    assert server.heard == [b"hello", b"COMMIT"]


def test_a_reset_cuts_what_there_is_and_takes_new_ones(proxy: Proxy, line: socket.socket) -> None:
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        line.recv(100)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as other:
        other.sendall(b"again")
        assert other.recv(100) == b"again"


def test_down_is_down_until_it_is_up(proxy: Proxy) -> None:
    proxy.down()
    with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        line.recv(100)
    proxy.resume()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        line.sendall(b"up")
        assert line.recv(100) == b"up"


def test_latency_dripping_and_a_cut_after_so_much(proxy: Proxy, line: socket.socket) -> None:
    proxy.latency(0.1)
    began = time.monotonic()
    line.sendall(b"slow")
    assert line.recv(100) == b"slow"
    assert time.monotonic() - began >= 0.2, "there and back"
    proxy.resume()
    proxy.slice(1, 0.2)
    line.sendall(b"drip")
    assert line.recv(100) == b"d"
    until(lambda: line.recv(100).endswith(b"p"), "the rest does not come")
    proxy.resume()
    proxy.limit(20)
    line.sendall(b"x" * 20)
    with pytest.raises(ConnectionResetError):
        while line.recv(100):
            pass


def test_a_connection_that_is_being_made_is_cut_by_the_stop(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = proxy._connect

    def connect_while_it_stops() -> socket.socket:
        server = connect()
        proxy.stop()
        return server

    monkeypatch.setattr(proxy, "_connect", connect_while_it_stops)
    with suppress(ConnectionResetError), socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
        assert client.recv(100) == b""


def test_the_stop_does_not_wait_for_delayed_data(proxy: Proxy, line: socket.socket) -> None:
    proxy.latency(60)
    line.sendall(b"late")
    until(lambda: proxy.round_trips == 2, "the data did not come")
    proxy.stop()
    until(lambda: not proxy._pairs, "a thread waits for the delay", 5)
