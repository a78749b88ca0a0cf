"""The application that Kannel calls instead of Tokaut: it records calls, and answers as told or forwards them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

import requests

PASSED_ON = ("Content-Type", "X-Kannel-Coding", "X-Kannel-Validity", "X-Kannel-Meta-Data")


@dataclass(frozen=True)
class Call:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def path(self) -> str:
        return urlsplit(self.target).path


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/plain; charset=UTF-8"})


class Application(ThreadingHTTPServer):
    """A recording server. `replies`: one for each call, then `then`. `before`: an address that gets each call first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[Call] = []
        self.replies: list[Reply] = []
        self.then: Reply | None = Reply()
        self.before = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Application:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.shutdown()
        self.server_close()

    def take(self, call: Call) -> Reply:
        self.calls.append(call)
        reply = self.replies.pop(0) if self.replies else self.then
        if not self.before:
            return reply or Reply()
        answer = requests.request(
            call.method, self.before + call.target, data=call.body, headers=dict(call.headers), timeout=10
        )
        told = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        return reply or Reply(answer.status_code, answer.content.decode(), told)


class _Handler(BaseHTTPRequestHandler):
    server: Application
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.take(Call(self.command, self.path, dict(self.headers), body))
        raw = reply.body.encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
