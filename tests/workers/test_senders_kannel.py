"""Our requests to Kannel's sendsms, and the outcomes of its responses, with its errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runtime.settings import Mode, SettingError, load_settings
from tests.workers.fake_http_server import Answer, FakeHttpServer
from workers.network.http_client import HttpClient, HttpTimeouts
from workers.senders.kannel import Sender, Settings
from workers.sms.dispatcher import Accepted, DoNotRetry, RetryLater, SmsMessage, SmsOutcome

pytestmark = pytest.mark.slow

TEXT = SmsMessage(
    to="+6785550101", sender="163", words="Sent to Pikinini Helpline.\nCode 4821 9303 é €", id="m-1", seconds=540
)
LIMITS = HttpTimeouts(resolve=2, connect=2, read=2, total=4, drain=0.3)  # a busy machine answers late; a hung one never
ACCEPTED = Answer(202, {"Content-Type": "text/html"}, b"0: Accepted for delivery")
LIVE = {
    "TOKAUT_MODE": "live",
    "KANNEL_SENDSMS_URL": "http://127.0.0.1:13013/cgi-bin/sendsms",
    "KANNEL_SENDSMS_USER": "tokaut",
    "KANNEL_SENDSMS_PASSWORD": "a-password-of-the-tests",
}


@pytest.fixture
def smsbox() -> Iterator[FakeHttpServer]:
    with FakeHttpServer() as it:
        yield it


def sender(smsbox: FakeHttpServer, mode: Mode = Mode.DEMO, **settings: str) -> Sender:
    given = {
        "KANNEL_SENDSMS_URL": f"http://{smsbox.host_port}/cgi-bin/sendsms",
        "KANNEL_SENDSMS_USER": "tokaut",
        "KANNEL_SENDSMS_PASSWORD": "sesame",
    }
    return Sender(load_settings(Settings, given | settings), mode, HttpClient(limits=LIMITS))


def ask(smsbox: FakeHttpServer, answer: Answer, text: SmsMessage = TEXT, **settings: str) -> SmsOutcome:
    smsbox.answer(answer)
    return sender(smsbox, **settings).send(text)


def test_what_is_asked(smsbox: FakeHttpServer) -> None:
    reports = "http://127.0.0.1:8000/hooks/kannel/token-of-a-test/dlr"
    assert ask(smsbox, ACCEPTED, KANNEL_DLR_URL=reports) == Accepted("m-1")
    [taken] = smsbox.requests
    assert taken.head == "POST /cgi-bin/sendsms HTTP/1.1", "the words stand in no address"
    assert taken.body.decode() == TEXT.words
    wanted = {
        "content-type": "text/plain; charset=UTF-8",
        "x-kannel-username": "tokaut",
        "x-kannel-password": "sesame",
        "x-kannel-from": "163",
        "x-kannel-to": "+6785550101",
        "x-kannel-validity": "9",
        "x-kannel-dlr-mask": "31",
        "x-kannel-dlr-url": f"{reports}?id=m-1&type=%d",
    }
    assert {name: taken.headers[name] for name in wanted} == wanted
    assert "x-kannel-coding" not in taken.headers


REPORTS = "http://127.0.0.1:8000/hooks/kannel/token-of-a-test/dlr"
NOTICE = SmsMessage("+6785550101", "*111*163#", "Hello. Please dial *111*163#.", id="m-1", seconds=59)


def test_a_text_by_ussd_goes_to_the_other_kannel_and_cannot_be_answered(smsbox: FakeHttpServer) -> None:
    smsbox.answer(ACCEPTED)
    settings = {
        "KANNEL_SENDSMS_URL": "http://127.0.0.1:1/cgi-bin/sendsms",
        "KANNEL_USSD_SENDSMS_URL": f"http://{smsbox.host_port}/cgi-bin/sendsms",
        "KANNEL_DLR_URL": REPORTS,
    }
    notifier = sender(smsbox, **settings)
    assert notifier.can_notify
    assert notifier.notify(NOTICE) == Accepted("m-1")
    [taken] = smsbox.requests
    assert (taken.head, taken.body.decode()) == ("POST /cgi-bin/sendsms HTTP/1.1", NOTICE.words)
    wanted = {
        "x-kannel-from": "*111*163#",
        "x-kannel-to": "+6785550101",
        "x-kannel-validity": "1",
        "x-kannel-meta-data": "?smpp?ussd_service_op=3",
        "x-kannel-dlr-mask": "31",
        "x-kannel-dlr-url": f"{REPORTS}?id=m-1&type=%d",
    }
    assert {name: taken.headers[name] for name in wanted} == wanted


def test_an_sms_has_no_operation(smsbox: FakeHttpServer) -> None:
    ask(smsbox, ACCEPTED, KANNEL_USSD_SENDSMS_URL="http://127.0.0.1:1/cgi-bin/sendsms", KANNEL_DLR_URL=REPORTS)
    assert "x-kannel-meta-data" not in smsbox.requests[0].headers


@pytest.mark.parametrize("missing", ["KANNEL_USSD_SENDSMS_URL", "KANNEL_DLR_URL"])
def test_without_address_or_reports_nothing_goes_by_ussd(smsbox: FakeHttpServer, missing: str) -> None:
    """Without DLRs nobody would learn that it was not shown."""
    settings = {"KANNEL_USSD_SENDSMS_URL": "http://127.0.0.1:1/cgi-bin/sendsms", "KANNEL_DLR_URL": REPORTS}
    del settings[missing]
    assert not sender(smsbox, **settings).can_notify


@pytest.mark.parametrize(("words", "coding"), [("hello é €", None), ("Tēnā", "2"), ("ç", "2"), ("😀", "2")])
def test_the_alphabet_is_told(smsbox: FakeHttpServer, words: str, coding: str | None) -> None:
    ask(smsbox, ACCEPTED, SmsMessage(TEXT.to, "163", words))
    assert smsbox.requests[0].headers.get("x-kannel-coding") == coding
    assert smsbox.requests[0].body.decode() == words


def test_without_an_address_no_report_is_asked_for(smsbox: FakeHttpServer) -> None:
    ask(smsbox, ACCEPTED, SmsMessage(TEXT.to, "", "hello"))
    assert not {"x-kannel-dlr-url", "x-kannel-dlr-mask", "x-kannel-from"} & smsbox.requests[0].headers.keys()


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (202, b"3: Queued for later delivery", Accepted("m-1")),
        (202, b"", Accepted("m-1")),
        (200, b"0: Accepted for delivery", Accepted("m-1")),
        (200, b"Sent.", Accepted("m-1")),
        (200, b"<html>Log in", DoNotRetry("not_understood")),
        (200, b"", DoNotRetry("not_understood")),
        (403, b"Authorization failed for sendsms", RetryLater("locked_out")),
        (403, b"Not routable. Do not try again.", DoNotRetry("bad_number")),
        (404, b"Unknown request.", RetryLater("locked_out")),
        (400, b"Missing receiver(s) number(s), rejected", DoNotRetry("bad_number")),
        (400, b"Number(s) has/have been denied by white- and/or black-lists.", DoNotRetry("bad_number")),
        (400, b"Sender missing and no global set, rejected", DoNotRetry("sender_id")),
        (400, b"Invalid content-type", DoNotRetry("provider")),
        (302, b"", DoNotRetry("provider")),
        (503, b"Temporal failure, try again later.", RetryLater("busy")),
        (500, b"", RetryLater("busy", once=True)),
    ],
)
def test_answers(smsbox: FakeHttpServer, status: int, body: bytes, outcome: SmsOutcome) -> None:
    assert ask(smsbox, Answer(status, {}, body)) == outcome


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (SmsMessage("MTN", "163", "x"), DoNotRetry("bad_number")),
        (SmsMessage("6785550101", "163", "x"), DoNotRetry("bad_number")),
        (SmsMessage("+6785550101 +6785550102", "163", "x"), DoNotRetry("bad_number")),
        (SmsMessage("+6785550101", "163\r\nX-Kannel-To: 1", "x"), DoNotRetry("sender_id")),
    ],
)
def test_what_is_not_even_asked(smsbox: FakeHttpServer, text: SmsMessage, outcome: SmsOutcome) -> None:
    assert ask(smsbox, ACCEPTED, text) == outcome
    assert smsbox.requests == []


def test_nobody_there(free_port: int) -> None:
    given = {"KANNEL_SENDSMS_URL": f"http://127.0.0.1:{free_port}", "KANNEL_SENDSMS_USER": "a"}
    assert Sender(load_settings(Settings, given), Mode.DEMO, HttpClient(limits=LIMITS)).send(TEXT) == RetryLater(
        "not_reached"
    )


def test_live_mode_speaks_in_clear_to_this_machine_alone(smsbox: FakeHttpServer) -> None:
    smsbox.answer(ACCEPTED)
    assert sender(smsbox, Mode.LIVE).send(TEXT) == Accepted("m-1")
    load_settings(Settings, LIVE)
    load_settings(Settings, LIVE | {"KANNEL_SENDSMS_URL": "https://kannel.example/cgi-bin/sendsms"})
    for name in ("KANNEL_SENDSMS_URL", "KANNEL_USSD_SENDSMS_URL", "KANNEL_DLR_URL"):
        with pytest.raises(SettingError, match=f"{name} begins with http://"):
            load_settings(Settings, LIVE | {name: "http://10.0.0.5:13013/x"})
