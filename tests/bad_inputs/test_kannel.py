"""Kannel's endpoints: one SMS in both forms, unreadable requests, unknown delivery reports, invalid fields."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping

import pytest
import requests

from tests.bad_inputs.row import ANYWHERE, CODE, REPEATS, SAFE, SORRY, TO_SEND, Row
from tests.support.handsets_kannel import KannelTexts, KannelUssd, kannel_asks, kannel_says
from tests.support.wait import until

pytestmark = pytest.mark.slow

IDS = itertools.count(1)
STATUS = "SELECT status FROM outgoing WHERE provider_id = ?"
DANGER = "Are you or a child in danger?"
CATEGORY = "What happened?"
WAYS = ("POST", "GET")
FIJI = "Not working now. In danger? Call emergency 911."


def texts(row: Row, by: str = "POST") -> KannelTexts:
    return KannelTexts(row.address("kannel/T/sms"), row.phone, "163", by=by)


def ask(row: Row, said: Mapping[str, str], by: str = "POST", door: str = "sms") -> requests.Response:
    answer = kannel_asks(row.http, row.address(f"kannel/T/{door}"), said, by)
    answer.encoding = "utf-8"
    assert answer.status_code == 200
    return answer


@pytest.mark.rule("B-46")
@pytest.mark.parametrize(("first", "then"), [WAYS, WAYS[::-1], ("GET", "GET"), ("POST", "POST")])
def test_the_same_text_both_ways_is_one_step(row: Row, first: str, then: str) -> None:
    phone = texts(row)
    phone.text("hi")
    phone.text("1")
    assert phone.replies()[-1].startswith(DANGER)
    last = kannel_says(row.phone, "163", "3")  # No
    answer = ask(row, last, first)
    assert answer.text.startswith(CATEGORY)
    for _ in range(5):
        again = ask(row, last, then)
        assert again.content == answer.content
        assert again.headers.get("X-Kannel-Coding") == answer.headers.get("X-Kannel-Coding")
    phone.text("6")
    assert phone.replies()[-1].startswith("Who is this about?"), "one step, and no more"


@pytest.mark.rule("B-46")
@pytest.mark.parametrize("by", WAYS)
def test_the_same_text_for_a_day_of_tries(row: Row, by: str) -> None:
    phone = texts(row)
    phone.text("hi")
    last = kannel_says(row.phone, "163", "these words are meant to be heard")
    row.is_silent(last["text"])
    answers = {ask(row, last, by).content for _ in range(REPEATS)}
    assert len(answers) == 1
    assert row.report()["narrative"] == last["text"]


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize(
    "words", ["Tēnā 😀 they wait", "a&b=c+d %41 ; they wait", "=?&%%% they wait", " they \n wait "]
)
def test_words_are_kept_as_typed(row: Row, by: str, words: str) -> None:
    phone = texts(row, by)
    for reply in ("hi", *TO_SEND[:-1]):
        phone.text(reply)
    row.is_silent(words)
    phone.text(words)
    for reply in ("No", "Send"):
        phone.text(reply)
    assert phone.replies()[-1].startswith("Sent to Pikinini Helpline.")
    assert row.report()["narrative"] == words


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("sender", ["MTN", "1234", ""])
def test_a_sender_that_is_nobody(row: Row, by: str, sender: str) -> None:
    said = kannel_says(row.phone, "163", "these are somebody's words") | {"from": sender}
    row.is_silent(said["text"])
    assert ask(row, said, by).content == b"", "nobody is answered"
    assert base64.b64decode(row.report()["body_base64"]).decode() == said["text"]


@pytest.mark.rule("B-39")
@pytest.mark.parametrize(("code", "country"), [("163", "VU"), ("133", "FJ"), ("22384", "KE")])
def test_a_sender_named_twice_is_kept_for_a_person(row: Row, code: str, country: str) -> None:
    """The child helpline of the texted country reads it, and no other country's."""
    row.is_silent("words of somebody")
    query = f"from=6785550199&from=6785550198&to={code}&text=words%20of%20somebody"
    answer = row.http.get(f"{row.address('kannel/T/sms')}?{query}", timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")
    kept = row.report()
    assert (base64.b64decode(kept["body_base64"]).decode(), kept["country"]) == (query, country)


@pytest.mark.rule("B-39")
def test_a_sender_too_long_is_kept_by_the_country_that_was_texted(row: Row) -> None:
    row.is_silent("words of somebody")
    assert ask(row, kannel_says("9" * 129, "133", "words of somebody")).content == b""
    kept = row.report()
    assert (base64.b64decode(kept["body_base64"]), kept["country"]) == (b"words of somebody", "FJ")


def test_an_old_text_takes_no_step(row: Row) -> None:
    """Kannel has retried it for an hour."""
    phone = texts(row)
    phone.text("hi")
    phone.text("1")
    current = phone.replies()[-1]
    old = kannel_says(row.phone, "163", "3")
    late = ask(row, old | {"ts": str(int(old["ts"]) - 3600)})
    assert late.text.replace(f"{SORRY}\n", "") == current


@pytest.mark.rule("B-53")
def test_a_report_about_a_message_of_somebody_else(row: Row) -> None:
    before = row.stored_data.figure("delivery_receipts_unmatched")
    with row.nothing_kept():
        for n in range(REPEATS):
            told(row, id=f"of-others-{n}", type="1")
    assert row.stored_data.figure("delivery_receipts_unmatched") == before + REPEATS


@pytest.mark.rule("B-53")
@pytest.mark.parametrize("id_", [None, "", "x" * 500, "\0", "' OR 1=1 --", "../1"])
def test_a_report_about_nothing_at_all(row: Row, id_: str | None) -> None:
    with row.nothing_kept():
        told(row, id=id_, type="1")


@pytest.fixture
def sent(row: Row) -> str:
    """Give a sent SMS to Kannel in the database, and return its id there."""
    africas = row.texts()
    africas.send("hi")
    africas.until_at_rest()
    [(message,)] = row.stored_data.rows("SELECT id FROM outgoing WHERE state = 'sent' ORDER BY created_at DESC LIMIT 1")
    own = f"kannel-{next(IDS)}"
    row.stored_data.rows("UPDATE outgoing SET provider_id = ?, status = NULL WHERE id = ?", own, message)
    return own


@pytest.mark.rule("B-54")
def test_a_report_before_the_answer_to_our_own_call(row: Row, sent: str) -> None:
    early = f"kannel-early-{next(IDS)}"
    told(row, id=early, type="1")
    row.stored_data.rows("UPDATE outgoing SET provider_id = ? WHERE provider_id = ?", early, sent)
    until(lambda: row.stored_data.rows(STATUS, early) == [("delivered",)], "the early report is lost", seconds=30)


@pytest.mark.rule("B-55")
@pytest.mark.parametrize("types", [("8", "1"), ("1", "8"), ("1", "4"), ("1", "2"), ("1", "16"), ("1", "?"), ("1",)])
def test_reports_in_any_order_lead_to_delivered(row: Row, sent: str, types: tuple[str, ...]) -> None:
    for one in types:
        told(row, id=sent, type=one)
    assert row.stored_data.rows(STATUS, sent) == [("delivered",)]


@pytest.mark.rule("B-55")
@pytest.mark.parametrize("type_", [None, "", "0", "32", "9", "Foo", "x" * 5000])
def test_a_type_that_nobody_knows(row: Row, sent: str, type_: str | None) -> None:
    before = row.stored_data.figure("delivery_receipts_unknown_status")
    told(row, id=sent, type=type_)
    assert row.stored_data.figure("delivery_receipts_unknown_status") == before + 1
    assert row.stored_data.rows(STATUS, sent)[0][0] in (None, "unknown")


def told(row: Row, by: str = "GET", **fields: str | None) -> None:
    """Send a delivery report as Kannel does."""
    answer = row.http.request(by, row.address("kannel/T/dlr"), params=fields, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["kannel/T/sms", "kannel/T/ussd", "kannel/T/dlr"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
def test_other_methods(row: Row, path: str, method: str) -> None:
    answer = row.http.request(method, row.address(path), timeout=10)
    assert (answer.status_code, answer.content) == (405, b"")


def test_a_report_may_be_posted(row: Row, sent: str) -> None:
    told(row, "POST", id=sent, type="1")
    assert row.stored_data.rows(STATUS, sent) == [("delivered",)]
    unreadable = row.stored_data.figure("provider_events_unparsed")
    told(row, "POST", type="1")
    assert row.stored_data.figure("provider_events_unparsed") == unreadable + 1


# USSD over SMPP


def call(row: Row) -> KannelUssd:
    return KannelUssd(row.address("kannel/T/ussd"), row.phone, CODE)


def test_another_number_with_the_same_session_sees_nothing(row: Row) -> None:
    one = call(row)
    home = one.dial()
    one.type("1")
    other = KannelUssd(one.door, row.new_phone(), CODE, session=one.session)
    assert other._send("3", operation=18) == home


@pytest.mark.parametrize(
    "meta", ["", "?smpp?", "?smpp?its_session_info=%12%00", "=&?%", f"?smpp?ussd_service_op={'9' * 999}"]
)
def test_a_dial_without_an_operation(row: Row, meta: str) -> None:
    """Some networks do not know operations: the service code itself is the start."""
    answer = ask(row, kannel_says(row.phone, CODE, CODE, meta=meta), door="ussd")
    assert answer.text.startswith("In danger? Call police 111.")
    assert answer.headers["X-Kannel-Meta-Data"].startswith("?smpp?ussd_service_op=2")


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("sender", ["", "9" * 129])
@pytest.mark.parametrize(("code", "said"), [(CODE, SAFE), ("*133#", FIJI), ("*999#", ANYWHERE), ("", ANYWHERE)])
def test_a_reply_from_nobody(row: Row, by: str, sender: str, code: str, said: str) -> None:
    """The screen has the numbers of the dialled country, and the session is closed in the network's form."""
    keys = row.stored_data.sessions()
    asked = kannel_says(sender, code, "1", meta="?smpp?ussd_service_op=%12&its_session_info=%12%00&")
    answer = ask(row, asked, by, door="ussd")
    assert answer.text.startswith(said)
    assert answer.headers["X-Kannel-Meta-Data"] == "?smpp?ussd_service_op=17&its_session_info=4609"
    assert row.stored_data.sessions() <= keys, "no session is made"


def test_the_same_turn_again_is_the_same_answer(row: Row) -> None:
    phone = call(row)
    phone.dial()
    danger = phone.type("1")
    for _ in range(5):
        assert phone.again() == danger
    assert phone.type("3").text.startswith(CATEGORY)
