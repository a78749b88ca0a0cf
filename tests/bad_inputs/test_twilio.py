"""Twilio's endpoint: unsigned requests are refused; signed ones are read once, stored and answered in TwiML."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import requests

from tests.bad_inputs.row import LABELS, REPEATS, SORRY, TO_SEND, TO_WORDS_SMS, Row
from tests.support.handsets_twilio import TwilioTexts, said
from tests.support.twilio import Account
from tests.support.wait import until
from tests.workers.fake_http_server import FakeHttpServer

pytestmark = pytest.mark.slow

DOOR = "/hooks/twilio/sms"
HOME_SMS = "In danger? Call police 111.\n1 Report"
DANGER = "Are you or a child in danger?"
NO_PICTURES = "We did not open that and can not see pictures. Please do not send any."
STATUS = "SELECT status FROM outgoing WHERE id = ?"


class Phone:
    """A phone over Twilio. Replies are screens, without the sentence before a repeated screen."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.texts: TwilioTexts = row.installation.sms_phone("twilio", row.phone)  # type: ignore[assignment]  # a union

    def send(self, words: str, **more: str) -> str:
        if words not in LABELS and len(words) >= 8:
            self._row.is_silent(words)
        self.texts.write(words, **more)
        return self.texts.receive().replace(f"{SORRY}\n", "")

    def walk(self, *texts: str) -> str:
        return [self.send(text) for text in texts][-1]


@pytest.fixture
def phone(row: Row) -> Iterator[Phone]:
    phone = Phone(row)
    yield phone
    phone.texts.http.close()


def forged(row: Row, headers: dict[str, str], fields: dict[str, str], target: str = DOOR) -> None:
    """Send a request, and check that it is refused with 403 and always the same body."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(
        f"{row.installation.web}{target}", data=urlencode(fields), headers=kind | headers, timeout=20
    )
    assert (answer.status_code, answer.content) == (403, b"Forbidden\n")


def signature(row: Row, url: str, fields: dict[str, str]) -> dict[str, str]:
    return {"X-Twilio-Signature": row.installation.account.sign(url, fields)}


# Forgeries


@pytest.mark.rule("B-09")
def test_a_header_that_poses_as_the_signature(row: Row, phone: Phone) -> None:
    phone.texts.write("hi")
    right = row.installation.account.sign(row.installation.web + DOOR, phone.texts.last)
    with row.nothing_kept():
        for name in ("X_Twilio_Signature", "X-Twilio_Signature", "x_twilio_signature"):
            forged(row, {name: right}, phone.texts.last)


@pytest.mark.rule("B-47")
def test_no_signature_or_a_wrong_one(row: Row, phone: Phone) -> None:
    phone.texts.write("these are words that somebody made up")
    row.is_silent("these are words that somebody made up")
    fields = phone.texts.last
    right = row.installation.account.sign(row.installation.web + DOOR, fields)
    refused = row.stored_data.figure("requests_unauthenticated")
    with row.nothing_kept():
        for _ in range(REPEATS // 4):
            forged(row, {}, fields)
            forged(row, {"X-Twilio-Signature": ""}, fields)
            forged(row, {"X-Twilio-Signature": right.lower()}, fields)
            forged(row, {"X-Twilio-Signature": right}, fields | {"Body": "2"})
    assert row.stored_data.figure("requests_unauthenticated") == refused + REPEATS


@pytest.mark.rule("B-47")
@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", b"Body=%ff&From=x", b"&" * 1000 + b"=", b"a=1&" * 300, b"{}", b"Body=" + b"x" * 200_000]
)
def test_bytes_that_nobody_signed(row: Row, raw: bytes) -> None:
    with row.nothing_kept():
        for kind in ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", ""):
            headers = {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "Content-Type": kind}
            for door in (DOOR, "/hooks/twilio/status"):
                answer = requests.post(row.installation.web + door, data=raw, headers=headers, timeout=20)
                assert (answer.status_code, answer.content) == (
                    (413, b"") if len(raw) > 32_768 else (403, b"Forbidden\n")
                )


@pytest.mark.rule("X-06")
def test_another_account_though_it_signs_with_our_token(row: Row, phone: Phone) -> None:
    phone.texts.account = Account("AC" + "f" * 32, row.installation.account.token)
    phone.texts.write("hi")
    with row.nothing_kept():
        assert phone.texts.post().status_code == 403


@pytest.mark.rule("X-06")
@pytest.mark.parametrize("name", ["From", "MessageSid", "AccountSid"])
def test_a_border_between_fields_that_is_moved(row: Row, phone: Phone, name: str) -> None:
    """The signature verifies, because it has no separators between fields; without a required field it is refused."""
    phone.texts.write("hi")
    fields = dict(phone.texts.last)
    before = max((one for one in fields if one < name), default="")
    value = fields.pop(name)
    moved = fields | ({before: fields[before] + name + value} if before else {name + value: ""})
    right = signature(row, row.installation.web + DOOR, phone.texts.last)
    assert right == signature(row, row.installation.web + DOOR, moved)
    with row.nothing_kept():
        forged(row, right, moved)


@pytest.mark.rule("B-48")
def test_signed_for_another_address(row: Row, phone: Phone) -> None:
    phone.texts.write("hi")
    fields, web = phone.texts.last, row.installation.web
    with row.nothing_kept():
        forged(row, signature(row, web.replace("http:", "https:") + DOOR, fields), fields)
        forged(row, signature(row, f"{web}{DOOR}?a=1&b=2", fields), fields, f"{DOOR}?b=2&a=1")
        forged(row, signature(row, web + DOOR, fields), fields, f"{DOOR}?a=1")
        for host in ("tokaut.example", "10.0.0.5"):
            forged(row, signature(row, f"http://{host}{DOOR}", fields) | {"Host": host}, fields)


@pytest.mark.rule("B-48")
def test_the_address_is_public_url_whatever_the_proxy_says_inside(row: Row, phone: Phone) -> None:
    phone.texts.write("hi")
    right = signature(row, row.installation.web + DOOR, phone.texts.last)
    inside = {"Host": "10.0.0.5:1234", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(phone.texts.last)
    answer = requests.post(row.installation.web + DOOR, data=body, headers=right | inside | kind, timeout=20)
    assert said(answer).startswith(HOME_SMS)


# Repeats


@pytest.mark.rule("B-49")
@pytest.mark.rule("X-06")
def test_a_replay(row: Row, phone: Phone) -> None:
    """The signature does not cover the time; the id prevents a replay."""
    assert phone.walk("hi", "Report").startswith(DANGER)
    replayed = phone.texts
    for _ in range(50):
        replayed.again()
    old = dict(replayed.last)
    assert phone.send("No").startswith("What happened?")
    replayed.last = old
    assert said(replayed.post()) == ""  # already answered, so no new turn
    assert phone.send("Something else").startswith("Who is this about?")


@pytest.mark.rule("B-49")
def test_a_replay_once_the_conversation_is_forgotten(row: Row, phone: Phone) -> None:
    """Message ids are stored for longer than the conversation: a replay is no first text and gets no home screen."""
    before = row.stored_data.sessions()
    assert phone.walk("hi", "Report").startswith(DANGER)
    kept = row.stored_data.sessions() - before
    conversation = {key for key in kept if key.startswith(b"s:")}
    assert conversation and kept > conversation
    row.stored_data.forget(conversation)
    for _ in range(2):
        assert said(phone.texts.post()) == ""
    assert row.stored_data.sessions() - before == kept - conversation
    assert phone.send("hi").startswith(HOME_SMS)


@pytest.mark.rule("B-49")
def test_the_same_id_with_other_words_is_the_same_message(phone: Phone) -> None:
    asked = phone.walk("hi", "Report")
    phone.texts.last = phone.texts.last | {"Body": "1"}
    assert said(phone.texts.post()) == asked


# Pictures


@pytest.fixture
def trap() -> Iterator[FakeHttpServer]:
    """A server that nobody may connect to."""
    with FakeHttpServer() as it:
        yield it
        assert it.connections == 0


def pictures(*where: str) -> dict[str, str]:
    kinds = ["image/jpeg", "video/3gpp", "audio/amr", "text/x-vcard", "IMAGE/png"]
    more = {f"MediaContentType{n}": kinds[n % 5] for n in range(len(where))}
    return {"NumMedia": str(len(where)), **more, **{f"MediaUrl{n}": url for n, url in enumerate(where)}}


@pytest.mark.rule("B-50")
@pytest.mark.rule("S-30")
def test_pictures_are_counted_and_never_fetched(row: Row, phone: Phone, trap: FakeHttpServer) -> None:
    addresses = (
        f"http://{trap.host_port}/picture",
        "http://169.254.169.254/latest/meta-data",
        "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1",
        *(f"http://{trap.host_port}/{n}" for n in range(7)),
    )
    for address in addresses:
        row.is_silent(address)
        row.is_silent(address.replace("http", "hxxp").replace("://", "[:]//"))
    phone.walk(*TO_WORDS_SMS)
    words = "it is the one with the blue shirt"
    reply = phone.send(words, **pictures(*addresses))
    assert reply.startswith("May staff contact you") and reply.endswith(f"\n{NO_PICTURES}")
    phone.walk("No", "Send")
    report = row.report()
    assert report["narrative"] == words
    assert report["attachments"] == {"count": 10, "types": ["image", "video", "audio", "other"], "links": []}
    assert "169.254" not in json.dumps(report)
    row.installation.until_received(
        lambda lines: any(line["body"]["data"]["report_id"] == report["report_id"] for line in lines),
        "the report never came to the hotline",
    )


@pytest.mark.rule("B-50")
@pytest.mark.rule("S-30")
def test_a_picture_without_a_word_takes_no_step(row: Row, phone: Phone, trap: FakeHttpServer) -> None:
    one = pictures(f"http://{trap.host_port}/picture")
    home = phone.send("", **one)
    assert home.startswith(HOME_SMS) and home.endswith(NO_PICTURES)
    phone.send("Report")
    asked = phone.send("", **one)
    assert DANGER in asked and asked.endswith(NO_PICTURES)
    assert phone.send("No").startswith("What happened?")
    phone.walk(*TO_SEND[2:-1], "1", "No")
    asked = phone.send("", **one)
    assert asked.startswith("Send to ") and asked.endswith(NO_PICTURES)
    assert phone.send("Send").startswith("Sent to ")
    assert row.report()["attachments"]["count"] == 3


@pytest.mark.rule("B-50")
def test_a_picture_with_the_first_words_goes_with_them(row: Row, phone: Phone, trap: FakeHttpServer) -> None:
    reply = phone.send("my cousin is in trouble pls", **pictures(f"http://{trap.host_port}/picture"))
    assert reply.startswith("Not sent yet.") and reply.endswith(NO_PICTURES)
    report = row.report()
    assert (report["narrative"], report["attachments"]["count"]) == ("my cousin is in trouble pls", 1)


# Words


@pytest.mark.rule("B-51")
def test_words_in_base64_are_kept_as_they_came(row: Row, phone: Phone) -> None:
    """People decode them; not one byte is lost."""
    words = base64.b64encode(("He comes at night and says that nobody will believe me. " * 6).encode()).decode()
    phone.walk(*TO_WORDS_SMS, words, "No", "Send")
    assert row.report()["narrative"] == words


@pytest.mark.rule("B-51")
@pytest.mark.parametrize("words", ['<b>&amp; "it\'s" ]]>', "\u0101\u0304 \U0001f622 \u202e", "x" * 1600])
def test_words_of_every_kind(row: Row, phone: Phone, words: str) -> None:
    phone.walk(*TO_WORDS_SMS, words, "No", "Send")
    assert row.report()["narrative"] == words


@pytest.mark.rule("B-52")
@pytest.mark.parametrize("word", ["Stop", "ARRET"])
def test_an_opt_out_gets_an_empty_answer(row: Row, phone: Phone, word: str) -> None:
    """Twilio has answered it for us, in any language of its own list."""
    phone.walk("hi", "Report")
    opted_out = len(row.stored_data.rows("SELECT 1 FROM optout"))
    assert phone.send(word, OptOutType="STOP") == ""
    assert len(row.stored_data.rows("SELECT 1 FROM optout")) == opted_out + 1
    assert phone.send("No").startswith(HOME_SMS), "an opt-out ends the conversation"
    phone.send("START", OptOutType="START")
    assert len(row.stored_data.rows("SELECT 1 FROM optout")) == opted_out


@pytest.mark.rule("B-52")
@pytest.mark.parametrize("word", ["HELP", "AIDE"])
def test_help_gets_the_home_menu_with_the_emergency_number(phone: Phone, word: str) -> None:
    phone.walk("hi", "Report", "No")
    assert phone.send(word, OptOutType="HELP").startswith(HOME_SMS)


def test_a_sender_that_is_nobody_is_kept_for_a_person(row: Row, phone: Phone) -> None:
    for sender in ("MTN", "1234", ""):
        phone.texts.phone = sender
        assert phone.send("these are somebody's words") == ""
    assert [base64.b64decode(one["body_base64"]) for one in row.reports()] == [b"these are somebody's words"] * 3


def test_two_senders_in_one_message_are_kept_for_a_person(row: Row, phone: Phone) -> None:
    """The signature is right, but the sender is ambiguous."""
    phone.texts.write("words of one of two")
    row.is_silent("words of one of two")
    pairs = [*phone.texts.last.items(), ("From", "+6785550199")]

    class Both(dict):  # type: ignore[type-arg]  # the SDK's interface for repeated fields
        def getall(self, name: str) -> list[str]:
            return [value for key, value in pairs if key == name]

    headers = signature(row, row.installation.web + DOOR, Both(pairs)) | {
        "Content-Type": "application/x-www-form-urlencoded"
    }
    answer = requests.post(row.installation.web + DOOR, data=urlencode(pairs), headers=headers, timeout=20)
    assert said(answer) == ""
    assert base64.b64decode(row.report()["body_base64"]) == urlencode(pairs).encode()


# Delivery reports


@pytest.fixture
def sent(row: Row, phone: Phone) -> Iterator[str]:
    """Insert an SMS that was sent by the API, as delayed replies are, and return its id."""
    phone.send("hi")
    now = int(time.time() * 1_000_000)
    one = f"01a211b9-0000-7000-8000-{now % 10**12:012d}"
    row.stored_data.rows(
        "INSERT INTO outgoing (id, channel, mode, key_id, wrap, sealed, state, attempt, next_at, created_at,"
        " expires_at, provider_id) VALUES (?, 'twilio', 'demo', 'k', x'00', x'00', 'sent', 1, ?, ?, ?, ?)",
        *(one, now, now, now, f"SM{now:032x}"),
    )
    yield one
    row.stored_data.rows("DELETE FROM outgoing WHERE id = ?", one)


def provider_id(row: Row, ours: str) -> str:
    [(found,)] = row.stored_data.rows("SELECT provider_id FROM outgoing WHERE id = ?", ours)
    return str(found)


def report(row: Row, sid: str, status: str, ours: str = "", **more: str) -> None:
    query = f"?id={ours}" if ours else ""
    message = {"Sid": sid, "To": row.phone, "StatusCallback": f"{row.installation.web}/hooks/twilio/status{query}"}
    answer = row.installation.twilio.report(message, status, **more)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.rule("B-53")
def test_a_report_about_a_message_of_somebody_else(row: Row) -> None:
    before = row.stored_data.figure("delivery_receipts_unmatched")
    with row.nothing_kept():
        for n in range(50):
            report(row, f"SM{n:032x}", "delivered", ours="%27%20OR%201=1" if n % 2 else "")
    assert row.stored_data.figure("delivery_receipts_unmatched") == before + 50


@pytest.mark.rule("B-54")
def test_a_report_that_is_faster_than_the_answer_to_our_call(row: Row, sent: str) -> None:
    """By our own id it counts at once; by Twilio's as soon as that is known."""
    row.stored_data.rows("UPDATE outgoing SET provider_id = NULL WHERE id = ?", sent)
    report(row, "SM" + "e" * 32, "sent", ours=sent)
    assert row.stored_data.rows(STATUS, sent) == [("sent",)]
    early = f"SM{time.time_ns():032x}"
    report(row, early, "delivered")
    row.stored_data.rows("UPDATE outgoing SET provider_id = ? WHERE id = ?", early, sent)
    until(lambda: row.stored_data.rows(STATUS, sent) == [("delivered",)], "the early report is lost", seconds=30)


@pytest.mark.rule("B-55")
@pytest.mark.parametrize("status", ["Foo", "", "DELIVERED", "x" * 10_000])
def test_a_status_that_nobody_knows(row: Row, sent: str, status: str) -> None:
    before = row.stored_data.figure("delivery_receipts_unknown_status")
    report(row, provider_id(row, sent), status)
    assert row.stored_data.figure("delivery_receipts_unknown_status") == before + 1
    assert row.stored_data.rows(STATUS, sent)[0][0] in (None, "unknown")


@pytest.mark.rule("B-55")
@pytest.mark.parametrize("later", ["sent", "queued", "failed", "Foo"])
def test_a_state_never_goes_back(row: Row, sent: str, later: str) -> None:
    for status in ("delivered", later):
        report(row, provider_id(row, sent), status, ours=sent)
    assert row.stored_data.rows(STATUS, sent) == [("delivered",)]


def test_a_report_of_an_opt_out_is_remembered_and_no_word_is_dropped_for_it(row: Row, phone: Phone, sent: str) -> None:
    phone.send("my cousin is in trouble pls")
    opted_out = len(row.stored_data.rows("SELECT 1 FROM optout"))
    report(row, provider_id(row, sent), "failed", ErrorCode="21610")
    assert len(row.stored_data.rows("SELECT 1 FROM optout")) == opted_out + 1
    assert row.report()["narrative"] == "my cousin is in trouble pls"


def test_a_reply_that_had_to_wait_goes_out_by_the_api(row: Row, phone: Phone) -> None:
    """While Redis is unavailable, the SMS is stored and the answer to Twilio is empty; the reply follows later."""
    api = row.installation.twilio
    api.before_answer = [lambda message: api.report(message, "delivered")]  # faster than the answer to our request
    row.installation.kill("valkey")
    try:
        assert phone.send("hi") == ""
    finally:
        row.installation.start("valkey")
    until(lambda: bool(api.to(row.phone)), "what waited was never answered", 60)
    api.before_answer = []
    assert api.to(row.phone)[0].startswith(HOME_SMS)
    [message] = [one for one in api.sent if one["To"] == row.phone]
    assert 5 <= int(message["ValidityPeriod"]) <= 600
    ours = message["StatusCallback"].partition("?id=")[2]
    until(lambda: row.stored_data.rows(STATUS, ours) == [("delivered",)], "its report is lost")
