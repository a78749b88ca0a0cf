"""Lines that senders hold open, and the threads that answer. A line has a thread only while its whole request is
answered: who sends slowly, or nothing, holds none.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from serving.answering import FAILED, GO_ON, NOT_A_REQUEST, answer
from serving.door import Door
from serving.reading import NoRequest, Reading
from serving.shares import Share

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

REQUEST_WITHIN: Final = 5  # seconds for a whole request to come in, once its first byte has
KEPT: Final = 5  # seconds that a line may say nothing between two requests
KEPT_AT_THE_END: Final = 2  # while we stop: what was on its way is still answered
AT_ONCE: Final = 65536  # bytes
READY: Final = 1  # second, at most, between two times that a thread says it is free
ONE_EVENT: Final = select.EPOLLIN | select.EPOLLONESHOT  # one thread is told, and nobody again until it asks


class Line:
    """One connection. `late_at` is when it is cut, in monotonic seconds; 0 while its request is answered."""

    __slots__ = ("address", "late_at", "reading", "socket", "waits", "was_refused")

    def __init__(self, connection: socket.socket, address: str, most_body: int) -> None:
        self.socket = connection
        self.address = address
        self.reading = Reading(most_body)
        self.waits = True  # for the first byte of a request
        self.was_refused = False  # what still comes is thrown away, so that the sender gets to read why
        self.late_at = time.monotonic() + REQUEST_WITHIN


class Server:
    """`failed` is called with what the application raised, inside the handler; `refused` for what was no request.

    `share`: this process's, of the lines that all processes on these listeners hold.
    """

    def __init__(
        self,
        app: WSGIApplication,
        listeners: Sequence[socket.socket],
        *,
        threads: int,
        most_body: int,
        most_lines: int,
        share: Share,
        failed: Callable[[], None],
        refused: Callable[[], None],
    ) -> None:
        self._app = app
        self._threads = threads
        self._most_body = most_body
        self._most_lines = most_lines
        self._share = share
        self._failed = failed
        self._refused = refused
        self._lines: dict[int, Line] = {}
        self._epoll = select.epoll()
        self._door = Door(listeners, self._epoll, share)
        self._stopping = False
        self._date = ""
        self._fixed: WSGIEnvironment = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": "web",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.errors": sys.stderr,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }

    def start(self) -> None:
        self.look()
        for _ in range(self._threads):
            threading.Thread(target=self._serve, daemon=True).start()

    def look(self) -> None:
        """Once a second: cuts who is late, and takes new lines again where there is room."""
        now = time.monotonic()
        self._date = formatdate(usegmt=True)
        for line in list(self._lines.values()):
            if line.late_at and line.late_at < now:
                with suppress(OSError):  # it is closed meanwhile
                    line.socket.shutdown(socket.SHUT_RD)  # whoever has the line reads its end; an answer still gets out
        self._share.hold(len(self._lines))  # two threads at once may have left what one of them counted
        if self._has_room:
            self._door.open()

    def stop(self) -> None:
        """Lets go of the port. Lines that are kept open get one more answer at most."""
        self._stopping = True
        self._door.leave()
        latest = time.monotonic() + KEPT_AT_THE_END
        for line in list(self._lines.values()):
            line.late_at = line.late_at and min(line.late_at, latest)

    @property
    def is_busy(self) -> bool:
        return bool(self._lines)

    @property
    def _has_room(self) -> bool:
        return len(self._lines) < self._most_lines

    # In each thread

    def _serve(self) -> None:
        while True:
            for number, _ in self._epoll.poll(timeout=READY, maxevents=1):
                try:
                    self._attend(number)
                except Exception:  # nobody would miss a thread that ended, nor begin another
                    self._failed()
            if self._door.is_open:  # and it is not, where a line was refused for want of a file
                self._share.ready()

    def _attend(self, number: int) -> None:
        if line := self._lines.get(number):
            self._hear(line)
        elif number in self._door:
            self._accept(number)

    def _accept(self, number: int) -> None:
        """All lines that wait, or as many as are this process's share."""
        while self._has_room:
            came = self._door.take(number)
            if not came or not self._begin(*came):
                return
            if self._door.give_way():
                return
        self._door.shut()

    def _begin(self, connection: socket.socket, address: str) -> bool:
        """Whether another can be begun."""
        line = Line(connection, address, self._most_body)
        self._lines[connection.fileno()] = line
        self._share.hold(len(self._lines))
        try:
            self._epoll.register(connection.fileno(), ONE_EVENT)
        except OSError:  # as many are watched as one user may
            self._close(line)
            self._door.shut()
            return False
        return True

    def _hear(self, line: Line) -> None:
        try:
            if self._read(line):
                self._epoll.modify(line.socket.fileno(), ONE_EVENT)
                return
        except OSError:
            pass  # the sender is gone
        except Exception:
            self._failed()
        self._close(line)

    def _read(self, line: Line) -> bool:
        """Whether the line stays open."""
        came = line.socket.recv(AT_ONCE)
        if line.was_refused:
            return bool(came)
        if not came:
            if not line.waits:  # in the middle of a request
                self._say_it_is_none(line)
            return False
        if line.waits:
            line.waits, line.late_at = False, time.monotonic() + REQUEST_WITHIN
        reading = line.reading
        try:
            reading.feed(came)
        except NoRequest:
            return self._refuse(line)
        if reading.wants_to_go_on:
            reading.wants_to_go_on = False
            self._send(line, GO_ON)
        return self._answer(line) if reading.whole else True

    def _answer(self, line: Line) -> bool:
        line.late_at = 0
        reading = line.reading
        last = reading.is_last or self._stopping
        try:
            environ = reading.environ(self._fixed | {"REMOTE_ADDR": line.address})
            said = answer(self._app, environ, self._date, last=last)
        except Exception:
            self._failed()
            said, last = FAILED, True
        self._send(line, said)
        if reading.unread:
            return self._hang_up(line)
        if not last:
            reading.begin()
            line.waits, line.late_at = True, time.monotonic() + (KEPT_AT_THE_END if self._stopping else KEPT)
        return not last

    def _refuse(self, line: Line) -> bool:
        self._say_it_is_none(line)
        return self._hang_up(line)

    def _say_it_is_none(self, line: Line) -> None:
        self._refused()
        self._send(line, NOT_A_REQUEST)

    def _hang_up(self, line: Line) -> bool:
        """Closed while something is unread, a line would lose its answer on the way."""
        line.was_refused, line.late_at = True, time.monotonic() + REQUEST_WITHIN
        line.socket.shutdown(socket.SHUT_WR)
        return True

    def _send(self, line: Line, data: bytes) -> None:
        sent = line.socket.send(data)
        if sent < len(data):  # more than the network takes at once
            line.socket.settimeout(REQUEST_WITHIN)
            line.socket.sendall(data[sent:])
            line.socket.setblocking(False)

    def _close(self, line: Line) -> None:
        self._lines.pop(line.socket.fileno(), None)
        self._share.hold(len(self._lines))
        line.socket.close()
        line.reading.end()
