"""How production's HTTP server reads: uvicorn in gunicorn's processes, strict, and bounded in what a client may hold.

uvicorn and llhttp read HTTP. What they let through and what two readers could read in two ways is refused here (RFC 9112
section 11.2), as is whoever takes longer than `REQUEST_SECONDS` over a request, or holds too many connections.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import time
from collections import Counter
from typing import Any, Final

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.asgi import Application

REQUEST_SECONDS: Final = 5  # for a whole request to come, from the first byte, or from the connection
IDLE_SECONDS: Final = 5  # between two requests
LAST_SECONDS: Final = 1  # between two requests, once the process stops
LONGEST: Final = 8190  # bytes of the request's target, and of one header
MOST_HEADERS: Final = 64
MOST_BESIDE: Final = 64 * 1024  # bytes of a request beside its body: the head, and the sizes of chunks
ONCE: Final = frozenset({b"host", b"content-type", b"content-length", b"transfer-encoding", b"expect"})
FILES: Final = 2048  # open at once in one process; many systems begin with 1024 and let it ask for more
OTHER_FILES: Final = 160  # of them that are no connections of clients
OF_AN_ADDRESS: Final = 1 / 8  # of all connections, once half of them are in use


class NotARequest(Exception):
    """It is no HTTP request, or could be read as two."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _late: asyncio.TimerHandle | None = None
    _beside = 0
    _is_stopping = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.began = time.monotonic()
        if not _holds(self.connections, self):
            transport.abort()
            return
        self._late = self.loop.call_later(REQUEST_SECONDS, self._end_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._late is None and self.is_idle:
            self._late = self.loop.call_later(REQUEST_SECONDS, self._end_late)
        self._beside += len(data)
        if self.parser is None:
            return
        super().data_received(data)
        if self._beside > MOST_BESIDE:
            self.send_400_response("")

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _end_late(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()

    def _on_time(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None

    def shutdown(self) -> None:
        """Take one more request within a second: it may be under way, and closing now would lose it."""
        self._is_stopping = True
        if not self.is_idle:
            self.cycle.keep_alive = False
        else:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(LAST_SECONDS, self.timeout_keep_alive_handler)

    # What llhttp tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._given = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST:
            raise NotARequest

    def on_header(self, name: bytes, value: bytes) -> None:
        self._given += 1
        if self._given > MOST_HEADERS or len(name) + len(value) > LONGEST:
            raise NotARequest
        name = name.lower()
        if b"_" in name:
            return  # it would pass for the one with a hyphen
        if name in ONCE and any(name == known for known, _ in self.headers):
            raise NotARequest
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        known = {name: value.lower() for name, value in self.headers if name in ONCE}
        coding, expected = known.get(b"transfer-encoding"), known.get(b"expect")
        if version not in ("1.0", "1.1") or self.parser.should_upgrade():
            raise NotARequest
        if coding is not None and (coding != b"chunked" or version == "1.0"):
            raise NotARequest
        if expected is not None and expected != b"100-continue":
            raise NotARequest
        super().on_headers_complete()
        if self._is_stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._beside -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._on_time()
        self._beside = 0
        super().on_message_complete()


def _holds(connections: set[Any], new: Protocol) -> bool:
    """Return whether a new connection has room. Where one address holds very many, the older idle half of its go."""
    most = _most_connections()
    if len(connections) > most:
        return False
    if len(connections) > most / 2:
        address = new.client and new.client[0]
        waiting = [one for one in connections if one.is_idle and (one.client and one.client[0]) == address]
        if len(waiting) > most * OF_AN_ADDRESS:
            for one in sorted(waiting, key=lambda one: one.began)[: len(waiting) // 2]:
                one.transport.abort()
    return True


def _most_connections() -> int:
    return max(1, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES)


class ServerProcess(Worker):  # type: ignore[misc]  # gunicorn has no types
    """One process of gunicorn's that serves with uvicorn."""

    def init_signals(self) -> None:
        """Leave signals to uvicorn, but for the abort of a process that does not answer gunicorn's master."""
        super().init_signals()

    def run(self) -> None:
        files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = max(files, FILES if most == resource.RLIM_INFINITY else min(FILES, most))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        config = Config(
            self.wsgi if isinstance(self.wsgi, Application) else self.wsgi,
            http=Protocol,
            loop="uvloop",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=self.cfg.graceful_timeout,
            timeout_notify=1,
            callback_notify=self._notify,
            backlog=self.cfg.backlog,
        )
        gc.freeze()  # what is there by now stays; the collector would look through it again and again
        server = Server(config)
        self._server = server
        loop_factory = config.get_loop_factory()
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(server.serve(sockets=self.sockets))
        if not server.started:
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR)

    async def _notify(self) -> None:
        if os.getppid() != self.ppid:
            self._server.should_exit = True
        self.notify()
