"""Our requests to Africa's Talking, and the outcomes of its responses, with its errors and odd content types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from runtime.settings import Mode, SettingError, load_settings
from tests.workers.fake_http_server import Answer, FakeHttpServer, How
from workers.network.http_client import HttpClient, HttpTimeouts
from workers.senders.africastalking import CODES, Sender, Settings
from workers.sms.dispatcher import Accepted, DoNotRetry, RetryLater, SmsMessage, SmsOutcome

pytestmark = pytest.mark.slow

TEXT = SmsMessage(to="+6785550101", sender="22384", words="Sent to Pikinini Helpline.\nCode 4821 9303 é €")
LIMITS = HttpTimeouts(resolve=2, connect=2, read=2, total=4, drain=0.3)  # a busy machine answers late; a hung one never


@pytest.fixture
def api() -> Iterator[FakeHttpServer]:
    with FakeHttpServer() as it:
        yield it


def sender(url: str) -> Sender:
    settings = load_settings(Settings, {"AFRICASTALKING_API_KEY": "key-1", "AFRICASTALKING_URL": url})
    return Sender(settings, Mode.DEMO, HttpClient(limits=LIMITS))


def said(code: int = 101, message_id: object = "ATXid_1", kind: str = "application/json") -> Answer:
    one = {"statusCode": code, "number": TEXT.to, "status": "Success", "cost": "KES 0.8000", "messageId": message_id}
    return answered({"SMSMessageData": {"Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [one]}}, kind)


def answered(body: Any, kind: str = "application/json", status: int = 201) -> Answer:
    return Answer(status, {"Content-Type": kind}, json.dumps(body).encode())


def ask(api: FakeHttpServer, answer: Answer, text: SmsMessage = TEXT) -> SmsOutcome:
    api.answer(answer)
    return sender(f"http://{api.host_port}").send(text)


def test_what_is_asked(api: FakeHttpServer) -> None:
    assert ask(api, said()) == Accepted("ATXid_1")
    [taken] = api.requests
    assert taken.head == "POST /version1/messaging HTTP/1.1"
    assert taken.headers["apikey"] == "key-1"
    assert taken.headers["accept"] == "application/json"
    assert parse_qs(taken.body.decode()) == {
        "username": ["sandbox"],
        "to": [TEXT.to],
        "message": [TEXT.words],
        "bulkSMSMode": ["1"],
        "from": ["22384"],
        "enqueue": ["1"],
    }


def test_a_reply_that_needs_a_link_gives_it_back(api: FakeHttpServer) -> None:
    assert ask(api, said(), SmsMessage(TEXT.to, "22384", "hello", link="link-7")) == Accepted("ATXid_1")
    fields = parse_qs(api.requests[0].body.decode())
    assert (fields["linkId"], fields["bulkSMSMode"], fields["from"]) == (["link-7"], ["0"], ["22384"])


def test_without_a_short_code_the_account_decides(api: FakeHttpServer) -> None:
    ask(api, said(), SmsMessage(TEXT.to, "", "hello"))
    assert "from" not in parse_qs(api.requests[0].body.decode())


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", ""])
def test_the_content_type_changes_nothing(api: FakeHttpServer, kind: str) -> None:
    assert ask(api, said(kind=kind)) == Accepted("ATXid_1")


@pytest.mark.parametrize("code", CODES)
def test_each_code_of_a_recipient(api: FakeHttpServer, code: int) -> None:
    expected = CODES[code]
    expected = Accepted("ATXid_1") if isinstance(expected, Accepted) else expected
    assert ask(api, said(code)) == expected


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (100, Accepted),
        (102, Accepted),
        (401, RetryLater),
        (402, DoNotRetry),
        (403, DoNotRetry),
        (404, DoNotRetry),
        (405, RetryLater),
        (406, DoNotRetry),
        (407, DoNotRetry),
        (409, RetryLater),
        (500, RetryLater),
        (501, RetryLater),
        (502, DoNotRetry),
        (999, DoNotRetry),
    ],
)
def test_what_may_be_tried_again(api: FakeHttpServer, code: int, outcome: type) -> None:
    assert isinstance(ask(api, said(code)), outcome)


@pytest.mark.parametrize("given", ["None", "", None, 7, "x" * 81])
def test_an_id_that_is_none(api: FakeHttpServer, given: object) -> None:
    assert ask(api, said(message_id=given)) == Accepted(None)


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("InvalidSenderId", DoNotRetry("sender_id")),
        ("InsufficientBalance", RetryLater("credit")),
        ("UserInBlacklist", DoNotRetry("opt_out")),
        ("Something new", DoNotRetry("provider")),
    ],
)
def test_no_recipients(api: FakeHttpServer, message: str, outcome: SmsOutcome) -> None:
    assert ask(api, answered({"SMSMessageData": {"Message": message, "Recipients": []}})) == outcome


INFINITE = b'{"SMSMessageData": {"Recipients": [{"statusCode": 1e999}]}}'


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"<html>", b"[]", b"{}", b'{"SMSMessageData": 7}', b"\xff\xfe", b"[" * 60_000, INFINITE],
)
def test_a_2xx_that_cannot_be_read_accepts_nothing_and_is_not_sent_twice(api: FakeHttpServer, body: bytes) -> None:
    """It may be the page of a proxy: a duty phone must not count as notified."""
    assert ask(api, Answer(201, {}, body)) == DoNotRetry("not_understood")


@pytest.mark.parametrize("how", ["half_body", "body_in_drips", "endless"])
def test_a_result_that_breaks_off_accepts_nothing(api: FakeHttpServer, how: How) -> None:
    assert ask(api, replace(said(), how=how)) == DoNotRetry("not_understood")


@pytest.mark.parametrize(("before", "after"), [(b"\xef\xbb\xbf", b""), (b"", b"\n")])
def test_a_result_is_read_in_any_encoding(api: FakeHttpServer, before: bytes, after: bytes) -> None:
    body = before + said().body.replace(b"KES", b"\xa3") + after
    assert ask(api, Answer(201, {}, body)) == Accepted("ATXid_1")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, DoNotRetry("provider")),
        (401, RetryLater("locked_out")),
        (403, RetryLater("locked_out")),
        (404, DoNotRetry("provider")),
        (409, RetryLater("busy")),
        (429, RetryLater("busy")),
        (500, RetryLater("busy", once=True)),
        (502, RetryLater("busy", once=True)),
        (503, RetryLater("busy")),
        (302, DoNotRetry("provider")),
    ],
)
def test_errors_by_their_status(api: FakeHttpServer, status: int, outcome: SmsOutcome) -> None:
    answer = Answer(status, {"Location": "http://127.0.0.1:1/"}, b"The supplied authentication is invalid")
    assert ask(api, answer) == outcome
    assert api.connections == 1


@pytest.mark.parametrize("how", ["never", "close", "reset", "half_head", "head_in_drips"])
def test_what_may_have_gone_out_is_never_sent_again(api: FakeHttpServer, how: str) -> None:
    assert isinstance(ask(api, Answer(201, how=how)), DoNotRetry)


def test_what_surely_did_not_go_out_is(free_port: int) -> None:
    assert sender(f"http://127.0.0.1:{free_port}").send(TEXT) == RetryLater("not_reached")


@pytest.mark.parametrize("to", ["", "+", "+678", "5550101", "MyBank", "+6785550101\n", "+67855501O1", "+" + "9" * 16])
def test_no_number_no_call(api: FakeHttpServer, to: str) -> None:
    assert ask(api, said(), SmsMessage(to, "22384", "hello")) == DoNotRetry("bad_number")
    assert api.requests == []


def test_live_goes_by_https_and_needs_a_key() -> None:
    with pytest.raises(SettingError) as caught:
        load_settings(Settings, {"TOKAUT_MODE": "live", "AFRICASTALKING_URL": "http://api.example"})
    assert {fault.name for fault in caught.value.faults} == {"AFRICASTALKING_API_KEY", "AFRICASTALKING_URL"}


def test_the_key_and_the_number_are_in_no_repr() -> None:
    settings = load_settings(Settings, {"AFRICASTALKING_API_KEY": "key-1"})
    assert "key-1" not in repr(settings)
    assert TEXT.to not in repr(TEXT)
    assert "Pikinini" not in repr(TEXT)
