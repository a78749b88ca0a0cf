"""The load client of `tokaut bench`: plays callers as its JSON order on stdin says, and reports figures.

Run as `python -m tokaut.bench.load_client`. It is a process of its own, with one thread and bare sockets that stay
open, so it uses little of the machine that it measures, and reports how much. It checks every answer.
"""

from __future__ import annotations

import heapq
import itertools
import json
import selectors
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import quote_plus

SERVICE_CODE = "*111*163#"
FORM = "application/x-www-form-urlencoded"
DRAIN = 5.0  # seconds to wait for outstanding answers at the end


# The scenario of `tokaut bench`'s callers: USSD by Africa's Talking, a girl in Vanuatu who goes back twice.


@dataclass(frozen=True, slots=True)
class BenchStep:
    """A reply, and the text that the next screen must contain: a fast answer that is wrong does not count."""

    reply: str
    expected_text: str


def _steps(*pairs: tuple[str, str]) -> tuple[BenchStep, ...]:
    return tuple(BenchStep(reply, shows) for reply, shows in pairs)


SCENARIO = _steps(
    ("", "CON In danger? Call police 111."),
    ("1", "CON Are you or a child in danger?"),
    ("2", "CON What happened?"),
    ("98", "0 Back"),
    ("0", "CON What happened?"),
    ("3", "CON Who is this about?"),
    ("1", "CON How old are you?"),
    ("4", "CON Where are you?"),
    ("0", "CON How old are you?"),
    ("4", "CON Where are you?"),
    ("4", "CON May staff contact you"),
    ("1", "CON Send to Pikinini Helpline"),
)
SENDING_SCENARIO = (*SCENARIO, BenchStep("1", "CON Sent to Pikinini Helpline."))

# Other paths to the Send screen, for the size of their sessions. The last is as long as a real one gets.
OTHER_PATHS = (
    ("1", "2", "3", "1", "4", "4", "1"),
    ("1", "1", "1", "1", "4", "3", "1"),
    ("1", "3", "5", "1", "3", "2", "1"),
    ("1", "3", "7", "2", "3", "1", "2"),
    ("1", "2", "1", "3", "5", "2", "3"),
    ("1", "2", "3", "1", "4", "0", "3", "4", "0", "0", "5", "2", "3"),
    ("1", "2", "3", "1", "0", "0", "4", "3", "2", "0", "0", "2", "4", "5", "0", "1", "4", "0", "1"),
)
SMS_TEXTS = (
    "report",
    "2",
    "3",
    "1",
    "4",
    "4",
    "1",
    "My uncle's friend asks for photos and I do not want to send them.",
)

# An urgent report in Fiji with danger = now: the labels to choose, whichever the screen has. "" is its first choice.
FALLBACK_SERVICE_CODE = "*133#"
DANGER_LABELS = ("Report", "Now", "Go on", "Me", "No", "Send", "")


def fallback_phone_number(number: int) -> str:
    """Return a made-up number: +679 755 0000 and following."""
    return f"+679755{number % 10_000:04}"


def text_fields(replies: Sequence[str]) -> Iterator[str]:
    """Yield the form field `text` of each request: all replies so far, joined with * and URL-encoded."""
    paths = itertools.accumulate(replies, lambda path, reply: f"{path}*{reply}".strip("*"))
    return map(quote_plus, paths)


def phone_number(number: int) -> str:
    """Return a made-up number: +678 555 0000 to +678 555 9999, one after the other."""
    return f"+678555{number % 10_000:04}"


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """The order for one run.

    steps: replies, each with the text that the answer must contain. callers: how many run the scenario at once.
    seconds: how long to measure.
    """

    port: int
    address: str
    steps: Sequence[tuple[str, str]]
    callers: int
    seconds: float
    warmup_seconds: float  # seconds of load before the measurement
    rate: float = 0  # screens a second of all callers together, evenly spaced; 0: as fast as answers come


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The measured figures. Latencies are in milliseconds.

    walks: how often a caller reached the last step. cpu: the client's own share of one core. answered: all answers,
    including the warm-up and the end, because the server's CPU time covers those too.
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
    """Counts while the load runs. latencies: seconds for each answer."""

    latencies: list[float] = field(default_factory=list)
    completed_calls: int = 0
    wrong_answers: int = 0


class VirtualCaller:
    """A caller on one connection. At the end of the scenario it begins anew as another phone and session."""

    def __init__(self, load: LoadRun) -> None:
        self.load = load
        self.socket = socket.create_connection(("127.0.0.1", load.order.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self.asked_at = 0.0  # when it was sent or, with a rate, when it was due: a slow server must not reduce the load
        self._answer = b""
        self._step = -1
        self._session_fields = b""

    def ask(self) -> None:
        """Send the next request."""
        self._step = (self._step + 1) % len(self.load.texts)
        if self._step == 0:
            self._session_fields = self.load.next_caller()
        body = self._session_fields + self.load.texts[self._step]
        self._answer = b""
        self.asked_at = self.due or time.perf_counter()
        self.socket.sendall(b"%s%d\r\n\r\n%s" % (self.load.head, len(body), body))

    def whole(self) -> bool:
        """Read from the socket and return whether the answer is complete. Raises ConnectionError."""
        self._answer += self.socket.recv(65536)
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not self._answer:
            raise ConnectionError
        if not separator:
            return False
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return len(body) >= int(length)

    def tally(self, tally: LoadCounts) -> None:
        """Add the answer to the counts."""
        tally.latencies.append(time.perf_counter() - self.asked_at)
        tally.completed_calls += self._step == len(self.load.texts) - 1
        tally.wrong_answers += self.load.shows[self._step] not in self._answer


class LoadRun:
    """One run of the load client."""

    def __init__(self, order: LoadOrder) -> None:
        self.order = order
        head = (f"POST {order.address} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {FORM}", "Content-Length: ")
        self.head = "\r\n".join(head).encode()
        self.texts = [f"&text={path}".encode() for path in text_fields([reply for reply, _ in order.steps])]
        self.shows = [shows.encode() for _, shows in order.steps]
        self._scheduled: list[tuple[float, int, VirtualCaller]] = []  # a heap, by the time at which they are due
        self._run = uuid.uuid4().hex
        self._callers = 0
        self._interval = order.callers / order.rate if order.rate else 0.0

    def _offset(self, number: int) -> float:
        """Return the step at which a virtual caller starts, with a fraction.

        Callers are spread over the scenario, as people are. Otherwise all would press Send at the same moment.
        """
        fraction = number / self.order.callers
        return int(fraction * len(self.texts)) + fraction

    def next_caller(self) -> bytes:
        """Return the form fields of a new caller: its session and its phone number."""
        self._callers += 1
        number, code = quote_plus(phone_number(self._callers)), quote_plus(SERVICE_CODE)
        session = f"ATUid_{self._run}{self._callers}"
        return f"sessionId={session}&networkCode=54101&phoneNumber={number}&serviceCode={code}".encode()

    def run(self) -> LoadResult:
        """Send the warm-up and the measured load, and return the result."""
        with selectors.DefaultSelector() as selector:
            callers = [VirtualCaller(self) for _ in range(self.order.callers)]
            started = time.perf_counter()
            for number, caller in enumerate(callers):
                selector.register(caller.socket, selectors.EVENT_READ, caller)
                caller.due = self._interval and started + self._interval * self._offset(number)
                self._schedule(caller)
            warm_up, counts = LoadCounts(), LoadCounts()
            self._run_for(selector, self.order.warmup_seconds, warm_up)
            cpu, started = time.process_time(), time.perf_counter()
            self._run_for(selector, self.order.seconds, counts)
            seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
            self._drain(selector)
            for caller in callers:
                caller.socket.close()
        counts.wrong_answers += warm_up.wrong_answers
        return _result(counts, seconds, cpu, answered=len(warm_up.latencies) + len(counts.latencies) + len(callers))

    def _run_for(self, selector: selectors.BaseSelector, seconds: float, counts: LoadCounts) -> None:
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            first = self._scheduled[0][0] if self._scheduled else end
            for key, _ in selector.select(timeout=max(0.0, min(first, end) - now)):
                caller: VirtualCaller = key.data
                if caller.whole():
                    caller.tally(counts)
                    caller.due += self._interval
                    self._schedule(caller)
            while self._scheduled and self._scheduled[0][0] <= time.perf_counter():
                heapq.heappop(self._scheduled)[2].ask()

    def _schedule(self, caller: VirtualCaller) -> None:
        """Send the next request now, or when the caller is due."""
        if caller.due > time.perf_counter():
            heapq.heappush(self._scheduled, (caller.due, id(caller), caller))
        else:
            caller.ask()

    def _drain(self, selector: selectors.BaseSelector) -> None:
        """Read the outstanding answers, so that the next series finds the server at rest."""
        end = time.perf_counter() + DRAIN
        for _, _, caller in self._scheduled:
            selector.unregister(caller.socket)
        while selector.get_map() and time.perf_counter() < end:
            for key, _ in selector.select(timeout=0.1):
                if key.data.whole():
                    selector.unregister(key.fileobj)


def _result(counts: LoadCounts, seconds: float, cpu: float, *, answered: int) -> LoadResult:
    took = sorted(counts.latencies) or [0.0]

    def percentile(fraction: float) -> float:
        return round(took[min(len(took) - 1, int(len(took) * fraction))] * 1000, 2)

    return LoadResult(
        screens=len(counts.latencies),
        walks=counts.completed_calls,
        wrong=counts.wrong_answers,
        seconds=round(seconds, 3),
        p50=percentile(0.5),
        p95=percentile(0.95),
        p99=percentile(0.99),
        cpu=round(cpu / seconds, 3),
        answered=answered,
    )


if __name__ == "__main__":
    json.dump(asdict(LoadRun(LoadOrder(**json.load(sys.stdin))).run()), sys.stdout)
