"""An HTTP server on the loopback that responds as told: correctly, slowly, incompletely or falsely. Raw sockets."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

How = Literal[
    "plainly",
    "head_in_drips",
    "body_in_drips",
    "half_head",
    "half_body",
    "endless",
    "reset",
    "close",
    "never",
    "nonsense",
]


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    how: How = "plainly"
    echo_id: bool = False  # return the request's webhook-id
    keeps: bool = False  # accept another request on the same connection
    parts: tuple[bytes, ...] = ()  # sent instead of all this, with a pause after each


@dataclass(frozen=True)
class ReceivedRequest:
    """One received request."""

    head: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class FakeHttpServer:
    """A server that gives its answers in turn and repeats the last.

    `with FakeHttpServer([Answer(503), Answer()]) as it:`
    """

    def __init__(self, answers: Sequence[Answer] = (Answer(),), tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.refuses = False  # resets each connection at its first byte
        self.hangs_up: Literal["", "at once", "after a read"] = ""  # closes each connection
        self.reads = 0  # how much of a request is read, if not all
        self.release = threading.Event()  # ends slow and silent answers
        self._answers = list(answers)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.host_port = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host_port}/reports"

    def __enter__(self) -> FakeHttpServer:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=20)

    def answer(self, *answers: Answer) -> None:
        """Set the answers from now on."""
        self._answers = list(answers)

    def _run(self, what: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=what, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuses:
                line.recv(1)
                _reset(line)
                line.close()
                continue
            if self.hangs_up:
                if self.hangs_up == "after a read":
                    line.recv(65536)
                line.close()
                continue
            self._run(self._serve, line)

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError), line:
            if self._tls:
                line = self._tls.wrap_socket(line, server_side=True)
            with line:
                if self.reads:
                    line.recv(self.reads)
                    return
                while (request := _read(line)) is not None:
                    self.requests.append(request)
                    answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                    for part in answer.parts:
                        line.sendall(part)
                        self.release.wait(0.1)
                    if not answer.parts:
                        self._give(line, answer, request)
                    if not answer.keeps:
                        return

    def _give(self, line: socket.socket, answer: Answer, request: ReceivedRequest) -> None:
        headers = {"Content-Length": str(len(answer.body))} | dict(answer.headers)
        if answer.echo_id:
            headers["webhook-id"] = request.headers["webhook-id"]
        head = f"HTTP/1.1 {answer.status} Said\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        if answer.how == "plainly":
            line.sendall(head.encode() + answer.body)
        elif answer.how == "head_in_drips":
            self._drip(line, head.encode() + b"x" * 10_000)
        elif answer.how == "body_in_drips":
            line.sendall(head.replace(f"Content-Length: {len(answer.body)}", "Content-Length: 10000").encode())
            self._drip(line, b"x" * 10_000)
        elif answer.how == "half_head":
            line.sendall(head.encode()[: len(head) // 2])
        elif answer.how == "half_body":
            line.sendall(head.replace(f"Content-Length: {len(answer.body)}", "Content-Length: 10000").encode() + b"x")
        elif answer.how == "endless":
            line.sendall(head.replace(f"Content-Length: {len(answer.body)}", f"Content-Length: {1 << 30}").encode())
            while not self.release.is_set():
                line.sendall(b"x" * 65536)
        elif answer.how == "reset":
            _reset(line)
        elif answer.how == "nonsense":
            line.sendall(b"\x00\xffnot http at all\r\n\r\n")
        elif answer.how == "never":
            self.release.wait(60)

    def _drip(self, line: socket.socket, data: bytes) -> None:
        for byte in data:
            line.sendall(bytes([byte]))
            if self.release.wait(0.2):
                return


def _reset(line: socket.socket) -> None:
    """Let the next close reset the connection."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def _read(line: socket.socket) -> ReceivedRequest | None:
    got = b""
    while b"\r\n\r\n" not in got:
        more = line.recv(65536)
        if not more:
            return None
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += line.recv(65536)
    return ReceivedRequest(first, headers, body)
