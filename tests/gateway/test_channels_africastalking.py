"""Africa's Talking's forms, parsed into messages; one table for each endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from msgspec.structs import replace

from gateway.channels.africastalking import Channel, Settings
from gateway.messaging.model import HttpResponse, Inbound, ProviderEvent, Reply, UnreadableRequest
from gateway.messaging.parsing import read_form
from runtime.settings import SettingError, load_settings

TOKEN = "kX3v9QmT-b_27LwZp0RfYc"
CHANNEL = Channel(load_settings(Settings, {"AFRICASTALKING_TOKEN": TOKEN, "TOKAUT_MODE": "demo"}))

USSD = {
    "sessionId": "ATUid_1",
    "phoneNumber": "+6785550101",
    "networkCode": "99999",
    "serviceCode": "*384*123#",
    "text": "1*2",
}
SMS = {
    "from": "+6785550101",
    "to": "163",
    "text": " Report ",
    "date": "2026-11-25T06:04:45Z",
    "id": "m-1",
    "linkId": "l-1",
}
END = {
    **USSD,
    "status": "Incomplete",
    "input": "1*words typed",
    "lastAppResponse": "CON screen shown",
    "cost": "KES 0.10",
    "hopsCount": "3",
}


CALL = {
    "sessionId": "ATVId_1",
    "isActive": "1",
    "direction": "Inbound",
    "callerNumber": "+6785550101",
    "destinationNumber": "+6785550000",
    "callSessionState": "Ringing",
    "callStartTime": "2026-11-25T06:04:45Z",
}
MISSED = ProviderEvent("missed_call", "africastalking", "+6785550101", "+6785550000", id="ATVId_1")


def receive(door: str, fields: dict[str, str]) -> Inbound | ProviderEvent:
    return CHANNEL.receive(door, read_form(urlencode(fields).encode()))


def without(fields: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in names}


def ussd(**changes: Any) -> Inbound:
    was = {"sender": "+6785550101", "code": "*384*123#", "text": "1*2", "session": "ATUid_1", "network": "99999"}
    return Inbound(kind="ussd", channel="africastalking", path=True, **{**was, **changes})


def sms(**changes: Any) -> Inbound:
    was = {
        "sender": "+6785550101",
        "code": "163",
        "text": " Report ",
        "id": "m-1",
        "sent_at": 1795586685,
        "link": "l-1",
    }
    return Inbound(kind="sms", channel="africastalking", **{**was, **changes})


RECEIVED: list[tuple[str, dict[str, str], Inbound | ProviderEvent]] = [
    ("ussd", USSD, ussd()),
    ("ussd", {**USSD, "text": ""}, ussd(text="")),
    ("ussd", {**USSD, "text": "1*at home * at school"}, ussd(text="1*at home * at school")),
    ("ussd", without(USSD, "networkCode", "serviceCode"), ussd(network="", code="")),
    ("ussd", without(USSD, "text"), ussd(text="")),
    ("ussd", {**USSD, "newField": "1"}, ussd()),
    ("ussd", {**USSD, "phoneNumber": ""}, ussd(sender="")),
    ("ussd", {**USSD, "phoneNumber": "f" * 64}, ussd(sender="f" * 64)),
    ("sms", SMS, sms()),
    ("sms", {**SMS, "date": "2026-11-25 06:04:45"}, sms()),
    ("sms", {**SMS, "date": "2031-01-01 00:00:00"}, sms(sent_at=1924992000)),
    ("sms", {**SMS, "date": "x"}, sms(sent_at=None)),
    ("sms", {**SMS, "date": "2026-11-25"}, sms(sent_at=None)),
    ("sms", {**SMS, "date": "0001-01-01 00:00:00"}, sms(sent_at=-62135596800)),
    ("sms", without(SMS, "date", "linkId", "id"), sms(sent_at=None, link="", id="")),
    ("sms", {**SMS, "from": "MTN", "networkCode": "62130"}, sms(sender="MTN", network="62130")),
    ("sms", without(SMS, "from", "text"), sms(sender="", text="")),
    ("ussd-end", END, ProviderEvent("ended", "africastalking", "+6785550101", "*384*123#", "ATUid_1")),
    (
        "ussd-end",
        without(END, "status"),
        ProviderEvent("ended", "africastalking", "+6785550101", "*384*123#", "ATUid_1"),
    ),
    (
        "optout",
        {"senderId": "163", "phoneNumber": "+6785550101"},
        ProviderEvent("optout", "africastalking", "+6785550101", "163"),
    ),
    ("missed-call", CALL, MISSED),
    ("missed-call", {**CALL, "isActive": "0", "durationInSeconds": "0", "status": "Aborted"}, MISSED),
    ("missed-call", {**CALL, "direction": "Outbound"}, replace(MISSED, sender="")),
]


@pytest.mark.parametrize(("door", "fields", "message"), RECEIVED)
def test_received(door: str, fields: dict[str, str], message: Inbound | ProviderEvent) -> None:
    assert receive(door, fields) == message


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Sent", "sent"),
        ("Submitted", "sent"),
        ("Buffered", "sent"),
        ("Success", "delivered"),
        ("Rejected", "failed"),
        ("Failed", "failed"),
        ("Expired", "failed"),
        ("AbsentSubscriber", "unknown"),
        ("Foo", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_delivery_report(said: str, status: str) -> None:
    told = receive("delivery", {"id": "ATXid_1", "status": said, "phoneNumber": "+6785550101", "failureReason": "x"})
    assert told == ProviderEvent("delivery", "africastalking", "+6785550101", id="ATXid_1", status=status)


@pytest.mark.rule("S-09")
@pytest.mark.parametrize(
    ("why", "opted_out"), [("UserInBlackList", True), ("UserInBlacklist", True), ("UserIsInactive", False), ("", False)]
)
def test_a_delivery_report_may_say_that_the_number_has_opted_out(why: str, opted_out: bool) -> None:
    told = receive("delivery", {"id": "ATXid_1", "status": "Failed", "phoneNumber": "+678", "failureReason": why})
    assert isinstance(told, ProviderEvent)
    assert told.opted_out is opted_out


@pytest.mark.rule("A-09")
@pytest.mark.parametrize(
    ("door", "body"),
    [
        ("ussd", b"text=1"),
        ("ussd", b"sessionId=&text=1"),
        ("ussd", b"sessionId=a&sessionId=b"),
        ("ussd", b"sessionId=a&phoneNumber=1&phoneNumber=2"),
        ("ussd", b"sessionId=a&phoneNumber=" + b"1" * 129),
        ("ussd-end", b"phoneNumber=1"),
        ("sms", b"from=1&from=2&id=m"),
        ("sms", b"from=1&id=m&id=n"),
        ("delivery", b"status=Success"),
        ("optout", b"senderId=163"),
    ],
)
def test_unreadable(door: str, body: bytes) -> None:
    with pytest.raises(UnreadableRequest):
        CHANNEL.receive(door, read_form(body))


@pytest.mark.parametrize(
    ("door", "turn", "body"),
    [
        ("ussd", Reply("What is it?\n1 Report", expects_reply=True), b"CON What is it?\n1 Report"),
        ("ussd", Reply("Thank you. Goodbye.", expects_reply=False), b"END Thank you. Goodbye."),
        ("ussd", Reply("\u0101", expects_reply=False), b"END \xc4\x81"),
        ("ussd", None, b"END "),
        ("sms", Reply("What is it?", expects_reply=True), b""),
        ("sms", None, b""),
        ("ussd-end", None, b""),
        ("delivery", None, b""),
        ("optout", None, b""),
    ],
)
def test_answered(door: str, turn: Reply | None, body: bytes) -> None:
    assert CHANNEL.answer(door, turn) == HttpResponse(200, "text/plain; charset=utf-8", body)


def test_its_address_holds_a_secret() -> None:
    assert CHANNEL.token
    assert CHANNEL.accepts(TOKEN)
    assert not CHANNEL.accepts(TOKEN.lower())
    with pytest.raises(SettingError, match="AFRICASTALKING_TOKEN is not set; make one: tokaut keys secret"):
        load_settings(Settings, {})


def test_every_door_receives() -> None:
    assert {door for door, *_ in RECEIVED} | {"delivery"} == set(CHANNEL.endpoints)
    assert not CHANNEL.replies_in_answer["sms"], "the body of the answer is ignored by the provider"


@pytest.mark.parametrize(
    ("said", "code"), [({"serviceCode": "*384*123#"}, "*384*123#"), ({"to": "22384"}, "22384"), ({}, "")]
)
def test_what_was_dialled_is_known_of_what_nobody_can_read(said: dict[str, str], code: str) -> None:
    assert CHANNEL.code_and_link(lambda name: said.get(name, "")) == (code, "")


def test_a_call_is_refused_before_it_costs_anything() -> None:
    answer = CHANNEL.answer("missed-call", None)
    assert (answer.status, answer.content_type) == (200, "application/xml; charset=utf-8")
    assert answer.body == b'<?xml version="1.0" encoding="UTF-8"?><Response><Reject/></Response>'
