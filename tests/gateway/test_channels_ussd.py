"""The neutral JSON form of a mobile network or a bridge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.channels.ussd import Channel, Settings
from gateway.messaging.model import Fields, HttpResponse, Inbound, ProviderEvent, Reply, UnreadableRequest
from gateway.messaging.parsing import read
from runtime.settings import SettingError, load_settings
from tests.support.wire import raw_request

TOKEN = "kX3v9QmT-b_27LwZp0RfYc"
CHANNEL = Channel(load_settings(Settings, {"USSD_TOKEN": TOKEN}))
NEW = {"session": "a", "phone": "+6785550101", "service_code": "*111#", "network": "54101", "event": "new", "text": ""}


def fields(value: object) -> Fields:
    return read(CHANNEL.endpoints[""], raw_request(json.dumps(value).encode(), {"Content-Type": "application/json"}))


def inbound(**changes: Any) -> Inbound:
    was = {"sender": "+6785550101", "code": "*111#", "text": "", "session": "a", "event": "new", "network": "54101"}
    return Inbound(kind="ussd", channel="ussd", **{**was, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, inbound()),
        ({"event": "resume", "text": " 1*2 "}, inbound(event="resume", text=" 1*2 ")),
        ({"event": "resume", "text": 1, "turn": 3}, inbound(event="resume", text="1", id="3")),
        ({"event": None, "text": None, "network": None}, inbound(event="unsaid", text="", network="")),
        ({"phone": ""}, inbound(sender="")),
        ({"phone": 6785550101}, inbound(sender="6785550101")),
        ({"more": {"any": ["thing"]}}, inbound()),
        ({"event": "close"}, ProviderEvent("ended", "ussd", "+6785550101", "*111#", "a")),
    ],
)
def test_received(changes: dict[str, object], message: Inbound | ProviderEvent) -> None:
    assert CHANNEL.receive("", fields({**NEW, **changes})) == message


@pytest.mark.rule("A-09")
@pytest.mark.parametrize(
    "changes",
    [
        {"session": None},
        {"session": ""},
        {"session": ["a"]},
        {"event": "New"},
        {"event": True},
        {"text": {}},
        {"phone": "1" * 129},
    ],
)
def test_unreadable(changes: dict[str, object]) -> None:
    with pytest.raises(UnreadableRequest):
        CHANNEL.receive("", fields({**NEW, **changes}))


def test_a_session_named_twice_is_unreadable() -> None:
    with pytest.raises(UnreadableRequest, match="session"):
        CHANNEL.receive("", read(CHANNEL.endpoints[""], raw_request(b'{"session":"a","session":"b","text":"1"}')))


@pytest.mark.parametrize(
    ("turn", "body"),
    [
        (Reply("Sent.\n0 Done", expects_reply=True), b'{"text":"Sent.\\n0 Done","continue":true}'),
        (Reply("Goodbye.", expects_reply=False), b'{"text":"Goodbye.","continue":false}'),
        (Reply("\u0101", expects_reply=False), b'{"text":"\\u0101","continue":false}'),
        (None, b'{"text":"","continue":false}'),
    ],
)
def test_answered(turn: Reply | None, body: bytes) -> None:
    assert CHANNEL.answer("", turn) == HttpResponse(200, "application/json", body)


def test_its_address_holds_a_secret() -> None:
    assert CHANNEL.accepts(TOKEN)
    assert not CHANNEL.accepts("")
    with pytest.raises(SettingError, match="USSD_TOKEN"):
        load_settings(Settings, {"USSD_TOKEN": "changeme"})


def test_what_was_dialled_is_known_of_what_nobody_can_read() -> None:
    assert CHANNEL.code_and_link(lambda name: {"service_code": "*133#"}.get(name, "")) == ("*133#", "")
