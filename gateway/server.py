"""The HTTP server of production: uvicorn in gunicorn's processes, strict in what it reads, with bounded resources.

uvicorn and llhttp parse HTTP. This module refuses input that they accept but two parsers could read differently (RFC
9112, section 11), requests that take longer than `REQUEST_SECONDS` to arrive, and more connections from one address
than others can spare. A pipelined request, sent before the answer to the one before, is not read: its sender must
repeat it.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import uvloop
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from httptools import HttpParserError
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_SECONDS: Final = 5  # for a complete request to arrive, from its first byte; and for the first byte
IDLE_SECONDS: Final = 5  # time for which an idle connection stays open
ABORT_SECONDS: Final = 30  # time to produce an answer and for the client to receive it
LAST_SECONDS: Final = 2  # time for one more request, once this process stops
MASTER_SECONDS: Final = 3  # margin before the master kills this process
LOOK_SECONDS: Final = 0.5  # between two checks for late connections
MAX_FIELD_BYTES: Final = 8190  # bytes of the request's target, and of one header
MAX_HEADERS: Final = 64
MAX_OVERHEAD_BYTES: Final = 64 * 1024  # bytes of a request beside its body: the head, and the sizes of chunks
SINGLE_HEADERS: Final = frozenset({b"host", b"content-type", b"content-length", b"transfer-encoding", b"expect"})
MIN_OPEN_FILES: Final = 2048  # limit for one process; many systems start with 1024 and allow more on request
RESERVED_FILES: Final = 160  # open files for other uses than client connections
MAX_SHARE_PER_ADDRESS: Final = 1 / 8  # share of all connections, once half of them are in use
YOUNG_SECONDS: Final = 1  # behind a proxy on a Unix socket all connections have one address: the youngest stay open
PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
BAD_REQUEST_RESPONSE: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BadRequest(Exception):
    """Raised for input that is not an HTTP request, or could be read as two."""


class ClientConnections:
    """The connections of this process, counted by client address."""

    def __init__(self, max_connections: int = 1000) -> None:
        self.max_connections = max_connections
        self.are_last = False  # whether this process is stopping
        self._count_by_address: Counter[str] = Counter()

    def add(self, new: Any, all_: set[Any]) -> bool:
        """Add a connection and return whether there is room.

        If its address has too many, the older half of those without a complete request is closed.
        """
        self._count_by_address[new.address] += 1
        if (
            len(all_) <= self.max_connections / 2
            or self._count_by_address[new.address] <= self.max_connections * MAX_SHARE_PER_ADDRESS
        ):
            return len(all_) <= self.max_connections
        spares_young = not new.address or len(all_) <= self.max_connections * 3 / 4
        cutoff = time.monotonic() - (YOUNG_SECONDS if spares_young else 0)
        waiting_connections = [
            connection for connection in all_ if connection.address == new.address and not connection.is_answering
        ]
        if len(waiting_connections) > self.max_connections * MAX_SHARE_PER_ADDRESS:
            waiting_connections.sort(key=lambda connection: connection.since)
            for connection in waiting_connections[: len(waiting_connections) // 2]:
                if connection.since <= cutoff and connection is not new:
                    connection.transport.abort()
        return len(all_) <= self.max_connections

    def remove(self, connection: Any) -> None:
        """Remove a closed connection."""
        self._count_by_address[connection.address] -= 1
        if self._count_by_address[connection.address] <= 0:
            del self._count_by_address[connection.address]


class HttpProtocol(HttpToolsProtocol):
    """One connection. `late_at`: monotonic time at which the wait for its client ends."""

    clients = ClientConnections()  # shared by this process
    count_refused: Callable[[], object] = staticmethod(lambda: None)  # called for input that was not a request

    late_at = 0.0
    since = 0.0
    _is_reading = False  # a request has begun and is incomplete
    _is_done = False  # no more input is read
    _is_last = False  # no request after the current one is answered
    _has_ended = False  # the client closed its side
    _overhead = 0

    def connection_made(self, transport: Any) -> None:
        """Count the connection; abort it if there is no room."""
        super().connection_made(transport)
        self.since = time.monotonic()
        self.late_at = self.since + REQUEST_SECONDS
        self.address = self.client[0] if self.client else ""
        if not self.clients.add(self, self.connections):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        self.clients.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse input; refuse it if it is not HTTP or has too much beside the body."""
        if self._is_done:
            return
        self._overhead += len(data)
        try:
            self.parser.feed_data(data)
        except HttpParserError:
            self.refuse()
        else:
            if self._overhead > MAX_OVERHEAD_BYTES:
                self.refuse()

    def eof_received(self) -> Any:
        """Keep the connection open after the client closed its side, until its answer is sent."""
        self._has_ended = True
        if self._is_reading and not self._is_done:
            self.loop.call_soon(self._refuse_partial)  # later: the application may not need the body
            return True
        self._is_done = True
        if self.is_idle:
            return False
        self.cycle.keep_alive = False
        return True

    def _refuse_partial(self) -> None:
        if not self._is_done and not self.transport.is_closing():
            self.refuse()

    @property
    def is_idle(self) -> bool:
        """Return whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def refuse(self) -> None:
        """Answer 400 to input that is not a request. A valid request before it is still answered."""
        self._is_done = True
        if not self.is_idle:
            if not self.cycle.more_body:
                self.cycle.keep_alive = False
                return
            self.cycle.waiting_for_100_continue = False
            self.cycle.disconnected = True  # the application that waits for the rest of the body gets none of it
            self.cycle.message_event.set()
        self.count_refused()
        self.transport.write(BAD_REQUEST_RESPONSE)
        self.hang_up()

    def hang_up(self) -> None:
        """Close our side and read on. Closing with unread input would reset the connection and lose the answer."""
        self._is_done = True
        if self.transport.is_closing():
            return
        if self._has_ended:
            self.transport.close()
            return
        self.late_at = time.monotonic() + REQUEST_SECONDS
        self.transport.write_eof()
        self.flow.resume_reading()

    @property
    def is_answering(self) -> bool:
        """Return whether a complete request has arrived and its answer is not sent yet."""
        return not (self._is_reading or self._is_done or self.is_idle)

    def end_late(self) -> None:
        """End the connection of a client that was too slow. A partial request gets 400, a late receiver is cut off."""
        if self._is_done or self._is_last or self.is_answering:
            self.transport.abort()
        elif self._is_reading:
            self.refuse()
        else:
            self._end_idle()

    def _end_idle(self) -> None:
        """Read and answer requests that have arrived, then close. Closing at once could lose an unread request."""
        self._is_last = True
        self.late_at = time.monotonic() + REQUEST_SECONDS
        with (
            suppress(OSError),
            socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as duplicate,
        ):
            duplicate.shutdown(socket.SHUT_RD)

    def shutdown(self) -> None:
        """Answer one more request if it comes soon, then close. It may be on its way, and closing now would lose it."""
        if self.is_idle:
            self.late_at = min(self.late_at, time.monotonic() + LAST_SECONDS)
        else:
            self.cycle.keep_alive = False

    # Callbacks of llhttp

    def on_message_begin(self) -> None:
        """Start a request; refuse a pipelined one."""
        if not self.is_idle:
            raise BadRequest
        self._is_reading = True
        self.since = time.monotonic()
        self.late_at = self.since + REQUEST_SECONDS
        super().on_message_begin()
        self._header_count = 0

    def on_url(self, url: bytes) -> None:
        """Add a part of the target; refuse one that is too long."""
        super().on_url(url)
        if len(self.url) > MAX_FIELD_BYTES:
            raise BadRequest

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; refuse too many, too long or duplicate ones."""
        self._header_count += 1
        if self._header_count > MAX_HEADERS or len(name) + len(value) > MAX_FIELD_BYTES:
            raise BadRequest
        if b"_" in name or not self._is_head:
            return  # it could be read as the name with a hyphen, or it is a trailer after the body
        name = name.lower()
        if name in SINGLE_HEADERS and any(name == earlier_name for earlier_name, _ in self.headers):
            raise BadRequest
        super().on_header(name, value)

    @property
    def _is_head(self) -> bool:
        return "method" not in self.scope

    def on_headers_complete(self) -> None:
        """Check version, encoding and expectation, and start the application."""
        version = self.parser.get_http_version()
        encoding = expected = host = None
        for name, value in self.headers:
            if name == b"transfer-encoding":
                encoding = value.lower()
            elif name == b"expect":
                expected = value.lower()
            elif name == b"host":
                host = value
        if version not in ("1.0", "1.1") or self.parser.should_upgrade():
            raise BadRequest
        if host is None and version == "1.1":
            raise BadRequest
        if encoding is not None and (encoding != b"chunked" or version == "1.0"):
            raise BadRequest
        if expected is not None and expected != b"100-continue":
            raise BadRequest
        super().on_headers_complete()
        cycle: Any = self.cycle
        cycle.transport = _ResponseTransport(self, cycle)
        if self._is_last or self.clients.are_last:
            cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on; it does not count as overhead."""
        self._overhead -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, and start the time limit of the answer."""
        super().on_message_complete()
        self._is_reading = False
        self._overhead = 0
        self.late_at = time.monotonic() + ABORT_SECONDS

    # Callbacks of an answer

    def on_response_complete(self) -> None:
        """Flush the answer; close the connection or wait for the next request."""
        self.server_state.total_requests += 1
        answering: Any = self.cycle.transport
        answering.flush()
        if self.transport.is_closing() or self._is_done:
            return
        if self._is_reading:
            self.hang_up()  # an unwanted body is still arriving
            return
        self.since = time.monotonic()
        self.late_at = self.since + IDLE_SECONDS
        self.flow.resume_reading()


class _ResponseTransport:
    """The connection as an answer sees it: the head is sent together with the body, and `close` may hang up instead."""

    def __init__(self, protocol: HttpProtocol, cycle: Any) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._head: bytes | None = None
        self.is_closing = protocol.transport.is_closing

    def write(self, data: bytes) -> None:
        if self._cycle.response_started and self._head is None:
            self._head = data
            return
        self._protocol.transport.write((self._head or b"") + data)
        self._head = b""

    def flush(self) -> None:
        if self._head:
            self._protocol.transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        if self._protocol._is_reading or self._protocol._is_done:
            self._protocol.hang_up()
        else:
            self._protocol.late_at = time.monotonic() + REQUEST_SECONDS  # for the client to receive the answer
            self._protocol.transport.close()


class _Server(Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        HttpProtocol.clients.are_last = True  # also for connections that the loop has accepted and not yet reported
        await super().shutdown(sockets)


class ServerProcess(Worker):
    """A gunicorn process that serves with uvicorn. It ends with its master, since a new one needs the port at once."""

    def init_process(self) -> None:
        """Load the application and serve. While it loads, the kernel kills this process when its master dies."""
        _set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != self.ppid:  # the master died before that
            sys.exit(1)
        super().init_process()

    def run(self) -> None:
        """Serve until the process is stopped."""
        _set_parent_death_signal(0)  # from here on `_watch` notices, and open requests are answered first
        HttpProtocol.clients = ClientConnections(self._max_connections())
        HttpProtocol.count_refused = staticmethod(getattr(self.wsgi, "count_refused", HttpProtocol.count_refused))
        config = Config(
            self.wsgi,
            http=HttpProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,  # webhook addresses contain a secret, and some a reporter's words
            proxy_headers=False,
            server_header=False,
            backlog=self.cfg.backlog,
            timeout_graceful_shutdown=max(1, self.cfg.graceful_timeout - MASTER_SECONDS),
        )
        self._server = _Server(config)
        gc.set_threshold(2_000)  # some 60 requests: uvicorn leaves a cycle for each
        gc.collect()  # what is garbage now would never be freed
        gc.freeze()  # existing objects are permanent; the collector need not scan them again
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())
        if not self._server.started:
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR)

    def _max_connections(self) -> int:
        """Return the highest number of connections that leaves enough files for database, spool and logs."""
        files, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = max(files, MIN_OPEN_FILES if hard_limit == resource.RLIM_INFINITY else min(MIN_OPEN_FILES, hard_limit))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard_limit))
        configured: int = self.cfg.worker_connections
        return max(1, min(configured, files - RESERVED_FILES))

    async def _serve(self) -> None:
        watcher = asyncio.create_task(self._watch())
        await self._server.serve(sockets=[listener.sock for listener in self.sockets])
        watcher.cancel()

    async def _watch(self) -> None:
        watched_at = time.monotonic()
        while True:
            self.notify()  # otherwise the master treats this process as stuck and replaces it
            if self.ppid != os.getppid() or not self.alive:  # a stop signal may come before uvicorn handles it
                self._server.should_exit = True
            now = time.monotonic()
            # Clients cannot know that this process was suspended, so that time does not count against them.
            suspended = max(now - watched_at - 2 * LOOK_SECONDS, 0.0)
            watched_at = now
            for connection in list(self._server.server_state.connections):
                if isinstance(connection, HttpProtocol):
                    connection.late_at += suspended
                    if connection.late_at < now:
                        connection.end_late()
            await asyncio.sleep(LOOK_SECONDS)

    def handle_abort(self, _sig: int, _frame: object) -> None:
        """Handle SIGABRT from the arbiter as SIGTERM: drain open requests, then exit.

        The master got no notification for long, perhaps because the host was suspended. gunicorn's own handler would
        abort all requests that are being answered.
        """
        self._server.should_exit = True
        self.notify()


def _set_parent_death_signal(number: int) -> None:
    """Have the kernel send this signal, or none for 0, when the parent process dies. Only Linux can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
