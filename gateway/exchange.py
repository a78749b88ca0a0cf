"""One connection to Redis for all callers that one thread answers: what they ask in one moment goes out together, and
nobody is waited for. Whatever is not as it should be (no connection, an error, half a second without an answer) goes
back to whoever asked; then a thread asks for one caller, with all the patience that is due there.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import hiredis
from redis.exceptions import RedisError

from gateway.roundtrip import RoundTrip, packed
from gateway.steps import Commands
from reports.connections import SECONDS

AGAIN: Final = 1  # second, after which a lost connection is tried again
AT_ONCE: Final = 1 << 18  # bytes
NOTHING_YET: Final = object()  # hiredis says False for it, which can be an answer: others would get all that follow
NO_SCRIPT: Final = "NOSCRIPT"  # the one error that says nothing against the server
Heard = tuple[Any, Commands, list[Any] | None]  # who asked, what, and the answers; None: a thread has to ask


class Exchange:
    """All but `start` is for one thread alone. `number` is the file that it is heard by."""

    def __init__(self, trip: RoundTrip) -> None:
        self._trip = trip
        self._way: Way | None = None
        self._lost = threading.Event()

    def start(self, watch: Callable[[int], None]) -> None:
        """Connects, and again whenever it was lost. `watch` is called with the number of each connection."""
        self._lost.set()
        threading.Thread(target=self._stay, args=(watch,), name="exchange", daemon=True).start()

    def _stay(self, watch: Callable[[int], None]) -> None:
        while self._lost.wait():
            try:
                way = self._connect()
                if way is None:
                    return
                self._begin(way, watch)
            except (RedisError, OSError):  # meanwhile threads ask, meet the same, and count it
                time.sleep(AGAIN)

    def _begin(self, way: Way, watch: Callable[[int], None]) -> None:
        try:
            watch(way.number)  # before it is used: a number that was given up is soon somebody else's
        except OSError:
            self._close(way)
            raise
        self._lost.clear()
        self._way = way

    def _connect(self) -> Way | None:
        """None over TLS: its records have to be read to their end, which is a thread's work."""
        connection = self._trip.pool.get_connection()
        if isinstance(connection._sock, ssl.SSLSocket):
            self._trip.pool.release(connection)
            return None
        return Way(connection)

    @property
    def number(self) -> int:
        return self._way.number if self._way else -1

    def ask(self, wanted: Commands, asker: Any) -> bool:
        """False where a thread has to ask."""
        way = self._way
        if way is None:
            return False
        way.unsent += packed(wanted)
        way.asked.append((asker, wanted))
        return True

    def flush(self) -> list[Heard]:
        """Sends what was asked since. Once in each turn of the loop; gives back what got no answer in time.

        Called after `hear`: where the loop itself was late, the answers are there.
        """
        way = self._way
        if way is None or not self.waits:
            return []
        now = time.monotonic()
        way.waiting.extend((asker, wanted, now + SECONDS) for asker, wanted in way.asked)
        way.asked.clear()
        try:
            way.send()
        except OSError:
            return self._drop(way)
        return self._drop(way) if way.waiting[0][2] < now else []

    def hear(self) -> list[Heard]:
        """Whatever is there to read."""
        heard: list[Heard] = []
        if way := self._way:
            try:
                way.read(heard)
            except Exception:  # whatever it is: nobody of those who wait may be forgotten
                heard += self._drop(way)
        return heard

    @property
    def waits(self) -> bool:
        return bool(self._way and (self._way.waiting or self._way.asked))

    def _drop(self, way: Way) -> list[Heard]:
        self._way = None
        self._close(way)
        self._lost.set()
        return [(asker, wanted, None) for asker, wanted, _ in way.waiting] + [(*one, None) for one in way.asked]

    def _close(self, way: Way) -> None:
        way.connection.disconnect()
        self._trip.pool.release(way.connection)


class Fault(Exception):
    """The server closed the connection, or refuses what it must not refuse."""


class Way:
    """One connection, made and greeted by the library; from then on nobody waits for it. `asked`: since the last time
    that something was sent; `waiting`: with the monotonic second until which an answer is waited for.
    """

    __slots__ = ("_answers", "_reader", "_socket", "asked", "connection", "number", "unsent", "waiting")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._socket = connection._sock
        self._socket.setblocking(False)
        self._reader = hiredis.Reader(notEnoughData=NOTHING_YET)
        self._answers: list[Any] = []
        self.number: int = self._socket.fileno()
        self.unsent = bytearray()
        self.asked: list[tuple[Any, Commands]] = []
        self.waiting: deque[tuple[Any, Commands, float]] = deque()

    def send(self) -> None:
        if self.unsent:
            with suppress(BlockingIOError):  # what the network does not take now goes with the next turn
                del self.unsent[: self._socket.send(self.unsent)]

    def read(self, heard: list[Heard]) -> None:
        """Adds whoever has all answers by now. Raises Fault."""
        try:
            came = self._socket.recv(AT_ONCE)
        except BlockingIOError:
            return
        if not came:
            raise Fault
        self._reader.feed(came)
        while (answer := self._reader.gets()) is not NOTHING_YET:
            if isinstance(answer, hiredis.PushNotification):
                continue  # nobody asked
            if not self.waiting:
                raise Fault
            self._answers.append(answer)
            asker, wanted, _ = self.waiting[0]
            if len(self._answers) == len(wanted):
                heard.append((asker, wanted, self._good()))
                self.waiting.popleft()

    def _good(self) -> list[Any] | None:
        answers, self._answers = self._answers, []
        wrong = [answer for answer in answers if isinstance(answer, hiredis.ReplyError)]
        if any(not str(one).startswith(NO_SCRIPT) for one in wrong):
            raise Fault
        return None if wrong else answers
