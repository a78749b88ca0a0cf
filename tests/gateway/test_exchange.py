"""One connection for many callers, on a real Valkey: whoever gets no answer is given back, and nobody is forgotten."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from gateway.exchange import Exchange, Way
from gateway.roundtrip import RoundTrip
from gateway.steps import Commands
from reports.connections import SECONDS, for_sessions
from reports.settings import Reach
from tests.support.site import Site, neutral, read
from tests.support.valkey import Valkey
from tests.support.wait import until

pytestmark = pytest.mark.slow

KEPT = ("GET", "lukaotem")
NOT_A_LIST = ("LPUSH", "lukaotem", "1")
LONG = b"x" * 3_000_000
NO_SCRIPT = ("EVALSHA", "0" * 40, 0)


class Loop:
    """As the server's: waits for whichever connection there is."""

    def __init__(self, url: str) -> None:
        self.epoll = select.epoll()
        self.trip = RoundTrip(for_sessions(Reach(url)))
        self.exchange = Exchange(self.trip)
        self.exchange.start(lambda number: self.epoll.register(number, select.EPOLLIN))
        self.connected()

    def connected(self) -> None:
        until(lambda: self.exchange.number >= 0, "it is not connected", 10)

    def ask(self, **askers: Commands) -> dict[str, list[object] | None]:
        """What each of them got, when all are back."""
        for asker, wanted in askers.items():
            assert self.exchange.ask(wanted, asker), asker
        heard: dict[str, list[object] | None] = {}
        end = time.monotonic() + 5
        while len(heard) < len(askers):
            assert time.monotonic() < end, f"only {heard} came back"
            came = self.exchange.flush()
            if any(number == self.exchange.number for number, _ in self.epoll.poll(0.05)):
                came += self.exchange.hear()
            for asker, wanted, answers in came:
                assert asker not in heard
                assert wanted == askers[asker]
                heard[asker] = answers
        return heard


@pytest.fixture
def loop(own_valkey: Valkey) -> Iterator[Loop]:
    loop = Loop(own_valkey.url)
    yield loop
    loop.epoll.close()


def test_what_is_asked_together_comes_back_to_whoever_asked(loop: Loop) -> None:
    heard = loop.ask(first=(("SET", "lukaotem", "163"), ("GET", "lukaotem")), second=(("GET", "nogat"),), third=(KEPT,))
    assert heard == {"first": [b"OK", b"163"], "second": [None], "third": [b"163"]}


def test_a_long_answer_comes_whole(loop: Loop) -> None:
    loop.trip.ask(("SET", "lukaotem", LONG))
    assert loop.ask(first=(KEPT,), second=(("PING",),)) == {"first": [LONG], "second": [b"PONG"]}


def test_who_hears_nothing_for_half_a_second_is_given_back_and_then_a_thread_asks(
    loop: Loop, own_valkey: Valkey
) -> None:
    own_valkey.freeze()
    began = time.monotonic()
    assert loop.ask(first=(KEPT,), second=(KEPT,)) == {"first": None, "second": None}
    assert time.monotonic() - began >= SECONDS
    assert not loop.exchange.ask((KEPT,), "third")
    own_valkey.kill()
    own_valkey.start()
    loop.connected()
    assert loop.ask(third=(("PING",),)) == {"third": [b"PONG"]}


def test_a_server_that_is_killed_gives_everybody_back(loop: Loop, own_valkey: Valkey) -> None:
    own_valkey.kill()
    assert loop.ask(first=(KEPT,)) == {"first": None}
    until(lambda: not loop.exchange.ask((KEPT,), "second"), "it asks nobody")


def test_a_connection_that_the_server_closed_is_made_anew(loop: Loop, own_valkey: Valkey) -> None:
    with redis.Redis.from_url(own_valkey.url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert loop.ask(first=(KEPT,)) == {"first": None}
    loop.connected()
    assert loop.ask(second=(("PING",),)) == {"second": [b"PONG"]}


def test_a_script_that_is_not_known_there_is_for_a_thread_and_no_fault(loop: Loop) -> None:
    number = loop.exchange.number
    assert loop.ask(first=(NO_SCRIPT,), second=(("PING",),)) == {"first": None, "second": [b"PONG"]}
    assert loop.exchange.number == number
    assert loop.trip.ask((*loop.trip.script("return ARGV[1]"), 0, "there")) == [b"there"]


def test_after_an_error_the_server_is_looked_up_anew(loop: Loop) -> None:
    """As after a change of masters, where the old one refuses to write: everything after it is asked again."""
    loop.ask(first=(("SET", "lukaotem", "163"),))
    heard = loop.ask(first=(("PING",),), second=(NOT_A_LIST,), third=(("PING",),))
    assert heard == {"first": [b"PONG"], "second": None, "third": None}
    loop.connected()
    assert loop.ask(fourth=(("PING",),)) == {"fourth": [b"PONG"]}


def test_redis_is_heard_before_it_is_called_away(own_valkey: Valkey) -> None:
    """Each request costs the loop 50 ms, as where other processes have the processor: Redis has answered long before,
    and stands behind all the lines."""
    site = Site(own_valkey.url)
    steps = site.web.steps

    def slow(environ: Any) -> Any:
        threading.Event().wait(0.05)
        return steps(environ)

    site.web.steps = slow  # type: ignore[method-assign]
    lines = [site.line() for _ in range(48)]
    number = site.web.exchange.number
    for n, line in enumerate(lines):
        line.sendall(neutral(f"s{n}", f"+67855{n:05d}"))
    assert [read(line)[0] for line in lines] == [200] * 48
    assert (site.web.exchange.number, site.by_threads) == (number, [])
    site.close()


def test_time_begins_when_it_is_sent(loop: Loop) -> None:
    """Many answers are heard at once; the steps of all that follow are taken before anything is sent on."""
    assert loop.exchange.ask((("PING",),), "first")
    threading.Event().wait(SECONDS + 0.1)  # the steps of many others
    assert loop.exchange.flush() == []
    until(lambda: bool(loop.epoll.poll(0.05)), "no answer")
    assert [answers for _, _, answers in loop.exchange.hear()] == [[b"PONG"]]


def test_a_connection_is_watched_before_it_is_used(own_valkey: Valkey) -> None:
    """Or it might be lost in between, and its number be somebody else's by the time that it is watched."""
    used: list[int] = []
    exchange = Exchange(RoundTrip(for_sessions(Reach(own_valkey.url))))
    exchange.start(lambda number: used.append(exchange.number))
    until(lambda: exchange.number >= 0, "it is not connected", 10)
    assert used == [-1]


def test_whoever_cannot_be_watched_is_not_asked(own_valkey: Valkey) -> None:
    tried = threading.Event()

    def watch(number: int) -> None:
        tried.set()
        raise OSError(28, "No space left on device")

    exchange = Exchange(RoundTrip(for_sessions(Reach(own_valkey.url))))
    exchange.start(watch)
    assert tried.wait(10)
    assert not exchange.ask((("PING",),), "first")


def test_whatever_is_wrong_with_an_answer_nobody_is_forgotten(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Way, "_good", lambda _: 1 // 0)
    assert loop.ask(first=(KEPT,), second=(KEPT,)) == {"first": None, "second": None}
    loop.connected()


def test_an_answer_that_is_false_is_an_answer(own_valkey: Valkey) -> None:
    """In RESP 3 there is such a thing. Taken for none, it would be given to whoever asked next."""
    connection = RoundTrip(for_sessions(Reach(own_valkey.url))).pool.get_connection()
    way = Way(connection)
    way.waiting.extend((asker, (KEPT,), time.monotonic()) for asker in ("first", "second"))
    mine, server = socket.socketpair()
    with mine, server:
        way._socket = mine
        server.sendall(b"#f\r\n+OK\r\n")
        heard: list[Any] = []
        way.read(heard)
    connection.disconnect()
    assert heard == [("first", (KEPT,), [False]), ("second", (KEPT,), [b"OK"])]
