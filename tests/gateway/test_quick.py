"""What is taken for quick waits for nothing but Redis: one thread takes it, and nobody else's screen is held up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from flows.model import Answer, State
from flows.packing import pack
from gateway.message import Inbound, Turn
from gateway.quick import is_quick
from gateway.record import Begun, Draft, Record
from gateway.steps import MAY_TAKE_LONG
from gateway.turns import Last, Reply
from tests.support.site import Site, ask, neutral, posted, read
from tests.support.valkey import Valkey
from tests.support.wait import until

SENT_BY_NOBODY = {"sms": "somebody help, he is at the door again", "phone": "Shop", "service_code": "163", "id": "m1"}


@pytest.fixture
def site(redis_url: str) -> Iterator[Site]:
    site = Site(redis_url)
    yield site
    site.close()


def in_danger(site: Site) -> bytes:
    """Walks until a report waits to file itself; gives the end of that call."""
    line = site.line()
    ask(line, neutral("one", "+6785550101"))
    for turn, reply in enumerate(("Report", "Now", "Go on", "Bullying, threats"), 2):
        assert ask(line, neutral("one", "+6785550101", reply, turn))["continue"]
    said = {"session": "one", "phone": "+6785550101", "service_code": "*111*163#", "network": "", "turn": ""}
    return posted({**said, "event": "close", "text": ""})


@pytest.mark.slow
@pytest.mark.parametrize("what", ["the end of a call", "a text that nobody can answer", "Send"])
def test_whoever_waits_for_the_database_holds_up_nobody(site: Site, what: str) -> None:
    """Each of them comes as a USSD request. Its write waits until somebody else was answered."""
    end, line, other = in_danger(site), site.line(), site.line()
    if what == "Send":
        for turn, reply in enumerate(("Shefa", "Me", "No"), 6):
            ask(line, neutral("one", "+6785550101", reply, turn))
    written: list[str] = []
    may_write = threading.Event()
    write = site.app.database.write

    def noted(*given: object) -> object:
        written.append(threading.current_thread().name)
        assert may_write.wait(60)
        return write(*given)

    site.app.database.write = noted  # type: ignore[assignment, method-assign]
    ask(other, neutral("two", "+6785550102"))
    try:
        texts = {"the end of a call": end, "a text that nobody can answer": posted(SENT_BY_NOBODY)}
        line.sendall(texts.get(what) or neutral("one", "+6785550101", "Send", 9))
        until(lambda: bool(written), "nothing is written")
        assert ask(other, neutral("three", "+6785550102"))["continue"]
    finally:
        may_write.set()
    assert read(line)[0] == 200
    assert "serve" not in written


@pytest.mark.slow
def test_a_walk_without_danger_is_taken_by_one_thread(site: Site) -> None:
    line = site.line()
    ask(line, neutral("one", "+6785550101"))
    for turn, reply in enumerate("1231441", 2):
        shown = ask(line, neutral("one", "+6785550101", reply, turn))["text"]
    assert shown.startswith("Send to Pikinini Helpline")
    assert site.by_threads == []
    assert ask(line, neutral("one", "+6785550101", "1", 9))["text"].startswith("Sent to Pikinini Helpline.")
    assert site.by_threads == [MAY_TAKE_LONG]


@pytest.mark.slow
def test_what_waits_for_redis_is_answered_before_the_server_stops(own_valkey: Valkey) -> None:
    site = Site(own_valkey.url)
    line, half = site.line(), site.line()
    ask(line, neutral("one", "+6785550101"))
    own_valkey.freeze()
    line.sendall(neutral("two", "+6785550101"))
    half.sendall(neutral("three", "+6785550103"))
    half.shutdown(socket.SHUT_WR)
    until(lambda: site.web.exchange.waits, "nobody has asked")
    site.server.stop()
    assert site.server.is_busy
    assert [read(one)[0] for one in (line, half)] == [200, 200]
    until(lambda: not site.server.is_busy, "lines are left", 10)
    site.close()


@pytest.mark.slow
def test_a_thread_that_stands_still_is_known(site: Site) -> None:
    """The master replaces a process that does not say it is well; and this one would answer nobody."""
    stuck = threading.Event()
    site.web.steps = lambda environ: stuck.wait(20)  # type: ignore[assignment, method-assign]
    assert site.server.is_awake
    site.line().sendall(neutral("one", "+6785550101"))
    until(lambda: not site.server.is_awake, "nobody sees it", 15)
    stuck.set()
    until(lambda: site.server.is_awake, "it is given up", 10)


def test_an_earlier_walk_of_very_many_words_is_not_quick() -> None:
    """Taken along, its words may have to be filed apart: in the database."""
    typed = Answer("report.narrative", "narrative", "x" * 299_000, True, 0)
    state = State("report.category", (("report.danger", 0),), (Answer("report.danger", "danger", "no", False, 0),))
    record = Record(state, Last("a"), Turn("", goes_on=True), 0)
    inbound = Inbound("ussd", "ussd", "+6785550101", "*111*163#", "2")

    def quick(*answers: Answer) -> bool:
        draft = Draft("no", "missing", pack(State("report.contact", (), answers)), Begun("id", b"key", 0), 0)
        return is_quick(inbound, record, [draft], Reply("2"), frozenset())

    assert quick()
    assert not quick(typed)
