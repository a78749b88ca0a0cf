"""The server's own parts: what one request may take, and that no thread is lost."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from serving import Server
from serving.door import Door
from serving.lines import Line
from serving.reading import MOST_BESIDE, NoRequest, Reading
from serving.shares import Share, Shares
from tests.support.wait import until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CHUNKED = b"POST /lukaotem HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
ASKED = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
PIECE = b"a" * 4096


@pytest.mark.rule("X-21")
@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"1;lukaotem=", PIECE),
        (b"0\r\nX-Behind: ", PIECE),
        (b"0\r\n", b"X-Behind: 1\r\n" * 300),
        (b"", b"1\r\na\r\n" * 600),
    ],
)
def test_what_stands_beside_a_body_is_read_up_to_a_limit(begun: bytes, piece: bytes) -> None:
    """Without one a header behind the chunks grows, and is copied whole for each piece of it."""
    reading = Reading(256 * 1024)
    reading.feed(CHUNKED + begun)
    with pytest.raises(NoRequest):
        for _ in range(2 * MOST_BESIDE // len(piece)):
            reading.feed(piece)


def test_a_long_body_in_pieces_is_read_whole() -> None:
    reading = Reading(256 * 1024)
    reading.feed(CHUNKED)
    for _ in range(60):
        reading.feed(b"1000\r\n" + PIECE + b"\r\n")
    reading.feed(b"0\r\n\r\n")
    assert reading.environ({}, "")["wsgi.input"].read() == PIECE * 60


def small(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def test_a_fault_of_the_server_itself_costs_a_line_and_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[str] = []
    feed = Reading.feed

    def fails(reading: Reading, data: bytes) -> None:
        if data == b"lukaotem":
            raise MemoryError
        feed(reading, data)

    monkeypatch.setattr(Reading, "feed", fails)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(
            small,
            [listener],
            threads=1,
            most_body=100,
            most_lines=10,
            share=Shares().of(0),
            failed=lambda: faults.append("fault"),
            refused=lambda: faults.append("refused"),
        )
        server.start()
        for _ in range(2):
            with socket.create_connection(listener.getsockname(), timeout=5) as line:
                line.sendall(b"lukaotem")
                assert line.recv(100) == b""
        with socket.create_connection(listener.getsockname(), timeout=5) as line:
            line.sendall(ASKED)
            assert line.recv(1000).startswith(b"HTTP/1.1 200 OK")
        until(lambda: not server.is_busy, "a line is never closed")
        server.stop()
    assert faults == ["fault"] * 2


@pytest.mark.rule("B-05")
def test_what_is_no_request_is_counted_by_whoever_asks() -> None:
    refused: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(
            small,
            [listener],
            threads=1,
            most_body=100,
            most_lines=10,
            share=Shares().of(0),
            failed=lambda: None,
            refused=lambda: refused.append("refused"),
        )
        server.start()
        for said in (b"lukaotem\r\n\r\n", ASKED[:-4], ASKED):
            with socket.create_connection(listener.getsockname(), timeout=5) as line:
                line.sendall(said)
                line.shutdown(socket.SHUT_WR)
                assert line.recv(1000).startswith(b"HTTP/1.1 " + (b"200" if said == ASKED else b"400"))
        until(lambda: not server.is_busy, "a line is never closed")
        server.stop()
    assert refused == ["refused"] * 2


def test_a_process_whose_threads_are_all_stuck_is_not_waited_for() -> None:
    """Its main thread goes on, and it holds few lines: the others would let it go first for ever."""
    stuck = threading.Event()

    def waits(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        stuck.wait(30)
        return small(environ, start)

    of_all = Shares()
    other = of_all.of(1)
    other.hold(100)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = serving(waits, listener, of_all.of(2))
        assert other.is_ahead
        with socket.create_connection(listener.getsockname(), timeout=20) as line:
            line.sendall(ASKED)

            def is_left_out() -> bool:
                server.look()
                return not other.is_ahead

            until(is_left_out, "the others wait for who takes nothing", 10)
            stuck.set()
            assert line.recv(1000).startswith(b"HTTP/1.1 200 OK")
            until(lambda: other.is_ahead, "it is not counted on again", 10)
        until(lambda: not server.is_busy, "a line is never closed")
        server.stop()


def test_a_door_that_the_system_does_not_watch_is_tried_again() -> None:
    class Refuses:
        def __init__(self) -> None:
            self.refusals = 1
            self.watched: list[int] = []

        def register(self, number: int, _: int) -> None:
            if number in self.watched:
                raise FileExistsError
            if self.watched and self.refusals:
                self.refusals -= 1
                raise OSError(28, "No space left on device")
            self.watched.append(number)

        def unregister(self, number: int) -> None:
            if number not in self.watched:
                raise FileNotFoundError
            self.watched.remove(number)

    epoll = Refuses()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        door = Door([one, two], epoll, Shares().of(0))  # type: ignore[arg-type]
        door.open()
        assert (door.is_open, epoll.watched) == (False, [])
        door.open()
        assert (door.is_open, len(epoll.watched)) == (True, 2)
        door.leave()
        door.open()
        assert (door.is_open, epoll.watched) == (False, [])


def test_what_comes_in_while_it_stops_is_begun_before_it_has_stopped() -> None:
    """Else it would seem that nobody is there any more, and the process would end with a request in its hands."""
    entered, go_on = threading.Event(), threading.Event()
    begun: list[str] = []

    class Slow(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            came = super().accept()
            entered.set()
            assert go_on.wait(10)
            return came

    def begin(line: socket.socket, address: str) -> bool:
        begun.append(address)
        line.close()
        return True

    with socket.create_server(("127.0.0.1", 0)) as open_one, select.epoll() as epoll:
        listener = Slow(fileno=open_one.detach())
        door = Door([listener], epoll, Shares().of(0))
        door.open()
        with socket.create_connection(listener.getsockname(), timeout=5):
            letting_in = threading.Thread(target=door.let_in, args=(begin, lambda: True), daemon=True)
            leaving = threading.Thread(target=door.leave, daemon=True)
            letting_in.start()
            assert entered.wait(10)
            leaving.start()
            leaving.join(0.2)
            assert leaving.is_alive(), "it has left, and a line is not begun"
            go_on.set()
            leaving.join(10)
            letting_in.join(10)
    assert (begun, leaving.is_alive(), listener.fileno()) == (["127.0.0.1"], False, -1)


def test_a_line_is_taken_though_whoever_was_woken_for_it_is_gone() -> None:
    """Killed, frozen or about to stop: the kernel wakes nobody else for that line."""
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as gone, select.epoll() as epoll:
        gone.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        woken = threading.Thread(target=gone.poll, args=(10,), daemon=True)
        woken.start()
        came: list[str] = []
        with socket.socket(fileno=os.dup(listener.fileno())) as mine:
            door = Door([mine], epoll, Shares().of(0))
            door.open()

            def begin(line: socket.socket, address: str) -> bool:
                came.append(address)
                line.close()
                return True

            def let_in() -> None:
                while not came:
                    door.let_in(begin, lambda: True)

            letting_in = threading.Thread(target=let_in, daemon=True)
            letting_in.start()
            with socket.create_connection(listener.getsockname(), timeout=5):
                until(lambda: bool(came), "nobody takes the line", 10)
            letting_in.join(10)
            door.leave()
        woken.join(12)


def test_what_came_before_a_line_was_cut_is_answered_as_the_last() -> None:
    mine, senders = socket.socketpair()
    with senders:
        mine.setblocking(False)
        line = Line(mine, "", 100)
        senders.sendall(ASKED)
        line.cut()
        assert (line.read(), line.is_last) == (True, True)
        line.close()


def test_a_panic_costs_a_line_and_no_thread() -> None:
    """What a library in Rust raises there is no Exception."""

    class Panic(BaseException):
        pass

    def panics(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/panic":
            raise Panic
        return small(environ, start)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = serving(panics, listener, Shares().of(0))
        for request, status in ((ASKED.replace(b"/ ", b"/panic "), b"500"), (ASKED, b"200")):
            with socket.create_connection(listener.getsockname(), timeout=5) as line:
                line.sendall(request)
                assert line.recv(1000).split()[1] == status
        until(lambda: not server.is_busy, "a line is never closed")
        server.stop()


def serving(app: WSGIApplication, listener: socket.socket, share: Share) -> Server:
    server = Server(
        app,
        [listener],
        threads=1,
        most_body=100,
        most_lines=10,
        share=share,
        failed=lambda: None,
        refused=lambda: None,
    )
    server.start()
    return server
