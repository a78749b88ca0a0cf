"""Two requests at once, and a process that dies at the worst moment: no word is lost or stored twice."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from random import Random

import pytest

from gateway.circuit_breaker import CircuitBreaker
from reports.store.engine.sqlite import SQLiteWriter
from reports.store.schema import tables as t
from runtime.deadline import DeadlineExceeded
from tests.safeguarding.call_paths import (
    CHANNELS,
    IN_DANGER,
    PHONE,
    TO_SEND,
    TO_SEND_SMS,
    TO_SENT,
    dial_path,
    send_texts,
)
from tests.safeguarding.outages import code_and_pin, overtaken, redis_unavailable, session_not_saved
from tests.support.app import App
from tests.support.wait import until

pytestmark = pytest.mark.slow

WORDS = "My cousin is in trouble at home"
SISTER = "and my sister is in trouble there too"
PARTS = tuple(f"part {word} of what I want to say to you" for word in
              ("one", "two", "three", "four", "five", "six", "seven", "eight"))  # fmt: skip
LONG_AFTER = 1801  # seconds


class NotAccepted(Exception):
    pass


def text(app: App, words: str, id_: str) -> str:
    """Post one SMS of this phone, on a connection of its own. Raises NotAccepted for 503."""
    body = json.dumps({"sms": words, "phone": PHONE, "service_code": "163", "id": id_})
    answer = app.flask.test_client().post("/hooks/simulator", data=body)
    if answer.status_code == 503:
        raise NotAccepted
    assert answer.status_code == 200
    return str(answer.get_json()["text"])


def words_received(app: App) -> list[set[str]]:
    """Return all words of each report at the helpline, from its last revision."""
    last = {kept.report_id: kept.data for kept in app.bodies() if kept.hotline == "vu-pikinini"}
    return [{one["narrative"], *(said["text"] for said in one["unasked"])} - {None} for one in last.values()]


# SMS


@pytest.mark.rule("S-12")
def test_two_texts_at_once_leave_one_report_with_the_words_of_both(app: App) -> None:
    with overtaken(app, lambda: text(app, SISTER, "b")):
        text(app, WORDS, "a")
    assert app.count(t.pending) == 1
    app.submit_due_within(LONG_AFTER)
    assert words_received(app) == [{WORDS, SISTER}]


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-08")
def test_leaving_after_two_texts_at_once_deletes_both(app: App) -> None:
    with overtaken(app, lambda: text(app, SISTER, "b")):
        text(app, WORDS, "a")
    assert text(app, "00", "c") == ""
    assert app.count(t.pending) == 0
    app.submit_due_within(LONG_AFTER)
    assert words_received(app) == []


def is_accepted(app: App, words: str, id_: str) -> bool:
    """Post one SMS, as its provider does again after 503; return whether it was accepted."""
    with suppress(NotAccepted):
        text(app, words, id_)
        return True
    return False


def at_once(app: App, texts: Sequence[str]) -> set[str]:
    """Post all at once, and return the accepted ones; the provider sends the others again."""
    together = threading.Barrier(len(texts))
    taken: set[str] = set()

    def send(n: int) -> None:
        together.wait(30)
        if is_accepted(app, texts[n], f"t{n}"):
            taken.add(texts[n])

    threads = [threading.Thread(target=send, args=(n,)) for n in range(len(texts))]
    for thread_ in threads:
        thread_.start()
    for thread_ in threads:
        thread_.join()
    return taken


def settle(app: App) -> None:
    """Handle stored SMS and spool entries until none is left; a busy disk may delay some again."""

    def is_settled() -> bool:
        app.parts.submitter._breaker = CircuitBreaker("database_unavailable", failures=3, window=30, pause=30)
        app.parts.housekeeping.once()
        return not app.parts.spool.names() and all(row.waiting is None for row in app.rows(t.inbound))

    until(is_settled, "some words are put off again and again")


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-36")
@pytest.mark.parametrize("sent", [False, True], ids=["first words", "after Send"])
def test_of_eight_texts_at_once_none_is_lost(app: App, sent: bool) -> None:
    """In any order: an SMS that loses the compare-and-set too often is stored, and handled later."""
    if sent:
        assert send_texts(app.sms(PHONE), "hi", *TO_SEND_SMS, "Send")[-1].startswith("Sent to ")
    taken = at_once(app, PARTS)
    settle(app)
    for n in [n for n, part in enumerate(PARTS) if part not in taken]:  # a slow machine had no time for these
        until(lambda n=n: is_accepted(app, PARTS[n], f"t{n}"), "a text is refused again and again")
    settle(app)
    app.submit_due_within(LONG_AFTER)
    [words] = words_received(app)
    assert words - {TO_SEND_SMS[-2]} == set(PARTS)


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("seed", range(5))
def test_of_eight_texts_at_once_none_that_was_taken_is_lost_though_the_database_refuses_some(
    app: App, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    send_texts(app.sms(PHONE), "hi", *TO_SEND_SMS, "Send")
    chance, in_turn = Random(seed), SQLiteWriter._in_turn

    def refuses(writer: SQLiteWriter) -> AbstractContextManager[None]:
        if chance.random() < 0.15:
            raise DeadlineExceeded
        return in_turn(writer)

    with monkeypatch.context() as now_and_then:
        now_and_then.setattr(SQLiteWriter, "_in_turn", refuses)
        taken = at_once(app, PARTS)
    settle(app)
    app.submit_due_within(LONG_AFTER)
    [words] = words_received(app)
    assert words - {TO_SEND_SMS[-2]} >= taken


@pytest.mark.rule("S-12")
@pytest.mark.rule("S-36")
@pytest.mark.parametrize("sent", [False, True], ids=["first words", "after Send"])
def test_a_text_that_is_overtaken_three_times_waits_and_is_heard(app: App, sent: bool) -> None:
    if sent:
        send_texts(app.sms(PHONE), "hi", *TO_SEND_SMS, "Send")
    others = [lambda n=n: text(app, PARTS[n], f"o{n}") for n in range(3)]
    with overtaken(app, *others):
        assert text(app, WORDS, "w") == ""
    assert [row.waiting is not None for row in app.rows(t.inbound)] == [True]
    app.parts.housekeeping.once()
    app.submit_due_within(LONG_AFTER)
    [words] = words_received(app)
    assert words - {TO_SEND_SMS[-2]} == {WORDS, *PARTS[:3]}
    text(app, WORDS, "w")
    app.parts.housekeeping.once()
    app.submit_due_within(2 * LONG_AFTER)
    assert words_received(app) == [words], "the provider sent it again"


# Between handling a turn and saving it


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-07")
@pytest.mark.parametrize("channel", CHANNELS)
def test_what_was_sent_and_not_kept_is_not_a_siblings_report(app: App, channel: str) -> None:
    """The same phone and first answers, after the first call failed: two reports, each with its own code."""
    first = app.ussd(PHONE, channel)
    dial_path(first, *TO_SEND)
    with session_not_saved(app):
        sent = first.type("Send")
    assert sent.text.startswith("Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")
    assert sent.expects_reply == (channel == "africastalking"), (
        "without the path, what follows meets the screen before Send"
    )
    sibling = dial_path(app.ussd(PHONE, channel), *TO_SENT)[-1]
    codes = [code_and_pin(sent.text), code_and_pin(sibling)]
    assert len(set(codes)) == len({code for code, _ in codes}) == app.count(t.report) == 2
    for code, pin in codes:
        opened = dial_path(app.ussd(PHONE, channel), "My report", code, pin)[-1]
        assert opened.startswith("We have it and are still sending it.")


@pytest.mark.product(parts=4)
@pytest.mark.rule("S-12")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("after", [("1",), ("1", WORDS), (WORDS,), ("0",), ("00",), ("9",), ()], ids=" ".join)
def test_nothing_incomplete_comes_after_a_send_that_was_not_kept(
    app: App, channel: str, after: tuple[str, ...]
) -> None:
    """In danger and after Sent, whatever is typed into that call, the hotline has one complete report."""
    phone = app.ussd(PHONE, channel)
    dial_path(phone, *IN_DANGER[:-1], "SMS 7am-9pm")
    with session_not_saved(app):
        sent = phone.type("1")
    assert sent.text.startswith("Sent to ") and sent.expects_reply == (channel == "africastalking")
    for reply in after:
        phone.type(reply)
    phone.drop_call()
    app.submit_due_within(LONG_AFTER)
    kept = [one.data for one in app.bodies() if one.hotline == "vu-pikinini"]
    assert {one["completeness"] for one in kept} == {"complete"}
    assert all(one["contact"]["allowed"] for one in kept)
    assert app.count(t.report) == 1


@pytest.mark.parametrize("redis_is_back", [False, True])
def test_a_send_that_was_not_kept_is_answered_alike_again(app: App, redis_is_back: bool) -> None:
    """The path gives the same answer, whether Redis is still unavailable or has the screen before Send."""
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *TO_SEND)
    with session_not_saved(app):
        sent = phone.type("1")
    with nullcontext() if redis_is_back else redis_unavailable(app):
        assert phone.again() == sent
    assert app.count(t.report) == 1


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("missed", [1, 2])
def test_answers_that_redis_missed_press_no_key_unseen(app: App, missed: int) -> None:
    """Redis was unavailable for some answers: the stored path is shorter than the provider's.

    These answers are replayed, and Send needs another key.
    """
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *TO_SEND[: -1 - missed])
    with redis_unavailable(app):
        for reply in TO_SEND[-1 - missed : -1]:
            phone.type(reply)
    seen = phone.type(TO_SEND[-1])
    assert seen.text.startswith("Send to Pikinini Helpline")
    assert app.count(t.report) == app.count(t.pending) == 0
    assert phone.type("1").text.startswith("Sent to Pikinini Helpline.")
    assert app.count(t.report) == 1


@pytest.mark.rule("S-12")
def test_answers_that_redis_missed_are_filed_with_what_was_said_in_danger(app: App) -> None:
    phone = app.ussd(PHONE, "africastalking")
    dial_path(phone, *IN_DANGER[:4])
    with redis_unavailable(app):
        phone.type("Shefa")
    assert phone.type("Me").text.startswith("May staff contact you")
    app.submit_due_within(121)
    [kept] = [kept.data for kept in app.bodies()]
    assert kept["completeness"] == "incomplete"
    assert [answer["value"] for answer in kept["answers"]][-2:] == ["VU-SEE", "me"]


# A call that continues an earlier one


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("faster", ["0", "00"])
def test_a_lost_race_deletes_no_words_of_the_call_before(app: App, faster: str) -> None:
    first = app.ussd(PHONE, "ussd")
    dial_path(first, *IN_DANGER[:4], WORDS)
    first.drop_call()
    second = app.ussd(PHONE, "ussd")
    dial_path(second, *IN_DANGER[:3])
    other = copy.copy(second)
    other.http = type(second.http)(app.flask.test_client())
    with overtaken(app, lambda: other.type(faster)):
        second.type(IN_DANGER[3])
    second.drop_call()
    app.submit_due_within(LONG_AFTER)
    assert WORDS in set().union(*words_received(app))
