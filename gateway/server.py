"""The HTTP server of production: uvicorn in gunicorn's processes, strict in what it reads and bounded in what it holds.

uvicorn and llhttp read HTTP. Refused here is what they let through and two readers could read in two ways (RFC 9112,
section 11), whoever takes longer than `REQUEST_SECONDS` over a request, and more connections of one address than others
can spare. A request that does not wait for the answer before it (pipelining) is not read: its sender asks again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
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

REQUEST_SECONDS: Final = 5  # for a whole request to come, from its first byte, and for the first byte
IDLE_SECONDS: Final = 5  # that a connection is kept for the next request
ANSWER_SECONDS: Final = 30  # for an answer to be made and taken by the client
LAST_SECONDS: Final = 2  # the same, once this process stops
MASTER_SECONDS: Final = 3  # by which this process ends before its master kills it
LOOK_SECONDS: Final = 0.5  # between two looks for connections whose sender is late
MAX_FIELD_BYTES: Final = 8190  # bytes of the request's target, and of one header
MAX_HEADERS: Final = 64
MAX_OVERHEAD_BYTES: Final = 64 * 1024  # bytes of a request beside its body: the head, and the sizes of chunks
SINGLE_HEADERS: Final = frozenset({b"host", b"content-type", b"content-length", b"transfer-encoding", b"expect"})
MIN_OPEN_FILES: Final = 2048  # open at once in one process; many systems begin with 1024 and let it ask for more
RESERVED_FILES: Final = 160  # of them that are no clients' connections
MAX_SHARE_PER_ADDRESS: Final = 1 / 8  # of all connections, once half of them are in use
YOUNG_SECONDS: Final = 1  # behind a proxy on a unix socket all connections have one address: the youngest stay
BAD_REQUEST_RESPONSE: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BadRequest(Exception):
    """It is no HTTP request, or could be read as two."""


class ClientConnections:
    """The connections of this process, counted by the address that they come from."""

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        self.are_last = False  # this process stops
        self._of_address: Counter[str] = Counter()

    def add(self, new: Any, all_: set[Any]) -> bool:
        """Return whether there is room. Of an address that holds too many, the older half of those that wait go."""
        self._of_address[new.address] += 1
        if len(all_) <= self.most / 2 or self._of_address[new.address] <= self.most * MAX_SHARE_PER_ADDRESS:
            return len(all_) <= self.most
        spares_young = not new.address or len(all_) <= self.most * 3 / 4
        old = time.monotonic() - (YOUNG_SECONDS if spares_young else 0)
        waiting = [one for one in all_ if one.address == new.address and not one.is_answering]
        if len(waiting) > self.most * MAX_SHARE_PER_ADDRESS:
            waiting.sort(key=lambda one: one.since)
            for one in waiting[: len(waiting) // 2]:
                if one.since <= old and one is not new:
                    one.transport.abort()
        return len(all_) <= self.most

    def remove(self, gone: Any) -> None:
        self._of_address[gone.address] -= 1
        if self._of_address[gone.address] <= 0:
            del self._of_address[gone.address]


class HttpProtocol(HttpToolsProtocol):
    """One connection. `late_at`: monotonic seconds when the wait for its client is over."""

    clients = ClientConnections()  # of this process
    count_refused: Callable[[], object] = staticmethod(lambda: None)  # called for what was no request

    late_at = 0.0
    since = 0.0
    _is_reading = False  # a request has begun and is not whole
    _is_done = False  # nothing is read any more
    _is_last = False  # no request after this one is answered
    _has_ended = False  # its sender closed its side
    _beside = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.since = time.monotonic()
        self.late_at = self.since + REQUEST_SECONDS
        self.address = self.client[0] if self.client else ""
        if not self.clients.add(self, self.connections):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.clients.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_done:
            return
        self._beside += len(data)
        try:
            self.parser.feed_data(data)
        except HttpParserError:
            self.refuse()
        else:
            if self._beside > MAX_OVERHEAD_BYTES:
                self.refuse()

    def eof_received(self) -> Any:
        """Keep the connection of a sender that closed its side until its answer is out."""
        self._has_ended = True
        if self._is_reading and not self._is_done:
            self.loop.call_soon(self._refuse_half)  # after the application was asked whether it wants a body at all
            return True
        self._is_done = True
        if self.is_idle:
            return False
        self.cycle.keep_alive = False
        return True

    def _refuse_half(self) -> None:
        if not self._is_done and not self.transport.is_closing():
            self.refuse()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def refuse(self) -> None:
        """Answer 400 to what is no request. What came before it and is one is answered, and nothing after it."""
        self._is_done = True
        if not self.is_idle:
            if not self.cycle.more_body:
                self.cycle.keep_alive = False
                return
            self.cycle.waiting_for_100_continue = False
            self.cycle.disconnected = True  # whoever waits for the rest of the body gets nothing of it
            self.cycle.message_event.set()
        self.count_refused()
        self.transport.write(BAD_REQUEST_RESPONSE)
        self.hang_up()

    def hang_up(self) -> None:
        """Close without losing the answer: a connection that is closed with something unread is reset."""
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
        """Whether a whole request has come, and its answer is not out."""
        return not (self._is_reading or self._is_done or self.is_idle)

    def end_late(self) -> None:
        """Abort, refuse, or begin to close: the client did not send, or take its answer, in time."""
        if self._is_done or self._is_last or self.is_answering:
            self.transport.abort()
        elif self._is_reading:
            self.refuse()
        else:
            self._end_idle()

    def _end_idle(self) -> None:
        """Read what has come by now, answer it, and close: to close here would lose a request that nobody has read."""
        self._is_last = True
        self.late_at = time.monotonic() + REQUEST_SECONDS
        with suppress(OSError), socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno())) as same:
            same.shutdown(socket.SHUT_RD)

    def shutdown(self) -> None:
        """Answer one more request, if it comes soon: it may be under way, and closing would lose it."""
        if self.is_idle:
            self.late_at = min(self.late_at, time.monotonic() + LAST_SECONDS)
        else:
            self.cycle.keep_alive = False

    # What llhttp tells

    def on_message_begin(self) -> None:
        if not self.is_idle:
            raise BadRequest
        self._is_reading = True
        self.since = time.monotonic()
        self.late_at = self.since + REQUEST_SECONDS
        super().on_message_begin()
        self._given = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_FIELD_BYTES:
            raise BadRequest

    def on_header(self, name: bytes, value: bytes) -> None:
        self._given += 1
        if self._given > MAX_HEADERS or len(name) + len(value) > MAX_FIELD_BYTES:
            raise BadRequest
        if b"_" in name or not self._is_head:
            return  # it would pass for the one with a hyphen; or it came behind the body
        name = name.lower()
        if name in SINGLE_HEADERS and any(name == known for known, _ in self.headers):
            raise BadRequest
        super().on_header(name, value)

    @property
    def _is_head(self) -> bool:
        return "method" not in self.scope

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        coding = expected = None
        for name, value in self.headers:
            if name == b"transfer-encoding":
                coding = value.lower()
            elif name == b"expect":
                expected = value.lower()
        if version not in ("1.0", "1.1") or self.parser.should_upgrade():
            raise BadRequest
        if coding is not None and (coding != b"chunked" or version == "1.0"):
            raise BadRequest
        if expected is not None and expected != b"100-continue":
            raise BadRequest
        super().on_headers_complete()
        cycle: Any = self.cycle
        cycle.transport = _ResponseTransport(self, cycle)
        if self._is_last or self.clients.are_last:
            cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._beside -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_reading = False
        self._beside = 0
        self.late_at = time.monotonic() + ANSWER_SECONDS

    # What an answer tells

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        answering: Any = self.cycle.transport
        answering.flush()
        if self.transport.is_closing() or self._is_done:
            return
        if self._is_reading:
            self.hang_up()  # the rest of a body that was not wanted
            return
        self.since = time.monotonic()
        self.late_at = self.since + IDLE_SECONDS
        self.flow.resume_reading()


class _ResponseTransport:
    """A connection as an answer has it: its head goes out with its body, and to close it may mean to hang up."""

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
            self._protocol.late_at = time.monotonic() + REQUEST_SECONDS  # for the client to take the answer
            self._protocol.transport.close()


class _Server(Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        HttpProtocol.clients.are_last = True  # also those that the loop accepted and has not yet made known
        await super().shutdown(sockets)


class ServerProcess(Worker):
    """One process of gunicorn's that serves with uvicorn. It ends with its master: a new one needs the port at once."""

    def run(self) -> None:
        HttpProtocol.clients = ClientConnections(self._room())
        HttpProtocol.count_refused = staticmethod(getattr(self.wsgi, "count_refused", HttpProtocol.count_refused))
        config = Config(
            self.wsgi,
            http=HttpProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,  # addresses of webhooks hold a secret, and some a person's words
            proxy_headers=False,
            server_header=False,
            backlog=self.cfg.backlog,
            timeout_graceful_shutdown=max(1, self.cfg.graceful_timeout - MASTER_SECONDS),
        )
        self._server = _Server(config)
        gc.set_threshold(10_000)  # a request makes some thousand objects and hardly any cycle
        gc.freeze()  # what is there by now stays; the collector would look through it again and again
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())
        if not self._server.started:
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR)

    def _room(self) -> int:
        """Return how many connections fit; they leave files to what is behind them, or nothing could be kept."""
        files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = max(files, MIN_OPEN_FILES if most == resource.RLIM_INFINITY else min(MIN_OPEN_FILES, most))
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        wanted: int = self.cfg.worker_connections
        return max(1, min(wanted, files - RESERVED_FILES))

    async def _serve(self) -> None:
        looking = asyncio.create_task(self._look())
        await self._server.serve(sockets=[one.sock for one in self.sockets])
        looking.cancel()

    async def _look(self) -> None:
        looked_at = time.monotonic()
        while True:
            self.notify()  # or the master takes this process for stuck, and replaces it
            if self.ppid != os.getppid() or not self.alive:  # a signal to stop may come before uvicorn listens to it
                self._server.should_exit = True
            now = time.monotonic()
            slept = max(now - looked_at - 2 * LOOK_SECONDS, 0.0)  # this process was frozen: its clients did not see it
            looked_at = now
            for one in list(self._server.server_state.connections):
                if isinstance(one, HttpProtocol):
                    one.late_at += slept
                    if one.late_at < now:
                        one.end_late()
            await asyncio.sleep(LOOK_SECONDS)

    def handle_abort(self, _sig: int, _frame: object) -> None:
        """Stop as for SIGTERM: the master heard nothing for long, perhaps because the whole machine slept.

        gunicorn's own would end here, with all requests that are being answered.
        """
        self._server.should_exit = True
        self.notify()
