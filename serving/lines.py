"""A line that a sender holds open: what comes in on it, what goes out. Who sends slowly holds no thread."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from serving.answering import GO_ON, NOT_A_REQUEST
from serving.reading import FIXED, NoRequest, Reading

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

REQUEST_WITHIN: Final = 5  # seconds for a whole request to come in, once its first byte has
KEPT: Final = 5  # seconds that a line may say nothing between two requests
AT_ONCE: Final = 65536  # bytes


class Line:
    """`late_at` is when it is cut, in monotonic seconds; 0 while its request is answered. `number`: of its file."""

    __slots__ = (
        "_body_limit",
        "_is_cut",
        "_is_judged",
        "_socket",
        "_waits",
        "_was_refused",
        "address",
        "late_at",
        "number",
        "reading",
        "since",
    )

    def __init__(
        self,
        connection: socket.socket,
        address: str,
        most_body: int,
        body_limit: Callable[[WSGIEnvironment], int] | None = None,
    ) -> None:
        self._socket = connection
        self._body_limit = body_limit
        self._is_judged = False  # the head of this request; only where the body did not come with it
        self.number = connection.fileno()
        self.address = address
        self.reading = Reading(most_body)
        self._waits = True  # for the first byte of a request
        self._is_cut = False
        self._was_refused = False  # what still comes is thrown away, so that the sender gets to read why
        self.since = time.monotonic()  # when this connection, or its present request, began to wait for its sender
        self.late_at: float = self.since + REQUEST_WITHIN

    @property
    def is_last(self) -> bool:
        """Whether no request can come after this one."""
        return self.reading.is_last or self._is_cut

    def read(self) -> bool:
        """Whether a whole request is there by now. Raises NoRequest; OSError where the sender is gone."""
        try:
            came = self._socket.recv(AT_ONCE)
        except BlockingIOError:
            return False  # woken for nothing
        if self._was_refused or not came:
            return self._in_vain(came)
        if self._waits:
            self.since = time.monotonic()
            self._waits, self.late_at = False, self.since + REQUEST_WITHIN
        self.reading.feed(came)
        self._judge_head()
        if self.reading.wants_to_go_on:
            self.reading.wants_to_go_on = False
            self._send(GO_ON)
        if self.reading.whole:
            self.late_at = 0
        return self.reading.whole

    def _judge_head(self) -> None:
        """Ask the application how much of a body it wants, before waiting for that body. It may want nothing."""
        reading = self.reading
        if self._body_limit and reading.method and not (reading.whole or self._is_judged):
            self._is_judged = True
            reading.limit_body(self._body_limit(reading.environ(FIXED, self.address)))

    @property
    def is_waiting(self) -> bool:
        """Whether this connection waits for its sender, and was not told to close yet."""
        return self.late_at > 0 and not self._is_cut

    def _in_vain(self, came: bytes) -> bool:
        if came:
            return False
        if self._waits or self._was_refused:
            raise ConnectionError
        raise NoRequest  # it ends in the middle

    def refuse(self) -> bool:
        """It was no request. Whether the line stays open."""
        self._send(NOT_A_REQUEST)
        return self._hang_up()

    def say(self, data: bytes, *, last: bool, kept: float, patient: bool) -> bool:
        """The answer. Whether the line stays open: for `kept` seconds, and it may send the next request.

        `patient`: in a thread that may wait for a network which does not take all of it at once. Raises OSError.
        """
        self._send(data, patient=patient)
        if self.reading.unread:
            return self._hang_up()
        if not last:
            self.reading.begin()
            self._is_judged = False
            self.since = time.monotonic()
            self._waits, self.late_at = True, self.since + kept
        return not last

    def _hang_up(self) -> bool:
        """Closed while something is unread, a line would lose its answer on the way."""
        self._was_refused, self.late_at = True, time.monotonic() + REQUEST_WITHIN
        self._socket.shutdown(socket.SHUT_WR)
        return True

    def _send(self, data: bytes, *, patient: bool = False) -> None:
        sent = self._socket.send(data)
        if sent == len(data):
            return
        if not patient:  # so few bytes: who has no room for them has read none of the answers before
            raise ConnectionError
        self._socket.settimeout(REQUEST_WITHIN)
        self._socket.sendall(data[sent:])
        self._socket.setblocking(False)

    def cut(self) -> None:
        """What has come is still read and answered, and nothing after it."""
        self._is_cut = True
        with suppress(OSError):  # it is closed meanwhile
            self._socket.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        with suppress(OSError):  # of its last words: others wait for their answers
            self._socket.close()
        self.reading.end()
