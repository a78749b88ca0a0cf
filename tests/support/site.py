"""The application of an `App` behind the real server, in this process: real sockets, so that threads and lines are
production's, and parts that a test can hold.
"""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from gateway.crowd import THREADS
from gateway.sessions import COUNT, KEEP
from gateway.steps import Commands
from gateway.webhooks import MOST_BYTES
from serving import Server
from serving.shares import Shares
from tests.support.app import App
from tests.support.wait import until


class Site:
    """`by_threads`: what steps had asked for when a thread took them. `faults`: what the server met."""

    def __init__(self, redis_url: str, settings: Mapping[str, str] | None = None) -> None:
        self.app = App(redis_url, settings)
        self.web = self.app.flask
        vars(self.web).pop("finish")  # `Quickly` looks at steps from their beginning; here they come begun
        finish = self.web.finish
        self.by_threads: list[Commands | None] = []

        def noted(steps: Any, wanted: Commands | None = None) -> Any:
            self.by_threads.append(wanted)
            return finish(steps, wanted)

        self.web.finish = noted  # type: ignore[method-assign]
        self.faults: list[str] = []
        self._within = ExitStack()
        self._listener = self._within.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1000))
        self.server = Server(
            self.web,
            [self._listener],
            threads=THREADS,
            most_body=MOST_BYTES,
            most_lines=1000,
            share=Shares().of(0),
            failed=lambda: self.faults.append(traceback.format_exc()),
            refused=lambda: None,
        )
        self.server.start()
        until(lambda: self.web.exchange.number >= 0, "it is not connected to Redis", 10)
        for script in (KEEP, COUNT):
            self.app.parts.sessions.trip.ask(("SCRIPT", "LOAD", script))  # as after the first callers
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self._over.wait(1):
            self.server.look()

    def line(self) -> socket.socket:
        return self._within.enter_context(socket.create_connection(self._listener.getsockname(), timeout=20))

    def close(self) -> None:
        self._over.set()
        self.server.stop()
        self._within.close()
        self.app.close()


def neutral(session: str, phone: str, text: str | None = None, turn: int = 1, code: str = "*111*163#") -> bytes:
    """A request at the simulator's door; without `text`, that of who dials."""
    said = {"session": session, "phone": phone, "service_code": code, "network": "54101", "turn": str(turn)}
    return posted({**said, "event": "new" if text is None else "resume", "text": text or ""})


def posted(said: Mapping[str, str]) -> bytes:
    body = json.dumps(said).encode()
    head = "POST /hooks/simulator HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def read(line: socket.socket) -> tuple[int, bytes]:
    """Status and body. Raises OSError where the line ends before it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(line)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += _more(line)
    return int(head.split()[1]), body


def _more(line: socket.socket) -> bytes:
    if not (came := line.recv(65536)):
        raise ConnectionError
    return came


def ask(line: socket.socket, data: bytes) -> dict[str, Any]:
    line.sendall(data)
    status, body = read(line)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found
