"""The load client of `tokaut bench`: `python -m tokaut.bench.load_client`, an order as JSON on stdin, what was seen on
stdout.

A process of its own, one thread over bare sockets that stay open: it takes a small part of what it measures, and says
how much. Every answer is looked at.
"""

from __future__ import annotations

import heapq
import json
import selectors
import socket
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import quote_plus

from tokaut.bench.scenarios import SERVICE_CODE, phone_number, text_fields

FORM = "application/x-www-form-urlencoded"
DRAIN = 5.0  # seconds for the answers still on their way at the end


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """`steps`: replies with the words that each answer must hold. `callers` of them walk at once, for `seconds`."""

    port: int
    address: str
    steps: Sequence[tuple[str, str]]
    callers: int
    seconds: float
    warm: float  # seconds before, not counted
    rate: float = 0  # screens a second of all callers together, evenly; 0: as fast as the answers come


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies in milliseconds; `cpu` is the client's own share of one core; `walks` reached their last step.

    `answered` counts the warm-up and the end too: what the server's CPU time was spent on.
    """

    screens: int
    walks: int
    wrong: int
    seconds: float
    p50: float
    p95: float
    p99: float
    cpu: float
    answered: int


@dataclass
class LoadCounts:
    took: list[float] = field(default_factory=list)
    walks: int = 0
    wrong: int = 0


class VirtualCaller:
    """One caller: walks from the first step to the last, then is the next caller with a new phone and session."""

    def __init__(self, load: LoadRun) -> None:
        self.load = load
        self.socket = socket.create_connection(("127.0.0.1", load.order.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.asked_at = 0.0  # or when it should have been asked: a server that is late is not asked less
        self._answer = b""
        self._step = -1
        self._who = b""

    def ask(self) -> None:
        self._step = (self._step + 1) % len(self.load.texts)
        if self._step == 0:
            self._who = self.load.next_caller()
        body = self._who + self.load.texts[self._step]
        self._answer = b""
        self.asked_at = self.due or time.perf_counter()
        self.socket.sendall(b"%s%d\r\n\r\n%s" % (self.load.head, len(body), body))

    def whole(self) -> bool:
        """Reads; whether the answer is there to its last byte. Raises ConnectionError."""
        self._answer += self.socket.recv(65536)
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not self._answer:
            raise ConnectionError
        if not found:
            return False
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return len(body) >= int(length)

    def tally(self, tally: LoadCounts) -> None:
        tally.took.append(time.perf_counter() - self.asked_at)
        tally.walks += self._step == len(self.load.texts) - 1
        tally.wrong += self.load.shows[self._step] not in self._answer


class LoadRun:
    def __init__(self, order: LoadOrder) -> None:
        self.order = order
        head = (f"POST {order.address} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {FORM}", "Content-Length: ")
        self.head = "\r\n".join(head).encode()
        self.texts = [f"&text={path}".encode() for path in text_fields([reply for reply, _ in order.steps])]
        self.shows = [shows.encode() for _, shows in order.steps]
        self._later: list[tuple[float, int, VirtualCaller]] = []  # by when they are due
        self._run = uuid.uuid4().hex
        self._callers = 0
        self._every = order.callers / order.rate if order.rate else 0.0

    def _offset(self, number: int) -> float:
        """In steps: callers are spread over the walk as people are, or all would press Send in the same moment."""
        part = number / self.order.callers
        return int(part * len(self.texts)) + part

    def next_caller(self) -> bytes:
        self._callers += 1
        number, code = quote_plus(phone_number(self._callers)), quote_plus(SERVICE_CODE)
        session = f"ATUid_{self._run}{self._callers}"
        return f"sessionId={session}&networkCode=54101&phoneNumber={number}&serviceCode={code}".encode()

    def run(self) -> LoadResult:
        with selectors.DefaultSelector() as waiting:
            lines = [VirtualCaller(self) for _ in range(self.order.callers)]
            began = time.perf_counter()
            for number, line in enumerate(lines):
                waiting.register(line.socket, selectors.EVENT_READ, line)
                line.due = self._every and began + self._every * self._offset(number)
                self._next(line)
            warm, tally = LoadCounts(), LoadCounts()
            self._until(waiting, self.order.warm, warm)
            cpu, began = time.process_time(), time.perf_counter()
            self._until(waiting, self.order.seconds, tally)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            self._drain(waiting)
            for line in lines:
                line.socket.close()
        tally.wrong += warm.wrong
        return _seen(tally, seconds, cpu, answered=len(warm.took) + len(tally.took) + len(lines))

    def _until(self, waiting: selectors.BaseSelector, seconds: float, tally: LoadCounts) -> None:
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            first = self._later[0][0] if self._later else end
            for key, _ in waiting.select(timeout=max(0.0, min(first, end) - now)):
                line: VirtualCaller = key.data
                if line.whole():
                    line.tally(tally)
                    line.due += self._every
                    self._next(line)
            while self._later and self._later[0][0] <= time.perf_counter():
                heapq.heappop(self._later)[2].ask()

    def _next(self, line: VirtualCaller) -> None:
        """At once, or when it is due."""
        if line.due > time.perf_counter():
            heapq.heappush(self._later, (line.due, id(line), line))
        else:
            line.ask()

    def _drain(self, waiting: selectors.BaseSelector) -> None:
        """The answers still on their way, so that the next series finds a server at rest."""
        end = time.perf_counter() + DRAIN
        for _, _, line in self._later:
            waiting.unregister(line.socket)
        while waiting.get_map() and time.perf_counter() < end:
            for key, _ in waiting.select(timeout=0.1):
                if key.data.whole():
                    waiting.unregister(key.fileobj)


def _seen(tally: LoadCounts, seconds: float, cpu: float, *, answered: int) -> LoadResult:
    took = sorted(tally.took) or [0.0]

    def at(part: float) -> float:
        return round(took[min(len(took) - 1, int(len(took) * part))] * 1000, 2)

    return LoadResult(
        screens=len(tally.took),
        walks=tally.walks,
        wrong=tally.wrong,
        seconds=round(seconds, 3),
        p50=at(0.5),
        p95=at(0.95),
        p99=at(0.99),
        cpu=round(cpu / seconds, 3),
        answered=answered,
    )


if __name__ == "__main__":
    json.dump(asdict(LoadRun(LoadOrder(**json.load(sys.stdin))).run()), sys.stdout)
