"""Kannel's queries, headers and SMPP fields, parsed into messages; one table for each endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from gateway.channels.kannel import Channel, Settings
from gateway.messaging import parsing
from gateway.messaging.model import HttpResponse, Inbound, ProviderEvent, Reply, UnreadableRequest
from runtime.settings import SettingError, load_settings
from tests.support.wire import raw_request

TOKEN = "kX3v9QmT-b_27LwZp0RfYc"
CHANNEL = Channel(load_settings(Settings, {"KANNEL_TOKEN": TOKEN, "TOKAUT_MODE": "demo"}))

# The fields that the real smsbox sends.
QUERY = {
    "id": "20ddbf49-0c9a-4cf8-b2a1-000000000001",
    "smsc": "OPERATOR",
    "from": "6785550101",
    "to": "163",
    "ts": "1795602250",
    "coding": "0",
    "charset": "UTF-8",
    "text": " Report  flood ",
    "meta": "",
}
HEADERS = {
    "Content-Type": 'text/plain; charset="UTF-8"',
    "X-Kannel-From": "6785550101",
    "X-Kannel-To": "163",
    "X-Kannel-Time": "2026-11-25 10:24:10",
    "X-Kannel-SMSC": "OPERATOR",
    "X-Kannel-Coding": "0",
    "X-Kannel-Service": "tokaut",
}
SMS = Inbound(
    kind="sms",
    channel="kannel",
    sender="6785550101",
    code="163",
    text=" Report  flood ",
    id=QUERY["id"],
    sent_at=1795602250,
    network="OPERATOR",
)


def asked(door: str, **changes: str | None) -> Inbound | ProviderEvent | HttpResponse:
    """Receive a GET request. A field that is None is left out."""
    given = {name: value for name, value in {**QUERY, **changes}.items() if value is not None}
    return CHANNEL.receive(
        door, parsing.read(CHANNEL.endpoints[door], raw_request(method="GET", target=f"/x?{urlencode(given)}"))
    )


def posted(door: str, words: bytes, query: str = "", **changes: str | None) -> Inbound | ProviderEvent:
    """Receive a POST request. A header that is None is left out."""
    named = {name.replace("_", "-"): value for name, value in changes.items()}
    given = {name: value for name, value in {**HEADERS, **named}.items() if value is not None}
    target = "/x?" + (query or f"id={QUERY['id']}&ts=1795602250")
    return CHANNEL.receive(door, parsing.read(CHANNEL.endpoints[door], raw_request(words, given, target=target)))


def sms(**changes: Any) -> Inbound:
    was = {name: getattr(SMS, name) for name in SMS.__slots__}
    return Inbound(**{**was, **changes})


def test_both_ways_say_the_same() -> None:
    assert asked("sms") == SMS
    assert posted("sms", b" Report  flood ") == SMS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"from": "+6785550101"}, sms(sender="+6785550101")),
        ({"from": "MTN"}, sms(sender="MTN")),
        ({"from": None}, sms(sender="")),
        ({"id": None}, sms(id="")),
        ({"ts": None}, sms(sent_at=None)),
        ({"ts": "soon"}, sms(sent_at=None)),
        ({"ts": "9" * 40}, sms(sent_at=None)),
        ({"text": None}, sms(text="")),
        ({"text": "Tēnā 😀"}, sms(text="Tēnā 😀")),
        ({"new": "field"}, SMS),
    ],
)
def test_by_get(changes: dict[str, str | None], message: Inbound) -> None:
    assert asked("sms", **changes) == message


@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        ("Tēnā 😀".encode(), {}, sms(text="Tēnā 😀")),
        (b"from=1&text=2", {}, sms(text="from=1&text=2")),
        (b"", {}, sms(text="")),
        (b"caf\xe9", {"Content_Type": "text/plain; charset=WINDOWS-1252"}, sms(text="café")),
        (b"x", {"Content_Type": None, "X_Kannel_From": None}, sms(text="x", sender="")),
    ],
)
def test_by_post(words: bytes, changes: dict[str, str | None], message: Inbound) -> None:
    assert posted("sms", words, **changes) == message


def test_kannels_own_time_where_the_address_has_none() -> None:
    assert posted("sms", SMS.text.encode(), f"id={SMS.id}") == SMS
    odd = posted("sms", SMS.text.encode(), f"id={SMS.id}", X_Kannel_Time="now")
    assert odd == sms(sent_at=None)


@pytest.mark.parametrize("words", ["Tēnā", "plain", "𝄞 and 😀", "ก็", "é" * 67, "쎩", "a\nb"])
def test_ucs2_that_nobody_recoded_is_read_all_the_same(words: str) -> None:
    raw = words.encode("utf-16-be")
    by_post = posted("sms", raw, X_Kannel_Coding="2", Content_Type='text/plain; charset="UTF-16BE"')
    assert by_post == sms(text=words)
    pieces = [f"{name}={quote(value)}" for name, value in QUERY.items() if name not in ("text", "coding", "charset")]
    target = "/x?" + "&".join([*pieces, "coding=2", "charset=UTF-16BE", f"text={quote(raw)}"])
    by_get = CHANNEL.receive("sms", parsing.read(CHANNEL.endpoints["sms"], raw_request(method="GET", target=target)))
    assert by_get == sms(text=words)


@pytest.mark.rule("A-01")
@pytest.mark.parametrize("words", ["he is here, t\u0113n\u0101 \ud83d", "\ude00 t\u0113n\u0101"])
def test_ucs2_cut_within_an_emoji_is_read(words: str) -> None:
    """A part of a long SMS; the other part may never come."""
    raw = words.encode("utf-16-be", "surrogatepass")
    assert posted("sms", raw, X_Kannel_Coding="2", Content_Type="text/plain") == sms(text=words)


def test_what_is_no_utf16_after_all_stays_as_it_came() -> None:
    raw = b"odd"
    read = posted("sms", raw, X_Kannel_Coding="2", Content_Type="text/plain")
    assert isinstance(read, Inbound)
    assert read.text == raw.decode("latin-1")


def test_recoded_by_kannel_it_is_text() -> None:
    assert asked("sms", coding="2", charset="UTF-8", text="Tēnā") == sms(text="Tēnā")


def test_a_sender_named_twice_is_unreadable() -> None:
    with pytest.raises(UnreadableRequest):
        CHANNEL.receive(
            "sms", parsing.read(CHANNEL.endpoints["sms"], raw_request(method="GET", target="/x?from=1&from=2&text=a"))
        )


def ussd(**changes: Any) -> Inbound:
    was = {
        "kind": "ussd",
        "channel": "kannel",
        "sender": "6785550101",
        "code": "*111*163#",
        "text": "1",
        "session": "18",
        "event": "resume",
        "id": SMS.id,
        "network": "OPERATOR",
        "link": "4608",
    }
    return Inbound(**{**was, **changes})


CONFIRM = "?smpp?ussd_service_op=%12&its_session_info=%12%00"
DIALLED = {"text": "*111*163#"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"meta": CONFIRM}, ussd()),
        ({"meta": f"{CONFIRM}&"}, ussd()),
        ({"meta": "?smpp?its_session_info=%12%04&ussd_service_op=%12&other=%41"}, ussd(link="4612")),
        ({"meta": "?smpp?ussd_service_op=%01&its_session_info=%12%00", **DIALLED}, ussd(event="new", **DIALLED)),
        ({"meta": "?smpp?ussd_service_op=%00&its_session_info=%12%00", **DIALLED}, ussd(event="new", **DIALLED)),
        ({"meta": "?smpp?ussd_service_op=%12&its_session_info=%20+"}, ussd(session="32", link="8224")),
        ({"meta": "?smpp?ussd_service_op=18&its_session_info=4608&"}, ussd()),
        ({"meta": "?smpp?ussd_service_op=18&its_session_info=x"}, ussd(session="-", link="")),
        ({"meta": "?smpp?ussd_service_op=%12&its_session_info=12"}, ussd(session="49", link="12594")),
        ({"meta": "?smpp?ussd_service_op=1&its_session_info=4608", **DIALLED}, ussd(event="new", **DIALLED)),
        ({"meta": "?smpp?ussd_service_op=%12"}, ussd(session="-", link="")),
        ({"meta": ""}, ussd(session="-", link="", event="unsaid", blind=True)),
        ({"meta": "", **DIALLED}, ussd(session="-", link="", event="unsaid", blind=True, **DIALLED)),
        ({"meta": "nonsense?=&&=%%"}, ussd(session="-", link="", event="unsaid", blind=True)),
        ({"meta": "?smpp?its_session_info=" + "%12" * 40}, ussd(session="-", link="", event="unsaid", blind=True)),
        (
            {"meta": "?smpp?ussd_service_op=%12&its_session_info=%12%01"},
            ProviderEvent("ended", "kannel", sender="6785550101", code="*111*163#", session="18"),
        ),
        (
            {"meta": "?smpp?ussd_service_op=%01&its_session_info=%12%01", **DIALLED},
            ussd(event="new", link="4609", **DIALLED),
        ),
    ],
)
def test_ussd(changes: dict[str, str | None], message: Inbound | ProviderEvent) -> None:
    assert asked("ussd", **{"to": "*111*163#", "text": "1", **changes}) == message


@pytest.mark.parametrize("meta", ["%13", "%13&its_session_info=%12%00", "%13&its_session_info=%12%01", "19"])
@pytest.mark.parametrize("text", ["", "*111*163#", "OK"])
def test_a_text_that_was_shown_unasked_brings_no_screen(meta: str, text: str) -> None:
    answer = asked("ussd", to="*111*163#", text=text, meta=f"?smpp?ussd_service_op={meta}")
    assert isinstance(answer, HttpResponse)
    assert (answer.status, answer.body, answer.headers) == (200, b"", {})


def test_ussd_by_post() -> None:
    assert posted("ussd", b"1", X_Kannel_Meta_Data=CONFIRM, X_Kannel_To="*111*163#") == ussd()


@pytest.mark.parametrize("sender", [None, ""])
def test_ussd_from_nobody_is_unreadable(sender: str | None) -> None:
    """The session byte tells the calls of one number apart, but not one reporter from another."""
    with pytest.raises(UnreadableRequest):
        asked("ussd", **{"from": sender})


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"to": "*111*163#", "meta": CONFIRM}, ("*111*163#", "4608")),
        ({"to": "163"}, ("163", "")),
        ({"meta": "nonsense?=&&=%%"}, ("", "")),
    ],
)
def test_its_line_is_known_of_what_nobody_can_read(said: dict[str, str], line: tuple[str, str]) -> None:
    assert CHANNEL.code_and_link(lambda name: said.get(name, "")) == line


@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("1", "delivered"),
        ("2", "failed"),
        ("4", "sent"),
        ("8", "sent"),
        ("16", "failed"),
        ("3", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
        ("delivered", "unknown"),
    ],
)
def test_delivery_reports(type_: str | None, status: str) -> None:
    assert asked("dlr", id="m-1", type=type_) == ProviderEvent(
        "delivery", "kannel", id="m-1", status=status, ours="m-1"
    )


@pytest.mark.parametrize(
    ("target", "body", "kind"),
    [
        ("/x?id=m-1&type=1", b"", ""),
        ("/x?id=m-1&type=1", b"", "application/x-www-form-urlencoded"),
        ("/x?id=m-1&type=1", b"", "text/plain; charset=UTF-8"),
        ("/x", b"id=m-1&type=1", "application/x-www-form-urlencoded"),
    ],
)
def test_a_delivery_report_may_be_posted(target: str, body: bytes, kind: str) -> None:
    event = ProviderEvent("delivery", "kannel", id="m-1", status="delivered", ours="m-1")
    assert reported(target, body, kind) == event


@pytest.mark.parametrize("query", ["", "type=1", "id=", "id=m-1&id=m-2&type=1", f"id={'x' * 129}"])
def test_a_posted_report_is_read_as_strictly(query: str) -> None:
    for target, body in ((f"/x?{query}", b""), ("/x", query.encode())):
        with pytest.raises(UnreadableRequest):
            reported(target, body)


def reported(target: str, body: bytes, kind: str = "") -> Inbound | ProviderEvent:
    asked = raw_request(body, {"Content-Type": kind}, target=target)
    return CHANNEL.receive("dlr", parsing.read(CHANNEL.endpoints["dlr"], asked))


def test_a_report_about_nothing_is_unreadable() -> None:
    with pytest.raises(UnreadableRequest):
        asked("dlr", id=None)


PLAIN = "text/plain; charset=UTF-8"
TEN_MINUTES = {"X-Kannel-Validity": "10"}


@pytest.mark.parametrize(
    ("door", "turn", "body", "headers"),
    [
        ("sms", Reply("In danger?\n1 Report", True), b"In danger?\n1 Report", TEN_MINUTES),
        ("sms", Reply("Tēnā", True, ucs2=True), "Tēnā".encode(), TEN_MINUTES | {"X-Kannel-Coding": "2"}),
        ("sms", Reply("", True), b"", {}),
        ("sms", None, b"", {}),
        ("dlr", None, b"", {}),
        ("ussd", None, b"", {}),
        (
            "ussd",
            Reply("1 Report", True, link="4608"),
            b"1 Report",
            {"X-Kannel-Meta-Data": "?smpp?ussd_service_op=2&its_session_info=4608"},
        ),
        (
            "ussd",
            Reply("Sent", False, link="4608"),
            b"Sent",
            {"X-Kannel-Meta-Data": "?smpp?ussd_service_op=17&its_session_info=4609"},
        ),
        (
            "ussd",
            Reply("Sent", True, link="4613"),
            b"Sent",
            {"X-Kannel-Meta-Data": "?smpp?ussd_service_op=2&its_session_info=4612"},
        ),
        ("ussd", Reply("Not working", False), b"Not working", {"X-Kannel-Meta-Data": "?smpp?ussd_service_op=17"}),
    ],
)
def test_answered(door: str, turn: Reply | None, body: bytes, headers: dict[str, str]) -> None:
    assert CHANNEL.answer(door, turn) == HttpResponse(200, PLAIN, body, headers)


def test_its_address_holds_a_secret() -> None:
    assert CHANNEL.token
    assert CHANNEL.accepts(TOKEN)
    assert not CHANNEL.accepts(TOKEN.lower())
    with pytest.raises(SettingError, match="KANNEL_TOKEN is not set"):
        load_settings(Settings, {})
    with pytest.raises(SettingError, match="KANNEL_TOKEN is one that a demo made"):
        load_settings(Settings, {"TOKAUT_MODE": "live", "KANNEL_TOKEN": "demo" + TOKEN})
