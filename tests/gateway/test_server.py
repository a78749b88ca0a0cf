"""The web server in production: the requests that it accepts, its shutdown, and what it reveals."""

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gateway.server import LOOK_SECONDS, RESERVED_FILES
from tests.support.frozen import frozen
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.bench import machine
from tokaut.local_stack.parent_death import die_with_parent

pytestmark = pytest.mark.slow

CONFIGURATION = Path(__file__).parents[2] / "gateway" / "gunicorn.conf.py"
NO_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
APP = """
import asyncio, os, time

from gateway import asgi

while os.path.exists("load-slowly"):
    open("loads", "w").close()
    time.sleep(0.02)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            open(f"up-{os.getpid()}", "w").close()
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    if scope["path"] == "/unread":
        return await answer(send, 413, b"")
    try:
        body = await asgi._read(receive, 1_000_000)
    except ConnectionAbortedError:
        return
    open("bodies", "ab").write(body)
    if scope["path"] == "/slow":
        open("slow-began", "w").close()
        await asyncio.sleep(2.5)
    if scope["path"] == "/stuck":
        open("stuck-began", "w").close()
        time.sleep(600)
    if scope["path"] == "/headers":
        head = asgi._head(scope)
        names = ("x-said", "x_signature", "x-signature")
        open("headers", "w").write(repr([head.headers.get(name, "") for name in names]))
    if scope["path"] == "/splits":
        return await answer(send, 200, b"", (b"x-said", b"one\\r\\nX-More: two"))
    if scope["path"] == "/fails":
        raise ValueError("on purpose")
    await answer(send, 200, b"ok")

app.count_refused = lambda: open("refused", "a").write("x")

async def answer(send, status, body, *headers):
    own = [(b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})
"""


class Web:
    """gunicorn with a small application. `listener`: a socket of the test that it serves, not one of its own."""

    def __init__(
        self, folder: Path, port: int, files: int = 1024, processes: int = 1, listener: socket.socket | None = None
    ) -> None:
        (folder / "small.py").write_text(APP)
        self.folder, self.port, self._read = folder, port, 0
        command = [sys.executable, "-m", "gunicorn", "-c", str(CONFIGURATION)]
        command += ["--workers", str(processes)]
        command = ["/bin/sh", "-c", 'ulimit -n "$0" && exec "$@"', str(files), *command]
        address = f"fd://{listener.fileno()}" if listener else f"127.0.0.1:{port}"
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                die_with_parent([*command, "--bind", address, "small:app"]),
                cwd=folder,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()] if listener else [],
            )
        until(self.is_up, f"gunicorn does not start: {folder}/log")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        """Prepare for the next test: delete files that the application wrote, and skip the log so far."""
        self._read = (self.folder / "log").stat().st_size
        for name in ("bodies", "headers"):
            (self.folder / name).unlink(missing_ok=True)

    def logged(self) -> bytes:
        """Return the log of this test."""
        return (self.folder / "log").read_bytes()[self._read :]

    def connect(self, sender: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(sender, 0))

    def is_up(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True

    def until_up(self, processes: int) -> None:
        until(lambda: len(self.workers()) == processes and all(map(self._serves, self.workers())), "not all are up")

    def _serves(self, worker: int) -> bool:
        return (self.folder / f"up-{worker}").exists()

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def worker(self) -> int:
        return self.workers()[0]

    def files(self, worker: int | None = None) -> int:
        return len(list(Path(f"/proc/{worker or self.worker()}/fd").iterdir()))

    def cpu_seconds(self) -> float:
        return machine.cpu_seconds([self.worker()]) or 0.0

    def ask(self, request: bytes) -> bytes:
        with self.connect() as one:
            one.sendall(request)
            return one.recv(65536)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    web = Web(tmp_path, free_port())
    yield web
    web.stop()


@pytest.fixture(scope="module")
def module_web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    web = Web(tmp_path_factory.mktemp("web"), free_port())
    yield web
    web.stop()


@pytest.fixture
def shared_web(module_web: Web) -> Web:
    """A server shared by tests that send a few requests and stop nothing."""
    module_web.forget()
    return module_web


def all_of(line: socket.socket) -> bytes:
    """Receive until the other side closes the connection."""
    answer = b""
    while more := line.recv(65536):
        answer += more
    return answer


def is_readable(line: socket.socket) -> bool:
    """Return whether data or the end of the connection has arrived."""
    return bool(select.select([line], [], [], 0)[0])


def get(path: str = "/", *headers: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: here", "Connection: close", *headers)
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.rule("A-43")
def test_it_says_nothing_of_itself(shared_web: Web) -> None:
    answer = shared_web.ask(get())
    assert answer.startswith(b"HTTP/1.1 200")
    for name in (b"server", b"gunicorn", b"uvicorn"):
        assert name not in answer.lower()


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
def test_it_takes_heads_up_to_a_limit(shared_web: Web, request_: bytes, status: bytes) -> None:
    assert shared_web.ask(request_).split()[1] == status


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
        post("Transfer-Encoding: gzip, chunked"),
        post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        post("Transfer-Encoding: chunked", body="8\nlukaotem\n0\n\n"),
        post("Transfer-Encoding: chunked", body="8\r\nlukaotem\r\n0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
        post("Host: lukaotem", "Content-Length: 8"),
        post("Content-Length: 8").replace(b"Host: here\r\n", b""),
        post("Content-Length: 8", end="\n"),
        post("Content-Length : 8"),
        post("Content-Length: 8", "X-Folded: 1\r\n lukaotem"),
        post("Content-Length: 8", "Content-Length: 8"),
        post("Content-Length: +8"),
        post("Content-Length: 8, 8"),
        post("Content-Length: 8", "Content-Type: text/plain", "Content-Type: text/html"),
        post("Content-Length: 8", "X-Nul: a\0b"),
        post("Content-Length: 8", "X Blank: a"),
        post("Content-Length: 8", "Expect: lukaotem"),
        post("Content-Length: 8", "Connection: upgrade", "Upgrade: lukaotem"),
        post("Content-Length: 8").replace(b"HTTP/1.1", b"HTTP/2.0"),
        post("Content-Length: 8").replace(b"POST", b"post"),
        b"GET /lukaotem\r\n\r\n",
        b"\x16\x03\x01lukaotem",
        b"lukaotem\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_not_repeated(shared_web: Web, request_: bytes) -> None:
    answer = shared_web.ask(request_)
    assert answer == NO_REQUEST
    assert shared_web.logged() == b""


@pytest.mark.rule("X-23")
def test_an_error_of_the_application_does_not_bring_the_address_into_the_log(shared_web: Web) -> None:
    assert shared_web.ask(get("/fails")).startswith(b"HTTP/1.1 500")
    assert b"/fails" not in shared_web.logged()


def test_a_header_with_underscores_is_dropped_and_a_doubled_one_joined(shared_web: Web) -> None:
    shared_web.ask(get("/headers", "X_Signature: forged", "X-Said: one", "x-said: two"))
    assert (shared_web.folder / "headers").read_text() == "['one,two', '', '']"


def test_a_header_of_two_lines_does_not_go_out(shared_web: Web) -> None:
    assert shared_web.ask(get("/splits")) == b""


@pytest.mark.parametrize(
    "half",
    [
        post("Content-Length: 100", body="half"),
        post("Transfer-Encoding: chunked", body="64\r\nhalf"),
        post("Transfer-Encoding: chunked", body="4\r\nhalf\r\n"),
        post("Transfer-Encoding: chunked", body="4\r\nhalfXX0\r\n\r\n"),
    ],
)
def test_half_a_body_never_reaches_the_application(shared_web: Web, half: bytes) -> None:
    """Its words would count as the whole text, and the provider's retry as a repeat."""
    with shared_web.connect() as line:
        line.sendall(half)
        line.shutdown(socket.SHUT_WR)
        assert line.recv(65536).split()[1] == b"400"
    assert not (shared_web.folder / "bodies").exists()
    assert shared_web.logged() == b""


def test_a_body_that_is_too_large_is_answered_unread_and_once(shared_web: Web) -> None:
    with shared_web.connect() as line:
        line.sendall(b"POST /unread HTTP/1.1\r\nHost: here\r\nContent-Length: 300000\r\n\r\nhalf")
        line.shutdown(socket.SHUT_WR)
        answer = all_of(line)
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
def test_a_whole_body_comes_in_however_it_is_sent(shared_web: Web, whole: bytes) -> None:
    with shared_web.connect() as line:
        line.sendall(whole)
        answer = all_of(line)
    assert b" 200 OK\r\n" in answer
    assert (shared_web.folder / "bodies").read_bytes() == b"lukaotem"


@pytest.mark.parametrize("half", [b"P", b"POST / HTTP/1.1\r\nHost", post("Content-Length: 100", body="half")])
def test_senders_who_send_half_hold_no_thread_and_are_cut(shared_web: Web, half: bytes) -> None:
    for _ in range(5):  # on a busy machine they may be cut first
        with ExitStack() as lines:
            began = time.monotonic()
            slow = [lines.enter_context(shared_web.connect()) for _ in range(20)]
            for line in slow:
                line.sendall(half)
            assert shared_web.ask(get()).startswith(b"HTTP/1.1 200")
            is_answered_first = not any(is_readable(line) for line in slow)
            assert {all_of(line).split()[1] for line in slow} == {b"400"}
            assert time.monotonic() - began > 4
        assert not (shared_web.folder / "bodies").read_bytes()
        if is_answered_first:
            return
    raise AssertionError("whoever sends all at once waits until the slow senders are cut")


def test_a_drip_in_time_is_read_and_a_silent_line_is_closed(shared_web: Web) -> None:
    began = time.monotonic()
    with shared_web.connect() as line, shared_web.connect() as silent:
        for byte in post("Content-Length: 8"):
            line.sendall(bytes([byte]))
        assert all_of(line).startswith(b"HTTP/1.1 200")
        assert all_of(silent) == b""
        assert time.monotonic() - began > 4
    assert (shared_web.folder / "bodies").read_bytes() == b"lukaotem"


def test_a_line_is_kept_for_the_next_request(shared_web: Web) -> None:
    with shared_web.connect() as line:
        for _ in range(3):
            line.sendall(get().replace(b"Connection: close\r\n", b""))
            assert line.recv(65536).endswith(b"\r\n\r\nok")
        line.sendall(get())
        last = all_of(line)
        assert b"\r\nconnection: close\r\n" in last and last.endswith(b"\r\n\r\nok")


def test_connections_beyond_the_files_are_closed_and_it_serves_again(web: Web) -> None:
    web.until_up(1)
    resource.prlimit(web.worker(), resource.RLIMIT_NOFILE, (40, 40))
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(web.connect())
        before = web.cpu_seconds()
        time.sleep(2)  # while it cannot accept, it must not busy-wait
        assert web.cpu_seconds() - before < 1
        assert web.files() <= 40
    until(lambda: answers(web), "it does not serve again")


def test_connections_leave_files_to_what_keeps_reports(tmp_path: Path) -> None:
    """Idle connections of many senders must leave file descriptors for the spool. A single sender gets even fewer."""
    web = Web(tmp_path, free_port(), files=200)
    try:
        web.until_up(1)
        before = web.files()
        until(lambda: some_are_served(web, before), "no connection is left, however often it is tried")
        until(lambda: answers(web), "it does not serve again")
    finally:
        web.stop()


def some_are_served(web: Web, before: int) -> bool:
    """Open too many idle connections, and ask by one that stays open. False if this took until all had been idle for
    too long. `before`: the open files without these connections.
    """
    with ExitStack() as stack:
        many = [stack.enter_context(web.connect(f"127.0.0.{2 + n % 60}")) for n in range(120)]
        until(lambda: sum(map(is_readable, many)) >= 80, "connections beyond the limit are not closed")
        until(lambda: web.files() - before <= 200 - RESERVED_FILES, "connections hold the files of others", 10)
        kept = [one for one in many if not is_readable(one)]
        assert all(one.recv(1) == b"" for one in many if one not in kept)
        if not kept:
            return False
        with suppress(OSError):  # closed at this moment
            kept[0].sendall(get())
            return all_of(kept[0]).startswith(b"HTTP/1.1 200")
        return False


def answers(web: Web) -> bool:
    try:
        return web.ask(get("/unread")).startswith(b"HTTP/1.1 413")
    except ConnectionError:
        return False


def test_connections_are_shared_among_the_processes(tmp_path: Path) -> None:
    web = Web(tmp_path, free_port(), processes=3)
    try:
        web.until_up(3)
        before = {worker: web.files(worker) for worker in web.workers()}
        with ExitStack() as stack:

            def every_process_has_some() -> bool:
                stack.enter_context(web.connect())
                return all(web.files(worker) > count for worker, count in before.items())

            until(every_process_has_some, "a process gets no connection")
    finally:
        web.stop()


def test_a_frozen_process_costs_no_connection(tmp_path: Path) -> None:
    web = Web(tmp_path, free_port(), processes=2)
    try:
        web.until_up(2)
        with frozen(web.worker()), ExitStack() as stack:
            many = [stack.enter_context(web.connect()) for _ in range(100)]
            for one in many:
                one.sendall(get())
            assert {all_of(one)[9:12] for one in many} == {b"200"}
    finally:
        web.stop()


def heartbeat_of(worker: int) -> Path:
    """Return the file whose time of change is that of the worker's last heartbeat, by the system's monotonic clock."""
    links = Path(f"/proc/{worker}/fd").iterdir()  # some are closed meanwhile
    [said] = [link for link in links if "/wgunicorn-" in os.path.realpath(link)]
    return said


def test_a_process_that_its_master_takes_for_stuck_answers_what_is_in_hand(web: Web) -> None:
    """After a pause of the whole host, the master may run first and find the worker's heartbeat too old."""
    web.until_up(1)
    worker, log = web.worker(), web.folder / "log"
    said = heartbeat_of(worker)

    def is_taken_for_stuck() -> bool:
        os.utime(said, (0, 0))  # the time of its last heartbeat
        return b"WORKER TIMEOUT" in log.read_bytes()

    with web.connect() as line:
        line.sendall(get("/slow"))
        until((web.folder / "slow-began").exists, "the request does not come in")
        until(is_taken_for_stuck, "the master waits on")
        assert all_of(line)[9:12] == b"200"
    until(lambda: web.workers() != [worker], "no other takes its place")
    assert web.ask(get())[9:12] == b"200"


def test_a_process_whose_event_loop_stands_still_is_replaced(web: Web) -> None:
    """It answers nobody, so it must not say that it is well."""
    web.until_up(1)
    worker, said = web.worker(), heartbeat_of(web.worker())

    def is_replaced() -> bool:
        with suppress(FileNotFoundError):
            os.utime(said, (0, 0))
        return worker not in web.workers()

    with web.connect() as line:
        line.sendall(get("/stuck"))
        until((web.folder / "stuck-began").exists, "the request does not come in")
        before = said.stat().st_mtime
        time.sleep(4 * LOOK_SECONDS)
        assert said.stat().st_mtime == before
        until(is_replaced, "the master waits on")
    web.until_up(1)
    assert web.ask(get())[9:12] == b"200"


def test_who_does_not_wait_for_the_answer_gets_one(shared_web: Web) -> None:
    """A pipelined request gets no response of its own, else two responses could swap. Its sender repeats it."""
    first = post("Content-Length: 4", body="luka").replace(b"Connection: close\r\n", b"")
    for behind in (get(), b"lukaotem", b"\r\n"):
        with shared_web.connect() as line:
            line.sendall(first + behind)
            assert line.recv(65536).endswith(b"ok")
            line.shutdown(socket.SHUT_WR)
            assert all_of(line) in (b"", NO_REQUEST)
    assert (shared_web.folder / "bodies").read_bytes() == b"luka" * 3


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
        web.stop()

        def ended() -> bool:  # like a proxy that reuses its connection
            try:
                line.sendall(kept)
                return not line.recv(65536)
            except ConnectionError:
                return True

        until(ended, "the worker goes on without its master")
    until(lambda: not web.is_up(), "the port is still taken")


def test_a_new_master_gets_the_port_though_the_last_ones_worker_still_loads(web: Web) -> None:
    """A master was killed just after it had started a worker, and the next one gave up: the port was in use."""
    web.until_up(1)
    (web.folder / "load-slowly").touch()
    os.kill(web.worker(), signal.SIGKILL)
    until((web.folder / "loads").exists, "no other takes its place")
    web.stop()
    until(lambda: not web.is_up(), "the port is still taken")
