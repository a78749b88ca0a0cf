"""The web server as it is run: what it takes in, how it stops, what it says of itself."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.leash import leashed

pytestmark = pytest.mark.slow

CONFIGURATION = Path(__file__).parents[2] / "gateway" / "gunicorn.conf.py"
APP = """
import time

def app(environ, start):
    if environ["PATH_INFO"] == "/unread":
        start("413 Too Large", [("Content-Length", "0")])
        return [b""]
    try:
        body = environ["wsgi.input"].read()
    except Exception as error:
        body = b"an error"
    open("bodies", "ab").write(body)
    if environ["PATH_INFO"] == "/slow":
        open("slow-began", "w").close()
        time.sleep(1)
    if environ["PATH_INFO"] == "/fails":
        raise ValueError("on purpose")
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


class Web:
    def __init__(self, folder: Path, port: int) -> None:
        (folder / "small.py").write_text(APP)
        self.folder, self.port = folder, port
        command = [sys.executable, "-m", "gunicorn", "-c", str(CONFIGURATION), "--workers", "1", "--threads", "2"]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                leashed([*command, "--bind", f"127.0.0.1:{port}", "small:app"]), cwd=folder, stdout=log, stderr=log
            )
        until(self.is_up, f"gunicorn does not start: {folder}/log")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def is_up(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def ask(self, request: bytes) -> bytes:
        with self.connect() as line:
            line.sendall(request)
            return line.recv(65536)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    web = Web(tmp_path, free_port())
    yield web
    web.process.kill()
    web.process.wait()


def get(path: str = "/", *headers: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: here", "Connection: close", *headers)
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.rule("A-43")
def test_it_says_nothing_of_itself(web: Web) -> None:
    answer = web.ask(get())
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Server" not in answer
    assert b"gunicorn" not in answer


@pytest.mark.rule("X-21")
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/" + "a" * 8000), b"200"),
        (get("/" + "a" * 8200), b"400"),
        (get("/", *(f"X-{n}: 1" for n in range(62))), b"200"),
        (get("/", *(f"X-{n}: 1" for n in range(63))), b"400"),
        (get("/", "X-Long: " + "a" * 8000), b"200"),
        (get("/", "X-Long: " + "a" * 8300), b"400"),
    ],
)
def test_it_takes_heads_up_to_a_limit(web: Web, request_: bytes, status: bytes) -> None:
    assert web.ask(request_).split()[1] == status


def post(*headers: str, body: str = "lukaotem", end: str = "\r\n") -> bytes:
    return end.join(("POST /lukaotem HTTP/1.1", "Host: here", "Connection: close", *headers, "", body)).encode()


@pytest.mark.rule("A-23")
@pytest.mark.rule("X-21")
@pytest.mark.parametrize(
    "request_",
    [
        post("Content-Length: 8", "Content-Length: 9"),
        post("Content-Length: 8", "Transfer-Encoding: chunked"),
        post("Transfer-Encoding: lukaotem"),
        post("Host: lukaotem", "Content-Length: 8"),
        post("Content-Length: 8", end="\n"),
        post("Content-Length : 8"),
        post("Content-Length: 8", "X-Folded: 1\r\n lukaotem"),
        b"lukaotem\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_not_repeated(web: Web, request_: bytes) -> None:
    """B-05"""
    answer = web.ask(request_)
    assert answer == b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert (web.folder / "log").read_bytes() == b""


@pytest.mark.rule("X-23")
def test_an_error_of_the_application_does_not_bring_the_address_into_the_log(web: Web) -> None:
    assert web.ask(get("/fails")).startswith(b"HTTP/1.1 500")
    assert b"/fails" not in (web.folder / "log").read_bytes()


@pytest.mark.parametrize(
    "half",
    [
        post("Content-Length: 100", body="half"),
        post("Transfer-Encoding: chunked", body="64\r\nhalf"),
        post("Transfer-Encoding: chunked", body="4\r\nhalf\r\n"),
        post("Transfer-Encoding: chunked", body="4\r\nhalfXX0\r\n\r\n"),
    ],
)
def test_half_a_body_never_reaches_the_application(web: Web, half: bytes) -> None:
    """Its words would be taken as all there are, and the provider's second try as a repeat."""
    with web.connect() as line:
        line.sendall(half)
        line.shutdown(socket.SHUT_WR)
        assert line.recv(65536).split()[1] == b"400"
    assert not (web.folder / "bodies").exists()
    assert (web.folder / "log").read_bytes() == b""


def test_half_a_body_that_was_answered_unread_gets_no_second_answer(web: Web) -> None:
    with web.connect() as line:
        line.sendall(b"POST /unread HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf")
        line.shutdown(socket.SHUT_WR)
        answer = b""
        while more := line.recv(65536):
            answer += more
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "whole",
    [
        post("Content-Length: 8"),
        post("Transfer-Encoding: chunked", body="4\r\nluka\r\n4\r\notem\r\n0\r\n\r\n"),
        post("Content-Length: 8", "Expect: 100-continue"),
        post("Content-Length: 8").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_a_whole_body_comes_in_however_it_is_sent(web: Web, whole: bytes) -> None:
    """B-06"""
    with web.connect() as line:
        line.sendall(whole)
        answer = b""
        while more := line.recv(65536):
            answer += more
    assert b" 200 OK\r\n" in answer
    assert (web.folder / "bodies").read_bytes() == b"lukaotem"


def test_senders_who_send_half_a_body_hold_no_thread(web: Web) -> None:
    half = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nhalf"
    with web.connect() as one, web.connect() as two:
        for line in (one, two):
            line.sendall(half)
        began = time.monotonic()
        assert web.ask(get()).startswith(b"HTTP/1.1 200")  # both threads are held until they are taken away
        assert 3 < time.monotonic() - began < 12


def test_sigterm_finishes_what_is_in_hand(web: Web) -> None:
    with web.connect() as line:
        line.sendall(get("/slow"))
        until((web.folder / "slow-began").exists, "the request does not come in")
        web.process.send_signal(signal.SIGTERM)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
    assert web.process.wait(timeout=20) == 0


def test_it_opens_no_control_socket(web: Web, tmp_path: Path) -> None:
    with web.connect():
        sockets = Path("/proc/net/unix").read_text() if sys.platform == "linux" else ""
    assert "gunicorn.ctl" not in sockets
    assert (tmp_path / "log").read_bytes() == b""


def test_a_new_master_gets_the_port_though_the_last_ones_worker_is_kept_busy(web: Web) -> None:
    kept = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    with web.connect() as line:
        line.sendall(kept)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        web.process.kill()
        web.process.wait()

        def ended() -> bool:  # a proxy that keeps its connection, and asks on
            try:
                line.sendall(kept)
                return not line.recv(65536)
            except ConnectionError:
                return True

        until(ended, "the worker goes on without its master")
    until(lambda: not web.is_up(), "the port is still taken")
