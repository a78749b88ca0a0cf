"""Answers in steps: one thread takes them for many lines, and what may take long holds up nobody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from serving import Server
from serving.answering import Said
from serving.lines import Line
from serving.shares import Shares
from tests.support.wait import until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from serving.stepped import Heard, Steps

LONG = ()
BIG = b"x" * 20_000_000


def said(body: str | bytes) -> Said:
    data = body.encode() if isinstance(body, str) else body
    return "200 OK", [("Content-Length", str(len(data)))], data


class Neighbour:
    """Answers with what it was asked, once that was sent; `lost`: it gives back."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.number = self.ours.fileno()
        self.lost = self.refuses = False
        self._asked: list[tuple[Any, Any]] = []
        self._sent: list[tuple[Any, Any]] = []

    @property
    def waits(self) -> bool:
        return bool(self._asked or self._sent)

    def start(self, watch: Callable[[int], None]) -> None:
        watch(self.number)

    def ask(self, wanted: Any, asker: Any) -> bool:
        if not self.refuses:
            self._asked.append((asker, wanted))
        return not self.refuses

    def flush(self) -> list[Heard]:
        asked, self._asked = self._asked, []
        if self.lost:
            return [(asker, wanted, None) for asker, wanted in asked]
        if asked:
            self._sent += asked
            self.theirs.send(b".")
        return []

    def hear(self) -> list[Heard]:
        try:
            self.ours.recv(100)
        except BlockingIOError:
            return []
        sent, self._sent = self._sent, []
        return [(asker, wanted, [*wanted, threading.get_ident()]) for asker, wanted in sent]


class App:
    def __init__(self) -> None:
        self.exchange = Neighbour()
        self.stuck = threading.Event()
        self.finished: list[object] = []

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        status, headers, body = said(f"plain {threading.get_ident()}")
        start(status, headers)
        return [body]

    def steps(self, environ: WSGIEnvironment) -> Steps | None:
        path = environ["PATH_INFO"]
        return None if path == "/plain" else self._steps(path)

    def _steps(self, path: str) -> Steps:
        if path == "/long":
            yield LONG
            self.stuck.wait(30)
        if path == "/fails":
            raise MemoryError
        if path == "/big":
            return said(BIG)
        first = yield (path,)
        second = yield ("again",)
        return said(f"{first[0]} {second[0]} {first[1]} {second[1]} {threading.get_ident()}")

    def finish(self, steps: Steps, wanted: Any) -> Said:
        self.finished.append(wanted)
        try:
            while True:
                wanted = steps.send([*wanted, threading.get_ident()])
        except StopIteration as end:
            answer: Said = end.value
            return answer


class Site:
    def __init__(self, within: ExitStack) -> None:
        self.app = App()
        self.faults: list[str] = []
        self.listener = within.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._within = within
        self.server = Server(
            self.app,
            [self.listener],
            threads=1,
            most_body=100,
            most_lines=100,
            share=Shares().of(0),
            failed=lambda: self.faults.append("fault"),
            refused=lambda: None,
        )
        self.server.start()

    def line(self) -> socket.socket:
        return self._within.enter_context(socket.create_connection(self.listener.getsockname(), timeout=10))

    def ask(self, path: str, line: socket.socket | None = None) -> list[str]:
        line = line or self.line()
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        return read(line)


def read(line: socket.socket) -> list[str]:
    """Status, then the words of the body."""
    head, _, body = line.recv(65536).partition(b"\r\n\r\n")
    return [head.split()[1].decode(), *body.decode().split()]


@pytest.fixture
def site() -> Iterator[Site]:
    with ExitStack() as within:
        site = Site(within)
        yield site
        site.app.stuck.set()
        site.server.stop()


def test_the_steps_of_all_lines_are_taken_in_one_thread(site: Site) -> None:
    told = [site.ask(f"/{n}") for n in range(5)]
    assert [one[:3] for one in told] == [["200", f"/{n}", "again"] for n in range(5)]
    assert len({thread for one in told for thread in one[3:]}) == 1
    assert site.ask("/plain")[2] != told[0][3]
    assert not site.app.finished


def test_a_line_asks_again_and_again(site: Site) -> None:
    line = site.line()
    assert [site.ask(path, line)[:2] for path in ("/1", "/plain", "/2", "/1")] == [
        ["200", "/1"],
        ["200", "plain"],
        ["200", "/2"],
        ["200", "/1"],
    ]


def test_what_takes_long_holds_up_nobody(site: Site) -> None:
    waiting = site.line()
    waiting.sendall(b"GET /long HTTP/1.1\r\nHost: here\r\n\r\n")
    until(lambda: bool(site.app.finished), "no thread has taken it")
    assert [site.ask(f"/{n}")[:2] for n in range(3)] == [["200", f"/{n}"] for n in range(3)]
    site.app.stuck.set()
    status, path, _, *threads = read(waiting)
    assert (status, path, len(set(threads))) == ("200", "/long", 1)
    assert site.app.finished == [LONG]


@pytest.mark.parametrize("fault", ["lost", "refuses"])
def test_where_the_neighbour_does_not_answer_a_thread_asks(site: Site, fault: str) -> None:
    setattr(site.app.exchange, fault, True)
    assert site.ask("/1")[:3] == ["200", "/1", "again"]
    assert site.app.finished == [("/1",)]


def test_steps_that_fail_cost_one_line_and_no_thread(site: Site) -> None:
    line = site.line()
    assert site.ask("/fails", line) == ["500"]
    assert line.recv(1) == b""
    assert site.ask("/1")[:2] == ["200", "/1"]
    assert site.faults == ["fault"]


def test_a_fault_at_the_end_of_one_line_costs_no_other_its_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    close, faults = Line.close, [RuntimeError()]

    def fails_once(line: Line) -> None:
        close(line)
        if faults:
            raise faults.pop()

    monkeypatch.setattr(Line, "close", fails_once)
    last = site.line()
    last.sendall(b"GET /last HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert read(last)[:2] == ["200", "/last"]
    until(lambda: bool(site.faults), "nobody said that it failed")
    assert site.ask("/next")[:2] == ["200", "/next"]


def test_of_very_many_answers_in_one_turn_the_first_does_not_wait_for_the_last(site: Site) -> None:
    lines = [site.line() for _ in range(60)]
    for number, line in enumerate(lines):
        line.sendall(f"GET /{number} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    assert [read(line)[1] for line in lines] == [f"/{number}" for number in range(60)]


def test_who_reads_no_answer_is_cut_and_nobody_waits_for_that(site: Site) -> None:
    """With room for very little; a thread that waits until it is taken would let everybody wait."""
    line = site.line()
    line.sendall(b"GET /big HTTP/1.1\r\nHost: here\r\n\r\n")
    assert site.ask("/1")[:2] == ["200", "/1"]
    came = 0
    while piece := line.recv(1 << 20):
        came += len(piece)
    assert came < len(BIG)
    assert not site.faults
