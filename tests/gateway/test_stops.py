"""The web server's processes stop and start while it serves: every request that was sent is answered."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.test_server import Web, is_readable
from tests.support.ports import free_port
from tests.support.wait import until

pytestmark = pytest.mark.slow

STOPS = int(os.environ.get("TEST_STOPS", "6"))
RESTARTS = int(os.environ.get("TEST_RESTARTS", "2"))
PAUSES = (0, 0, 0.001, 0.02)  # seconds that a client waits between two requests
REQUEST = b"GET /unread HTTP/1.1\r\nHost: here\r\n\r\n"


class Client(threading.Thread):
    """A client that sends requests until `over` is set. `keeps`: it reuses its connection while the server allows."""

    def __init__(self, web: Web, over: threading.Event, *, keeps: bool, pause: float) -> None:
        super().__init__()
        self._web = web
        self._over = over
        self._keeps = keeps
        self._pause = pause
        self._connection: socket.socket | None = None
        self.answered = 0
        self.lost: list[str] = []

    def run(self) -> None:
        while not self._over.wait(self._pause):
            try:
                self._ask()
            except OSError as error:
                self.lost.append(repr(error))
                self._close()
        self._close()

    def _ask(self) -> None:
        if self._connection and is_readable(self._connection):  # the server closed it, so no request is lost
            self._close()
        one = self._connection = self._connection or self._web.connect()
        one.sendall(REQUEST if self._keeps else REQUEST.replace(b"Host", b"Connection: close\r\nHost"))
        answer = one.recv(65536)
        if answer.startswith(b"HTTP/1.1 413 ") and answer.endswith(b"\r\n\r\n"):
            self.answered += 1
        else:
            self.lost.append(repr(answer))
        if not self._keeps or b"connection: close" in answer or not answer:
            self._close()

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


@contextmanager
def under_load(web: Web) -> Iterator[list[Client]]:
    over = threading.Event()
    clients = [Client(web, over, keeps=keeps, pause=pause) for keeps in (True, False) for pause in PAUSES]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        over.set()
        for client in clients:
            client.join()


def test_no_request_is_lost_while_processes_stop(tmp_path: Path) -> None:
    web = Web(tmp_path, free_port(), processes=2)
    try:
        web.until_up(2)
        with under_load(web) as clients:
            for number in range(STOPS):
                before = set(web.workers())
                if number % 3 == 2:
                    web.process.send_signal(signal.SIGHUP)
                    gone = before
                else:
                    gone = {web.workers()[0]}
                    os.kill(web.workers()[0], signal.SIGTERM)
                until(lambda gone=gone: not gone & set(web.workers()), "a process does not end")  # type: ignore[misc]
                web.until_up(2)
        assert [loss for client in clients for loss in client.lost] == []
        assert all(client.answered for client in clients)
    finally:
        web.stop()


def test_no_request_is_lost_while_whole_servers_restart(tmp_path: Path) -> None:
    """Two servers share a socket that outlives them, as in docs/deploy: one restarts, the other one answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        port = listener.getsockname()[1]
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        webs = [Web(folder, port, listener=listener) for folder in folders]
        try:
            for web in webs:
                web.until_up(1)
            with under_load(webs[0]) as clients:
                for number in range(RESTARTS):
                    place = number % 2
                    webs[place].process.terminate()
                    assert webs[place].process.wait(30) == 0
                    webs[place] = Web(folders[place], port, listener=listener)
                    webs[place].until_up(1)
            assert [loss for client in clients for loss in client.lost] == []
            assert all(client.answered for client in clients)
        finally:
            for web in webs:
                web.stop()
