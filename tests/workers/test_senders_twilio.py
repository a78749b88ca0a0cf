"""Our requests to Twilio's API over a real socket, and the outcomes of its responses, with its errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from runtime.settings import Mode, SettingError, load_settings
from tests.workers.fake_http_server import Answer, FakeHttpServer
from workers.network.allowlist import BadTarget
from workers.network.http_client import HttpClient, HttpTimeouts
from workers.notifications.texts import SMS_ADVICE
from workers.senders.twilio import CODES, Sender, Settings
from workers.sms.dispatcher import OPERATOR_FAULTS, Accepted, DoNotRetry, RetryLater, SmsMessage, SmsOutcome

pytestmark = pytest.mark.slow

ACCOUNT = "AC" + "0123456789abcdef" * 2
SERVICE = "MG" + "0123456789abcdef" * 2
SID = "SM" + "1" * 32
TEXT = SmsMessage(
    to="+6785550101", sender="+6785550000", words="Sent to Pikinini Helpline.\nCode 4821 9303 é €", id="ours-1"
)
LIMITS = HttpTimeouts(resolve=2, connect=2, read=2, total=4, drain=0.3)  # a busy machine answers late; a hung one never


@pytest.fixture
def api() -> Iterator[FakeHttpServer]:
    with FakeHttpServer() as it:
        yield it


def settings(url: str = "", **more: str) -> Settings:
    environ = {
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": "newest-token,older-token",
        "TWILIO_URL": url,
        "PUBLIC_URL": "https://tokaut.example",
    }
    return load_settings(Settings, environ | more)


def sender(url: str, **more: str) -> Sender:
    return Sender(settings(url, **more), Mode.DEMO, HttpClient(limits=LIMITS))


def message(**changes: Any) -> dict[str, Any]:
    """Return a message resource as in twilio.com/docs/messaging/api/message-resource."""
    return {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": TEXT.words,
        "date_created": "Wed, 25 Nov 2026 16:28:42 +0000",
        "date_sent": None,
        "date_updated": "Wed, 25 Nov 2026 16:28:42 +0000",
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": TEXT.sender,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": SID,
        "status": "queued",
        "subresource_uris": {"media": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}/Media.json"},
        "to": TEXT.to,
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json",
    } | changes


def said(body: Any, status: int = 201) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def error(code: int | None, status: int = 400) -> Answer:
    body = {"message": "No.", "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    return said(body if code is None else {"code": code} | body, status)


def ask(api: FakeHttpServer, answer: Answer, text: SmsMessage = TEXT, **more: str) -> SmsOutcome:
    api.answer(answer)
    return sender(f"http://{api.host_port}", **more).send(text)


def test_what_is_asked(api: FakeHttpServer) -> None:
    assert ask(api, said(message())) == Accepted(SID)
    [taken] = api.requests
    assert taken.head == f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1"
    assert taken.headers["authorization"] == "Basic " + base64.b64encode(f"{ACCOUNT}:newest-token".encode()).decode()
    assert "python" not in str(taken.headers).lower()
    assert parse_qs(taken.body.decode(), strict_parsing=True) == {
        "To": [TEXT.to],
        "From": [TEXT.sender],
        "Body": [TEXT.words],
        "ValidityPeriod": ["600"],
        "StatusCallback": ["https://tokaut.example/hooks/twilio/status?id=ours-1"],
    }


@pytest.mark.parametrize(
    ("more", "written_to", "named"),
    [
        ({}, "163", {"From": ["163"]}),
        ({"TWILIO_FROM": "+6785550009"}, "163", {"From": ["163"]}),
        ({"TWILIO_FROM": "+6785550009"}, "", {"From": ["+6785550009"]}),
        ({"TWILIO_MESSAGING_SERVICE_SID": SERVICE}, "163", {"MessagingServiceSid": [SERVICE]}),
        ({"TWILIO_MESSAGING_SERVICE_SID": SERVICE, "TWILIO_FROM": "163"}, "", {"MessagingServiceSid": [SERVICE]}),
    ],
)
def test_which_number_it_comes_from(
    api: FakeHttpServer, more: dict[str, str], written_to: str, named: dict[str, list[str]]
) -> None:
    ask(api, said(message()), SmsMessage(TEXT.to, written_to, "hello"), **more)
    asked = parse_qs(api.requests[0].body.decode())
    assert {name: asked[name] for name in ("From", "MessagingServiceSid") if name in asked} == named


@pytest.mark.parametrize(("left", "period"), [(600, "600"), (31, "31"), (0, "5"), (-9, "5"), (90_000, "36000")])
def test_how_long_it_may_wait(api: FakeHttpServer, left: int, period: str) -> None:
    ask(api, said(message()), SmsMessage(TEXT.to, "163", "hello", seconds=left))
    assert parse_qs(api.requests[0].body.decode())["ValidityPeriod"] == [period]


@pytest.mark.parametrize("code", CODES)
def test_each_code_of_an_error(api: FakeHttpServer, code: int) -> None:
    assert ask(api, error(code)) == CODES[code]
    assert api.connections == 1


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (21211, DoNotRetry("bad_number")),
        (21614, DoNotRetry("bad_number")),
        (21612, DoNotRetry("bad_number")),
        (30003, RetryLater("busy", once=True)),
        (30005, DoNotRetry("bad_number")),
        (30006, DoNotRetry("bad_number")),
        (21610, DoNotRetry("opt_out")),
        (30004, DoNotRetry("provider")),
        (30007, DoNotRetry("provider")),
        (21617, DoNotRetry("provider")),
        (20003, RetryLater("locked_out")),
        (30002, RetryLater("locked_out")),
        (21606, DoNotRetry("sender_id")),
        (21212, DoNotRetry("sender_id")),
        (21703, DoNotRetry("sender_id")),
        (21408, DoNotRetry("account")),
        (21608, DoNotRetry("account")),
        (30032, DoNotRetry("account")),
        (30034, DoNotRetry("account")),
        (63038, DoNotRetry("account")),
        (20429, RetryLater("busy")),
        (20503, RetryLater("busy")),
        (21611, RetryLater("busy")),
        (30001, RetryLater("busy")),
        (14107, RetryLater("busy")),
        (20500, RetryLater("busy", once=True)),
        (30008, RetryLater("busy", once=True)),
        (30410, RetryLater("busy", once=True)),
        (30500, RetryLater("busy", once=True)),
        (99999, DoNotRetry("provider")),
    ],
)
def test_what_is_made_of_a_code(code: int, outcome: SmsOutcome, api: FakeHttpServer) -> None:
    assert CODES.get(code, DoNotRetry("provider")) == outcome
    if code not in CODES:
        assert ask(api, error(code)) == outcome


@pytest.mark.parametrize("why", OPERATOR_FAULTS)
def test_what_only_the_operator_can_mend_is_told(why: str) -> None:
    assert SMS_ADVICE[why].endswith(".")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, DoNotRetry("provider")),
        (401, RetryLater("locked_out")),
        (403, RetryLater("locked_out")),
        (404, DoNotRetry("provider")),
        (429, RetryLater("busy")),
        (503, RetryLater("busy")),
        (500, RetryLater("busy", once=True)),
        (502, RetryLater("busy", once=True)),
        (302, DoNotRetry("provider")),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"{}", b"\xff", b'{"code": "x"}', b'{"code": []}'])
def test_errors_without_a_code(api: FakeHttpServer, status: int, outcome: SmsOutcome, body: bytes) -> None:
    assert ask(api, Answer(status, {"Location": "http://127.0.0.1:1/"}, body)) == outcome
    assert api.connections == 1


def test_an_error_in_the_newer_form(api: FakeHttpServer) -> None:
    body = {"type": "https://www.twilio.com/docs/api/errors/21610", "title": "No", "status": 400, "code": 21610}
    assert ask(api, said(body, 400)) == DoNotRetry("opt_out")


@pytest.mark.parametrize("body", [b"", b"ok", b"<html>", b"[]", b"7", b"null", b"{}", b"\xff\xfe"])
def test_a_2xx_that_cannot_be_read_accepts_nothing_and_is_not_sent_twice(api: FakeHttpServer, body: bytes) -> None:
    """It may be the page of a proxy: a duty phone must not count as notified."""
    assert ask(api, Answer(201, {}, body)) == DoNotRetry("not_understood")


def test_an_address_that_may_not_be_called_is_a_fault_of_ours() -> None:
    with pytest.raises(BadTarget):
        Sender(settings("http://127.0.0.1:1"), Mode.LIVE, HttpClient(limits=LIMITS)).send(TEXT)


@pytest.mark.parametrize("sid", [None, "", 7, "x" * 34, "SM1", SID + "\n"])
def test_an_id_that_is_none(api: FakeHttpServer, sid: object) -> None:
    assert ask(api, said(message(sid=sid))) == Accepted(None)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"status": "failed", "error_code": 21610}, DoNotRetry("opt_out")),
        ({"status": "failed"}, DoNotRetry("provider")),
        ({"status": "failed", "error_code": [7]}, DoNotRetry("provider")),
        ({"status": "accepted"}, Accepted(SID)),
        ({"status": "something new"}, Accepted(SID)),
    ],
)
def test_taken_and_failed_at_once(api: FakeHttpServer, changes: dict[str, Any], outcome: SmsOutcome) -> None:
    assert ask(api, said(message(**changes))) == outcome


@pytest.mark.parametrize("how", ["never", "close", "reset", "half_head", "head_in_drips"])
def test_what_may_have_gone_out_is_never_sent_again(api: FakeHttpServer, how: str) -> None:
    assert isinstance(ask(api, Answer(201, how=how)), DoNotRetry)
    assert api.connections == 1


def test_what_surely_did_not_go_out_is(free_port: int) -> None:
    assert sender(f"http://127.0.0.1:{free_port}").send(TEXT) == RetryLater("not_reached")


@pytest.mark.parametrize("to", ["", "+", "+678", "5550101", "MyBank", "+6785550101\n", "+67855501O1", "+" + "9" * 16])
def test_no_number_no_call(api: FakeHttpServer, to: str) -> None:
    assert ask(api, said(message()), SmsMessage(to, "163", "hello")) == DoNotRetry("bad_number")
    assert api.requests == []


def test_nothing_of_the_environment_moves_it(api: FakeHttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TWILIO_EDGE", "TWILIO_REGION", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "nowhere.example")
    assert ask(api, said(message())) == Accepted(SID)


def test_live_goes_by_https_and_needs_a_number_or_a_service() -> None:
    live = {"TOKAUT_MODE": "live", "TWILIO_AUTH_TOKEN": "a-true-token", "TWILIO_ACCOUNT_SID": ACCOUNT}
    with pytest.raises(SettingError) as caught:
        load_settings(Settings, live | {"TWILIO_URL": "http://api.example", "PUBLIC_URL": "http://tokaut.example"})
    assert {fault.name for fault in caught.value.faults} == {"TWILIO_URL", "PUBLIC_URL"}
    right = live | {"PUBLIC_URL": "https://tokaut.example"}
    with pytest.raises(SettingError, match="TWILIO_FROM"):
        load_settings(Settings, right)
    assert load_settings(Settings, right | {"TWILIO_FROM": "+6785550000"}).service is None
    assert load_settings(Settings, right | {"TWILIO_MESSAGING_SERVICE_SID": SERVICE}).number is None


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("TWILIO_FROM", "6785550000"), ("TWILIO_FROM", "Tokaut"), ("TWILIO_MESSAGING_SERVICE_SID", ACCOUNT)],
)
def test_a_sender_that_is_none(name: str, wrong: str) -> None:
    with pytest.raises(SettingError, match=name):
        settings(**{name: wrong})


def test_the_token_and_the_number_are_in_no_repr() -> None:
    assert "newest" not in repr(settings())
    assert TEXT.to not in repr(TEXT)
